// Text of a program that thinks it writes to a terminal: colours become classes, and whatever
// else it sends (titles, cursor moves, links) is dropped. Only text nodes are made, never HTML.

const ESCAPE = /\x1b(?:\[([0-?]*)[ -/]*([@-~])|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\^_]?)/y;
const CONTROL = /[\x00-\x07\x0b-\x1a\x1c-\x1f\x7f-\x9f]/g;
const UNFINISHED = /\x1b(?:\[[0-?]*[ -/]*|\][^\x07\x1b]{0,4000})?$/;

export class Terminal {
  /** Write into an element, of which only whole lines are final: a line can be written over. */
  constructor(element) {
    this.element = element;
    this.classes = new Map();
    this.rest = "";
    this.line = [];
    this.at = 0;
    this.open = document.createElement("span");
    element.append(this.open);
  }

  write(text) {
    let input = this.rest + text.replaceAll("\r\n", "\n");
    const cut = input.match(UNFINISHED);
    this.rest = cut ? cut[0] : "";
    if (cut) input = input.slice(0, cut.index);
    if (input.endsWith("\r")) {
      this.rest = "\r" + this.rest;
      input = input.slice(0, -1);
    }
    let index = 0;
    const done = document.createDocumentFragment();
    while (index < input.length) {
      const character = input[index];
      if (character === "\x1b") {
        ESCAPE.lastIndex = index;
        const found = ESCAPE.exec(input);
        if (found[2] === "m") this.style(found[1]);
        if (found[2] === "K") this.line.length = Math.min(this.line.length, this.at);
        index += found[0].length;
      } else if (character === "\n") {
        this.line.push(["\n", ""]);
        done.append(...this.runs());
        this.line = [];
        this.at = 0;
        index += 1;
      } else if (character === "\r") {
        this.at = 0;
        index += 1;
      } else if (character === "\b") {
        this.at = Math.max(0, this.at - 1);
        index += 1;
      } else {
        index = this.put(input, index);
      }
    }
    this.open.before(done);
    this.open.replaceChildren(...this.runs());
  }

  put(input, index) {
    const point = String.fromCodePoint(input.codePointAt(index));
    const style = [...this.classes.values()].join(" ");
    while (this.line.length < this.at) this.line.push([" ", ""]);
    this.line[this.at] = [point.replace(CONTROL, "\ufffd"), style];
    this.at += 1;
    return index + point.length;
  }

  /** The current line as nodes, neighbours of one style together. */
  runs() {
    const nodes = [];
    let begin = 0;
    for (let end = 1; end <= this.line.length; end += 1) {
      if (end < this.line.length && this.line[end][1] === this.line[begin][1]) continue;
      const text = this.line.slice(begin, end).map((cell) => cell[0]).join("");
      const style = this.line[begin][1];
      if (style) {
        const span = document.createElement("span");
        span.className = style;
        span.append(text);
        nodes.push(span);
      } else {
        nodes.push(document.createTextNode(text));
      }
      begin = end;
    }
    return nodes;
  }

  style(codes) {
    const numbers = codes.split(";").map(Number);
    for (let i = 0; i < numbers.length; i += 1) {
      const code = numbers[i];
      if (code === 0) this.classes.clear();
      else if (code === 1) this.classes.set("weight", "t-bold");
      else if (code === 3) this.classes.set("slant", "t-italic");
      else if (code === 4) this.classes.set("line", "t-under");
      else if (code === 22) this.classes.delete("weight");
      else if (code === 23) this.classes.delete("slant");
      else if (code === 24) this.classes.delete("line");
      else if (code >= 30 && code <= 37) this.classes.set("colour", `t-${code - 30}`);
      else if (code >= 90 && code <= 97) this.classes.set("colour", `t-${code - 90}`);
      else if (code === 39) this.classes.delete("colour");
      else if (code === 38 || code === 48) i += numbers[i + 1] === 5 ? 2 : 4;
    }
  }
}
