package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// TestPace checks that the setting reaches the agent, and the response to a caller that
// exceeds the rate. Package send tests the rest.
func TestPace(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	rate := "0.0003"
	h, _ := s.handler(t, map[string]*string{"RCSHOOK_MESSAGES_PER_SECOND": &rate})
	for i, want := range []string{`"code":"accepted"`, `"code":"rate_limited","retry":"later"`} {
		req := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(fmt.Sprintf(`{"to": "+12025550123", "text": "Hello %d"}`, i)))
		req.Header.Set("Authorization", "Bearer dev")
		req.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, req)
		body := w.Body.String()
		if !strings.Contains(body, want) || strings.Contains(body, "duplicate_risk") {
			t.Errorf("response %d is %s, want %s", i+1, body, want)
		}
		if i == 0 {
			continue
		}
		wait, err := strconv.Atoi(w.Header().Get("Retry-After"))
		if err != nil || wait < 3000 || wait > 3334 || !strings.Contains(body, `; nothing was sent"`) {
			t.Errorf("Retry-After %d, response %s", wait, body)
		}
	}
	if n := len(s.sim.Messages()); n != 1 {
		t.Errorf("%d messages were sent, want 1", n)
	}
}

// TestCallerRetries tests a caller that closes the connection while the platform handles
// the message, and retries with the same key. One message arrives, whether or not the first
// attempt succeeded.
func TestCallerRetries(t *testing.T) {
	t.Parallel()
	for _, accepted := range []bool{true, false} {
		t.Run(fmt.Sprintf("accepted %t", accepted), func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			var first sync.Once
			started := make(chan struct{})
			platform := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if strings.HasSuffix(r.URL.Path, "/agentMessages") {
					first.Do(func() {
						if accepted {
							s.sim.ServeHTTP(httptest.NewRecorder(), r)
						}
						_, _ = io.Copy(io.Discard, r.Body) // otherwise the server does not notice a closed connection
						close(started)
						<-r.Context().Done()
						panic(http.ErrAbortHandler)
					})
				}
				s.sim.ServeHTTP(w, r)
			}))
			defer platform.Close()
			s.setPlatform(t, platform)
			h, log := s.handler(t, nil)
			ended := make(chan struct{}, 2)
			web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				h.ServeHTTP(w, r)
				ended <- struct{}{}
			}))
			defer web.Close()

			ctx, cancel := context.WithCancel(t.Context())
			go func() { <-started; cancel() }()
			if code, err := s.call(ctx, web.URL); err == nil {
				t.Fatalf("response %s, want an error", code)
			}
			<-ended
			if line := log.String(); !strings.Contains(line, `"code":"upstream_timeout"`) {
				t.Errorf("log:\n%s", line)
			}
			if code, err := s.call(t.Context(), web.URL); err != nil || code != "accepted" && code != "duplicate" {
				t.Errorf("retry: %q, %v, want accepted or duplicate", code, err)
			}
			if n := len(s.sim.Messages()); n != 1 {
				t.Errorf("%d messages arrived, want 1", n)
			}
		})
	}
}

// call sends a message with a key and returns the code of the response.
func (s *stage) call(ctx context.Context, url string) (code string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(`{"to": "+12025550123", "text": "Hello", "idempotency_key": "k"}`))
	if err != nil {
		return "", err
	}
	req.Header = http.Header{"Content-Type": {"application/json"}, "Authorization": {"Bearer dev"}}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	var response struct{ Code string }
	err = json.NewDecoder(res.Body).Decode(&response)
	return response.Code, err
}
