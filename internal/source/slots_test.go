package source_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/mapping"
	"github.com/rcshook/rcshook/internal/source"
)

func quick(context.Context) (*source.Received, error) { return new(source.Received), nil }

// Steps that do not end give their slots back after the time of a mapping, and their
// callers do not wait for them. If there are too many, others are refused.
func TestSlots_endless(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		slots, end := source.NewSlots(), make(chan struct{})
		endless := func(context.Context) (*source.Received, error) { <-end; return nil, nil }
		ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
		defer cancel()
		fill := func() {
			for range runtime.GOMAXPROCS(0) {
				go func() {
					start := time.Now()
					_, err := slots.Source().Run(ctx, endless)
					if waited := time.Since(start); !errors.Is(err, source.ErrBusy) && err != source.ErrOverdue || waited > 4*time.Second {
						t.Errorf("the endless mapping: %v after %v", err, waited)
					}
				}()
			}
			synctest.Wait()
		}
		fill()
		time.Sleep(mapping.MaxTime - time.Millisecond)
		short, cancelShort := context.WithTimeout(t.Context(), time.Microsecond)
		defer cancelShort()
		if _, err := slots.Run(short, quick); !errors.Is(err, source.ErrBusy) {
			t.Errorf("while the slots are taken: %v, want ErrBusy", err)
		}
		for range 2 { // one of them is enough with two processors or more
			fill()
			time.Sleep(mapping.MaxTime)
		}
		if _, err := slots.Run(t.Context(), quick); err != source.ErrOverdue {
			t.Errorf("while too many steps go on: %v, want ErrOverdue", err)
		}
		time.Sleep(4 * time.Second)
		close(end)
		synctest.Wait()
		if got, err := slots.Run(t.Context(), quick); got == nil || err != nil {
			t.Errorf("after their end: %v", err)
		}
	})
}

// Another source waits for few webhooks of a source that sends many, and for none whose
// step goes on after its time. Two such steps are too many.
func TestSlots_others(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		slots, end := source.NewSlots(), make(chan struct{})
		attacked, other := slots.Source(), slots.Source()
		for range 20 {
			go attacked.Run(t.Context(), func(context.Context) (*source.Received, error) {
				time.Sleep(mapping.MaxTime - 1)
				return nil, nil
			})
		}
		synctest.Wait()
		start := time.Now()
		for range 3 {
			if got, err := other.Run(t.Context(), quick); got == nil || err != nil {
				t.Errorf("Run = %v, %v", got, err)
			}
		}
		if waited := time.Since(start); waited > 3*mapping.MaxTime {
			t.Errorf("three webhooks of another source waited %v", waited)
		}
		time.Sleep(time.Minute)
		go attacked.Run(t.Context(), func(context.Context) (*source.Received, error) { <-end; return nil, nil })
		time.Sleep(mapping.MaxTime + 1)
		for range 10 {
			if got, err := other.Run(t.Context(), quick); got == nil || err != nil {
				t.Errorf("Run = %v, %v", got, err)
			}
		}
		go slots.Run(t.Context(), func(context.Context) (*source.Received, error) { <-end; return nil, nil })
		time.Sleep(mapping.MaxTime + 1)
		if _, err := other.Run(t.Context(), quick); err != source.ErrOverdue {
			t.Errorf("after a second step that goes on: %v, want ErrOverdue", err)
		}
		close(end)
	})
}

// A panic reaches the goroutine of the request, which responds, and frees the slot.
func TestSlots_panic(t *testing.T) {
	t.Parallel()
	slots := source.NewSlots()
	for range 2 * runtime.GOMAXPROCS(0) {
		func() {
			defer func() {
				if v, _ := recover().(string); !strings.HasPrefix(v, "broken\n") {
					t.Errorf("recover() = %q, want the panic and its stack", v)
				}
			}()
			slots.Run(t.Context(), func(context.Context) (*source.Received, error) { panic("broken") })
		}()
	}
}

// hoard is a context that allocates 8 MiB whenever a program asks for its error, as other
// requests might.
type hoard struct {
	context.Context
	held [][]byte
}

func (h *hoard) Err() error {
	if len(h.held) < 20 {
		h.held = append(h.held, make([]byte, 8<<20))
	}
	return h.Context.Err()
}

// TestMap_memory checks the error of a program that ends because others use the memory. It is
// not parallel: other programs would end too.
func TestMap_memory(t *testing.T) {
	s := open(t, config.Source{Preset: "bearer", Secrets: []config.Secret{"s"}, Map: config.Program{Text: "last(range(infinite))"}}, nil)
	runtime.GC() // the heap at the start counts
	if _, err := s.Map(&hoard{Context: t.Context()}, &source.Request{Body: []byte("{}")}, now); err != source.ErrMemory {
		t.Errorf("Map = %v, want ErrMemory", err)
	}
}
