// The sheets that show the effect of a tapped action on a phone. They open nothing by
// themselves: the user must click the address of a message.

import { h, obj, str } from "./dom.js";
import { dateAndTime, phoneNumber } from "./format.js";
import { icon } from "./icons.js";
import { hostOf, link, webURL } from "./url.js";

const row = (name, value) => (value ? h("div.sheet-row", h("dt", name), h("dd", { dir: "auto" }, value)) : null);

/** The sheet for a parsed suggestion: {title, size, body(close)}. */
export function actionSheet(s) {
  return (sheets[s.kind] ?? sheets.file)(s.about, s);
}

const sheets = {
  open: (about) => browser("Browser", "", about),
  webview: (about) => browser("Web view", { HALF: "half", TALL: "tall" }[about.webviewViewMode] ?? "full", about),

  dial: (about) => ({
    title: "Dial",
    body: () =>
      h(
        "div.sheet-body.dialer",
        h("p.dialer-number", phoneNumber(str(about.phoneNumber))),
        h("p.sheet-note", "The phone opens its dialer with this number."),
      ),
  }),

  place: (about) => {
    const at = obj(about.latLong);
    const where = about.latLong ? `${Number(at.latitude ?? 0)}, ${Number(at.longitude ?? 0)}` : "";
    return {
      title: "Map",
      body: () =>
        h(
          "div.sheet-body",
          h("div.map-view.tall", { "aria-hidden": "true" }, icon("place")),
          h("dl", row("Place", str(about.label)), row("Search", str(about.query)), row("Coordinates", where)),
        ),
    };
  },

  calendar: (about) => ({
    title: "New event",
    body: () =>
      h(
        "dl.sheet-body",
        row("Title", str(about.title)),
        row("Starts", dateAndTime(str(about.startTime))),
        row("Ends", dateAndTime(str(about.endTime))),
        row("Notes", str(about.description)),
      ),
  }),

  compose: (about) => {
    const draft = obj(about.composeTextMessage);
    const recording = obj(about.composeRecordingMessage);
    return {
      title: "New message",
      body: () =>
        h(
          "dl.sheet-body",
          row("To", phoneNumber(str(draft.phoneNumber) || str(recording.phoneNumber))),
          row("Text", str(draft.text)),
          row("Recording", str(recording.type)),
        ),
    };
  },

  file: (_, s) => ({
    title: s.label,
    body: () => h("p.sheet-body.sheet-note", "This page does not support the action."),
  }),
};

function browser(title, size, about) {
  const address = str(about.url);
  const open = webURL(address) ? link(address, "Open in a new tab", { class: "button", data: { first: "" } }) : null;
  return {
    title,
    size,
    body: () =>
      h(
        "div.sheet-body",
        h("div.address", icon("open"), h("bdi", hostOf(address) || "invalid address")),
        h("p.sheet-address", address),
        h(
          "p.sheet-note",
          title === "Browser"
            ? "The phone opens its browser and leaves the conversation."
            : "The page opens here, over the conversation.",
        ),
        about.description ? h("p.sheet-note", { dir: "auto" }, str(about.description)) : null,
        open,
      ),
  };
}

const files = [
  ["harbor.jpg", "image/jpeg"],
  ["ticket.pdf", "application/pdf"],
  ["voice.m4a", "audio/mp4"],
];

/** The sheet that asks for a file and passes it to send. */
export function fileSheet(send) {
  const field = (label, value) =>
    h("input.field", { type: "text", required: true, value, autocomplete: "off", "aria-label": label });
  const name = field("File name", "");
  const type = field("Type", "");
  const uri = field("Address", "");
  const choose = ([file, mime]) => {
    name.value = file;
    type.value = mime;
    uri.value = `https://files.example/${file}`;
  };
  choose(files[0]);
  return {
    title: "Send a file",
    body: (close) =>
      h(
        "form.sheet-body",
        {
          onsubmit: (e) => {
            e.preventDefault();
            close();
            send({ name: name.value, mime_type: type.value, uri: uri.value, bytes: 204_331 });
          },
        },
        h(
          "div.places",
          files.map((f) => h("button.chip", { onclick: () => choose(f) }, icon("file"), f[0])),
        ),
        h("div.coordinates", name, type),
        uri,
        h("p.sheet-note", "The agent gets the address. The page does not load it."),
        h("button.button", { type: "submit", data: { first: "" } }, "Send this file"),
      ),
  };
}

/** The sheet that lists what a user can share. */
export function shareSheet(entries) {
  return {
    title: "Share",
    body: () =>
      h(
        "div.sheet-body.places",
        entries.map(([label, sign, act]) => h("button.chip", { onclick: act }, icon(sign), label)),
      ),
  };
}

/** The sheet that describes the differences of an iPhone. */
export function deviceSheet() {
  const items = (title, ...texts) => [
    h("h3.caption", title),
    h(
      "ul.differences",
      texts.map((text) => h("li", text)),
    ),
  ];
  return {
    title: "As on an iPhone",
    body: () =>
      h(
        "div.sheet-body.sheet-note",
        items(
          "This page shows",
          "Unsubscribe sends only a text, without the event.",
          "Suggestions stay after a tap.",
          "An address is a link only at the end of a text, and never in a card.",
          "GIFs do not move.",
          "Vertical cards have media of one height.",
          "The name of the agent has no slash and no colon.",
        ),
        items(
          "This page does not show",
          "Suggestions can have another order.",
          "Horizontal cards can rotate a video.",
          "The agent has no banner and no link to its privacy policy, and one contact of each kind.",
        ),
      ),
  };
}

const places = [
  ["Pier 2", 47.6026, -122.3393],
  ["Amphitheatre Parkway", 37.422, -122.0841],
  ["Null Island", 0, 0],
];

/** The sheet that asks for a location and passes it to send. */
export function locationSheet(send) {
  const number = (label, value, limit) =>
    h("input.field", {
      type: "number",
      step: "any",
      min: String(-limit),
      max: String(limit),
      required: true,
      value: String(value),
      "aria-label": label,
    });
  const latitude = number("Latitude", places[0][1], 90);
  const longitude = number("Longitude", places[0][2], 180);
  return {
    title: "Share a location",
    body: (close) =>
      h(
        "form.sheet-body",
        {
          onsubmit: (e) => {
            e.preventDefault();
            close();
            send({ latitude: latitude.valueAsNumber, longitude: longitude.valueAsNumber });
          },
        },
        h("div.map-view.tall", { "aria-hidden": "true" }, icon("place")),
        h(
          "div.places",
          places.map(([name, lat, long]) =>
            h(
              "button.chip",
              { onclick: () => ((latitude.value = lat), (longitude.value = long)) },
              icon("place"),
              name,
            ),
          ),
        ),
        h("div.coordinates", latitude, longitude),
        h("button.button", { type: "submit", data: { first: "" } }, "Send this location"),
      ),
  };
}
