// JSON as text: colored for reading, and searched for the place of a JSON Pointer.

import { h } from "./dom.js";

const token = /("(?:[^"\\\n]|\\.)*"?)(\s*:)?|(-?\d[\d.eE+-]*)|\b(true|false|null)\b/g;

/** The colored tokens of a text: {from, to, class}. */
export function tokens(text) {
  const out = [];
  for (const m of text.matchAll(token)) {
    const name = m[1] !== undefined ? (m[2] ? "key" : "string") : m[3] ? "number" : "word";
    out.push({ from: m.index, to: m.index + (m[1] ?? m[0]).length, class: `json-${name}` });
  }
  return out;
}

// A longer text is not colored, which would be slow.
export const maxColored = 60_000;

/** A value as an element, indented and colored. */
export function jsonView(value, label) {
  const text = typeof value === "string" ? value : JSON.stringify(value, null, 2);
  const pre = h("pre.json", { tabindex: "0", role: "group", "aria-label": label });
  let at = 0;
  if (text.length <= maxColored) {
    for (const t of tokens(text)) {
      pre.append(text.slice(at, t.from), h("span", { class: t.class }, text.slice(t.from, t.to)));
      at = t.to;
    }
  }
  pre.append(text.slice(at));
  return pre;
}

const syntax = /[\s\ufeff]*([{}[\],:]|"(?:[^"\\\n]|\\.)*"|-?\d[\d.eE+-]*|true|false|null|)/y;

/**
 * Locates the values of a JSON text. places maps JSON Pointers to {from, to}, which
 * include the name of a member. error is the offset of the first syntax error, or -1.
 */
export function locate(text) {
  const places = new Map();
  let at = 0;
  const peek = () => {
    syntax.lastIndex = at;
    const token = syntax.exec(text)[1];
    return { token, from: syntax.lastIndex - token.length, to: syntax.lastIndex };
  };
  const take = (expected) => {
    const found = peek();
    if (!expected.test(found.token)) throw found.from;
    if (found.token[0] === '"') {
      try {
        found.name = JSON.parse(found.token);
      } catch {
        throw found.from;
      }
    }
    at = found.to;
    return found;
  };
  const value = (pointer, from) => {
    // An invalid value has a place too: until the end of the text.
    const place = { from: from ?? peek().from, to: text.length };
    places.set(pointer, place);
    const close = { "{": "}", "[": "]" }[take(/^[^}\],:]/).token];
    for (let i = 0; close && (i > 0 ? peek().token === "," && take(/,/) : peek().token !== close); i++) {
      if (close === "]") {
        value(`${pointer}/${i}`);
        continue;
      }
      const { name, from } = take(/^"/);
      take(/:/);
      value(`${pointer}/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`, from);
    }
    if (close) take(close === "}" ? /^}/ : /^]/);
    place.to = at;
  };
  try {
    value("");
    const rest = peek();
    return { places, error: rest.to < text.length || rest.token ? rest.from : -1 };
  } catch (offset) {
    if (typeof offset !== "number") throw offset;
    return { places, error: Math.min(offset, text.length) };
  }
}

/** The place of a pointer, or of the closest one above it. */
export function placeOf(places, pointer) {
  for (let p = pointer; p; p = p.slice(0, p.lastIndexOf("/"))) {
    if (places.has(p)) return places.get(p);
  }
  // The first character stands for the whole payload.
  const from = places.get("")?.from ?? 0;
  return { from, to: from + 1 };
}
