// Shows a pair: two pictures, their pages, and words about them. Text from the site only ever becomes text.
import { Lay, handle } from "/lay.js";

export const $ = (id) => document.getElementById(id);

export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name in node) node[name] = value;
    else node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

const NAMES = ["colouring", "sketch"];
const AHEAD = 8;

export class Stage {
  constructor() {
    this.card = null;
    this.at = [0, 0];
    this.opened = new Set();
    this.openAll = false;
    this.mode = "";
    this.zoomed = false;
    this.multiply = false;
    this.link = "";
    this.pictures = new Map(); // address -> image that is loading, or loaded and decoded
    this.lay = new Lay();
    this.stage = $("stage");
    this.panes = [...this.stage.querySelectorAll(".pane")];
    this.stage.addEventListener("pointermove", (event) => this.point(event));
    handle($("over"), this);
    addEventListener("resize", () => this.align());
  }

  pane(side) { return this.panes.find((pane) => pane.dataset.side === String(side)); }

  address(card, side, at, size = "image") {
    const work = card.sides[side], page = work.pages[at];
    return page ? `/${size}/${work.id}/${page.page}?${page.digest}` : "";
  }

  // An image of its own element, decoded before it is needed.
  picture(address) {
    let image = this.pictures.get(address);
    if (!image) {
      image = new Image();
      image.decoding = "sync";
      image.draggable = false;
      image.setAttribute("elementtiming", "pair");
      image.src = address;
      image.ready = image.decode().catch(() => { image.failed = true; });
      this.pictures.set(address, image);
    }
    return image;
  }

  // Fetch and decode the pictures of these cards, nearest first, and let go of all others.
  prepare(cards) {
    const wanted = new Set();
    for (const card of cards.slice(0, AHEAD)) {
      for (const side of [0, 1]) {
        const address = this.address(card, side, card === this.card ? this.at[side] : card.at[side]);
        if (address) wanted.add(address);
      }
    }
    for (const [address, image] of this.pictures) {
      if (wanted.has(address)) continue;
      if (!image.complete) image.src = "";
      this.pictures.delete(address);
    }
    for (const address of wanted) this.picture(address);
  }

  show(card) {
    if (this.card !== card) {
      this.at = [...card.at];
      this.lay.reset();
    }
    this.card = card;
    this.stage.dataset.pair = String(card.pair);
    for (const side of [0, 1]) this.drawSide(side);
    this.drawOver();
  }

  drawSide(side) {
    const card = this.card, work = card.sides[side], pane = this.pane(side), view = pane.querySelector(".view");
    const address = this.address(card, side, this.at[side]);
    if (address) {
      const image = this.picture(address);
      image.alt = `${NAMES[side]} ${work.id}, page ${this.at[side] + 1}`;
      image.onerror = () => view.replaceChildren(el("p", { className: "none" }, "this picture cannot be shown"));
      if (image.failed) image.onerror();
      else view.replaceChildren(image);
      if (this.zoomed) this.sharpen(side);
    } else view.replaceChildren(el("p", { className: "none" }, work.absence ? `no picture: ${work.absence}` : "no picture"));
    const hidden = this.hidden(side);
    view.classList.toggle("veiled", hidden);
    if (hidden) view.append(el("span", { className: "veil" }, `${work.rating || "rating not known"} · R shows it`));
    view.append(el("span", { className: `name side${side}` }, NAMES[side]));
    pane.querySelector(".strip").hidden = card.sides.every((each) => each.pages.length < 2); // else the pictures differ in height
    pane.querySelector(".strip").replaceChildren();
    pane.querySelector(".about").replaceChildren(...this.about(work, side));
    clearTimeout(pane.later); // thumbnails wait until the pictures are there
    if (work.pages.length > 1) pane.later = setTimeout(() => { if (this.card === card) this.drawStrip(side); }, 30);
  }

  hidden(side) { return this.card.sides[side].veiled && !this.openAll && !this.opened.has(this.card.sides[side].id); }

  reveal(all) {
    if (all) this.openAll = !this.openAll;
    else for (const work of this.card.sides) this.opened.add(work.id);
    this.show(this.card);
  }

