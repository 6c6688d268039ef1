// The events that left the function, latest first, with the responses of their targets.

import { fill, h, setText, str } from "./dom.js";
import { exactTime, phoneNumber, plural } from "./format.js";
import { jsonView } from "./json.js";

const tones = { ok: "good", retry: "wait" };

export class Events {
  constructor(root) {
    this.views = new Map();
    this.list = h("ol.events");
    this.empty = h(
      "p.pane-empty",
      "No event has left the function yet. Send a message, or reply on the phone: each event appears here with the response of each target.",
    );
    fill(root, this.empty, this.list);
  }

  /** Shows the groups of a store, by key and in the order of arrival. */
  render(groups) {
    for (const [key, v] of this.views) {
      if (groups.get(key) === v.group) continue;
      v.el.remove();
      this.views.delete(key);
    }
    for (const [key, group] of groups) {
      let v = this.views.get(key);
      if (!v) {
        v = view(group);
        this.views.set(key, v);
        this.list.prepend(v.el);
      }
      if (v.changes !== group.changes) {
        v.changes = group.changes;
        v.update();
      }
    }
    this.empty.hidden = groups.size > 0;
  }
}

/** Creates the view of a group: {group, el, update}. Its parts stay open. */
function view(group) {
  const type = h("b.event-type.mono");
  const about = h("span.event-about", { dir: "auto" });
  const phone = h("span.event-phone");
  const targets = h("ul.targets");
  const parts = h("div.event-parts");
  const el = h(
    "li.event",
    { data: { key: group.key } },
    h("div.event-head", type, about, h("time.mono", exactTime(group.at))),
    phone,
    targets,
    parts,
  );
  let shown = 0; // parts that exist
  return {
    group,
    el,
    update() {
      const { event } = group;
      setText(type, event ? str(event.type) : "request");
      setText(about, event ? str(event.text) || str(event.file_name) || str(event.reason) : "");
      setText(phone, event?.phone ? `${phoneNumber(str(event.phone))}, agent ${str(event.agent) || "unknown"}` : "");
      if (event) el.dataset.type = str(event.type);
      fill(targets, targetList(group));
      if (event && !el.querySelector("[data-part=event]")) parts.prepend(part("event", "Event", event));
      for (const r of group.requests.slice(shown)) parts.append(part("request", `POST ${r.url}`, readable(r.body)));
      shown = group.requests.length;
    },
  };
}

/** The targets of a group, each with its last response. */
export function targetList(group) {
  return [...group.targets].map(([name, attempts]) => {
    const last = attempts.at(-1);
    if (!last.outcome && group.targets.size > 1) return null; // the fallback gets it
    if (!last.outcome) return h("li.target.target-status", "No target gets this event.");
    const status = [last.status || "", attempts.length > 1 ? plural(attempts.length, "attempt") : ""].filter(Boolean);
    return h(
      "li.target",
      { data: { target: name, outcome: str(last.outcome) } },
      h("span.target-name", name),
      h("span.pill", { data: { tone: tones[last.outcome] ?? "bad" } }, str(last.outcome)),
      h("span.target-status", status.join(", ")),
      last.error && h("span.target-error", str(last.error).replace(`target ${name}: `, "")),
    );
  });
}

/** A collapsed JSON, which is created when it is opened. */
function part(kind, title, value) {
  return h(
    "details.event-part",
    { data: { part: kind }, ontoggle: (e) => e.target.children[1] ?? e.target.append(jsonView(value, title)) },
    h("summary", title),
  );
}

/** A body as a value if it is JSON. */
function readable(body) {
  try {
    return JSON.parse(body);
  } catch {
    return body;
  }
}
