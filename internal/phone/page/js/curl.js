// The same request for a terminal.

import { setup } from "./setup.js";

const quote = (text) => `'${text.replaceAll("'", `'\\''`)}'`;

/** A command that posts a payload, given as text or as an object. */
export function curl(payload) {
  const body = typeof payload === "string" ? payload : JSON.stringify(payload);
  const key = setup.key ? ` \\\n  -H ${quote(`Authorization: Bearer ${setup.key}`)}` : "";
  return `curl -i ${quote(setup.function)}${key} \\\n  -H 'Content-Type: application/json' \\\n  -d ${quote(body)}`;
}
