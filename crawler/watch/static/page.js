// Shows what the run tells. Text from the site only ever becomes text: nothing here makes HTML of a string.
"use strict";

const KEPT = { fine: 300, whole: 600, wall: 48, troubles: 100 };
const GONE = new Set(["not found", "restricted", "filtered", "unsupported", "purged"]);
const $ = (id) => document.getElementById(id);
const seen = { state: {}, fine: [], whole: [], wall: [], troubles: [], link: "" };
let source = null, span = "fine", paused = false, over = false, opened = new Set();

function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name in node) node[name] = value;
    else node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

// -- numbers as words -------------------------------------------------------------------------------------------------
const count = (n) => n.toLocaleString("en-US");
const speed = (n) => (n >= 99.95 ? count(Math.round(n)) : n.toFixed(1));
function size(n) {
  const units = ["B", "kB", "MB", "GB", "TB", "PB"];
  let i = 0;
  for (; n >= 999.5 && i < 5; i++) n /= 1000;
  return [i === 0 ? n.toFixed(0) : n.toFixed(n < 9.995 ? 2 : n < 99.95 ? 1 : 0), units[i]];
}
const sized = (n) => size(n).join(" ");
function lasting(s) {
  s = Math.round(s);
  const two = (n) => String(n).padStart(2, "0");
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${two(s % 60)} s`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${two(Math.floor(s / 60) % 60)} min`;
  return `${Math.floor(s / 86400)} d ${two(Math.floor(s / 3600) % 24)} h`;
}
const clock = (t) => new Date(t * 1000).toLocaleTimeString([], { hour12: false });
const percent = (part, whole) => (whole > 0 ? (part >= whole ? 100 : Math.min(99.9, Math.floor((1000 * part) / whole) / 10)) : 0);

// -- drawing ----------------------------------------------------------------------------------------------------------
const charts = {};
function makeCharts() {
  const rate = (n) => (n >= 10 ? n.toFixed(0) : n >= 1 || n === 0 ? String(Number(n.toFixed(1))) : String(Number(n.toFixed(2))));
  const ms = (n) => (n >= 1000 ? `${Number((n / 1000).toFixed(1))} s` : `${n.toFixed(0)} ms`);
  charts.images = new Chart($("chart-images"), "Images a second", [{ label: "images", at: 1, kind: "images", area: true }], rate);
  charts.traffic = new Chart($("chart-traffic"), "Traffic", [{ label: "bytes", at: 2, kind: "traffic", area: true }], (n, axis) => (axis ? size(n).join(" ") : `${sized(n)}/s`));
  charts.latency = new Chart($("chart-latency"), "Time to answer", [{ label: "API", at: 5, kind: "api" }, { label: "images", at: 6, kind: "images" }], ms);
}

function drawProgress(s) {
  const settled = s.done + s.gone + s.failed;
  $("percent").textContent = `${percent(settled, s.listed)}%`;
  $("settled").textContent = `${count(settled)} of ${count(s.listed)} works have their outcome${s.again ? `, ${count(s.again_done)} of ${count(s.again)} asked again` : ""}`;
  $("left").replaceChildren(s.left, el("small", {}, s.left_by_lane || ""));
  $("limit").textContent = s.limit;
  $("limit").className = /blocked|slowed/.test(s.limit) || s.stopping ? "slow" : "";
  $("elapsed").textContent = lasting(s.elapsed_s);
  bar($("works"), [s.done, s.gone, s.failed], s.listed);
  const parts = [["done", s.done, "done"], ["gone", s.gone, "gone"], ["failed", s.failed, "failed"], ["to do", s.pending, "todo"]];
  $("legend").replaceChildren(...parts.map(([name, n, kind]) => el("li", {}, el("i", { className: `dot ${kind}` }), el("b", {}, count(n)), ` ${name}`)));
  const known = Math.max(s.expected_images, s.images);
  bar($("images"), [s.images, s.failed_images], known);
  $("imagecount").textContent = `${count(s.images)} of ${count(known)} known`;
}

function bar(node, parts, whole) {
  parts.forEach((n, i) => { node.children[i].style.width = `${whole > 0 ? (100 * n) / whole : 0}%`; });
}

function drawTiles(s) {
  const [traffic, unit] = size(s.bytes_per_s);
  const [held, heldUnit] = size(s.bytes);
  const tiles = [
    [speed(s.images_per_s), "/s", "images"], [speed(s.works_per_min), "/min", "works"], [traffic, `${unit}/s`, "traffic"],
    [speed(s.requests_per_s), "/s", "requests"], [count(s.in_flight), "", "works in flight"],
    [held, heldUnit, `in ${count(s.images)} images`],
  ];
  $("tiles").replaceChildren(...tiles.map(([n, small, label]) => el("div", { className: "tile" }, el("b", {}, n, el("small", {}, small)), el("span", { title: label }, label))));
}

