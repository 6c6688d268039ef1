// The tab for mappings: an event of a sender, the jq program that turns it into messages, and the
// check of an rcshook.yaml. Nothing is sent while the texts are edited.

import { byID, copy, fill, h, list, obj, str } from "../js/dom.js";
import { planOf, write } from "../js/compose.js";
import { Editor } from "../js/editor.js";
import { count, phoneNumber, plural } from "../js/format.js";
import { jsonView } from "../js/json.js";
import { kindOf } from "../js/store.js";
import { ask } from "../js/stream.js";
import { linkTo } from "./link.js";
import { addTab } from "./tabs.js";
import { zip } from "./zip.js";

// The delay of a check after the last change, in milliseconds.
const delay = 300;
const fileName = "rcshook.yaml";
const ofFile = "file "; // starts the values of the sources of the file in the list of senders
const firstPreset = "shopify";

const pane = addTab("maps", "Mappings");

/** An editor whose problems have lines and columns. */
class TextEditor extends Editor {
  /** Marks problems by their places, which may be missing. */
  markPlaces(problems) {
    this.marks = problems.map((p) => this.place(p));
    this.area.setAttribute("aria-invalid", String(problems.some((p) => !p.mild)));
    this.paint();
  }

  /** The rest of the word at a line and a column, which counts characters. */
  place(problem) {
    const lines = this.text.split("\n");
    const line = Math.min(Math.max(problem.line, 1), lines.length);
    const start = lines.slice(0, line - 1).reduce((n, l) => n + l.length + 1, 0);
    const column = [...lines[line - 1]].slice(0, Math.max(problem.column - 1, 0)).join("").length;
    const word = /^[\w$.]+/.exec(lines[line - 1].slice(column))?.[0] ?? "";
    const from = start + column;
    return { from, to: from + Math.max(word.length, 1), problem };
  }
}

/** A problem in a list; with a place, a button that goes there. */
function entry(problem, where, go) {
  const text = h("span.problem-text", problem.pointer ? [h("code", problem.pointer), ": "] : null, problem.detail);
  const label = h("span.problem-line", problem.line ? `${where}, line ${problem.line}` : where);
  return h(
    "li",
    { data: problem.mild ? { tone: "wait" } : {} },
    go && problem.line ? h("button.problem-entry", { onclick: go }, label, text) : h("div.problem-entry", label, text),
  );
}

class Maps {
  constructor() {
    this.picker = h("select.field", { id: "maps-sender", onchange: () => this.choose(this.picker.value) });
    this.about = h("p.maps-about");
    this.how = h("a", "More on sources");
    this.how.href = "docs/sources.html";
    this.map = new TextEditor("Mapping in jq", () => this.edited());
    this.event = new TextEditor("Event", () => this.edited());
    this.file = new TextEditor(fileName, () => this.fileEdited());
    for (const { area } of [this.map, this.event]) {
      area.addEventListener("keydown", (e) => {
        if (e.key !== "Enter" || !(e.metaKey || e.ctrlKey)) return;
        e.preventDefault();
        this.send();
      });
    }
    this.verdict = h("p.verdict", { id: "maps-verdict", role: "status" });
    this.problems = h("ol.problems", { id: "maps-problems", "aria-label": "Problems" });
    this.sendButton = h("button.button.primary", { id: "maps-send", title: "Ctrl+Enter", onclick: () => this.send() }, "Send");
    this.download = h("button.button", { id: "maps-download", onclick: () => this.save() }, "Download");
    this.reset = h("button.button", { id: "maps-reset", onclick: () => this.choose(this.picker.value) }, "Reset");
    this.link = h("button.button", { id: "maps-link", onclick: () => copy(this.link, this.address()) }, "Copy link");
    this.results = h("section.maps-results", { id: "maps-results", "aria-label": "Messages" });
    this.fileVerdict = h("p.verdict", { role: "status" });
    this.fileProblems = h("ol.problems", { id: "file-problems", "aria-label": `Problems of ${fileName}` });
    this.fileSources = h("div.examples", { role: "group", "aria-label": `Sources of ${fileName}` });
    this.mapFrame = h("div.editor-frame", { id: "maps-map" }, h("h3.maps-title", "Mapping (jq)"), this.map.el);
    this.chosen = firstPreset;
    this.trial = {};
    this.sample = {};
  }

