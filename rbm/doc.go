// Package rbm is a client of Google's RCS Business Messaging API, version 1, also
// sold as RCS for Business: it sends messages to the phones of users, in the name
// of an agent, and reads what users do with them.
//
// It needs an agent, and a service account key of the partner that owns the agent,
// both made in the console of RCS for Business.
//
//	client, err := rbm.New(rbm.Config{AgentID: "harbour_k3x9a1bc_agent", Token: token})
//	...
//	id := rbm.MessageID("harbour_k3x9a1bc_agent", "+12025550123", "order-1042-shipped")
//	sent, err := client.SendMessage(ctx, "+12025550123", id, rbm.Text("Your order has shipped."))
//
// # Identity
//
// Every call is made for one agent, [Config.AgentID], with an OAuth 2.0 access token
// of the one scope [Scope]. The package finds no credentials by itself: either
// [Config.Token] returns a token, or [Config.HTTPClient] authorises its requests, as
// one made from the key file by golang.org/x/oauth2/google does:
//
//	key, err := google.JWTConfigFromJSON(keyFile, rbm.Scope)
//	...
//	client, err := rbm.New(rbm.Config{AgentID: agentID, HTTPClient: key.Client(ctx)})
//
// One key serves all agents of a partner. Users are known by their phone number in
// E.164 form, with the plus sign. [Config.Region] selects the host nearest to the
// caller; [Client.BatchGetUsers] needs that of the numbers. [NewTransport] returns
// a transport that is set up for the hosts of Google.
//
// # Messages
//
// An [AgentMessage] has the fields of the reference, under their names. Where
// the nesting hurts, [Text], [Card], [Carousel], [FileAt], [MediaAt], [Reply],
// [OpenURL] and [Dial] build it. [ParseAgentMessage] reads a message from JSON as
// leniently as the platform does.
//
// # Message IDs
//
// Whoever sends chooses the ID of the message, and the platform ignores a message
// whose ID the agent has used before. That is what makes sending safe to repeat:
// with the same ID, however often, the message arrives once. [MessageID] computes
// the ID from what the message is about, so that nothing has to be stored.
//
// # Errors and retries
//
// A call that fails in a way that may pass is repeated within the time that its
// context leaves, with the same ID, and with growing, random pauses; see [Retry].
// [Config.Observe] sees each attempt.
//
// What then remains is for the caller to decide, by [errors.Is]:
//
//	ErrUnreachable                       use another channel, such as SMS
//	ErrFeatureUnsupported                send something simpler
//	ErrInvalidArgument                   correct the message; see AgentMessage.Check
//	ErrNotTester, ErrNotLaunched         invite the tester, launch the agent
//	ErrUnauthenticated                   get a new token
//	ErrPermissionDenied                  check the agent ID and the service account
//	ErrAlreadyExists                     nothing: the platform has the message
//	ErrRateLimited                       send again later, with the same ID
//	ErrUnavailable, ErrTimeout           the same; the message may have arrived
//
// The details are in [Error], by [errors.As]. The text of an Error holds neither
// phone numbers nor anything that was sent.
//
// # Limits
//
// The limits of the platform are constants such as [MaxText]. [AgentMessage.Check]
// reports all that a message breaks before anything is sent, and
// [CheckAgentMessage] does so for JSON, with pointers to the values as they were
// sent. The unit of lengths is the character, that is the Unicode code point.
//
// # Webhooks
//
// The platform reports deliveries, answers and expiries to a webhook. [Webhook] is
// an [net/http.Handler] for it. It is made of [Handshake], [VerifySignature] and
// [ParseWebhook], which also work without it.
//
// # Testing
//
// Package [github.com/rcshook/rcshook/rbm/rbmtest] imitates the platform, for tests
// and for trials without an account. [Config.Endpoint] leads the client there.
//
// # Assumptions
//
// Google's documents leave some questions open. What is taken for granted here
// without having been found written is marked with the word Assumption in the
// comment of the symbol that it concerns.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest
package rbm
