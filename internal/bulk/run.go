package bulk

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"

	"github.com/rcshook/rcshook/internal/client"
	"github.com/rcshook/rcshook/internal/code"
	"github.com/rcshook/rcshook/internal/payload"
)

// Runner sends the messages of a campaign. It runs once.
type Runner struct {
	Campaign *Campaign
	Journal  *Journal

	// Send posts a payload to the function.
	Send func(ctx context.Context, body []byte) (*client.Response, error)

	// Concurrency is the maximum number of concurrent requests, and Rate that of
	// requests per second.
	Concurrency int
	Rate        float64

	// RetryFor limits the time for which a row is retried.
	RetryFor time.Duration

	// SkipInvalid skips rows with errors. Without it such a row ends the run, because
	// the table has changed since the check.
	SkipInvalid bool

	// Unreachable has the numbers that are skipped.
	Unreachable *Set

	// Observe gets every entry, from several goroutines; it may be nil.
	Observe func(Entry)

	// Retrying gets the reason of the first retry; it may be nil.
	Retrying func(reason string)

	stop      context.CancelCauseFunc
	pace      *pace
	requests  chan struct{} // semaphore
	connected atomic.Bool   // some request reached a server
	retrying  sync.Once

	mu       sync.Mutex
	failures int // consecutive
}

const (
	// sendTimeout is longer than the function's own timeout.
	sendTimeout = 90 * time.Second

	// maxWaiting is the number of rows, per concurrent request, that may wait for
	// their next attempt while others are sent.
	maxWaiting = 16

	// maxFailures is the number of consecutive failures that ends the run.
	// Unreachable numbers and people who opted out do not count.
	maxFailures = 20
)

// A StopError reports why a run ended before the last row.
type StopError struct {
	Code   string
	Detail string
	Action string // the next step
	Err    error
}

func (e *StopError) Error() string {
	if e.Code != "" {
		return e.Code + ": " + e.Detail
	}
	return e.Detail
}

func (e *StopError) Unwrap() error { return e.Err }

// Run sends a message for every row that is not done. When ctx ends, it waits for the
// requests in flight. The error is a [*StopError], or that of ctx, the table or the
// journal. [Open] rows are not an error.
func (r *Runner) Run(ctx context.Context) error {
	ctx, r.stop = context.WithCancelCause(ctx)
	defer r.stop(nil)
	r.pace, r.requests = newPace(r.Rate, time.Now), make(chan struct{}, r.Concurrency)
	var rows errgroup.Group
	rows.SetLimit(r.Concurrency * maxWaiting)
	probe := slices.ContainsFunc(timeFields, func(name string) bool { return r.Campaign.known[name] })
	for m, err := range r.Campaign.messages(ctx, new(Pass), r.Journal.Done) {
		if err != nil {
			r.stop(err)
			break
		}
		if r.skip(m) {
			continue
		}
		if probe && r.rejectsTimes(ctx, m) {
			break
		}
		probe = false
		rows.Go(func() error {
			r.send(ctx, m)
			return nil
		})
	}
	_ = rows.Wait() // send does not return an error
	return context.Cause(ctx)
}

// timeFields are the fields that one function accepts and another rejects, such as one
// without a queue or with another fallback.
var timeFields = []string{"schedule_at", "fallback_after", "ttl", "expires_at"}

// rejectsTimes ends the run if the function rejects a dry run of a message because of its
// times. A rejected row would not be sent again.
func (r *Runner) rejectsTimes(ctx context.Context, m *Message) bool {
	body := append(slices.Clone(m.Body[:len(m.Body)-1]), `,"dry_run":true}`...)
	bound, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	res, err := r.Send(bound, body)
	if err != nil || res.Code != code.InvalidPayload {
		return false // any other problem concerns all messages
	}
	for _, e := range res.Errors {
		if f, _, ok := payload.FindField(strings.TrimPrefix(e.Pointer, "/")); ok && slices.Contains(timeFields, f.Name) {
			r.stop(&StopError{Code: string(res.Code), Detail: e.Detail, Action: res.Action})
			return true
		}
	}
	return false
}

