// Compose: an editor for a payload, which the function checks with dry_run.

import { copy, fill, h, list, obj, str } from "./dom.js";
import { curl } from "./curl.js";
import { Editor } from "./editor.js";
import { count, phoneNumber } from "./format.js";
import { icon } from "./icons.js";
import { jsonView } from "./json.js";
import { setup } from "./setup.js";
import { kindOf } from "./store.js";
import { ask } from "./stream.js";

const delay = 300; // ms, of a dry run
const draftKey = "rcshook.draft";

// The phone does not get these messages.
const unsent = new Set(["recipient_opted_out", "opt_out_unavailable"]);

export class Compose {
  /** Calls preview with {phone, agent, content} or null, and sent with a response. */
  constructor(root, { preview, sent, number }) {
    Object.assign(this, { root, preview, sent, number });
    this.editor = new Editor("Payload", () => this.edited());
    this.editor.area.addEventListener("keydown", (e) => {
      if (e.key === "Enter" && (e.metaKey || e.ctrlKey)) {
        e.preventDefault();
        this.send();
      }
    });
    this.picker = h("div.examples", { role: "group", "aria-label": "Examples" });
    this.sources = h("div.examples", { id: "sources", role: "group", "aria-label": "Sample events of sources" });
    this.source = h("select.field", { "aria-label": "Source", onchange: () => this.sample() });
    this.event = h("textarea.field.own-event", { "aria-label": "Event", rows: "8", spellcheck: "false" });
    this.own = h(
      "details.own",
      { id: "own", ontoggle: () => this.event.value || this.sample() },
      h("summary", "Send an event of your own"),
      this.source,
      this.event,
      h(
        "button.button.small",
        { id: "send-own", onclick: () => this.hook(this.source.value, this.event.value) },
        "Sign and send",
      ),
    );
    this.senders = h("details.own", { id: "senders" });
    this.verdict = h("p.verdict", { role: "status" });
    this.problems = h("ol.problems", { "aria-label": "Problems" });
    this.sendButton = h(
      "button.button.primary",
      { id: "send", title: "Ctrl+Enter", onclick: () => this.send() },
      "Send",
    );
    this.curlButton = h(
      "button.button",
      { id: "curl", onclick: () => copy(this.curlButton, curl(this.editor.text)) },
      "Copy as curl",
    );
    this.response = h("section.response", { id: "response", "aria-label": "Response of the function", hidden: true });
  }

  /** Builds the pane when the setup is known. */
  async start() {
    if (!setup.function) {
      return fill(
        this.root,
        h("p.pane-empty", "The simulator runs without a function, so messages cannot be sent from here."),
      );
    }
    this.showSources();
    if (this.root.firstChild) return;
    fill(
      this.root,
      this.picker,
      this.sources,
      this.own,
      this.senders,
      h("div.editor-frame", this.editor.el, this.problems),
      h("div.compose-foot", this.verdict, this.curlButton, this.sendButton),
      this.response,
    );
    this.senders.hidden = setup.senders.length === 0;
    fill(
      this.senders,
      h("summary", "Add a sender"),
      h("p", "A click copies the command that writes rcshook.yaml for it."),
      setup.senders.map(({ group, presets }) =>
        h(
          "div.examples",
          { role: "group", "aria-label": group },
          h("span.caption", group),
          presets.map((name) => {
            const button = h("button.example", { onclick: () => copy(button, `rcshook init ${name}`) }, name);
            return button;
          }),
        ),
      ),
    );
    const examples = await ask("examples.json");
    this.failing = new Set(examples.filter((e) => e.to_matters).map((e) => e.payload.to));
    fill(
      this.picker,
      examples.map((e) =>
        h("button.example", { title: e.about, data: { example: e.name }, onclick: () => this.use(e) }, e.label),
      ),
    );
    const draft = sessionStorage.getItem(draftKey);
    this.editor.text = draft ?? write(examples[0].payload);
  }