function drawHosts(s) {
  const each = (n) => (n > 0 ? `${Number(n.toFixed(2))}/s` : "no limit");
  $("hosts").replaceChildren(...s.hosts.map((h) => {
    const slowed = h.budget > 0 && h.rate < 0.99 * h.budget;
    const spent = h.spent_s >= 1;
    const blocked = h.blocked_s >= 1 || spent;
    const pace = spent ? `daily budget spent, ${lasting(h.spent_s)} more` : blocked ? `blocked for ${lasting(h.blocked_s)} more` : slowed ? `slowed to ${each(h.rate)} of ${each(h.budget)}` : each(h.rate);
    const known = slowed && h.limit > 0 ? `, limit near ${each(h.limit)} learnt` : "";
    const why = !spent && (blocked || slowed) && h.reason ? `, ${h.reason}` : "";
    const share = h.budget > 0 ? (100 * Math.min(1, h.rate / h.budget)) : 100;
    const rate = el("i", { className: blocked || slowed ? "slow" : h.lane });
    rate.style.width = `${share}%`;
    const facts = [["queue", count(h.waiting)], ["open", count(h.in_flight)], ["asked", count(h.requests)], ["refused", count(h.refused)], ["answers in", h.latency_ms === null ? "–" : `${h.latency_ms} ms`], ["received", sized(h.bytes)]];
    return el("li", {},
      el("h3", {}, h.host, el("em", { className: blocked || slowed ? "slow" : "" }, pace + (known || why))),
      el("div", { className: "bar" }, rate),
      el("div", { className: "facts" }, ...facts.map(([name, value]) => el("span", {}, `${name} `, el("b", {}, value)))));
  }), ...(s.more_hosts > 0 ? [el("li", { className: "aside" }, `and ${count(s.more_hosts)} more hosts`)] : []));
}

function drawOutcomes(s) {
  const rows = [["done", s.done, "done"], ...s.reasons.map(([name, n]) => [name, n, GONE.has(name) ? "gone" : "failed"])];
  const most = Math.max(1, ...rows.map((row) => row[1]));
  $("outcomes").replaceChildren(...rows.map(([name, n, kind]) => {
    const fill = el("i", { className: kind });
    fill.style.width = `${(100 * n) / most}%`;
    return el("li", {}, el("span", {}, name), el("div", { className: "bar" }, fill), el("b", {}, count(n)));
  }));
}

function drawTroubles() {
  $("notrouble").hidden = seen.troubles.length > 0;
  $("troubles").replaceChildren(...seen.troubles.map((one) => el("li", {},
    el("time", {}, clock(one.t)), el("span", { className: `tag ${one.event}` }, one.event), work(one.id) ?? el("span", {}, one.id || ""), el("p", {}, one.text))));
}

// A link to the work on its site, where works have one and the id is what it should be.
function work(id, ...children) {
  if (!seen.link || !/^[0-9]{1,18}$/.test(id)) return null;
  const link = el("a", { href: seen.link.replace("{id}", id), target: "_blank", rel: "noopener noreferrer" });
  link.append(...(children.length ? children : [id]));
  return link;
}

function tile(one) {
  const page = one.page === "zip" ? "animation" : `p${one.page}`;
  const shape = one.width && one.height ? `${one.width} × ${one.height}` : one.kind;
  const image = el("img", { src: `/thumb/${one.key}.jpg`, alt: `${one.id} ${page}`, loading: "lazy", decoding: "async" });
  const about = el("div", { className: "about" }, `${one.id} ${page}`, el("br"), `${shape} · ${sized(one.bytes)}`);
  const item = el("li", {}, work(one.id, image) ?? image, about);
  item.dataset.order = one.order;
  if (one.veiled && !opened.has(one.key)) {
    item.classList.add("veiled");
    const cover = el("button", { type: "button", title: "show" }, image);
    cover.addEventListener("click", () => { opened.add(one.key); item.replaceWith(tile(one)); });
    item.replaceChildren(cover, about);
  }
  return item;
}

function drawWall() {
  const wall = $("wall");
  $("nowall").hidden = seen.wall.length > 0;
  const there = new Map([...wall.children].map((node) => [Number(node.dataset.order), node]));
  const wanted = seen.wall.map((one) => there.get(one.order) ?? tile(one));
  for (const node of [...wall.children]) if (!wanted.includes(node)) node.remove();
  wanted.forEach((node, i) => { if (wall.children[i] !== node) wall.insertBefore(node, wall.children[i] ?? null); });
  fitWall();
}

