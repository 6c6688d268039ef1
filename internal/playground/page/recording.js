// The responses of the engine when the site was built: the setup, and the results of the examples.
// They stand in for the engine until that is ready.

// The clock of the recording stood still at this time.
const recordedTime = /2001-02-03T04:05:06(\.\d+)?Z/g;

// The IDs of messages, and those of events.
const anyID = /\b(evt_[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})\b/g;
const newID = (old) => (old.startsWith("evt_") ? `evt_${crypto.randomUUID().replaceAll("-", "")}` : crypto.randomUUID());

export class Recording {
  /** Calls emit with the events of the messages that are sent. */
  constructor({ setup, numbers, examples }, emit) {
    Object.assign(this, { setup, numbers, emit });
    this.examples = new Map(examples.map((e) => [JSON.stringify(e.payload), e]));
    this.sent = [];
    this.shown = []; // signatures of the events that were shown
    this.last = 0;
  }

  /** The response to a request, or undefined if only the engine has it. */
  response(path, body) {
    if (path === "/_dev/setup") return this.setup;
    if (path === "/_sim/numbers") return { numbers: this.numbers };
    if (path !== "/_dev/send" && path !== "/_sim/user") return undefined;
    let request;
    try {
      request = JSON.parse(body);
    } catch {
      return undefined; // the function reports the problem
    }
    if (path === "/_sim/user") return this.read(request);
    const { dry_run, ...payload } = request;
    const example = this.examples.get(JSON.stringify(payload));
    return dry_run === true ? example?.check : example && this.send(example, payload);
  }

  /** Sends an example, with IDs and times of its own. */
  send(example, payload) {
    const ids = new Map([[example.id, crypto.randomUUID()]]);
    const time = new Date().toISOString();
    const fresh = (value) =>
      JSON.parse(
        JSON.stringify(value)
          .replace(recordedTime, time)
          .replace(anyID, (id) => ids.get(id) ?? ids.set(id, newID(id)).get(id)),
      );
    const { send, events, read } = fresh({ send: example.send, events: example.events, read: example.read });
    // The engine counts its events from 1, so these are below.
    this.last -= events.length + read.length;
    const first = this.last - (events[0]?.id ?? 0);
    for (const e of [...events, ...read]) {
      e.id += first;
      if (e.push) e.push.event += first;
    }
    if (events.length > 0) {
      this.sent.push({ payload, id: ids.get(example.id), phone: payload.to, agent: events[0].agent_id, later: read });
    }
    this.show(events);
    return send;
  }

  /** Marks the recorded messages of a phone as read. */
  read({ action, phone }) {
    const unread = this.sent.filter((s) => s.phone === phone && s.later.length > 0);
    if (action !== "read" || unread.length === 0) return undefined;
    for (const s of unread) {
      s.read = true;
      this.show(s.later.splice(0));
    }
    return {};
  }

  show(events) {
    for (const e of events) {
      this.shown.push(this.signature(e));
      this.emit(e);
    }
  }

  /** Whether an event of the engine repeats one that was shown. */
  repeats(event) {
    const i = this.shown.indexOf(this.signature(event));
    if (i >= 0) this.shown.splice(i, 1);
    return i >= 0;
  }

  /** Identifies an event: equal for an event of the recording and for its copy from the engine. */
  signature({ kind, message_id, message, payload, push, request }) {
    const about = payload?.delivery?.event ?? payload?.request;
    return JSON.stringify([
      kind,
      message_id ?? about?.message_id,
      message?.state ?? payload?.eventType ?? about?.type ?? request?.method,
      payload?.delivery?.target,
      push?.status,
    ]);
  }
}
