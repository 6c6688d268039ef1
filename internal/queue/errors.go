package queue

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/rcshook/rcshook/internal/google"
)

// Kind classifies an [Error].
type Kind int

// The kinds.
const (
	NotFound    Kind = iota + 1 // the queue does not exist
	Denied                      // the function may not create tasks in the queue
	Rejected                    // Cloud Tasks rejected the task itself
	Unavailable                 // Cloud Tasks failed, or could not be reached
)

var kinds = map[Kind]string{NotFound: "not found", Denied: "denied", Rejected: "rejected", Unavailable: "unavailable"}

// String returns the kind in words.
func (k Kind) String() string { return kinds[k] }

// Error reports why a task could not be created or deleted. It contains nothing of the message.
type Error struct {
	Kind Kind

	// Reason is one of these words:
	//
	//	not_found                                    NotFound
	//	permission_denied, act_as, api_disabled,
	//	scope, unauthenticated                       Denied, by Cloud Tasks
	//	no_adc, bad_adc, invalid_grant, ...          Denied, the function's credentials
	//	invalid, not_ready                           Rejected
	//	unavailable, rate_limited, timeout,
	//	unreachable, adc_unavailable                 Unavailable
	Reason string

	// Queue is the name of the queue, Account the service account whose ID tokens
	// its tasks carry.
	Queue, Account string

	// MaybeDone reports that the task may have been created or deleted anyway.
	MaybeDone bool

	// Deleting reports that a task was to be deleted, and not to be created.
	Deleting bool

	// Err is the cause.
	Err error

	exists bool // a task of that name
}

func (e *Error) Error() string {
	return fmt.Sprintf("queue: %s: %v: %s: %v", e.Queue, e.Kind, e.Reason, e.Err)
}

// Unwrap returns e.Err.
func (e *Error) Unwrap() error { return e.Err }

// isTransient reports whether another attempt may succeed at once.
func (e *Error) isTransient() bool {
	return e.Kind == Unavailable && e.Reason != "rate_limited"
}

// setCredentials sets e to the error of the function's own credentials.
func (e *Error) setCredentials(err error) {
	e.Kind, e.Reason, e.Err = Unavailable, "adc_unavailable", err
	if credentials, ok := errors.AsType[*google.SecretError](err); ok {
		e.Reason, e.Err = credentials.Reason, credentials.Err
		if credentials.Kind == google.Denied {
			e.Kind = Denied
		}
	}
}

// setCall sets e to the error of a request to Cloud Tasks.
func (e *Error) setCall(ctx context.Context, err error) {
	e.Kind, e.Err = Unavailable, err
	response, ok := errors.AsType[*google.APIError](err)
	switch {
	case ok:
		e.Kind, e.Reason = classify(response)
		e.MaybeDone = response.Code >= 500 || response.Status == "" // a proxy may have sent it after the request arrived
		e.exists = response.Status == "ALREADY_EXISTS"
		e.Err = fmt.Errorf("HTTP %d %s", response.Code, response.Status) // the message can quote the task
	case ctx.Err() != nil:
		e.Reason, e.MaybeDone, e.Err = "timeout", true, errors.New("timeout")
	default:
		e.Reason, e.MaybeDone = "unreachable", true
	}
}

// classify returns the meaning of an error response of Cloud Tasks.
func classify(response *google.APIError) (Kind, string) {
	switch response.Status {
	case "NOT_FOUND":
		return NotFound, "not_found"
	case "PERMISSION_DENIED":
		switch {
		case response.HasReason(google.ReasonDisabled):
			return Denied, "api_disabled"
		case response.HasReason(google.ReasonScope):
			return Denied, "scope"
		case strings.Contains(response.Message, "iam.serviceAccounts.actAs"): // only the message has the permission
			return Denied, "act_as"
		}
		return Denied, "permission_denied"
	case "UNAUTHENTICATED":
		return Denied, "unauthenticated"
	case "INVALID_ARGUMENT":
		return Rejected, "invalid"
	case "FAILED_PRECONDITION":
		return Rejected, "not_ready"
	case "RESOURCE_EXHAUSTED":
		return Unavailable, "rate_limited"
	default:
		return Unavailable, "unavailable"
	}
}
