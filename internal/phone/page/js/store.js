// The state of all conversations, from the events of the simulator.
//
// An item is one of
//   agent    a message from the agent
//   user     a message or a tap from the user
//   notice   an event without a bubble: a rejected message, a change of subscription
//   sms      a message that its fallback accepted, or may have sent

import { device } from "./device.js";
import { list, obj, str } from "./dom.js";
import { newFallback } from "./fallback.js";
import { fileNameOf } from "./url.js";

// Assumption: how long a phone shows the typing indicator, in milliseconds.
const typingTime = 20_000;

// The number of events that are shown.
const maxEvents = 300;
const maxItems = 500; // in a conversation

export class Store {
  /** Calls changed with the key of a conversation, or null for all. */
  constructor(changed) {
    this.changed = changed;
    this.clear();
    this.offline = new Set();
  }

  clear() {
    this.conversations = new Map();
    this.pushes = new Map(); // attempts by the number of the event; none without a webhook
    this.owners = new Map(); // keys of conversations by event number
    this.events = new Map(); // groups of the notes about an event that left the function
    this.serial = 0;
  }

  isOnline(phone) {
    return !this.offline.has(phone);
  }

  /** Sets the numbers with special behavior, in the format of /_sim/numbers. */
  setNumbers(numbers) {
    this.offline = new Set(Object.keys(numbers).filter((phone) => numbers[phone].offline));
    this.changed(null);
  }

  apply(event) {
    if (event.no_webhook) this.pushes.set(event.id, []);
    switch (event.kind) {
      case "message":
        return this.message(event);
      case "request":
        return this.request(event);
      case "user_message":
        return this.userMessage(event);
      case "user_event":
        return this.userEvent(event);
      case "server_event":
        return this.aboutMessage(event, str(event.payload?.eventType));
      case "agent_event":
        return this.agentEvent(event);
      case "push":
        return this.push(event);
      case "note":
        return this.note(obj(event.payload), new Date(event.time));
      case "phone":
        this.offline[event.online ? "delete" : "add"](event.phone);
        return this.changed(null);
      case "reset":
        this.clear();
        return this.changed(null);
    }
  }

  conversation(event) {
    const key = `${event.phone} ${event.agent_id ?? ""}`;
    let c = this.conversations.get(key);
    if (!c) {
      c = emptyConversation(event.phone, event.agent_id);
      this.conversations.set(key, c);
    }
    this.owners.set(event.id, key);
    return c;
  }

  /** Returns an item, which is added if it is new. */
  item(c, kind, id, time) {
    const key = `${kind}:${id}`;
    let item = c.byKey.get(key);
    if (!item) {
      item = { kind, key, id, at: new Date(time), serial: ++this.serial, requests: [], timeline: [] };
      c.byKey.set(key, item);
      if (c.items.push(item) > maxItems) c.byKey.delete(c.items.shift().key);
    }
    return item;
  }

  message(event) {
    const c = this.conversation(event);
    const item = this.item(c, "agent", event.message_id, event.message.received);
    const known = item.state !== undefined;
    item.message = event.message;
    item.detail = event.detail;
    item.state = event.message.state;
    // The response uses the canonical field names; the request may not.
    item.content = obj(obj(event.detail?.response).contentMessage);
    if (!known) {
      this.mergeRejections(c, item);
      c.typing = false;
      item.timeline.push({ at: item.at, label: "Accepted", event: event.id });
    } else if (item.state === "revoked") {
      item.timeline.push({ at: new Date(event.time), label: "Revoked before delivery", event: event.id });
    }
    this.changed(c.key);
  }

  /** Makes rejected attempts part of the history of the message. */
  mergeRejections(c, item) {
    const rejected = c.byKey.get(`notice:${item.id}`);
    if (!rejected) return;
    item.requests.push(...rejected.requests);
    item.timeline.push(...rejected.timeline);
    c.byKey.delete(rejected.key);
    c.items.splice(c.items.indexOf(rejected), 1);
  }

