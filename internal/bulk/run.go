package bulk

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rcshook/rcshook/internal/client"
	"github.com/rcshook/rcshook/internal/code"
)

// Runner sends the letters of a campaign.
type Runner struct {
	Campaign *Campaign
	Journal  *Journal

	// Send posts the payload to the function.
	Send func(ctx context.Context, body []byte) (*client.Response, error)

	// Concurrency is how many requests are made at once.
	Concurrency int

	// Rate is how many requests are made in a second at most.
	Rate float64

	// Patience is how long a row is tried again that the function asks to send
	// later.
	Patience time.Duration

	// SkipFaulty leaves out rows with faults. Without it such a row ends the run:
	// the table was checked.
	SkipFaulty bool

	// Unreachable tells which numbers not to send to; nil means none.
	Unreachable func(to string) bool

	// Observe, if not nil, hears of every entry, from several goroutines at once.
	Observe func(Entry)

	// Retrying, if not nil, hears why the first row that is to be sent again was not
	// sent at once.
	Retrying func(reason string)
}

// Bounds of a run.
const (
	// answerTime is how long an answer may take; the function has a limit of its
	// own, which is shorter.
	answerTime = 90 * time.Second

	// waiting is how many rows, for each request that is made at once, may wait
	// for their next attempt while others are sent.
	waiting = 16

	// maxStreak is how many rows in a row may fail, unreachable numbers aside,
	// before the run stops.
	maxStreak = 20
)

// A StopError is why a run ended before the last row.
type StopError struct {
	Code   string
	Detail string
	Action string // the next step
	Err    error
}

func (e *StopError) Error() string {
	text := e.Detail
	if e.Code != "" {
		text = e.Code + ": " + text
	}
	return text
}

func (e *StopError) Unwrap() error { return e.Err }

