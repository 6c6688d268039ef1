package agent_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rcshook/rcshook/internal/google"
)

// A token is renewed in the background, so no request waits for one.
func TestToken_renewal(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := bubble()
		w.store()
		d := w.enter(t, w.config())
		_, first := mustSend(t, w, d)

		time.Sleep(39 * time.Minute)
		if _, token := mustSend(t, w, d); token != first {
			t.Error("the token changed within 39 minutes")
		}
		settle()
		time.Sleep(time.Minute)
		w.tokens.Hang(true)
		if _, token := mustSend(t, w, d); token != first {
			t.Error("the old token is not used while a new one is fetched")
		}
		w.tokens.Hang(false)
		settle()
		if _, token := mustSend(t, w, d); token == first {
			t.Error("the token was not replaced in the background")
		}
		if got := w.tokens.Requests(); got != 2 {
			t.Errorf("%d token requests, want 2", got)
		}
	})
}

// An old token is used until 30 seconds before it expires.
func TestToken_endpointUnavailable(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := bubble()
		w.store()
		d := w.enter(t, w.config())
		mustSend(t, w, d)
		start := time.Now()
		w.tokens.Fail(503, -1)
		requests := w.tokens.Requests()

		end := start.Add(3599*time.Second - 30*time.Second)
		for time.Now().Before(end) {
			mustSend(t, w, d)
			settle()
			time.Sleep(time.Second)
		}
		// The delays between attempts grow to 30 seconds.
		if got := (w.tokens.Requests() - requests) / 2; got < 35 || got > 50 {
			t.Errorf("%d attempts in 20 minutes, want about 40", got)
		}

		a, _, err := send(t.Context(), d)
		if !errors.Is(err, google.ErrTokenUnavailable) || errors.As(err, new(*google.SecretError)) {
			t.Fatalf("after the token has expired: %v, want ErrTokenUnavailable", err)
		}
		if kept := strings.Count(w.logged(), "access token not renewed"); kept != (w.tokens.Requests()-requests)/2-1 {
			t.Errorf("%d log lines about a token that stays in use, want one per failure before it expires", kept)
		}
		if a == nil || !strings.Contains(err.Error(), "HTTP 503") {
			t.Errorf("agent %v, error %v, want the agent, and the status in the error", a, err)
		}
		w.tokens.Fail(0, 0)
		time.Sleep(time.Second)
		mustSend(t, w, d)
	})
}

// A request waits for the token endpoint until its context ends, and at most five
// seconds.
func TestToken_hang(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := bubble()
		w.store()
		w.tokens.Hang(true)
		d := w.enter(t, w.config())

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		_, _, err := send(ctx, d)
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("after %v: %v, want DeadlineExceeded after 1s", time.Since(start), err)
		}
		_, _, err = send(t.Context(), d)
		if !errors.Is(err, google.ErrTokenUnavailable) || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v, want ErrTokenUnavailable", err)
		}
		if waited := time.Since(start); waited != 5*time.Second {
			t.Errorf("waited %v, want 5s", waited)
		}
		w.tokens.Hang(false)
		time.Sleep(time.Second)
		mustSend(t, w, d)
	})
}

// Short-lived tokens are used for most of their lifetime.
func TestToken_short(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := bubble()
		w.tokens.Lifetime = 20 * time.Second
		w.store()
		d := w.enter(t, w.config())
		for range 100 {
			mustSend(t, w, d)
			settle()
			time.Sleep(time.Second)
		}
		if got := w.tokens.Requests(); got > 12 {
			t.Errorf("%d token requests in 100 s, want about 10", got)
		}
	})
}

// A rejected key is an error. Requests do not overload the servers, and a fixed secret
// works within seconds.
func TestToken_rejected(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := bubble()
		w.store()
		w.tokens.RevokeAll()
		d := w.enter(t, w.config())
		for range 60 {
			for range 20 {
				_, _, err := send(t.Context(), d)
				e := wantSecretError(t, err, google.ErrSecretInvalid, "invalid_grant")
				if e.Resource != keySecret+"/versions/latest" {
					t.Fatalf("resource %q, want %s", e.Resource, keySecret)
				}
			}
			time.Sleep(time.Second)
		}
		if got := w.secrets.Accesses(keySecret); got > 40 {
			t.Errorf("%d accesses in a minute, want at most one in two seconds", got)
		}
		if got := w.tokens.Requests(); got > 61 {
			t.Errorf("%d token requests in a minute, want at most one a second", got)
		}
		w.storeKey()
		time.Sleep(2 * time.Second)
		mustSend(t, w, d)
	})
}
