package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
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
