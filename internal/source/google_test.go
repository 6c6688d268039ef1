package source_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rcshook/rcshook/internal/source"
)

func newIssuer(t testing.TB) *source.Issuer {
	t.Helper()
	issuer, err := source.NewIssuer()
	if err != nil {
		t.Fatal(err)
	}
	return issuer
}

func serve(h http.Handler, r *http.Request) *http.Response {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func TestGoogleTokens(t *testing.T) {
	t.Parallel()
	issuer, stranger := newIssuer(t), newIssuer(t)
	tokens := source.NewGoogleTokens("", direct{issuer}, []string{"other", audience}, []string{robot})
	good := source.Claims{Issuer: "https://accounts.google.com", Audience: audience, Email: robot, Verified: true, IssuedAt: now.Unix(), Expiry: now.Add(time.Hour).Unix()}
	claims := func(change func(*source.Claims)) string {
		c := good
		change(&c)
		return "Bearer " + issuer.Sign(c)
	}
	for _, test := range []struct {
		name   string
		header string
		want   error
	}{
		{"good", claims(func(*source.Claims) {}), nil},
		{"the issuer without its scheme", claims(func(c *source.Claims) { c.Issuer = "accounts.google.com" }), nil},
		{"none", "", source.ErrUnauthorized},
		{"basic", "Basic eDp5", source.ErrUnauthorized},
		{"no token", "Bearer dev", source.ErrUnauthorized},
		{"without a signature", "Bearer eyJhbGciOiJub25lIn0.e30.", source.ErrUnauthorized},
		{"an algorithm in the words of the library", "Bearer eyJhbGciOiJmZXRjaGluZyBrZXlzIn0.e30.AAAA", source.ErrUnauthorized}, // {"alg":"fetching keys"}
		{"not valid yet", claims(func(c *source.Claims) { c.NotBefore = now.Add(time.Hour).Unix() }), source.ErrStale},
		{"another audience", claims(func(c *source.Claims) { c.Audience = "https://elsewhere.example.com" }), source.ErrUnauthorized},
		{"another account", claims(func(c *source.Claims) { c.Email = "someone@else.iam.gserviceaccount.com" }), source.ErrUnauthorized},
		{"an email that is not verified", claims(func(c *source.Claims) { c.Verified = false }), source.ErrUnauthorized},
		{"another issuer", claims(func(c *source.Claims) { c.Issuer = "https://example.com" }), source.ErrUnauthorized},
		{"expired", claims(func(c *source.Claims) { c.Expiry = now.Add(-time.Second).Unix() }), source.ErrStale},
		{"another key", "Bearer " + stranger.Sign(good), source.ErrSignature},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			h := http.Header{}
			if test.header != "" {
				h.Set("Authorization", test.header)
			}
			if err := tokens.Verify(t.Context(), h, now); !errors.Is(err, test.want) || test.want == nil && err != nil {
				t.Errorf("Verify = %v, want %v", err, test.want)
			}
		})
	}
}

// Keys are fetched once, however many tokens come, and tokens of unknown keys do
// not make them be fetched at will. Keys that cannot be had are no verdict.
func TestGoogleTokens_fetches(t *testing.T) {
	t.Parallel()
	issuer, stranger := newIssuer(t), newIssuer(t)
	var fetches atomic.Int32
	var away atomic.Bool
	tokens := source.NewGoogleTokens("", direct{http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if fetches.Add(1); away.Load() {
			http.Error(w, "away", http.StatusServiceUnavailable)
			return
		}
		if r.URL.Path != issuer.Path() {
			t.Errorf("%s is fetched", r.URL)
		}
		issuer.ServeHTTP(w, r)
	})}, []string{audience}, []string{robot})
	verify := func(token string) error {
		return tokens.Verify(t.Context(), http.Header{"Authorization": {"Bearer " + token}}, now)
	}
	away.Store(true)
	if err := verify(issuer.Token(audience, robot, now)); !errors.Is(err, source.ErrKeys) {
		t.Errorf("while the keys are away: %v, want ErrKeys", err)
	}
	away.Store(false)
	fresh := source.NewGoogleTokens("", direct{http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fetches.Add(1)
		issuer.ServeHTTP(w, r)
	})}, []string{audience}, []string{robot})
	fetches.Store(0)
	for range 20 {
		if err := fresh.Verify(t.Context(), http.Header{"Authorization": {"Bearer " + issuer.Token(audience, robot, now)}}, now); err != nil {
			t.Fatal(err)
		}
		if err := fresh.Verify(t.Context(), http.Header{"Authorization": {"Bearer " + stranger.Token(audience, robot, now)}}, now); !errors.Is(err, source.ErrSignature) {
			t.Fatalf("a stranger's token: %v, want ErrSignature", err)
		}
	}
	if n := fetches.Load(); n != 1 {
		t.Errorf("the keys were fetched %d times, want once", n)
	}
}