  drawStrip(side) {
    const card = this.card, work = card.sides[side], strip = this.pane(side).querySelector(".strip");
    strip.replaceChildren(...work.pages.map((page, at) => {
      const image = el("img", { src: this.address(card, side, at, "thumb"), alt: "", loading: "lazy", width: 44, height: 44 });
      const button = el("button", { type: "button", title: `page ${at + 1} of ${work.pages.length}` }, image, el("b", {}, String(at + 1)));
      button.setAttribute("aria-pressed", String(at === this.at[side]));
      button.addEventListener("click", () => { this.choose(side, at); button.blur(); });
      return el("li", { className: this.hidden(side) ? "veiled" : "" }, button);
    }), ...(work.more ? [el("li", { className: "more" }, `+ ${work.more}`)] : []));
  }

  about(work, side) {
    const page = work.pages[this.at[side]];
    const shape = page && page.width ? `${page.width} × ${page.height}` : "";
    const place = work.pages.length > 1 ? `page ${this.at[side] + 1} of ${work.pages.length}` : "";
    const number = this.link ? el("a", { href: this.link.replace("{id}", work.id), target: "_blank", rel: "noopener noreferrer" }, String(work.id)) : String(work.id);
    const facts = [work.user && `by ${work.user}`, work.created, place, shape, work.rating].filter(Boolean);
    const original = page ? [" · ", el("a", { href: this.address(this.card, side, this.at[side], "original"), target: "_blank" }, "original")] : [];
    return [
      el("h2", {}, work.title || "untitled"),
      el("p", { className: "facts" }, number, ...facts.map((fact) => ` · ${fact}`), ...original),
      ...(work.text.length ? [el("p", { className: "text" }, ...work.text.map(([text, marked]) => (marked ? el("mark", {}, text) : text)))] : []),
      ...(work.tags.length ? [el("p", { className: "tags" }, ...work.tags.map((tag) => el("span", {}, tag)))] : []),
    ];
  }

  choose(side, at) {
    if (!this.card || at < 0 || at >= this.card.sides[side].pages.length) return;
    this.at[side] = at;
    this.lay.reset();
    this.drawSide(side);
    this.drawOver();
  }

  // The side that stands left (0) or right (1).
  sideAt(place) { return Number(this.panes[place].dataset.side); }

  swap() {
    this.stage.insertBefore(this.panes[1], this.panes[0]);
    this.panes.reverse();
    this.drawOver();
  }

  // -- one over the other -------------------------------------------------------------------------
  setMode(mode) {
    this.mode = this.mode === mode ? "" : mode;
    this.drawOver();
  }

  drawOver() {
    const over = $("over");
    over.hidden = !this.mode || !this.card;
    over.className = `over ${this.mode}${this.multiply ? " multiply" : ""}`;
    $("opacity").hidden = this.mode !== "overlay";
    for (const mode of ["overlay", "blink"]) document.querySelector(`[data-do=${mode}]`).setAttribute("aria-pressed", String(this.mode === mode));
    if (over.hidden) return over.replaceChildren();
    const hidden = this.hidden(0) || this.hidden(1);
    over.classList.toggle("veiled", hidden);
    const frame = el("div", { className: "frame" }, ...[1, 0].map((side) => {
      const image = el("img", { src: this.address(this.card, side, this.at[side]), alt: NAMES[side], className: `side${side}`, decoding: "sync", draggable: false });
      return image;
    }));
    over.replaceChildren(frame);
    this.align();
    this.setOpacity(Number($("opacity").value));
  }

  // How both lie: [sketch, colouring], unmoved, in shares of the colouring's longer side.
  rects() {
    const card = this.card, first = this.at[0] === card.at[0] && this.at[1] === card.at[1];
    const [ours, theirs] = [0, 1].map((side) => card.sides[side].pages[this.at[side]] || {});
    return Lay.rects(ours, theirs, first && ours.width ? card.place : null);
  }

