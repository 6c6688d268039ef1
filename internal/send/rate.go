package send

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/maphash"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"
)

const (
	// minSendTime is the time that must remain before the deadline after waiting for
	// the rate limit; with less, the request would time out while it is sent.
	minSendTime = time.Second

	// maxSent is the number of messages that a limiter remembers, about a megabyte.
	maxSent = 8192
)

// RateLimiter is the rate limit of one agent or caller in this process. Retries count as much as first
// attempts, because both are requests to RBM. The nil RateLimiter does not limit anything.
type RateLimiter struct {
	mu      sync.Mutex // a canceled reservation must be returned before the next one is made
	limiter *rate.Limiter

	// known holds the messages that RBM has accepted, with the hash of their content, or
	// zero if that is not known.
	known *lru.Cache[string, uint64]
	seed  maphash.Seed
}

// NewRateLimiter returns a limiter of so many messages per second, or nil for zero.
func NewRateLimiter(messagesPerSecond float64) *RateLimiter {
	if messagesPerSecond <= 0 {
		return nil
	}
	known, err := lru.New[string, uint64](maxSent)
	if err != nil {
		panic("send: " + err.Error()) // only a size below one is an error
	}
	// With a burst of more than one, the first second could hold twice as many messages.
	return &RateLimiter{limiter: rate.NewLimiter(rate.Limit(messagesPerSecond), 1), known: known, seed: maphash.MakeSeed()}
}

// LimitError is the error of a message that was not sent because of the rate limit of
// its agent, or of its caller.
type LimitError struct {
	// Caller is the name of the caller whose limit it is; empty for that of the agent.
	Caller string

	// RetryAfter is the time after which the messages that wait now have been sent.
	RetryAfter time.Duration

	// Err is the error of the context, if the caller gave up while waiting.
	Err error
}

func (e *LimitError) Error() string {
	return fmt.Sprintf("rate limit: expected a wait of at most the time left, got %v", e.RetryAfter)
}

func (e *LimitError) Unwrap() error { return e.Err }

// takeOnce waits for the rate limit of a caller. A message that is sent again under its ID
// counts once, because it arrives once.
func (l *RateLimiter) takeOnce(ctx context.Context, to, id string) error {
	if _, ok := l.sent(to, id); ok {
		return nil
	}
	err := l.Wait(ctx)
	if err == nil {
		l.remember(to, id, 0)
	}
	return err
}

// Wait returns when the caller may send. If that would be too late for the deadline of
// ctx, it returns an error at once. After an error nothing was sent.
func (l *RateLimiter) Wait(ctx context.Context) error {
	if l == nil {
		return nil
	}
	reservation, delay := l.reserve(ctx)
	if reservation == nil {
		return &LimitError{RetryAfter: roundUp(delay)}
	}
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		reservation.Cancel()
		return &LimitError{RetryAfter: roundUp(reservation.Delay()), Err: ctx.Err()}
	}
}

// reserve reserves the next time to send, after delay. It returns nil if the deadline
// of ctx is earlier.
func (l *RateLimiter) reserve(ctx context.Context) (*rate.Reservation, time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	reservation := l.limiter.ReserveN(now, 1)
	delay := reservation.DelayFrom(now)
	if deadline, ok := ctx.Deadline(); ok && delay > 0 && deadline.Sub(now) < delay+minSendTime {
		reservation.CancelAt(now)
		return nil, delay
	}
	return reservation, delay
}

// roundUp rounds to whole seconds.
func roundUp(d time.Duration) time.Duration {
	return (d + time.Second - 1).Truncate(time.Second)
}

// content returns a hash of the content of a message, which is never zero.
func (l *RateLimiter) content(m *Message) uint64 {
	if l == nil {
		return 0
	}
	data, _ := json.Marshal(m.Message.Message.ContentMessage) // it was marshaled before
	return max(1, maphash.Bytes(l.seed, data))
}

// sent reports whether RBM is known to have the message, and the hash of its content, if
// that is known. When a caller retries a list, the messages that were sent before then
// need no share of the rate.
func (l *RateLimiter) sent(to, id string) (content uint64, ok bool) {
	if l == nil {
		return 0, false
	}
	return l.known.Get(to + " " + id)
}

// remember records a message that RBM has accepted.
func (l *RateLimiter) remember(to, id string, content uint64) {
	if l != nil {
		l.known.Add(to+" "+id, content)
	}
}
