// Package outcome decides how a request is answered: the HTTP status, a stable
// code, the advice about retrying, and the words. Everything it decides stands in
// one table.
package outcome

import "net/http"

// Code names what happened. Codes are stable: callers branch on them.
type Code string

// The codes of requests that succeeded.
const (
	Accepted  Code = "accepted"
	Duplicate Code = "duplicate"
	DryRun    Code = "dry_run"
	Revoked   Code = "revoked"
	Mixed     Code = "mixed"  // several recipients fared differently
	Served    Code = "served" // a document, not an answer
	Ignored   Code = "ignored"
	Fallback  Code = "fallback"
	Queued    Code = "queued"
)

// The codes of requests that failed.
const (
	InvalidBody              Code = "invalid_body"
	BodyTimeout              Code = "body_timeout"
	UnsupportedMediaType     Code = "unsupported_media_type"
	PayloadTooLarge          Code = "payload_too_large"
	InvalidPayload           Code = "invalid_payload"
	InvalidPhone             Code = "invalid_phone"
	UnknownAgent             Code = "unknown_agent"
	Unauthorized             Code = "unauthorized"
	NotFound                 Code = "not_found"
	MethodNotAllowed         Code = "method_not_allowed"
	RecipientUnreachable     Code = "recipient_unreachable"
	AgentNotLaunched         Code = "agent_not_launched"
	RecipientNotTester       Code = "recipient_not_tester"
	FeatureUnsupported       Code = "feature_unsupported"
	UpstreamRejected         Code = "upstream_rejected"
	UpstreamPermissionDenied Code = "upstream_permission_denied"
	UpstreamAuthFailed       Code = "upstream_auth_failed"
	RateLimited              Code = "rate_limited"
	UpstreamUnavailable      Code = "upstream_unavailable"
	UpstreamTimeout          Code = "upstream_timeout"
	SecretNotFound           Code = "secret_not_found"
	SecretDenied             Code = "secret_denied"
	SecretInvalid            Code = "secret_invalid"
	SecretUnavailable        Code = "secret_unavailable"
	AlreadyDelivered         Code = "already_delivered"
	Misconfigured            Code = "misconfigured"
	BadSignature             Code = "bad_signature"
	StaleSignature           Code = "stale_signature"
	ForbiddenDestination     Code = "forbidden_destination"
	FallbackUnavailable      Code = "fallback_unavailable"
	Overloaded               Code = "overloaded"
	QueueNotFound            Code = "queue_not_found"
	QueueDenied              Code = "queue_denied"
	QueueRejected            Code = "queue_rejected"
	QueueUnavailable         Code = "queue_unavailable"
	Expired                  Code = "expired"
	Internal                 Code = "internal"
)

// Retry tells the caller whether sending the same request again makes sense.
type Retry string

// The advices about retrying.
const (
	RetryNone     Retry = "none"      // it is done
	RetryNever    Retry = "never"     // it will fail in the same way
	RetryNow      Retry = "now"       // at once, with the same key
	RetryLater    Retry = "later"     // after the time in Retry-After
	RetryAfterFix Retry = "after_fix" // once an operator has mended the set-up
	RetryPerItem  Retry = "per_item"  // each of the results says
)

// row is what a code means.
type row struct {
	strict int // the status for callers that act on it
	soft   int // the status for senders that would retry for days; 0: the same
	retry  Retry
	title  string
	action string // the next step
}

