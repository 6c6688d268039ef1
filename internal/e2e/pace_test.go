package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
)

// TestPace sees that the setting reaches the agent, and what a caller is told who
// comes too early. The rest is the matter of internal/deliver.
func TestPace(t *testing.T) {
	s := newStage(t)
	pace := "0.0003"
	h, _ := s.handler(t, map[string]*string{"RCSHOOK_MESSAGES_PER_SECOND": &pace})
	for i, want := range []string{`"code":"accepted"`, `"code":"rate_limited","retry":"later"`} {
		req := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(fmt.Sprintf(`{"to": "+12025550123", "text": "Hello %d"}`, i)))
		req.Header.Set("Authorization", "Bearer dev")
		req.Header.Set("Content-Type", "application/json")
		answer := httptest.NewRecorder()
		h.ServeHTTP(answer, req)
		body := answer.Body.String()
		if !strings.Contains(body, want) || strings.Contains(body, "duplicate_risk") {
			t.Errorf("answer %d is %s, want %s", i+1, body, want)
		}
		if i == 0 {
			continue
		}
		wait, err := strconv.Atoi(answer.Header().Get("Retry-After"))
		if err != nil || wait < 3000 || wait > 3334 || !strings.Contains(body, `; nothing was sent"`) {
			t.Errorf("Retry-After is %d, and the answer %s", wait, body)
		}
	}
	if n := len(s.sim.Messages()); n != 1 {
		t.Errorf("%d messages were sent", n)
	}
}
