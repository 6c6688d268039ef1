package server

import (
	"context"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Cloud Run stops an instance with SIGTERM, and with SIGKILL 10 seconds later.
//
// Cloud Run docs: https://docs.cloud.google.com/run/docs/container-contract#instance-shutdown
const (
	// cancelAfter is the time after which requests in flight are canceled, so that they
	// respond with what they know.
	cancelAfter = 8 * time.Second

	// drainTimeout limits the whole shutdown.
	drainTimeout = 9 * time.Second

	// quiet is the time without requests after which the process exits. A request may
	// still be in the backlog of the socket.
	quiet = 100 * time.Millisecond
)

// Requests counts the requests in flight. The zero value is ready to use.
type Requests struct {
	inFlight, started atomic.Int64
	draining          atomic.Bool

	once   sync.Once
	ctx    context.Context // canceled when the requests in flight have to end
	cancel context.CancelFunc
}

func (q *Requests) init() {
	q.once.Do(func() { q.ctx, q.cancel = context.WithCancel(context.Background()) })
}

// Serve calls next. When it returns, the response has been written to the connection if
// next set its Content-Length; otherwise net/http would write it later, when the request
// is not counted anymore.
func (q *Requests) Serve(w http.ResponseWriter, r *http.Request, next http.HandlerFunc) {
	q.init()
	q.inFlight.Add(1)
	defer q.inFlight.Add(-1)
	q.started.Add(1)
	if q.draining.Load() {
		w.Header().Set("Connection", "close") // the next request goes to another instance
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(q.ctx, cancel)()
	next(w, r.WithContext(ctx))
	_ = http.NewResponseController(w).Flush() // fails if the caller has disconnected
}

// Wait returns when no request is in flight and no new ones arrive. It returns an error
// when ctx ends or after drainTimeout. Requests in flight are canceled before that.
func (q *Requests) Wait(ctx context.Context) error {
	q.init()
	q.draining.Store(true)
	ctx, cancel := context.WithTimeout(ctx, drainTimeout)
	defer cancel()
	defer time.AfterFunc(cancelAfter, q.cancel).Stop()
	tick := time.NewTicker(quiet)
	defer tick.Stop()
	for before := int64(-1); ; {
		started := q.started.Load()
		if q.inFlight.Load() == 0 && started == before {
			return nil
		}
		before = started
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// exitOnSignal makes SIGTERM wait for the requests in flight before it ends the process.
// A second SIGTERM ends the process immediately.
func (q *Requests) exitOnSignal() {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM)
	go func() {
		<-signals
		signal.Stop(signals)
		_ = q.Wait(context.Background()) // the time is up for requests that are still in flight
		if self, err := os.FindProcess(os.Getpid()); err == nil && self.Signal(syscall.SIGTERM) == nil {
			<-time.After(time.Second) // the signal is being delivered
		}
		os.Exit(128 + int(syscall.SIGTERM)) // the signal does not end the first process of a container
	}()
}
