package e2e

import (
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
