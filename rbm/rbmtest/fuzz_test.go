package rbmtest_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/rcshook/rcshook/rbm/rbmtest"
)

// FuzzCreate posts any body as a message: it is accepted or refused in the envelope,
// and an accepted message is stored, and its response is accepted as a message again.
func FuzzCreate(f *testing.F) {
	for _, a := range accepted {
		f.Add([]byte(a.body))
	}
	for _, body := range []string{"", "{", "[]", "{'a':", `{"contentMessage":{"text":"\ud800"}}`, `{a:1,}`, `{"ttl":"1s","ttl":null}`, rich} {
		f.Add([]byte(body))
	}
	c := newClock()
	sim := &rbmtest.Simulator{Now: c.Now, Assume: rbmtest.Assumptions{OutputFieldsIgnored: true}}
	f.Cleanup(sim.Close)
	token := sim.Token()
	create := func(body []byte) (int, map[string]any, string) {
		req := httptest.NewRequest("POST", "/v1/phones/+442079460123/agentMessages?messageId=1&agentId=a", strings.NewReader(string(body)))
		req.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		sim.ServeHTTP(w, req)
		var response map[string]any
		if err := json.Unmarshal(w.Body.Bytes(), &response); err != nil {
			return w.Code, nil, w.Body.String()
		}
		return w.Code, response, w.Body.String()
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		sim.Reset()
		status, response, text := create(body)
		if response == nil {
			t.Fatalf("the response is not JSON: %d %s", status, text)
		}
		messages := sim.Messages()
		switch status {
		case http.StatusOK:
			if len(messages) != 1 || !json.Valid(messages[0].AgentMessage) {
				t.Fatalf("accepted, but kept as %+v", messages)
			}
			sim.Reset()
			if status, _, again := create([]byte(text)); status != http.StatusOK {
				t.Fatalf("the response\n%s\nis rejected as a message:\n%s", text, again)
			}
		case http.StatusBadRequest:
			if _, ok := response["error"].(map[string]any); !ok || len(messages) != 0 {
				t.Fatalf("refused with %s, %d messages", text, len(messages))
			}
		default:
			t.Fatalf("status %d", status)
		}
	})
}
