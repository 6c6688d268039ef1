package agent_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/rcshook/rcshook/internal/agent"
	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/google"
	"github.com/rcshook/rcshook/internal/googletest/token"
)

// Answers that the servers of rbmtest never give. None of them may show in an
// error: a proxy could have put anything there.

// answering serves one answer to everything.
func answering(t *testing.T, status int, body string) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		fmt.Fprint(w, body)
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

func TestSecretError_answers(t *testing.T) {
	t.Parallel()
	page := "<html>" + marker + "</html>"
	closed := httptest.NewServer(nil)
	closed.Close()
	tests := []struct {
		name   string
		url    string
		is     error
		reason string
	}{
		{"API off", answering(t, 403, envelope(403, "PERMISSION_DENIED", "Secret Manager API has not been used", "SERVICE_DISABLED")), google.ErrSecretDenied, "api_disabled"},
		{"bad name", answering(t, 400, envelope(400, "INVALID_ARGUMENT", "bad", "")), google.ErrSecretInvalid, "bad_name"},
		{"disabled without a number", answering(t, 400, envelope(400, "FAILED_PRECONDITION", "no", "")), google.ErrSecretInvalid, "version_disabled"},
		{"page with 403", answering(t, 403, page), google.ErrSecretUnavailable, "unavailable"},
		{"page with 404", answering(t, 404, page), google.ErrSecretUnavailable, "unavailable"},
		{"page with 502", answering(t, 502, page), google.ErrSecretUnavailable, "unavailable"},
		{"page with 200", answering(t, 200, page), google.ErrSecretUnavailable, "unreachable"},
		{"other JSON", answering(t, 200, `{"payload": {"data": "`+marker+`!"}}`), google.ErrSecretUnavailable, "unreachable"},
		{"nothing", answering(t, 200, `{}`), google.ErrSecretInvalid, "empty"},
		{"unknown status", answering(t, 418, envelope(418, "TEAPOT", "no", "")), google.ErrSecretUnavailable, "unavailable"},
		{"long message", answering(t, 500, envelope(500, "INTERNAL", strings.Repeat("long ", 1000), "")), google.ErrSecretUnavailable, "unavailable"},
		{"nobody there", closed.URL, google.ErrSecretUnavailable, "unreachable"},
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
				t.Errorf("error shows the answer: %s", text)
			}
		})
	}
}

func TestToken_answers(t *testing.T) {
	t.Parallel()
	closed := httptest.NewServer(nil)
	closed.Close()
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
		{"page", answering(t, 200, "<html>"+marker), ""},
		{"page with 502", answering(t, 502, "<html>"+marker), ""},
		{"no token", answering(t, 200, `{"expires_in": 3599, "x": "`+marker+`"}`), ""},
		{"too many", answering(t, 429, `{"error": "`+marker+`"}`), ""},
		{"timeout", answering(t, 408, `{"error": "`+marker+`"}`), ""},
		{"nobody there", closed.URL, ""},
		{"redirect", redirecting.URL, ""},
		{"invalid_scope", answering(t, 400, `{"error": "invalid_scope", "error_description": "`+marker+`"}`), "invalid_scope"},
		{"no code", answering(t, 400, `{"error": "`+marker+`!"}`), "token_refused"},
		{"page with 403", answering(t, 403, "<html>"+marker), "token_refused"},
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
				t.Errorf("error shows the answer: %v", err)
			}
		})
	}
	if got := elsewhere.Requests(); got != 0 {
		t.Errorf("the assertion followed a redirect")
	}
}

// A token whose end nobody tells is used, but not for long.
func TestToken_unsaid(t *testing.T) {
	t.Parallel()
	w := loopback(t)
	cfg := w.config()
	key := w.tokens.KeyFile(token.KeyOptions{TokenURI: answering(t, 200, `{"access_token": "forever"}`), PrivateKey: firstKey()})
	cfg.Agents["default"] = config.Agent{ID: "brand_agent", Credentials: config.Secret(key)}
	if _, token, err := send(t.Context(), w.open(t, cfg, agent.Options{})); token != "forever" || err != nil {
		t.Errorf("Token = %q, %v, want forever", token, err)
	}
}
