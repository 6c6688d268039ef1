// Images, videos, audio and documents. Media that are not loaded have a placeholder with
// a description. Nothing is loaded from other origins unless the user allows it.

import { device } from "./device.js";
import { h, obj, str } from "./dom.js";
import { icon } from "./icons.js";
import { setup } from "./setup.js";
import { fileURL } from "./stream.js";
import { fileNameOf, hostOf, image, outLink, webURL } from "./url.js";

// The host of the examples' images. The name is reserved (RFC 2606), so no real image has
// such an address.
const exampleHost = "pictures.example";
const examplePictures = new Set(["ferry", "harbor", "island", "lighthouse", "deck"]);

const endings = [
  ["image", /\.(jpe?g|png|gif|webp|svg|avif)$/i],
  ["video", /\.(mp4|m4v|mpe?g|mpeg4|webm|h263|3gp|mov)$/i],
  ["audio", /\.(mp3|aac|m4a|ogg|oga|ogx|wav|amr|mpga)$/i],
  ["pdf", /\.pdf$/i],
];

const nouns = { image: "Image", video: "Video", audio: "Audio", pdf: "PDF", file: "File" };

/** Parses the media of a content message or a card. */
export function readMedia(holder) {
  const info = obj(holder.contentInfo);
  const uploaded = obj(holder.uploadedRbmFile);
  const name = str(uploaded.fileName) || str(holder.fileName);
  const address = str(info.fileUrl);
  return {
    address: address || name,
    thumbnail: str(info.thumbnailUrl) || str(uploaded.thumbnailName),
    alt: str(holder.contentDescription),
    gif: /\.gif$/i.test(webURL(address)?.pathname ?? ""),
    kind: address ? (endings.find(([, re]) => re.test(webURL(address)?.pathname ?? ""))?.[0] ?? "file") : "uploaded",
    name: fileNameOf(address) || name.replace(/^files\//, ""),
    host: hostOf(address) || (name ? "uploaded" : ""),
  };
}

/** The address from which the page may load an image, or "". */
function source(address) {
  const url = webURL(address);
  if (!url) return /^files\/[\w-]+$/.test(address) ? fileURL(address) : "";
  const name = /^\/([a-z]+)\.\w+$/.exec(url.pathname)?.[1];
  if (url.host === exampleHost && examplePictures.has(name)) return `pictures/${name}.svg`;
  return setup.images && url.protocol === "https:" ? url.href : "";
}

/** The image of a file: the file itself if it is one, or its thumbnail. */
function picture(media, inCard) {
  const placeholderFor = (why) => placeholder(media, why);
  const isPicture = media.kind === "image" || (inCard && media.kind === "file");
  const from = media.unknown ? "" : (isPicture && source(media.address)) || source(media.thumbnail);
  if (!from) return placeholderFor(setup.images || media.unknown ? "" : "not loaded");
  const alt = media.alt || `${nouns[media.kind] ?? "Image"}: ${media.name}`;
  const img = image(from, alt, () => placeholderFor("failed to load"));
  if (device.iphone && media.gif) img.addEventListener("load", () => img.replaceWith(still(img, alt)), { once: true });
  return img;
}

/** The first picture of an animated image. */
function still(img, alt) {
  const canvas = h("canvas", { role: "img", "aria-label": alt, width: img.naturalWidth, height: img.naturalHeight });
  canvas.getContext("2d").drawImage(img, 0, 0);
  return canvas;
}

function placeholder(media, why) {
  const el = h(
    "div.stand-in",
    {
      role: "img",
      "aria-label": [media.alt || nouns[media.kind] || "Media", media.name, why].filter(Boolean).join(", "),
    },
    icon(media.kind === "file" ? "image" : media.kind === "pdf" ? "file" : media.kind),
    h("span.stand-in-name", media.name || "image"),
    h("span.stand-in-why", [media.host, why].filter(Boolean).join(" \u00b7 ")),
  );
  el.style.setProperty("--hue", String(hue(media.address)));
  return el;
}

/** A hue that depends on the address only. */
function hue(text) {
  let n = 7;
  for (let i = 0; i < text.length; i++) n = (n * 31 + text.charCodeAt(i)) % 360;
  return n;
}

const playIcon = () => h("span.play", icon("play"));

/**
 * Calls make with the media. The type of an upload is known to the simulator only, so a
 * placeholder is shown until its response arrives.
 */
function whenKnown(media, make) {
  if (media.kind !== "uploaded") return make(media);
  const first = make({ ...media, kind: "file", unknown: true });
  if (!source(media.address)) return first;
  fetch(source(media.address), { method: "HEAD" })
    .then((r) => {
      const type = r.ok ? (r.headers.get("Content-Type") ?? "") : "image/";
      first.replaceWith(make({ ...media, kind: kindOfType(type), gif: type === "image/gif" }));
    })
    .catch(() => {}); // the placeholder stays
  return first;
}

const kindOfType = (type) =>
  type === "application/pdf"
    ? "pdf"
    : (/^(image|video|audio)\//.exec(type)?.[1] ?? (type.endsWith("ogg") ? "audio" : "file"));

/** The media of a card. */
export function cardMedia(media) {
  return whenKnown(readMedia(media), (m) => mediaBox(m, str(media.height) || "SHORT"));
}

function mediaBox(m, height) {
  return h("div.media", { data: { kind: m.kind, height } }, picture(m, true), m.kind === "video" && playIcon());
}

/** A message that is a file. */
export function fileBubble(content) {
  return whenKnown(readMedia(content), fileBox);
}

function fileBox(m) {
  if (m.kind === "audio") return soundBubble(m);
  if (m.kind === "pdf" || (m.kind === "file" && !m.thumbnail && !m.unknown)) return documentBubble(m);
  return h("div.bubble.file", { data: { kind: m.kind } }, picture(m, false), m.kind === "video" && playIcon());
}

function documentBubble(m) {
  return h(
    "div.bubble.document",
    m.thumbnail ? h("div.document-page", picture(m, false)) : null,
    h(
      "div.document-row",
      h("span.document-icon", m.kind === "pdf" ? "PDF" : icon("file")),
      h(
        "div.document-text",
        h("span.document-name", outLink(m.address, m.name || "file")),
        h("span.document-host", m.host),
      ),
    ),
  );
}

function soundBubble(m) {
  // The waveform is decorative and depends on the address only.
  const bars = Array.from({ length: 28 }, (_, i) => {
    const bar = h("i");
    bar.style.setProperty("--peak", String(0.2 + ((hue(m.address) * (i + 3) * 37) % 80) / 100));
    return bar;
  });
  return h(
    "div.bubble.sound",
    h("span.sound-play", icon("play")),
    h(
      "div.sound-text",
      h("span.sound-wave", { "aria-hidden": "true" }, bars),
      h("span.sound-name", outLink(m.address, m.name || "audio")),
    ),
  );
}
