// Package response decides how a request is answered: the HTTP status, a stable
// code, the advice about retrying, and the words. Everything it decides stands in
// one table.
package response

import (
	"net/http"

	"github.com/rcshook/rcshook/internal/code"
)

// row is what a code means.
type row struct {
	strict int // the status for callers that act on it
	soft   int // the status for senders that would retry for days; 0: the same
	retry  code.Retry
	title  string
	action string // the next step
}

// table is the whole policy. Soft acknowledges with 200 what can never succeed,
// so that a sender neither retries it nor switches the webhook off; faults of the
// set-up stay errors, so that the sender keeps the event.
var table = map[code.Code]row{
	code.Accepted:  {http.StatusOK, 0, code.RetryNone, "Accepted", ""},
	code.Duplicate: {http.StatusOK, 0, code.RetryNone, "Sent before", ""},
	code.DryRun:    {http.StatusOK, 0, code.RetryNone, "Checked, not sent", ""},
	code.Revoked:   {http.StatusOK, 0, code.RetryNone, "Revoked", ""},
	code.Served:    {http.StatusOK, 0, code.RetryNone, "Served", ""},
	code.Ignored:   {http.StatusOK, 0, code.RetryNone, "Nothing to send", ""},
	code.Fallback:  {http.StatusOK, 0, code.RetryNone, "Given to the fallback", ""},
	code.Queued:    {http.StatusOK, 0, code.RetryNone, "Waits in the queue", ""},
	code.Mixed: {
		http.StatusMultiStatus, http.StatusOK, code.RetryPerItem, "Not every recipient got the message",
		"Look at each of the results. Sending the whole request again with the same idempotency_key reaches nobody twice.",
	},

	code.InvalidBody: {
		http.StatusBadRequest, 0, code.RetryNever, "The body cannot be read",
		`Send one JSON object, such as {"to": "+12025550123", "text": "Hello"}, or a form with those fields.`,
	},
	code.BodyTimeout: {
		http.StatusRequestTimeout, 0, code.RetryNow, "The body did not arrive in time",
		"Send it again.",
	},
	code.UnsupportedMediaType: {
		http.StatusUnsupportedMediaType, 0, code.RetryNever, "This content type cannot be read",
		"Send application/json, application/x-www-form-urlencoded or multipart/form-data, without compression.",
	},
	code.PayloadTooLarge: {
		http.StatusRequestEntityTooLarge, 0, code.RetryNever, "The body is too large",
		"Send at most 256 KiB. Pictures and files go as URLs, not as data.",
	},
	code.InvalidPayload: {
		http.StatusUnprocessableEntity, http.StatusOK, code.RetryNever, "The payload has faults",
		"Correct what errors lists and send it again.",
	},
	code.InvalidPhone: {
		http.StatusUnprocessableEntity, http.StatusOK, code.RetryNever, "This is not a phone number that can be sent to",
		"Write the number in E.164, such as +12025550123, or name its country.",
	},
	code.UnknownAgent: {
		http.StatusUnprocessableEntity, http.StatusOK, code.RetryNever, "There is no such agent",
		"Leave agent out to use the default one, or use a name from the configuration.",
	},
	code.Unauthorized: {
		http.StatusUnauthorized, 0, code.RetryNever, "The caller's key is missing or wrong",
		"Send a key of this function as Authorization: Bearer KEY, as X-API-Key: KEY, or as the password of Basic authentication.",
	},
	code.BadSignature: {
		http.StatusUnauthorized, 0, code.RetryNever, "The signature is wrong",
		"Compare the secret with the one at the sender, and see that nothing in between changes the body.",
	},
	code.StaleSignature: {
		http.StatusUnauthorized, 0, code.RetryNever, "The signature is too old",
		"Send again, signed anew. If all signatures are too old, set the clocks.",
	},
	code.ForbiddenDestination: {
		http.StatusUnprocessableEntity, http.StatusOK, code.RetryNever, "Numbers of this country are not sent to",
		"Send to a country of the allow-list, or add this one to countries in the configuration.",
	},
	code.NotFound: {
		http.StatusNotFound, 0, code.RetryNever, "There is nothing at this path",
		"Send messages with POST to the root path of this function.",
	},
	code.MethodNotAllowed: {
		http.StatusMethodNotAllowed, 0, code.RetryNever, "This method is not served here",
		"Use one of the methods in the Allow header.",
	},

	code.RecipientUnreachable: {
		http.StatusUnprocessableEntity, http.StatusOK, code.RetryNever, "This number cannot get RCS from this agent",
		"Send an SMS, or check that the agent is launched on this carrier.",
	},
	code.AgentNotLaunched: {
		http.StatusUnprocessableEntity, http.StatusOK, code.RetryAfterFix, "The agent is not launched on the carrier of this number",
		"Launch the agent on this carrier in the RCS for Business console, or send an SMS.",
	},
	code.RecipientNotTester: {
		http.StatusUnprocessableEntity, http.StatusOK, code.RetryAfterFix, "The agent is not launched and this number is not one of its testers",
		"Invite the number as a tester in the RCS for Business console and accept on the phone, or launch the agent.",
	},
	code.FeatureUnsupported: {
		http.StatusUnprocessableEntity, http.StatusOK, code.RetryNever, "The device of this number lacks a feature of the message",
		"Send a plainer message, without cards, files and actions, or an SMS.",
	},
	code.UpstreamRejected: {
		http.StatusUnprocessableEntity, http.StatusOK, code.RetryNever, "RCS Business Messaging refused the message",
		"Read upstream.message; if the message looks right, report it as a bug of rcshook.",
	},
	code.UpstreamPermissionDenied: {
		http.StatusBadGateway, 0, code.RetryAfterFix, "The credentials may not send as this agent",
		"Check that the agent ID is right and that the service account belongs to the same partner account in the RCS for Business console.",
	},
	code.UpstreamAuthFailed: {
		http.StatusBadGateway, 0, code.RetryAfterFix, "RCS Business Messaging does not accept the credentials",
		"Make a new key for the service account in the RCS for Business console and add it to the secret as a new version.",
	},
	code.RateLimited: {
		http.StatusTooManyRequests, 0, code.RetryLater, "A limit on messages is reached",
		"Send again after the time in Retry-After, with the same idempotency_key if there was one. " +
			"If it comes often, send more slowly, or ask the partner contact of the agent for a higher limit.",
	},
	code.UpstreamUnavailable: {
		http.StatusServiceUnavailable, 0, code.RetryLater, "RCS Business Messaging is not available",
		"Send again after the time in Retry-After, with the same idempotency_key.",
	},
	code.UpstreamTimeout: {
		http.StatusGatewayTimeout, 0, code.RetryNow, "RCS Business Messaging did not answer in time",
		"Send again with the same idempotency_key: the message arrives once, whether or not this attempt got through.",
	},
	code.FallbackUnavailable: {
		http.StatusServiceUnavailable, 0, code.RetryLater, "RCS cannot deliver the message, and the fallback did not take it",
		"Send again after the time in Retry-After, with the same idempotency_key.",
	},
	code.Expired: {
		http.StatusUnprocessableEntity, http.StatusOK, code.RetryNever, "The message expired before it was sent",
		"Send it anew if it is still wanted; if the queue is too slow, raise its rate.",
	},
	code.AlreadyDelivered: {
		http.StatusConflict, 0, code.RetryNever, "The message is delivered already, or was never sent",
		"A delivered message cannot be taken back.",
	},

	code.SecretNotFound:    {http.StatusInternalServerError, 0, code.RetryAfterFix, "A secret of this function does not exist", ""},
	code.SecretDenied:      {http.StatusInternalServerError, 0, code.RetryAfterFix, "This function may not read one of its secrets", ""},
	code.SecretInvalid:     {http.StatusInternalServerError, 0, code.RetryAfterFix, "A secret of this function cannot be used", ""},
	code.SecretUnavailable: {http.StatusServiceUnavailable, 0, code.RetryLater, "Secret Manager is not available", "Send again after the time in Retry-After."},
	code.QueueNotFound:     {http.StatusInternalServerError, 0, code.RetryAfterFix, "The queue of this function does not exist", ""},
	code.QueueDenied:       {http.StatusInternalServerError, 0, code.RetryAfterFix, "This function may not use its queue", ""},
	code.QueueRejected:     {http.StatusInternalServerError, 0, code.RetryAfterFix, "The queue does not take the message as it is set up", ""},
	code.QueueUnavailable:  {http.StatusServiceUnavailable, 0, code.RetryLater, "The queue is not available", "Send again after the time in Retry-After, with the same idempotency_key."},
	code.Misconfigured: {
		http.StatusInternalServerError, 0, code.RetryAfterFix, "This function is not set up",
		"Set what errors lists and deploy again.",
	},
	code.Overloaded: {
		http.StatusServiceUnavailable, 0, code.RetryLater, "Too many requests at once",
		"Send again after the time in Retry-After; nothing was done.",
	},
	code.Internal: {
		http.StatusInternalServerError, 0, code.RetryLater, "Something went wrong inside rcshook",
		"Send again later with the same idempotency_key. If it stays, report the request_id.",
	},
}

// Codes returns every code there is, in no order.
func Codes() []code.Code {
	codes := make([]code.Code, 0, len(table))
	for c := range table {
		codes = append(codes, c)
	}
	return codes
}
