// Package response turns results and errors into HTTP responses: the status, a stable
// code, the retry advice, and the texts. The policy is one table, in table.go.
package response

import (
	"net/http"
	"time"

	"github.com/rcshook/rcshook/internal/code"
)

// row describes a code.
type row struct {
	strict int // the status for callers that read it
	soft   int // the status for senders that would retry for days; 0 means strict
	retry  code.Retry
	wait   time.Duration // before a retry, if the error has no other time; 0 means no Retry-After
	title  string
	detail string // for failures that have no other detail
	action string // the next step
	advice string // more advice, which follows action
}

// seeLog is the action after errors whose cause is shown to operators only.
const seeLog = "Find request_id in the log of the function: the line has the cause. rcshook doctor names the fix."

// table is the whole policy. Soft responds with 200 to requests that can never succeed,
// so that the sender neither retries nor disables the webhook. Configuration errors are
// never a 200, so that the sender keeps the event.
var table = map[code.Code]row{
	code.Accepted:  {http.StatusOK, 0, code.RetryNone, 0, "Accepted", "", "", ""},
	code.Duplicate: {http.StatusOK, 0, code.RetryNone, 0, "Sent before", "", "", ""},
	code.DryRun:    {http.StatusOK, 0, code.RetryNone, 0, "Checked, not sent", "", "", ""},
	code.Revoked:   {http.StatusOK, 0, code.RetryNone, 0, "Revoked", "", "", ""},
	code.Document:  {http.StatusOK, 0, code.RetryNone, 0, "Served", "", "", ""},
	code.Ignored:   {http.StatusOK, 0, code.RetryNone, 0, "Nothing to send", "", "", ""},
	code.Fallback:  {http.StatusOK, 0, code.RetryNone, 0, "Sent to the fallback", "", "", ""},
	code.Queued:    {http.StatusOK, 0, code.RetryNone, 0, "Queued", "", "", ""},
	code.Received:  {http.StatusOK, 0, code.RetryNone, 0, "Received", "", "", ""},

	code.Reachable:   {http.StatusOK, 0, code.RetryNone, 0, "Reachable by RCS", "", "", ""},
	code.Unreachable: {http.StatusOK, 0, code.RetryNone, 0, "Not reachable by RCS", "", "", ""},

	code.Mixed: {
		http.StatusMultiStatus, http.StatusOK, code.RetryPerItem, 0, "The message was not sent to all recipients", "the recipients have different results",
		"Check each of the results. You can send the whole request again with the same idempotency_key: no recipient gets the message twice.", "",
	},

	code.InvalidBody: {
		http.StatusBadRequest, 0, code.RetryNever, 0, "The body is invalid", "expected a JSON object or a form",
		`Send one JSON object, such as {"to": "+12025550123", "text": "Hello"}, or a form with these fields.`, "",
	},
	code.BodyTimeout: {
		http.StatusRequestTimeout, 0, code.RetryNow, 0, "The body took too long to arrive", "it did not arrive before the deadline of the request",
		"Send the request again.", "",
	},
	code.UnsupportedMediaType: {
		http.StatusUnsupportedMediaType, 0, code.RetryNever, 0, "The content type is not supported", "expected JSON or a form",
		"Send application/json, application/x-www-form-urlencoded or multipart/form-data, without compression.", "",
	},
	code.PayloadTooLarge: {
		http.StatusRequestEntityTooLarge, 0, code.RetryNever, 0, "The body is too large", "expected at most 256 KiB",
		"Send at most 256 KiB. Send pictures and files as URLs, not as data.", "",
	},
	code.InvalidPayload: {
		http.StatusUnprocessableEntity, http.StatusOK, code.RetryNever, 0, "The payload is invalid", "a field is invalid",
		"Fix the fields in errors and send the request again.", "",
	},
	code.InvalidPhone: {
		http.StatusUnprocessableEntity, http.StatusOK, code.RetryNever, 0, "The phone number is invalid", "expected a number in E.164",
		"Write the number in E.164, such as +12025550123, or set its country.", "",
	},
	code.UnknownAgent: {
		http.StatusUnprocessableEntity, http.StatusOK, code.RetryNever, 0, "The agent is not configured", "the configuration has no agent of this name",
		"Remove agent to use the default one, or use a name from the configuration.", "",
	},
	code.Unauthorized: {
		http.StatusUnauthorized, 0, code.RetryNever, 0, "The API key is missing or wrong", "expected a key of this function",
		"Send a key of this function as Authorization: Bearer KEY, as X-API-Key: KEY, or as the password of Basic authentication.", "",
	},
	code.Forbidden: {
		http.StatusForbidden, 0, code.RetryNever, 0, "This caller may not do that", "it is outside the limits of the caller",
		"Change the request, or the limits of this caller under callers in rcshook.yaml.", "",
	},
	code.BadSignature: {
		http.StatusUnauthorized, 0, code.RetryNever, 0, "The signature is wrong", "it does not match the body and the secret of the source",
		"Compare the secret with the one at the sender, and check that no proxy in between changes the body.", "",
	},
	code.StaleSignature: {
		http.StatusUnauthorized, 0, code.RetryNever, 0, "The signature is too old", "its timestamp is too far from the current time",
		"Sign and send the request again. If every signature is reported as too old, check the clocks on both sides.", "",
	},
	code.ForbiddenDestination: {
		http.StatusUnprocessableEntity, http.StatusOK, code.RetryNever, 0, "Sending to this number is not allowed", "it or its country is not in the allow-list, or it is a premium-rate number",
		"Send to another number, or allow this one in the configuration: countries or recipients in rcshook.yaml, or RCSHOOK_ALLOW_PREMIUM_NUMBERS.", "",
	},
	code.NotFound: {
		http.StatusNotFound, 0, code.RetryNever, 0, "This path does not exist", "the function has no route for it",
		"Send messages with POST to the root path of this function.", "",
	},
	code.MethodNotAllowed: {
		http.StatusMethodNotAllowed, 0, code.RetryNever, 0, "This path does not support the method", "the Allow header lists the methods of this path",
		"Use one of the methods in the Allow header.", "",
	},

	code.RecipientOptedOut: {
		http.StatusUnprocessableEntity, http.StatusOK, code.RetryNever, 0, "The recipient opted out of these messages", "the opt-out covers all agents of the brand and this traffic type; a message without a traffic type counts as a promotion",
		"Do not send it by SMS or another agent of the brand either. The recipient can write START to get such messages again.", "",
	},
	code.RecipientUnreachable: {
		http.StatusUnprocessableEntity, http.StatusOK, code.RetryNever, 0, "This number cannot get RCS from this agent", "RCS Business Messaging cannot reach it",
		"Send an SMS, or check that the agent is launched on this carrier.", "",
	},
	code.AgentNotLaunched: {
		http.StatusUnprocessableEntity, http.StatusOK, code.RetryAfterFix, 0, "The agent is not launched on the carrier of this number", "RCS Business Messaging rejected the message",
		"Launch the agent on this carrier in the RCS for Business console, or send an SMS.", "",
	},
	code.RecipientNotTester: {
		http.StatusUnprocessableEntity, http.StatusOK, code.RetryAfterFix, 0, "The agent is not launched and this number is not one of its testers", "RCS Business Messaging rejected the message",
		"Invite the number as a tester in the RCS for Business console and accept on the phone, or launch the agent.", "",
	},
	code.FeatureUnsupported: {
		http.StatusUnprocessableEntity, http.StatusOK, code.RetryNever, 0, "The device of this number does not support a feature of the message", "RCS Business Messaging rejected the message",
		"Send a simpler message, without cards, files and actions, or an SMS.", "",
	},
	code.UpstreamRejected: {
		http.StatusUnprocessableEntity, http.StatusOK, code.RetryNever, 0, "RCS Business Messaging rejected the message", "the response has no details",
		"Read upstream.message. If the message looks right, report a bug of rcshook.", "",
	},
	code.UpstreamPermissionDenied: {
		http.StatusBadGateway, 0, code.RetryAfterFix, 0, "The credentials may not send as this agent", "RCS Business Messaging denied the request",
		"Check that the agent ID is right and that the service account belongs to the same partner account in the RCS for Business console.", "",
	},
	code.UpstreamAuthFailed: {
		http.StatusBadGateway, 0, code.RetryAfterFix, 0, "RCS Business Messaging rejected the credentials", "they are invalid, expired or disabled",
		"Make a new key for the service account in the RCS for Business console and add it to the secret as a new version.", "",
	},
	code.RateLimited: {
		http.StatusTooManyRequests, 0, code.RetryLater, 30 * time.Second, "The rate limit is exceeded", "too many messages of this agent or for this number",
		"Send the request again after the time in Retry-After, with the same idempotency_key if it had one.",
		"If this happens often, send more slowly, or ask the partner contact of the agent for a higher limit.",
	},
	code.UpstreamUnavailable: {
		http.StatusServiceUnavailable, 0, code.RetryLater, 10 * time.Second, "RCS Business Messaging is unavailable", "every attempt failed or got no response",
		"Send the request again after the time in Retry-After, with the same idempotency_key.", "",
	},
	code.UpstreamTimeout: {
		http.StatusGatewayTimeout, 0, code.RetryNow, time.Second, "RCS Business Messaging did not respond in time", "the deadline of the request has passed",
		"Send the request again with the same idempotency_key. The message arrives once, even if this attempt succeeded.", "",
	},
	code.FallbackUnavailable: {
		http.StatusServiceUnavailable, 0, code.RetryLater, 10 * time.Second, "RCS cannot deliver the message, and the fallback did not accept it", "the fallback failed or did not respond",
		"Send the request again after the time in Retry-After, with the same idempotency_key.", "",
	},
	code.FallbackNotArmed: {
		http.StatusServiceUnavailable, 0, code.RetryLater, 10 * time.Second, "The message has no fallback in time", "the queue did not take both of its tasks",
		"Send the request again after the time in Retry-After, with the same idempotency_key.", "",
	},
	code.TargetUnavailable: {
		http.StatusServiceUnavailable, 0, code.RetryLater, 10 * time.Second, "A target did not accept the event", "the target failed or did not respond",
		"Nothing is lost: the event is delivered again later. If this lasts, check the target.", "",
	},
	code.TargetRejected: {
		http.StatusUnprocessableEntity, http.StatusOK, code.RetryNever, 0, "A target rejected the event, which is not delivered to it", "the target responded that a retry cannot succeed",
		"Fix the target, or its map in rcshook.yaml. The function does not deliver this event to it again.", "",
	},
	code.Expired: {
		http.StatusUnprocessableEntity, http.StatusOK, code.RetryNever, 0, "The message expired before it was sent", "its ttl or expires_at has passed",
		"Send a new request if the message is still wanted. If the queue is too slow, raise its rate.", "",
	},
	code.AlreadyDelivered: {
		http.StatusConflict, 0, code.RetryNever, 0, "The message is already delivered, or was never sent", "RCS Business Messaging has no undelivered message with this ID",
		"A delivered message cannot be revoked, and neither can one that its fallback has sent, for example as an SMS.", "",
	},

	code.SecretNotFound:    {http.StatusInternalServerError, 0, code.RetryAfterFix, 0, "A secret of this function does not exist", "the log has the name of the secret", seeLog, ""},
	code.SecretDenied:      {http.StatusInternalServerError, 0, code.RetryAfterFix, 0, "This function may not read one of its secrets", "the log has the name of the secret", seeLog, ""},
	code.SecretInvalid:     {http.StatusInternalServerError, 0, code.RetryAfterFix, 0, "A secret of this function is invalid", "the log has the cause", seeLog, ""},
	code.SecretUnavailable: {http.StatusServiceUnavailable, 0, code.RetryLater, 10 * time.Second, "Secret Manager is unavailable", "the secret could not be read, and it is not cached", "Send the request again after the time in Retry-After.", ""},
	code.QueueNotFound:     {http.StatusInternalServerError, 0, code.RetryAfterFix, 0, "The queue of this function does not exist", "the log has the name of the queue", seeLog, ""},
	code.QueueDenied:       {http.StatusInternalServerError, 0, code.RetryAfterFix, 0, "This function may not use its queue", "the log has the cause", seeLog, ""},
	code.QueueRejected:     {http.StatusInternalServerError, 0, code.RetryAfterFix, 0, "The queue rejects tasks with this configuration", "the log has the cause", seeLog, ""},
	code.QueueUnavailable:  {http.StatusServiceUnavailable, 0, code.RetryLater, 10 * time.Second, "The queue is unavailable", "the task could not be created", "Send the request again after the time in Retry-After, with the same idempotency_key.", ""},
	code.OptOutUnavailable: {
		http.StatusServiceUnavailable, 0, code.RetryLater, 10 * time.Second, "The opt-outs cannot be read or stored", "the log has the cause",
		"Send the request again after the time in Retry-After, with the same idempotency_key. Nothing was sent.", "",
	},
	code.Misconfigured: {
		http.StatusInternalServerError, 0, code.RetryAfterFix, 0, "This function is not configured correctly", "a setting is missing or invalid",
		"Fix the settings in errors and deploy again.", "",
	},
	code.Overloaded: {
		http.StatusServiceUnavailable, 0, code.RetryLater, time.Second, "Too many requests in progress", "all capacity is in use",
		"Send the request again after the time in Retry-After. Nothing was sent.", "",
	},
	code.Internal: {
		http.StatusInternalServerError, 0, code.RetryLater, 0, "Internal error of rcshook", "the log has the cause",
		"Send the request again later with the same idempotency_key. If the error persists, report the request_id.", "",
	},
}

// Codes returns all codes, unordered.
func Codes() []code.Code {
	codes := make([]code.Code, 0, len(table))
	for c := range table {
		codes = append(codes, c)
	}
	return codes
}
