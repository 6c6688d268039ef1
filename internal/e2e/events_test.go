package e2e

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestEvents_respondsFirst tests that the platform gets its response before slow targets
// have responded, if there is a queue.
func TestEvents_respondsFirst(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.clock.set(time.Now())
	arrived, responded := make(chan struct{}, 3), make(chan struct{})
	target := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		arrived <- struct{}{}
		<-responded
	}))
	defer target.Close()
	file := filepath.Join(t.TempDir(), "rcshook.yaml")
	var text strings.Builder
	text.WriteString("events:\n")
	for i := range 3 {
		fmt.Fprintf(&text, "  t%d: {url: %q}\n", i, target.URL)
	}
	if err := os.WriteFile(file, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	queue, token := eventsQueue, "token"
	h, _, url := s.queueHandler(t, map[string]*string{"RCSHOOK_CONFIG": &file, "RCSHOOK_EVENTS_QUEUE": &queue, "RCSHOOK_WEBHOOK_TOKEN": &token, "RCSHOOK_QUEUE": nil})
	event := request{http.MethodPost, "/events", http.Header{"X-Sign": {"valid"}}, []byte(`{"senderPhoneNumber": "+12025550101", "agentId": "rcshook_demo_k3x9a1bc_agent", "messageId": "m", "text": "Hello"}`)}
	s.sign(t, h, &event)
	if response := event.doOnce(t, url); !strings.HasPrefix(response, "HTTP/1.1 200 ") || !strings.Contains(response, `"code": "received"`) {
		t.Fatalf("response %s, want 200 received", response)
	}
	for range 3 {
		<-arrived
	}
	if n := len(s.tasks.Waiting()); n != 3 {
		t.Errorf("%d deliveries wait for their targets, want 3", n)
	}
	close(responded)
	if err := s.tasks.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// TestEvents_givesUp tests that a delivery is given up after 7 days, and not before, also
// if its target was removed from the configuration, and that the other targets learn it.
func TestEvents_givesUp(t *testing.T) {
	t.Parallel()
	const event = `{"id": "evt_1", "type": "reply", "phone": "+12025550101", "agent": "default", "agent_id": "a", "time": "2026-12-01T08:00:00Z", "text": "Hello"}`
	for _, test := range []struct {
		target string
		age    time.Duration
		status int
		code   string
		failed int // events of the type failed
	}{
		{"down", time.Hour, http.StatusInternalServerError, "target_unavailable", 0},
		{"down", 7*24*time.Hour + time.Second, http.StatusOK, "target_rejected", 1},
		{"gone", time.Hour, http.StatusInternalServerError, "target_unavailable", 0},
		{"gone", 7*24*time.Hour + time.Second, http.StatusOK, "target_rejected", 1},
	} {
		t.Run(fmt.Sprintf("%s for %v", test.target, test.age), func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			down := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }))
			defer down.Close()
			file := filepath.Join(t.TempDir(), "rcshook.yaml")
			text := fmt.Sprintf("events:\n  down: {url: %q, only: reply}\n  crm: {url: %q, secret: %s}\n", down.URL, s.fallback.url, standardSecret)
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			_, _, url := s.queueHandler(t, map[string]*string{"RCSHOOK_CONFIG": &file})
			id := sha256.Sum256([]byte("event\n" + test.target + "\nevt_1"))
			body := fmt.Sprintf(`{"version": 1, "target": %q, "event_id": "evt_1", "event": %s, "created": %q}`,
				test.target, event, s.clock.now().Add(-test.age).Format(time.RFC3339))
			header := http.Header{"Content-Type": {"application/json"}, "Authorization": {"Bearer " + s.google.Token(url, stageAccount, s.clock.now())}}
			response := request{http.MethodPost, "/tasks/event/" + hex.EncodeToString(id[:]), header, []byte(body)}.doOnce(t, url)
			if !strings.HasPrefix(response, fmt.Sprintf("HTTP/1.1 %d ", test.status)) || !strings.Contains(response, `"code": "`+test.code+`"`) || strings.Contains(response, "Retry-After") {
				t.Errorf("response %s, want %d %s without Retry-After", response, test.status, test.code)
			}
			if err := s.tasks.Settle(t.Context()); err != nil {
				t.Fatal(err)
			}
			if n := strings.Count(s.fallback.received(t), `"type": "failed"`); n != test.failed {
				t.Errorf("%d events of the type failed, want %d", n, test.failed)
			}
		})
	}
}
