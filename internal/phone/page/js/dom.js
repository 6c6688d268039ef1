// Elements are made here and nowhere else. Text becomes text nodes, so nothing
// that a message says can become markup; attributes that load, open or run
// something are refused, and have makers of their own in url.js.

const unsafe = /^(href|src|srcset|srcdoc|style|action|formaction|data|on.*)$/i;

/**
 * Makes an element: h("p", {class: "note", onclick: f}, "text", child, null).
 * on... are listeners, data is the dataset, true and false set and omit an attribute.
 */
export function h(tag, props, ...children) {
  const el = document.createElement(tag);
  for (const [name, value] of Object.entries(props ?? {})) {
    if (typeof value === "function" && name.startsWith("on")) {
      el.addEventListener(name.slice(2), value);
    } else if (name === "data") {
      Object.assign(el.dataset, value);
    } else if (unsafe.test(name)) {
      throw new Error(`h does not set ${name}`);
    } else if (value === true) {
      el.setAttribute(name, "");
    } else if (value !== false && value != null) {
      el.setAttribute(name, String(value));
    }
  }
  el.append(...solid(children));
  return el;
}

/** What is there of a nested list: null and false are left out. */
const solid = (children) => children.flat(Infinity).filter((c) => c != null && c !== false);

/** Replaces what el holds. */
export function fill(el, ...children) {
  el.replaceChildren(...solid(children));
  return el;
}

/** Sets text without touching the DOM if it is there already. */
export function setText(el, text) {
  if (el.textContent !== text) el.textContent = text;
}

export const byID = (id) => document.getElementById(id);

/** A value of a message as text: whatever else it may be is left out. */
export const str = (v) => (typeof v === "string" ? v : "");

/** A value of a message as a list of objects. */
export const list = (v) => (Array.isArray(v) ? v.filter((x) => x !== null && typeof x === "object") : []);

/** A value of a message as an object. */
export const obj = (v) => (v !== null && typeof v === "object" && !Array.isArray(v) ? v : {});

/** Copies text, and says so on the button for a moment. */
export async function copy(button, text) {
  const label = button.dataset.label ?? (button.dataset.label = button.textContent);
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    button.textContent = "Copying is not allowed";
  }
  clearTimeout(button.copied);
  button.copied = setTimeout(() => (button.textContent = label), 1600);
}