  request(event) {
    const { method, status } = event.request;
    const create = method === "phones.agentMessages.create";
    if (!create && method !== "phones.agentMessages.delete") return;
    const c = this.conversation(event);
    let item = c.byKey.get(`agent:${event.message_id}`);
    if (!item) {
      if (!create || !event.phone) return;
      item = this.item(c, "notice", event.message_id || `request-${event.id}`, event.time);
      item.what = "rejected";
      item.status = status;
    }
    item.requests.push(event.request);
    if (!create || status !== 200) {
      const what = create ? "Send" : "Revoke";
      item.timeline.push({
        at: new Date(event.time),
        label: status ? `${what}: status ${status}` : `${what}: no response`,
        event: event.id,
      });
    }
    this.changed(c.key);
  }

  userMessage(event) {
    const c = this.conversation(event);
    const item = this.item(c, "user", event.message_id, event.time);
    const payload = obj(event.payload);
    item.payload = payload;
    item.event = event.id;
    const response = obj(payload.suggestionResponse);
    if (payload.suggestionResponse) item.what = str(response.type) === "ACTION" ? "action" : "reply";
    else if (payload.location) item.what = "location";
    else if (payload.userFile) item.what = "file";
    else item.what = "text";
    item.text = item.what === "text" ? str(payload.text) : str(response.text);
    this.changed(c.key);
  }

  userEvent(event) {
    const type = str(event.payload?.eventType);
    if (type === "SUBSCRIBE" || type === "UNSUBSCRIBE") {
      const c = this.conversation(event);
      const item = this.subscription(c, type.toLowerCase(), `event-${event.id}`, event.time, event.payload);
      item.event = event.id;
      return this.changed(c.key);
    }
    if (event.message_id) this.aboutMessage(event, type);
  }

  /** Adds the notice of a user who subscribed or unsubscribed, at a time. */
  subscription(c, what, id, time, payload) {
    const item = this.item(c, "notice", id, time);
    item.what = what;
    item.again = c.subscription === "unsubscribe";
    item.payload = payload;
    c.subscription = what;
    c.subscriptionTime = Date.parse(time);
    return item;
  }

  /** Adds a notice for an event that left, unless the conversation shows it. */
  textSubscription(event) {
    const what = { subscribed: "subscribe", unsubscribed: "unsubscribe" }[event.type];
    const c = this.conversations.get(`${event.phone} ${event.agent_id}`);
    if (!what || !c || c.subscription === what || Date.parse(event.time) < c.subscriptionTime) return;
    this.subscription(c, what, str(event.id), event.time, event);
  }

  /** Adds a platform event to the history of an agent message. */
  aboutMessage(event, label) {
    const c = this.conversation(event);
    const item = c.byKey.get(`agent:${event.message_id}`);
    if (!item) return;
    item.timeline.push({ at: new Date(event.time), label, event: event.id, payload: event.payload });
    this.changed(c.key);
  }

  agentEvent(event) {
    const c = this.conversation(event);
    const type = str(event.payload?.eventType);
    if (type === "IS_TYPING") this.startTyping(c, Date.parse(event.time) + typingTime - Date.now());
    const item = c.byKey.get(`user:${event.message_id}`);
    if (type === "READ" && item) item.seen = true;
    this.changed(c.key);
  }

  /** Shows the typing indicator until the next message or until the time is over. */
  startTyping(c, time) {
    clearTimeout(c.timer);
    c.typing = time > 0;
    if (!c.typing) return;
    c.timer = setTimeout(() => {
      c.typing = false;
      this.changed(c.key);
    }, time);
  }

  push(event) {
    const attempts = this.pushes.get(event.push.event) ?? [];
    attempts.push({ ...event.push, at: new Date(event.time) });
    this.pushes.set(event.push.event, attempts);
    const key = this.owners.get(event.push.event);
    if (key) this.changed(key);
  }

  /** Adds an attempt to deliver an event, or a request that was received for a target. */
  note({ delivery, request, task }, at) {
    if (task) {
      const f = this.fallback(this.conversation({ ...task, phone: task.to }), task.message_id);
      f.due[task.job] = task.due ? Date.parse(task.due) : 0;
      f.at ||= f.due.watch;
      f.reason = str(task.reason);
    } else if (delivery) {
      const event = obj(delivery.event);
      // The ID in the request of a fallback is that of the message.
      const group = this.group(str(event.type === "fallback" ? event.message_id : event.id), at);
      group.event = event;
      if (delivery.sms) this.sms(event, delivery, at);
      this.textSubscription(event);
      group.targets.set(delivery.target, [...(group.targets.get(delivery.target) ?? []), delivery]);
    } else if (request) {
      this.group(str(request.id), at).requests.push(request);
    }
    this.changed(null);
  }

