package send

import (
	"context"
	"fmt"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/rcshook/rcshook/internal/code"
	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/response"
)

// leastSend is what must be left of a request's budget after waiting for its turn:
// what is begun later would be given up with the message under way.
const leastSend = time.Second

// A Pace spreads the messages of one agent over time, for all requests of this
// process. Repetitions count as much as first attempts: they are requests to the
// platform too. The nil Pace holds nothing back.
type Pace struct {
	mu      sync.Mutex // so that a turn that is not taken is given back before the next is asked for
	limiter *rate.Limiter
	taken   recent
}

// NewPaces returns the paces of the agents that have one, by name.
func NewPaces(agents map[string]config.Agent) map[string]*Pace {
	paces := make(map[string]*Pace)
	for name, a := range agents {
		if a.MessagesPerSecond > 0 {
			// One after the other: with a burst, the first second could hold twice as many.
			paces[name] = &Pace{limiter: rate.NewLimiter(rate.Limit(a.MessagesPerSecond), 1)}
		}
	}
	return paces
}

// wait returns when it is the caller's turn. If the turn would come too late for
// the deadline of ctx, it says so at once; whenever it fails, nothing was sent.
func (p *Pace) wait(ctx context.Context) error {
	if p == nil {
		return nil
	}
	turn, delay := p.reserve(ctx)
	if turn == nil {
		return late(delay, nil)
	}
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		turn.Cancel()
		return late(turn.Delay(), ctx.Err())
	}
}

// reserve takes the next turn, after delay, unless the deadline of ctx is before it.
func (p *Pace) reserve(ctx context.Context) (turn *rate.Reservation, delay time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	turn = p.limiter.ReserveN(now, 1)
	delay = turn.DelayFrom(now)
	if deadline, ok := ctx.Deadline(); ok && delay > 0 && deadline.Sub(now) < delay+leastSend {
		turn.CancelAt(now)
		return nil, delay
	}
	return turn, delay
}

// late is the error of a message that was not begun. Who comes back after the
// delay finds that those who wait now have gone.
func late(delay time.Duration, err error) error {
	delay = (delay + time.Second - 1).Truncate(time.Second)
	return &response.Problem{
		Code:   code.RateLimited,
		Reason: "pace",
		Detail: fmt.Sprintf("the pace that is set for this agent here, messages_per_second, is taken up for the next %v; nothing was sent", delay),
		Action: "Send again after the time in Retry-After, with the same idempotency_key if there was one. " +
			"If it comes often, raise messages_per_second in rcshook.yaml or RCSHOOK_MESSAGES_PER_SECOND, or let messages wait in a queue.",
		RetryAfter: delay,
		Err:        err,
	}
}

// has reports whether the platform is known to have the message. A caller who
// repeats a list because part of it had to wait would otherwise spend every turn
// on those who have it.
func (p *Pace) has(phone, id string) bool { return p != nil && p.taken.has(phone+" "+id) }

// note remembers a message that the platform has.
func (p *Pace) note(phone, id string) {
	if p != nil {
		p.taken.add(phone + " " + id)
	}
}

// recent remembers the last that was added to it.
type recent struct {
	mu    sync.Mutex
	known map[string]bool
	order []string
}

// maxRecent is how much a [recent] remembers, a megabyte or so.
const maxRecent = 8192

func (r *recent) has(s string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.known[s]
}

func (r *recent) add(s string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.known[s] {
		return
	}
	if r.known == nil {
		r.known = make(map[string]bool)
	}
	r.known[s] = true
	if r.order = append(r.order, s); len(r.order) > maxRecent {
		delete(r.known, r.order[0])
		r.order = r.order[1:]
	}
}
