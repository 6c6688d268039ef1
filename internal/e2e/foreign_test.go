package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// TestForeignResponses puts a server between the function and the platform that responds
// in place of it. Only a response about this message is a success or a verdict.
func TestForeignResponses(t *testing.T) {
	t.Parallel()
	const id = "5a0c2f4e-6a3d-4d0e-9a50-0d7c1f7be001"
	const name = "phones/+12025550123/agentMessages/" + id
	for _, test := range []struct {
		name   string
		status int
		body   string
		want   string // code and retry
	}{
		{"receipt", 200, `{"name": "` + name + `"}`, "accepted none"},
		{"empty object", 200, `{}`, "upstream_unavailable later"},
		{"error of a gateway with 200", 200, `{"error": {"code": 503}}`, "upstream_unavailable later"},
		{"partial content", 206, `{}`, "upstream_unavailable later"},
		{"another message", 200, `{"name": "phones/+12025550123/agentMessages/1"}`, "upstream_unavailable later"},
		{"another number", 200, `{"name": "phones/+12025550124/agentMessages/` + id + `"}`, "invalid_payload never"},
		{"page with 400", 400, `<html>`, "upstream_unavailable later"},
		{"empty 400", 400, ``, "upstream_unavailable later"},
		{"empty error with 400", 400, `{"error": {}}`, "upstream_unavailable later"},
		{"page with 401", 401, `<html>`, "upstream_unavailable later"},
		{"page with 403", 403, `<html>`, "upstream_unavailable later"},
		{"page with 404", 404, `<html>`, "upstream_unavailable later"},
		{"400 of the platform", 400, `{"error": {"code": 400, "status": "INVALID_ARGUMENT"}}`, "upstream_rejected never"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if !strings.HasSuffix(r.URL.Path, "/agentMessages") {
					s.sim.ServeHTTP(w, r)
					return
				}
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(test.status)
				io.WriteString(w, test.body)
			}))
			t.Cleanup(upstream.Close)
			s.setPlatform(t, upstream)
			h, _ := s.handler(t, nil)
			if got := codeAndRetry(t, h, `{"to": "+12025550123", "message_id": "`+id+`", "text": "Hello"}`); got != test.want {
				t.Errorf("%d %s: got %s, want %s", test.status, test.body, got, test.want)
			}
		})
	}
}

// TestRefusedAfterSuccess lets the platform accept a message without a response and refuse
// the next attempt. The message is not lost to the caller, and does not go to the fallback
// too: the caller retries, and the platform knows the ID.
func TestRefusedAfterSuccess(t *testing.T) {
	t.Parallel()
	for _, refusal := range []int{400, 404} {
		t.Run(fmt.Sprint(refusal), func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			var attempts atomic.Int32
			upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				switch {
				case !strings.HasSuffix(r.URL.Path, "/agentMessages"):
					s.sim.ServeHTTP(w, r)
				case attempts.Add(1) == 1:
					s.sim.ServeHTTP(httptest.NewRecorder(), r)
					w.WriteHeader(http.StatusInternalServerError)
				case attempts.Load() == 2:
					w.WriteHeader(refusal)
					fmt.Fprintf(w, `{"error": {"code": %d}}`, refusal)
				default:
					s.sim.ServeHTTP(w, r)
				}
			}))
			t.Cleanup(upstream.Close)
			s.setPlatform(t, upstream)
			file := fmt.Sprintf("agents:\n  other: {id: %s, credentials: %s, fallback: {url: %q, secret: %s}}\n",
				s.env["RCSHOOK_AGENT_ID"], s.env["RCSHOOK_CREDENTIALS"], s.fallback.url, standardSecret)
			folder := t.TempDir()
			if err := os.WriteFile(filepath.Join(folder, "rcshook.yaml"), []byte(file), 0o600); err != nil {
				t.Fatal(err)
			}
			h, _ := s.handler(t, s.withFile(t, folder, nil))
			const body = `{"to": "+12025550123", "agent": "other", "idempotency_key": "order-1042-shipped", "text": "Hello"}`
			for i, want := range []string{"upstream_unavailable later", "accepted none"} {
				if got := codeAndRetry(t, h, body); got != want {
					t.Errorf("request %d: got %s, want %s", i+1, got, want)
				}
			}
			if posted := s.fallback.received(t); posted != "" {
				t.Errorf("the fallback got the message too: %s", posted)
			}
			if n := len(s.sim.Messages()); n != 1 {
				t.Errorf("%d messages were sent, want 1", n)
			}
		})
	}
}

// codeAndRetry posts a payload to h and returns the code and the retry advice.
func codeAndRetry(t *testing.T, h http.Handler, body string) string {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body)).WithContext(t.Context())
	r.Header.Set("Authorization", "Bearer dev")
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	var response struct{ Code, Retry string }
	if err := json.Unmarshal(w.Body.Bytes(), &response); err != nil {
		t.Errorf("the response is not JSON: %v", err)
	}
	return response.Code + " " + response.Retry
}
