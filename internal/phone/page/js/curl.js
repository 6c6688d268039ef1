// The same request as a curl command.

import { setup } from "./setup.js";

const quote = (text) => `'${text.replaceAll("'", `'\\''`)}'`;

/** The command that posts a payload, which is text or an object. */
export function curl(payload) {
  const body = typeof payload === "string" ? payload : JSON.stringify(payload);
  const key = setup.key ? ` \\\n  -H ${quote(`Authorization: Bearer ${setup.key}`)}` : "";
  return `curl -i ${quote(setup.function)}${key} \\\n  -H 'Content-Type: application/json' \\\n  -d ${quote(body)}`;
}
