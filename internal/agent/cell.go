package agent

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// A cell holds a value that comes from elsewhere and changes there. It fetches the
// value when it is first asked for, and again, in the background, when it is asked
// for after the value has stopped being fresh. However many ask, one fetch runs
// at a time; it has its own deadline, and those who wait for it leave when their
// own context ends.
//
// All decisions are made at use, by the wall clock. No timer is involved: a
// serverless process may be frozen between two requests, and timers with it.
type cell[T any] struct {
	life     *life
	now      func() time.Time
	patience time.Duration // deadline of a fetch

	// fetch gets the value and says how long it is good for.
	fetch func(ctx context.Context) (T, lease, error)

	// kept is told that a fetch has failed and the old value stays in use. It
	// may end the old value sooner. Nil means nobody listens.
	kept func(err error, of lease) lease

	held atomic.Pointer[held[T]]

	mu       sync.Mutex
	flight   *flight[T] // the fetch that runs
	err      error      // of the last fetch
	failures int        // in a row
	failedAt time.Time
}

// A lease says how long a value is good for.
type lease struct {
	since   time.Time // when it was fetched
	refresh time.Time // from here on it is fetched again while still in use; zero: never
	end     time.Time // from here on it must not be used; zero: never
}

type held[T any] struct {
	lease
	value T
}

type flight[T any] struct {
	done  chan struct{}
	value T
	err   error
}

func (l *lease) fresh(now time.Time) bool  { return l.refresh.IsZero() || now.Before(l.refresh) }
func (l *lease) usable(now time.Time) bool { return l.end.IsZero() || now.Before(l.end) }

// get returns the value, if need be after waiting for it.
func (c *cell[T]) get(ctx context.Context) (T, error) {
	now := c.now()
	if h := c.held.Load(); h != nil && h.fresh(now) && h.usable(now) {
		return h.value, nil
	}
	h, f, err := c.attend(now)
	switch {
	case h != nil:
		return h.value, nil
	case f != nil:
		return f.wait(ctx)
	default:
		var none T
		return none, err
	}
}

// prime starts to fetch a value that will be asked for soon.
func (c *cell[T]) prime() {
	if c.held.Load() == nil {
		c.attend(c.now())
	}
}

// attend sees to it that a fetch runs where one is due. It returns the value if
// there is a usable one, else the fetch to wait for, else why there is none.
func (c *cell[T]) attend(now time.Time) (*held[T], *flight[T], error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	h := c.held.Load()
	if h != nil && !h.usable(now) {
		h = nil
	}
	if h != nil && h.fresh(now) {
		return h, nil, nil
	}
	if c.flight == nil && c.due(now, h != nil) {
		c.start()
	}
	return h, c.flight, c.err
}

// Pauses after failed fetches. Without a value the pause is short, so that a
// mended secret works within seconds, and only keeps a crowd from hammering.
const (
	pauseWithout = time.Second
	pauseWith    = time.Second // doubled with each failure
	pauseMax     = 30 * time.Second
)

func (c *cell[T]) due(now time.Time, usable bool) bool {
	if c.failures == 0 {
		return true
	}
	pause := pauseWithout
	if usable {
		pause = min(pauseWith<<min(c.failures-1, 10), pauseMax)
	}
	since := now.Sub(c.failedAt)
	return since >= pause || since < 0 // the clock was set back
}

// start begins a fetch. The caller holds c.mu, and no fetch runs.
func (c *cell[T]) start() {
	f := &flight[T]{done: make(chan struct{})}
	if !c.life.run(func(ctx context.Context) { c.fly(ctx, f) }) {
		c.err = errClosed
		return
	}
	c.flight = f
}

func (c *cell[T]) fly(ctx context.Context, f *flight[T]) {
	ctx, cancel := context.WithTimeout(ctx, c.patience)
	defer cancel()
	var of lease
	f.value, f.err = guard(func() (value T, err error) {
		value, of, err = c.fetch(ctx)
		return value, err
	})
	c.land(f, of)
	close(f.done)
}

// guard runs f and makes an error of a panic: nobody else could recover it, and the
// process serves many requests besides.
func guard[T any](f func() (T, error)) (value T, err error) {
	defer func() {
		switch v := recover().(type) {
		case nil:
		case runtime.Error:
			err = &bugError{v.Error()}
		default:
			err = &bugError{fmt.Sprintf("panic with a %T", v)} // it may hold anything
		}
	}()
	return f()
}

// land keeps the outcome of a fetch, unless the cell was reset in the meantime.
func (c *cell[T]) land(f *flight[T], of lease) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.flight != f {
		return
	}
	c.flight, c.err = nil, f.err
	if f.err == nil {
		c.failures = 0
		c.held.Store(&held[T]{of, f.value})
		return
	}
	c.failures++
	c.failedAt = c.now()
	if h := c.held.Load(); h != nil && h.usable(c.failedAt) && c.kept != nil {
		c.held.Store(&held[T]{c.kept(f.err, h.lease), h.value})
	}
}

// renew fetches the value now, whatever is held, and waits for it. When that
// fails what is held stays.
func (c *cell[T]) renew(ctx context.Context) error {
	c.mu.Lock()
	if c.flight == nil {
		c.start()
	}
	f, err := c.flight, c.err
	c.mu.Unlock()
	if f == nil {
		return err
	}
	_, err = f.wait(ctx)
	return err
}

// failure is why the last fetch failed; nil if it did not.
func (c *cell[T]) failure() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// flying reports whether a fetch runs.
func (c *cell[T]) flying() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.flight != nil
}

// reset forgets the value, and that of a fetch that runs.
func (c *cell[T]) reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.held.Store(nil)
	c.flight, c.err, c.failures = nil, nil, 0
}

func (f *flight[T]) wait(ctx context.Context) (T, error) {
	select {
	case <-f.done:
		return f.value, f.err
	default:
	}
	select {
	case <-f.done:
		return f.value, f.err
	case <-ctx.Done():
		var none T
		return none, &waitError{ctx.Err()}
	}
}

// life is the time between New and Close, in which work may run in the background.
type life struct {
	ctx context.Context
	end context.CancelFunc

	mu     sync.Mutex
	closed bool
	work   sync.WaitGroup
}

func newLife() *life {
	ctx, end := context.WithCancel(context.Background())
	return &life{ctx: ctx, end: end}
}

// run starts f, or reports that life is over.
func (l *life) run(f func(ctx context.Context)) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	l.work.Go(func() { f(l.ctx) })
	return true
}

// close ends all work and waits until it has ended.
func (l *life) close() {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.end()
	l.work.Wait()
}
