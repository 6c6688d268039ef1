// The connection to the engine in the worker, in place of that to a server: requests, and the stream
// of events. Until the engine is ready, the recording stands in for it; then the engine gets the
// messages that the user has sent.

import { Engine } from "../playground/engine.js";
import { Recording } from "../playground/recording.js";

/** The address of an uploaded file: there is none. */
export const fileURL = () => "";

const load = async (address) => (await fetch(address)).json();
const recorded = load("playground/recorded.json");

let data; // of the recording
let recording; // in use until the engine has the messages of the user
let live = Promise.withResolvers();
let handlers;
let run = 0; // counts the engines

/** The numbers that have opted out. */
export const optedOut = new Set();

/** Reports the state of the engine to the page: {state: "loading", "started", "waiting", "ready", "failed", "ended"}. */
const tell = (detail) => document.dispatchEvent(new CustomEvent("engine", { detail }));

const engine = new Engine({
  loaded: (bytes) => tell({ state: "loading", bytes, of: data.engine }),
  ready: () => replay(),
  failed,
  ended(text) {
    live.reject(new Error(text)); // of requests that wait for its first messages
    tell({ state: "ended", text });
    begin();
  },
});

/** Requests JSON. A response that is not 2xx becomes an Error with its text. */
export async function ask(path, body, signal) {
  if (!path.startsWith("/")) return load(path);
  const text = body === undefined || typeof body === "string" ? body : JSON.stringify(body);
  await recorded;
  if (recording) {
    const known = recording.response(path, text);
    if (known) return known;
    tell({ state: "waiting", path });
    await live.promise;
  }
  return request(body === undefined ? "GET" : "POST", path, text, signal);
}

async function request(method, path, body, signal) {
  const { status, body: text } = await engine.request(method, path, body, { signal });
  let value = {};
  try {
    value = JSON.parse(text);
  } catch {
    // An error may be plain text.
  }
  if (status >= 300) throw new Error((value.error ?? text.trim()) || `the engine returned status ${status}`);
  return value;
}

/** Starts the page: see the function of the same name of the phone page. */
export async function follow(given) {
  handlers = given;
  handlers.state("connecting");
  try {
    data = await recorded;
  } catch (e) {
    return failed(e.message);
  }
  begin();
}

/** Keeps the numbers of opt-outs. */
function note({ kind, payload }) {
  const { type, phone } = payload?.delivery?.event ?? {};
  if (kind === "reset") optedOut.clear();
  if (type === "unsubscribed") optedOut.add(phone);
  if (type === "subscribed") optedOut.delete(phone);
}

/** Starts with the recording, and loads the engine. */
async function begin() {
  run++;
  optedOut.clear();
  live = Promise.withResolvers();
  live.promise.catch(() => {}); // each request that waits reports it
  recording = new Recording(data, handlers.event);
  handlers.state("connecting");
  engine.start();
  await handlers.start(recording.setup);
  tell({ state: "started" });
}

function failed(text) {
  live.reject(new Error(`The engine was not loaded: ${text}. Check the connection, and reload the page.`));
  handlers.state("lost");
  tell({ state: "failed", text });
}

/** Follows the events of the engine, sends it the messages of the recording, and is live. */
async function replay() {
  const past = recording;
  const mine = run;
  let rest = "";
  const chunk = (text) => {
    const parts = (rest + text).split("\n\n");
    rest = parts.pop();
    for (const part of parts) {
      const data = /^data: (.*)$/m.exec(part)?.[1];
      const event = data && JSON.parse(data);
      if (event) note(event);
      if (event && !past.repeats(event)) handlers.event(event);
    }
  };
  engine.request("GET", "/_sim/stream?after=0", "", { chunk }).catch(() => {}); // it ends with the engine
  for (let i = 0; i < past.sent.length; i++) {
    const { payload, id: message_id, phone, agent: agent_id } = past.sent[i];
    await request("POST", "/_dev/send", JSON.stringify({ ...payload, message_id })).catch(() => {});
    if (!past.sent[i].read) continue;
    await request("POST", "/_sim/user", JSON.stringify({ action: "read", phone, agent_id, message_id })).catch(() => {});
  }
  if (mine !== run) return; // another engine was started
  recording = undefined;
  live.resolve();
  handlers.state("live");
  tell({ state: "ready" });
}
