package source

import (
	"context"
	"runtime"
	"time"
)

// Verify authenticates r without mapping it.
func Verify(ctx context.Context, s *Source, r *Request, now time.Time) error {
	return s.verify(ctx, r, now)
}

// Fill keeps the programs of all sources from running until empty is called.
func Fill(s *Source) (empty func()) {
	n := int64(runtime.GOMAXPROCS(0))
	if !s.slots.free.TryAcquire(n) {
		panic("a program is running")
	}
	return func() { s.slots.free.Release(n) }
}

// NewSlots returns a function that maps in slots of its own.
func NewSlots() (run func(context.Context, func(context.Context) (*Received, error)) (*Received, error)) {
	return newSlots().run
}
