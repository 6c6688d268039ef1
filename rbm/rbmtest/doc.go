// Package rbmtest simulates Google's RCS Business Messaging API, version 1, as far as its
// documents, generated clients and samples describe it. Everything is real HTTP with real
// tokens in one process: no account, no network, no phone.
//
// [NewServer] starts a simulator on a port of its own, and [Server.Client] returns a client
// for it. Tests read what arrived ([Simulator.Messages], [Simulator.Requests],
// [Simulator.Log]) and arrange what happens ([Simulator.Fail], [Simulator.SetBehavior],
// [Simulator.SetOnline]). Other processes do the same over HTTP. [Simulator] itself is an
// [net/http.Handler]; [Simulator.KeyFile] returns a key file for clients in any language.
//
// # Limitations
//
//   - It fetches nothing. A URL in a message or in files.create is only checked for its
//     form, not for its content type, size or redirects. Therefore totalPayloadSizeBytes
//     of US numbers counts uploaded files only.
//   - Of the standard query parameters it acts on access_token, oauth_token, prettyPrint
//     and $.xgafv; it accepts and ignores alt, callback, fields and the others. It has no
//     batch endpoint.
//   - The only rate limits are the published ones, of users.batchGet and testers. The
//     limits and sending hours of promotional agents in India are not enforced; see
//     [TrafficLimit].
//   - Every number that starts with +1 counts as one of the United States, and the first
//     digit decides the region; see [Simulator.RegionOf].
//   - Of the management API it has the methods that connect webhooks: brands.list,
//     brands.agents.list and brands.agents.integrations, with one brand. Launches, its own
//     testers, payments and agentMessagesSigned are missing. An agent is launched everywhere
//     or nowhere, except for numbers with the refusal [NotLaunched].
//   - Messages are kept until [Simulator.Reset]; undelivered ones are not dropped after 30
//     days.
//   - Users respond only when a test makes them. They do not block agents, and the
//     platform still sends after an UNSUBSCRIBE event.
//   - Pub/Sub as a transport of events is missing; webhooks are supported.
//
// # Assumptions
//
// The documents leave many points open. [Assumptions] names those that can be changed; the
// others are:
//
//   - The order of checks: path, token, schema, agent, number and ID, rules of the
//     message, traffic type, repeated ID, state of the number.
//   - The texts of most errors. Known from real responses are those for an unknown agent,
//     a missing tester, an unreachable number, long labels and the traffic limit.
//     Those of authentication are common to Google's APIs. All others are invented.
//   - A message that breaks several rules gets the error of the first in the order of the
//     reference; the details list all. The limits are those of [rbm.AgentMessage.Check].
//   - IDs are remembered until the reset. An event or a request for capabilities without an
//     ID gets a generated one, and a repeated ID for capabilities makes no difference.
//   - A multi-use agent's message without a traffic type, and a traffic type that does not
//     fit the use case, get 400.
//   - A revocation by the agent causes no event.
//   - users.batchGet rejects more than 10,000 numbers and malformed ones, and counts
//     repeated ones once.
//   - An invitation that was declined gets FAILED_PRECONDITION; the limit of 20 a day is for
//     any 24 hours.
//   - The IDs of Dialogflow's messages are the prefix, a hyphen and a number.
//   - The names of billing classes and carriers, and that basic messages have no class.
//   - Integrations: the texts of their errors, 404 for an unknown agent, 409 for the second
//     webhook of an agent, and names with the agent ID without its domain.
//   - Values of X-Goog-Webhook-Type, attributes of the envelope, a timeout of 10 seconds for
//     a webhook, 1 second as the first pause, doubled each time; the limits of 600 seconds
//     and 7 days are documented.
//
// # Over HTTP
//
// People and tests on the same machine use the paths under /_sim/. A request must name a
// loopback host and must not come from the page of another site; see
// [Simulator.AdminHosts]. Each path is documented at the method after it.
//
//	GET  /_sim/messages   Messages: {"messages": [...]}
//	GET  /_sim/requests   Requests: {"requests": [...]}
//	GET  /_sim/events     Log: {"events": [...]}
//	GET  /_sim/stream     the log, live, as server-sent events: ?after=ID or
//	                      Last-Event-ID resumes, ?after=0 starts at the oldest entry
//	GET  /_sim/key        KeyFile for the host of the request
//	POST /_sim/rotate     Rotate: {"revoke": true}
//	POST /_sim/reset      Reset
//	POST /_sim/tick       Tick
//	POST /_sim/online     SetOnline: {"phone": "+1...", "online": true}
//	GET  /_sim/numbers    Behaviors: {"numbers": {"+1...": {...}}}
//	POST /_sim/numbers    SetBehavior: {"phone": "+1...", "behavior": {...}}
//	GET  /_sim/failures   Failures: {"failures": [...]}
//	POST /_sim/failures   ClearFailures, then Fail for each: {"failures": [...]}
//	POST /_sim/user       Act: a UserAction; returns {"message_id": "..."}
//	POST /_sim/tester     SetTester: {"agent_id", "phone", "status": "ACCEPTED"}
//	GET  /_sim/webhooks   {"webhooks": [{"agent_id", "url"}], "waiting": 0}
//	POST /_sim/webhooks   Connect: {"agent_id", "url", "client_token"};
//	                      without a URL Disconnect
//	GET  /_sim/state      Snapshot, the state for a page to start with
//	GET  /_sim/files/ID   the content of the uploaded file files/ID
//
// The bodies are JSON. The response to POST is {} unless noted. An invalid request gets
// {"error": "..."} with status 400.
package rbmtest
