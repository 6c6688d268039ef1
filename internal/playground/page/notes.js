// What the playground adds to responses of the function and to events: links to the documents of
// this site, and notes about what differs from a deployment. The responses stay as they are.

import { asDryRun, planOf } from "../js/compose.js";
import { byID, fill, h, list, obj } from "../js/dom.js";
import { plural } from "../js/format.js";
import { ask, optedOut } from "../js/stream.js";
import { docLink } from "./link.js";

const repositoryDocument = /^"(https:\/\/github\.com\/rcshook\/rcshook\/blob\/main\/docs\/([\w-]+)\.md(#[\w-]+)?)"$/;

/** Links the documents that the response names. */
function linkDocuments() {
  for (const el of byID("response").querySelectorAll(".json-string")) {
    const [, text, name, anchor = ""] = repositoryDocument.exec(el.textContent) ?? [];
    if (name) fill(el, '"', docLink(`${name}.html${anchor}`, text), '"');
  }
}

/** When a queue sends a message. */
function timeOf(value) {
  const time = new Date(value);
  if (Number.isNaN(time.getTime())) return "at that time";
  if (time < new Date()) return "at once, because that time is past";
  return `on ${time.toLocaleString([], { dateStyle: "medium", timeStyle: "long" })}`;
}

/** Removes the field at a JSON pointer, and returns its value. */
function take(payload, pointer) {
  const names = pointer.split("/").slice(1);
  const field = names.pop();
  const parent = names.reduce((at, name) => at[name], payload);
  const value = parent[field];
  delete parent[field];
  return value;
}

/** Calls show as soon as the pane Compose is on the page, however it is opened. */
function inCompose(show) {
  const pane = byID("compose");
  if (!pane.hidden) {
    show();
    return;
  }
  new MutationObserver((_, observer) => {
    if (pane.hidden) return;
    observer.disconnect();
    show();
  }).observe(pane, { attributeFilter: ["hidden"] });
}

/** Previews the editor's payload without the fields that only a function with a queue takes, with a note. */
async function previewWithout(errors) {
  const editor = document.querySelector(".editor-text");
  const text = editor.value;
  const payload = JSON.parse(text.replace(/^\ufeff/, ""));
  const scheduled = errors.find((e) => e.detail.includes("scheduling needs a queue"));
  const values = new Map(errors.map((e) => [e, take(payload, e.pointer)]));
  const value = values.get(scheduled ?? errors[0]);
  const reply = await ask("/_dev/send", asDryRun(JSON.stringify(payload)));
  const detail = planOf(JSON.parse(reply.body));
  if (!detail) return;
  inCompose(() => {
    const shown = byID("response").querySelector("pre");
    if (editor.value !== text || !shown) return;
    document.dispatchEvent(new CustomEvent("preview", { detail }));
    byID("response").querySelector(".response-action")?.remove();
    const verdict = document.querySelector("#compose .verdict");
    verdict.dataset.tone = "";
    const names = new Set(errors.map((e) => e.pointer.split("/").at(-1)));
    fill(verdict, `Only a preview, without ${[...names].join(" and ")}`);
    const limit = typeof value === "number" ? plural(value, "second") : value;
    addNote(
      shown,
      scheduled
        ? [`The playground has no queue. With one, the function sends this message ${timeOf(value)}. `, docLink("queue.html", "The queue")]
        : [
            `The playground has no fallback. With one, an SMS replaces this message if it is not delivered within ${limit}. `,
            docLink("fallback.html", "The fallback"),
          ],
    );
  });
}

function addNote(shown, note) {
  byID("response-note")?.remove();
  shown.before(h("p.response-action", { id: "response-note" }, note));
}

/** Adds the note on a response. */
function noteOn(shown, response) {
  const errors = list(response.errors).filter((e) => /needs a queue|has a fallback/.test(e.detail));
  if (errors.length > 0 && errors.length === response.errors.length) {
    previewWithout(errors).catch(() => {}); // the response shows the errors
  } else if ([response, ...list(response.results)].some((r) => r.dry_run && optedOut.has(r.to))) {
    addNote(shown, [
      "A dry run does not look up opt-outs. This number has opted out, so the message may be refused. ",
      docLink("opt-out.html", "Opt-outs"),
    ]);
  }
}

/** Explains the target, above the events. */
function explainTarget() {
  const note = h(
    "p.response-action",
    { id: "events-note" },
    "your-crm is a target that this page made up: it receives the events as your system would. Nothing leaves the page. ",
    docLink("events.html#targets", "Targets"),
  );
  new MutationObserver((_, observer) => {
    if (!document.querySelector("#events .event")) return;
    byID("events").prepend(note);
    observer.disconnect();
  }).observe(byID("events"), { childList: true, subtree: true });
}

/** Follows the responses and events that the page shows. */
export function addNotes() {
  explainTarget();
  const response = byID("response");
  let last;
  new MutationObserver(() => {
    const shown = response.querySelector("pre");
    if (!shown || shown === last) return; // a note
    last = shown;
    linkDocuments();
    try {
      noteOn(shown, obj(JSON.parse(shown.textContent)));
    } catch (e) {
      if (!(e instanceof SyntaxError)) throw e; // the response is not JSON
    }
  }).observe(response, { childList: true });
}
