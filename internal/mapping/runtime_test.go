package mapping

import (
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// The time that other goroutines spend on the processor does not count.
func TestWithRunTime_busy(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	var end atomic.Bool
	defer end.Store(true)
	for range 10 {
		go func() {
			for !end.Load() { // busy
			}
		}()
	}
	const limit = 100 * time.Millisecond // the others take as long for one time slice each
	ctx, cancel := withRunTime(t.Context(), limit)
	defer cancel()
	for range 4 {
		runtime.Gosched()
	}
	if ctx.Err() != nil {
		t.Error("the context ended after four short time slices on a busy processor")
	}
}

// On an idle processor the run time is the wall time.
func TestWithRunTime_idle(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := withRunTime(t.Context(), time.Second)
		defer cancel()
		if time.Sleep(time.Second - 1); ctx.Err() != nil {
			t.Error("the context ended before the limit")
		}
		time.Sleep(time.Nanosecond)
		if synctest.Wait(); ctx.Err() == nil {
			t.Error("the context did not end at the limit")
		}
	})
}
