package e2e

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestKeys checks that equal idempotency keys of two sources, of a header and of a direct
// caller are keys of different messages, and that equal ones of one source are one message.
func TestKeys(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	folder := t.TempDir()
	const file = `sources:
  zapier: {preset: bearer, secret: dev}
  make: {preset: bearer, secret: dev}
  mapped: {preset: bearer, secret: dev, event_id: .id, map: '.messages'}
`
	if err := os.WriteFile(filepath.Join(folder, "rcshook.yaml"), []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	h, _ := s.handler(t, s.withFile(t, folder, nil))
	post := func(path, body string) {
		t.Helper()
		r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body)).WithContext(t.Context())
		r.Header.Set("Authorization", "Bearer dev")
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		if h.ServeHTTP(w, r); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `"code":"accepted"`) {
			t.Errorf("POST %s %s: %d %s", path, body, w.Code, w.Body)
		}
	}
	const message = `{"to": "+12025550123", "text": "Hello", "idempotency_key": "1042"}`
	for range 2 {
		post("/", message)
		post("/hooks/zapier", message)
		post("/hooks/make", message)
	}
	const text = `{"to": "+12025550123", "text": "Hello"}`
	post("/hooks/mapped", `{"id": "1", "messages": [`+text+`, `+text+`]}`)
	post("/hooks/mapped", `{"id": "1\n1", "messages": `+text+`}`) // not the second message of the event 1
	if got := len(s.sim.Messages()); got != 6 {
		t.Errorf("%d messages were sent, want 6", got)
	}
}
