// The inspector: all details of one item.

import { copy, fill, h, obj, str } from "./dom.js";
import { count, dateAndTime, exactTime, phoneNumber, plural } from "./format.js";
import { targetList } from "./events.js";
import { jsonView } from "./json.js";
import { closeLimits, limitText } from "./limits.js";
import { smsSize } from "./message.js";
import { setup } from "./setup.js";
import { kindOf } from "./store.js";

const pair = (name, value, props) => (value ? [h("dt", name), h("dd", props, value)] : []);

const section = (title, ...content) => h("section.part", h("h3.caption", title), content);

function jsonSection(title, value) {
  const button = h(
    "button.button.small.quiet",
    { onclick: () => copy(button, JSON.stringify(value, null, 2)) },
    "Copy",
  );
  return h("section.part", h("div.part-head", h("h3.caption", title), button), jsonView(value, title));
}

function identifier(value) {
  const button = h("button.copy-id", { onclick: () => copy(button, value) }, "Copy");
  return [h("span.mono", value), button];
}

const badges = {
  queued: ["Queued", "wait"],
  delivered: ["Delivered", "good"],
  read: ["Read", "good"],
  revoked: ["Revoked", "bad"],
  expired: ["Expired", "bad"],
};

/** Shows an item, or a hint if there is none. */
export function inspect(root, item, conversation, store, actions) {
  if (!item) {
    fill(root, h("p.pane-empty", "Select a message on the phone to see its content, cost and history."));
    return;
  }
  const make = { agent: ofAgent, user: ofUser, notice: ofNotice, sms: ofSMS }[item.kind];
  fill(root, make(item, conversation, store, actions));
}

function head(title, badge, tone) {
  return h("div.inspect-head", h("h2", title), badge ? h("span.pill", { data: { tone } }, badge) : null);
}

function ofAgent(item, c, store, actions) {
  const { message, detail } = item;
  const [badge, tone] = badges[item.state] ?? [item.state, "wait"];
  const response = obj(detail.response);
  const sent = obj(message.agent_message);
  return [
    head(kindOf(item.content), badge, tone),
    h(
      "dl.facts",
      pair("Message ID", identifier(item.id)),
      pair("To", phoneNumber(c.phone)),
      pair("Agent", c.agent, { class: "mono" }),
      pair("Traffic", str(response.messageTrafficType)),
      pair("Size", `${count(detail.bytes)} bytes of JSON`),
      pair("Billing", billing(detail.billing, c.phone)),
      pair("Carrier", str(response.carrier)),
      pair("Expires", detail.expires ? dateAndTime(detail.expires) : ""),
    ),
    closeness(item.content, detail.bytes),
    item.state === "delivered"
      ? h("button.button.small", { onclick: () => actions.read(c, item) }, "Mark as read")
      : null,
    requests(item.requests),
    timeline(item, store),
    targets(item, store),
    jsonSection("AgentMessage as sent", sent),
    jsonSection("Response of the platform", response),
  ];
}

function billing(b, phone) {
  const names = { basic: "Basic", rich: "Rich", rich_media: "Rich media" };
  const name = (names[b?.class] ?? "") + (b?.segments ? `, ${plural(b.segments, "segment")}` : "");
  if (!name) return "";
  return phone.startsWith("+1") ? `${name} (US)` : `${name} at US rates`;
}

