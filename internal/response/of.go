package response

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/rcshook/rcshook/internal/code"
	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/google"
	"github.com/rcshook/rcshook/internal/payload"
	"github.com/rcshook/rcshook/internal/queue"
	"github.com/rcshook/rcshook/internal/source"
	"github.com/rcshook/rcshook/rbm"
)

// Waits that are advised where nobody upstream named one.
const (
	waitRate        = 30 * time.Second
	waitUnavailable = 10 * time.Second
	waitTimeout     = 1 * time.Second
)

// Of returns the answer to a request that ended with err; it is never nil.
// The words come from the table; what only err knows is added to them.
func Of(err error) *Answer {
	var (
		problem *Problem
		body    *payload.BodyError
		faults  payload.Errors
		setting *config.Error
		secret  *google.SecretError
		remote  *rbm.Error
		mapping *source.MappingError
		shared  *source.SecretError
		handing *queue.Error
	)
	switch {
	case errors.As(err, &problem):
		a := New(problem.Code)
		a.Detail, a.Allow, a.Cause, a.Errors = problem.Detail, problem.Allow, problem.Err, problem.Errors
		a.Reason, a.Action = problem.Reason, cmp.Or(problem.Action, a.Action)
		return a.wait(problem.RetryAfter)
	case errors.As(err, &body):
		return New(code.InvalidBody).because(body.Detail)
	case errors.Is(err, payload.ErrContentType):
		return New(code.UnsupportedMediaType).because(strings.TrimPrefix(err.Error(), payload.ErrContentType.Error()+": "))
	case errors.Is(err, source.ErrIdempotencyKey):
		return New(code.InvalidPayload).because(err.Error())
	case errors.Is(err, source.ErrUnauthorized):
		return New(code.Unauthorized).because(err.Error())
	case errors.Is(err, source.ErrSignature):
		return New(code.BadSignature).because(err.Error())
	case errors.Is(err, source.ErrStale):
		return New(code.StaleSignature).because(err.Error())
	case errors.Is(err, source.ErrKeys):
		return New(code.SecretUnavailable).because(err.Error()).wait(0)
	case errors.Is(err, source.ErrBusy):
		return New(code.Overloaded).because(source.ErrBusy.Error()).causedBy(err).wait(0)
	case errors.As(err, &mapping):
		return New(code.InvalidPayload).because(mapping.Detail)
	case errors.As(err, &faults):
		return ofFaults(faults)
	case errors.As(err, &setting):
		return ofSettings(setting)
	case errors.As(err, &handing):
		return ofQueue(handing)
	case errors.Is(err, queue.ErrExpired):
		return New(code.Expired).because(err.Error())
	case errors.Is(err, queue.ErrVersion):
		return New(code.Misconfigured).because(err.Error())
	case errors.Is(err, queue.ErrTask):
		return New(code.InvalidPayload).because(err.Error())
	case errors.As(err, &secret):
		return ofSecret(secret)
	case errors.As(err, &remote):
		return ofRemote(err, remote)
	case errors.Is(err, google.ErrWaiting):
		return New(code.SecretUnavailable).causedBy(err).wait(0)
	case errors.Is(err, google.ErrTokenUnavailable):
		return New(code.UpstreamUnavailable).causedBy(err).wait(0)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return New(code.UpstreamTimeout).causedBy(err).wait(0)
	case errors.As(err, &shared):
		return New(code.SecretInvalid).causedBy(err)
	case errors.Is(err, rbm.ErrInvalidPhone):
		return New(code.InvalidPhone).because("the number is not in E.164")
	case errors.Is(err, rbm.ErrInvalidID):
		return New(code.InvalidPayload).because("the message ID is not a UUID")
	default:
		return New(code.Internal).causedBy(err)
	}
}

// A Problem is an error that knows its code already.
type Problem struct {
	Code   code.Code
	Reason string          // which of the causes behind the code
	Detail string          // for the caller
	Action string          // for the caller; empty means that of the code
	Errors []payload.Error // for the caller
	Allow  string          // the methods of the path, with [code.MethodNotAllowed]
	Err    error           // for the log only

	// RetryAfter is when to come back; zero means what suits the code.
	RetryAfter time.Duration
}

