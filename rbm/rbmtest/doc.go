// Package rbmtest imitates Google's RCS Business Messaging API, version 1, as far
// as its documents, generated clients and samples tell, together with the token endpoint
// for its key files. Everything is real HTTP with real tokens and happens in one
// process: no account, no network, no phone.
//
// [Simulator] is all of it on one [net/http.Handler], for tests behind an
// httptest.Server and for rehearsals in a browser. Tests ask it what arrived
// ([Simulator.Messages], [Simulator.Requests], [Simulator.Log]) and arrange what
// happens ([Simulator.Fail], [Simulator.SetBehavior], [Simulator.SetOnline]), by
// method calls or, from other processes, by HTTP under /_sim/ on a loopback
// address.
//
// # Over HTTP
//
// For people and tests on the same machine the simulator answers under /_sim/. A
// request must name a loopback host and must not come from another site's page;
// see [Simulator.AdminHosts]. What each path does is written beside the method
// that stands after it.
//
//	GET  /_sim/messages   Messages: {"messages": [...]}
//	GET  /_sim/requests   Requests: {"requests": [...]}
//	GET  /_sim/events     Events: {"events": [...]}
//	GET  /_sim/stream     the same, live, as server-sent events: ?after=ID or
//	                      Last-Event-ID resumes, ?after=0 begins at the start
//	GET  /_sim/key        KeyFile for the host that was asked
//	POST /_sim/reset      Reset
//	POST /_sim/online     SetOnline: {"phone": "+1...", "online": true}
//	GET  /_sim/numbers    the behaviors: {"numbers": {"+1...": {...}}}
//	POST /_sim/numbers    SetBehavior: {"phone": "+1...", "behavior": {...}}
//	GET  /_sim/failures     Failures: {"failures": [...]}
//	POST /_sim/failures     ClearFailures, then Fail for each: {"failures": [...]}
//	POST /_sim/rotate     Rotate: {"revoke": true}
//	POST /_sim/tick       Tick
//	POST /_sim/user       Act: a UserAction; answers {"message_id": "..."}
//	POST /_sim/tester     SetTester: {"agent_id", "phone", "status": "ACCEPTED"}
//	GET  /_sim/webhooks   {"webhooks": [{"agent_id", "url"}], "waiting": 0}
//	POST /_sim/webhooks   Connect: {"agent_id", "url", "client_token"};
//	                      without a URL Disconnect
//	GET  /_sim/state      all that a page needs to begin: a Snapshot
//	GET  /_sim/files/ID   the content of the uploaded file files/ID
//
// The bodies are JSON. An answer to POST is {} unless said otherwise; a request that
// makes no sense gets {"error": "..."} with status 400. The stream sends each
// [LogEntry] as JSON with its ID as the id, and no event type, so that onmessage gets
// them all.
//
// # Open questions
//
// Where the documents are silent or contradict each other, [Assumptions] selects
// the answer.
//
// # Limitations
//
//   - It fetches nothing. A URL in a message or in files.create is checked for its
//     form only, not for its content type, size or redirects, so US numbers get
//     totalPayloadSizeBytes for uploaded files only.
//   - Of the standard query parameters it heeds access_token, oauth_token,
//     prettyPrint and $.xgafv; alt, callback, fields and the others are taken and
//     not acted upon. There is no batch endpoint.
//   - Rate limits are those that are published: users.batchGet and testers. The
//     limits and sending hours of promotional agents in India are not kept; see
//     [TrafficLimit].
//   - Every number that starts with +1 counts as one of the United States, and
//     regions go by the first digit; see [Simulator.RegionOf].
//   - The management API (brands, agents, launches, its own testers), payments and
//     agentMessagesSigned are missing. An agent is launched everywhere or
//     nowhere, except for numbers with the refusal [NotLaunched].
//   - Messages are kept until [Simulator.Reset]; undelivered ones are not
//     dropped after 30 days.
//   - Users answer when they are told to. They do not block agents, and the
//     platform does not stop sending to those who have unsubscribed.
//   - Pub/Sub as a transport of events is missing; webhooks are there.
//
// # Assumptions
//
// What no document says, and how it is here. Those with a name can be changed in
// [Assumptions].
//
//   - The order of checks: path, token, schema, agent, number and ID, rules of the
//     message, traffic type, repeated ID, state of the number.
//   - The words of most refusals. Known from the wild are those for an unknown
//     agent, no tester, an unreachable number, labels that are too long, and the
//     traffic limit; those of the parser and of authentication are common to
//     Google's APIs. All others are made up, in plain words.
//   - A message that breaks several rules is refused for the first in the order
//     of the reference; the details list all.
//   - A repeated ID is answered with 200 and the first answer (DuplicateConflict). IDs are
//     remembered until the reset.
//   - IDs need not be UUIDs (RequireUUID). A message needs one (AllowMissingID); an
//     event or a request for capabilities without one is given one, and a
//     repeated ID for capabilities is answered like any other.
//   - Output-only fields are refused in a request (OutputFieldsIgnored).
//   - Of two members with the same name the last counts, outside unions.
//   - A number that is no number of an enum is refused.
//   - File names are not checked (RefuseUnknownFiles).
//   - A card has at most four suggestions (TenCardSuggestions), and the limits of
//     [rbm.AgentMessage.Check] hold.
//   - A multi-use agent's message without a traffic type, and a traffic type that
//     does not fit the use case, get 400.
//   - Revoking gets 404 once the message is delivered, revoked or expired, or if
//     it never was (RevokeAlwaysOK, RevokeUnknownOK). A revocation by hand
//     causes no event.
//   - Capabilities of someone who is no tester: 404 (CapabilitiesForbidden). A
//     network without launch: 404 (NotLaunchedForbidden).
//   - users.batchGet takes fewer than 500 numbers (BatchMinimum), refuses more than
//     10,000 and malformed ones, and counts repeated ones once.
//   - An invitation that was declined is refused with FAILED_PRECONDITION; the
//     limit of 20 a day is for any 24 hours.
//   - The IDs of Dialogflow's answers are the prefix, a hyphen and a number.
//   - The names of billing classes and carriers, and that basic messages have no class.
//   - Values of X-Goog-Webhook-Type, attributes of the envelope, 10 seconds for a
//     webhook to answer, 1 second as the first pause, doubled each time; the
//     bounds of 600 seconds and 7 days are documented. The answer to the handshake
//     is the bare secret (LenientHandshake).
//   - The packages of the types that the parser names.
//   - Expiry always works and is reported (Expiry); revocations win (RevokeRace).
package rbmtest
