// The list of conversations, and the test numbers that fail on purpose.

import { byID, fill, h, setText } from "./dom.js";
import { phoneNumber, shorten, timeOfDay } from "./format.js";
import { icon } from "./icons.js";
import { noticeText } from "./message.js";
import { agentLook } from "./setup.js";
import { describe, queued, unread } from "./store.js";

export class Conversations {
  constructor(choose) {
    this.root = byID("chat-list");
    this.choose = choose;
    this.entries = new Map();
  }

  render(store, selected) {
    const sorted = store.sorted();
    const agents = new Set(sorted.map((c) => c.agent));
    byID("chats-empty").hidden = sorted.length > 0;
    for (const [key, e] of this.entries) {
      if (store.conversations.has(key)) continue;
      e.el.remove();
      this.entries.delete(key);
    }
    sorted.forEach((c, i) => {
      let e = this.entries.get(c.key);
      if (!e) {
        e = this.entry(c.key);
        this.entries.set(c.key, e);
      }
      this.update(e, c, store, c.key === selected, agents.size > 1);
      // Moving an element removes its focus, so it stays if its position is right.
      if (this.root.children[i] === e.el) return;
      this.root.insertBefore(e.el, this.root.children[i] ?? null);
      if (c.key === selected) this.show(e);
    });
  }

  /** Scrolls an entry into view. The list is a row on narrow screens. */
  show(e) {
    e.button.scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  entry(key) {
    const e = {
      number: h("span.chat-number"),
      time: h("span.chat-time"),
      last: h("span.chat-last", { dir: "auto" }),
      badge: h("span.chat-badge"),
    };
    e.button = h(
      "button.chat",
      { data: { phone: key.split(" ")[0] }, onclick: () => this.choose(key) },
      e.number,
      e.time,
      e.last,
      e.badge,
    );
    e.el = h("li", e.button);
    return e;
  }

  update(e, c, store, selected, several) {
    const last = c.items.at(-1);
    const news = unread(c);
    const waiting = queued(c);
    setText(e.number, phoneNumber(c.phone));
    setText(e.time, last ? timeOfDay(last.at) : "");
    setText(e.last, (several ? `${agentLook(c.agent).name}: ` : "") + (last ? shorten(summary(last), 80) : ""));
    const badge = `${news} ${waiting} ${store.isOnline(c.phone)}`;
    if (e.badge.dataset.stamp !== badge) {
      e.badge.dataset.stamp = badge;
      fill(
        e.badge,
        store.isOnline(c.phone)
          ? null
          : h("span.badge.quiet", { title: "offline" }, icon("airplane"), h("span.unseen", "offline")),
        waiting > 0 && h("span.badge.quiet", { title: `${waiting} waiting` }, String(waiting)),
        news > 0 && h("span.badge", String(news), h("span.unseen", " unread")),
      );
    }
    if (selected === e.button.hasAttribute("aria-current")) return;
    e.button.ariaCurrent = selected || null;
    if (selected) this.show(e);
  }
}

function summary(item) {
  if (item.kind === "agent") return describe(item.content);
  if (item.kind === "sms") return `SMS: ${item.text}`;
  if (item.kind === "notice") return noticeText(item);
  return (
    { location: "You shared a location", file: "You sent a file", action: `You tapped ${item.text}` }[item.what] ??
    `You: ${item.text}`
  );
}

const rejections = {
  unreachable: "not reachable by RCS",
  not_launched: "agent not launched on its network",
  not_tester: "not a tester",
  traffic_limit: "over its message limit",
};

function behavior(b) {
  const failure = b.failure ?? {};
  if (b.offline) return "is offline";
  if (b.refusal) return rejections[b.refusal] ?? b.refusal;
  if (failure.status && failure.count) return `status ${failure.status}, ${failure.count} times`;
  if (failure.status) return `status ${failure.status}`;
  if (failure.delay) return "no response";
  if (b.features) return "device without cards and actions";
  return "special behavior";
}

/** Lists the numbers of /_sim/numbers. A click calls pick with a number. */
export function showNumbers(numbers, pick) {
  const entries = Object.entries(numbers).filter(([, b]) => Object.keys(b).length > 0);
  byID("odd").hidden = entries.length === 0;
  // A wide screen has room for the list, so it starts open.
  if (byID("odd-list").childElementCount === 0) byID("odd").open = matchMedia("(min-width: 1120px)").matches;
  fill(
    byID("odd-list"),
    entries
      .sort(([a], [b]) => a.localeCompare(b))
      .map(([phone, b]) =>
        h(
          "li",
          h(
            "button.odd-number",
            { onclick: () => pick(phone) },
            h("span", phoneNumber(phone)),
            h("span.odd-what", behavior(b)),
          ),
        ),
      ),
  );
}
