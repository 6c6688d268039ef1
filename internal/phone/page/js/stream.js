// The connection to the simulator: requests, and the stream of events.

/** The address of an uploaded file. */
export const fileURL = (name) => `_sim/${name}`;

/** Requests JSON. A response that is not 2xx becomes an Error with its text. */
export async function ask(path, body, signal) {
  let response, text;
  try {
    response = await fetch(path, {
      method: body === undefined ? "GET" : "POST",
      headers: body === undefined ? {} : { "Content-Type": "application/json" },
      body: body === undefined || typeof body === "string" ? body : JSON.stringify(body),
      signal,
    });
    text = await response.text();
  } catch (e) {
    if (e.name === "AbortError") throw e;
    throw new Error("rcshook does not respond. Start it again in its terminal.");
  }
  let value = {};
  try {
    value = JSON.parse(text);
  } catch {
    // An error may be plain text.
  }
  if (!response.ok) throw new Error((value.error ?? text.trim()) || `the simulator returned status ${response.status}`);
  return value;
}

const delays = [500, 1000, 2000, 4000];

/**
 * Keeps a stream of events open. It calls start with the setup of every new simulator
 * process, event once for each event, and state with "connecting", "live" or "lost".
 * EventSource alone would ask a new process for the events after those of the old one.
 */
export function follow({ start, event, state }) {
  let boot = "";
  let last = 0;
  let failures = 0;

  const connect = async () => {
    try {
      const setup = await ask("/_dev/setup");
      if (setup.boot !== boot) {
        last = 0;
        await start(setup);
        boot = setup.boot;
      }
    } catch {
      return retry();
    }
    const source = new EventSource(`/_sim/stream?after=${last}`);
    source.onopen = () => {
      failures = 0;
      state("live");
    };
    source.onmessage = (message) => {
      last = Number(message.lastEventId);
      event(JSON.parse(message.data));
    };
    source.onerror = () => {
      source.close();
      retry();
    };
  };

  const retry = () => {
    state("lost");
    setTimeout(connect, delays[Math.min(failures++, delays.length - 1)]);
  };

  state("connecting");
  connect();
}
