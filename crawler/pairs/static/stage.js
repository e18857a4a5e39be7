// Shows a pair: two pictures, their pages, and words about them. Text from the site only ever becomes text.
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
    this.stage = $("stage");
    this.panes = [...this.stage.querySelectorAll(".pane")];
    this.stage.addEventListener("pointermove", (event) => this.point(event));
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
    if (this.card !== card) this.at = [...card.at];
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
      if (side === 1 && this.card.flip) image.classList.add("flip");
      return image;
    }));
    over.replaceChildren(frame);
    this.align();
    this.setOpacity(Number($("opacity").value));
  }

  // Where the matcher knows how the sketch lies on the colouring, both are laid out so; else each fills the frame.
  align() {
    const frame = $("over").firstElementChild, card = this.card;
    if (!frame || !card) return;
    const page = card.sides[0].pages[this.at[0]];
    const known = card.place && page?.width && this.at[0] === card.at[0] && this.at[1] === card.at[1];
    frame.classList.toggle("placed", Boolean(known));
    if (!known) return;
    const long = Math.max(page.width, page.height), [left, top, width, height] = card.place;
    const ours = [0, 0, page.width / long, page.height / long];
    const x = Math.min(0, left), y = Math.min(0, top);
    const scale = Math.min(frame.clientWidth / (Math.max(ours[2], left + width) - x), frame.clientHeight / (Math.max(ours[3], top + height) - y));
    const shift = [(frame.clientWidth - scale * (Math.max(ours[2], left + width) - x)) / 2, (frame.clientHeight - scale * (Math.max(ours[3], top + height) - y)) / 2];
    [[left, top, width, height], ours].forEach(([l, t, w, h], n) => {
      Object.assign(frame.children[n].style, { left: `${shift[0] + scale * (l - x)}px`, top: `${shift[1] + scale * (t - y)}px`, width: `${scale * w}px`, height: `${scale * h}px` });
    });
  }

  setOpacity(percent) {
    $("opacity").value = String(Math.max(0, Math.min(100, percent)));
    $("over").style.setProperty("--shown", String(Number($("opacity").value) / 100));
  }

  setZoom(on) {
    this.zoomed = on;
    this.stage.classList.toggle("zoomed", on);
    document.querySelector("[data-do=zoom]").setAttribute("aria-pressed", String(on));
  }

  point(event) {
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
