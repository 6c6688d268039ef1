// The page: what happens comes in through the stream, goes into the store, and is
// shown at most once per frame. When nothing happens, nothing runs.

import { Compose } from "./compose.js";
import { Conversations, showNumbers } from "./conversations.js";
import { byID, setText } from "./dom.js";
import { phoneNumber, shorten } from "./format.js";
import { inspect, pushWords } from "./inspector.js";
import { Screen } from "./screen.js";
import { agentLook, setup } from "./setup.js";
import { Store, describe, unread } from "./store.js";
import { ask, follow } from "./stream.js";
import { theme } from "./theme.js";

const opened = Date.now();
const desk = document.querySelector(".desk");

let selectedKey = sessionStorage.getItem("rcshook.conversation") ?? "";
let chosen = selectedKey !== ""; // by the user, and not because it was the first
let inspected = null; // an item, or null for the latest
let preview = null;
let receipts = localStorage.getItem("rcshook.receipts") !== "off";
let frame = 0;

const store = new Store(refresh);

function refresh() {
  frame ||= requestAnimationFrame(() => {
    frame = 0;
    render();
  });
}

const screen = new Screen(byID("screen"), {
  act: (action) => ask("/_sim/user", action),
  setOnline: (phone, online) => ask("/_sim/online", { phone, online }).catch((e) => screen.say(e.message)),
  inspect: (item) => {
    inspected = item;
    showTab("inspect");
    refresh();
  },
  selected: () => (tab === "inspect" ? current() : null),
  pushed: (item) => pushWords(store.pushes.get(item.event)),
  dropPreview: () => setPreview(null),
  receipts: {
    get: () => receipts,
    set: (on) => {
      receipts = on;
      localStorage.setItem("rcshook.receipts", on ? "on" : "off");
      refresh();
    },
  },
});

const conversations = new Conversations((key) => {
  choose(key);
  showView("phone");
});

const compose = new Compose(byID("compose"), {
  preview: setPreview,
  number: () => store.conversations.get(selectedKey)?.phone,
  sent: (answer) => {
    setPreview(null);
    const found = [...store.conversations.values()].filter((c) => c.phone === answer.to).at(-1);
    if (found) choose(found.key);
    else awaited = answer.to;
    if (narrow.matches) showView("phone");
  },
});

let awaited = ""; // the number that was just sent to, if it has no conversation yet

function choose(key) {
  chosen = true;
  if (key === selectedKey) return;
  selectedKey = key;
  inspected = null;
  if (preview && preview.key !== key) preview = null;
  sessionStorage.setItem("rcshook.conversation", key);
  refresh();
}

function setPreview(p) {
  if (!p && !preview) return;
  if (p) {
    p.key = `${p.phone} ${p.agent}`;
    selectedKey = p.key;
  }
  preview = p;
  refresh();
}

/** The item in the inspector: the one that was chosen, or the latest message. */
function current() {
  const c = store.conversations.get(selectedKey);
  if (!c) return null;
  if (inspected && c.byKey.get(inspected.key) === inspected) return inspected;
  return c.items.findLast((i) => i.kind === "agent") ?? c.items.at(-1) ?? null;
}

function render() {
  if (awaited) {
    const found = store.sorted().find((c) => c.phone === awaited);
    if (found) {
      awaited = "";
      choose(found.key);
    }
  }
  if (!store.conversations.has(selectedKey) && !preview) {
    selectedKey = store.sorted()[0]?.key ?? "";
    chosen = false;
  } else if (!chosen && !preview) {
    // Until somebody chooses, the phone is the one that something happens on.
    selectedKey = store.sorted()[0]?.key ?? selectedKey;
  }
  const c = store.conversations.get(selectedKey) ?? (preview ? empty(preview) : null);
  conversations.render(store, selectedKey);
  screen.render(c, c ? store.isOnline(c.phone) : true, preview);
  if (tab === "inspect") renderInspector(c);
  const news = [...store.conversations.values()].reduce((n, x) => n + unread(x), 0);
  document.title = news > 0 ? `(${news}) rcshook phone` : "rcshook phone";
  readMessages(c);
}

/** A conversation in which nothing has been said, for a preview. */
function empty(p) {
  if (blank?.key !== p.key) blank = { key: p.key, phone: p.phone, agent: p.agent, items: [], byKey: new Map(), typing: false };
  return blank;
}
let blank = null;

let shown = ""; // what the inspector shows, to leave it alone if that is unchanged

