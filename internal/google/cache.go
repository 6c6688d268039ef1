package google

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// Cached holds a value that is fetched from elsewhere and changes there. Get fetches
// it on first use. Later fetches run in the background while the old value is still
// served. One fetch runs at a time, with its own deadline; a request stops waiting
// for it when its own context ends.
//
// All decisions are made on use and by the wall clock, without timers: a serverless
// process may be frozen between two requests, and its timers with it.
//
// Two libraries come close. golang.org/x/sync/singleflight shares a fetch, but
// cannot discard the result of one that Reset has outdated, report whether one is in
// flight, or let Close wait for it. oauth2.ReuseTokenSourceWithExpiry blocks every
// caller during an early refresh, and fails with it although the old token is valid.
type Cached[T any] struct {
	Background *Background
	Now        func() time.Time
	Timeout    time.Duration // of one fetch

	// Fetch returns the value and its validity.
	Fetch func(ctx context.Context) (T, Lease, error)

	// OnError, if not nil, is called when a fetch fails and the old value stays
	// in use. The returned lease replaces that of the old value.
	OnError func(err error, l Lease) Lease

	current atomic.Pointer[entry[T]]

	mu       sync.Mutex
	inFlight *fetch[T]
	err      error // of the last fetch
	failures int   // in a row
	failedAt time.Time
}

// Lease is the validity of a cached value.
type Lease struct {
	Since   time.Time // time of the fetch
	Refresh time.Time // from here on the value is refreshed in the background; zero: never
	End     time.Time // from here on the value is not used; zero: never
}

type entry[T any] struct {
	Lease
	value T
}

func (l *Lease) usable(now time.Time) bool { return l.End.IsZero() || now.Before(l.End) }
func (l *Lease) fresh(now time.Time) bool {
	return l.usable(now) && (l.Refresh.IsZero() || now.Before(l.Refresh))
}

// fetch is one call of Fetch. Value and err are set before done is closed.
type fetch[T any] struct {
	done  chan struct{}
	value T
	err   error
}

func (f *fetch[T]) wait(ctx context.Context) (value T, err error) {
	select {
	case <-f.done:
		return f.value, f.err
	default:
	}
	select {
	case <-f.done:
		return f.value, f.err
	case <-ctx.Done():
		return value, WaitError(ctx)
	}
}

// Get returns the value. It waits only without a usable one.
func (c *Cached[T]) Get(ctx context.Context) (T, error) {
	if e := c.current.Load(); e != nil && e.fresh(c.Now()) {
		return e.value, nil
	}
	e, f, err := c.refresh()
	switch {
	case e != nil:
		return e.value, nil
	case f != nil:
		return f.wait(ctx)
	}
	var none T
	return none, err
}

// Prefetch starts to fetch the value if there is none.
func (c *Cached[T]) Prefetch() {
	if c.current.Load() == nil {
		c.refresh()
	}
}

// Current returns the cached value, usable or not; false if there is none.
func (c *Cached[T]) Current() (value T, ok bool) {
	if e := c.current.Load(); e != nil {
		return e.value, true
	}
	return value, false
}

// refresh starts a fetch if one is due. It returns the usable value, the fetch in
// flight, and the error of the last fetch; any of them may be nil.
func (c *Cached[T]) refresh() (*entry[T], *fetch[T], error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.Now()
	e := c.current.Load()
	if e != nil && !e.usable(now) {
		e = nil
	}
	if e != nil && e.fresh(now) {
		return e, nil, nil
	}
	if c.inFlight == nil && c.retryDue(now, e != nil) {
		c.start()
	}
	return e, c.inFlight, c.err
}

// Delays after a failed fetch. Without a usable value the delay is short, so that a
// fixed secret works within seconds; it only limits the load of many requests.
const (
	retryDelay    = time.Second // doubles with each failure while there is a usable value
	maxRetryDelay = 30 * time.Second
)

func (c *Cached[T]) retryDue(now time.Time, usable bool) bool {
	if c.failures == 0 {
		return true
	}
	delay := retryDelay
	if usable {
		delay = min(retryDelay<<min(c.failures-1, 10), maxRetryDelay)
	}
	since := now.Sub(c.failedAt)
	return since >= delay || since < 0 // the clock was set back
}

// start starts a fetch in the background. The caller holds c.mu.
func (c *Cached[T]) start() {
	f := &fetch[T]{done: make(chan struct{})}
	started := c.Background.Go(func(ctx context.Context) {
		ctx, cancel := context.WithTimeout(ctx, c.Timeout)
		defer cancel()
		var l Lease
		f.value, f.err = CatchPanic(func() (value T, err error) {
			value, l, err = c.Fetch(ctx)
			return value, err
		})
		c.finish(f, l)
		close(f.done)
	})
	if !started {
		c.err = ErrClosed
		return
	}
	c.inFlight = f
}

// finish stores the result of a fetch, unless Reset was called in the meantime.
func (c *Cached[T]) finish(f *fetch[T], l Lease) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.inFlight != f {
		return
	}
	c.inFlight, c.err = nil, f.err
	if f.err == nil {
		c.failures = 0
		c.current.Store(&entry[T]{l, f.value})
		return
	}
	c.failures++
	c.failedAt = c.Now()
	if e := c.current.Load(); e != nil && e.usable(c.failedAt) && c.OnError != nil {
		c.current.Store(&entry[T]{c.OnError(f.err, e.Lease), e.value})
	}
}

// Renew fetches the value now and waits for it. If a fetch is in flight, Renew waits
// for that one. If it fails, the old value stays.
func (c *Cached[T]) Renew(ctx context.Context) error {
	c.mu.Lock()
	if c.inFlight == nil {
		c.start()
	}
	f, err := c.inFlight, c.err
	c.mu.Unlock()
	if f == nil {
		return err
	}
	_, err = f.wait(ctx)
	return err
}

// Err returns the error of the last fetch; nil if it succeeded.
func (c *Cached[T]) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// InFlight reports whether a fetch is in flight.
func (c *Cached[T]) InFlight() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.inFlight != nil
}

// Reset removes the value, and discards the result of a fetch in flight.
func (c *Cached[T]) Reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.current.Store(nil)
	c.inFlight, c.err, c.failures = nil, nil, 0
}

// Background runs goroutines that may outlive the request that started them, until
// Close.
type Background struct {
	ctx    context.Context
	cancel context.CancelFunc

	mu     sync.Mutex
	closed bool
	work   sync.WaitGroup
}

// NewBackground returns a Background.
func NewBackground() *Background {
	ctx, cancel := context.WithCancel(context.Background())
	return &Background{ctx: ctx, cancel: cancel}
}

// Go runs f in a new goroutine with a context that Close cancels. After Close it
// returns false and does not run f.
func (b *Background) Go(f func(ctx context.Context)) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return false
	}
	b.work.Go(func() { f(b.ctx) })
	return true
}

// Close cancels all goroutines and waits for them.
func (b *Background) Close() {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	b.cancel()
	b.work.Wait()
}