  // Pixels of the frame for one share, and where the shares begin in it: what a hand moves changes neither.
  scale(frame, [[left, top, width, height], ours]) {
    const x = Math.min(0, left), y = Math.min(0, top);
    const wide = Math.max(ours[2], left + width) - x, high = Math.max(ours[3], top + height) - y;
    const scale = Math.min(frame.clientWidth / wide, frame.clientHeight / high);
    return [scale, (frame.clientWidth - scale * wide) / 2 - scale * x, (frame.clientHeight - scale * high) / 2 - scale * y];
  }

  align() {
    const frame = $("over").firstElementChild;
    if (!frame || !this.card) return;
    const rects = this.rects(), [scale, x, y] = this.scale(frame, rects);
    [this.lay.apply(rects[0]), rects[1]].forEach(([left, top, width, height], n) => {
      Object.assign(frame.children[n].style, { left: `${x + scale * left}px`, top: `${y + scale * top}px`, width: `${scale * width}px`, height: `${scale * height}px` });
    });
    frame.children[0].classList.toggle("flip", this.card.flip !== this.lay.mirrored);
    $("over").classList.toggle("moved", this.lay.moved);
  }

  // What pixels of the window are in shares (magnified or not).
  shares(pixels) {
    const frame = $("over").firstElementChild;
    return pixels / (this.scale(frame, this.rects())[0] * (frame.getBoundingClientRect().width / frame.clientWidth || 1));
  }

  drag(dx, dy) {
    if (!this.mode || !this.card) return;
    this.lay.move(this.shares(dx), this.shares(dy));
    this.align();
  }

  // By a factor, around a point of the window; without one, around the sketch's middle.
  grow(factor, clientX, clientY) {
    if (!this.mode || !this.card) return;
    const frame = $("over").firstElementChild, rects = this.rects(), [scale, x, y] = this.scale(frame, rects);
    const [left, top, width, height] = this.lay.apply(rects[0]);
    let px = left + width / 2, py = top + height / 2;
    if (clientX !== undefined) {
      const box = frame.getBoundingClientRect(), larger = box.width / frame.clientWidth || 1;
      px = ((clientX - box.left) / larger - x) / scale;
      py = ((clientY - box.top) / larger - y) / scale;
    }
    this.lay.zoom(factor, px, py, rects[0]);
    this.align();
  }

  nudge(dx, dy) {
    this.lay.move(0.01 * dx, 0.01 * dy);
    this.align();
  }

  mirror() {
    this.lay.mirrored = !this.lay.mirrored;
    this.align();
  }

  // As it lay before any hand.
  lay0() {
    this.lay.reset();
    this.align();
  }

  setOpacity(percent) {
    $("opacity").value = String(Math.max(0, Math.min(100, percent)));
    $("over").style.setProperty("--shown", String(Number($("opacity").value) / 100));
  }

  setZoom(on) {
    this.zoomed = on;
    if (!on) for (const original of this.stage.querySelectorAll("img.original")) original.remove();
    this.stage.classList.toggle("zoomed", on);
    document.querySelector("[data-do=zoom]").setAttribute("aria-pressed", String(on));
    if (on && this.card) for (const side of [0, 1]) this.sharpen(side);
  }

  // Magnified, a picture that was made to fit a screen gives way to its original, once that is decoded.
  async sharpen(side) {
    const card = this.card, at = this.at[side], page = card.sides[side].pages[at], view = this.pane(side).querySelector(".view");
    if (!page?.fitted || view.querySelector("img.original")) return;
    const original = el("img", { src: this.address(card, side, at, "original"), alt: "", className: "original", draggable: false });
    try { await original.decode(); } catch { return; }
    if (this.card !== card || this.at[side] !== at || !this.zoomed) return;
    view.querySelector("img")?.after(original); // the other stays below it: without zoom it is there at once again
  }

  point(event) {
    if ($("over").classList.contains("held")) return; // a hand moves the sketch, not what is magnified
    const view = event.target.closest?.(".view, .over");
    if (!view || !this.zoomed) return;
    const box = view.getBoundingClientRect();
    this.stage.style.setProperty("--x", `${(100 * (event.clientX - box.left)) / box.width}%`);
    this.stage.style.setProperty("--y", `${(100 * (event.clientY - box.top)) / box.height}%`);
  }

  clear() {
    this.card = null;
    this.mode = "";
    this.drawOver();
  }
}
