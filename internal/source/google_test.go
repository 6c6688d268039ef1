package source_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rcshook/rcshook/internal/googletest/token"
	"github.com/rcshook/rcshook/internal/source"
)

func newIssuer(t testing.TB) *token.Issuer {
	t.Helper()
	issuer, err := token.NewIssuer()
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
	good := token.Claims{Issuer: "https://accounts.google.com", Audience: audience, Email: robot, Verified: true, IssuedAt: now.Unix(), Expiry: now.Add(time.Hour).Unix()}
	claims := func(change func(*token.Claims)) string {
		c := good
		change(&c)
		return "Bearer " + issuer.Sign(c)
	}
	for _, test := range []struct {
		name   string
		header string
		want   error
	}{
		{"good", claims(func(*token.Claims) {}), nil},
		{"issuer without https", claims(func(c *token.Claims) { c.Issuer = "accounts.google.com" }), nil},
		{"no header", "", source.ErrUnauthorized},
		{"basic", "Basic eDp5", source.ErrUnauthorized},
		{"not an ID token", "Bearer dev", source.ErrUnauthorized},
		{"without signature", "Bearer eyJhbGciOiJub25lIn0.e30.", source.ErrUnauthorized},
		{"unknown algorithm", "Bearer eyJhbGciOiJmZXRjaGluZyBrZXlzIn0.e30.AAAA", source.ErrUnauthorized}, // {"alg":"fetching keys"}
		{"not valid yet, within the leeway", claims(func(c *token.Claims) { c.NotBefore = now.Add(5 * time.Minute).Unix() }), nil},
		{"not valid yet", claims(func(c *token.Claims) { c.NotBefore = now.Add(5*time.Minute + time.Second).Unix() }), source.ErrStale},
		{"another audience", claims(func(c *token.Claims) { c.Audience = "https://elsewhere.example.com" }), source.ErrUnauthorized},
		{"another account", claims(func(c *token.Claims) { c.Email = "someone@else.iam.gserviceaccount.com" }), source.ErrUnauthorized},
		{"unverified email", claims(func(c *token.Claims) { c.Verified = false }), source.ErrUnauthorized},
		{"another issuer", claims(func(c *token.Claims) { c.Issuer = "https://example.com" }), source.ErrUnauthorized},
		{"expired", claims(func(c *token.Claims) { c.Expiry = now.Add(-time.Second).Unix() }), source.ErrStale},
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

// hanging is a transport without responses.
type hanging struct{}

func (hanging) RoundTrip(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

// The keys are fetched once, also if tokens have unknown keys. If they cannot be fetched,
// a token is neither accepted nor rejected.
func TestGoogleTokens_fetches(t *testing.T) {
	t.Parallel()
	issuer, stranger := newIssuer(t), newIssuer(t)
	for _, response := range []string{"<html>", "{}", `{"keys": []}`, `{"error": {"code": 503}}`} {
		garbage := source.NewGoogleTokens("", direct{http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Write([]byte(response))
		})}, []string{audience}, []string{robot})
		if err := garbage.Verify(t.Context(), http.Header{"Authorization": {"Bearer " + issuer.Token(audience, robot, now)}}, now); !errors.Is(err, source.ErrKeys) {
			t.Errorf("with the keys %s: %v, want ErrKeys", response, err)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		hanging := source.NewGoogleTokens("", hanging{}, []string{audience}, []string{robot})
		if err := hanging.Verify(t.Context(), http.Header{"Authorization": {"Bearer " + issuer.Token(audience, robot, now)}}, now); !errors.Is(err, source.ErrKeys) {
			t.Errorf("without a response: %v, want ErrKeys", err)
		}
	})
	var fetches atomic.Int32
	fresh := source.NewGoogleTokens("", direct{http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if fetches.Add(1); r.URL.String() != "https://www.googleapis.com"+issuer.Path() {
			t.Errorf("unexpected request for %s", r.URL)
		}
		issuer.ServeHTTP(w, r)
	})}, []string{audience}, []string{robot})
	for range 20 {
		if err := fresh.Verify(t.Context(), http.Header{"Authorization": {"Bearer " + issuer.Token(audience, robot, now)}}, now); err != nil {
			t.Fatal(err)
		}
		if err := fresh.Verify(t.Context(), http.Header{"Authorization": {"Bearer " + stranger.Token(audience, robot, now)}}, now); !errors.Is(err, source.ErrSignature) {
			t.Fatalf("token with an unknown key: %v, want ErrSignature", err)
		}
	}
	if n := fetches.Load(); n != 1 {
		t.Errorf("the keys were fetched %d times, want once", n)
	}
}

// TestGoogleTokens_pauses checks that keys are fetched again a second after an error, and, for a
// token with an unknown key, 30 seconds after a response.
func TestGoogleTokens_pauses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		issuer, next := newIssuer(t), newIssuer(t)
		var serving http.Handler
		fetches := 0
		tokens := source.NewGoogleTokens("", direct{http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fetches++
			serving.ServeHTTP(w, r)
		})}, []string{audience}, []string{robot})
		for i, step := range []struct {
			after   time.Duration
			serving http.Handler
			signer  *token.Issuer
			want    error
			fetches int
		}{
			{0, http.NotFoundHandler(), issuer, source.ErrKeys, 1},
			{time.Second, issuer, issuer, source.ErrKeys, 1},
			{1, issuer, issuer, nil, 2},
			{30 * time.Second, next, next, source.ErrSignature, 2},
			{1, next, next, nil, 3},
		} {
			time.Sleep(step.after)
			serving = step.serving
			err := tokens.Verify(t.Context(), http.Header{"Authorization": {"Bearer " + step.signer.Token(audience, robot, now)}}, now)
			if !errors.Is(err, step.want) || step.want == nil && err != nil || fetches != step.fetches {
				t.Errorf("step %d: %v after %d fetches, want %v after %d", i, err, fetches, step.want, step.fetches)
			}
		}
	})
}
