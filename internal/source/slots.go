package source

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/rcshook/rcshook/internal/mapping"
)

// maxOverdue is the number of webhooks that may keep their memory after their time.
const maxOverdue = 2

// ErrBusy means that the request timed out before its programs finished. The sender can
// retry.
var ErrBusy = errors.New("timed out before the webhook was mapped")

// ErrOverdue means that earlier webhooks are still being mapped after their time. The
// sender can retry.
var ErrOverdue = errors.New("the mappings of earlier webhooks have not ended")

// ErrMemory means that other requests use the memory that the programs need. The sender
// can retry.
var ErrMemory = mapping.ErrMemory

// slots limit the webhooks that are mapped at once, of one source and of all. Running more
// programs than there are processors would use memory without being faster.
type slots struct {
	own *semaphore.Weighted // so that other sources wait for few webhooks of this one

	// verifying limits the requests of this source that are verified at once, which takes
	// several times the memory of the body: anyone can send a wrong signature.
	verifying *semaphore.Weighted

	*sharedSlots
}

// sharedSlots are the slots of all sources.
type sharedSlots struct {
	all     *semaphore.Weighted
	overdue atomic.Int32 // webhooks whose slot was given to another one
}

func newSlots() *slots {
	return (&slots{sharedSlots: &sharedSlots{all: processors()}}).another()
}

// another returns the slots of another source.
func (s *slots) another() *slots { return &slots{processors(), processors(), s.sharedSlots} }

func processors() *semaphore.Weighted {
	return semaphore.NewWeighted(int64(runtime.GOMAXPROCS(0)))
}

// run maps a webhook in a slot. Its programs have [mapping.MaxTime] on the processor
// together. After that time on the clock, another source gets the slot. If a step does
// not end, run returns at the deadline of ctx. The error is that of f, [ErrBusy], or
// [ErrOverdue].
func (s *slots) run(ctx context.Context, f func(context.Context) (*Received, error)) (*Received, error) {
	if ctx.Err() != nil || s.own.Acquire(ctx, 1) != nil {
		return nil, fmt.Errorf("%w: %w", ErrBusy, ctx.Err())
	}
	if s.all.Acquire(ctx, 1) != nil {
		s.own.Release(1)
		return nil, fmt.Errorf("%w: %w", ErrBusy, ctx.Err())
	}
	if s.overdue.Load() >= maxOverdue {
		s.own.Release(1)
		s.all.Release(1)
		return nil, ErrOverdue
	}
	var received *Received
	var err error
	var panicked any
	done := make(chan struct{})
	timer := time.AfterFunc(mapping.MaxTime, func() {
		s.overdue.Add(1)
		s.all.Release(1)
	})
	go func() {
		defer close(done)
		defer func() {
			if v := recover(); v != nil {
				panicked = fmt.Sprintf("%v\n%s", v, debug.Stack())
			}
			s.own.Release(1)
			if timer.Stop() {
				s.all.Release(1)
			} else {
				s.overdue.Add(-1)
			}
		}()
		mapping.Limited(ctx, func(ctx context.Context) { received, err = f(ctx) })
	}()
	select {
	case <-done:
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %w", ErrBusy, ctx.Err())
	}
	if panicked != nil {
		panic(panicked) // in the goroutine of the request, which responds
	}
	return received, err
}