func (p *Problem) Error() string {
	if p.Err != nil {
		return fmt.Sprintf("%s: %v", p.Code, p.Err)
	}
	return string(p.Code)
}

func (p *Problem) Unwrap() error { return p.Err }

// ofFaults tells a payload whose only faults are in phone numbers from others.
func ofFaults(faults payload.Errors) *Answer {
	c := code.InvalidPhone
	for _, f := range faults {
		if !f.Phone {
			c = code.InvalidPayload
		}
	}
	a := New(c)
	a.Errors = faults
	a.Detail = "one fault"
	if n := len(faults); n != 1 {
		a.Detail = fmt.Sprintf("%d faults", n)
	} else if f := faults[0]; f.Pointer != "" {
		a.Detail = f.Pointer + ": " + f.Detail
	} else {
		a.Detail = f.Detail
	}
	return a
}

func ofSettings(e *config.Error) *Answer {
	a := New(code.Misconfigured)
	for _, f := range e.Problems {
		a.Errors = append(a.Errors, payload.Error{Pointer: "", Detail: f.String()})
	}
	a.Cause = e
	return a
}

func ofSecret(e *google.SecretError) *Answer {
	c := code.SecretInvalid
	switch {
	case errors.Is(e, google.ErrSecretNotFound):
		c = code.SecretNotFound
	case errors.Is(e, google.ErrSecretDenied):
		c = code.SecretDenied
	case errors.Is(e, google.ErrSecretUnavailable):
		c = code.SecretUnavailable
	}
	a := New(c).causedBy(e).wait(0)
	a.Reason = e.Reason
	if e.Resource != "" {
		a.Detail = e.Resource
	}
	a.Action = SecretAdvice(e)
	return a
}

// ofQueue reads why a message could not be handed over.
func ofQueue(e *queue.Error) *Answer {
	c := map[queue.Kind]code.Code{
		queue.NotFound: code.QueueNotFound, queue.Denied: code.QueueDenied, queue.Rejected: code.QueueRejected, queue.Unavailable: code.QueueUnavailable,
	}[e.Kind]
	a := New(c).causedBy(e).wait(0)
	a.Reason, a.Detail, a.Action = e.Reason, e.Queue, QueueAdvice(e)
	return a
}

// ofRemote reads an error of RCS Business Messaging.
func ofRemote(err error, e *rbm.Error) *Answer {
	a := New(remoteCode(e)).causedBy(err).wait(e.RetryAfter)
	if a.Code == code.RateLimited { // there are limits of our own, too
		a.Detail = "RCS Business Messaging takes no more messages for now, of this agent or for this number"
	}
	if e.StatusCode != 0 {
		a.Upstream = &Upstream{Status: e.StatusCode, Reason: e.Status, Message: e.Message}
	}
	return a
}

// remoteCode orders the errors of package rbm from the special to the general. It asks
// the failure alone: what came with it, such as a caller who left in a pause after it,
// does not make it unknown.
func remoteCode(e *rbm.Error) code.Code {
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

// because puts detail before the caller.
func (a *Answer) because(detail string) *Answer {
	a.Detail = detail
	return a
}

// causedBy keeps err for the log.
func (a *Answer) causedBy(err error) *Answer {
	if !a.OK {
		a.Cause = err
	}
	return a
}

// wait advises when to come back: after d, or what suits the code.
func (a *Answer) wait(d time.Duration) *Answer {
	if d <= 0 {
		switch a.Code {
		case code.RateLimited:
			d = waitRate
		case code.UpstreamUnavailable, code.SecretUnavailable, code.FallbackUnavailable, code.QueueUnavailable:
			d = waitUnavailable
		case code.UpstreamTimeout, code.Overloaded:
			d = waitTimeout
		default:
			return a
		}
	}
	switch a.Code {
	case code.RateLimited, code.UpstreamUnavailable, code.SecretUnavailable, code.FallbackUnavailable, code.QueueUnavailable, code.UpstreamTimeout, code.Overloaded:
		a.RetryAfter = d
	}
	return a
}