// Run sends a letter for every row that is not done. It returns when all were, or
// ctx ends: requests that are made then are waited for, and no other is made. The error is a
// [*StopError], that of ctx, of the table or of the journal. Rows that are left
// [Open] are no error.
func (r *Runner) Run(ctx context.Context) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	s := &sending{Runner: r, stop: stop, pace: newPace(r.Rate, time.Now), busy: make(chan struct{}, r.Concurrency)}
	places := make(chan struct{}, r.Concurrency*waiting)
	var wg sync.WaitGroup
	for l, err := range r.Campaign.letters(ctx, new(Pass)) {
		if err != nil {
			stop(err)
			break
		}
		if s.settled(l) {
			continue
		}
		select {
		case places <- struct{}{}:
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			break
		}
		wg.Go(func() {
			s.deliver(ctx, l)
			<-places
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

// sending is one run.
type sending struct {
	*Runner
	stop context.CancelCauseFunc
	pace *pace
	busy chan struct{}

	met   atomic.Bool // somebody was there
	retry sync.Once

	mu     sync.Mutex
	streak int
}

// settled reports whether nothing is to be sent for a row.
func (s *sending) settled(l *Letter) bool {
	e := Entry{Row: l.Row, Time: time.Now()}
	switch {
	case len(l.Faults) > 0 && !s.SkipFaulty:
		s.stop(&StopError{Detail: fmt.Sprintf("row %d has a fault now: %s", l.Row, l.Faults[0].Detail), Action: "Run the command again."})
		return true
	case len(l.Faults) > 0:
		f := l.Faults[0]
		e.State, e.Code, e.Detail = Faulty, string(code.InvalidPayload), f.Detail
		if f.Pointer != "" {
			e.Detail = f.Pointer + ": " + f.Detail
		}
	case s.Journal.Done(l.Key):
		return true
	case s.Unreachable != nil && s.Unreachable(l.To):
		e.Key, e.To = l.Key, l.To
		e.State, e.Code = Unreachable, string(code.RecipientUnreachable)
	default:
		return false
	}
	s.record(e)
	return true
}

func (s *sending) record(e Entry) {
	if err := s.Journal.Add(e); err != nil {
		s.stop(err)
	}
	if s.Observe != nil {
		s.Observe(e)
	}
}

// deliver sends a letter until it is clear what becomes of it, or patience or
// ctx ends.
func (s *sending) deliver(ctx context.Context, l *Letter) {
	began := time.Now()
	for attempt := 1; ; attempt++ {
		v, known := s.post(ctx, l.Body)
		if !known {
			return
		}
		if v.slower {
			s.pace.slower()
		} else if v.state.taken() {
			s.pace.faster()
		}
		if v.again {
			wait := backoff(attempt, v.after)
			if time.Since(began)+wait < s.Patience {
				s.tellRetry(&v)
				if !sleep(ctx, wait) {
					return
				}
				continue
			}
		}
		v.Entry.Row, v.Entry.Key, v.Entry.To, v.Entry.Time = l.Row, l.Key, l.To, time.Now()
		v.Entry.State = v.state
		s.record(v.Entry)
		s.heed(v)
		return
	}
}

// doubt ends the run if nobody was ever there: that is no interruption, which would
// pass.
func (s *sending) doubt(v *verdict) {
	if !v.unreached {
		s.met.Store(true)
	} else if !s.met.Load() {
		v.again, v.stop = false, true
	}
}

func (s *sending) tellRetry(v *verdict) {
	if s.Retrying != nil {
		s.retry.Do(func() { s.Retrying(v.because().Error()) })
	}
}

// post makes one request, when its turn has come. Once begun it is not broken off. If
// the run ends and nobody was asked, or gave an answer, nothing is known. A verdict that
// ends the run does so before another request takes the place of this one.
func (s *sending) post(ctx context.Context, body []byte) (v verdict, known bool) {
	select {
	case s.busy <- struct{}{}:
		defer func() { <-s.busy }()
	case <-ctx.Done():
		return verdict{}, false
	}
	if err := s.pace.wait(ctx); err != nil {
		return verdict{}, false
	}
	once, cancel := context.WithTimeout(context.WithoutCancel(ctx), answerTime)
	defer cancel()
	a, err := s.Send(once, body)
	if ctx.Err() != nil && a == nil {
		return verdict{}, false
	}
	v = judge(a, err)
	if s.doubt(&v); v.stop {
		s.stop(v.because())
	}
	return v, true
}

// heed stops the run where too many rows in a row failed.
func (s *sending) heed(v verdict) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if v.state.taken() || v.Code == string(code.RecipientUnreachable) {
		s.streak = 0
		return
	}
	if s.streak++; s.streak == maxStreak {
		e := v.because()
		e.Detail = fmt.Sprintf("%d rows in a row failed, the last with: %s", maxStreak, e.Detail)
		s.stop(e)
	}
}

// verdict is what an answer means for a run.
type verdict struct {
	Entry
	state  State
	again  bool          // the same row
	after  time.Duration // as advised
	slower bool
	stop   bool // no other row would fare better
	action string

	unreached bool
	err       error // in the place of an answer
}

func (v *verdict) because() *StopError {
	e := &StopError{Code: v.Code, Detail: v.Detail, Action: v.action, Err: v.err}
	if v.err != nil {
		e.Detail = v.err.Error()
	}
	return e
}

// judge reads an answer, or the error that came instead of one.
func judge(a *client.Response, err error) verdict {
	if err != nil {
		return judgeError(err)
	}
	v := verdict{Entry: Entry{Code: string(a.Code), MessageID: a.MessageID}, after: a.RetryAfter, action: a.Action}
	if !a.OK {
		v.Detail = a.Title
		if a.Detail != "" {
			v.Detail += ": " + a.Detail
		}
	}
	switch {
	case a.Code == code.Queued:
		v.state = Queued
	case a.OK:
		v.state = Sent
	case a.Retry == code.RetryLater || a.Retry == code.RetryNow:
		v.state, v.again = Open, true
		v.slower = a.Code == code.RateLimited || a.Code == code.Overloaded
	case a.Retry == code.RetryAfterFix:
		// What holds for one number, such as an agent that its carrier has not
		// launched, is no reason to keep the others waiting.
		v.state = Open
		v.stop = a.Code != code.AgentNotLaunched && a.Code != code.RecipientNotTester
	case ofCaller[a.Code]:
		v.state, v.stop = Open, true
	default:
		v.state = Refused
	}
	return v
}

// ofCaller are the codes of faults that are no recipient's.
var ofCaller = map[code.Code]bool{
	code.InvalidBody:          true,
	code.UnsupportedMediaType: true,
	code.UnknownAgent:         true,
	code.Unauthorized:         true,
	code.NotFound:             true,
	code.MethodNotAllowed:     true,
}

func judgeError(err error) verdict {
	v := verdict{Entry: Entry{Detail: err.Error()}, state: Open, err: err}
	e := (*client.Error)(nil)
	if !errors.As(err, &e) {
		v.again = true
		return v
	}
	v.Detail, v.after, v.action = e.Detail, e.RetryAfter, e.Action
	v.again = e.Retry == code.RetryLater || e.Retry == code.RetryNow
	v.slower = e.Status == 429
	v.unreached = e.Unreached
	v.stop = !v.again
	return v
}
