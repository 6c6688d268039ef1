package response

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/rcshook/rcshook/internal/code"
	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/events"
	"github.com/rcshook/rcshook/internal/google"
	"github.com/rcshook/rcshook/internal/optout"
	"github.com/rcshook/rcshook/internal/payload"
	"github.com/rcshook/rcshook/internal/prepare"
	"github.com/rcshook/rcshook/internal/queue"
	"github.com/rcshook/rcshook/internal/send"
	"github.com/rcshook/rcshook/internal/source"
	"github.com/rcshook/rcshook/rbm"
)

// Problem is an error with a known code.
type Problem struct {
	Code   code.Code
	Title  string          // empty means that of the code
	Cause  string          // for codes with several causes
	Detail string          // for the caller
	Action string          // for the caller; empty means the action of the code
	Errors []payload.Error // for the caller
	Allow  string          // the allowed methods of the path, with [code.MethodNotAllowed]
	Target string          // the target of a delivery
	Err    error           // for the log only

	// RetryAfter is the time to wait before a retry; zero means the default of the code.
	RetryAfter time.Duration
}

func (p *Problem) Error() string {
	if p.Err != nil {
		return fmt.Sprintf("%s: %v", p.Code, p.Err)
	}
	return string(p.Code)
}

func (p *Problem) Unwrap() error { return p.Err }

// Redact replaces the texts of err for callers that are not authenticated: they see its
// code and the given detail only.
func Redact(err error, detail string) error {
	return &Problem{Code: FromError(err).Code, Detail: detail, Err: err}
}

// FromError returns the response to a request that failed with err.
func FromError(err error) *Response {
	if p, ok := errors.AsType[*Problem](err); ok {
		resp := newResponse(p.Code, p.Detail, p.Err, p.RetryAfter)
		resp.Allow, resp.Errors, resp.Cause, resp.Action = p.Allow, p.Errors, p.Cause, cmp.Or(p.Action, resp.Action)
		resp.Target = p.Target
		resp.Title = cmp.Or(p.Title, resp.Title)
		if failed, ok := errors.AsType[*queue.Error](p.Err); ok && p.Code == code.FallbackNotArmed && failed.Kind != queue.Unavailable {
			resp.misconfigured = true
			resp.setAction(resp.Action, QueueAdvice(failed))
		}
		return resp
	}
	if e, ok := errors.AsType[*payload.BodyError](err); ok {
		return newResponse(code.InvalidBody, e.Detail, nil, 0)
	}
	if e, ok := errors.AsType[*source.MappingError](err); ok {
		return newResponse(code.InvalidPayload, e.Detail, nil, 0)
	}
	if e, ok := errors.AsType[payload.Errors](err); ok {
		return fromPayload(e)
	}
	if e, ok := errors.AsType[*prepare.UnknownAgentError](err); ok {
		return fromUnknownAgent(e)
	}
	if e, ok := errors.AsType[*prepare.DestinationError](err); ok {
		resp := New(code.ForbiddenDestination)
		resp.Errors = e.Errors
		return resp
	}
	if e, ok := errors.AsType[*config.Error](err); ok {
		resp := newResponse(code.Misconfigured, "", e, 0)
		for _, p := range e.Problems {
			resp.Errors = append(resp.Errors, payload.Error{Detail: p.String()})
		}
		return resp
	}
	if e, ok := errors.AsType[*queue.Error](err); ok {
		codes := map[queue.Kind]code.Code{
			queue.NotFound: code.QueueNotFound, queue.Denied: code.QueueDenied, queue.Rejected: code.QueueRejected, queue.Unavailable: code.QueueUnavailable,
		}
		resp := newResponse(codes[e.Kind], e.Queue, e, 0)
		resp.Cause, resp.Action = e.Reason, QueueAdvice(e)
		return resp
	}
	if e, ok := errors.AsType[*optout.Unavailable](err); ok { // perhaps because of a secret
		return newResponse(code.OptOutUnavailable, "", e, 0)
	}
	if e, ok := errors.AsType[*google.SecretError](err); ok {
		c := code.SecretInvalid
		switch {
		case errors.Is(e, google.ErrSecretNotFound):
			c = code.SecretNotFound
		case errors.Is(e, google.ErrSecretDenied):
			c = code.SecretDenied
		case errors.Is(e, google.ErrSecretUnavailable):
			c = code.SecretUnavailable
		}
		resp := newResponse(c, e.Resource, e, 0)
		resp.Cause, resp.Action = e.Reason, SecretAdvice(e)
		return resp
	}
	if e, ok := errors.AsType[*send.LimitError](err); ok {
		owner := "this agent"
		if e.Caller != "" {
			owner = "caller " + e.Caller
		}
		resp := newResponse(code.RateLimited, fmt.Sprintf("messages_per_second of %s is used up for the next %v; nothing was sent", owner, e.RetryAfter), e.Err, e.RetryAfter)
		resp.Cause = "pace"
		resp.setAction(table[code.RateLimited].action,
			"If this happens often, raise messages_per_second in rcshook.yaml or RCSHOOK_MESSAGES_PER_SECOND, or use a queue.")
		return resp
	}
	if e, ok := errors.AsType[*send.RefusedError](err); ok {
		resp := newResponse(code.UpstreamUnavailable, "the platform refused the last attempt, but an earlier one may have succeeded", err, 0)
		resp.Upstream = &Upstream{Status: e.Refusal.StatusCode, Reason: e.Refusal.Status, Message: e.Refusal.Message}
		return resp
	}
	if errors.Is(err, rbm.ErrIDTaken) {
		return newResponse(code.InvalidPayload, "this message_id was used for a message to another number; use another one", err, 0)
	}
	if e, ok := errors.AsType[*rbm.Error](err); ok {
		resp := newResponse(upstreamCode(e), "", err, e.RetryAfter)
		if e.StatusCode != 0 {
			resp.Detail = strings.TrimRight(fmt.Sprintf("RCS Business Messaging responded %d %s: %s", e.StatusCode, e.Status, e.Message), ": ")
			resp.Upstream = &Upstream{Status: e.StatusCode, Reason: e.Status, Message: e.Message}
		}
		return resp
	}
	if e, ok := errors.AsType[*payload.ContentTypeError](err); ok {
		return newResponse(code.UnsupportedMediaType, e.Detail, nil, 0)
	}
	for _, busy := range []error{source.ErrBusy, source.ErrMemory, source.ErrOverdue} {
		if errors.Is(err, busy) {
			return newResponse(code.Overloaded, busy.Error(), err, 0)
		}
	}
	if errors.Is(err, source.ErrAmazon) {
		resp := newResponse(code.SecretUnavailable, err.Error(), nil, 0)
		resp.Title = "Amazon SNS is unavailable"
		return resp
	}
	for _, c := range []struct {
		kind error
		code code.Code
		show bool // show the error to the caller; otherwise it is logged
	}{
		{source.ErrIdempotencyKey, code.InvalidPayload, true},
		{source.ErrUnauthorized, code.Unauthorized, true},
		{source.ErrSignature, code.BadSignature, true},
		{source.ErrStale, code.StaleSignature, true},
		{source.ErrKeys, code.SecretUnavailable, true},
		{events.ErrNoToken, code.NotFound, true},
		{events.ErrSignature, code.BadSignature, true},
		{events.ErrHandshake, code.BadSignature, true},
		{events.ErrEnvelope, code.InvalidBody, true},
		{optout.ErrOptedOut, code.RecipientOptedOut, false},
		{queue.ErrExpired, code.Expired, true},
		{queue.ErrVersion, code.Misconfigured, true},
		{queue.ErrTask, code.InvalidPayload, true},
		{google.ErrWaiting, code.SecretUnavailable, false},
		{google.ErrTokenUnavailable, code.UpstreamUnavailable, false},
		{context.DeadlineExceeded, code.UpstreamTimeout, false},
		{context.Canceled, code.UpstreamTimeout, false},
		{rbm.ErrInvalidPhone, code.InvalidPhone, true},
		{rbm.ErrInvalidID, code.InvalidPayload, true},
	} {
		if errors.Is(err, c.kind) && c.show {
			return newResponse(c.code, err.Error(), nil, 0)
		} else if errors.Is(err, c.kind) {
			return newResponse(c.code, "", err, 0)
		}
	}
	if e, ok := errors.AsType[*source.SecretError](err); ok {
		return newResponse(code.SecretInvalid, "", e, 0)
	}
	return newResponse(code.Internal, "", err, 0)
}