function fitWall() {
  // Whole rows only.
  const wall = $("wall");
  const columns = getComputedStyle(wall).gridTemplateColumns.split(" ").length;
  const rows = Math.min(innerWidth < 640 ? 6 : 4, Math.max(1, Math.floor(wall.children.length / columns)));
  [...wall.children].forEach((node, i) => node.classList.toggle("spare", i >= rows * columns));
}

function drawCharts() {
  for (const chart of Object.values(charts)) chart.show(seen[span]);
}

function draw() {
  const s = seen.state;
  if (s.listed === undefined) return;
  document.title = `${percent(s.done + s.gone + s.failed, s.listed)}% · crawler`;
  $("folder").textContent = s.directory.split("/").slice(-2).join("/");
  $("folder").title = s.directory;
  drawProgress(s); drawTiles(s); drawHosts(s); drawOutcomes(s); drawCharts(); pill();
}

function pill() {
  const s = seen.state;
  const [kind, text] = over ? ["", "the run is over"] : paused ? ["wait", "paused"] : source && source.readyState === 1
    ? (s.stopping ? ["wait", `stopping: ${s.stopping}`] : ["live", s.phase || "live"]) : ["lost", "reconnecting"];
  $("pill").className = `pill ${kind}`;
  $("pill").textContent = text;
  document.body.classList.toggle("stale", !over && !paused && kind === "lost" && s.listed !== undefined);
}

// -- what the run tells -----------------------------------------------------------------------------------------------
function newer(points, more) {
  const last = points.length ? points.at(-1)[0] : -Infinity;
  points.push(...more.filter((p) => p[0] > last));
}

function hang(tiles) {
  for (const one of tiles) if (!seen.wall.some((other) => other.order === one.order)) seen.wall.push(one);
  seen.wall.sort((a, b) => b.order - a.order);
  seen.wall.length = Math.min(seen.wall.length, KEPT.wall);
  drawWall();
}

function hello(told) {
  over = false;
  Object.assign(seen, { state: told.state, fine: told.fine, whole: told.whole, link: told.link, wall: [] });
  seen.troubles = told.troubles.reverse();
  $("version").textContent = told.version;
  $("wall").replaceChildren();
  hang(told.wall); drawTroubles(); draw();
}

function tick(told) {
  seen.state = told.state;
  newer(seen.fine, told.fine);
  if (told.all) seen.whole = told.all; else newer(seen.whole, told.whole);
  for (const name of ["fine", "whole"]) seen[name].splice(0, seen[name].length - KEPT[name] - 1);
  const fresh = told.troubles.filter((one) => !seen.troubles.some((other) => other.t === one.t && other.id === one.id && other.text === one.text));
  if (fresh.length) {
    seen.troubles.unshift(...fresh.reverse());
    seen.troubles.length = Math.min(seen.troubles.length, KEPT.troubles);
    drawTroubles();
  }
  if (told.wall.length) hang(told.wall);
  draw();
}

// -- the line to the run ----------------------------------------------------------------------------------------------
let again = 0;
function connect() {
  clearTimeout(again);
  source?.close();
  source = null;
  if (paused || document.hidden) return pill();
  source = new EventSource("/events");
  source.addEventListener("hello", (event) => hello(JSON.parse(event.data)));
  source.addEventListener("tick", (event) => tick(JSON.parse(event.data)));
  source.addEventListener("end", () => {
    over = true;
    source.close();
    pill();
    again = setTimeout(connect, 5000); // the next run on this port is shown without a reload
  });
  source.addEventListener("open", pill);
  source.addEventListener("error", () => {
    if (source.readyState === 2) again = setTimeout(connect, over ? 5000 : 3000);
    pill();
  });
}

$("pause").addEventListener("click", () => {
  paused = !paused;
  $("pause").textContent = paused ? "Resume" : "Pause";
  $("pause").setAttribute("aria-pressed", String(paused));
  connect();
});
for (const button of document.querySelectorAll("[data-span]")) {
  button.addEventListener("click", () => {
    span = button.dataset.span;
    for (const other of document.querySelectorAll("[data-span]")) other.setAttribute("aria-pressed", String(other === button));
    drawCharts();
  });
}
document.addEventListener("visibilitychange", connect); // a hidden tab costs the run nothing
addEventListener("resize", fitWall);
makeCharts();
connect();
