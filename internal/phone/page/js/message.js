// The view of one item of a conversation. Its body is created once. Later changes, such
// as ticks, are made in place to keep focus and scroll positions.

import { richCard } from "./card.js";
import { device } from "./device.js";
import { h, obj, setText, str } from "./dom.js";
import { dateAndTime, plural, timeOfDay } from "./format.js";
import { icon } from "./icons.js";
import { fileBubble } from "./media.js";
import { linkify } from "./url.js";

/** Renders the content of an agent message. */
export function body(content, tap) {
  if (content.text !== undefined) return h("div.bubble", { dir: "auto" }, linkify(str(content.text), device.iphone));
  if (content.richCard) return richCard(obj(content.richCard), tap);
  return fileBubble(content);
}

const states = {
  queued: ["Waiting on the platform", "clock"],
  delivered: [""], // a recipient sees no receipts
  read: [""],
  revoked: ["Revoked before delivery", "revoke"],
  expired: ["Expired before delivery", "revoke"],
};

/** Creates the view of an item: {el, update}. */
export function view(item, actions) {
  if (item.kind === "agent") return agentView(item, actions);
  if (item.kind === "sms") return smsView(item, actions);
  if (item.kind === "user") return item.what === "action" ? tapView(item, actions) : userView(item, actions);
  return noticeView(item, actions);
}

function agentView(item, actions) {
  const { el, meta, frame } = row("agent", item, actions);
  frame.append(body(item.content, (pointer, about) => actions.tap(item, pointer, about)));
  return {
    el,
    update() {
      const [label, sign] = states[item.state] ?? [item.state, "clock"];
      el.dataset.state = item.state;
      const expires = item.detail?.expires;
      const until = item.state === "queued" && expires ? `${label}, expires ${dateAndTime(expires)}` : label;
      meta(timeOfDay(item.at), sign ? icon(sign) : "", until);
    },
  };
}

function smsView(item, actions) {
  const { el, meta, frame } = row("sms", item, actions);
  frame.append(
    h("div.bubble", h("span.sms-label", "SMS"), h("div", { dir: "auto" }, linkify(item.text, device.iphone))),
  );
  return {
    el,
    update() {
      const sent = item.state === "ok" ? "Sent" : "May be sent";
      meta(timeOfDay(item.at), icon(item.state === "ok" ? "check" : "clock"), `${sent} in ${smsSize(item.sms)}`);
    },
  };
}

/** The size of an SMS: 2 segments of UCS-2. */
export const smsSize = (sms) => `${plural(sms.segments, "segment")} of ${sms.encoding}`;

function userView(item, actions) {
  const { el, meta, frame } = row("user", item, actions);
  const location = obj(item.payload.location);
  if (item.what === "location") {
    frame.append(mapBubble(location));
  } else if (item.what === "file") {
    const file = obj(obj(item.payload.userFile).payload);
    frame.append(h("div.bubble", { dir: "auto" }, str(file.fileName) || str(file.mimeType) || "File"));
  } else {
    frame.append(h("div.bubble", { dir: "auto" }, linkify(item.text)));
  }
  return {
    el,
    update() {
      meta(
        timeOfDay(item.at),
        icon(item.seen ? "checks" : "check"),
        [item.seen ? "Read by the agent" : "Sent", actions.pushed(item)].filter(Boolean).join(" \u00b7 "),
      );
      el.dataset.state = item.seen ? "read" : "sent";
    },
  };
}

/** A tapped action has no bubble on a phone, so it gets a line. */
function tapView(item, actions) {
  const pushed = h("span.tap-pushed");
  const el = h(
    "li.row.row-tap",
    { data: { key: item.key } },
    h("button.tap", { onclick: () => actions.inspect(item) }, "Tapped ", h("q", { dir: "auto" }, item.text), pushed),
  );
  return {
    el,
    update() {
      const status = actions.pushed(item);
      setText(pushed, status && ` \u00b7 ${status}`);
    },
  };
}

function noticeView(item, actions) {
  const text = h("span");
  const el = h(
    "li.row.row-notice",
    { data: { key: item.key, what: item.what } },
    h(
      "button.notice",
      { onclick: () => actions.inspect(item) },
      icon(item.what === "rejected" ? "warning" : "check"),
      text,
    ),
  );
  return {
    el,
    update() {
      setText(text, noticeText(item));
    },
  };
}

export function noticeText(item) {
  if (item.what === "unsubscribe") return "Unsubscribed";
  if (item.what === "subscribe") return item.again ? "Subscribed again" : "Subscribed";
  const status = item.requests.at(-1)?.status;
  const tries = item.requests.length > 1 ? `, ${item.requests.length} tries` : "";
  return status ? `Rejected with ${status}${tries}: not delivered` : `No response from the platform${tries}`;
}

function mapBubble(location) {
  const where = `${location.latitude}, ${location.longitude}`;
  return h("div.bubble.map", h("div.map-view", { "aria-hidden": "true" }, icon("place")), h("span.map-where", where));
}

/** The frame around a bubble, and the line below it that opens the inspector. */
function row(side, item, actions) {
  const frame = h("div.frame");
  const time = h("span");
  const sign = h("span.sign");
  const words = h("span.meta-words");
  const meta = h("button.meta", { title: "Inspect", onclick: () => actions.inspect(item) }, time, sign, words);
  const el = h("li", { class: `row row-${side}`, data: { key: item.key } }, frame, meta);
  frame.addEventListener("click", (e) => {
    // Selecting text must not open the inspector.
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
