// The page: events from the stream go into the store and are rendered at most once per frame.
// An idle page runs no code.

import { Compose } from "./compose.js";
import { Conversations, showNumbers } from "./conversations.js";
import { device } from "./device.js";
import { byID, fill, h, obj, setText, str } from "./dom.js";
import { Events } from "./events.js";
import { phoneNumber, shorten } from "./format.js";
import { icon } from "./icons.js";
import { inspect, pushText } from "./inspector.js";
import { Screen } from "./screen.js";
import { agentLook, setup } from "./setup.js";
import { Store, counting, describe, emptyConversation, unread } from "./store.js";
import { ask, follow } from "./stream.js";
import { theme } from "./theme.js";

const opened = Date.now();
const desk = document.querySelector(".desk");
const narrow = matchMedia("(max-width: 719px)");
const tabs = [...document.querySelectorAll(".pane")].map((p) => p.id);
const kept = (name) => sessionStorage.getItem(`rcshook.${name}`) ?? "";
const keep = (name, value) => sessionStorage.setItem(`rcshook.${name}`, value);

/** All that changes on the page besides the store. */
const state = {
  selected: kept("conversation"), // the key of the conversation on the phone
  chosen: kept("conversation") !== "", // the user selected it
  awaited: "", // the number of a message that has no conversation yet
  inspected: null, // the selected item, or null for the latest
  rendered: "", // stamp of the item in the inspector
  preview: null, // {phone, agent, content}
  previewed: null, // the empty conversation under a preview
  receipts: localStorage.getItem("rcshook.receipts") !== "off",
  marking: false, // a read receipt is in flight
  markAgain: false, // another one is needed after it
  tab: "compose",
  frame: 0,
  tick: 0, // the timer of a countdown
};

const store = new Store(refresh);

function refresh() {
  state.frame ||= requestAnimationFrame(() => {
    state.frame = 0;
    // A render could replace a pressed button, and its click would be lost.
    if (document.querySelector("button:active")) refresh();
    else render();
  });
}

/** Posts to the simulator and shows an error on the phone. */
const post = (path, body) => ask(path, body).catch((e) => screen.toast(e.message));

const screen = new Screen(byID("screen"), {
  act: (action) => ask("/_sim/user", action),
  setOnline: (phone, online) => post("/_sim/online", { phone, online }),
  inspect: (item) => {
    state.inspected = item;
    showTab("inspect");
    refresh();
  },
  selected: () => (state.tab === "inspect" ? inspectedItem() : null),
  pushed: (item) => pushText(store.pushes.get(item.event)),
  closePreview: () => setPreview(null),
  setDevice,
  receipts: {
    get: () => state.receipts,
    set: (on) => {
      state.receipts = on;
      localStorage.setItem("rcshook.receipts", on ? "on" : "off");
      refresh();
    },
  },
});

const conversations = new Conversations((key) => {
  choose(key);
  showView("phone");
});

let held; // a preview that waits until Compose is shown

const compose = new Compose(byID("compose"), {
  preview: (p) => (byID("compose").hidden ? (held = () => setPreview(p)) : setPreview(p)),
  number: () => store.conversations.get(state.selected)?.phone,
  sent: (response) => {
    setPreview(null);
    const found = [...store.conversations.values()].filter((c) => c.phone === response.to).at(-1);
    if (found) choose(found.key);
    else state.awaited = response.to;
    if (narrow.matches) showView("phone");
  },
});

const events = new Events(byID("events"));

function choose(key) {
  state.chosen = true;
  if (key === state.selected) return;
  state.selected = key;
  state.inspected = null;
  if (state.preview && state.preview.key !== key) state.preview = null;
  keep("conversation", key);
  refresh();
}

function setPreview(preview) {
  screen.closeSheet?.();
  if (!preview && !state.preview) return;
  if (preview) {
    preview.key = `${preview.phone} ${preview.agent}`;
    state.selected = preview.key;
  }
  state.preview = preview;
  refresh();
}

/** The item in the inspector: the selected one, or else the latest message. */
function inspectedItem() {
  const c = store.conversations.get(state.selected);
  if (!c) return null;
  if (state.inspected && c.byKey.get(state.inspected.key) === state.inspected) return state.inspected;
  return c.items.findLast((i) => i.kind === "agent") ?? c.items.at(-1) ?? null;
}