// table is the whole policy. Soft acknowledges with 200 what can never succeed,
// so that a sender neither retries it nor switches the webhook off; faults of the
// set-up stay errors, so that the sender keeps the event.
var table = map[Code]row{
	Accepted:  {http.StatusOK, 0, RetryNone, "Accepted", ""},
	Duplicate: {http.StatusOK, 0, RetryNone, "Sent before", ""},
	DryRun:    {http.StatusOK, 0, RetryNone, "Checked, not sent", ""},
	Revoked:   {http.StatusOK, 0, RetryNone, "Revoked", ""},
	Served:    {http.StatusOK, 0, RetryNone, "Served", ""},
	Ignored:   {http.StatusOK, 0, RetryNone, "Nothing to send", ""},
	Fallback:  {http.StatusOK, 0, RetryNone, "Given to the fallback", ""},
	Queued:    {http.StatusOK, 0, RetryNone, "Waits in the queue", ""},
	Mixed: {
		http.StatusMultiStatus, http.StatusOK, RetryPerItem, "Not every recipient got the message",
		"Look at each of the results. Sending the whole request again with the same idempotency_key reaches nobody twice.",
	},

	InvalidBody: {
		http.StatusBadRequest, 0, RetryNever, "The body cannot be read",
		`Send one JSON object, such as {"to": "+12025550123", "text": "Hello"}, or a form with those fields.`,
	},
	BodyTimeout: {
		http.StatusRequestTimeout, 0, RetryNow, "The body did not arrive in time",
		"Send it again.",
	},
	UnsupportedMediaType: {
		http.StatusUnsupportedMediaType, 0, RetryNever, "This content type cannot be read",
		"Send application/json, application/x-www-form-urlencoded or multipart/form-data, without compression.",
	},
	PayloadTooLarge: {
		http.StatusRequestEntityTooLarge, 0, RetryNever, "The body is too large",
		"Send at most 256 KiB. Pictures and files go as URLs, not as data.",
	},
	InvalidPayload: {
		http.StatusUnprocessableEntity, http.StatusOK, RetryNever, "The payload has faults",
		"Correct what errors lists and send it again.",
	},
	InvalidPhone: {
		http.StatusUnprocessableEntity, http.StatusOK, RetryNever, "This is not a phone number that can be sent to",
		"Write the number in E.164, such as +12025550123, or name its country.",
	},
	UnknownAgent: {
		http.StatusUnprocessableEntity, http.StatusOK, RetryNever, "There is no such agent",
		"Leave agent out to use the default one, or use a name from the configuration.",
	},
	Unauthorized: {
		http.StatusUnauthorized, 0, RetryNever, "The caller's key is missing or wrong",
		"Send a key of this function as Authorization: Bearer KEY, as X-API-Key: KEY, or as the password of Basic authentication.",
	},
	BadSignature: {
		http.StatusUnauthorized, 0, RetryNever, "The signature is wrong",
		"Compare the secret with the one at the sender, and see that nothing in between changes the body.",
	},
	StaleSignature: {
		http.StatusUnauthorized, 0, RetryNever, "The signature is too old",
		"Send again, signed anew. If all signatures are too old, set the clocks.",
	},
	ForbiddenDestination: {
		http.StatusUnprocessableEntity, http.StatusOK, RetryNever, "Numbers of this country are not sent to",
		"Send to a country of the allow-list, or add this one to countries in the configuration.",
	},
	NotFound: {
		http.StatusNotFound, 0, RetryNever, "There is nothing at this path",
		"Send messages with POST to the root path of this function.",
	},
	MethodNotAllowed: {
		http.StatusMethodNotAllowed, 0, RetryNever, "This method is not served here",
		"Use one of the methods in the Allow header.",
	},

	RecipientUnreachable: {
		http.StatusUnprocessableEntity, http.StatusOK, RetryNever, "This number cannot get RCS from this agent",
		"Send an SMS, or check that the agent is launched on this carrier.",
	},
	AgentNotLaunched: {
		http.StatusUnprocessableEntity, http.StatusOK, RetryAfterFix, "The agent is not launched on the carrier of this number",
		"Launch the agent on this carrier in the RCS for Business console, or send an SMS.",
	},
	RecipientNotTester: {
		http.StatusUnprocessableEntity, http.StatusOK, RetryAfterFix, "The agent is not launched and this number is not one of its testers",
		"Invite the number as a tester in the RCS for Business console and accept on the phone, or launch the agent.",
	},
	FeatureUnsupported: {
		http.StatusUnprocessableEntity, http.StatusOK, RetryNever, "The device of this number lacks a feature of the message",
		"Send a plainer message, without cards, files and actions, or an SMS.",
	},
	UpstreamRejected: {
		http.StatusUnprocessableEntity, http.StatusOK, RetryNever, "RCS Business Messaging refused the message",
		"Read upstream.message; if the message looks right, report it as a bug of rcshook.",
	},
	UpstreamPermissionDenied: {
		http.StatusBadGateway, 0, RetryAfterFix, "The credentials may not send as this agent",
		"Check that the agent ID is right and that the service account belongs to the same partner account in the RCS for Business console.",
	},
	UpstreamAuthFailed: {
		http.StatusBadGateway, 0, RetryAfterFix, "RCS Business Messaging does not accept the credentials",
		"Make a new key for the service account in the RCS for Business console and add it to the secret as a new version.",
	},
	RateLimited: {
		http.StatusTooManyRequests, 0, RetryLater, "A limit on messages is reached",
		"Send again after the time in Retry-After, with the same idempotency_key if there was one. " +
			"If it comes often, send more slowly, or ask the partner contact of the agent for a higher limit.",
	},
	UpstreamUnavailable: {
		http.StatusServiceUnavailable, 0, RetryLater, "RCS Business Messaging is not available",
		"Send again after the time in Retry-After, with the same idempotency_key.",
	},
	UpstreamTimeout: {
		http.StatusGatewayTimeout, 0, RetryNow, "RCS Business Messaging did not answer in time",
		"Send again with the same idempotency_key: the message arrives once, whether or not this attempt got through.",
	},
	FallbackUnavailable: {
		http.StatusServiceUnavailable, 0, RetryLater, "RCS cannot deliver the message, and the fallback did not take it",
		"Send again after the time in Retry-After, with the same idempotency_key.",
	},
	Expired: {
		http.StatusUnprocessableEntity, http.StatusOK, RetryNever, "The message expired before it was sent",
		"Send it anew if it is still wanted; if the queue is too slow, raise its rate.",
	},
	AlreadyDelivered: {
		http.StatusConflict, 0, RetryNever, "The message is delivered already, or was never sent",
		"A delivered message cannot be taken back.",
	},

	SecretNotFound:    {http.StatusInternalServerError, 0, RetryAfterFix, "A secret of this function does not exist", ""},
	SecretDenied:      {http.StatusInternalServerError, 0, RetryAfterFix, "This function may not read one of its secrets", ""},
	SecretInvalid:     {http.StatusInternalServerError, 0, RetryAfterFix, "A secret of this function cannot be used", ""},
	SecretUnavailable: {http.StatusServiceUnavailable, 0, RetryLater, "Secret Manager is not available", "Send again after the time in Retry-After."},
	QueueNotFound:     {http.StatusInternalServerError, 0, RetryAfterFix, "The queue of this function does not exist", ""},
	QueueDenied:       {http.StatusInternalServerError, 0, RetryAfterFix, "This function may not use its queue", ""},
	QueueRejected:     {http.StatusInternalServerError, 0, RetryAfterFix, "The queue does not take the message as it is set up", ""},
	QueueUnavailable:  {http.StatusServiceUnavailable, 0, RetryLater, "The queue is not available", "Send again after the time in Retry-After, with the same idempotency_key."},
	Misconfigured: {
		http.StatusInternalServerError, 0, RetryAfterFix, "This function is not set up",
		"Set what errors lists and deploy again.",
	},
	Overloaded: {
		http.StatusServiceUnavailable, 0, RetryLater, "Too many requests at once",
		"Send again after the time in Retry-After; nothing was done.",
	},
	Internal: {
		http.StatusInternalServerError, 0, RetryLater, "Something went wrong inside rcshook",
		"Send again later with the same idempotency_key. If it stays, report the request_id.",
	},
}

// Codes returns every code there is, in no order.
func Codes() []Code {
	codes := make([]Code, 0, len(table))
	for code := range table {
		codes = append(codes, code)
	}
	return codes
}
