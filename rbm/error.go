package rbm

import (
	"errors"
	"time"
)

// What went wrong, for [errors.Is]. An [Error] is exactly one of these, except
// that the caller's own cancellation is none of them.
var (
	// ErrUnreachable means that the user cannot be reached by this agent: no RCS,
	// RCS switched off, or the agent is not launched on the user's network. 404.
	ErrUnreachable = errors.New("rbm: the user cannot be reached by RCS from this agent")

	// ErrAlreadyDelivered means that a message was delivered before it could be
	// revoked. 404 on delete.
	ErrAlreadyDelivered = errors.New("rbm: the message was delivered already")

	// ErrNotTester means that the agent is not launched and the user is not one
	// of its testers. 403.
	ErrNotTester = errors.New("rbm: the agent is not launched and the user is not one of its testers")

	// ErrNotLaunched means that the agent is not launched. 403.
	ErrNotLaunched = errors.New("rbm: the agent is not launched")

	// ErrPermissionDenied means that the credentials may not act for the agent,
	// or that there is no such agent. 403 for any other reason.
	ErrPermissionDenied = errors.New("rbm: permission denied")

	// ErrUnauthenticated means that the token is missing, wrong or expired. 401.
	ErrUnauthenticated = errors.New("rbm: the access token was not accepted")

	// ErrFeatureUnsupported means that the user's device lacks something that
	// the message uses. 400.
	ErrFeatureUnsupported = errors.New("rbm: the user's device lacks a feature that the message uses")

	// ErrInvalidArgument means that the platform refused the request. 400 for
	// any other reason.
	ErrInvalidArgument = errors.New("rbm: the request was refused")

	// ErrAlreadyExists means that the message ID was used before, so the message
	// is with the platform already. 409.
	ErrAlreadyExists = errors.New("rbm: the ID was used before")

	// ErrRateLimited means that a limit of the platform is reached. 429.
	ErrRateLimited = errors.New("rbm: a limit is reached")

	// ErrUnavailable means that the platform or the way to it is in trouble. 5xx,
	// a broken connection, an answer that cannot be read.
	ErrUnavailable = errors.New("rbm: the platform is not available")

	// ErrTimeout means that time ran out: the caller's, or that of every attempt.
	ErrTimeout = errors.New("rbm: time ran out")

	// ErrInvalidPhone means that a phone number is not in E.164 form. Nothing was sent.
	ErrInvalidPhone = errors.New("rbm: the phone number is not in E.164 form, such as +12025550123")

	// ErrInvalidID means that a message, event or file ID is not usable. Nothing was sent.
	ErrInvalidID = errors.New("rbm: the ID is not a UUID or a similar word of letters, digits, - and _")
)

// Error is the failure of a call.
type Error struct {
	// Method is the call, by its name in the reference, such as
	// phones.agentMessages.create.
	Method string

	// StatusCode is the HTTP status; 0 if no answer came.
	StatusCode int

	// Status is Google's word for the error, such as NOT_FOUND.
	Status string

	// Reason is Google's word for the cause, such as SERVICE_DISABLED, if given.
	Reason string

	// Message is Google's own text. It may quote what was sent, so [Error.Error]
	// leaves it out and it does not belong into a log.
	Message string

	// RetryAfter is how long the platform asked to wait; 0 if it did not say.
	RetryAfter time.Duration

	// Attempts is how often the call was tried.
	Attempts int

	// Foreign says that the answer did not come from the API: it is the page of a
	// proxy, or the endpoint is wrong.
	Foreign bool

	// Err is what broke the connection, or ended the wait, if no complete answer
	// came. Its text may hold the URL of the request.
	Err error
}
