// The inspector: all that is known of one item.

import { copy, fill, h, obj, str } from "./dom.js";
import { count, dateAndTime, exactTime, phoneNumber, plural } from "./format.js";
import { jsonView } from "./json.js";
import { closeLimits, limitWords } from "./limits.js";
import { setup } from "./setup.js";
import { kindOf } from "./store.js";

const pair = (name, value, props) => (value ? [h("dt", null, name), h("dd", props, value)] : []);

const section = (title, ...content) => h("section", { class: "part" }, h("h3", { class: "caption" }, title), content);

function jsonSection(title, value) {
  const button = h("button", { type: "button", class: "button small quiet", onclick: () => copy(button, JSON.stringify(value, null, 2)) }, "Copy");
  return h("section", { class: "part" }, h("div", { class: "part-head" }, h("h3", { class: "caption" }, title), button), jsonView(value, title));
}

function identifier(value) {
  const button = h("button", { type: "button", class: "copy-id", onclick: () => copy(button, value) }, "Copy");
  return [h("span", { class: "mono" }, value), button];
}

const badges = {
  queued: ["Queued", "wait"],
  delivered: ["Delivered", "good"],
  read: ["Read", "good"],
  revoked: ["Revoked", "bad"],
  expired: ["Expired", "bad"],
};

/** Shows an item, or what to do if there is none. */
export function inspect(root, item, conversation, store, actions) {
  if (!item) {
    fill(root, h("p", { class: "pane-empty" }, "Choose a message on the phone to see what was sent, what it costs and what became of it."));
    return;
  }
  const make = { agent: ofAgent, user: ofUser, notice: ofNotice }[item.kind];
  fill(root, make(item, conversation, store, actions));
}

function head(title, badge, tone) {
  return h("div", { class: "inspect-head" }, h("h2", null, title), badge ? h("span", { class: "pill", data: { tone } }, badge) : null);
}

function ofAgent(item, c, store, actions) {
  const { message, detail } = item;
  const [badge, tone] = badges[item.state] ?? [item.state, "wait"];
  const answer = obj(detail.response);
  const sent = obj(message.agent_message);
  return [
    head(kindOf(item.content), badge, tone),
    h(
      "dl",
      { class: "facts" },
      pair("Message ID", identifier(item.id)),
      pair("To", phoneNumber(c.phone)),
      pair("Agent", c.agent, { class: "mono" }),
      pair("Traffic", str(answer.messageTrafficType)),
      pair("Size", `${count(detail.bytes)} bytes of JSON`),
      pair("Billing", billing(detail.billing, c.phone)),
      pair("Carrier", str(answer.carrier)),
      pair("Expires", detail.expires ? dateAndTime(detail.expires) : ""),
    ),
    closeness(item.content, detail.bytes),
    item.state === "delivered" ? h("button", { type: "button", class: "button small", onclick: () => actions.read(c, item) }, "Mark as read") : null,
    requests(item.requests),
    timeline(item, store),
    jsonSection("AgentMessage as sent", sent),
    jsonSection("Answer of the platform", answer),
  ];
}

function billing(b, phone) {
  const names = { basic: "Basic", rich: "Rich", rich_media: "Rich media" };
  const name = (names[b?.class] ?? "") + (b?.segments ? `, ${plural(b.segments, "segment")}` : "");
  if (!name) return "";
  return phone.startsWith("+1") ? `${name} (US)` : `${name}, if it were a US number`;
}

function closeness(content, bytes) {
  const limits = closeLimits(content, bytes);
  if (limits.length === 0) return null;
  return section(
    "Close to a limit",
    h(
      "ul",
      { class: "limits" },
      limits.map((l) => {
        const meter = h("span", { class: "meter", "aria-hidden": "true" });
        meter.style.setProperty("--used", String(Math.min(1, l.used / l.limit)));
        return h("li", null, h("span", { dir: "auto" }, l.what), h("span", { class: "limit-used" }, limitWords(l)), meter);
      }),
    ),
  );
}

