// Package rbm is a client for version 1 of Google's RCS Business Messaging API, also
// called RCS for Business. It sends messages from an agent to the phones of users, and
// parses the events that the platform sends back.
//
// It needs an agent and a service account key of the partner that owns it. Both are
// created in the RCS for Business console.
//
//	client, err := rbm.New(rbm.Config{AgentID: "harborline_k3x9a1bc_agent", Token: token})
//	...
//	id := client.MessageID(phone, "order-1042-shipped")
//	sent, err := client.SendMessage(ctx, phone, id, rbm.Text("Your order has shipped."))
//
// # Credentials
//
// A client sends as one agent, [Config.AgentID], with an OAuth 2.0 access token of the
// scope [Scope]. The package does not search for credentials. Either [Config.Token]
// returns a token, or [Config.HTTPClient] authorizes the requests, as a client of
// golang.org/x/oauth2/google does:
//
//	key, err := google.JWTConfigFromJSON(keyFile, rbm.Scope)
//	...
//	client, err := rbm.New(rbm.Config{AgentID: agentID, HTTPClient: key.Client(ctx)})
//
// One key is valid for all agents of a partner. Phone numbers are in E.164 form with the
// plus sign. [Config.Region] selects the host nearest to the caller;
// [Client.BatchGetUsers] needs the region of the numbers. [NewTransport] returns a
// transport with settings for these hosts.
//
// # Messages
//
// An [AgentMessage] has the fields of the reference, with the same names. [Text],
// [Card], [Carousel], [FileAt], [MediaAt], [Reply], [ReplyWith], [OpenURL] and [Dial]
// build the usual ones. [ParseAgentMessage] parses a message in JSON as leniently as the
// platform does.
//
// # Message IDs
//
// The caller chooses the ID of a message, and the platform ignores a message whose ID
// the agent has used before. Sending is therefore safe to repeat: with the same ID the
// message arrives once. [Client.MessageID] computes the ID from the purpose of the
// message, so that it need not be stored.
//
// # Errors and retries
//
// The client retries a temporary failure with the same ID and with growing, random
// pauses, as long as the context allows; see [Retry]. [Config.Observe] gets each attempt.
//
// Handle the remaining errors by [errors.Is]:
//
//	ErrUnreachable                       use another channel, such as SMS
//	ErrFeatureUnsupported                send a simpler message
//	ErrInvalidArgument                   fix the message; see InvalidMessageError
//	ErrNotTester, ErrNotLaunched         invite the tester, launch the agent
//	ErrUnauthenticated                   get a new token
//	ErrPermissionDenied                  check the agent ID and the service account
//	ErrAlreadyExists                     do nothing: the platform has the message
//	ErrRateLimited                       send again later, with the same ID
//	ErrUnavailable, ErrTimeout           the same; the message may have arrived
//
// [errors.AsType] finds the details in [*Error] and [*InvalidMessageError]. Their texts
// contain neither phone numbers nor parts of the message.
//
// # Limits
//
// The limits of the platform are constants such as [MaxText]. [Client.SendMessage]
// checks a message before it is sent. [AgentMessage.Check] reports every violation
// without sending, and [CheckAgentMessage] does so for JSON, with pointers to the values
// as they were sent. The unit of lengths is the character, that is the Unicode code point.
//
// # Webhooks
//
// The platform sends deliveries, replies and expiries to a webhook. [Webhook] is an
// [net/http.Handler] for it. Its parts [Handshake], [VerifySignature] and [ParseWebhook]
// also work separately.
//
// # Testing
//
// Package [github.com/rcshook/rcshook/rbm/rbmtest] simulates the platform, for tests and
// for trials without an account. Set [Config.Endpoint] to its URL.
//
// # Assumptions
//
// Google's documents leave some questions open. Where this package had to assume the
// behavior of the platform, the comment of the symbol contains the word Assumption.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest
package rbm
