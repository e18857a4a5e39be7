// What was judged and is not confirmed yet. Kept in the browser's storage until the server says that it is on its disk.
const PREFIX = "crawler-review:";

export class Outbox {
  // `changed(waiting, trouble)` hears how much waits, and why, "" while all is well.
  constructor(tab, changed) {
    this.tab = tab;
    this.log = "";
    this.ops = [];
    this.trouble = "";
    this.changed = changed;
  }

  get key() { return `${PREFIX}${this.log}:${this.tab}`; }

  // The log is known now: what this tab, or one that was closed, left behind comes first.
  open(log) {
    if (this.log === log) return;
    this.log = log;
    for (let i = 0; i < localStorage.length; i++) {
      const key = localStorage.key(i);
      if (!key.startsWith(`${PREFIX}${log}:`)) continue;
      for (const op of JSON.parse(localStorage.getItem(key) || "[]")) {
        if (!this.ops.some((other) => other.key === op.key)) this.ops.push(op);
      }
    }
    this.changed(this.ops.length, this.trouble);
  }

  put(op) {
    this.ops.push(op);
    this.keep();
  }

  keep() {
    if (this.ops.length) localStorage.setItem(this.key, JSON.stringify(this.ops));
    else localStorage.removeItem(this.key);
    this.changed(this.ops.length, this.trouble);
  }

  // One attempt; the answer, or null when nothing could be saved. Throws what a server refuses for good.
  async send() {
    const ops = this.ops.slice(0, 50);
    const before = this.left();
    try {
      const response = await fetch("/say", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ log: this.log, ops }) });
      if (!response.ok) {
        this.trouble = response.status === 401 ? "open the address with its token again" : (await response.text()).trim();
        this.changed(this.ops.length, this.trouble);
        return null;
      }
      const sent = new Set(ops.map((op) => op.key));
      this.ops = this.ops.filter((op) => !sent.has(op.key));
      this.trouble = "";
      for (const [key, value] of before) {
        const theirs = JSON.parse(value);
        if (localStorage.getItem(key) === value && theirs.every((op) => sent.has(op.key))) localStorage.removeItem(key);
      }
      this.keep();
      return await response.json();
    } catch {
      this.trouble = "the server does not answer";
      this.changed(this.ops.length, this.trouble);
      return null;
    }
  }

  // What other tabs of this log have in storage.
  left() {
    return Object.entries(localStorage).filter(([key]) => key.startsWith(`${PREFIX}${this.log}:`) && key !== this.key);
  }
}
