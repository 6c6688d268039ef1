package agent_test

import (
	"context"
	"errors"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rcshook/rcshook/internal/agent"
	"github.com/rcshook/rcshook/internal/google"
)

// settle waits for the goroutines in the background.
func settle() { synctest.Wait() }

// These tests run in a synctest bubble. Its time advances when all goroutines wait, so
// time.Sleep returns at once, and measured times are exact.

func TestStale_secretManagerAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := bubble()
		w.store()
		d := w.enter(t, w.config())
		mustSend(t, w, d)

		w.secrets.Away(true)
		for range 100 { // a whole day
			time.Sleep(15 * time.Minute)
			start := time.Now()
			mustSend(t, w, d)
			if waited := time.Since(start); waited != 0 && w.tokens.Requests() < 10 {
				t.Fatalf("a request waited %v", waited)
			}
			settle()
		}
		if !strings.Contains(w.logged(), "secret not renewed") {
			t.Errorf("log %s, want a line about the outage", w.logged())
		}
		if !regexp.MustCompile(`age_s"?[:=](89|90)\d{3}\b`).MatchString(w.logged()) {
			t.Errorf("log %s, want the age of the value after a day", w.logged())
		}

		w.secrets.Away(false)
		w.secrets.AddVersion(idSecret, []byte("new_agent"))
		time.Sleep(15 * time.Minute)
		mustSend(t, w, d)
		settle()
		if a, _ := mustSend(t, w, d); a.ID != "new_agent" {
			t.Errorf("ID after the outage = %q, want new_agent", a.ID)
		}

		// The long outage has no effect on the next one: the retries start fast again.
		w.secrets.Away(true)
		time.Sleep(5 * time.Minute)
		mustSend(t, w, d)
		time.Sleep(200 * time.Millisecond) // for both attempts
		w.secrets.Away(false)
		w.secrets.AddVersion(idSecret, []byte("third_agent"))
		time.Sleep(time.Second)
		mustSend(t, w, d)
		settle()
		if a, _ := mustSend(t, w, d); a.ID != "third_agent" {
			t.Errorf("ID after a short outage = %q, want third_agent", a.ID)
		}
	})
}

// A secret is read again in the background. The request that starts the read does not
// wait, and the next request gets the new value.
func TestStale_refresh(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := bubble()
		w.store()
		d := w.enter(t, w.config())
		mustSend(t, w, d)
		w.secrets.AddVersion(idSecret, []byte("new_agent"))

		time.Sleep(5*time.Minute - time.Second)
		mustSend(t, w, d)
		settle()
		if got := w.secrets.Accesses(idSecret); got != 1 {
			t.Errorf("%d accesses within five minutes, want 1", got)
		}
		time.Sleep(time.Second)
		w.secrets.Hang(true)
		if a, _ := mustSend(t, w, d); a.ID != "brand_agent" {
			t.Errorf("ID during the read = %q, want the old one", a.ID)
		}
		w.secrets.Hang(false)
		settle()
		if a, _ := mustSend(t, w, d); a.ID != "new_agent" {
			t.Errorf("ID after the read = %q, want new_agent", a.ID)
		}
		if got := w.secrets.Accesses(idSecret); got != 2 {
			t.Errorf("%d accesses after five minutes, want 2", got)
		}
		if got := w.tokens.Requests(); got != 1 {
			t.Errorf("%d token requests, want 1: the key is the same", got)
		}
	})
}

// While the newest version is invalid, the last valid one stays in use.
func TestStale_badVersion(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := bubble()
		w.store()
		d := w.enter(t, w.config())
		mustSend(t, w, d)
		w.secrets.AddVersion(idSecret, []byte("two words"))
		w.secrets.AddVersion(keySecret, []byte(`{"type": "external_account"}`))
		for range 50 {
			time.Sleep(10 * time.Minute)
			mustSend(t, w, d)
			settle()
		}
		for _, reason := range []string{"not_agent_id", "wrong_key_type"} {
			if !strings.Contains(w.logged(), reason) {
				t.Errorf("log does not contain %s", reason)
			}
		}
	})
}

// A revoked secret expires, but not at once.
func TestStale_revoked(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		revoke, restore func(w *world)
		is              error
		reason          string
	}{
		"denied": {
			func(w *world) { w.secrets.Deny(keySecret) },
			func(w *world) { w.secrets.Allow(keySecret) },
			google.ErrSecretDenied, "permission_denied",
		},
		"disabled": {
			func(w *world) { w.secrets.Disable(keySecret + "/versions/1") },
			func(w *world) { w.secrets.Enable(keySecret + "/versions/1") },
			google.ErrSecretInvalid, "version_disabled",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := bubble()
				w.store()
				d := w.enter(t, w.config())
				mustSend(t, w, d)
				tt.revoke(w)
				for range 14 {
					time.Sleep(time.Minute)
					mustSend(t, w, d)
					settle()
				}
				time.Sleep(time.Minute)
				_, _, err := send(t.Context(), d)
				wantSecretError(t, err, tt.is, tt.reason)

				tt.restore(w)
				time.Sleep(time.Second)
				mustSend(t, w, d)
			})
		})
	}
}

