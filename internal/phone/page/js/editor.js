// A text area for JSON with line numbers, colors, and marks for problems. The marks are
// in a layer behind the text, which stays an ordinary text area for screen readers.

import { fill, h } from "./dom.js";
import { maxColored, locate, placeOf, tokens } from "./json.js";

export class Editor {
  constructor(label, changed) {
    this.marks = [];
    this.layer = h("div.editor-layer", { "aria-hidden": "true" });
    this.area = h("textarea.editor-text", {
      spellcheck: "false",
      autocapitalize: "off",
      autocomplete: "off",
      "aria-label": label,
      oninput: () => {
        this.marks = [];
        this.paint();
        changed();
      },
    });
    this.el = h("div.editor", h("div.editor-sheet", this.layer, this.area));
  }

  get text() {
    return this.area.value;
  }

  set text(text) {
    this.area.value = text;
    this.marks = [];
    this.paint();
  }

  /** Marks problems by their pointers; mild ones are warnings. Returns the line of each. */
  mark(problems) {
    const { places } = locate(this.text);
    this.marks = problems.map((f) => ({ ...placeOf(places, f.pointer), problem: f }));
    this.area.setAttribute("aria-invalid", String(problems.some((f) => !f.mild)));
    this.paint();
    return this.marks.map((m) => this.lineOf(m.from));
  }

  /** Marks the first syntax error; returns its line. */
  markBroken() {
    const { error } = locate(this.text);
    const from = Math.max(0, Math.min(error, this.text.length - 1));
    this.marks = error < 0 ? [] : [{ from, to: from + 1 }];
    this.area.setAttribute("aria-invalid", "true");
    this.paint();
    return this.lineOf(from);
  }

  lineOf(offset) {
    return this.text.slice(0, offset).split("\n").length;
  }

  /** Puts the cursor on the n-th mark. */
  goTo(n) {
    const m = this.marks[n];
    if (!m) return;
    this.area.focus();
    this.area.setSelectionRange(m.from, Math.min(m.to, this.endOfLine(m.from)));
    this.layer.children[this.lineOf(m.from) - 1]?.scrollIntoView({ block: "nearest" });
  }

  endOfLine(offset) {
    const end = this.text.indexOf("\n", offset);
    return end < 0 ? this.text.length : end;
  }

  /** Draws the layer: one element per line, so that long lines wrap in the same way. */
  paint() {
    const text = this.text;
    const all = text.length > maxColored ? [] : tokens(text);
    const lines = [];
    let from = 0;
    let next = 0;
    for (const line of text.split("\n")) {
      const to = from + line.length;
      const spans = [];
      let at = from;
      while (next < all.length && all[next].from < to) {
        const t = all[next++];
        spans.push(...this.piece(at, t.from, ""), ...this.piece(t.from, t.to, t.class));
        at = t.to;
      }
      spans.push(...this.piece(at, to, ""));
      const marks = this.marks.filter((m) => m.from >= from && m.from <= to);
      const tone = marks.length === 0 ? "" : marks.every((m) => m.problem?.mild) ? " mild" : " wrong";
      lines.push(h("div", { class: `editor-line${tone}` }, spans.length > 0 ? spans : "\u200b"));
      from = to + 1;
    }
    fill(this.layer, lines);
  }

  /** Splits a token at the ends of a mark, of which only the first line is shown. */
  piece(from, to, className) {
    if (to <= from) return [];
    const mark = this.marks.find((m) => m.from < to && Math.min(m.to, this.endOfLine(m.from)) > from);
    if (!mark) return [this.span(this.text.slice(from, to), className)];
    const a = Math.max(from, mark.from);
    const b = Math.min(to, mark.to, this.endOfLine(mark.from));
    return [
      this.span(this.text.slice(from, a), className),
      this.span(this.text.slice(a, b), `${className} problem${mark.problem?.mild ? " mild" : ""}`),
      this.span(this.text.slice(b, to), className),
    ].filter(Boolean);
  }

  span(text, className) {
    if (!text) return null;
    return className ? h("span", { class: className }, text) : text;
  }
}
