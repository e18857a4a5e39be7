// A chart over time, drawn as SVG at the size it has: lines, an area, shaded times, and a cross-hair with the numbers.
"use strict";

const STEPS = [5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600, 43200, 86400, 172800, 604800, 2592000];
const EDGE = { left: 44, right: 6, top: 8, bottom: 20 };

function svg(tag, attributes, text) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  if (text !== undefined) node.textContent = text;
  return node;
}

class Chart {
  // series: [{ label, at (index into a point), kind (css class), area }]; format: a value as text.
  constructor(root, title, series, format) {
    this.series = series;
    this.format = format;
    this.points = [];
    this.hover = null;
    root.classList.add("chart");
    this.caption = root.appendChild(document.createElement("figcaption"));
    this.caption.append(Object.assign(document.createElement("b"), { textContent: title }));
    for (const one of series) {
      const key = document.createElement("span");
      key.append(Object.assign(document.createElement("i"), { className: `dot ${one.kind}` }), one.label);
      if (series.length > 1) this.caption.append(key);
    }
    this.svg = root.appendChild(svg("svg", { role: "img", "aria-label": `${title} over time` }));
    this.tip = root.appendChild(Object.assign(document.createElement("div"), { className: "tip" }));
    new ResizeObserver(() => this.draw()).observe(this.svg);
    this.svg.addEventListener("pointermove", (event) => {
      this.hover = event.clientX - this.svg.getBoundingClientRect().left;
      this.draw();
    });
    this.svg.addEventListener("pointerleave", () => { this.hover = null; this.draw(); });
  }

  show(points) {
    this.points = points;
    this.draw();
  }

  draw() {
    const { width, height } = this.svg.getBoundingClientRect();
    if (!width) return;
    const points = this.points;
    const nodes = [];
    const top = nice(Math.max(...points.flatMap((p) => this.series.map((s) => p[s.at] ?? 0)), 0));
    const first = points.length ? points[0][0] : 0;
    const last = points.length ? points[points.length - 1][0] : 1;
    const x = (t) => EDGE.left + ((t - first) / Math.max(1e-9, last - first)) * (width - EDGE.left - EDGE.right);
    const y = (v) => height - EDGE.bottom - (v / top) * (height - EDGE.top - EDGE.bottom);
    for (let i = 0; i <= 3; i++) {
      const at = y((top * i) / 3);
      nodes.push(svg("line", { class: "grid", x1: EDGE.left, x2: width - EDGE.right, y1: at, y2: at }));
      nodes.push(svg("text", { x: EDGE.left - 7, y: at + 4, "text-anchor": "end" }, this.format((top * i) / 3, true)));
    }
    if (points.length > 1) {
      nodes.push(...this.shades(x, height), ...ticks(first, last, x, width, height));
      for (const one of this.series) nodes.push(...this.curve(one, x, y));
      nodes.push(...this.cross(x, y, height, width));
    } else {
      nodes.push(svg("text", { x: (width + EDGE.left) / 2, y: height / 2, "text-anchor": "middle" }, "the first points come in a few seconds"));
    }
    this.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.svg.replaceChildren(...nodes);
  }

  shades(x, height) {
    const out = [];
    this.points.forEach((p, i) => {
      if (p[7] <= 0 || i === 0) return;
      const from = x(this.points[i - 1][0]);
      const box = { class: "blocked", x: from, y: EDGE.top, width: Math.max(1, x(p[0]) - from), height: height - EDGE.top - EDGE.bottom };
      out.push(svg("rect", { ...box, opacity: 0.35 + 0.65 * p[7] }));
    });
    return out;
  }

  curve(one, x, y) {
    const out = [];
    let run = [];
    const flush = () => {
      if (run.length > 1) {
        const line = run.map(([a, b]) => `${a.toFixed(1)},${b.toFixed(1)}`).join("L");
        if (one.area) out.push(svg("path", { class: `area ${one.kind}`, d: `M${run[0][0].toFixed(1)},${y(0)}L${line}L${run.at(-1)[0].toFixed(1)},${y(0)}Z` }));
        out.push(svg("path", { class: `line ${one.kind}`, d: `M${line}` }));
      }
      run = [];
    };
    for (const p of this.points) {
      if (p[one.at] === null) flush();
      else run.push([x(p[0]), y(p[one.at])]);
    }
    flush();
    return out;
  }

  cross(x, y, height, width) {
    this.tip.classList.toggle("on", this.hover !== null);
    if (this.hover === null) return [];
    const near = this.points.reduce((best, p) => (Math.abs(x(p[0]) - this.hover) < Math.abs(x(best[0]) - this.hover) ? p : best));
    const at = x(near[0]);
    const out = [svg("line", { class: "cross", x1: at, x2: at, y1: EDGE.top, y2: height - EDGE.bottom })];
    const said = [new Date(near[0] * 1000).toLocaleTimeString([], { hour12: false })];
    for (const one of this.series) {
      if (near[one.at] === null) continue;
      out.push(svg("circle", { class: `line ${one.kind}`, cx: at, cy: y(near[one.at]), r: 3 }));
      said.push((this.series.length > 1 ? one.label + " " : "") + this.format(near[one.at], false));
    }
    this.tip.textContent = said.join("  ·  ");
    this.tip.style.left = `${Math.max(0, Math.min(at - this.tip.offsetWidth / 2, width - this.tip.offsetWidth))}px`;
    return out;
  }
}

// The next "round" number that is divisible by three: the top of a scale with three steps.
function nice(top) {
  if (!(top > 0)) return 3;
  const unit = 10 ** Math.floor(Math.log10(top / 3));
  for (const step of [1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10]) if (3 * step * unit >= top * 1.04) return 3 * step * unit;
  return 30 * unit;
}

function ticks(first, last, x, width, height) {
  const most = Math.max(2, Math.floor(width / 84));
  const step = STEPS.find((s) => (last - first) / s <= most) ?? STEPS.at(-1);
  const shift = new Date(first * 1000).getTimezoneOffset() * 60;
  const out = [];
  for (let t = Math.ceil((first - shift) / step) * step + shift; t <= last; t += step) {
    const at = x(t);
    if (at < EDGE.left + 12 || at > width - 20) continue;
    const date = new Date(t * 1000);
    const text = step >= 86400 ? date.toLocaleDateString([], { month: "short", day: "numeric" })
      : date.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hour12: false, ...(step < 60 ? { second: "2-digit" } : {}) });
    out.push(svg("text", { x: at, y: height - 4, "text-anchor": "middle" }, text));
  }
  return out;
}
