// Suggestions: the chips below the latest message, and the buttons of cards.

import { copy, h, obj, str } from "./dom.js";
import { icon } from "./icons.js";
import { phoneNumber } from "./format.js";
import { hostOf } from "./url.js";

/** Parses a suggestion: its kind, label, hint and action. */
export function read(suggestion) {
  const s = obj(suggestion);
  if (s.reply) return { kind: "reply", label: str(obj(s.reply).text), hint: "", about: {} };
  const action = obj(s.action);
  const label = str(action.text);
  if (action.openUrlAction) {
    const about = obj(action.openUrlAction);
    return { kind: about.application === "WEBVIEW" ? "webview" : "open", label, hint: hostOf(about.url), about };
  }
  if (action.dialAction) {
    const about = obj(action.dialAction);
    return { kind: "dial", label, hint: phoneNumber(str(about.phoneNumber)), about };
  }
  if (action.viewLocationAction) {
    const about = obj(action.viewLocationAction);
    return { kind: "place", label, hint: str(about.label) || str(about.query), about };
  }
  if (action.createCalendarEventAction) {
    const about = obj(action.createCalendarEventAction);
    return { kind: "calendar", label, hint: str(about.title), about };
  }
  if (action.shareLocationAction) return { kind: "share", label, hint: "", about: {} };
  if (action.composeAction) return { kind: "compose", label, hint: "", about: obj(action.composeAction) };
  return { kind: "file", label: label || "Unknown suggestion", hint: "", about: action };
}

const names = {
  reply: "Reply",
  open: "Open",
  webview: "Open in the app",
  dial: "Dial",
  place: "Show on map",
  calendar: "Add to calendar",
  share: "Share location",
  compose: "Compose",
};

function button(className, suggestion, tap) {
  const s = read(suggestion);
  return h(
    "button",
    {
      class: className,
      title: [names[s.kind], s.hint].filter(Boolean).join(": "),
      data: { kind: s.kind },
      onclick: () => tap(s),
    },
    icon(s.kind),
    h("span.label", { dir: "auto" }, s.label),
    // Google Messages shows the host that an action opens.
    className === "card-button" && s.hint && (s.kind === "open" || s.kind === "webview")
      ? h("span.hint", { "aria-hidden": "true" }, s.hint)
      : null,
  );
}

/** The chips of a message. A tap calls tap with the pointer and the suggestion. */
export function chips(suggestions, tap) {
  return suggestions.map((s, i) => button("chip", s, (about) => tap(`/contentMessage/suggestions/${i}`, about)));
}

/** The chip of the phone that copies a one-time code. */
export function codeChip(code) {
  const label = h("span.label", `Copy ${code}`);
  return h("button.chip", { data: { kind: "copy" }, onclick: () => copy(label, code) }, icon("copy"), label);
}

/** The buttons of the card at a pointer. */
export function cardButtons(suggestions, pointer, tap) {
  return suggestions.map((s, i) => button("card-button", s, (about) => tap(`${pointer}/suggestions/${i}`, about)));
}