  /** Shows the sources of the setup. */
  showSources() {
    const samples = setup.sources.filter((s) => s.sample);
    const chosen = this.source.value;
    this.sources.hidden = samples.length === 0;
    this.own.hidden = setup.sources.length === 0;
    fill(
      this.source,
      setup.sources.map((s) => h("option", { selected: s.name === chosen }, s.name)),
    );
    fill(
      this.sources,
      h("span.caption", "Send a sample event"),
      samples.map((s) =>
        h(
          "button.example",
          { title: `Send a sample event: ${s.about}`, data: { source: s.name }, onclick: () => this.hook(s.name) },
          icon("send"),
          s.name,
        ),
      ),
    );
  }

  /** Writes the sample of the chosen source into the box for events. */
  sample() {
    this.event.value = setup.sources.find((s) => s.name === this.source.value)?.sample ?? "";
  }

  /** Puts an example into the editor, addressed to the selected number. */
  use(example) {
    const payload = { ...example.payload };
    const to = this.number();
    if (!example.to_matters && to && !this.failing.has(to)) payload.to = to;
    this.editor.text = write(payload);
    this.edited(0, example.name);
  }

  /** Changes the recipient. */
  address(phone) {
    try {
      this.editor.text = write({ ...JSON.parse(this.editor.text), to: phone });
    } catch {
      this.editor.text = write({ to: phone, text: "Hello" });
    }
    this.edited(0);
  }

  edited(wait = delay, example = "") {
    for (const b of this.picker.children) b.setAttribute("aria-pressed", String(b.dataset.example === example));
    sessionStorage.setItem(draftKey, this.editor.text);
    clearTimeout(this.timer);
    this.dryRun?.abort();
    this.timer = setTimeout(() => this.check(), wait);
  }

  /** Previews the payload with a dry run. */
  async check() {
    const text = asDryRun(this.editor.text);
    if (!text) {
      fill(this.problems);
      return this.fail({
        message: this.editor.text.trim() ? "A payload must be a JSON object" : "Write a payload or pick an example",
      });
    }
    this.dryRun = new AbortController();
    try {
      const reply = await ask("/_dev/send", text, this.dryRun.signal);
      this.show(reply, true);
    } catch (e) {
      if (e.name !== "AbortError") this.fail(e);
    }
  }

  send() {
    return this.post("/_dev/send", this.editor.text);
  }

  /** Sends an event to a source, or its sample, signed like its sender does. */
  hook(source, event = "") {
    return this.post("/_dev/hook", { source, event }, source);
  }

  async post(path, body, source = "") {
    clearTimeout(this.timer);
    this.dryRun?.abort();
    this.sendButton.disabled = true;
    this.setStatus("", "Sending");
    try {
      const reply = await ask(path, body);
      const response = this.show(reply, false, source);
      if (source) this.response.scrollIntoView({ block: "nearest" });
      const accepted = [response, ...list(response.results)].filter((a) => a.ok && a.to);
      if (accepted.length > 0) this.sent(accepted[0]);
      else if (response.to && !unsent.has(response.code)) this.sent(response);
    } catch (e) {
      this.fail(e);
    } finally {
      this.sendButton.disabled = false;
    }
  }

  fail(e) {
    this.preview(null);
    this.response.hidden = true;
    this.setStatus("bad", e.message);
  }

  setStatus(tone, text) {
    this.verdict.dataset.tone = tone;
    fill(this.verdict, text);
  }

  /** Shows the response to the editor's text or to a sample event, and returns it. */
  show(reply, dry, source = "") {
    let response = {};
    try {
      response = obj(JSON.parse(reply.outcome || reply.body));
    } catch {
      // It is shown as text.
    }
    if (source) this.editor.mark([]);
    fill(this.problems, source ? [] : this.listProblems(response));
    const plan = planOf(response);
    if (plan) {
      this.preview(plan);
      const more = plan.more ? ` and ${plan.more} more` : "";
      this.setStatus("good", `${kindOf(plan.content)} to ${phoneNumber(plan.phone)}${more}, ${count(plan.bytes)} bytes`);
    } else {
      this.preview(null);
      const ignored = source && response.code === "ignored";
      let text = str(response.title) || `The function returned ${reply.status}`;
      if (response.ok) text = dry ? "Nothing to send" : `${source ? "Received" : "Sent"}: ${response.code}`;
      if (ignored) text += ", because the map returned no message";
      else if (response.ok && response.detail) text = response.message;
      if (reply.outcome) text += `; the sender gets ${reply.status} ${reply.body ? "with a body of its own" : "without a body"}`;
      this.setStatus(ignored ? "" : response.ok && !response.detail ? "good" : "bad", text);
    }
    this.showResponse(reply, response, dry ? "Dry run" : source ? `Response to /hooks/${source}` : "Response");
    return response;
  }

