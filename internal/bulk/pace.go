package bulk

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// pace is how fast requests are made: at the rate that was asked for, at half of it
// where a limit is met, again and again, and a tenth faster each second after that.
type pace struct {
	limiter *rate.Limiter
	full    rate.Limit
	now     func() time.Time

	mu      sync.Mutex
	changed time.Time
}

// Bounds of the pace.
const (
	paceStep  = time.Second // between two changes
	paceUp    = 1.1
	paceDown  = 0.5
	paceFloor = 1.0 / 100 // of the full rate
)

func newPace(perSecond float64, now func() time.Time) *pace {
	full := rate.Limit(perSecond)
	return &pace{limiter: rate.NewLimiter(full, max(1, int(full/50))), full: full, now: now}
}

// wait returns when a request may be made, or the error of ctx.
func (p *pace) wait(ctx context.Context) error { return p.limiter.Wait(ctx) }

// slower is called for every answer that says "too fast".
func (p *pace) slower() { p.change(paceDown) }

// faster is called for every answer that does not.
func (p *pace) faster() {
	if p.limiter.Limit() < p.full {
		p.change(paceUp)
	}
}

func (p *pace) change(factor rate.Limit) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	if now.Sub(p.changed) < paceStep {
		return
	}
	p.changed = now
	p.limiter.SetLimit(min(max(p.limiter.Limit()*factor, p.full*paceFloor), p.full))
}

// Bounds of the wait before the next attempt, where nobody advised a longer one.
const (
	firstWait = time.Second
	lastWait  = time.Minute
)

// backoff returns how long to wait after an attempt, the first being 1: as was
// advised or longer, twice as long each time, and not all at the same moment.
func backoff(attempt int, advised time.Duration) time.Duration {
	wait := min(firstWait<<min(attempt-1, 10), lastWait)
	wait = wait/2 + rand.N(wait/2+1)
	if wait < advised {
		wait = advised + rand.N(advised/4+1)
	}
	return wait
}

// sleep reports whether ctx lasted so long.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
