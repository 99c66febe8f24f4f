// A job's output: shown with its colours, followed while it grows, searched in.
import { Terminal } from "./terminal.js";

const MOST_SHOWN = 2_000_000;
const PIECE = 256 * 1024;
const FIRST_PIECE = 64 * 1024;
const pre = document.getElementById("output");
const address = pre.dataset.address;
const toEnd = document.getElementById("to-end");
const frame = document.getElementById("output-frame");
const nothing = document.getElementById("output-empty");
const sizeText = document.getElementById("output-size");
const earlier = document.getElementById("earlier-button");

let start = Number(pre.dataset.start);
let end = start;
let final = "final" in pre.dataset;
let following = true;
let busy = false;
let decoder = new TextDecoder();
let terminal = null;

function units(bytes) {
  const names = ["B", "KiB", "MiB", "GiB"];
  let step = 0;
  let amount = bytes;
  while (amount >= 1024 && step < 3) {
    amount /= 1024;
    step += 1;
  }
  return `${step ? amount.toPrecision(3) : amount} ${names[step]}`;
}

async function piece(from, length) {
  const headers = { Range: `bytes=${from}-${from + length - 1}` };
  const answer = await fetch(address, { headers, cache: "no-store", redirect: "error" });
  if (answer.status === 401) {
    pre.dispatchEvent(new CustomEvent("session-ended", { bubbles: true }));
    throw new Error("no session");
  }
  const size = Number(answer.headers.get("Content-Range")?.split("/")[1] ?? NaN);
  if (answer.status === 416) return { bytes: new Uint8Array(), size };
  if (!answer.ok) throw new Error(`answered ${answer.status}`);
  const bytes = new Uint8Array(await answer.arrayBuffer());
  return { bytes, size: Number.isNaN(size) ? from + bytes.length : size };
}

function restart() {
  pre.textContent = "";
  decoder = new TextDecoder();
  terminal = new Terminal(pre);
  end = start;
}

function trim() {
  while (pre.textContent.length > MOST_SHOWN && pre.childNodes.length > 2) {
    for (let i = 0; i < 500 && pre.childNodes.length > 2; i += 1) pre.firstChild.remove();
    start = Math.max(start, end - MOST_SHOWN);
  }
}

/** Read what is new; true if there is more to read at once. */
async function readOn() {
  const { bytes, size } = await piece(end, PIECE);
  if (terminal === null) restart();
  if (bytes.length) {
    terminal.write(decoder.decode(bytes, { stream: true }));
    end += bytes.length;
    trim();
    nothing.hidden = true;
    frame.hidden = false;
    if (following) pre.scrollTop = pre.scrollHeight;
    find.refresh();
  }
  if (Number.isFinite(size)) {
    sizeText.textContent = units(size);
    if (size - end > 8 * PIECE) {
      start = end = size - FIRST_PIECE;
      restart();
    }
    return size > end;
  }
  return false;
}

async function follow() {
  if (busy || document.hidden) return;
  busy = true;
  let wait = 1500;
  try {
    while (await readOn());
    if (final) return;
  } catch (error) {
    if (error.message === "no session") return;
    wait = 8000;
  } finally {
    busy = false;
  }
  setTimeout(follow, wait);
}

pre.addEventListener("scroll", () => {
  following = pre.scrollHeight - pre.scrollTop - pre.clientHeight < 24;
  toEnd.hidden = following;
});
toEnd.addEventListener("click", () => {
  pre.scrollTop = pre.scrollHeight;
  pre.focus();
});
document.addEventListener("visibilitychange", follow);

// The record beside this says when the job has ended; then the last part is still to be read.
document.getElementById("record")?.addEventListener("live", (event) => {
  if (event.target.querySelector(".state-good, .state-bad, .state-quiet")) final = true;
});

if (earlier) {
  earlier.hidden = false;
  earlier.addEventListener("click", async () => {
    const before = pre.scrollHeight - pre.scrollTop;
    following = false;
    start = Math.max(0, start - PIECE);
    restart();
    while (await readOn());
    pre.scrollTop = pre.scrollHeight - before;
    document.getElementById("earlier").hidden = start === 0;
  });
}

class Find {
  constructor() {
    this.field = document.getElementById("find-text");
    this.count = document.getElementById("find-count");
    this.next = document.getElementById("find-next");
    this.places = [];
    this.current = -1;
    this.field.addEventListener("input", () => this.refresh(true));
    this.field.addEventListener("keydown", (event) => {
      if (event.key === "Enter") {
        event.preventDefault();
        this.go();
      }
    });
    this.next.addEventListener("click", () => this.go());
  }

  refresh(isNew = false) {
    const wanted = this.field.value.toLowerCase();
    if (isNew) this.current = -1;
    this.places = wanted ? this.search(wanted) : [];
    this.next.disabled = this.places.length === 0;
    this.count.textContent = wanted ? `${this.places.length} found` : "";
    if (!window.CSS?.highlights) return;
    CSS.highlights.set("found", new Highlight(...this.places.slice(0, 5000)));
    if (isNew && this.places.length) this.go(false);
    if (!wanted) CSS.highlights.delete("current");
  }

  search(wanted) {
    const texts = [];
    const walker = document.createTreeWalker(pre, NodeFilter.SHOW_TEXT);
    let length = 0;
    while (walker.nextNode()) {
      texts.push([length, walker.currentNode]);
      length += walker.currentNode.data.length;
    }
    const whole = texts.map(([, node]) => node.data).join("").toLowerCase();
    const places = [];
    let index = 0;
    const point = (offset) => {
      while (index + 1 < texts.length && texts[index + 1][0] <= offset) index += 1;
      return [texts[index][1], offset - texts[index][0]];
    };
    for (let at = whole.indexOf(wanted); at >= 0; at = whole.indexOf(wanted, at + wanted.length)) {
      const range = new Range();
      const [first, from] = point(at);
      const [last, to] = point(at + wanted.length - 1);
      if (from > first.data.length || to + 1 > last.data.length) continue;
      range.setStart(first, from);
      range.setEnd(last, to + 1);
      places.push(range);
    }
    return places;
  }

  go(forward = true) {
    if (!this.places.length) return;
    this.current = forward || this.current < 0 ? (this.current + 1) % this.places.length : this.current;
    const place = this.places[this.current];
    this.count.textContent = `${this.current + 1} of ${this.places.length}`;
    window.CSS?.highlights?.set("current", new Highlight(place));
    const box = place.getBoundingClientRect();
    const frame = pre.getBoundingClientRect();
    following = false;
    pre.scrollTop += box.top - frame.top - pre.clientHeight / 2;
  }
}

const find = new Find();
follow();