function render() {
  const sorted = store.sorted();
  const awaited = state.awaited && sorted.find((c) => c.phone === state.awaited);
  if (awaited) {
    state.awaited = "";
    choose(awaited.key);
  }
  const { preview } = state;
  const known = store.conversations.has(state.selected);
  if (!preview && (!known || !state.chosen)) {
    // Until the user selects a phone, the latest active one is shown.
    state.selected = sorted[0]?.key ?? (known ? state.selected : "");
    state.chosen = false;
  }
  const c = store.conversations.get(state.selected) ?? (preview ? emptyFor(preview) : null);
  conversations.render(store, state.selected);
  screen.render(c, c ? store.isOnline(c.phone) : true, preview);
  if (state.tab === "inspect") renderInspector(c);
  if (state.tab === "events") events.render(store.events);
  const news = [...store.conversations.values()].reduce((n, x) => n + unread(x), 0);
  document.title = news > 0 ? `(${news}) rcshook phone` : "rcshook phone";
  markAsRead(c);
  clearTimeout(state.tick);
  if (c && counting(c)) state.tick = setTimeout(refresh, 1000);
}

/** The empty conversation under a preview. It stays the same while the text changes. */
function emptyFor(preview) {
  if (state.previewed?.key !== preview.key) state.previewed = emptyConversation(preview.phone, preview.agent);
  return state.previewed;
}

function renderInspector(c) {
  const item = inspectedItem();
  const numbers = item ? [item.event, ...item.timeline.map((t) => t.event)] : [];
  const pushed = numbers.map((e) => store.pushes.get(e)?.length ?? 0);
  const targets = item ? store.eventsOf(item).map((g) => g.changes) : [];
  const stamp = item
    ? [c.key, item.key, item.state, item.seen, item.requests.length, item.timeline.length, pushed, targets].join(" ")
    : "none";
  if (stamp === state.rendered) return;
  state.rendered = stamp;
  inspect(byID("inspect"), item, c, store, {
    read: (c, i) => post("/_sim/user", { action: "read", phone: c.phone, agent_id: c.agent, message_id: i.id }),
  });
}

/** Marks the messages on a visible phone as read. */
function markAsRead(c) {
  const visible = document.visibilityState === "visible" && !(narrow.matches && desk.dataset.view !== "phone");
  if (!state.receipts || !visible || !c || unread(c) === 0) return;
  if (state.marking) {
    state.markAgain = true;
    return;
  }
  state.marking = true;
  ask("/_sim/user", { action: "read", phone: c.phone, agent_id: c.agent })
    .catch(() => {}) // an offline phone sends no receipts
    .finally(() => {
      state.marking = false;
      if (state.markAgain) refresh();
      state.markAgain = false;
    });
}

/** Announces a new message to screen readers. */
function announce(event) {
  const { sms, event: about } = obj(obj(event.payload).delivery);
  if (sms && Date.parse(event.time) >= opened)
    setText(byID("announcer"), `New SMS to ${phoneNumber(about.phone)}: ${shorten(sms.text, 200)}`);
  if (event.kind !== "message" || Date.parse(event.time) < opened) return;
  const content = event.detail?.response?.contentMessage ?? {};
  if (event.message.state === "delivered" && !(event.detail?.read > "")) {
    const from = `New message from ${agentLook(event.agent_id).name} to ${phoneNumber(event.phone)}`;
    setText(byID("announcer"), `${from}: ${shorten(describe(content), 200)}`);
  }
}

// Tabs of the panel, and the views that replace them on a narrow screen.

function showTab(name) {
  state.tab = name;
  for (const each of tabs) {
    byID(each).hidden = each !== name;
    byID(`tab-${each}`).setAttribute("aria-selected", String(each === name));
    byID(`tab-${each}`).tabIndex = each === name ? 0 : -1;
  }
  if (narrow.matches && desk.dataset.view !== name) showView(name);
  keep("tab", name);
  if (name === "compose") held = held?.();
  refresh();
}

function showView(name) {
  desk.dataset.view = name;
  for (const b of document.querySelectorAll(".views button")) b.ariaCurrent = b.dataset.view === name || null;
  if (tabs.includes(name) && state.tab !== name) showTab(name);
  refresh();
}

