// Judging pairs: the hand of cards to come, the trail of those judged, and the line to the server.
import { Outbox } from "/outbox.js";
import { $, el, Stage } from "/stage.js";

const WANT = 12, LOW = 8, TRAIL = 200;
const stage = new Stage();
const state = { hand: [], trail: [], done: [], place: null, order: "", show: "todo", progress: null, live: false, began: [], hello: null, starting: true };
// `place`: where in the trail one looks, null at the hand. `done`: what undo takes back, the last at the end.

// -- who we are -------------------------------------------------------------------------------------------------------
history.replaceState(null, "", "/"); // the token is in a cookie now, and need not be seen
const fresh = () => Array.from(crypto.getRandomValues(new Uint8Array(8)), (n) => (n % 36).toString(36)).join("");
let tab = sessionStorage.getItem("tab") || fresh();
const others = new BroadcastChannel("crawler-review");

// A tab that was duplicated has the name of the other: who was there first keeps it.
async function ownName() {
  let taken = false;
  others.onmessage = ({ data }) => {
    if (data.ask === tab && !state.starting) others.postMessage({ taken: tab });
    if (data.taken === tab && state.starting) taken = true;
  };
  others.postMessage({ ask: tab });
  await new Promise((done) => setTimeout(done, 40));
  if (taken) tab = fresh();
  state.starting = false;
  sessionStorage.setItem("tab", tab);
}

function nextKey() {
  const number = Number(sessionStorage.getItem("number") || 0) + 1;
  sessionStorage.setItem("number", String(number));
  return `${tab}-${number}`;
}

let outbox = null;

// -- the line to the server -------------------------------------------------------------------------------------------
let syncing = false, again = 0, wait = 300;

// Saves what waits, then fills the hand; one at a time.
async function sync() {
  if (syncing) return;
  syncing = true;
  clearTimeout(again);
  let fine = true;
  while (fine && outbox.ops.length) {
    const told = await outbox.send();
    fine = told !== null;
    if (fine) setProgress(told.progress);
  }
  if (fine && (!outbox.log || state.hand.length < LOW)) fine = await deal(outbox.log ? state.hand : null);
  if (fine && outbox.ops.length) { syncing = false; return sync(); }
  syncing = false;
  wait = fine ? 300 : Math.min(4000, wait * 1.5);
  if (!fine || !state.hand.length) again = setTimeout(sync, fine ? 4000 : wait); // another tab may give back what it holds
}

async function deal(held) {
  const asked = { tab, want: WANT, order: state.order, show: state.show, held: held && held.map((card) => [...card.pair, card.again]) };
  let told;
  try {
    const response = await fetch("/deal", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(asked) });
    if (!response.ok) { outbox.trouble = response.status === 401 ? "open the address with its token again" : (await response.text()).trim(); drawPill(); return false; }
    told = await response.json();
  } catch { outbox.trouble = "the server does not answer"; drawPill(); return false; }
  outbox.trouble = "";
  if (asked.order !== state.order || asked.show !== state.show) return deal([]); // chosen anew meanwhile
  if (held === null) {
    outbox.open(told.log);
    const shown = new Map(told.trail_cards.map((card) => [String(card.pair), card]));
    for (const said of told.trail) {
      const entry = { card: { ...shown.get(String(said.pair)) }, verdict: said.verdict, key: said.key, was: [] };
      entry.card.at = placesOf(entry.card, said.pages);
      state.trail.push(entry);
      if (said.key) state.done.push(entry);
    }
  } else if (told.log !== outbox.log) { location.reload(); return false; } // another review is at this address now
  const asKey = (card) => `${card.pair}${card.again}`;
  const allowed = new Set(told.hand.map(([a, b, twice]) => `${a},${b}${twice}`));
  const hadBefore = new Set((held || []).map(asKey));
  const pending = new Set(outbox.ops.filter((op) => op.op !== "undo").map((op) => String(op.pair)));
  const judged = new Set(state.trail.slice(-20).filter((entry) => pending.has(String(entry.card.pair))).map((entry) => String(entry.card.pair)));
  const before = state.hand[0];
  state.hand = state.hand.filter((card) => !hadBefore.has(asKey(card)) || allowed.has(asKey(card)));
  for (const card of told.cards) {
    if (state.hand.some((other) => asKey(other) === asKey(card)) || pending.has(String(card.pair)) || judged.has(String(card.pair))) continue;
    state.hand.push(card);
  }
  setProgress(told.progress);
  if (state.place === null && (state.hand[0] !== before || !stage.card)) draw();
  prepare();
  return true;
}

function placesOf(card, pages) {
  return card.sides.map((side, n) => Math.max(0, side.pages.findIndex((page) => page.page === pages[n])));
}

