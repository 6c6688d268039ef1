// Package code names the results of requests: a stable code for each, and the advice
// about retrying. Every other package may import it.
package code

// Code names the result of a request. Codes are stable: callers branch on them.
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
