// The line to the simulator: what it tells, and what it is asked for.

/** Asks for JSON; an answer that is not 2xx becomes an Error with its words. */
export async function ask(path, body, signal) {
  const response = await fetch(path, {
    method: body === undefined ? "GET" : "POST",
    headers: body === undefined ? {} : { "Content-Type": "application/json" },
    body: body === undefined || typeof body === "string" ? body : JSON.stringify(body),
    signal,
  });
  const text = await response.text();
  let answer = {};
  try {
    answer = JSON.parse(text);
  } catch {
    // The words of a refusal may be plain text.
  }
  if (!response.ok) throw new Error((answer.error ?? text.trim()) || `the simulator answered ${response.status}`);
  return answer;
}

const pauses = [500, 1000, 2000, 4000];

/**
 * Keeps a stream of events open. start is told the setup whenever the simulator is
 * another one than before, event is told each event once, and state whether the
 * line is up: "connecting", "live" or "lost".
 *
 * EventSource would come back by itself, but after a restart of the simulator
 * it would ask for the events after a number that is not reached yet.
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
      return again();
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
      again();
    };
  };

  const again = () => {
    state("lost");
    setTimeout(connect, pauses[Math.min(failures++, pauses.length - 1)]);
  };

  state("connecting");
  connect();
}
