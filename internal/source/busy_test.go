package source_test

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/source"
)

// A request that waits for a processor spends its own time, and nothing of the time
// limit of its programs.
func TestMap_waits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := open(t, config.Source{Preset: "bearer", Secrets: []config.Secret{"s"}, Map: config.Program{Text: "{to: .p}"}}, nil)
		request := &source.Request{Header: http.Header{}, Body: []byte(`{"p":"x"}`)}
		empty := source.Fill(s)

		const patient, hasty = 10 * time.Second, 2 * time.Second
		errs := map[time.Duration][]error{}
		var mu sync.Mutex
		var all sync.WaitGroup
		for range 100 {
			for _, time := range []time.Duration{patient, hasty} {
				all.Go(func() {
					ctx, cancel := context.WithTimeout(t.Context(), time)
					defer cancel()
					_, err := s.Map(ctx, request, now)
					mu.Lock()
					defer mu.Unlock()
					errs[time] = append(errs[time], err)
				})
			}
		}
		time.Sleep((patient + hasty) / 2)
		mu.Lock()
		for _, err := range errs[hasty] {
			if !errors.Is(err, source.ErrBusy) || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("who waited until the end of the request got %v, want ErrBusy", err)
			}
		}
		mu.Unlock()
		empty()
		all.Wait()
		if len(errs[hasty]) != 100 || errors.Join(errs[patient]...) != nil {
			t.Errorf("who waited for longer than a program may take got %v, want no error", errors.Join(errs[patient]...))
		}
	})
}
