// JSON as text: colored for reading, and taken apart to find the place that a JSON
// Pointer names.

import { h } from "./dom.js";

const token = /("(?:[^"\\\n]|\\.)*"?)(\s*:)?|(-?\d[\d.eE+-]*)|\b(true|false|null)\b/g;

/** The text in colors: {from, to, class} for every token. */
export function tokens(text) {
  const out = [];
  for (const m of text.matchAll(token)) {
    const name = m[1] !== undefined ? (m[2] ? "key" : "string") : m[3] ? "number" : "word";
    out.push({ from: m.index, to: m.index + (m[1] ?? m[0]).length, class: `json-${name}` });
  }
  return out;
}

// Coloring is for people; nobody reads more than this.
export const colored = 60_000;

/** A value as an element, indented and colored. */
export function jsonView(value, label) {
  const text = typeof value === "string" ? value : JSON.stringify(value, null, 2);
  const pre = h("pre", { class: "json", tabindex: "0", role: "group", "aria-label": label });
  let at = 0;
  if (text.length <= colored) {
    for (const t of tokens(text)) {
      pre.append(text.slice(at, t.from), h("span", { class: t.class }, text.slice(t.from, t.to)));
      at = t.to;
    }
  }
  pre.append(text.slice(at));
  return pre;
}

/**
 * Finds where everything is in a JSON text: places maps JSON Pointers to
 * {from, to}, the name of a member included, and error is the offset at which the
 * text ceases to be JSON, or -1.
 */
export function locate(text) {
  const places = new Map();
  let at = 0;
  const space = () => {
    while (at < text.length && " \t\r\n\ufeff".includes(text[at])) at++;
  };
  const fail = () => {
    throw at;
  };
  const expect = (c) => (text[at] === c ? at++ : fail());
  const string = () => {
    const from = at;
    expect('"');
    while (text[at] !== '"') {
      if (at >= text.length || text[at] === "\n") fail();
      at += text[at] === "\\" ? 2 : 1;
    }
    at++;
    try {
      return JSON.parse(text.slice(from, at));
    } catch {
      at = from;
      return fail();
    }
  };
  const items = (close, item) => {
    at++;
    space();
    if (text[at] === close) return at++;
    for (let i = 0; ; i++) {
      item(i);
      space();
      if (text[at] === close) return at++;
      expect(",");
      space();
    }
  };
  const value = (pointer, from) => {
    space();
    from ??= at;
    // The place is known from the start, so that a broken value has one too.
    places.set(pointer, { from, to: text.length });
    if (text[at] === "{") {
      items("}", () => {
        const start = at;
        const name = string();
        space();
        expect(":");
        value(`${pointer}/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`, start);
      });
    } else if (text[at] === "[") {
      items("]", (i) => value(`${pointer}/${i}`));
    } else if (text[at] === '"') {
      string();
    } else {
      const word = /^(?:-?\d[\d.eE+-]*|true|false|null)/.exec(text.slice(at, at + 400));
      if (!word) fail();
      at += word[0].length;
    }
    places.get(pointer).to = at;
  };
  let error = -1;
  try {
    value("");
    space();
    if (at < text.length) error = at;
  } catch (e) {
    if (typeof e !== "number") throw e;
    error = Math.min(e, text.length);
  }
  return { places, error };
}

/** The place of a pointer, or of the closest one above it. */
export function placeOf(places, pointer) {
  for (let p = pointer; p; p = p.slice(0, p.lastIndexOf("/"))) {
    if (places.has(p)) return places.get(p);
  }
  // The whole payload is at fault: its first character stands for it.
  const root = places.get("");
  return root ? { from: root.from, to: root.from + 1 } : { from: 0, to: 1 };
}
