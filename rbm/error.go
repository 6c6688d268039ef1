package rbm

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// What went wrong, for [errors.Is]. An [Error] is one of those that name a
// status, or none if the caller's own context was cancelled during an attempt. A
// context that ends between two attempts leaves the failure of the last one, and the
// error is that of the context as well.
var (
	// ErrUnreachable means that the user cannot be reached by this agent: no RCS,
	// RCS switched off, or the agent is not launched on the user's network. 404.
	ErrUnreachable = errors.New("rbm: the user cannot be reached by RCS from this agent")

	// ErrAlreadyDelivered means that a message was delivered before it could be
	// revoked. 404 from [Client.RevokeMessage].
	ErrAlreadyDelivered = errors.New("rbm: the message was delivered already")

	// ErrNotTester means that the agent is not launched and that the user is not
	// one of its testers, or has not accepted the invitation. 403.
	ErrNotTester = errors.New("rbm: the agent is not launched and the user is not one of its testers")

	// ErrNotLaunched means that the agent is not launched, as older guides
	// report it: nowadays this is ErrUnreachable. 403.
	ErrNotLaunched = errors.New("rbm: the agent is not launched")

	// ErrPermissionDenied means that the credentials may not act for the agent,
	// that there is no such agent, or that the API is not enabled. 403.
	ErrPermissionDenied = errors.New("rbm: the credentials may not act for this agent")

	// ErrUnauthenticated means that the token is missing, wrong or expired. 401.
	ErrUnauthenticated = errors.New("rbm: the access token was not accepted")

	// ErrFeatureUnsupported means that the user's device lacks something that
	// the message uses. 400.
	ErrFeatureUnsupported = errors.New("rbm: the user's device lacks a feature that the message uses")

	// ErrInvalidArgument means that the platform refused the request for any
	// other reason. 400.
	ErrInvalidArgument = errors.New("rbm: the platform refused the request")

	// ErrAlreadyExists means that the ID was used before, so that the platform
	// has the message already. 409.
	ErrAlreadyExists = errors.New("rbm: the ID was used before")

	// ErrRateLimited means that a limit of the platform is reached. 429.
	ErrRateLimited = errors.New("rbm: a limit of the platform is reached")

	// ErrUnavailable means that the platform or the way to it is in trouble:
	// 5xx, a broken connection, or an answer that cannot be understood.
	ErrUnavailable = errors.New("rbm: the platform is not available")

	// ErrTimeout means that no answer came in time. Such an error is also
	// [context.DeadlineExceeded].
	ErrTimeout = errors.New("rbm: no answer in time")
)

// What was wrong with the arguments of a call. Nothing was sent.
var (
	// ErrInvalidPhone means that a phone number is not in E.164 form.
	ErrInvalidPhone = errors.New("rbm: the phone number is not in E.164 form, such as +12025550123")

	// ErrInvalidID means that the ID of a message or an event is neither a UUID
	// nor a similar word of at most 128 letters, digits, hyphens and underscores.
	ErrInvalidID = errors.New("rbm: the ID is not a UUID")

	// ErrNeedsRegion means that a call needs the host of a region; see [Region].
	ErrNeedsRegion = errors.New("rbm: the call needs a region: us, europe or asia")
)

// Error is the failure of a call that reached out to the platform. Its text has
// the status, the words for it and what they mean; it holds neither what was sent
// nor what came back, so it may be logged.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/phones.agentMessages/create
type Error struct {
	// Method is the call, by its name in the reference, such as
	// phones.agentMessages.create.
	Method string

	// StatusCode is the HTTP status; 0 if no answer came.
	StatusCode int

	// Status is Google's word for the error, such as NOT_FOUND.
	Status string

	// Reason is Google's word for the cause, such as SERVICE_DISABLED, where
	// there is one.
	Reason string

	// Message is Google's own text, at most 4 KiB of it. It may quote what was sent, so
	// Error leaves it out, and it does not belong in a log.
	Message string

	// RetryAfter is how long the platform asked to wait, at most 30 days; 0 if it did
	// not say.
	RetryAfter time.Duration

	// Attempts is how often the call was tried. After more than one, an earlier
	// attempt may have succeeded without an answer.
	Attempts int

	// Foreign says that the answer is not in the form of the API: it is the page
	// of a proxy, or the endpoint is wrong. A foreign 404 or 409 says nothing about
	// a user or a message, so it counts as [ErrUnavailable].
	Foreign bool

	// Err is what broke the connection or ended the wait, if no whole answer
	// came. Its text is not made for logs; that of the Error says enough.
	Err error
}

