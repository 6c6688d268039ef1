// What becomes of a message whose fallback gets it if RCS does not deliver it in time.

import { span } from "./format.js";

/** The state of a fallback: when its tasks are due, and its responses. */
export const newFallback = () => ({ due: { watch: 0, fallback: 0 }, at: 0, reason: "", attempts: [] });

/** The status of the fallback of an item, for people, and its tone. */
export function fallbackStatus({ due, at, reason, attempts }, item) {
  const left = (time) => (time > Date.now() ? `in ${span(Math.ceil((time - Date.now()) / 1000))}` : "now");
  const last = attempts.at(-1);
  const delivered = item.state === "delivered" || item.state === "read";
  if (!last && !due.fallback) {
    if (due.watch) return [`SMS ${left(due.watch)} unless delivered`, "wait"];
    return delivered ? ["Delivered in time: no SMS", "good"] : ["No SMS", "wait"];
  }
  const what = item.state === "revoked" ? "Revoked" : "Not delivered";
  const late = delivered ? "Delivered too late; " : `${what} after ${span(Math.round((at - item.at) / 1000))}; `;
  const why = reason === "timeout" ? late : "";
  if (!last) return [`${why}SMS ${left(due.fallback)}`, "wait"];
  const again = due.fallback ? `, again ${left(due.fallback)}` : "";
  const results = {
    ok: ["SMS sent", "good"],
    unknown: [`SMS may be sent${again}`, "wait"],
    never: ["the provider rejected the SMS", "bad"],
  };
  const [text, tone] = results[last.outcome] ?? [`SMS not sent${again}`, "bad"];
  return [why + text, tone];
}