function listen() {
  const source = new EventSource(`/events?tab=${tab}`);
  source.addEventListener("hello", (event) => {
    state.live = true;
    hello(JSON.parse(event.data));
    wait = 300;
    sync();
  });
  source.addEventListener("news", (event) => news(JSON.parse(event.data)));
  source.addEventListener("bye", () => { state.live = false; drawPill(); });
  source.addEventListener("error", () => {
    state.live = false;
    drawPill();
    if (source.readyState === 2) { source.close(); setTimeout(listen, 1000); }
  });
}

function hello(told) {
  state.hello = told;
  stage.link = told.link;
  state.order ||= sessionStorage.getItem("order") || told.order;
  for (const [id, names, value] of [["order", told.orders, state.order], ["show", told.shows, state.show]]) {
    $(id).replaceChildren(...Object.entries(names).map(([name, text]) => el("option", { value: name }, text)));
    $(id).value = value;
  }
  $("about").textContent = `${told.directory} · crawler ${told.version}`;
  setProgress(told.progress);
}

// What another tab did, or this one a moment ago.
function news(told) {
  setProgress(told.progress);
  if (told.said && !told.said.key.startsWith(`${tab}-`)) {
    const pair = String(told.said.pair);
    for (const entry of state.trail) {
      if (String(entry.card.pair) === pair) Object.assign(entry, { verdict: told.said.verdict, key: told.said.key });
    }
    const shown = state.hand[0];
    state.hand = state.hand.filter((card) => card.again || String(card.pair) !== pair);
    if (state.hand[0] !== shown && state.place === null) draw();
    drawTrail();
    sync();
  }
  if (told.undone) {
    for (const entry of state.trail) if (entry.key === told.undone) entry.verdict = "";
    drawTrail();
  }
}

// -- judging ----------------------------------------------------------------------------------------------------------
const current = () => (state.place === null ? state.hand[0] : state.trail[state.place]?.card);

function judge(verdict, event) {
  const card = current();
  if (!card || document.body.classList.contains("resting")) return;
  const key = nextKey();
  const pages = card.sides.map((side, n) => side.pages[stage.at[n]]?.page).map((page) => (typeof page === "number" ? page : 0));
  outbox.put({ op: "judge", key, pair: card.pair, verdict, pages, again: state.place === null && card.again });
  if (state.place === null) {
    const entry = { card: { ...card, at: [...stage.at] }, verdict, key, was: [], first: true };
    state.hand.shift();
    state.trail.push(entry);
    state.done.push(entry);
    if (state.trail.length > TRAIL) state.trail.shift();
    state.began.push(Date.now());
    if (state.began.length > 30) state.began.shift();
  } else {
    const entry = state.trail[state.place];
    entry.was.push([entry.verdict, entry.key]);
    Object.assign(entry, { verdict, key });
    state.done.push(entry);
    forward();
  }
  draw();
  measure(event);
  toast(verdict);
  sync();
}

function undo() {
  let entry = state.done.pop();
  while (entry && (!entry.verdict || !state.trail.includes(entry))) entry = state.done.pop();
  if (!entry) return toast("", "nothing to undo");
  outbox.put({ op: "undo", key: nextKey(), of: entry.key });
  if (entry.was.length) {
    [entry.verdict, entry.key] = entry.was.pop();
    state.place = state.trail.indexOf(entry);
  } else {
    state.trail.splice(state.trail.indexOf(entry), 1);
    state.hand = state.hand.filter((card) => String(card.pair) !== String(entry.card.pair));
    state.hand.unshift(entry.card);
    state.place = null;
  }
  draw();
  toast("", "taken back");
  sync();
}

function back() {
  const place = (state.place ?? state.trail.length) - 1;
  if (place < 0) return toast("", "nothing before this");
  state.place = place;
  draw();
}

function forward() {
  if (state.place === null) return;
  state.place += 1;
  if (state.place >= state.trail.length) state.place = null;
}

function next() {
  if (state.place !== null) forward();
  else if (state.hand.length) {
    const card = state.hand.shift();
    outbox.put({ op: "later", key: nextKey(), pair: card.pair });
    toast("", "put off: it comes back at the end");
    sync();
  }
  draw();
}