// A failure is cached for a second. That limits the load of many requests, and a fixed
// secret works at once.
func TestStale_failure(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := bubble()
		w.storeKey()
		d := w.enter(t, w.config())
		for second := range 5 {
			for range 100 {
				_, _, err := send(t.Context(), d)
				wantSecretError(t, err, google.ErrSecretNotFound, "not_found")
			}
			if got := w.secrets.Accesses(idSecret); got != second+1 {
				t.Fatalf("%d accesses in %d s, want %d", got, second, second+1)
			}
			time.Sleep(time.Second)
		}
		w.secrets.AddVersion(idSecret, []byte("brand_agent"))
		mustSend(t, w, d)
	})
}

// A clock that is set back does not extend the caching of a failure.
func TestStale_clockSetBack(t *testing.T) {
	t.Parallel()
	w := loopback(t)
	w.storeKey()
	clock := newClock()
	d := w.open(t, w.config(), agent.Options{Now: clock.Now})
	_, _, err := send(t.Context(), d)
	wantSecretError(t, err, google.ErrSecretNotFound, "not_found")
	w.secrets.AddVersion(idSecret, []byte("brand_agent"))
	clock.Advance(-time.Hour)
	mustSend(t, w, d)
}

// A cold instance reads both secrets in parallel.
func TestStale_parallel(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := bubble()
		w.store()
		w.secrets.Hang(true)
		d := w.enter(t, w.config())
		var request sync.WaitGroup
		request.Go(func() { mustSend(t, w, d) })
		settle()
		if id, key := w.secrets.Accesses(idSecret), w.secrets.Accesses(keySecret); id != 1 || key != 1 {
			t.Errorf("%d accesses of the ID and %d of the key so far, want one of each", id, key)
		}
		w.secrets.Hang(false)
		request.Wait()
	})
}

// A request that ends does not cancel the fetch for the others.
func TestStale_waiter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := bubble()
		w.store()
		w.secrets.Hang(true)
		d := w.enter(t, w.config())

		var other sync.WaitGroup
		other.Go(func() { mustSend(t, w, d) })
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		start := time.Now()
		_, _, err := send(ctx, d)
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 100*time.Millisecond {
			t.Errorf("after %v: %v, want DeadlineExceeded after 100ms", time.Since(start), err)
		}
		ctx, cancel = context.WithCancel(t.Context())
		cancel()
		if _, _, err := send(ctx, d); !errors.Is(err, context.Canceled) {
			t.Errorf("canceled request: %v, want Canceled", err)
		}
		w.secrets.Hang(false)
		other.Wait()
		if got := w.secrets.Accesses(idSecret); got != 1 {
			t.Errorf("%d accesses, want 1", got)
		}
	})
}

// A request waits at most three seconds for Secret Manager.
func TestStale_hang(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := bubble()
		w.store()
		w.secrets.Hang(true)
		d := w.enter(t, w.config())
		start := time.Now()
		_, _, err := send(t.Context(), d)
		wantSecretError(t, err, google.ErrSecretUnavailable, "timeout")
		if errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v is DeadlineExceeded, want that for the deadline of the request only", err)
		}
		if waited := time.Since(start); waited != 3*time.Second {
			t.Errorf("waited %v, want 3s", waited)
		}
		w.secrets.Hang(false)
		time.Sleep(time.Second)
		mustSend(t, w, d)
	})
}

// A single failure is retried.
func TestStale_retry(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func(w *world){
		"unavailable": func(w *world) { w.secrets.Fail(503, 1) },
		"internal":    func(w *world) { w.secrets.Fail(500, 1) },
		"token":       func(w *world) { w.tokens.Fail(503, 1) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := bubble()
				w.store()
				fail(w)
				start := time.Now()
				mustSend(t, w, w.enter(t, w.config()))
				if waited := time.Since(start); waited != 100*time.Millisecond {
					t.Errorf("waited %v, want 100ms", waited)
				}
			})
		})
	}
}

// Close cancels fetches in flight.
func TestStale_close(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := bubble()
		w.store()
		w.secrets.Hang(true)
		d := w.enter(t, w.config())
		failed := make(chan error)
		go func() {
			_, _, err := send(t.Context(), d)
			failed <- err
		}()
		settle()
		start := time.Now()
		if err := d.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		if err := <-failed; err == nil || time.Since(start) != 0 {
			t.Errorf("the waiting request ended after %v with %v, want an error at once", time.Since(start), err)
		}
	})
}

// A panic in a library fails a request, not the process.
func TestStale_panic(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/own/token", "/v1/", "/token"} {
		for _, value := range []any{marker, errors.New(marker), []int(nil)} {
			synctest.Test(t, func(t *testing.T) {
				w := bubble()
				w.store()
				d := w.open(t, w.config(), agent.Options{Transport: panicking{inProcess{w.handler()}, path, value}})
				_, _, err := send(t.Context(), d)
				if _, ok := errors.AsType[*google.PanicError](err); !ok || strings.Contains(err.Error(), marker) {
					t.Errorf("panic at %s: %v, want a bug without the value of the panic", path, err)
				}
			})
		}
	}
}

// panicking is a transport that panics.
type panicking struct {
	inProcess
	path  string
	value any
}

func (p panicking) RoundTrip(r *http.Request) (*http.Response, error) {
	if !strings.HasPrefix(r.URL.Path, p.path) {
		return p.inProcess.RoundTrip(r)
	}
	if list, ok := p.value.([]int); ok {
		_ = list[0]
	}
	panic(p.value)
}
