package agent_test

import (
	"errors"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rcshook/rcshook/internal/agent"
	"github.com/rcshook/rcshook/internal/google"
)

// Keys are replaced, and the old keys deleted, during requests. No request fails.
func TestRotation(t *testing.T) {
	t.Parallel()
	w := loopback(t)
	keyID := w.store()
	clock := newClock()
	d := w.open(t, w.config(), agent.Options{Now: clock.Now})
	mustSend(t, w, d)

	const rotations, senders = 5, 50
	var requests sync.WaitGroup
	var sent atomic.Int64
	stop := make(chan struct{})
	for range senders {
		requests.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if _, _, err := send(t.Context(), d); err != nil {
					t.Errorf("Agent and Token: %v", err)
				}
				sent.Add(1)
			}
		})
	}
	for range rotations {
		old := keyID
		keyID = w.storeKey()
		w.tokens.RevokeKey(old)
		// Every token has expired, and the cached key is deleted.
		clock.Advance(2 * time.Hour)
		for seen := sent.Load(); sent.Load() < seen+2*senders && !t.Failed(); {
			time.Sleep(time.Millisecond)
		}
	}
	close(stop)
	requests.Wait()

	_, token := mustSend(t, w, d)
	if grant, err := w.tokens.Check(token); err != nil || grant.KeyID != keyID {
		t.Errorf("the last token is of key %s (%v), want %s", grant.KeyID, err, keyID)
	}
}

// A new key is swapped in only once it has a token.
func TestRotation_background(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := bubble()
		w.store()
		d := w.enter(t, w.config())
		_, first := mustSend(t, w, d)
		keyID := w.storeKey()
		time.Sleep(5 * time.Minute)

		w.tokens.Hang(true)
		if _, token := mustSend(t, w, d); token != first {
			t.Error("the token changed before the new key was read")
		}
		settle()
		if _, token := mustSend(t, w, d); token != first {
			t.Error("the token changed before the new key had one")
		}
		w.tokens.Hang(false)
		settle()
		requests := w.tokens.Requests()
		_, token := mustSend(t, w, d)
		if grant, _ := w.tokens.Check(token); grant.KeyID != keyID {
			t.Errorf("the token is of key %s, want the new one, %s", grant.KeyID, keyID)
		}
		if got := w.tokens.Requests(); got != requests {
			t.Error("a request had to fetch the first token of the new key")
		}
	})
}

// A new key that is rejected does not replace a working one.
func TestRotation_badKey(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := bubble()
		good := w.store()
		d := w.enter(t, w.config())
		mustSend(t, w, d)
		w.tokens.RevokeKey(w.storeKey())
		for range 30 {
			time.Sleep(5 * time.Minute)
			_, token := mustSend(t, w, d)
			if grant, _ := w.tokens.Check(token); grant.KeyID != good {
				t.Fatalf("the token is of key %s, want the working one, %s", grant.KeyID, good)
			}
			settle()
		}
		better := w.storeKey()
		time.Sleep(5 * time.Minute)
		mustSend(t, w, d)
		settle()
		_, token := mustSend(t, w, d)
		if grant, _ := w.tokens.Check(token); grant.KeyID != better {
			t.Errorf("the token is of key %s, want the newest, %s", grant.KeyID, better)
		}
	})
}

// Many requests got a 401 from the platform. They share one renewal.
func TestRenew(t *testing.T) {
	t.Parallel()
	w := loopback(t)
	w.store()
	d := w.open(t, w.config(), agent.Options{})
	old, first := mustSend(t, w, d)
	w.tokens.RevokeAll()
	keyID := w.storeKey()
	w.secrets.AddVersion(idSecret, []byte("new_agent"))

	var requests sync.WaitGroup
	for range 50 {
		requests.Go(func() {
			a, err := d.Renew(t.Context(), old)
			if err != nil {
				t.Errorf("Renew: %v", err)
				return
			}
			token, err := a.Token(t.Context())
			if err != nil {
				t.Errorf("Token: %v", err)
			}
			grant, err := w.tokens.Check(token)
			if a.ID != "new_agent" || grant.KeyID != keyID || token == first {
				t.Errorf("Renew = %s with a token of key %s (%v), want new_agent and key %s", a.ID, grant.KeyID, err, keyID)
			}
		})
	}
	requests.Wait()
	for _, secret := range []string{idSecret, keySecret} {
		if got := w.secrets.Accesses(secret); got != 2 {
			t.Errorf("%d accesses of %s, want 2", got, secret)
		}
	}
	if got := w.tokens.Requests(); got != 2 {
		t.Errorf("%d token requests, want 2", got)
	}
}

// The token was revoked, and the key is still valid.
func TestRenew_sameKey(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := bubble()
		w.store()
		d := w.enter(t, w.config())
		old, first := mustSend(t, w, d)
		w.tokens.RevokeTokens()
		a, err := d.Renew(t.Context(), old)
		if err != nil {
			t.Fatalf("Renew: %v", err)
		}
		if a == old || a.ID != old.ID {
			t.Errorf("Renew = %p %s, want another %s", a, a.ID, old.ID)
		}
		if _, token := mustSend(t, w, d); token == first {
			t.Error("the revoked token is still in use")
		}
		// A late call with the old agent returns the renewed one.
		accesses := w.secrets.Accesses(keySecret)
		if got, err := d.Renew(t.Context(), old); got != a || err != nil {
			t.Errorf("Renew of the old agent = %p, %v, want %p", got, err, a)
		}
		if got := w.secrets.Accesses(keySecret); got != accesses {
			t.Errorf("%d accesses for a late call, want none", got-accesses)
		}
	})
}