// skip reports whether a row is not sent, and records the reason.
func (r *Runner) skip(m *Message) bool {
	e := Entry{Row: m.Row, Time: time.Now()}
	switch {
	case len(m.Errors) > 0 && !r.SkipInvalid:
		r.stop(&StopError{Detail: fmt.Sprintf("row %d is now invalid: %s", m.Row, m.Errors[0].Detail), Action: "Run the command again."})
		return true
	case len(m.Errors) > 0:
		first := m.Errors[0]
		e.State, e.Code, e.Detail = Invalid, string(code.InvalidPayload), first.Detail
		if first.Pointer != "" {
			e.Detail = first.Pointer + ": " + first.Detail
		}
	case m.Done:
		return true
	default:
		unreachable, err := r.Unreachable.Contains(m.To)
		if err != nil {
			r.stop(err)
			return true
		}
		if !unreachable {
			return false
		}
		e.Key, e.To = m.Key, m.To
		e.State, e.Code = Unreachable, string(code.RecipientUnreachable)
	}
	r.record(e)
	return true
}

func (r *Runner) record(e Entry) {
	if err := r.Journal.Add(e); err != nil {
		r.stop(err)
	}
	if r.Observe != nil {
		r.Observe(e)
	}
}

// send sends a message, with retries, and records the result.
func (r *Runner) send(ctx context.Context, m *Message) {
	start := time.Now()
	for attempt := 1; ; attempt++ {
		res, ok := r.post(ctx, m.Body)
		if !ok {
			return
		}
		if res.throttled {
			r.pace.scale(0.5)
		} else if res.State.accepted() {
			r.pace.scale(1.1)
		}
		if wait := backoff(attempt, res.retryAfter); res.retry && time.Since(start)+wait < r.RetryFor {
			if r.Retrying != nil {
				r.retrying.Do(func() { r.Retrying(res.stopError().Error()) })
			}
			select {
			case <-time.After(wait):
				continue
			case <-ctx.Done():
				return
			}
		}
		res.Row, res.Key, res.To, res.Time = m.Row, m.Key, m.To, time.Now()
		r.record(res.Entry)
		if res.retry { // post has counted other results
			r.countFailure(res)
		}
		return
	}
}

// post makes one request when there is capacity, and does not interrupt it. It returns
// false if the run ended without a request or a response. A result that ends the run does
// so before the next request can start.
func (r *Runner) post(ctx context.Context, body []byte) (res result, ok bool) {
	select {
	case r.requests <- struct{}{}:
		defer func() { <-r.requests }()
	case <-ctx.Done():
		return result{}, false
	}
	if err := r.pace.limiter.Wait(ctx); err != nil {
		return result{}, false
	}
	bound, cancel := context.WithTimeout(context.WithoutCancel(ctx), sendTimeout)
	defer cancel()
	response, err := r.Send(bound, body)
	if ctx.Err() != nil && response == nil {
		return result{}, false
	}
	if res = newResult(response, err); !res.noConnection {
		r.connected.Store(true)
	} else if !r.connected.Load() {
		res.retry, res.stop = false, true // the function was never reachable, so that retries are pointless
	}
	if res.stop {
		r.stop(res.stopError())
	}
	if !res.retry {
		r.countFailure(res)
	}
	return res, true
}

// countFailure ends the run after too many consecutive failures.
func (r *Runner) countFailure(res result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if res.State.accepted() || res.State == OptedOut || res.Code == string(code.RecipientUnreachable) {
		r.failures = 0
		return
	}
	if r.failures++; r.failures == maxFailures {
		e := res.stopError()
		e.Detail = fmt.Sprintf("%d consecutive rows failed, the last with: %s", maxFailures, e.Detail)
		r.stop(e)
	}
}

// result is the meaning of a response for the run.
type result struct {
	Entry
	retry      bool          // send the row again
	retryAfter time.Duration // of the response
	throttled  bool
	stop       bool // all other rows would fail too
	action     string

	noConnection bool
	err          error // without a response
}

