package queue

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"google.golang.org/api/googleapi"

	"github.com/rcshook/rcshook/internal/agent"
)

// Kind is why a message could not be handed over.
type Kind int

// The kinds.
const (
	NotFound    Kind = iota + 1 // there is no such queue
	Denied                      // we may not create tasks in it
	Rejected                    // the task cannot be taken as it is
	Unavailable                 // Cloud Tasks does not answer as it should
)

var kinds = map[Kind]string{NotFound: "not found", Denied: "denied", Rejected: "rejected", Unavailable: "unavailable"}

// String returns the kind in words.
func (k Kind) String() string { return kinds[k] }

// Error says why a message could not be handed over. Nothing in it is secret.
type Error struct {
	Kind Kind

	// Reason is one word for programs:
	//
	//	not_found                                    NotFound
	//	permission_denied, act_as, api_disabled,
	//	scope, unauthenticated                       Denied, by Cloud Tasks
	//	no_adc, bad_adc, invalid_grant, ...          Denied, our own credentials
	//	invalid, not_ready                           Rejected
	//	unavailable, rate_limited, timeout,
	//	unreachable, adc_unavailable                 Unavailable
	Reason string

	// Queue is the name of the queue.
	Queue string

	// Action is what to do next, for people, with the command where there is one.
	Action string

	// Unsure says that the queue may have taken the task all the same.
	Unsure bool

	// Err tells more.
	Err error

	exists bool // a task of that name
}

func (e *Error) Error() string {
	return fmt.Sprintf("queue: %s: %v: %s: %v", e.Queue, e.Kind, e.Reason, e.Err)
}

// Unwrap returns e.Err.
func (e *Error) Unwrap() error { return e.Err }

// passing reports whether another attempt may fare better.
func (e *Error) passing() bool {
	return e.Kind == Unavailable && e.Reason != "rate_limited" || e.Reason == "unauthenticated"
}

// tokenError is the error of a task that cannot be created for want of a token.
func tokenError(queue string, err error) *Error {
	e := &Error{Kind: Unavailable, Reason: "adc_unavailable", Queue: queue, Err: err}
	if own := (*agent.SecretError)(nil); errors.As(err, &own) {
		e.Reason, e.Action, e.Err = own.Reason, own.Action, own.Err
		if own.Kind == agent.Denied {
			e.Kind = Denied
		}
	}
	return e
}

// createError reads an error of the client of Cloud Tasks.
func createError(ctx context.Context, queue, account string, err error) *Error {
	e := &Error{Queue: queue}
	switch answer := (*googleapi.Error)(nil); {
	case errors.As(err, &answer):
		refused := agent.ReadRefusal(answer)
		e.Kind, e.Reason = meaning(refused)
		e.exists = refused.Status == "ALREADY_EXISTS"
		e.Unsure = answer.Code >= http.StatusInternalServerError
		e.Err = refused.Err
	case ctx.Err() != nil:
		e.Kind, e.Reason, e.Unsure, e.Err = Unavailable, "timeout", true, errors.New("no answer in time")
	default:
		e.Kind, e.Reason, e.Unsure, e.Err = Unavailable, "unreachable", true, agent.TransportError(err)
	}
	e.Action = advise(queue, account, e.Reason)
	return e
}

// meaning tells what a refusal of Cloud Tasks means.
func meaning(r agent.Refusal) (Kind, string) {
	switch r.Status {
	case "NOT_FOUND":
		return NotFound, "not_found"
	case "PERMISSION_DENIED":
		switch {
		case strings.Contains(r.Details, "SERVICE_DISABLED"):
			return Denied, "api_disabled"
		case strings.Contains(r.Details, "ACCESS_TOKEN_SCOPE_INSUFFICIENT"):
			return Denied, "scope"
		case strings.Contains(r.Message, "actAs"):
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

// advise says what to do next. Commands hold what is known and name in capitals what
// is not.
func advise(queue, account, reason string) string {
	parts := append(strings.Split(queue, "/"), "", "", "", "", "", "")
	project, location, id := parts[1], parts[3], parts[5]
	at := id + " --location=" + location + " --project=" + project
	switch reason {
	case "not_found":
		return "Create the queue: gcloud tasks queues create " + at + " (a new one may take a minute to be known)"
	case "permission_denied":
		return "Let the service account of the function create tasks: gcloud tasks queues add-iam-policy-binding " + at +
			" --member=serviceAccount:SERVICE_ACCOUNT --role=roles/cloudtasks.enqueuer (a queue that does not exist may be denied in the same words)"
	case "act_as":
		return "Let the service account of the function give its tasks the tokens of RCSHOOK_QUEUE_ACCOUNT: gcloud iam service-accounts add-iam-policy-binding " + account +
			" --project=" + project + " --member=serviceAccount:SERVICE_ACCOUNT --role=roles/iam.serviceAccountUser"
	case "api_disabled":
		return "Enable the API: gcloud services enable cloudtasks.googleapis.com --project=" + project
	case "scope", "unauthenticated":
		return "Cloud Tasks does not accept the credentials of the function: check the service account that it runs as, or on a laptop: gcloud auth application-default login"
	case "not_ready":
		return "Look at the state of the queue: gcloud tasks queues describe " + at
	case "invalid":
		return "Check RCSHOOK_QUEUE_ACCOUNT and RCSHOOK_URL: Cloud Tasks does not take a task with them. If both are right, report it as a bug of rcshook."
	case "rate_limited":
		return "Send again later; if it lasts, ask for a higher quota of Cloud Tasks in the Cloud console, IAM & Admin, Quotas"
	default: // unavailable, timeout, unreachable
		return "Send again later: Cloud Tasks does not answer as it should. If it lasts, see status.cloud.google.com and the network of the function."
	}
}
