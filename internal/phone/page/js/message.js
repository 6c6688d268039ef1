// One item of a conversation. Its body is made once; what changes later, such as
// ticks, is changed in place, so that focus and scroll positions stay.

import { richCard } from "./card.js";
import { h, obj, setText, str } from "./dom.js";
import { dateAndTime, timeOfDay } from "./format.js";
import { icon } from "./icons.js";
import { fileBubble } from "./media.js";
import { linkify } from "./url.js";

/** Renders what an agent sent. */
export function body(content, tap) {
  if (content.text !== undefined) return h("div", { class: "bubble", dir: "auto" }, linkify(str(content.text)));
  if (content.richCard) return richCard(obj(content.richCard), tap);
  return fileBubble(content);
}

const states = {
  queued: ["Waiting at the platform", "clock"],
  delivered: ["Delivered", "checks"],
  read: ["Read", "checks"],
  revoked: ["Revoked before it was delivered", "revoke"],
  expired: ["Expired before it was delivered", "revoke"],
};

/** Makes the element of an item: {el, update}. */
export function view(item, actions) {
  if (item.kind === "agent") return agentView(item, actions);
  if (item.kind === "user") return item.what === "action" ? tapView(item, actions) : userView(item, actions);
  return noticeView(item, actions);
}

function agentView(item, actions) {
  const { el, meta, frame } = row("agent", item, actions);
  frame.append(body(item.content, (pointer, about) => actions.tap(item, pointer, about)));
  return {
    el,
    update() {
      const [words, sign] = states[item.state] ?? [item.state, "clock"];
      el.dataset.state = item.state;
      const expires = item.detail?.expires;
      const until = item.state === "queued" && expires ? `${words}, expires ${dateAndTime(expires)}` : words;
      meta(timeOfDay(item.at), icon(sign), until);
    },
  };
}

function userView(item, actions) {
  const { el, meta, frame } = row("user", item, actions);
  const location = obj(item.payload.location);
  if (item.what === "location") {
    frame.append(mapBubble(location));
  } else if (item.what === "file") {
    const file = obj(obj(item.payload.userFile).payload);
    frame.append(h("div", { class: "bubble", dir: "auto" }, str(file.fileName) || str(file.mimeType) || "File"));
  } else {
    frame.append(h("div", { class: "bubble", dir: "auto" }, linkify(item.text)));
  }
  return {
    el,
    update() {
      meta(timeOfDay(item.at), icon(item.seen ? "checks" : "check"), [item.seen ? "Read by the agent" : "Sent", actions.pushed(item)].filter(Boolean).join(" \u00b7 "));
      el.dataset.state = item.seen ? "read" : "sent";
    },
  };
}

/** A tapped action leaves no bubble on a phone, so it gets a line. */
function tapView(item, actions) {
  const pushed = h("span", { class: "tap-pushed" });
  const el = h("li", { class: "row row-tap", data: { key: item.key } }, h("button", { type: "button", class: "tap", onclick: () => actions.inspect(item) }, "Tapped ", h("q", { dir: "auto" }, item.text), pushed));
  return {
    el,
    update() {
      const words = actions.pushed(item);
      setText(pushed, words && ` \u00b7 ${words}`);
    },
  };
}

function noticeView(item, actions) {
  const words = h("span");
  const el = h("li", { class: "row row-notice", data: { key: item.key, what: item.what } }, h("button", { type: "button", class: "notice", onclick: () => actions.inspect(item) }, icon(item.what === "refused" ? "warning" : "check"), words));
  return {
    el,
    update() {
      setText(words, noticeWords(item));
    },
  };
}

export function noticeWords(item) {
  if (item.what !== "refused") return item.what === "subscribe" ? "Subscribed" : "Unsubscribed";
  const status = item.requests.at(-1)?.status;
  const tries = item.requests.length > 1 ? `, ${item.requests.length} tries` : "";
  return status ? `Refused with ${status}${tries}: nothing arrives` : `The platform did not answer${tries}`;
}

function mapBubble(location) {
  const where = `${location.latitude}, ${location.longitude}`;
  return h("div", { class: "bubble map" }, h("div", { class: "map-view", "aria-hidden": "true" }, icon("place")), h("span", { class: "map-where" }, where));
}

/** The frame around a bubble, and the line under it that opens the inspector. */
function row(side, item, actions) {
  const frame = h("div", { class: "frame" });
  const time = h("span");
  const sign = h("span", { class: "sign" });
  const words = h("span", { class: "meta-words" });
  const meta = h("button", { type: "button", class: "meta", title: "Inspect", onclick: () => actions.inspect(item) }, time, sign, words);
  const el = h("li", { class: `row row-${side}`, data: { key: item.key } }, frame, meta);
  frame.addEventListener("click", (e) => {
    // Selected text is wanted for copying.
    if (!e.target.closest("a, button") && getSelection().isCollapsed) actions.inspect(item);
  });
  return {
    el,
    frame,
    meta(at, picture, text) {
      setText(time, at);
      setText(words, text);
      sign.replaceChildren(picture);
    },
  };
}
