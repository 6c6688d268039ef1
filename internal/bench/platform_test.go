package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	simulated "github.com/rcshook/rcshook/internal/googletest/platform"
	"github.com/rcshook/rcshook/rbm/rbmtest"
)

// TestLeanPlatform sends it valid and invalid messages.
func TestLeanPlatform(t *testing.T) {
	t.Parallel()
	sim := simulated.New(new(rbmtest.Simulator))
	defer sim.Close()
	platform := &leanPlatform{tokens: sim.Tokens, version: 1}
	server := httptest.NewServer(platform)
	defer server.Close()

	url, token := server.URL, sim.Token()
	const path = "/v1/phones/+12025550123/agentMessages?agentId=a&messageId=5a0c2f4e-8d1b-4c3a-9e7f-1b2d3c4e5f60"
	const message = `{"contentMessage": {"text": "a"}}`
	for _, test := range []struct {
		name, method, path, token, body string
		status                          int
		want                            string
	}{
		{"a message", "POST", path, token, message, 200, `"contentMessage":{"text":"a"},"name":"phones/+12025550123/agentMessages/5a0c2f4e-8d1b-4c3a-9e7f-1b2d3c4e5f60","sendTime":"2`},
		{"an escaped number", "POST", strings.Replace(path, "+", "%2B", 1), token, message, 200, `"name":"phones/+12025550123/agentMessages/`},
		{"no token", "POST", path, "", message, 400, "invalid token"},
		{"another token", "POST", path, "ya29.static", message, 400, "invalid token"},
		{"a token without the scope", "POST", path, sim.Tokens.Issue("https://www.googleapis.com/auth/cloud-platform"), message, 400, "invalid token"},
		{"another method", "GET", path, token, message, 400, "unknown method or path: GET /v1/phones/"},
		{"another path", "POST", "/v1/users", token, message, 400, "unknown method or path: POST /v1/users"},
		{"no ID", "POST", strings.Replace(path, "messageId", "id", 1), token, message, 400, "messageId or agentId is missing"},
		{"no agent", "POST", strings.Replace(path, "agentId", "id", 1), token, message, 400, "messageId or agentId is missing"},
		{"no object", "POST", path, token, `[]`, 400, "the body is not a JSON object"},
	} {
		before := platform.arrivals.Load()
		req, err := http.NewRequestWithContext(t.Context(), test.method, url+test.path, strings.NewReader(test.body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+test.token)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(res.Body)
		res.Body.Close()
		var response map[string]any
		if err != nil || json.Unmarshal(text, &response) != nil {
			t.Errorf("%s: the response is %s, %v", test.name, text, err)
		}
		sorted, _ := json.Marshal(response) // it was JSON
		if res.StatusCode != test.status || !strings.Contains(string(sorted), test.want) {
			t.Errorf("%s: got %d %s, want %d with %s", test.name, res.StatusCode, sorted, test.status, test.want)
		}
		if taken := platform.arrivals.Load() - before; (taken == 1) != (test.status == 200) {
			t.Errorf("%s: %d messages were counted", test.name, taken)
		}
	}
}