for (const name of tabs) {
  const button = byID(`tab-${name}`);
  button.addEventListener("click", () => showTab(name));
  button.addEventListener("keydown", (e) => {
    if (e.key !== "ArrowLeft" && e.key !== "ArrowRight") return;
    const step = e.key === "ArrowRight" ? 1 : tabs.length - 1;
    const other = tabs[(tabs.indexOf(name) + step) % tabs.length];
    showTab(other);
    byID(`tab-${other}`).focus();
  });
}
for (const b of document.querySelectorAll(".views button")) b.addEventListener("click", () => showView(b.dataset.view));

/** Shows a box over the page and returns the function that closes it. */
function showBox(tone, title, ...more) {
  const box = byID("reload");
  clearTimeout(box.timer);
  box.hidden = false;
  box.dataset.tone = tone;
  const close = () => (box.hidden = true);
  fill(
    box,
    h("p.reload-title", title),
    more,
    h("button.round", { "aria-label": "Close", onclick: close }, icon("close")),
  );
  return close;
}

byID("reset").addEventListener("click", () => {
  const clear = () => (close(), post("/_sim/reset", {}));
  const close = showBox(
    "bad",
    "Delete all messages and opt-outs?",
    h("button.button.small", { id: "reset-now", onclick: clear }, "Delete"),
  );
  byID("reload").querySelector(".round").focus();
});

byID("images").addEventListener("click", async () => {
  // The Content-Security-Policy of the page decides, so the page must be loaded again.
  await ask("/_dev/images", { on: !setup.images });
  location.reload();
});

function setDevice(iphone) {
  device.set(iphone);
  setText(byID("device").querySelector(".tool-state"), iphone ? "iPhone" : "Android");
  screen.changeDevice();
  refresh();
}

byID("device").addEventListener("click", () => setDevice(!device.iphone));

// Another tab can show a preview.
document.addEventListener("preview", (e) => setPreview(e.detail));

document.addEventListener("visibilitychange", refresh);

// Using a phone selects it.
for (const type of ["pointerdown", "keydown"]) {
  byID("screen").addEventListener(type, () => (state.chosen = true), { passive: true });
}

theme();
setDevice(device.iphone);
if (tabs.includes(kept("tab"))) showTab(kept("tab"));

async function loadNumbers() {
  const { numbers } = await ask("/_sim/numbers");
  store.setNumbers(numbers);
  showNumbers(numbers, (phone) => {
    showTab("compose");
    compose.address(phone);
  });
}

/** Shows whether a changed rcshook.yaml is in use, and its problems. */
async function reloaded(reload, time) {
  const problems = Array.isArray(reload.problems) ? reload.problems : [];
  const good = problems.length === 0;
  const close = showBox(
    good ? "good" : "bad",
    good
      ? `The new ${str(reload.file)} is in use.`
      : `${str(reload.file)} has problems. The version before stays in use.`,
    h(
      "ul",
      problems.map((p) => h("li", str(p))),
    ),
  );
  if (!good) return;
  if (Date.parse(time) < opened) close();
  byID("reload").timer = setTimeout(close, 5000);
  Object.assign(setup, await ask("/_dev/setup"));
  compose.showSources();
}

const connectionText = { connecting: "Connecting", live: "Live", lost: "Disconnected" };

follow({
  async start(received) {
    Object.assign(setup, received);
    store.clear();
    await loadNumbers();
    const button = byID("images");
    button.setAttribute("aria-pressed", String(setup.images));
    button.querySelector(".tool-state").textContent = setup.images ? "on" : "off";
    setText(byID("endpoint"), setup.function && `POST ${setup.function}`);
    await compose.start();
    if (!setup.function && !kept("tab")) showTab("inspect");
    refresh();
  },
  event(e) {
    store.apply(e);
    announce(e);
    const { reload } = obj(e.payload);
    if (e.kind === "note" && reload) reloaded(obj(reload), e.time).catch(() => {});
    if (e.kind === "reset") loadNumbers().catch(() => {});
  },
  state(name) {
    byID("live").dataset.state = name;
    setText(byID("live-text"), connectionText[name]);
  },
});
