// What the playground adds to the phone page: the state of the engine, links to payloads, and
// copies for other tools. It runs before app.js.

import { byID, copy, fill, h, setText } from "../js/dom.js";
import { icon } from "../js/icons.js";
import { formats, places } from "./copyas.js";
import { scriptURL } from "./engine.js";
import { docLink, linkTo, payloadOf } from "./link.js";
import { followPreset } from "./maps.js";
import { addNotes } from "./notes.js";

const megabytes = (bytes) => (bytes / 1_000_000).toFixed(1);
const verdict = () => document.querySelector(".verdict");
const editor = () => document.querySelector(".editor-text");

const say = (element, tone, text) => {
  element.dataset.tone = tone;
  setText(element, text);
};

let progress = "Loading the engine";

/** Shows a text over the page, with more elements, until it is closed. */
function notice(text, ...more) {
  const close = h("button.round", { "aria-label": "Close", onclick: () => box.remove() }, icon("close"));
  const box = h("div.reload", { role: "alert", data: { tone: "bad" } }, h("p.reload-title", text), more, close);
  byID("notice")?.remove();
  box.id = "notice";
  document.body.append(box);
}

/** Puts a text into the editor and previews it, as if the user had pasted it. */
function edit(text) {
  editor().value = text;
  editor().dispatchEvent(new InputEvent("input"));
}

/** Follows the link of the address. */
function followLink() {
  try {
    const text = payloadOf(location.hash);
    if (text) edit(text);
    if (text && byID("compose").hidden) byID("tab-compose").click();
    return text !== "";
  } catch (e) {
    notice(`${e.message} Ask for the link again, or pick an example.`);
    return false;
  }
}

/** The buttons below the editor, in place of the one that copies a curl command. */
function copyButtons() {
  const link = h("button.button", { id: "copy-link", onclick: () => copyLink(link) }, "Copy link");
  const entries = Object.entries(formats).map(([name, make]) => {
    const entry = h("button.menu-entry", { data: { format: name }, onclick: () => copyAs(entry, make) }, name);
    return entry;
  });
  const place = h("p.copy-place", { role: "status" });
  const menu = h("details.copy-as", h("summary.button", "Copy as"), h("div.menu", place, entries));
  menu.addEventListener("toggle", () => fill(place));
  menu.addEventListener("keydown", (e) => {
    if (e.key !== "Escape" || !menu.open) return;
    menu.open = false;
    menu.firstChild.focus();
  });
  document.addEventListener("click", (e) => menu.contains(e.target) || (menu.open = false));
  byID("curl").replaceWith(link, menu);
}

async function copyAs(entry, make) {
  const place = document.querySelector(".copy-place");
  const [text, address, label] = places[entry.dataset.format];
  const copied = h("b", " ");
  fill(place, copied);
  try {
    await copy(copied, make(JSON.parse(editor().value)));
  } catch {
    say(verdict(), "bad", "Only JSON can be copied. Fix the payload first.");
    return;
  }
  if (copied.textContent === "Copied") place.append(`${text} `, docLink(address, label));
}

function copyLink(button) {
  const address = linkTo(editor().value);
  try {
    payloadOf(new URL(address).hash);
    copy(button, address);
  } catch {
    say(verdict(), "bad", "A link needs a JSON object, encoded in at most 100,000 characters. Change the payload first.");
  }
}

/** The link at the front of the page to the editor, which is far behind. */
function skipToEditor() {
  const link = h("a.skip", "Skip to the editor");
  link.href = "#compose";
  link.addEventListener("click", (e) => {
    e.preventDefault();
    byID("tab-compose").click();
    editor().focus();
  });
  document.querySelector(".skip").after(link);
}

let started = false;

const states = {
  loading({ bytes, of }) {
    progress = bytes < of ? `Loading the engine: ${megabytes(bytes)} of ${megabytes(of)} MB` : "Starting the engine";
    setText(byID("live-text"), progress);
  },
  started() {
    setText(byID("live-text"), progress);
    if (started) return;
    started = true;
    addEventListener("hashchange", followLink);
    copyButtons();
    skipToEditor();
    addNotes();
    followPreset();
    const draft = sessionStorage.getItem("rcshook.draft");
    if (followLink()) return;
    if (draft) edit(draft);
    else document.querySelector(".example").click();
  },
  waiting({ path }) {
    if (path === "/_play/map") say(byID("maps-verdict"), "", "Loading the engine");
    if (path.startsWith("/_dev/")) say(verdict(), "", "Loading the engine");
  },
  ready() {
    setText(byID("live-text"), "Ready");
    keep();
  },
  failed({ text }) {
    setText(byID("live-text"), "No engine");
    const again = h("button.button.small", { onclick: () => location.reload() }, "Load the page again");
    notice(`The engine was not loaded: ${text}. The examples work without it.`, again);
  },
  ended({ text }) {
    progress = "Loading the engine";
    notice(text);
  },
};

document.addEventListener("engine", ({ detail }) => states[detail.state](detail));

const { serviceWorker } = navigator; // undefined if the site is not served with HTTPS

if (serviceWorker?.controller) {
  serviceWorker.addEventListener("controllerchange", () => {
    const again = h("button.button.small", { onclick: () => location.reload() }, "Load the new version");
    notice("There is a new version of this page.", again);
  });
}

/** Keeps the site for use without a network. */
async function keep() {
  if (!serviceWorker) return;
  await serviceWorker.register(scriptURL("sw.js")).catch(() => {});
  await serviceWorker.ready;
  setText(byID("live-text"), "Ready, also offline");
}