  /** Marks the problems in the editor and lists them with their lines. */
  listProblems(response) {
    const warnings = list(response.warnings ?? list(response.results)[0]?.warnings).map((w) => ({ ...w, mild: true }));
    const problems = [...list(response.errors), ...warnings];
    const broken = response.code === "invalid_body";
    const lines = broken ? [this.editor.markBroken()] : this.editor.mark(problems);
    const shown = broken ? [{ pointer: "", detail: str(response.detail) }] : problems;
    return shown.map((f, i) => {
      const text = h("span.problem-text", f.pointer && [h("code", f.pointer), ": "], f.detail);
      return h(
        "li",
        { data: f.mild ? { tone: "wait" } : {} },
        h(
          "button.problem-entry",
          { onclick: () => this.editor.goTo(i) },
          h("span.problem-line", `Line ${lines[i]}`),
          text,
        ),
      );
    });
  }

  showResponse(reply, response, title) {
    this.response.hidden = false;
    const ok = reply.status < 300 && response.ok !== false;
    fill(
      this.response,
      h(
        "div.response-head",
        h("h3.caption", title),
        h(
          "span.pill",
          { data: { tone: ok ? "good" : "bad", status: String(reply.status) } },
          `${reply.status} ${str(response.code)}`,
        ),
        h(
          "span.response-time",
          [`${reply.milliseconds} ms`, reply.retry_after ? `Retry-After ${reply.retry_after}` : ""]
            .filter(Boolean)
            .join(", "),
        ),
      ),
      response.action && h("p.response-action", str(response.action)),
      jsonView(Object.keys(response).length > 0 ? response : reply.body, "Response of the function"),
      reply.outcome && reply.body ? [h("h3.caption", "The sender gets"), jsonView(reply.body, "The sender gets")] : null,
    );
  }
}

/** The first message of a dry run, and how many more there are, or undefined. */
export function planOf(response) {
  const plans = [response, ...list(response.results)].map((r) => obj(r.dry_run));
  const { url, agent_message, bytes } = Object.assign({}, ...plans.reverse());
  if (!agent_message || !url) return undefined;
  const { pathname, searchParams } = new URL(url);
  return {
    phone: decodeURIComponent(pathname.split("/")[3]),
    agent: searchParams.get("agentId"),
    content: obj(agent_message.contentMessage),
    traffic: agent_message.messageTrafficType,
    bytes,
    more: plans.filter((p) => p.url).length - 1,
  };
}

/** Formats JSON with short objects and lists on one line. */
export function write(value, indent = "") {
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const inner = indent + "  ";
  const [open, close] = Array.isArray(value) ? "[]" : "{}";
  const name = (k) => (open === "[" ? "" : `${JSON.stringify(k)}: `);
  const parts = Object.entries(value).map(([k, v]) => name(k) + write(v, inner));
  const flat = open + parts.join(", ") + close;
  if (indent && !flat.includes("\n") && flat.length + indent.length < 64) return flat;
  return `${open}\n${inner}${parts.join(`,\n${inner}`)}\n${indent}${close}`;
}

/** The payload with dry_run at its front, or "". Invalid JSON stays invalid. */
export function asDryRun(text) {
  const start = /^[\s\ufeff]*\[?\s*\{/.exec(text)?.[0];
  if (!start) return "";
  let rest = text.slice(start.length);
  try {
    const parsed = JSON.parse(text);
    const payload = Array.isArray(parsed) ? parsed[0] : parsed;
    const own = Object.keys(payload).filter((k) => /^(dry[\s_.-]*run|validate)$/i.test(k));
    if (own.length > 0) {
      for (const k of own) delete payload[k];
      return JSON.stringify({ ...payload, dry_run: true });
    }
  } catch {
    // The function reports the problem.
  }
  return `${start}"dry_run":true${/^\s*\}/.test(rest) ? "" : ","}${rest}`;
}
