// Compose: a payload in an editor, tried out on the function with dry_run while it
// is written, and sent for real on demand.

import { copy, fill, h, list, obj, str } from "./dom.js";
import { curl } from "./curl.js";
import { Editor } from "./editor.js";
import { count, phoneNumber } from "./format.js";
import { icon } from "./icons.js";
import { jsonView } from "./json.js";
import { setup } from "./setup.js";
import { kindOf } from "./store.js";
import { ask } from "./stream.js";

// How long nothing is typed before it is tried out.
const pause = 300;
const draft = "rcshook.draft";

export class Compose {
  /** preview is called with {phone, agent, content} or null, sent with the numbers. */
  constructor(root, { preview, sent, number }) {
    Object.assign(this, { root, preview, sent, number });
    this.editor = new Editor("Payload", () => this.edited());
    this.editor.area.addEventListener("keydown", (e) => {
      if (e.key === "Enter" && (e.metaKey || e.ctrlKey)) {
        e.preventDefault();
        this.send();
      }
    });
    this.picker = h("div", { class: "examples", role: "group", "aria-label": "Examples" });
    this.sources = h("div", { class: "examples", id: "sources", role: "group", "aria-label": "Sample events of the sources" });
    this.verdict = h("p", { class: "verdict", role: "status" });
    this.faults = h("ol", { class: "faults", "aria-label": "Faults" });
    this.sendButton = h("button", { type: "button", class: "button primary", id: "send", title: "Ctrl+Enter", onclick: () => this.send() }, "Send");
    this.curlButton = h("button", { type: "button", class: "button", id: "curl", onclick: () => copy(this.curlButton, curl(this.editor.text)) }, "Copy as curl");
    this.answer = h("section", { class: "answer", id: "answer", "aria-label": "Answer of the function", hidden: true });
  }

  /** Begins with what the function is. */
  async begin() {
    if (!setup.function) {
      return fill(this.root, h("p", { class: "pane-empty" }, "The simulator runs without a function, so there is nothing to send with."));
    }
    if (this.root.firstChild) return;
    fill(
      this.root,
      this.picker,
      setup.sources.length > 0 ? this.sources : null,
      h("div", { class: "editor-frame" }, this.editor.el, this.faults),
      h("div", { class: "compose-foot" }, this.verdict, this.curlButton, this.sendButton),
      this.answer,
    );
    fill(
      this.sources,
      h("span", { class: "caption" }, "Send a sample event"),
      setup.sources.map((s) => h("button", { type: "button", class: "example", title: `Send a sample event: ${s.about}`, data: { source: s.name }, onclick: () => this.hook(s.name) }, icon("send"), s.name)),
    );
    const examples = await ask("/examples.json");
    fill(
      this.picker,
      examples.map((e) => h("button", { type: "button", class: "example", title: e.about, data: { example: e.name }, onclick: () => this.use(e) }, e.label)),
    );
    const kept = sessionStorage.getItem(draft);
    this.editor.text = kept ?? write(examples[0].payload);
  }

  /** Puts an example into the editor, for the number that is looked at. */
  use(example) {
    const payload = { ...example.payload };
    if (!example.to_matters && this.number()) payload.to = this.number();
    for (const b of this.picker.children) b.setAttribute("aria-pressed", String(b.dataset.example === example.name));
    this.editor.text = write(payload);
    this.edited(0);
  }

  /** Sends to another number from now on. */
  address(phone) {
    try {
      this.editor.text = write({ ...JSON.parse(this.editor.text), to: phone });
    } catch {
      this.editor.text = write({ to: phone, text: "Hello" });
    }
    this.edited(0);
  }

  edited(wait = pause) {
    sessionStorage.setItem(draft, this.editor.text);
    clearTimeout(this.timer);
    this.trying?.abort();
    this.timer = setTimeout(() => this.tryOut(), wait);
  }

  /** Asks what would become of the payload, without sending it. */
  async tryOut() {
    const text = asDryRun(this.editor.text);
    if (!text) {
      this.preview(null);
      this.tell("bad", this.editor.text.trim() ? "A payload is a JSON object" : "Write a payload, or pick an example");
      return fill(this.faults);
    }
    this.trying = new AbortController();
    try {
      const reply = await ask("/_dev/send", text, this.trying.signal);
      this.show(reply, true);
    } catch (e) {
      if (e.name !== "AbortError") this.fail(e);
    }
  }

  send() {
    return this.post("/_dev/send", this.editor.text);
  }

  /** Sends the sample event of a source, signed as its sender would. */
  hook(source) {
    return this.post("/_dev/hook", { source }, source);
  }

  async post(path, body, source = "") {
    clearTimeout(this.timer);
    this.trying?.abort();
    this.sendButton.disabled = true;
    this.tell("", "Sending");
    try {
      const reply = await ask(path, body);
      const answer = this.show(reply, false, source);
      const arrived = [answer, ...list(answer.results)].filter((a) => a.ok && a.to);
      if (arrived.length > 0) this.sent(arrived[0]);
      else if (answer.to) this.sent(answer);
    } catch (e) {
      this.fail(e);
    } finally {
      this.sendButton.disabled = false;
    }
  }

