// Draws the report's figures with Plotly, which lies packed in the page: colours and fonts from the style, at any width.
"use strict";

(async () => {
  const places = [...document.querySelectorAll("[data-plot]")];
  const figures = JSON.parse(document.getElementById("figures").textContent);

  // Runs a script that the page carries; its policy knows the script's digest and lets no other run.
  async function load(id) {
    const packed = Uint8Array.from(atob(document.getElementById(id).textContent), (c) => c.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
    const script = document.createElement("script");
    script.textContent = await new Response(stream).text();
    document.head.append(script);
  }

  // A figure with each `var(--name)` replaced by what the style says now.
  function styled(value, style) {
    if (Array.isArray(value)) return value.map((one) => styled(one, style));
    if (value && typeof value === "object") {
      return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, styled(one, style)]));
    }
    const name = typeof value === "string" && /^var\((--[\w-]+)\)$/.exec(value);
    return name ? style.getPropertyValue(name[1]).trim() : value;
  }

  const pen = document.createElement("canvas").getContext("2d");
  const marks = { "&lt;": "<", "&gt;": ">", "&amp;": "&" };

  // A label cut to so many pixels; the hover has the whole.
  function fit(label, width) {
    const letters = [...label.replace(/&(lt|gt|amp);/g, (mark) => marks[mark])];
    if (pen.measureText(letters.join("")).width <= width) return label;
    while (letters.length > 1 && pen.measureText(`${letters.join("")}…`).width > width) letters.pop();
    return `${letters.join("").replace(/[<>&]/g, (c) => Object.keys(marks).find((mark) => marks[mark] === c))}…`;
  }

  // As many names below columns as there is room for.
  function thin(axis, width) {
    const widest = Math.max(...axis.ticktext.map((label) => pen.measureText(label).width)) + 10;
    const every = Math.ceil((widest * axis.ticktext.length) / width);
    const keep = (_, at) => at % every === 0;
    axis.ticktext = axis.ticktext.filter(keep);
    axis.tickvals = axis.tickvals.filter(keep);
  }

  function draw() {
    const style = getComputedStyle(document.documentElement);
    const coarse = matchMedia("(pointer: coarse)").matches;
    for (const place of places) {
      const { data, layout } = styled(figures[place.dataset.plot], style);
      layout.width = place.clientWidth;
      layout.uirevision = "same";
      if (coarse) layout.dragmode = false; // a finger scrolls the page
      pen.font = `${layout.yaxis.tickfont.size}px ${layout.font.family}`;
      if (layout.xaxis.ticktext) thin(layout.xaxis, place.clientWidth - 48);
      if (data[0]?.orientation === "h" && layout.yaxis.ticktext) {
        layout.yaxis.ticktext = layout.yaxis.ticktext.map((label) => fit(label, place.clientWidth * 0.4));
      }
      Plotly.react(place, data, layout, { displayModeBar: false, doubleClick: "reset" });
    }
  }

  try {
    await load("plotly");
    draw();
  } catch (error) {
    document.body.classList.add("undrawn");
    throw error;
  }
  let asked = 0;
  const again = () => {
    cancelAnimationFrame(asked);
    asked = requestAnimationFrame(draw);
  };
  addEventListener("resize", again);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
})();