function renderInspector(c) {
  const item = current();
  const pushed = item ? [item.event, ...item.timeline.map((t) => t.event)].map((e) => store.pushes.get(e)?.length ?? 0) : [];
  const stamp = item ? `${c.key} ${item.key} ${item.state} ${item.seen} ${item.requests.length} ${item.timeline.length} ${pushed}` : "none";
  if (stamp === shown) return;
  shown = stamp;
  inspect(byID("inspect"), item, c, store, {
    read: (conversation, i) => ask("/_sim/user", { action: "read", phone: conversation.phone, agent_id: conversation.agent, message_id: i.id }).catch((e) => screen.say(e.message)),
  });
}

/** Who looks at messages has read them. */
function readMessages(c) {
  const looking = document.visibilityState === "visible" && !(narrow.matches && desk.dataset.view !== "phone");
  if (!receipts || !looking || !c || unread(c) === 0) return;
  if (reading) {
    readAgain = true;
    return;
  }
  reading = true;
  ask("/_sim/user", { action: "read", phone: c.phone, agent_id: c.agent })
    .catch(() => {}) // a user who has gone offline sends no receipts
    .finally(() => {
      reading = false;
      if (readAgain) refresh();
      readAgain = false;
    });
}
let reading = false;
let readAgain = false; // something came while the last receipts were on their way

function announce(event) {
  if (event.kind !== "message" || Date.parse(event.time) < opened) return;
  const content = event.detail?.response?.contentMessage ?? {};
  if (event.message.state === "delivered" && !(event.detail?.read > "")) {
    setText(byID("announcer"), `New message from ${agentLook(event.agent_id).name} to ${phoneNumber(event.phone)}: ${shorten(describe(content), 200)}`);
  }
}

// Tabs of the panel, and the views that take their place on a narrow screen.

const narrow = matchMedia("(max-width: 719px)");
let tab = "compose";

function showTab(name) {
  tab = name;
  for (const each of ["compose", "inspect"]) {
    byID(each).hidden = each !== name;
    byID(`tab-${each}`).setAttribute("aria-selected", String(each === name));
    byID(`tab-${each}`).tabIndex = each === name ? 0 : -1;
  }
  if (narrow.matches && desk.dataset.view !== name) showView(name);
  sessionStorage.setItem("rcshook.tab", name);
  refresh();
}

function showView(name) {
  desk.dataset.view = name;
  for (const b of document.querySelectorAll(".views button")) {
    if (b.dataset.view === name) b.setAttribute("aria-current", "true");
    else b.removeAttribute("aria-current");
  }
  if (name === "compose" || name === "inspect") {
    if (tab !== name) showTab(name);
  }
  refresh();
}

for (const name of ["compose", "inspect"]) {
  const button = byID(`tab-${name}`);
  button.addEventListener("click", () => showTab(name));
  button.addEventListener("keydown", (e) => {
    if (e.key !== "ArrowLeft" && e.key !== "ArrowRight") return;
    const other = name === "compose" ? "inspect" : "compose";
    showTab(other);
    byID(`tab-${other}`).focus();
  });
}
for (const b of document.querySelectorAll(".views button")) b.addEventListener("click", () => showView(b.dataset.view));

byID("reset").addEventListener("click", () => ask("/_sim/reset", {}).catch((e) => screen.say(e.message)));

byID("images").addEventListener("click", async () => {
  // What may be loaded is decided by the policy that comes with the page.
  await ask("/_dev/images", { on: !setup.images });
  location.reload();
});

document.addEventListener("visibilitychange", refresh);

// Who handles a phone has chosen it.
for (const type of ["pointerdown", "keydown"]) byID("screen").addEventListener(type, () => (chosen = true), { passive: true });

theme();
if (sessionStorage.getItem("rcshook.tab") === "inspect") showTab("inspect");

async function numbers() {
  const answer = await ask("/_sim/numbers");
  store.setNumbers(answer.numbers);
  showNumbers(answer.numbers, (phone) => {
    showTab("compose");
    compose.address(phone);
  });
}

const lineWords = { connecting: "Connecting", live: "Live", lost: "Disconnected" };

follow({
  async start(given) {
    Object.assign(setup, given);
    const { webhooks } = await ask("/_sim/webhooks");
    setup.webhook ||= webhooks[0]?.url ?? "";
    store.clear();
    await numbers();
    const button = byID("images");
    button.setAttribute("aria-pressed", String(setup.images));
    button.querySelector(".tool-state").textContent = setup.images ? "on" : "off";
    setText(byID("endpoint"), setup.function && `POST ${setup.function}`);
    await compose.begin();
    refresh();
  },
  event(e) {
    store.apply(e);
    announce(e);
    if (e.kind === "reset") numbers().catch(() => {});
  },
  state(name) {
    byID("live").dataset.state = name;
    setText(byID("live-text"), lineWords[name]);
  },
});
