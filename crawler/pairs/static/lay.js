// How the sketch lies on its colouring: where the matcher says, or fitted into it, and then moved and scaled by hand.
// All lengths are shares of the colouring's longer side, so that a window of another size changes nothing.
const LEAST = 0.1, MOST = 10;

export class Lay {
  constructor() { this.reset(); }

  reset() { Object.assign(this, { x: 0, y: 0, scale: 1, mirrored: false }); }

  get moved() { return this.x !== 0 || this.y !== 0 || this.scale !== 1 || this.mirrored; }

  // [sketch, colouring] as [left, top, width, height]; `ours` and `theirs` are pages, `place` what the matcher knows.
  static rects(ours, theirs, place) {
    const long = Math.max(ours.width, ours.height) || 1;
    const under = [0, 0, (ours.width || 1) / long, (ours.height || 1) / long];
    if (place) return [place, under];
    const [width, height] = [theirs.width || under[2], theirs.height || under[3]];
    const fit = Math.min(under[2] / width, under[3] / height);
    return [[(under[2] - fit * width) / 2, (under[3] - fit * height) / 2, fit * width, fit * height], under];
  }

  // The sketch's rectangle after what was done by hand.
  apply([left, top, width, height]) { return [left + this.x, top + this.y, width * this.scale, height * this.scale]; }

  move(dx, dy) { this.x += dx; this.y += dy; }

  // Larger or smaller by a factor, the point (px, py) of the picture staying where it is; `rect` as it lies unmoved.
  zoom(factor, px, py, [left, top]) {
    const scale = Math.max(LEAST, Math.min(MOST, this.scale * factor));
    const by = scale / this.scale;
    this.x = px - left - (px - left - this.x) * by;
    this.y = py - top - (py - top - this.y) * by;
    this.scale = scale;
  }
}

// Listens for a hand on `over`: one pointer drags, two pinch, more hold it, the wheel scales. `stage` knows how much a
// pixel is.
export function handle(over, stage) {
  const down = new Map();
  const spread = () => {
    const [a, b] = [...down.values()];
    return { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2, far: Math.hypot(a.x - b.x, a.y - b.y) };
  };
  over.addEventListener("pointerdown", (event) => {
    if (event.button || over.classList.contains("veiled")) return;
    over.setPointerCapture(event.pointerId);
    down.set(event.pointerId, { x: event.clientX, y: event.clientY });
    over.classList.add("held");
  });
  over.addEventListener("pointermove", (event) => {
    const at = down.get(event.pointerId);
    if (!at) return;
    const before = down.size === 2 ? spread() : { x: at.x, y: at.y };
    Object.assign(at, { x: event.clientX, y: event.clientY });
    if (down.size > 2) return; // where each is counts when one of them has gone
    const now = down.size === 2 ? spread() : { x: at.x, y: at.y };
    stage.drag(now.x - before.x, now.y - before.y);
    if (down.size === 2 && before.far > 8) stage.grow(now.far / before.far, now.x, now.y);
  });
  const up = (event) => {
    down.delete(event.pointerId);
    if (!down.size) over.classList.remove("held");
  };
  for (const name of ["pointerup", "pointercancel", "lostpointercapture"]) over.addEventListener(name, up);
  over.addEventListener("wheel", (event) => {
    if (over.classList.contains("veiled") || event.ctrlKey) return;
    event.preventDefault();
    stage.grow(Math.exp(-event.deltaY * (event.deltaMode ? 0.03 : 0.0015)), event.clientX, event.clientY);
  }, { passive: false });
  over.addEventListener("dblclick", () => stage.lay0());
}
