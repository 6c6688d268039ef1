package rbmtest_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rcshook/rcshook/rbm/rbmtest"
)

// TestClose_noGoroutines does all that starts goroutines or timers inside a bubble,
// which fails if one is left when the test ends.
func TestClose_noGoroutines(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sim := new(rbmtest.Simulator)
		token := sim.Token()
		serve := func(ctx context.Context, verb, path, body string) {
			req := httptest.NewRequestWithContext(ctx, verb, path, strings.NewReader(body))
			req.Header.Set("Authorization", "Bearer "+token)
			defer func() {
				if p := recover(); p != nil && p != http.ErrAbortHandler {
					panic(p)
				}
			}()
			sim.ServeHTTP(httptest.NewRecorder(), req)
		}
		const create = "/v1/phones/+12025550154/agentMessages?agentId=a&messageId="
		leaving, leave := context.WithCancel(t.Context())
		go serve(leaving, "POST", create+"left", text)
		go serve(t.Context(), "POST", create+"hung", text)
		go serve(t.Context(), "GET", "http://localhost/_sim/stream?after=0", "")
		go serve(leaving, "GET", "http://localhost/_sim/stream", "")
		serve(t.Context(), "POST", "/v1/phones/"+offline+"/agentMessages?agentId=a&messageId=ttl", `{"contentMessage":{"text":"x"},"ttl":"86400s"}`)
		time.Sleep(20 * time.Second) // the streams say that they are alive
		synctest.Wait()
		leave()
		synctest.Wait()
		var ended []string
		for _, r := range sim.Requests() {
			ended = append(ended, r.ID)
		}
		equal(t, "requests that have ended", ended, []string{"ttl", "left"})
		sim.Close()
		synctest.Wait()
		equal(t, "messages", states(sim), []string{"ttl queued"})
	})
}

// TestStream_brokenConnection has clients that take only so much of a stream.
func TestStream_brokenConnection(t *testing.T) {
	t.Parallel()
	sim := new(rbmtest.Simulator)
	defer sim.Close()
	for limit := range 4 {
		req := httptest.NewRequestWithContext(t.Context(), "GET", "http://localhost/_sim/stream?after=0", nil)
		sim.SetOnline(phone, true)
		sim.ServeHTTP(&brokenWriter{ResponseRecorder: httptest.NewRecorder(), left: limit}, req)
	}
}

// brokenWriter fails after so many writes, and never flushes after the last.
type brokenWriter struct {
	*httptest.ResponseRecorder
	left int
}

func (w *brokenWriter) Write(p []byte) (int, error) {
	if w.left--; w.left < 0 {
		return 0, io.ErrClosedPipe
	}
	return len(p), nil
}

func (w *brokenWriter) FlushError() error {
	if w.left <= 0 {
		return io.ErrClosedPipe
	}
	return nil
}
