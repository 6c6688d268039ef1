package limit

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/metrics"
	"sync"
	"time"
)

const (
	// MaxTime limits the time on a processor. Usual programs take microseconds.
	MaxTime = 500 * time.Millisecond

	maxMemory = 48 << 20 // bytes by which the heap may grow

	// interval is how often a program is checked. In that time it can make a few MiB.
	interval = 250 * time.Microsecond

	stepsPerLook = 16 // instructions from one look at the clock to the next
)

var (
	errTime   = Error(fmt.Sprintf("takes longer than %s", MaxTime))
	errMemory = Error(fmt.Sprintf("uses more than %d MiB of memory", maxMemory>>20))
)

// ErrMemory means that a program was stopped because other requests used the memory.
var ErrMemory = errors.New("no memory is left for the mapping")

// Meter is a context that ends at the limits of time and memory. Gojq looks at its
// context before each instruction, so the meter counts there, in the goroutine of the
// program. One meter can serve programs that run one after another.
type Meter struct {
	context.Context
	clock func() time.Duration
	start time.Duration // of clock
	heap  uint64        // bytes at the start
	steps int
	last  time.Time // of the last check
	done  chan struct{}
	err   error
	held  uint64 // bytes of the heap when the memory was exceeded
}

// Metered calls f with a meter. While f runs, its goroutine has a thread of its own,
// because the system counts the time of threads.
func Metered(ctx context.Context, f func(*Meter)) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	f(newMeter(ctx, cpuTime))
}

func newMeter(ctx context.Context, clock func() time.Duration) *Meter {
	return &Meter{Context: ctx, clock: clock, start: clock(), heap: heapSize(), last: time.Now(), done: make(chan struct{})}
}

// Done returns a channel that is closed when the program must end.
func (m *Meter) Done() <-chan struct{} {
	if m.steps++; m.steps%stepsPerLook == 1 && time.Since(m.last) >= interval && m.err == nil {
		if m.check(); m.err != nil {
			close(m.done)
		}
		m.last = time.Now()
	}
	return m.done
}

// Err returns an [Error] after a limit was exceeded.
func (m *Meter) Err() error { return m.err }

// trial is held by the program that may have exceeded the memory, until [Meter.Verdict].
var trial sync.Mutex

func (m *Meter) check() {
	if m.err = m.Context.Err(); m.err != nil {
		return
	}
	if m.clock()-m.start >= MaxTime {
		m.err = errTime
		return
	}
	if heapSize() <= m.heap+maxMemory {
		return
	}
	trial.Lock()
	runtime.GC()
	// Some space must be left, or the garbage would be collected at every check.
	if m.held = heapSize(); m.held > m.heap+maxMemory*3/4 {
		m.err = errMemory
		return
	}
	trial.Unlock()
}

// Verdict returns err, the error of a program. If the program was stopped because of the
// memory, but others use it, the error is [ErrMemory]. The caller must have dropped all
// values of the program.
func (m *Meter) Verdict(err error) error {
	if m.held == 0 || m.err != errMemory {
		return err
	}
	runtime.GC()
	if m.held < heapSize()+maxMemory/3 {
		err = ErrMemory
	}
	m.held = 0
	trial.Unlock()
	return err
}

// heapSize returns the bytes of all objects, including garbage.
func heapSize() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
