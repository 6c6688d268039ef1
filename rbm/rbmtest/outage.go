package rbmtest

import (
	"context"
	"sync"
)

// outage is what a server does instead of answering: fail for some requests, or
// keep them waiting. The zero value does neither.
type outage struct {
	mu     sync.Mutex
	status int
	left   int           // requests that still fail; negative: all of them
	hung   chan struct{} // closed when the waiting ends; nil: nobody waits
}

// fail makes the next times requests answer status; a negative number of times
// means all of them, zero ends it.
func (o *outage) fail(status, times int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.status, o.left = status, times
}

// hang makes requests wait, or lets all that wait go on.
func (o *outage) hang(on bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case on && o.hung == nil:
		o.hung = make(chan struct{})
	case !on && o.hung != nil:
		close(o.hung)
		o.hung = nil
	}
}

// next returns the status that this request must fail with, or 0. It waits
// while the server hangs, and until ctx ends at the longest.
func (o *outage) next(ctx context.Context) int {
	o.mu.Lock()
	hung := o.hung
	o.mu.Unlock()
	if hung != nil {
		select {
		case <-hung:
		case <-ctx.Done():
		}
	}

	o.mu.Lock()
	defer o.mu.Unlock()
	if o.left == 0 {
		return 0
	}
	if o.left > 0 {
		o.left--
	}
	return o.status
}
