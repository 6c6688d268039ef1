// The only functions that put an address of a message into the page.

import { h } from "./dom.js";
import { icon } from "./icons.js";

/** The address as a URL, or null if it is not HTTP or HTTPS. */
export function webURL(text) {
  if (typeof text !== "string" || !/^https?:\/\//i.test(text)) return null;
  try {
    const url = new URL(text);
    return url.protocol === "https:" || url.protocol === "http:" ? url : null;
  } catch {
    return null;
  }
}

/** The host of an address, without www. */
export function hostOf(text) {
  return webURL(text)?.host.replace(/^www\./, "") ?? "";
}

/** The decoded last segment of the path of an address. */
export function fileNameOf(text) {
  const last = webURL(text)?.pathname.split("/").pop() ?? "";
  try {
    return decodeURIComponent(last);
  } catch {
    return last;
  }
}

/** A link that opens a new tab, or plain text if the address is not HTTP or HTTPS. */
export function link(address, label, props) {
  const url = webURL(address);
  if (!url) return h("span", props, label);
  const a = h("a", { ...props, target: "_blank", rel: "noopener noreferrer" }, label);
  a.href = url.href;
  return a;
}

/**
 * An image from this origin, or from others if the user allowed them. fallback returns
 * the element that replaces an image that does not load.
 */
export function image(address, alt, fallback) {
  const img = h("img", { alt, loading: "lazy", decoding: "async", referrerpolicy: "no-referrer", draggable: "false" });
  img.addEventListener("error", () => img.replaceWith(fallback()), { once: true });
  img.src = address;
  return img;
}

const address = /\bhttps?:\/\/[^\s<>"'\u0000-\u001f]+/gi;

/** The text with its HTTP addresses as links, or only with one that the text ends with. */
export function linkify(text, onlyEnd = false) {
  const parts = [];
  let at = 0;
  for (const match of text.matchAll(address)) {
    // Punctuation at the end is not part of the address, and a closing bracket is only
    // if the address contains the opening one.
    let found = match[0].replace(/[.,;:!?\u2026\u201d\u2019*_~]+$/, "");
    while (/[)\]]$/.test(found) && !balanced(found)) found = found.slice(0, -1).replace(/[.,;:!?]+$/, "");
    if (!webURL(found) || (onlyEnd && match.index + found.length < text.trimEnd().length)) continue;
    parts.push(text.slice(at, match.index), link(found, found));
    at = match.index + found.length;
  }
  parts.push(text.slice(at));
  return parts.filter((p) => p !== "");
}

function balanced(text) {
  const count = (c) => text.split(c).length;
  return count("(") >= count(")") && count("[") >= count("]");
}

/** A link with the icon for external links. */
export function outLink(addr, label) {
  return link(addr, h("span.out", label, icon("out")));
}
