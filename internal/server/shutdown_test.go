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

// serveRequest starts a request that next answers. The channel is closed when it has left.
func serveRequest(q *Requests, next http.HandlerFunc) (*httptest.ResponseRecorder, <-chan struct{}) {
	answer, left := httptest.NewRecorder(), make(chan struct{})
	go func() {
		defer close(left)
		q.Serve(answer, httptest.NewRequest(http.MethodPost, "/", nil), next)
	}()
	return answer, left
}

func lasts(d time.Duration) http.HandlerFunc {
	return func(http.ResponseWriter, *http.Request) { <-time.After(d) }
}

func TestWait(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		begin []time.Duration // when requests begin
		last  time.Duration   // how long each lasts
		want  time.Duration   // when the process may end
	}{
		{"nothing", nil, 0, quiet},
		{"one", []time.Duration{0}, 3 * time.Second, 3 * time.Second},
		{"one that comes meanwhile", []time.Duration{0, 2 * time.Second}, 3 * time.Second, 5 * time.Second},
		{"one that comes at the last moment", []time.Duration{50 * time.Millisecond}, 20 * time.Millisecond, 2 * quiet},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var q Requests
				start := time.Now()
				for _, at := range test.begin {
					time.AfterFunc(at, func() {
						q.Serve(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/", nil), lasts(test.last))
					})
				}
				synctest.Wait()
				if err := q.Wait(t.Context()); err != nil {
					t.Error(err)
				}
				if got := time.Since(start); got < test.want || got > test.want+2*quiet {
					t.Errorf("it ends after %v, want %v", got, test.want)
				}
			})
		})
	}
}

// TestWait_hurries sees that what takes too long is cancelled, while there is time
// for an answer, and that the end comes nevertheless if it does not mind.
func TestWait_hurries(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var q Requests
		answer, left := serveRequest(&q, func(w http.ResponseWriter, r *http.Request) {
			<-r.Context().Done()
			w.WriteHeader(http.StatusGatewayTimeout)
		})
		synctest.Wait()
		start := time.Now()
		if err := q.Wait(t.Context()); err != nil || time.Since(start) > cancelAfter+2*quiet {
			t.Errorf("Wait = %v after %v", err, time.Since(start))
		}
		if <-left; answer.Code != http.StatusGatewayTimeout || !answer.Flushed {
			t.Errorf("the answer is %d, flushed %t", answer.Code, answer.Flushed)
		}

		_, left = serveRequest(&q, lasts(time.Minute))
		synctest.Wait()
		start = time.Now()
		if err := q.Wait(t.Context()); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != drainTimeout {
			t.Errorf("Wait = %v after %v", err, time.Since(start))
		}
		<-left
	})
}

// TestServe_sendsElsewhere sees that connections are not kept for requests that
// nobody will answer.
func TestServe_sendsElsewhere(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var q Requests
		for _, want := range []string{"", "close"} {
			answer, left := serveRequest(&q, lasts(0))
			if <-left; answer.Header().Get("Connection") != want {
				t.Errorf("Connection: %q, want %q", answer.Header().Get("Connection"), want)
			}
			if err := q.Wait(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	})
}
