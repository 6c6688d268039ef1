package pubsub_test

import (
	"errors"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/rcshook/rcshook/internal/googletest/pubsub"
)

func TestServer(t *testing.T) {
	t.Parallel()
	s := &pubsub.Server{Authorize: func(token string) error {
		if token != "good" {
			return errors.New("unknown token")
		}
		return nil
	}}
	const topic = "projects/p/topics/t"
	s.AddTopic(topic)
	for _, test := range []struct {
		name, token, path, body string
		status                  int
		want                    string // in the response
	}{
		{"one", "good", topic + ":publish", `{"messages": [{"data": "aGk="}]}`, 200, `"1"`},
		{"two", "good", topic + ":publish", `{"messages": [{"attributes": {"a": ""}}, {"data": "eA=="}]}`, 200, `"3"`},
		{"permission", "good", topic + ":testIamPermissions", `{"permissions": ["pubsub.topics.publish"]}`, 200, `"pubsub.topics.publish"`},
		{"permission of another topic", "good", "projects/p/topics/other:testIamPermissions", `{"permissions": ["pubsub.topics.publish"]}`, 200, "{}"},
		{"token for permissions", "bad", topic + ":testIamPermissions", `{}`, 401, "UNAUTHENTICATED"},
		{"token", "bad", topic + ":publish", `{"messages": [{"data": "aGk="}]}`, 401, "UNAUTHENTICATED"},
		{"topic", "good", "projects/p/topics/other:publish", `{"messages": [{"data": "aGk="}]}`, 404, "resource=other"},
		{"method", "good", topic, `{}`, 404, "Method not found"},
		{"no message", "good", topic + ":publish", `{}`, 400, "1 to 1000"},
		{"many", "good", topic + ":publish", `{"messages": [` + strings.Repeat(`{"data": "eA=="},`, 1000) + `{"data": "eA=="}]}`, 400, "1 to 1000"},
		{"empty", "good", topic + ":publish", `{"messages": [{}]}`, 400, "empty"},
		{"base64", "good", topic + ":publish", `{"messages": [{"data": "%"}]}`, 400, "valid for request"},
		{"field", "good", topic + ":publish", `{"messages": [{"dat": "aGk="}]}`, 400, "valid for request"},
		{"value", "good", topic + ":publish", `{"messages": [{"attributes": {"a": 1}}]}`, 400, "valid for request"},
		{"reserved key", "good", topic + ":publish", `{"messages": [{"attributes": {"googclient": "x"}}]}`, 400, "attribute"},
		{"long value", "good", topic + ":publish", `{"messages": [{"attributes": {"a": "` + strings.Repeat("x", 1025) + `"}}]}`, 400, "attribute"},
	} {
		r := httptest.NewRequest("POST", "/v1/"+test.path, strings.NewReader(test.body))
		r.Header.Set("Authorization", "Bearer "+test.token)
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if w.Code != test.status || !strings.Contains(w.Body.String(), test.want) {
			t.Errorf("%s: %d %s, want %d and %s", test.name, w.Code, w.Body, test.status, test.want)
		}
	}
	got := s.Messages(topic)
	if len(got) != 3 || string(got[0].Data) != "hi" || got[2].ID != "3" {
		t.Errorf("messages: %+v", got)
	}
}

// TestServer_limit tests that a topic keeps the last messages only.
func TestServer_limit(t *testing.T) {
	t.Parallel()
	const topic = "projects/p/topics/t"
	var s pubsub.Server
	s.AddTopic(topic)
	for _, data := range []string{"Zmlyc3Q=", "eA==", "eA==", "eA==", "eA==", "eA==", "eA==", "eA==", "eA==", "eA==", "bGFzdA=="} {
		body := `{"messages": [` + strings.Repeat(`{"data": "`+data+`"},`, 999) + `{"data": "` + data + `"}]}`
		s.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("POST", "/v1/"+topic+":publish", strings.NewReader(body)))
	}
	kept := s.Messages(topic)
	if len(kept) != 10_000 || string(kept[0].Data) != "x" || string(kept[9999].Data) != "last" {
		t.Errorf("%d messages are left, want the last 10,000", len(kept))
	}
}
