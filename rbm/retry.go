package rbm

import (
	"context"
	"math/rand/v2"
	"time"
)

const (
	// longestWait bounds a Retry-After that is waited for in a call without a
	// deadline. What takes longer is better scheduled by the caller.
	longestWait = time.Minute

	// leastAttempt is what must be left of the caller's time for another attempt
	// to make sense.
	leastAttempt = 100 * time.Millisecond
)

func (r Retry) withDefaults() Retry {
	if r.MaxAttempts <= 0 {
		r.MaxAttempts = 4
	}
	if r.BaseDelay <= 0 {
		r.BaseDelay = 250 * time.Millisecond
	}
	if r.MaxDelay <= 0 {
		r.MaxDelay = 4 * time.Second
	}
	if r.AttemptTimeout <= 0 {
		r.AttemptTimeout = 10 * time.Second
	}
	return r
}

// pause says whether attempt n, which ended with e, is followed by another, and
// how long after. What the platform asks for is the least; the random part comes
// on top, so that those who were told the same do not come back together. A pause
// that leaves no time before the deadline of ctx is not begun.
func (r Retry) pause(ctx context.Context, e *Error, n int) (time.Duration, bool) {
	if n >= r.MaxAttempts || !e.temporary() || ctx.Err() != nil {
		return 0, false
	}
	if e.UnknownAgent() && n > 1 {
		return 0, false // transient once, or not transient
	}
	bound := r.BaseDelay
	for range n - 1 {
		bound = min(2*bound, r.MaxDelay)
	}
	bound = min(bound, r.MaxDelay)
	room := longestWait
	if deadline, ok := ctx.Deadline(); ok {
		room = time.Until(deadline) - min(leastAttempt, r.AttemptTimeout)
	}
	if e.RetryAfter > room || room <= 0 {
		return 0, false
	}
	return e.RetryAfter + rand.N(min(bound, room-e.RetryAfter)+1), true
}

// wait returns nil after d, or the error of ctx if that ends before.
func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