func (r *result) stopError() *StopError {
	e := &StopError{Code: r.Code, Detail: r.Detail, Action: r.action, Err: r.err}
	if r.err != nil {
		e.Detail = r.err.Error()
	}
	return e
}

// newResult interprets a response, or the error if there was none.
func newResult(r *client.Response, err error) result {
	if err != nil {
		e, ok := errors.AsType[*client.Error](err)
		if !ok {
			e = &client.Error{Retry: code.RetryLater, Detail: err.Error()}
		}
		retry := e.Retry == code.RetryLater || e.Retry == code.RetryNow
		return result{
			Entry: Entry{State: Open, Detail: e.Detail}, retry: retry, retryAfter: e.RetryAfter, stop: !retry,
			throttled: e.Status == http.StatusTooManyRequests, action: e.Action, noConnection: e.NoConnection, err: err,
		}
	}
	res := result{Entry: Entry{Code: string(r.Code), MessageID: r.MessageID}, retryAfter: r.RetryAfter, action: r.Action}
	advice := client.Advice(&r.Response)
	if r.Code == code.Duplicate && len(r.Warnings) > 0 {
		res.Detail = r.Warnings[0].Detail // another message had the key
	}
	if !r.OK {
		res.Detail = r.Title
		if r.Detail != "" {
			res.Detail += ": " + r.Detail
		}
	}
	switch {
	case r.Code == code.Queued:
		res.State = Queued
	case r.OK:
		res.State = Sent
	case advice == code.RetryLater || advice == code.RetryNow:
		res.State, res.retry = Open, true
		res.throttled = r.Code == code.RateLimited || r.Code == code.Overloaded
	case advice == code.RetryAfterFix:
		// An error that is specific to one number, such as an agent that is not
		// launched on its network, must not block the others.
		res.State = Open
		res.stop = r.Code != code.AgentNotLaunched && r.Code != code.RecipientNotTester
	case callerErrors[r.Code], r.Code == code.Forbidden && !isDestination(r.Errors):
		res.State, res.stop = Open, true
	case r.Code == code.RecipientOptedOut:
		res.State = OptedOut
	default:
		res.State = Refused
	}
	return res
}

// callerErrors are the errors that do not depend on the recipient.
var callerErrors = map[code.Code]bool{
	code.InvalidBody:          true,
	code.UnsupportedMediaType: true,
	code.UnknownAgent:         true,
	code.Unauthorized:         true,
	code.NotFound:             true,
	code.MethodNotAllowed:     true,
}

// isDestination reports whether a forbidden request is only about the country of its number.
func isDestination(errs []payload.Error) bool {
	return len(errs) > 0 && !slices.ContainsFunc(errs, func(e payload.Error) bool {
		return e.Pointer == "/agent" || e.Pointer == "/dry_run" || e.Pointer == "/traffic"
	})
}

// pace adapts the rate of requests: it halves when the function reports a limit, and
// rises by a tenth per second after that, up to the configured rate.
type pace struct {
	limiter *rate.Limiter
	full    rate.Limit
	now     func() time.Time

	mu      sync.Mutex
	changed time.Time
}

func newPace(perSecond float64, now func() time.Time) *pace {
	full := rate.Limit(perSecond)
	return &pace{limiter: rate.NewLimiter(full, max(1, int(full/50))), full: full, now: now}
}

// scale changes the rate, at most once per second.
func (p *pace) scale(factor rate.Limit) {
	p.mu.Lock()
	defer p.mu.Unlock()
	limit := min(max(p.limiter.Limit()*factor, p.full/100), p.full)
	if now := p.now(); limit != p.limiter.Limit() && now.Sub(p.changed) >= time.Second {
		p.changed = now
		p.limiter.SetLimit(limit)
	}
}

// backoff returns the time to wait after an attempt, the first being 1: at least
// retryAfter, exponential from a second to a minute, and randomized.
func backoff(attempt int, retryAfter time.Duration) time.Duration {
	wait := min(time.Second<<min(attempt-1, 10), time.Minute)
	wait = wait/2 + rand.N(wait/2+1)
	if wait < retryAfter {
		wait = retryAfter + rand.N(retryAfter/4+1)
	}
	return wait
}
