package agent_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/rcshook/rcshook/internal/agent"
	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/google"
	"github.com/rcshook/rcshook/internal/googletest"
	"github.com/rcshook/rcshook/internal/googletest/token"
)

// The following tests use responses that the stand-ins never send. An error must not
// contain any part of them, because a proxy may have written them.

// serve starts a server that always sends the same response.
func serve(t *testing.T, status int, body string) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// serveText returns the URL of a server that sends a text in place of an HTTP response.
func serveText(t *testing.T, text string) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		fmt.Fprint(conn, text)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func envelope(code int, status, message, reason string) string {
	type object = map[string]any
	body, err := json.Marshal(object{"error": object{
		"code": code, "status": status, "message": message,
		"details": []object{{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason}},
	}})
	if err != nil {
		panic(err)
	}
	return string(body)
}

func TestSecretError_responses(t *testing.T) {
	t.Parallel()
	page := "<html>" + marker + "</html>"
	tests := []struct {
		name   string
		url    string
		is     error
		reason string
	}{
		{"API off", serve(t, 403, envelope(403, "PERMISSION_DENIED", "Secret Manager API has not been used", "SERVICE_DISABLED")), google.ErrSecretDenied, "api_disabled"},
		{"bad name", serve(t, 400, envelope(400, "INVALID_ARGUMENT", "bad", "")), google.ErrSecretInvalid, "bad_name"},
		{"disabled without a number", serve(t, 400, envelope(400, "FAILED_PRECONDITION", "no", "")), google.ErrSecretInvalid, "version_disabled"},
		{"page with 403", serve(t, 403, page), google.ErrSecretUnavailable, "unavailable"},
		{"page with 404", serve(t, 404, page), google.ErrSecretUnavailable, "unavailable"},
		{"page with 502", serve(t, 502, page), google.ErrSecretUnavailable, "unavailable"},
		{"page with 200", serve(t, 200, page), google.ErrSecretUnavailable, "unreachable"},
		{"other JSON", serve(t, 200, `{"payload": {"data": "`+marker+`!"}}`), google.ErrSecretUnavailable, "unreachable"},
		{"nothing", serve(t, 200, `{}`), google.ErrSecretUnavailable, "unavailable"},
		{"another secret", serve(t, 200, `{"name": "projects/1/secrets/other/versions/1", "payload": {"data": "YQ=="}}`), google.ErrSecretUnavailable, "unavailable"},
		{"malformed status line", serveText(t, marker+"\r\n\r\n"), google.ErrSecretUnavailable, "unreachable"},
		{"malformed header", serveText(t, "HTTP/1.1 200 OK\r\n"+marker+"\r\n\r\n"), google.ErrSecretUnavailable, "unreachable"},
		{"unknown status", serve(t, 418, envelope(418, "TEAPOT", "no", "")), google.ErrSecretUnavailable, "unavailable"},
		{"long message", serve(t, 500, envelope(500, "INTERNAL", strings.Repeat("long ", 1000), "")), google.ErrSecretUnavailable, "unavailable"},
		{"connection refused", googletest.ClosedURL, google.ErrSecretUnavailable, "unreachable"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := loopback(t)
			cfg := w.config()
			cfg.SecretManagerEndpoint = tt.url
			_, _, err := send(t.Context(), w.open(t, cfg, agent.Options{}))
			wantSecretError(t, err, tt.is, tt.reason)
			if text := err.Error(); strings.Contains(text, marker) || len(text) > 500 {
				t.Errorf("error contains the response: %s", text)
			}
		})
	}
}