  /** Builds the pane when it is shown first. */
  async start() {
    this.started = true;
    fill(pane, h("p.pane-empty", "Loading the engine"));
    const { groups, presets } = await ask("playground/presets.json");
    this.presets = new Map(presets.map((p) => [p.name, p]));
    this.ownGroup = h("optgroup", { label: fileName, hidden: true });
    fill(
      this.picker,
      groups.map((group) =>
        h(
          "optgroup",
          { label: group },
          presets.filter((p) => p.group === group).map((p) => h("option", { value: p.name }, p.name)),
        ),
      ),
      this.ownGroup,
    );
    fill(
      pane,
      h("div.maps-head", h("label.caption", { for: "maps-sender" }, "Sender"), this.picker, this.about),
      this.mapFrame,
      h("div.editor-frame", { id: "maps-event" }, h("h3.maps-title", "Event"), this.event.el),
      this.problems,
      h("div.compose-foot", this.verdict, this.reset, this.link, this.download, this.sendButton),
      this.results,
      h(
        "details.own",
        { id: "maps-file" },
        h("summary", `Check an ${fileName}`),
        h("p", "Paste the file. It stays in your browser."),
        h("div.editor-frame", this.file.el),
        this.fileProblems,
        this.fileVerdict,
        this.fileSources,
      ),
    );
    await this.choose(this.chosen, this.linked);
  }

  /** Shows the mapping and the sample event of a preset, or those of a link, or of a source of the file. */
  async choose(value, { map, event } = {}) {
    this.chosen = value;
    this.filled = false;
    if (!this.presets) return;
    this.picker.value = value;
    const inFile = value.startsWith(ofFile);
    this.trial = inFile ? { file: this.file.text, source: value.slice(ofFile.length) } : { preset: value };
    this.mapFrame.hidden = inFile;
    this.link.hidden = inFile;
    fill(this.about, inFile ? "The mapping is in the file. " : "The mapping turns this event into messages. ", this.how);
    const result = await this.run(this.trial);
    if (!result) return;
    this.sample = result;
    this.map.text = map ?? result.map;
    this.event.text = event ?? result.event;
    this.filled = true;
    history.replaceState(null, "", this.address());
    if (map ?? event) this.edited(0);
    else this.show(result);
  }