// Error says what happened.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("rbm: ")
	b.WriteString(e.Method)
	if e.StatusCode != 0 {
		b.WriteString(": " + strconv.Itoa(e.StatusCode))
		if e.Status != "" {
			b.WriteString(" " + e.Status)
		}
		if e.Reason != "" {
			b.WriteString(" (" + e.Reason + ")")
		}
	}
	switch kind := e.kind(); {
	case e.Err != nil:
		b.WriteString(": " + describe(e.Err))
	case e.Foreign:
		b.WriteString(": the answer is not in the form of the API: a proxy, or the wrong endpoint")
	case kind != nil:
		b.WriteString(": " + strings.TrimPrefix(kind.Error(), "rbm: "))
	}
	if e.Attempts > 1 {
		b.WriteString(", after " + strconv.Itoa(e.Attempts) + " attempts")
	}
	return b.String()
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// Is reports whether target is the sentinel that e belongs to.
func (e *Error) Is(target error) bool {
	kind := e.kind()
	return target == kind || target == context.DeadlineExceeded && kind == ErrTimeout
}

// kind returns the sentinel that e belongs to.
func (e *Error) kind() error {
	switch {
	case errors.Is(e.Err, context.Canceled):
		return nil
	case timedOut(e.Err):
		return ErrTimeout
	case e.Err != nil:
		return ErrUnavailable
	}
	switch e.StatusCode {
	case http.StatusBadRequest:
		return kindOf400(e.Message)
	case http.StatusUnauthorized:
		return ErrUnauthenticated
	case http.StatusForbidden:
		return kindOf403(e.Message)
	case http.StatusTooManyRequests:
		return ErrRateLimited
	}
	switch {
	case e.Foreign || e.StatusCode < 400 || e.StatusCode >= 500 || e.StatusCode == http.StatusRequestTimeout:
		return ErrUnavailable
	case e.StatusCode == http.StatusConflict:
		return ErrAlreadyExists
	case e.StatusCode == http.StatusNotFound:
		return kindOf404(e.Method)
	}
	return ErrInvalidArgument
}

// kindOf400 looks for the words of a missing feature.
//
// Assumption: the documents give the status of that refusal but not its text, so
// any text is taken that speaks of a feature, a capability or the device, and
// of support. The parser's own complaints quote what was sent and never mean it.
func kindOf400(message string) error {
	m := strings.ToLower(message)
	if strings.HasPrefix(m, "invalid json") || strings.HasPrefix(m, "invalid value") {
		return ErrInvalidArgument
	}
	if containsAny(m, "feature", "capabilit", "device", "handset") && containsAny(m, "support", "lack", "not capable") {
		return ErrFeatureUnsupported
	}
	return ErrInvalidArgument
}

// kindOf403 tells the refusals of an agent that is not launched from the others.
// The text about testers speaks of the launch too, so it comes first.
func kindOf403(message string) error {
	switch m := strings.ToLower(message); {
	case strings.Contains(m, "tester"):
		return ErrNotTester
	case strings.Contains(m, "launch"):
		return ErrNotLaunched
	}
	return ErrPermissionDenied
}

// kindOf404 goes by the resource that was not found: everything that lies under
// a phone number is missing because the user is.
func kindOf404(method string) error {
	switch method {
	case methodRevoke:
		return ErrAlreadyDelivered
	case methodBatchGet, methodCreateFile:
		return ErrInvalidArgument
	}
	return ErrUnreachable
}

func containsAny(s string, words ...string) bool {
	for _, word := range words {
		if strings.Contains(s, word) {
			return true
		}
	}
	return false
}

// temporary reports whether the same call may succeed a little later.
func (e *Error) temporary() bool {
	if e.Err != nil {
		return !errors.Is(e.Err, context.Canceled)
	}
	switch e.StatusCode {
	case http.StatusTooManyRequests, http.StatusRequestTimeout, http.StatusInternalServerError,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return e.UnknownAgent()
}

// UnknownAgent reports whether the platform did not find the agent for the
// credentials: there is no such agent, or it is another partner's. The platform
// says the same of both.
//
// The refusal calls itself possibly transient, so the call was made twice.
func (e *Error) UnknownAgent() bool {
	return e.StatusCode == http.StatusForbidden && strings.Contains(strings.ToLower(e.Message), "transient")
}
