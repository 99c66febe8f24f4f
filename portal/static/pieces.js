// One file on its way by the tus protocol (https://tus.io): in pieces, so that it can pause, and
// goes on where it was after a broken connection, a reload of the page, or another day.
const PIECE = 16 << 20;
const PAUSES = [500, 1000, 3000, 5000, 10000, 20000];
const PREFIX = "ijp-upload";

const encoded = (text) => btoa(String.fromCharCode(...new TextEncoder().encode(text)));

const wait = (time) => new Promise((after) => setTimeout(after, time));

export class Refusal extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
    this.again = !status || status >= 500 || status === 409;
  }
}

/** Uploads to a dataset that have begun and not ended: name, size and address of each. */
export function unfinished(dataset) {
  const found = [];
  for (let at = 0; at < localStorage.length; at += 1) {
    const key = localStorage.key(at);
    if (!key.startsWith(`${PREFIX} [${dataset},`)) continue;
    const [, name, size] = JSON.parse(key.slice(PREFIX.length + 1));
    found.push({ name, size, address: localStorage.getItem(key) });
  }
  return found;
}

export class Pieces {
  constructor(dataset, file, name, { token, format, progress }) {
    Object.assign(this, { dataset, file, name, token, format, progress });
    this.key = `${PREFIX} ${JSON.stringify([Number(dataset), name, file.size, file.lastModified])}`;
    this.paused = false;
  }

  /** Resolves with the datafile's id, or with null when it was paused. */
  async send() {
    this.paused = false;
    let failures = 0;
    let reached = -1;
    while (!this.paused) {
      try {
        const state = await this.where();
        if (state.offset > reached) failures = 0;
        reached = state.offset;
        this.progress(reached);
        const id = state.id ?? (await this.piece(state));
        if (id) {
          localStorage.removeItem(this.key);
          return id;
        }
      } catch (error) {
        if (this.paused) break;
        if (!error.again || failures >= PAUSES.length) {
          if (!error.again && error.status !== 401) localStorage.removeItem(this.key);
          throw error;
        }
        await wait(PAUSES[failures]);
        failures += 1;
      }
    }
    return null;
  }

  pause() {
    this.paused = true;
    this.call?.abort();
  }

  async forget() {
    const address = localStorage.getItem(this.key);
    localStorage.removeItem(this.key);
    if (address) await this.ask("DELETE", address, {}).catch(() => null);
  }

  async where() {
    const kept = localStorage.getItem(this.key);
    if (kept) {
      try {
        return this.state(kept, await this.ask("HEAD", kept, {}));
      } catch (error) {
        if (error.status !== 404) throw error;
        localStorage.removeItem(this.key); // it has expired
      }
    }
    const told = { name: this.name, modified: String(this.file.lastModified) };
    if (this.format) told.format = this.format;
    const answer = await this.ask("POST", `/upload/${this.dataset}/pieces`, {
      "Upload-Length": this.file.size,
      "Upload-Metadata": Object.entries(told).map(([key, text]) => `${key} ${encoded(text)}`).join(","),
    });
    const address = answer.getResponseHeader("Location");
    localStorage.setItem(this.key, address);
    return this.state(address, answer);
  }

  state(address, answer) {
    const offset = Number(answer.getResponseHeader("Upload-Offset") ?? 0);
    return { address, offset, id: answer.getResponseHeader("X-Datafile-Id") };
  }

  async piece({ address, offset }) {
    const answer = await this.ask("PATCH", address, {
      "Upload-Offset": offset,
      "Content-Type": "application/offset+octet-stream",
    }, this.file.slice(offset, offset + PIECE), (sent) => this.progress(offset + sent));
    return answer.getResponseHeader("X-Datafile-Id");
  }

  ask(method, address, headers, body = null, progress = null) {
    return new Promise((well, badly) => {
      const call = new XMLHttpRequest();
      this.call = call;
      call.open(method, address);
      const own = { "X-CSRFToken": this.token, Accept: "application/json", "Tus-Resumable": "1.0.0" };
      for (const [name, value] of Object.entries({ ...own, ...headers })) call.setRequestHeader(name, value);
      if (progress) call.upload.onprogress = (event) => progress(event.loaded);
      call.onload = () => (call.status < 300 ? well(call) : badly(refusal(call)));
      call.onerror = () => badly(new Refusal(0, "the connection broke"));
      call.onabort = call.onerror;
      call.send(body);
    });
  }
}

function refusal(call) {
  if (call.status === 401) return new Refusal(401, "your session has ended: log in in another tab, then go on");
  try {
    return new Refusal(call.status, JSON.parse(call.responseText).message);
  } catch {
    return new Refusal(call.status, `the portal answered ${call.status}`);
  }
}