func TestToken_responses(t *testing.T) {
	t.Parallel()
	elsewhere := new(token.Server)
	target := httptest.NewServer(elsewhere)
	t.Cleanup(target.Close)
	redirecting := httptest.NewServer(http.RedirectHandler(target.URL, http.StatusPermanentRedirect))
	t.Cleanup(redirecting.Close)
	tests := []struct {
		name   string
		url    string
		reason string // "" means ErrTokenUnavailable
	}{
		{"page", serve(t, 200, "<html>"+marker), ""},
		{"page with 502", serve(t, 502, "<html>"+marker), ""},
		{"no token", serve(t, 200, `{"expires_in": 3599, "x": "`+marker+`"}`), ""},
		{"token with a line break", serve(t, 200, `{"access_token": "a\nb", "expires_in": 3599, "x": "`+marker+`"}`), ""},
		{"too many", serve(t, 429, `{"error": "`+marker+`"}`), ""},
		{"timeout", serve(t, 408, `{"error": "`+marker+`"}`), ""},
		{"connection refused", googletest.ClosedURL, ""},
		{"redirect", redirecting.URL, ""},
		{"invalid_scope", serve(t, 400, `{"error": "invalid_scope", "error_description": "`+marker+`"}`), "invalid_scope"},
		{"no code", serve(t, 400, `{"error": "`+marker+`!"}`), "token_refused"},
		{"page with 400", serve(t, 400, "<html>"+marker), ""},
		{"page with 403", serve(t, 403, "<html>"+marker), ""},
		{"error of a gateway", serve(t, 403, `{"error": {"code": 403, "message": "`+marker+`"}}`), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := loopback(t)
			cfg := w.config()
			key := w.tokens.KeyFile(token.KeyOptions{TokenURI: tt.url, PrivateKey: firstKey()})
			cfg.Agents["default"] = config.Agent{ID: "brand_agent", Credentials: config.Secret(key)}
			_, token, err := send(t.Context(), w.open(t, cfg, agent.Options{}))
			switch {
			case token != "" || err == nil:
				t.Fatalf("Token = %q, %v, want an error", token, err)
			case tt.reason != "":
				wantSecretError(t, err, google.ErrSecretInvalid, tt.reason)
			case !errors.Is(err, google.ErrTokenUnavailable) || errors.As(err, new(*google.SecretError)):
				t.Errorf("Token: %v, want ErrTokenUnavailable", err)
			}
			if strings.Contains(err.Error(), marker) {
				t.Errorf("error contains the response: %v", err)
			}
		})
	}
	if got := elsewhere.Requests(); got != 0 {
		t.Errorf("the assertion followed a redirect")
	}
}

// TestSecret_redirect checks that the token of the function does not follow a redirect.
func TestSecret_redirect(t *testing.T) {
	t.Parallel()
	for _, status := range []int{301, 302, 303, 307, 308} {
		stolen := make(chan string, 10)
		target := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			stolen <- r.Header.Get("Authorization")
		}))
		t.Cleanup(target.Close)
		redirecting := httptest.NewServer(http.RedirectHandler(target.URL, status))
		t.Cleanup(redirecting.Close)
		w := loopback(t)
		cfg := w.config()
		cfg.SecretManagerEndpoint = redirecting.URL
		_, _, err := send(t.Context(), w.open(t, cfg, agent.Options{}))
		if !errors.Is(err, google.ErrSecretUnavailable) {
			t.Errorf("%d: %v, want ErrSecretUnavailable", status, err)
		}
		if len(stolen) > 0 {
			t.Errorf("%d: the target of the redirect got a request", status)
		}
	}
}

// TestToken_absurdLifetime checks that a token whose expires_in overflows is used more than
// once.
func TestToken_absurdLifetime(t *testing.T) {
	t.Parallel()
	for _, lifetime := range []string{"9223372036854775807", "9223372037", "4611686018427387904"} {
		var fetched atomic.Int32
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			fetched.Add(1)
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprintf(w, `{"access_token": "long", "expires_in": %s}`, lifetime)
		}))
		t.Cleanup(server.Close)
		w := loopback(t)
		cfg := w.config()
		key := w.tokens.KeyFile(token.KeyOptions{TokenURI: server.URL, PrivateKey: firstKey()})
		cfg.Agents["default"] = config.Agent{ID: "brand_agent", Credentials: config.Secret(key)}
		d := w.open(t, cfg, agent.Options{})
		for range 12 {
			if _, token, err := send(t.Context(), d); token != "long" || err != nil {
				t.Fatalf("expires_in %s: Token = %q, %v", lifetime, token, err)
			}
		}
		if got := fetched.Load(); got > 2 { // a slow request is repeated once
			t.Errorf("expires_in %s: %d tokens for 12 messages, want 1", lifetime, got)
		}
	}
}

// A token without expires_in is used for a short time.
func TestToken_noLifetime(t *testing.T) {
	t.Parallel()
	w := loopback(t)
	cfg := w.config()
	key := w.tokens.KeyFile(token.KeyOptions{TokenURI: serve(t, 200, `{"access_token": "forever"}`), PrivateKey: firstKey()})
	cfg.Agents["default"] = config.Agent{ID: "brand_agent", Credentials: config.Secret(key)}
	if _, token, err := send(t.Context(), w.open(t, cfg, agent.Options{})); token != "forever" || err != nil {
		t.Errorf("Token = %q, %v, want forever", token, err)
	}
}