  fail(e) {
    this.preview(null);
    this.tell("bad", e.message);
  }

  tell(tone, words) {
    this.verdict.dataset.tone = tone;
    fill(this.verdict, words);
  }

  /** Shows the answer of the function, to the text in the editor or to an event of a source; returns it. */
  show(reply, dry, source = "") {
    let answer = {};
    try {
      answer = obj(JSON.parse(reply.body));
    } catch {
      // Shown as it is.
    }
    if (source) this.editor.mark([]);
    fill(this.faults, source ? [] : this.faultsOf(answer));
    const plan = [answer, ...list(answer.results)].map((a) => obj(a.dry_run)).find((d) => d.agent_message);
    if (plan) {
      const content = obj(obj(plan.agent_message).contentMessage);
      const to = /\/phones\/([^/]+)\//.exec(str(plan.url))?.[1] ?? "";
      const phone = decode(to);
      this.preview({ phone, agent: agentOf(plan.url), content });
      this.tell("good", `${kindOf(content)} to ${phoneNumber(phone)}, ${count(plan.bytes)} bytes`);
    } else {
      this.preview(null);
      if (answer.ok) this.tell("good", dry ? "Nothing to send" : `Sent: ${answer.code}`);
      else this.tell("bad", str(answer.title) || `The function answered ${reply.status}`);
    }
    this.showAnswer(reply, answer, dry ? "Dry run" : source ? `Answer to /hooks/${source}` : "Answer");
    return answer;
  }

  /** Marks what is wrong in the editor, and lists it with its lines. */
  faultsOf(answer) {
    const warnings = list(answer.warnings ?? list(answer.results)[0]?.warnings).map((w) => ({ ...w, mild: true }));
    const faults = [...list(answer.errors), ...warnings];
    const broken = answer.code === "invalid_body";
    const lines = broken ? [this.editor.markBroken()] : this.editor.mark(faults);
    const shown = broken ? [{ pointer: "", detail: str(answer.detail).replace(/^payload: unreadable body: /, "") }] : faults;
    return shown.map((f, i) => {
      const words = h("span", { class: "fault-words" }, f.pointer ? h("code", null, f.pointer) : null, " ", f.detail);
      return h("li", { data: f.mild ? { tone: "wait" } : {} }, h("button", { type: "button", class: "fault-entry", onclick: () => this.editor.goTo(i) }, h("span", { class: "fault-line" }, `Line ${lines[i]}`), words));
    });
  }

  showAnswer(reply, answer, title) {
    this.answer.hidden = false;
    const ok = reply.status < 300 && answer.ok !== false;
    fill(
      this.answer,
      h(
        "div",
        { class: "answer-head" },
        h("h3", { class: "caption" }, title),
        h("span", { class: "pill", data: { tone: ok ? "good" : "bad", status: String(reply.status) } }, `${reply.status} ${str(answer.code)}`),
        h("span", { class: "answer-time" }, [`${reply.milliseconds} ms`, reply.retry_after ? `Retry-After ${reply.retry_after}` : ""].filter(Boolean).join(", ")),
      ),
      answer.action ? h("p", { class: "answer-action" }, str(answer.action)) : null,
      jsonView(Object.keys(answer).length > 0 ? answer : reply.body, "Answer of the function"),
    );
  }
}

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function agentOf(url) {
  try {
    return new URL(url).searchParams.get("agentId") ?? "";
  } catch {
    return "";
  }
}

/** JSON as people write it: short objects and lists on one line. */
function write(value, indent = "") {
  const flat = JSON.stringify(value);
  const inner = indent + "  ";
  if (value === null || typeof value !== "object" || (indent && flat.length + indent.length < 58)) return pretty(flat, value);
  const isList = Array.isArray(value);
  const parts = Object.entries(value).map(([k, v]) => inner + (isList ? "" : `${JSON.stringify(k)}: `) + write(v, inner));
  return `${isList ? "[" : "{"}\n${parts.join(",\n")}\n${indent}${isList ? "]" : "}"}`;
}

const pretty = (flat, value) => (value !== null && typeof value === "object" ? spaced(value) : flat);

function spaced(value) {
  if (Array.isArray(value)) return `[${value.map((v) => pretty(JSON.stringify(v), v)).join(", ")}]`;
  return `{${Object.entries(value).map(([k, v]) => `${JSON.stringify(k)}: ${pretty(JSON.stringify(v), v)}`).join(", ")}}`;
}

/**
 * The payload with dry_run set, or "" if it begins like none. It is put in as text, in
 * front, so that what is wrong with the rest stays as it is and where it is,
 * and a text that only the function can read is not sent for real.
 */
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
    // The function says what is wrong with it.
  }
  return `${start}"dry_run":true${/^\s*\}/.test(rest) ? "" : ","}${rest}`;
}