// -- drawing ----------------------------------------------------------------------------------------------------------
function draw() {
  const card = current();
  document.body.classList.toggle("resting", !card);
  document.body.classList.toggle("past", state.place !== null);
  $("rest").hidden = Boolean(card);
  $("stage").hidden = $("evidence").hidden = !card;
  if (card) {
    stage.show(card);
    drawEvidence(card);
  } else {
    stage.clear();
    const p = state.progress;
    const words = !p || !outbox?.log || outbox.trouble ? ["Waiting for the server", "What you judged is kept in this browser until it is saved."]
      : state.show !== "todo" ? ["None of these", "Choose “not judged yet” to go on."]
      : p.judged < p.total ? ["Nothing left here", "Other tabs hold the rest."]
      : ["All pairs are judged", `${p.yes.toLocaleString("en-US")} of ${p.total.toLocaleString("en-US")} are pairs. “crawler pairs export” makes a list of them.`];
    $("rest").querySelector("h1").textContent = words[0];
    $("rest").querySelector("p").textContent = words[1];
  }
  drawTrail();
  prepare();
}

function prepare() {
  const card = current();
  const coming = state.place === null ? state.hand : [...state.trail.slice(state.place, state.place + 2).map((entry) => entry.card), ...state.hand.slice(0, 2)];
  stage.prepare(card ? [card, ...coming.filter((other) => other !== card)] : coming);
}

function drawEvidence(card) {
  const e = card.evidence, chips = [];
  const past = state.place === null ? null : state.trail[state.place];
  if (past) chips.push(el("b", { className: `was ${past.verdict}` }, past.verdict ? `judged ${past.verdict}` : "taken back"));
  const percent = (x) => `${Math.round(100 * x)} %`;
  if (card.score !== null && card.score !== card.match) chips.push(el("span", {}, "likely ", el("b", {}, percent(card.score))));
  if (card.match !== null) chips.push(el("span", {}, "lines agree ", el("b", {}, percent(card.match)), card.flip ? ", mirrored" : ""));
  if (e.older !== undefined) chips.push(el("span", { className: e.older ? "" : "odd" }, e.older ? "the sketch is older" : "the sketch is not older"));
  if (e.same_author !== undefined) chips.push(el("span", { className: e.same_author ? "odd" : "" }, e.same_author ? "one author" : "two authors"));
  if (e.tags?.length) chips.push(el("span", {}, e.tags.join(" ")));
  if (e.words || e.link) chips.push(el("span", { className: "words" }, "“", e.words || e.link, "”"));
  $("evidence").replaceChildren(...chips);
}

function drawTrail() {
  const from = Math.max(0, state.trail.length - 14);
  $("trail").replaceChildren(...state.trail.slice(from).map((entry, n) => {
    const button = el("button", { type: "button", className: entry.verdict || "none", title: `${entry.card.pair[0]}, ${entry.card.pair[1]}: ${entry.verdict || "taken back"}` });
    if (state.place === from + n) button.setAttribute("aria-current", "true");
    button.addEventListener("click", () => { state.place = from + n; draw(); });
    return el("li", {}, button);
  }));
}

const number = (n) => n.toLocaleString("en-US");
function setProgress(p) {
  state.progress = p;
  const share = p.total ? (100 * p.judged) / p.total : 0;
  document.title = `${share.toFixed(share < 10 ? 1 : 0)}% · pairs · crawler`;
  $("judged").textContent = `${number(p.judged)} of ${number(p.total)}`;
  const pace = paceOf();
  $("counts").replaceChildren(...["yes", "no", "unsure"].map((name) => el("span", { className: name }, number(p[name]))), ...(pace && p.judged < p.total ? [el("em", {}, lasting(((p.total - p.judged) * pace) / 1000))] : []));
  $("counts").title = `pairs, no pairs, unsure${p.lacking ? `; ${number(p.lacking)} listed pairs lack an image and are not shown` : ""}`;
  [...$("bar").children].forEach((part, n) => { part.style.width = `${p.total ? (100 * p[["yes", "no", "unsure"][n]]) / p.total : 0}%`; });
  $("errors").replaceChildren(...[["your error", p.own, "asked twice", "How often one judgement is wrong, from pairs asked twice without showing the first answer; 95 % interval."],
    ["wrong in the list", p.list, "in the sample", "From a random sample of the list; 95 % interval."]].filter(([, e]) => e).map(([name, e, of, title]) => {
    const percent = (x) => (100 * x).toFixed(x < 0.0995 ? 1 : 0);
    return el("span", { title: `${title} ${e.wrong} of ${e.sample}${e.unsure ? `, ${e.unsure} unsure` : ""}.` }, `${name} `, el("b", {}, e.sample ? `${percent(e.rate)} %` : "–"), e.sample ? ` (${percent(e.low)}–${percent(e.high)} %, ${number(e.sample)} ${of})` : " (not known yet)");
  }));
  drawPill();
}

function paceOf() { // milliseconds for a pair, pauses left out
  const gaps = state.began.slice(1).map((t, n) => t - state.began[n]).sort((a, b) => a - b);
  return gaps.length < 5 ? 0 : gaps[gaps.length >> 1];
}

