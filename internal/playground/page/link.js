// Links to a payload: #payload= and its JSON, as encodeURIComponent writes it. A link fills the
// editor and does nothing else.

import { write } from "../js/compose.js";
import { h } from "../js/dom.js";

const start = "#payload=";
const most = 100_000; // characters

/**
 * The text of a fragment for the editor, or "" if it has no payload. A broken link is an Error
 * with a text for people.
 */
export function payloadOf(fragment) {
  if (!fragment.startsWith(start)) return "";
  if (fragment.length > most) throw new Error("This link is too long for a payload.");
  let text, payload;
  try {
    text = decodeURIComponent(fragment.slice(start.length));
    payload = JSON.parse(text);
  } catch {
    throw new Error("This link is incomplete: the text after #payload= is not JSON.");
  }
  if (payload === null || typeof payload !== "object") {
    throw new Error("This link has no payload: expected a JSON object after #payload=.");
  }
  return text.includes("\n") ? text : write(payload);
}

/** A link to a payload. */
export const linkTo = (text) => location.href.replace(/#.*$/, "") + start + encodeURIComponent(text);

/** A link to a document of this site. It opens a new tab, because the messages are in this one. */
export function docLink(address, label) {
  const link = h("a", { target: "_blank" }, label);
  link.href = `docs/${address}`;
  return link;
}