function closeness(content, bytes) {
  const limits = closeLimits(content, bytes);
  if (limits.length === 0) return null;
  return section(
    "Close to a limit",
    h(
      "ul.limits",
      limits.map((l) => {
        const meter = h("span.meter", { "aria-hidden": "true" });
        meter.style.setProperty("--used", String(Math.min(1, l.used / l.limit)));
        return h("li", h("span", { dir: "auto" }, l.what), h("span.limit-used", limitText(l)), meter);
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
        "div.request",
        h("p.request-line.mono", h("b", r.verb), " ", r.url),
        h(
          "p.request-foot",
          h(
            "span.pill",
            { data: { tone: r.status === 200 ? "good" : "bad" } },
            r.status ? String(r.status) : "no response",
          ),
          `request ${r.number}, ${exactTime(new Date(r.ended))}`,
          r.user_agent ? h("span.request-agent", r.user_agent) : null,
        ),
      ),
    ),
  );
}

function timeline(item, store) {
  return section(
    "History",
    h(
      "ol.timeline",
      item.timeline.map((t) =>
        h(
          "li",
          h("time.mono", exactTime(t.at)),
          t.payload
            ? h("details", h("summary", t.label), jsonView(t.payload, `Payload of ${t.label}`))
            : h("span", t.label),
          t.payload ? pushes(store.pushes.get(t.event)) : null,
        ),
      ),
    ),
  );
}

/** The responses of the function's targets to the events about an item. */
function targets(item, store) {
  const groups = store.eventsOf(item);
  if (groups.length === 0) return null;
  return section(
    "Targets",
    groups.map((g) =>
      h(
        "div.event",
        h("div.event-head", h("b.event-type.mono", str(g.event.type)), h("time.mono", exactTime(g.at))),
        h("ul.targets", targetList(g)),
      ),
    ),
  );
}

function pushes(attempts) {
  const data = attempts && { tone: attempts.at(-1)?.status === 200 ? "good" : "bad" };
  return h("span.pushed", { data }, pushText(attempts));
}

/** The delivery status of an event to the webhook. */
export function pushText(attempts) {
  if (!attempts) return "pushing";
  if (attempts.length === 0) return "the agent has no webhook";
  const last = attempts.at(-1);
  if (!last.url) return last.error;
  const tries = attempts.length > 1 ? `, ${attempts.length} tries` : "";
  return last.status ? `webhook ${last.status}${tries}` : `no response from the webhook${tries}`;
}

function ofUser(item, c, store) {
  const titles = {
    text: "User's text",
    reply: "Tapped reply",
    action: "Tapped action",
    location: "Shared location",
    file: "User's file",
  };
  return [
    head(titles[item.what], item.seen ? "Read by the agent" : "", "good"),
    h(
      "dl.facts",
      pair("Message ID", identifier(item.id)),
      pair("From", phoneNumber(c.phone)),
      pair("To agent", c.agent, { class: "mono" }),
      pair("Time", exactTime(item.at)),
    ),
    webhook(item, c, store),
    targets(item, store),
    jsonSection("UserMessage as pushed", item.payload),
  ];
}

function ofSMS(item, c, store) {
  return [
    head("SMS", item.state, item.state === "ok" ? "good" : "wait"),
    h(
      "dl.facts",
      pair("Message ID", identifier(item.id)),
      pair("To", phoneNumber(c.phone)),
      pair("Size", smsSize(item.sms)),
      pair("Reason", c.fallbacks.get(item.id).reason, { class: "mono" }),
    ),
    targets(item, store),
  ];
}

function webhook(item, c, store) {
  const attempts = store.pushes.get(item.event);
  if (!attempts) return section("Webhook", h("p.hint-text", "Pushing to the webhook."));
  if (attempts.length === 0) {
    const name = setup.agents[0]?.id === c.agent ? "" : " -agent NAME";
    return section(
      "Webhook",
      h("p.hint-text", "The agent had no webhook, so nothing got this event."),
      setup.connect && h("p.hint-text", "Connect one: ", h("code.mono", setup.connect + name)),
    );
  }
  return section(
    "Webhook",
    h(
      "ol.timeline",
      attempts.map((a) =>
        h(
          "li",
          h("time.mono", exactTime(a.at)),
          h("span", a.url),
          h(
            "span.pushed",
            { data: { tone: a.status === 200 ? "good" : "bad" } },
            a.status ? String(a.status) : a.error || "no response",
          ),
        ),
      ),
    ),
  );
}

function ofNotice(item, c, store) {
  if (item.what !== "rejected") {
    return [
      head(item.what === "subscribe" ? "Subscribed" : "Unsubscribed"),
      item.event ? webhook(item, c, store) : null,
      jsonSection(item.event ? "UserEvent as pushed" : "Event of the function", item.payload),
    ];
  }
  const status = item.requests.at(-1)?.status;
  return [
    head("Rejected message", status ? String(status) : "no response", "bad"),
    h(
      "dl.facts",
      pair("Message ID", identifier(item.id)),
      pair("To", phoneNumber(c.phone)),
      pair("Agent", c.agent, { class: "mono" }),
    ),
    h(
      "p.hint-text",
      "The platform rejected this message, so it is not on the phone. The response of the function has the reason.",
    ),
    requests(item.requests),
  ];
}
