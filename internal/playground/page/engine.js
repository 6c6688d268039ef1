// The page's side of the worker: requests to the engine, and what becomes of an engine that hangs.

// The turns of the clock, which stands still while the computer sleeps, after which the page ends an
// engine that does not respond to a ping, and cancels a request. The function needs 20 seconds at
// most.
const turn = 500; // milliseconds
const engineTurns = 4;
const requestTurns = 60;

// The only addresses from which the page runs a script later.
const scripts = ["playground/worker.js", "sw.js"];
const check = {
  createScriptURL(address) {
    if (scripts.includes(address)) return address;
    throw new TypeError(`${address} is not a script of the playground`);
  },
};
const policy = globalThis.trustedTypes?.createPolicy("playground", check) ?? check;

/** The address of a script of the playground, as browsers with trusted types want it. */
export const scriptURL = (address) => policy.createScriptURL(address);

const again = "so it was started again, and the messages are gone. Change what you sent before you try again.";
const hung = `The engine did not respond for 2 seconds, ${again}`;
const stopped = `The engine stopped, ${again}`;

const late = "The engine did not finish the request within 30 seconds, so it was canceled.";

export class Engine {
  /**
   * Calls loaded with the number of bytes, ready, failed with a text if the engine does not start, and
   * ended with a text if it hangs or stops later.
   */
  constructor({ loaded, ready, failed, ended }) {
    Object.assign(this, { loaded, ready, failed, ended });
    this.last = 0;
    this.silent = 0; // turns since the engine posted a message
    this.pending = new Map();
  }

  /** Starts the worker, in place of the one before. */
  start() {
    this.started = false;
    this.worker = new Worker(scriptURL("playground/worker.js"), { type: "module" });
    this.worker.onmessage = ({ data }) => this.receive(data);
    this.worker.onerror = (e) => this.broken(e.message || "the worker did not start");
  }

  /** Sends a request; returns {status, body}. A stream calls chunk with each part of its body. */
  request(method, path, body = "", { signal, chunk } = {}) {
    signal?.throwIfAborted();
    const id = ++this.last;
    return new Promise((resolve, reject) => {
      this.pending.set(id, { resolve, reject, chunk, turns: 0 });
      this.worker.postMessage({ id, method, path, body });
      this.clock ??= setInterval(() => this.look(), turn);
      signal?.addEventListener("abort", () => this.cancel(id, signal.reason));
    });
  }

  cancel(id, reason) {
    const request = this.pending.get(id);
    if (!request) return;
    this.pending.delete(id);
    this.worker.postMessage({ id, cancel: true });
    request.reject(reason);
  }

  receive(message) {
    this.silent = 0;
    if (message.ready) {
      this.started = true;
      return this.ready();
    }
    if (message.failed) return this.broken(message.failed);
    if (message.loaded) return this.loaded(message.loaded);
    if (message.pong) return;
    const request = this.pending.get(message.id);
    if (message.chunk !== undefined) return request?.chunk?.(message.chunk);
    this.pending.delete(message.id);
    request?.resolve(message);
  }

  /** Looks for an engine that hangs, and for requests that take too long. */
  look() {
    const waiting = [...this.pending].filter(([, request]) => !request.chunk);
    if (waiting.length === 0) {
      clearInterval(this.clock);
      this.clock = undefined;
      this.silent = 0;
      return;
    }
    if (++this.silent >= engineTurns) return this.end(hung);
    this.worker.postMessage({ ping: true });
    for (const [id, request] of waiting) {
      if (++request.turns >= requestTurns) this.cancel(id, new Error(late));
    }
  }

  broken(text) {
    if (this.started) this.end(stopped);
    else this.failed(text);
  }

  end(text) {
    this.worker.onmessage = this.worker.onerror = null; // messages may be on their way
    this.worker.terminate();
    for (const { reject } of this.pending.values()) reject(new Error(text));
    this.pending.clear();
    this.ended(text);
  }
}
