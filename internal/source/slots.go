package source

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"
)

// ErrBusy means that the time of a request ended before its programs had run to
// their end. Nothing was done, and the same event may well be mapped the next time.
var ErrBusy = errors.New("the webhook was not mapped in the time of the request")

func busy(ctx context.Context) error { return fmt.Errorf("%w: %w", ErrBusy, ctx.Err()) }

// turn is how long a goroutine runs before the scheduler has others run.
const turn = 10 * time.Millisecond

// running ends the context after the time limit, and counts of it only the turns in
// which its caller could run. On a busy processor that waits for all the others after
// each of its turns, so the count too goes to the end of the queue each time.
func running(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	var count func()
	count = func() {
		runtime.Gosched()
		if limit -= turn; limit <= 0 {
			cancel()
		}
		if ctx.Err() == nil {
			time.AfterFunc(turn, count)
		}
	}
	first := time.AfterFunc(turn, count)
	return ctx, func() { first.Stop(); cancel() }
}