function requests(all) {
  if (all.length === 0) return null;
  return section(
    all.length === 1 ? "Request" : `${all.length} requests`,
    all.map((r) =>
      h(
        "div",
        { class: "request" },
        h("p", { class: "request-line mono" }, h("b", null, r.verb), " ", r.url),
        h("p", { class: "request-foot" }, h("span", { class: "pill", data: { tone: r.status === 200 ? "good" : "bad" } }, r.status ? String(r.status) : "no answer"), `request ${r.number}, ${exactTime(new Date(r.ended))}`, r.user_agent ? h("span", { class: "request-agent" }, r.user_agent) : null),
      ),
    ),
  );
}

function timeline(item, store) {
  return section(
    "What became of it",
    h(
      "ol",
      { class: "timeline" },
      item.timeline.map((t) =>
        h(
          "li",
          null,
          h("time", { class: "mono" }, exactTime(t.at)),
          t.payload ? h("details", null, h("summary", null, t.label), jsonView(t.payload, `Payload of ${t.label}`)) : h("span", null, t.label),
          t.payload ? pushes(store.pushes.get(t.event)) : null,
        ),
      ),
    ),
  );
}

function pushes(attempts) {
  if (!attempts) return h("span", { class: "pushed" }, setup.webhook ? "on its way to the webhook" : "no webhook");
  const last = attempts.at(-1);
  return h("span", { class: "pushed", data: { tone: last.status === 200 ? "good" : "bad" } }, pushWords(attempts));
}

/** What became of an event that is pushed to the webhook, in a few words. */
export function pushWords(attempts) {
  if (!attempts) return setup.webhook ? "pushing" : "";
  const last = attempts.at(-1);
  const tries = attempts.length > 1 ? `, ${attempts.length} tries` : "";
  return last.status ? `webhook ${last.status}${tries}` : `webhook does not answer${tries}`;
}

function ofUser(item, c, store) {
  const titles = { text: "User's text", reply: "Tapped reply", action: "Tapped action", location: "Shared location", file: "User's file" };
  return [
    head(titles[item.what], item.seen ? "Read by the agent" : "", "good"),
    h("dl", { class: "facts" }, pair("Message ID", identifier(item.id)), pair("From", phoneNumber(c.phone)), pair("To agent", c.agent, { class: "mono" }), pair("Time", exactTime(item.at))),
    webhook(item, store),
    jsonSection("UserMessage as the platform pushes it", item.payload),
  ];
}

function webhook(item, store) {
  const attempts = store.pushes.get(item.event) ?? [];
  if (attempts.length === 0) {
    return section("Webhook", h("p", { class: "hint-text" }, setup.webhook ? `On its way to ${setup.webhook}` : ["No webhook is connected, so nothing was pushed. Start with ", h("code", null, "-webhook URL"), " to receive this."]));
  }
  return section(
    "Webhook",
    h(
      "ol",
      { class: "timeline" },
      attempts.map((a) => h("li", null, h("time", { class: "mono" }, exactTime(a.at)), h("span", null, a.url), h("span", { class: "pushed", data: { tone: a.status === 200 ? "good" : "bad" } }, a.status ? String(a.status) : a.error || "no answer"))),
    ),
  );
}

function ofNotice(item, c, store) {
  if (item.what !== "refused") {
    return [head(item.what === "subscribe" ? "Subscribed" : "Unsubscribed"), webhook(item, store), jsonSection("UserEvent as the platform pushes it", item.payload)];
  }
  const status = item.requests.at(-1)?.status;
  return [
    head("Refused message", status ? String(status) : "no answer", "bad"),
    h("dl", { class: "facts" }, pair("Message ID", identifier(item.id)), pair("To", phoneNumber(c.phone)), pair("Agent", c.agent, { class: "mono" })),
    h("p", { class: "hint-text" }, "The platform did not take this message, so there is nothing on the phone. The answer of the function says why."),
    requests(item.requests),
  ];
}
