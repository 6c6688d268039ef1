// Package slots limits what is worked on at once to what there are processors for.
package slots

import (
	"context"
	"runtime"
)

// Slots are as many as there are processors. To have more requests at once decoded and
// mapped would make none of them faster: each would keep, while it waits for the others,
// the time limit of its programs running, and its memory.
type Slots chan struct{}

// New returns slots that are all free.
func New() Slots { return make(Slots, runtime.GOMAXPROCS(0)) }

// Take waits for a slot, first come, first served. The error is that of ctx; then there
// is nothing to free.
func (s Slots) Take(ctx context.Context) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	select {
	case s <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Free gives a slot back.
func (s Slots) Free() { <-s }
