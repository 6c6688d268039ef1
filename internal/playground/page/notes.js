// What the playground adds to responses of the function and to events: links to the documents of
// this site, and notes about what differs from a deployment. The responses stay as they are.

import { planOf } from "../js/compose.js";
import { byID, fill, h, list } from "../js/dom.js";
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

/** The note on errors that only a function without a queue returns, and the preview without their fields. */
function withoutQueue(errors) {
  const editor = document.querySelector(".editor-text");
  const text = editor.value;
  const payload = JSON.parse(text);
  const scheduled = errors.find((e) => e.detail.includes("scheduling needs a queue"));
  const value = payload[(scheduled ?? errors[0]).pointer.slice(1)] ?? "that time";
  for (const e of errors) delete payload[e.pointer.slice(1)];
  ask("/_dev/send", { ...payload, dry_run: true })
    .then((reply) => {
      const detail = planOf(JSON.parse(reply.body));
      if (detail && editor.value === text) document.dispatchEvent(new CustomEvent("preview", { detail }));
    })
    .catch(() => {}); // without a preview
  return scheduled
    ? [`The playground has no queue. With one, the function sends this message ${timeOf(value)}. `, docLink("queue.html", "The queue")]
    : [
        `The playground has no fallback. With one, an SMS replaces this message if it is not delivered within ${value}. `,
        docLink("fallback.html", "The fallback"),
      ];
}

/** Takes back the page's advice, because the payload is right. */
function notAnError(errors) {
  byID("response").querySelector(".response-action")?.remove();
  const verdict = document.querySelector("#compose .verdict");
  verdict.dataset.tone = "";
  fill(verdict, `Only a preview, without ${errors.map((e) => e.pointer.slice(1)).join(" and ")}`);
}

function noteOn(response) {
  const errors = list(response.errors).filter((e) => /needs a queue|has a fallback/.test(e.detail));
  if (errors.length > 0) {
    if (errors.length === response.errors.length) notAnError(errors);
    return withoutQueue(errors);
  }
  if ([response, ...list(response.results)].some((r) => r.dry_run && optedOut.has(r.to))) {
    return ["A dry run does not look up opt-outs. This number has opted out, so the message may be refused. ", docLink("opt-out.html", "Opt-outs")];
  }
  return undefined;
}

/** Says, above the events, what their target is. */
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
  const observer = new MutationObserver(() => {
    const shown = byID("response").querySelector("pre");
    try {
      const note = noteOn(JSON.parse(shown.textContent));
      if (note) shown.before(h("p.response-action", { id: "response-note" }, note));
    } catch {
      // The response is not JSON.
    }
    linkDocuments();
    observer.takeRecords(); // of the note
  });
  observer.observe(byID("response"), { childList: true });
}
