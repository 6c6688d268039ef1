package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	official "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/rcshook/rcshook/internal/googletest"
)

func TestRemoveStale(t *testing.T) {
	t.Parallel()
	parent, now := t.TempDir(), time.Now()
	for name, age := range map[string]time.Duration{"rcshook-dev-old": 25 * time.Hour, "rcshook-dev-new": time.Hour, "other-dev-old": 25 * time.Hour} {
		folder := filepath.Join(parent, name)
		if err := os.Mkdir(folder, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(folder, now, now.Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	removeStale(parent, now.Add(-24*time.Hour))
	left, err := filepath.Glob(filepath.Join(parent, "*"))
	if err != nil || len(left) != 2 || filepath.Base(left[0]) != "other-dev-old" || filepath.Base(left[1]) != "rcshook-dev-new" {
		t.Errorf("left %q, %v", left, err)
	}
}

// TestDev_events runs dev -events: the target gets what becomes of a message, and what the
// user does, flat and signed.
func TestDev_events(t *testing.T) {
	t.Parallel()
	type request struct {
		header http.Header
		body   []byte
	}
	got := make(chan request, 100)
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		got <- request{r.Header, body}
	}))
	defer target.Close()
	port, simPort := googletest.FreePort(), googletest.FreePort()
	printed := new(syncBuffer)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		args := []string{"-port", port, "-sim-port", simPort, "-delay", "0", "-events", target.URL + "/in"}
		ended <- dev(ctx, args, stdio{out: printed, err: printed})
	}()
	for !strings.Contains(printed.String(), "whsec_") {
		select {
		case err := <-ended:
			t.Fatal(err)
		case <-time.After(10 * time.Millisecond):
		}
	}
	post := func(url, body string) (response struct {
		MessageID string `json:"message_id"`
		Error     string
	},
	) {
		t.Helper()
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer dev")
		r.Header.Set("Content-Type", "application/json")
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if err := json.NewDecoder(res.Body).Decode(&response); err != nil || response.Error != "" || res.StatusCode >= 300 {
			t.Fatalf("POST %s: status %d, %+v, %v", url, res.StatusCode, response, err)
		}
		return response
	}
	if !strings.HasPrefix(printed.String(), "rcshook is running on this machine.") {
		t.Errorf("dev printed\n%s\nwant the greeting before the log", printed)
	}
	verifier, err := official.NewWebhook(regexp.MustCompile(`whsec_\S+`).FindString(printed.String()))
	if err != nil {
		t.Fatal(err)
	}
	next := func(want map[string]any) {
		t.Helper()
		r := <-got
		if err := verifier.Verify(r.body, r.header); err != nil {
			t.Errorf("the signature is invalid: %v", err)
		}
		var e map[string]any
		if err := json.Unmarshal(r.body, &e); err != nil {
			t.Fatal(err)
		}
		if len(e) < 30 || e["id"] != r.header.Get("Webhook-Id") || e["phone"] != "+12025550123" || e["agent"] != "default" {
			t.Errorf("event = %s, want all keys, with its ID, the user and the agent", r.body)
		}
		for key, value := range want {
			if e[key] != value {
				t.Errorf("%s = %v, want %v, in %s", key, e[key], value, r.body)
			}
		}
	}
	user := func(action string) {
		t.Helper()
		post("http://127.0.0.1:"+simPort+"/_sim/user", `{"phone": "+12025550123", `+action+`}`)
	}
	id := post("http://127.0.0.1:"+port+"/", `{"to": "+12025550123", "text": "Thursday, 3 pm?", "buttons": ["Confirm|=CONFIRM"]}`).MessageID
	next(map[string]any{"type": "delivered", "status": "delivered", "message_id": id})
	user(`"action": "read"`)
	next(map[string]any{"type": "read", "status": "read", "message_id": id})
	user(`"action": "tap", "suggestion": "Confirm", "message_id": "` + id + `"`)
	next(map[string]any{"type": "button", "text": "Confirm", "postback": "CONFIRM", "button_type": "reply"})
	user(`"action": "location", "location": {"latitude": 47.5, "longitude": -122.25}`)
	next(map[string]any{"type": "location", "latitude": 47.5, "longitude": -122.25})
	user(`"action": "file", "file": {"mime_type": "image/jpeg", "name": "pier.jpg", "uri": "https://storage.googleapis.com/rbm/pier.jpg", "bytes": 5}`)
	next(map[string]any{"type": "file", "file_name": "pier.jpg", "file_size": 5.0})
	user(`"action": "typing"`) // which this target does not want
	user(`"action": "subscribe"`)
	next(map[string]any{"type": "subscribed"}) // of the text or the event, whichever came first
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// syncBuffer is a buffer for several goroutines.
type syncBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