  /** A link to the preset, with the texts that were edited. */
  address() {
    const page = location.href.replace(/#.*$/, "");
    if (!this.trial.preset) return page;
    const fields = { preset: this.trial.preset };
    if (this.map.text !== this.sample.map) fields.map = this.map.text;
    if (this.event.text !== this.sample.event) fields.event = this.event.text;
    return `${page}#${Object.entries(fields).map(([k, v]) => `${k}=${encodeURIComponent(v)}`).join("&")}`;
  }

  edited(wait = delay) {
    clearTimeout(this.timer);
    this.running?.abort();
    this.timer = setTimeout(async () => {
      if (wait > 0) history.replaceState(null, "", this.address()); // a reload keeps the texts
      const result = await this.run(this.asTrial());
      if (result) this.show(result);
    }, wait);
  }

  /** The trial of the texts in the editors. */
  asTrial() {
    const trial = { ...this.trial, event: this.event.text };
    return trial.preset ? { ...trial, map: this.map.text } : { ...trial, file: this.file.text };
  }

  /** Runs a trial; returns undefined after another one was started, or an error. */
  async run(trial) {
    clearTimeout(this.timer);
    this.running?.abort();
    const mine = (this.running = new AbortController());
    try {
      const result = await ask("/_play/map", trial, mine.signal);
      return mine === this.running ? result : undefined;
    } catch (e) {
      if (e.name !== "AbortError") this.fail(e);
    }
  }

  fail(e) {
    preview(null);
    this.setStatus("bad", e.message);
  }

  setStatus(tone, text) {
    this.verdict.dataset.tone = tone;
    fill(this.verdict, text);
  }

  /** Shows what became of the event. */
  show(result) {
    this.filled = true;
    const messages = list(result.messages);
    this.messages = messages;
    this.showProblems(result);
    const first = messages.map((m) => planOf(obj(m.response))).find(Boolean);
    if (!pane.hidden) preview(first ?? null);
    const wrong = result.problems.length > 0 || messages.some((m) => !m.send);
    this.sendButton.disabled = wrong || messages.length === 0;
    this.download.disabled = wrong;
    if (wrong) {
      const total = this.problems.querySelectorAll("li:not([data-tone])").length;
      this.setStatus("bad", plural(total, "problem"));
    } else if (result.reply) this.setStatus("", "No message: the sender gets a reply");
    else if (messages.length === 0) this.setStatus("", "No message: the mapping ignores this event");
    else if (messages.length > 1) this.setStatus("good", plural(messages.length, "message"));
    else this.setStatus("good", `${kindOf(first.content)} to ${phoneNumber(first.phone)}, ${count(first.bytes)} bytes`);
    fill(
      this.results,
      result.reply && [h("h3.caption", "Reply to the sender"), jsonView(result.reply, "Reply to the sender")],
      messages.map((m, i) => {
        const title = messages.length > 1 ? `Payload ${i + 1}` : "Payload";
        const response = obj(m.response);
        return [
          h(
            "div.response-head",
            h("h3.caption", title),
            h("span.pill", { data: { tone: m.send ? "good" : "bad" } }, `${m.status} ${str(response.code)}`),
            m.payload?.to && composeLink(m.payload),
          ),
          jsonView(m.payload, title),
          h("details", h("summary.caption", "Response of the function"), jsonView(response, "Response of the function")),
        ];
      }),
    );
  }

  /** Marks the problems in the editors and lists them. */
  showProblems(result) {
    const messages = list(result.messages);
    const own = list(result.problems);
    const editors = { map: this.map, event: this.event, file: this.file };
    const names = { map: "Mapping", event: "Event", file: fileName, preset: "Sender" };
    for (const [name, editor] of Object.entries(editors)) {
      if (name !== "file") editor.markPlaces(own.filter((p) => p.in === name));
    }
    const items = own.map((p) => {
      const index = own.filter((q) => q.in === p.in).indexOf(p);
      return entry(p, names[p.in], () => {
        if (p.in === "file") {
          byID("maps-file").open = true;
          this.file.markPlaces(own.filter((q) => q.in === "file"));
        }
        editors[p.in].goTo(index);
      });
    });
    const warned = new Set();
    messages.forEach((m, i) => {
      const where = messages.length > 1 ? `Payload ${i + 1}` : "Payload";
      const response = obj(m.response);
      const errors = list(response.errors);
      if (!m.send && errors.length === 0) errors.push({ detail: str(response.message) });
      const warnings = list(response.warnings ?? list(response.results)[0]?.warnings);
      for (const w of warnings) warned.add(w.pointer);
      items.push(...[...errors, ...warnings.map((w) => ({ ...w, mild: true }))].map((p) => entry(p, where)));
    });
    for (const n of list(result.nulls).filter((n) => !warned.has(n.pointer))) {
      const detail = `contains the word null if the event has no ${n.without.join(" or no ")}; write another value for it, as in \\(.name | present // "there")`;
      items.push(entry({ pointer: n.pointer, detail, mild: true }, "Payload"));
    }
    fill(this.problems, items);
  }

  /** Sends the messages of the event to the phone. */
  async send() {
    const result = await this.run(this.asTrial());
    if (!result) return;
    this.show(result);
    if (this.sendButton.disabled) return;
    this.sendButton.disabled = true;
    this.setStatus("", "Sending");
    try {
      let failed = "";
      for (const m of this.messages) {
        const reply = await ask("/_dev/send", JSON.stringify(m.send));
        if (reply.status >= 300) failed = str(obj(JSON.parse(reply.body)).message);
      }
      if (failed) return this.setStatus("bad", failed);
      this.setStatus("good", `Sent ${plural(this.messages.length, "message")} to the phone`);
      preview(null);
      if (matchMedia("(max-width: 719px)").matches) document.querySelector('.views [data-view="phone"]').click();
    } catch (e) {
      this.fail(e);
    } finally {
      this.sendButton.disabled = false;
    }
  }

  /** Downloads the file and the case. */
  async save() {
    const result = await this.run({ ...this.asTrial(), download: true });
    if (!result) return;
    this.show(result);
    if (!result.files) return;
    const url = URL.createObjectURL(zip(result.files));
    const link = document.createElement("a");
    link.href = url;
    link.download = `rcshook-${this.trial.preset ?? this.trial.source}.zip`;
    link.click();
    URL.revokeObjectURL(url);
    this.setStatus("good", `Downloaded ${link.download}. Unpack it, and run rcshook check in its folder.`);
  }

  fileEdited() {
    clearTimeout(this.fileTimer);
    this.fileTimer = setTimeout(() => this.checkFile().catch((e) => fill(this.fileVerdict, e.message)), delay);
  }

  /** Checks the file, and offers its sources. */
  async checkFile() {
    const text = this.file.text;
    const result = await ask("/_play/check", { file: text });
    if (text !== this.file.text) return; // it was edited
    const all = [...result.problems, ...result.warnings.map((w) => ({ ...w, mild: true }))];
    this.file.markPlaces(all);
    fill(
      this.fileProblems,
      all.map((p, i) => entry({ ...p, pointer: p.path }, p.line ? "File" : fileName, () => this.file.goTo(i))),
    );
    const bad = result.problems.length > 0;
    this.fileVerdict.dataset.tone = bad ? "bad" : "good";
    let verdict = bad ? plural(result.problems.length, "problem") : "No problems";
    if (!text.trim()) verdict = "";
    fill(this.fileVerdict, verdict);
    fill(
      this.ownGroup,
      result.sources.map((s) => h("option", { value: ofFile + s.name }, s.name)),
    );
    this.ownGroup.hidden = result.sources.length === 0;
    fill(
      this.fileSources,
      result.sources.map((s) => h("button.example", { title: s.about, onclick: () => this.tryFile(s.name) }, `Try an event of ${s.name}`)),
    );
    if (this.chosen.startsWith(ofFile) && !bad) this.edited(0);
  }

  async tryFile(name) {
    await this.choose(ofFile + name);
    this.event.area.focus();
    this.picker.scrollIntoView({ block: "nearest" });
  }
}

/** A link that opens a payload in the editor for payloads. */
function composeLink(payload) {
  // Browsers ignore a click if the address is already that of the link.
  const onclick = () => location.href === link.href && dispatchEvent(new Event("hashchange"));
  const link = h("a", { onclick }, "Edit in Compose");
  link.href = linkTo(write(payload));
  return link;
}

function preview(detail) {
  document.dispatchEvent(new CustomEvent("preview", { detail }));
}

const maps = new Maps();

function shown() {
  if (pane.hidden) return;
  if (!maps.started) maps.start().catch((e) => fill(pane, h("p.pane-empty", e.message)));
  else if (maps.filled) maps.edited(0);
}

/** Opens the preset in the address, with its mapping and event. */
export function followPreset() {
  const { preset, ...texts } = Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
  if (!preset) return;
  if (maps.presets) maps.choose(preset, texts);
  maps.chosen = preset;
  maps.linked = texts;
  byID("tab-maps").click();
}

new MutationObserver(shown).observe(pane, { attributeFilter: ["hidden"] });
addEventListener("hashchange", followPreset);
