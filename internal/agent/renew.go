package agent

import (
	"context"
	"sync"
	"time"
)

// Renew is for when RCS Business Messaging has answered 401 to a's token: it reads
// a's agent ID and credentials again, drops the token, and returns the agent as it
// is now. Many may call it at once: the first one's work serves all who hold the
// same a. When it is called too often, it returns a unchanged.
//
// Secrets that cannot be read again stay in use, so the error is at most that of ctx,
// or a [*SecretError] where there was nothing to stay with.
func (d *Directory) Renew(ctx context.Context, a *Agent) (*Agent, error) {
	e := a.entry
	if f := e.renew(d, a); f != nil {
		if _, err := f.wait(ctx); err != nil {
			return nil, err
		}
	}
	return e.agent(ctx)
}

// renew returns the renewal of a that runs now, or nil when a has been renewed
// already or may not be renewed again so soon.
func (e *entry) renew(d *Directory, a *Agent) *flight[struct{}] {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.current.Load() != a {
		return nil
	}
	if e.renewal != nil {
		return e.renewal
	}
	if !e.renewals.take(d.now()) {
		return nil
	}
	f := &flight[struct{}]{done: make(chan struct{})}
	if !d.life.run(func(ctx context.Context) { e.refetch(ctx, a, f) }) {
		return nil
	}
	e.renewal = f
	return f
}

func (e *entry) refetch(ctx context.Context, old *Agent, f *flight[struct{}]) {
	var both sync.WaitGroup
	both.Go(func() { _ = e.id.renew(ctx) })          // a failure is logged by the cell,
	both.Go(func() { _ = e.account.key.renew(ctx) }) // and what it holds stays
	both.Wait()

	e.mu.Lock()
	defer e.mu.Unlock()
	if h := e.account.key.held.Load(); h != nil && h.value == old.key {
		old.key.tokens.reset() // a new key has a new token
	}
	// A new pointer marks the renewal: who still holds the old one is late.
	renewed := *e.current.Load()
	e.current.Store(&renewed)
	e.renewal = nil
	close(f.done)
}

// A budget bounds how often something is done: a few times at once, then at an
// even pace.
type budget struct {
	mu   sync.Mutex
	left float64
	at   time.Time
}

const (
	budgetBurst = 5
	budgetPace  = 2 * time.Second // one more each
)

func newBudget() *budget { return &budget{left: budgetBurst} }

func (b *budget) take(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if earned := now.Sub(b.at); earned > 0 {
		b.left = min(b.left+float64(earned)/float64(budgetPace), budgetBurst)
	}
	b.at = now
	if b.left < 1 {
		return false
	}
	b.left--
	return true
}
