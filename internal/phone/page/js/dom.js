// The only place that creates HTML elements. Text becomes text nodes, so no message can
// inject markup. Attributes that load, open or run something are rejected; url.js sets
// the ones that the page needs.

const unsafe = /^(href|src|srcset|srcdoc|style|action|formaction|data|on.*)$/i;

/**
 * Creates an element with classes: h("p.note.small", {onclick: f}, "text", child, null). The
 * attributes are optional. Functions named on... are listeners, data is the dataset, and true
 * and false set and omit an attribute. A button submits nothing, unless its type is submit.
 */
export function h(name, ...children) {
  const [tag, ...classes] = name.split(".");
  const props = children[0]?.constructor === Object ? children.shift() : {};
  const el = document.createElement(tag);
  el.classList.add(...classes);
  if (tag === "button") el.type = "button";
  for (const [name, value] of Object.entries(props)) {
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
  el.append(...present(children));
  return el;
}

/** Flattens a list and drops null and false. */
const present = (children) => children.flat(Infinity).filter((c) => c != null && c !== false);

/** Replaces the children of el. */
export function fill(el, ...children) {
  el.replaceChildren(...present(children));
  return el;
}

/** Sets the text of el, and does nothing if it is unchanged. */
export function setText(el, text) {
  if (el.textContent !== text) el.textContent = text;
}

export const byID = (id) => document.getElementById(id);

/** A value of a message as a string; other types become "". */
export const str = (v) => (typeof v === "string" ? v : "");

/** A value of a message as a list of objects; other types become []. */
export const list = (v) => (Array.isArray(v) ? v.filter((x) => x !== null && typeof x === "object") : []);

/** A value of a message as an object; other types become {}. */
export const obj = (v) => (v !== null && typeof v === "object" && !Array.isArray(v) ? v : {});

/** Copies text and confirms it on the button for a moment. */
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
