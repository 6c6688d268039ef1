// Package code names the results of requests: a stable code for each, and the advice
// about retrying. Every other package may import it.
package code

import (
	"fmt"
	"runtime"
	"strings"
)

// Code names the result of a request. Codes are stable: callers branch on them.
type Code string

// The codes of requests that succeeded.
const (
	Accepted  Code = "accepted"
	Duplicate Code = "duplicate"
	DryRun    Code = "dry_run"
	Revoked   Code = "revoked"
	Mixed     Code = "mixed"  // the recipients have different results
	Document  Code = "served" // a document that is not about a message
	Ignored   Code = "ignored"
	Fallback  Code = "fallback"
	Queued    Code = "queued"
	Received  Code = "received" // an event

	Reachable   Code = "reachable" // by RCS
	Unreachable Code = "unreachable"
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
	Forbidden                Code = "forbidden"
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
	FallbackNotArmed         Code = "fallback_not_armed"
	Overloaded               Code = "overloaded"
	QueueNotFound            Code = "queue_not_found"
	QueueDenied              Code = "queue_denied"
	QueueRejected            Code = "queue_rejected"
	QueueUnavailable         Code = "queue_unavailable"
	Expired                  Code = "expired"
	TargetUnavailable        Code = "target_unavailable"
	TargetRejected           Code = "target_rejected"
	RecipientOptedOut        Code = "recipient_opted_out"
	OptOutUnavailable        Code = "opt_out_unavailable"
	Internal                 Code = "internal"
)

// Retry is the advice whether to send the same request again.
type Retry string

// The values of Retry.
const (
	RetryNone     Retry = "none"      // nothing is left to do
	RetryNever    Retry = "never"     // it would fail again
	RetryNow      Retry = "now"       // immediately, with the same key
	RetryLater    Retry = "later"     // after the time in Retry-After
	RetryAfterFix Retry = "after_fix" // after an operator has fixed the configuration
	RetryPerItem  Retry = "per_item"  // see the retry of each result
)

// PanicError returns the error for a recovered panic with value v. It must be called
// by the deferred function that recovered. The value may contain personal data, so the
// error has only its type and the functions that were on the stack.
func PanicError(v any) error {
	pcs := make([]uintptr, 64)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs)])
	var stack []string
	panicked := false
	for frame, more := frames.Next(); more && len(stack) < 5; frame, more = frames.Next() {
		if panicked && !strings.HasPrefix(frame.Function, "runtime.") {
			stack = append(stack, fmt.Sprintf("%s:%d", frame.Function, frame.Line))
		}
		panicked = panicked || frame.Function == "runtime.gopanic"
	}
	return fmt.Errorf("panic with a %T at %s", v, strings.Join(stack, " < "))
}