// newResponse returns a response with a detail for the caller, a cause for the log, and
// the time to wait before a retry, if the code allows one.
func newResponse(c code.Code, detail string, cause error, wait time.Duration) *Response {
	resp := New(c)
	resp.Detail = detail
	if !resp.OK {
		resp.Err = cause
	}
	if c == code.InvalidPayload {
		resp.Action = "Fix the problem in detail and send the request again." // errors is empty
	}
	if resp.RetryAfter = table[c].wait; resp.RetryAfter > 0 && wait > 0 {
		resp.RetryAfter = wait
	}
	return resp
}

// fromUnknownAgent returns the response for an agent that is not configured. If the
// configuration named it, the sender has to keep the event.
func fromUnknownAgent(e *prepare.UnknownAgentError) *Response {
	resp := newResponse(code.UnknownAgent, e.Error(), nil, 0)
	if e.Pointer != "" {
		resp.Errors = []payload.Error{{Pointer: e.Pointer, Detail: e.Error()}}
	}
	if e.Configured {
		resp.Status, resp.Retry, resp.misconfigured = http.StatusInternalServerError, code.RetryAfterFix, true
		resp.Action = "Fix the agent of the source, or in its map, in rcshook.yaml and deploy again. The sender will repeat the event."
	}
	return resp
}

// fromPayload returns the response to an invalid payload.
func fromPayload(invalid payload.Errors) *Response {
	c := code.InvalidPhone
	for _, e := range invalid {
		if !e.Phone {
			c = code.InvalidPayload
		}
	}
	resp := New(c)
	resp.Errors = invalid
	return resp
}

// upstreamCode returns the code of an error of RBM, whatever happened after it, such as
// a canceled request in the pause before a retry. More specific errors come first.
func upstreamCode(e *rbm.Error) code.Code {
	for _, c := range []struct {
		err  error
		code code.Code
	}{
		{rbm.ErrAlreadyExists, code.Duplicate},
		{rbm.ErrAlreadyDelivered, code.AlreadyDelivered},
		{rbm.ErrNotLaunched, code.AgentNotLaunched},
		{rbm.ErrNotTester, code.RecipientNotTester},
		{rbm.ErrUnreachable, code.RecipientUnreachable},
		{rbm.ErrFeatureUnsupported, code.FeatureUnsupported},
		{rbm.ErrInvalidArgument, code.UpstreamRejected},
		{rbm.ErrUnauthenticated, code.UpstreamAuthFailed},
		{rbm.ErrPermissionDenied, code.UpstreamPermissionDenied},
		{rbm.ErrRateLimited, code.RateLimited},
		{rbm.ErrTimeout, code.UpstreamTimeout},
		{context.Canceled, code.UpstreamTimeout},
		{rbm.ErrUnavailable, code.UpstreamUnavailable},
	} {
		if errors.Is(e, c.err) {
			return c.code
		}
	}
	return code.UpstreamRejected
}
