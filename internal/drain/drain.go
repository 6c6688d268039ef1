// Package drain lets a process end between requests: what is in flight is answered
// first, and what still comes meanwhile too.
package drain

import (
	"context"
	"net/http"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"
)

// Cloud Run ends an instance with SIGTERM and, 10 seconds later, with SIGKILL.
//
// Cloud Run docs: https://docs.cloud.google.com/run/docs/container-contract#instance-shutdown
const (
	// patience is how long requests may go on after the end was announced; then
	// they are cancelled, and answered with what is known.
	patience = 8 * time.Second

	// grace is how long Wait waits in all.
	grace = 9 * time.Second

	// quiet is how long nobody must have been there before the process ends: a
	// request may be on its way that nobody has seen.
	quiet = 100 * time.Millisecond
)

// Requests counts what is in flight. The zero value is ready to use.
type Requests struct {
	inFlight, begun atomic.Int64
	ending          atomic.Bool
	hurry           cancellation
}

// Serve lets next answer r. When it returns, the answer has left the process, if
// next has set its Content-Length: net/http alone would send it later, when nobody
// counts the request any more.
func (q *Requests) Serve(w http.ResponseWriter, r *http.Request, next http.HandlerFunc) {
	q.inFlight.Add(1)
	defer q.inFlight.Add(-1)
	q.begun.Add(1)
	if q.ending.Load() {
		w.Header().Set("Connection", "close") // the next request goes elsewhere
	}
	ctx, cancel := q.hurry.join(r.Context())
	defer cancel()
	next(w, r.WithContext(ctx))
	_ = http.NewResponseController(w).Flush() // fails if the caller is gone
}

// Wait returns once nothing is in flight and nothing new comes, or when ctx ends,
// with its error. Those in flight are cancelled in time for an answer that says so.
func (q *Requests) Wait(ctx context.Context) error {
	q.ending.Store(true)
	ctx, cancel := context.WithTimeout(ctx, grace)
	defer cancel()
	hurry := time.AfterFunc(patience, q.hurry.cancel)
	defer hurry.Stop()
	tick := time.NewTicker(quiet)
	defer tick.Stop()
	for before := int64(-1); ; {
		begun := q.begun.Load()
		if q.inFlight.Load() == 0 && begun == before {
			return nil
		}
		before = begun
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// EndBySignal makes SIGTERM wait for the requests in flight and then end the process
// as it would have done. A second one ends it at once.
func (q *Requests) EndBySignal() {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM)
	go func() {
		<-signals
		signal.Stop(signals)
		_ = q.Wait(context.Background()) // whoever is left has had the time there is
		if self, err := os.FindProcess(os.Getpid()); err == nil && self.Signal(syscall.SIGTERM) == nil {
			<-time.After(time.Second) // the signal is on its way
		}
		os.Exit(128 + int(syscall.SIGTERM)) // it does not end the first process of a container
	}()
}