  /** Returns the fallback of a message, which is added if it is new. */
  fallback(c, id) {
    if (!c.fallbacks.has(id)) c.fallbacks.set(id, newFallback());
    return c.fallbacks.get(id);
  }

  /** Adds an attempt to give a message to its fallback, and the SMS that it may have sent. */
  sms(event, delivery, at) {
    const c = this.conversation(event);
    const f = this.fallback(c, event.message_id);
    f.attempts.push(delivery);
    f.reason = str(event.reason);
    if (delivery.outcome !== "ok" && delivery.outcome !== "unknown") return;
    const item = this.item(c, "sms", event.message_id, at);
    Object.assign(item, { text: str(event.text), sms: delivery.sms, state: delivery.outcome });
  }

  /** Returns the group of an event, which is added if it is new. */
  group(key, at) {
    let group = this.events.get(key);
    if (!group) {
      group = { key, at, targets: new Map(), requests: [], changes: 0 };
      this.events.set(key, group);
      if (this.events.size > maxEvents) this.events.delete(this.events.keys().next().value);
    }
    group.changes++;
    return group;
  }

  /** The groups of the events about an item. */
  eventsOf(item) {
    const field = item.kind === "user" ? "reply_id" : "message_id";
    const about = [...this.events.values()].filter((g) => g.event && g.event[field] === item.id);
    return item.kind === "sms" ? about.filter((g) => g.event.type === "fallback") : about;
  }

  /** The conversations, latest first. */
  sorted() {
    const last = (c) => c.items.at(-1)?.serial ?? 0;
    return [...this.conversations.values()].filter((c) => c.items.length > 0).sort((a, b) => last(b) - last(a));
  }
}

export function emptyConversation(phone, agent = "") {
  return { key: `${phone} ${agent}`, phone, agent, items: [], byKey: new Map(), fallbacks: new Map(), typing: false };
}

/** Whether a fallback of the conversation waits for its time. */
export const counting = (c) => [...c.fallbacks.values()].some((f) => f.due.watch || f.due.fallback);

/** The number of unread messages. */
export const unread = (c) => c.items.reduce((n, i) => n + (i.kind === "agent" && i.state === "delivered"), 0);

/** The number of messages that the platform has not delivered yet. */
export const queued = (c) => c.items.reduce((n, i) => n + (i.kind === "agent" && i.state === "queued"), 0);

/**
 * The chips on the phone: those of the latest message only, until the user taps one or
 * writes. On an iPhone they stay after a tap.
 */
export function chipsOf(c) {
  for (let i = c.items.length - 1; i >= 0; i--) {
    const item = c.items[i];
    if (item.kind === "sms") return null;
    if (item.kind === "user" && item.what !== "action" && !(device.iphone && item.what === "reply")) return null;
    if (item.kind === "agent" && (item.state === "delivered" || item.state === "read")) {
      const suggestions = list(item.content.suggestions);
      const code = oneTimeCode(item.content, obj(item.detail?.response).messageTrafficType);
      return suggestions.length > 0 || code ? { item, suggestions, code } : null;
    }
  }
  return null;
}

/** The one-time code that the phone offers to copy, or "". An iPhone offers it on its keyboard. */
export function oneTimeCode(content, traffic) {
  if (traffic !== "AUTHENTICATION" || device.iphone) return "";
  return /\b(\d{3}[ -]\d{3}|\d{4,8})\b/.exec(str(content.text))?.[0] ?? "";
}

/** A short description of a message. */
export function describe(content) {
  const card = obj(content.richCard);
  if (content.text !== undefined) return str(content.text);
  if (card.standaloneCard) {
    const inner = obj(obj(card.standaloneCard).cardContent);
    return str(inner.title) || str(inner.description) || "Card";
  }
  if (card.carouselCard) {
    const cards = list(obj(card.carouselCard).cardContents);
    return `${cards.length} cards: ${cards
      .map((c) => str(c.title))
      .filter(Boolean)
      .join(", ")}`;
  }
  return fileNameOf(str(obj(content.contentInfo).fileUrl)) || "File";
}

/** The kind of a message. */
export function kindOf(content) {
  const card = obj(content.richCard);
  if (content.text !== undefined) return "Text";
  if (card.carouselCard) return "Carousel";
  if (card.standaloneCard) return "Card";
  return "File";
}
