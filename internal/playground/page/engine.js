// The page's side of the worker: requests to the engine, and what becomes of an engine that hangs.

// An engine that posts nothing for so many turns of the clock, while a request waits, is ended.
const turn = 500;
const turns = 4;

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

export const hung =
  "The engine did not finish within 2 seconds, so it was started again, and the messages are gone. " +
  "Make the program shorter, for example a jq program that does not end, and send again.";

export class Engine {
  /** Calls loaded with the number of bytes, ready, failed with a text, and ended after a request that hangs. */
  constructor({ loaded, ready, failed, ended }) {
    Object.assign(this, { loaded, ready, failed, ended });
    this.last = 0;
    this.pending = new Map();
  }

  /** Starts the worker, in place of the one before. */
  start() {
    this.worker?.terminate();
    this.worker = new Worker(scriptURL("playground/worker.js"));
    this.worker.onmessage = ({ data }) => this.receive(data);
    this.worker.onerror = (e) => this.failed(e.message || "the worker did not start");
  }

  /** Sends a request; returns {status, body}. A stream calls chunk with each part of its body. */
  request(method, path, body = "", { signal, chunk } = {}) {
    signal?.throwIfAborted();
    const id = ++this.last;
    return new Promise((resolve, reject) => {
      this.pending.set(id, { resolve, reject, chunk });
      this.worker.postMessage({ id, method, path, body });
      this.watch();
      signal?.addEventListener("abort", () => {
        if (!this.pending.delete(id)) return;
        this.worker.postMessage({ id, cancel: true });
        reject(signal.reason);
      });
    });
  }

  receive(message) {
    this.idle = 0;
    if (message.ready) return this.ready();
    if (message.failed) return this.failed(message.failed);
    if (message.loaded) return this.loaded(message.loaded);
    const request = this.pending.get(message.id);
    if (message.chunk !== undefined) return request?.chunk?.(message.chunk);
    this.pending.delete(message.id);
    request?.resolve(message);
  }

  /**
   * Ends a worker that hangs. It counts turns of the clock, which stands still while the computer
   * sleeps.
   */
  watch() {
    this.idle = 0;
    this.clock ??= setInterval(() => {
      const waits = [...this.pending.values()].some((r) => !r.chunk);
      if (waits && ++this.idle >= turns) this.end();
      else if (waits) return;
      clearInterval(this.clock);
      this.clock = undefined;
    }, turn);
  }

  end() {
    this.worker.terminate();
    for (const { reject } of this.pending.values()) reject(new Error(hung));
    this.pending.clear();
    this.ended();
  }
}
