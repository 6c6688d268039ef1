package server

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"
)

// startRequest serves a request with h in a goroutine, and closes done when it ends.
func startRequest(q *Requests, h http.HandlerFunc) (w *httptest.ResponseRecorder, done <-chan struct{}) {
	w = httptest.NewRecorder()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		q.Serve(w, httptest.NewRequest(http.MethodPost, "/", nil), h)
	}()
	return w, ended
}

// respondAfter returns a handler that takes d and ignores cancellation.
func respondAfter(d time.Duration) http.HandlerFunc {
	return func(http.ResponseWriter, *http.Request) { <-time.After(d) }
}

// TestWait tests that Wait returns once there is a pause without requests.
func TestWait(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name     string
		starts   []time.Duration // start time of each request
		duration time.Duration   // of each request
		want     time.Duration   // until Wait returns
	}{
		{"no requests", nil, 0, quiet},
		{"one request", []time.Duration{0}, 3 * time.Second, 3 * time.Second},
		{"a request during the wait", []time.Duration{0, 2 * time.Second}, 3 * time.Second, 5 * time.Second},
		{"a request at the last moment", []time.Duration{50 * time.Millisecond}, 20 * time.Millisecond, 2 * quiet},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var q Requests
				start := time.Now()
				for _, at := range test.starts {
					time.AfterFunc(at, func() {
						q.Serve(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/", nil), respondAfter(test.duration))
					})
				}
				synctest.Wait()
				if err := q.Wait(t.Context()); err != nil {
					t.Error(err)
				}
				if got := time.Since(start); got < test.want || got > test.want+2*quiet {
					t.Errorf("Wait returned after %v, want %v", got, test.want)
				}
			})
		})
	}
}

// TestWait_cancels tests that Wait cancels slow requests early enough for a response, and
// that it returns an error if a request ignores that.
func TestWait_cancels(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var q Requests
		w, done := startRequest(&q, func(w http.ResponseWriter, r *http.Request) {
			<-r.Context().Done()
			w.WriteHeader(http.StatusGatewayTimeout)
		})
		synctest.Wait()
		start := time.Now()
		if err := q.Wait(t.Context()); err != nil || time.Since(start) > cancelAfter+2*quiet {
			t.Errorf("Wait = %v after %v", err, time.Since(start))
		}
		if <-done; w.Code != http.StatusGatewayTimeout || !w.Flushed {
			t.Errorf("response %d, flushed %t; want 504, flushed", w.Code, w.Flushed)
		}

		_, done = startRequest(&q, respondAfter(time.Minute))
		synctest.Wait()
		start = time.Now()
		if err := q.Wait(t.Context()); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != drainTimeout {
			t.Errorf("Wait = %v after %v", err, time.Since(start))
		}
		<-done
	})
}

// TestServe_closesConnections tests that responses during a shutdown close their
// connections.
func TestServe_closesConnections(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var q Requests
		for _, want := range []string{"", "close"} {
			w, done := startRequest(&q, respondAfter(0))
			if <-done; w.Header().Get("Connection") != want {
				t.Errorf("Connection: %q, want %q", w.Header().Get("Connection"), want)
			}
			if err := q.Wait(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	})
}