// A token that was in flight when it was revoked is discarded.
func TestRenew_late(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := bubble()
		w.store()
		delayed := &delayed{inProcess: inProcess{w.handler()}}
		d := w.open(t, w.config(), agent.Options{Transport: delayed})
		a, _ := mustSend(t, w, d)
		time.Sleep(45 * time.Minute)
		release := delayed.delay("/token")
		mustSend(t, w, d) // starts to renew the token
		settle()
		w.tokens.RevokeTokens()
		delayed.delay("")
		if _, err := d.Renew(t.Context(), a); err != nil {
			t.Fatalf("Renew: %v", err)
		}
		mustSend(t, w, d)
		close(release)
		settle()
		mustSend(t, w, d)
	})
}

// The key is replaced and deleted while its secret is being read.
func TestRotation_late(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := bubble()
		keyID := w.store()
		delayed := &delayed{inProcess: inProcess{w.handler()}}
		d := w.open(t, w.config(), agent.Options{Transport: delayed})
		mustSend(t, w, d)
		time.Sleep(2 * time.Hour)
		if _, err := d.Secret(t.Context(), idSecret); err != nil { // renews the own token
			t.Fatalf("Secret: %v", err)
		}
		release := delayed.delay("/v1/" + keySecret)
		if _, err := d.Agent(t.Context(), ""); err != nil { // starts to read the key again
			t.Fatalf("Agent: %v", err)
		}
		settle()
		w.storeKey()
		w.tokens.RevokeKey(keyID)
		delayed.delay("")
		var request sync.WaitGroup
		request.Go(func() { mustSend(t, w, d) })
		settle()
		close(release)
		request.Wait()
	})
}

// delayed is a transport that delays responses.
type delayed struct {
	inProcess
	mu      sync.Mutex
	path    string
	release chan struct{}
}

// delay delays the responses to new requests whose path starts with path, until the
// channel is closed. "" delays none.
func (h *delayed) delay(path string) (release chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.path, h.release = path, make(chan struct{})
	return h.release
}

func (h *delayed) RoundTrip(r *http.Request) (*http.Response, error) {
	h.mu.Lock()
	path, release := h.path, h.release
	h.mu.Unlock()
	res, err := h.inProcess.RoundTrip(r)
	if path != "" && strings.HasPrefix(r.URL.Path, path) {
		<-release
	}
	return res, err
}

// The platform rejects every token. Secret Manager is read at a limited rate.
func TestRenew_often(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := bubble()
		w.store()
		d := w.enter(t, w.config())
		a, _ := mustSend(t, w, d)
		for range 60 {
			for range 20 {
				var err error
				if a, err = d.Renew(t.Context(), a); err != nil {
					t.Fatalf("Renew: %v", err)
				}
			}
			time.Sleep(time.Second)
		}
		if got := w.secrets.Accesses(keySecret); got > 40 {
			t.Errorf("%d accesses in a minute, want at most one in two seconds", got)
		}
	})
}

// Secret Manager is unavailable. A renewal keeps the cached secrets.
func TestRenew_secretManagerAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := bubble()
		w.store()
		d := w.enter(t, w.config())
		a, first := mustSend(t, w, d)
		w.tokens.RevokeTokens()
		w.secrets.Away(true)
		if _, err := d.Renew(t.Context(), a); err != nil {
			t.Fatalf("Renew: %v", err)
		}
		if _, token := mustSend(t, w, d); token == first {
			t.Error("the revoked token is still in use")
		}
	})
}

// A key was replaced and deleted while Secret Manager is unavailable. After any number
// of attempts the error is ErrSecretUnavailable, not that of the deleted key.
func TestRotation_secretManagerAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := bubble()
		old := w.store()
		d := w.enter(t, w.config())
		mustSend(t, w, d)
		w.storeKey()
		w.tokens.RevokeKey(old)
		w.secrets.Away(true)
		time.Sleep(2 * time.Hour) // the token has expired
		for range 50 {
			if _, _, err := send(t.Context(), d); !errors.Is(err, google.ErrSecretUnavailable) {
				t.Fatalf("Agent and Token: %v, want %v", err, google.ErrSecretUnavailable)
			}
		}
		w.secrets.Away(false)
		time.Sleep(time.Minute)
		mustSend(t, w, d)
	})
}

// The function's own token, with which it reads secrets, is revoked.
func TestRotation_ownToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := bubble()
		w.store()
		var revoked sync.Map
		var last atomic.Value
		w.secrets.Authorize = func(token string) error {
			last.Store(token)
			if _, bad := revoked.Load(token); bad {
				return errRevoked
			}
			return nil
		}
		d := w.enter(t, w.config())
		mustSend(t, w, d)
		revoked.Store(last.Load(), true)
		if _, err := d.Secret(t.Context(), idSecret); err != nil {
			t.Errorf("Secret with a revoked own token: %v", err)
		}
	})
}

var errRevoked = errors.New("revoked")
