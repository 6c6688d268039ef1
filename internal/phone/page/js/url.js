// The only places where an address from a message gets into the page.

import { h } from "./dom.js";
import { icon } from "./icons.js";

/** The address as a URL if it is one of the web, or null. */
export function webURL(text) {
  if (typeof text !== "string" || !/^https?:\/\//i.test(text)) return null;
  try {
    const url = new URL(text);
    return url.protocol === "https:" || url.protocol === "http:" ? url : null;
  } catch {
    return null;
  }
}

/** What people recognize an address by: its host. */
export function hostOf(text) {
  return webURL(text)?.host.replace(/^www\./, "") ?? "";
}

/** The last part of the path of an address, readable. */
export function fileNameOf(text) {
  const last = webURL(text)?.pathname.split("/").pop() ?? "";
  try {
    return decodeURIComponent(last);
  } catch {
    return last;
  }
}

/** A link that leaves the page, or plain text if the address is not one of the web. */
export function link(address, label, props) {
  const url = webURL(address);
  if (!url) return h("span", props, label);
  const a = h("a", { ...props, target: "_blank", rel: "noopener noreferrer" }, label);
  a.href = url.href;
  return a;
}

/**
 * An image of this origin, or of another if the user has allowed that. fallback
 * makes what stands in its place if it cannot be had.
 */
export function image(address, alt, fallback) {
  const img = h("img", { alt, loading: "lazy", decoding: "async", referrerpolicy: "no-referrer", draggable: "false" });
  img.addEventListener("error", () => img.replaceWith(fallback()), { once: true });
  img.src = address;
  return img;
}

const address = /\bhttps?:\/\/[^\s<>"'\u0000-\u001f]+/gi;

/** The text with its web addresses as links. */
export function linkify(text) {
  const parts = [];
  let at = 0;
  for (const match of text.matchAll(address)) {
    // What ends a sentence does not belong to the address, and a bracket
    // only if it was opened in it.
    let found = match[0].replace(/[.,;:!?\u2026\u201d\u2019*_~]+$/, "");
    while (/[)\]]$/.test(found) && !balanced(found)) found = found.slice(0, -1).replace(/[.,;:!?]+$/, "");
    if (!webURL(found)) continue;
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

/** A link with the sign for leaving the page. */
export function outLink(addr, label) {
  return link(addr, h("span", { class: "out" }, label, icon("out")));
}
