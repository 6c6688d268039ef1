package limit_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/itchyny/gojq"

	"github.com/rcshook/rcshook/internal/mapping/limit"
	"github.com/rcshook/rcshook/internal/racetest"
)

func compile(t *testing.T, text string) *gojq.Code {
	t.Helper()
	query := parse(t, text)
	limit.Rewrite(query)
	code, err := gojq.Compile(query, append(limit.Functions(), gojq.WithVariables([]string{limit.Variable}))...)
	if err != nil {
		t.Fatal(err)
	}
	return code
}

// still is a clock that lets programs run forever.
func still() time.Duration { return 0 }

// A program fails when it holds too much memory, in lists, in objects or by recursion.
// The test is not parallel, because it looks at the memory of the process.
func TestMeter_memory(t *testing.T) {
	racetest.Skip(t)
	deep := any(1)
	for range 9900 {
		deep = []any{deep}
	}
	for _, program := range []string{
		`[range(.n)] | length`,
		`[range(.n) | {a: .}]`,
		`.deep | [tostream]`,
		`.deep | [paths]`,
		`[.l[0] | match("a"; "g")]`,
		`def f: f + 1; f`,
		`def f: [f]; f`,
		`def f: {a: f}; f`,
		`. as $in | def f: $in.l[] | f; f`,
		`reduce range(.n) as $i (null; [., "\($i)"])`,
		`[.] | until(false; [., .[0], 1])`,
		`[recurse([., 1])]`,
	} {
		code := compile(t, program)
		runtime.GC()
		meter := limit.NewMeter(t.Context(), still)
		input := map[string]any{"n": 1_000_000_000, "deep": deep, "l": []any{strings.Repeat("a", 1<<20), 1}}
		got := results(code.RunWithContext(meter, input, limit.NewBudget()))
		if len(got) != 1 || got[0] != "error: uses more than 48 MiB of memory" {
			t.Errorf("%s = %.100v, want an error", program, got)
		}
		if grown := meter.Grown() >> 20; grown > 64 {
			t.Errorf("%s uses %d MiB", program, grown)
		}
		if err := meter.Verdict(meter.Err()); err != meter.Err() {
			t.Errorf("%s: %v, want its own error", program, err)
		}
	}
}

// A program is not to blame if others use the memory.
func TestMeter_memoryOfOthers(t *testing.T) {
	code := compile(t, "def f: f; f")
	runtime.GC()
	meter := limit.NewMeter(t.Context(), still)
	others := make([]byte, 64<<20)
	results(code.RunWithContext(meter, nil, limit.NewBudget()))
	if err := meter.Verdict(meter.Err()); err != limit.ErrMemory {
		t.Errorf("Verdict = %v, want ErrMemory", err)
	}
	runtime.KeepAlive(others)
}

// Garbage does not count.
func TestMeter_garbage(t *testing.T) {
	racetest.Skip(t)
	code := compile(t, `last(range(100) | [range(20000)] | length)`)
	if got := results(code.RunWithContext(limit.NewMeter(t.Context(), still), nil, limit.NewBudget())); len(got) != 1 || got[0] != 20000 {
		t.Errorf("got %v, want 20000", got)
	}
}

// Only the time on the processor counts.
func TestMeter_time(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		used := time.Hour // by an earlier program on this thread
		meter := limit.NewMeter(t.Context(), func() time.Duration { return used })
		step := func() error {
			time.Sleep(time.Minute) // waiting for the processor
			for range 100 {
				meter.Done()
			}
			return meter.Err()
		}
		if err := step(); err != nil {
			t.Errorf("after a minute of waiting: %v", err)
		}
		if used += limit.MaxTime - 1; step() != nil {
			t.Errorf("before the limit: %v", meter.Err())
		}
		if used++; step() == nil || meter.Err().Error() != "takes longer than 500ms" {
			t.Errorf("at the limit: %v", meter.Err())
		}
		select {
		case <-meter.Done():
		default:
			t.Error("the meter is not done at the limit")
		}
	})
}

// The end of the request ends its program.
func TestMeter_canceled(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	code := compile(t, "1, def f: f; f")
	iter := code.RunWithContext(limit.NewMeter(ctx, still), nil, limit.NewBudget())
	iter.Next()
	cancel()
	if v, _ := iter.Next(); !errors.Is(v.(error), context.Canceled) {
		t.Errorf("got %v, want context.Canceled", v)
	}
}
