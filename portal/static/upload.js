// Uploads: two files at a time, with progress; each can pause, and goes on after an interruption.
// Only whole files appear in the dataset.
import { announce } from "./page.js";
import { Pieces, unfinished } from "./pieces.js";

const AT_ONCE = 2;
const form = document.getElementById("upload");
const chooser = document.getElementById("file");
const drop = document.getElementById("drop");
const list = document.getElementById("files");
const summary = document.getElementById("summary");
const dataset = form.dataset.dataset;
const token = document.querySelector("meta[name=csrf-token]").content;
const queue = [];
let under_way = 0;
let done = 0;
const waiting = new Set();
const broken = new Set();

const size = (bytes) => {
  const step = Math.min(3, bytes ? Math.floor(Math.log(bytes) / Math.log(1024)) : 0);
  const amount = bytes / 1024 ** step;
  return `${step ? amount.toPrecision(3) : amount} ${["B", "KiB", "MiB", "GiB"][step]}`;
};

class Upload {
  constructor(file, name) {
    this.file = file;
    this.name = name;
    this.line = document.createElement("li");
    const title = document.createElement("span");
    title.className = "file-name";
    title.textContent = name;
    this.bar = document.createElement("progress");
    this.bar.max = Math.max(1, file.size);
    this.bar.value = 0;
    this.bar.setAttribute("aria-label", `Progress of ${name}`);
    this.text = document.createElement("span");
    this.text.className = "file-text quiet";
    this.text.textContent = `waiting, ${size(file.size)}`;
    this.button = document.createElement("button");
    this.button.type = "button";
    this.button.className = "btn btn-sm btn-outline-secondary";
    this.say("Pause", () => this.pause());
    this.pieces = new Pieces(dataset, file, name, {
      token,
      format: form.elements.format.value,
      progress: (bytes) => this.show(bytes),
    });
    this.line.append(title, this.bar, this.text, this.button);
    list.append(this.line);
  }

  say(label, action) {
    this.button.textContent = label;
    this.button.setAttribute("aria-label", `${label} ${this.name}`);
    this.button.onclick = action;
  }

  show(bytes) {
    this.bar.value = bytes;
    this.text.textContent = `${size(bytes)} of ${size(this.file.size)}`;
  }

  start() {
    under_way += 1;
    this.started = true;
    this.pieces.send().then(
      (id) => id ? this.arrived() : this.stopped("paused; what has arrived is kept"),
      (error) => this.failed(error.message),
    );
  }

  pause() {
    if (this.started) this.pieces.pause();
    else {
      queue.splice(queue.indexOf(this), 1);
      under_way += 1;
      this.stopped("paused");
    }
  }

  arrived() {
    done += 1;
    this.bar.value = this.bar.max;
    this.line.classList.add("file-done");
    this.button.remove();
    this.ended(`arrived, ${size(this.file.size)}`);
  }

  stopped(why) {
    waiting.add(this);
    this.say("Go on", () => this.again());
    this.ended(why);
  }

  failed(why) {
    broken.add(this);
    this.line.classList.add("file-failed");
    this.say("Try again", () => this.again());
    this.ended(why);
  }

  ended(text) {
    under_way -= 1;
    this.started = false;
    this.text.textContent = text;
    next();
  }

  again() {
    waiting.delete(this);
    broken.delete(this);
    this.line.classList.remove("file-failed");
    this.text.textContent = "waiting";
    this.say("Pause", () => this.pause());
    queue.push(this);
    next();
  }
}

function next() {
  while (under_way < AT_ONCE && queue.length) queue.shift().start();
  const left = under_way + queue.length;
  summary.textContent = [
    `${done} arrived`, left && `${left} to go`, waiting.size && `${waiting.size} paused`, broken.size && `${broken.size} did not`,
  ].filter(Boolean).join(", ");
  if (!left && done + waiting.size + broken.size) announce(summary.textContent);
}

function tellWhatIsLeft() {
  const left = unfinished(dataset);
  if (!left.length) return;
  const names = left.slice(0, 8).map((one) => one.name).join(", ") + (left.length > 8 ? " …" : "");
  const place = document.getElementById("unfinished");
  place.textContent = `Not whole yet: ${names}. Choose the same ${left.length === 1 ? "file" : "files"} again to go on.`;
  place.hidden = false;
}

tellWhatIsLeft();

addEventListener("beforeunload", (event) => {
  if (under_way + queue.length) event.preventDefault();
});

async function present() {
  const answer = await fetch(`/upload/${dataset}/names`, { headers: { Accept: "application/json" } });
  if (!answer.ok) throw new Error("names");
  return new Set(await answer.json());
}

function ask(clashing) {
  const question = document.getElementById("question");
  const one = clashing.length === 1;
  document.getElementById("question-title").textContent = one ? "A file of that name is there already" : `${clashing.length} files are there already`;
  document.getElementById("question-names").textContent = clashing.slice(0, 8).map(([, name]) => name).join(", ") + (clashing.length > 8 ? " …" : "");
  question.hidden = false;
  document.getElementById("skip-them").focus();
  return new Promise((answer) => {
    for (const id of ["skip-them", "rename-them", "stop-it"]) {
      document.getElementById(id).onclick = () => {
        question.hidden = true;
        answer(id);
      };
    }
  });
}

function renamed(name, taken) {
  const [, stem, ending] = name.match(/^(.*?)(\.[^./]*)?$/);
  let number = 2;
  while (taken.has(`${stem} (${number})${ending ?? ""}`)) number += 1;
  return `${stem} (${number})${ending ?? ""}`;
}

async function take(files) {
  if (!files.length) return;
  const there = await present();
  const clashing = files.filter(([, name]) => there.has(name));
  const answer = clashing.length ? await ask(clashing) : "skip-them";
  if (answer === "stop-it") return;
  document.getElementById("progress").hidden = false;
  for (const [file, name] of files) {
    if (!there.has(name)) queue.push(new Upload(file, name));
    else if (answer === "rename-them") {
      const free = renamed(name, there);
      there.add(free);
      queue.push(new Upload(file, free));
    }
  }
  next();
}

function failedToStart() {
  document.getElementById("progress").hidden = false;
  summary.textContent = "The portal does not answer, or your session has ended. Nothing was sent; reload the page to log in.";
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const files = [...chooser.files].map((file) => [file, file.webkitRelativePath || file.name]);
  take(files).then(() => (chooser.value = ""), failedToStart);
});

/** Files of dropped things, folders walked through. */
async function dropped(items) {
  const found = [];
  async function walk(entry, path) {
    if (entry.isFile) {
      const file = await new Promise((give, fail) => entry.file(give, fail));
      found.push([file, path + entry.name]);
    } else {
      const reader = entry.createReader();
      let some;
      do {
        some = await new Promise((give, fail) => reader.readEntries(give, fail));
        for (const one of some) await walk(one, `${path}${entry.name}/`);
      } while (some.length);
    }
  }
  const entries = [...items].map((item) => item.webkitGetAsEntry()).filter(Boolean);
  for (const entry of entries) await walk(entry, "");
  return found;
}

drop.addEventListener("dragover", (event) => {
  event.preventDefault();
  drop.classList.add("drop-over");
});
drop.addEventListener("dragleave", () => drop.classList.remove("drop-over"));
drop.addEventListener("drop", (event) => {
  event.preventDefault();
  drop.classList.remove("drop-over");
  dropped(event.dataTransfer.items).then(take).catch(failedToStart);
});