function lasting(s) {
  if (s < 90) return `${Math.max(1, Math.round(s))} s left`;
  if (s < 5400) return `${Math.round(s / 60)} min left`;
  return `${(s / 3600).toFixed(1)} h left`;
}

function drawPill() {
  const waiting = outbox?.ops.length || 0, trouble = outbox?.trouble || (state.live ? "" : "the server is gone");
  const [kind, text] = trouble && waiting ? ["lost", `${waiting} not saved`] : trouble ? ["lost", "no server"] : waiting ? ["wait", waiting > 1 ? `saving ${waiting}` : "saving"] : ["live", "saved"];
  $("pill").className = `pill ${kind}`;
  $("pill").textContent = text;
  $("pill").title = trouble || "every judgement is on the server's disk";
}

let toasting = 0;
function toast(verdict, text) {
  $("toast").textContent = text || { yes: "pair", no: "no pair", unsure: "unsure" }[verdict];
  $("toast").className = `on ${verdict}`;
  clearTimeout(toasting);
  toasting = setTimeout(() => { $("toast").className = ""; }, 700);
}

// From the key to the frame after the next pair is in the page; developer tools and tests read it.
function measure(event) {
  if (!event) return;
  requestAnimationFrame(() => setTimeout(() => performance.measure("key to pair", { start: event.timeStamp, end: performance.now() })));
}

// -- keys and buttons -------------------------------------------------------------------------------------------------
const ACTIONS = {
  yes: (event) => judge("yes", event), no: (event) => judge("no", event), unsure: (event) => judge("unsure", event),
  undo, prev: back, next, swap: () => stage.swap(), overlay: () => stage.setMode("overlay"), blink: () => stage.setMode("blink"),
  zoom: () => stage.setZoom(!stage.zoomed), details: () => document.body.classList.toggle("bare"),
  plain: () => { stage.mode = ""; stage.setZoom(false); stage.drawOver(); },
  mirror: () => { if (stage.mode) stage.mirror(); }, larger: () => stage.grow(1.02), smaller: () => stage.grow(1 / 1.02), asItWas: () => stage.lay0(),
  multiply: () => { stage.multiply = !stage.multiply; stage.drawOver(); },
  help: () => $("keys").showModal(),
};
const KEYS = {
  y: "yes", j: "yes", n: "no", k: "no", u: "unsure", l: "unsure", z: "undo", backspace: "undo", arrowleft: "prev", arrowright: "next", " ": "next",
  s: "swap", o: "overlay", b: "blink", x: "zoom", i: "details", m: "multiply", f: "mirror", "+": "larger", "=": "larger", "-": "smaller", "0": "asItWas", escape: "plain", "?": "help", h: "help",
};

const MOVES = { arrowleft: [-1, 0], arrowright: [1, 0], arrowup: [0, -1], arrowdown: [0, 1] };

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || $("keys").open || event.target.tagName === "SELECT") return;
  const key = event.key.toLowerCase(), digit = /^Digit([1-9])$/.exec(event.code);
  const move = stage.mode && event.shiftKey && MOVES[key];
  if (event.repeat && !move && !["arrowup", "arrowdown", "+", "=", "-"].includes(key)) return; // a key that is held judges one pair
  if (digit) stage.choose(stage.sideAt(event.shiftKey ? 0 : 1), Number(digit[1]) - 1);
  else if (move) stage.nudge(...move);
  else if (key === "r") { if (stage.card) stage.reveal(event.shiftKey); }
  else if (key === "arrowup" || key === "arrowdown") { if (stage.mode === "overlay") stage.setOpacity(Number($("opacity").value) + (key === "arrowup" ? 10 : -10)); else return; }
  else if (KEYS[key]) ACTIONS[KEYS[key]](event);
  else return;
  event.preventDefault();
});

for (const button of document.querySelectorAll("[data-do]")) {
  button.addEventListener("click", (event) => { ACTIONS[button.dataset.do](event); button.blur(); });
}
$("help").addEventListener("click", ACTIONS.help);
$("opacity").addEventListener("input", () => stage.setOpacity(Number($("opacity").value)));
$("stage").addEventListener("click", (event) => { if (event.target.closest(".veiled") && !event.target.closest("button, a")) stage.reveal(false); });
for (const id of ["order", "show"]) {
  $(id).addEventListener("change", async () => {
    state[id] = $(id).value;
    if (id === "order") sessionStorage.setItem("order", state.order);
    $(id).blur();
    state.hand = [];
    state.place = null;
    stage.card = null;
    if (!syncing) { await deal([]); draw(); }
  });
}
addEventListener("beforeunload", (event) => { if (outbox?.ops.length) event.preventDefault(); });

await ownName();
outbox = new Outbox(tab, drawPill);
listen();
