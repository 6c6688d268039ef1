package rbmtest_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/rcshook/rcshook/rbm/rbmtest"
)

func TestAdminMessages(t *testing.T) {
	t.Parallel()
	g := start(t, new(rbmtest.Simulator))
	equal(t, "empty list", g.do(t, "GET", "/_sim/messages", "").body, "{\n  \"messages\": []\n}\n")
	g.create(t, phone, "one", `{'contentMessage':{'text':'single quotes'}}`)
	var got struct{ Messages []map[string]any }
	if err := json.Unmarshal([]byte(g.do(t, "GET", "/_sim/messages", "").body), &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Messages) != 1 {
		t.Fatalf("%d messages, want 1", len(got.Messages))
	}
	delete(got.Messages[0], "received")
	equal(t, "message", got.Messages[0], map[string]any{
		"to": phone, "message_id": "one", "agent_id": agent, "state": "delivered",
		"agent_message": map[string]any{"contentMessage": map[string]any{"text": "single quotes"}},
	})
	equal(t, "reset", g.do(t, "POST", "/_sim/reset", "").status, 200)
	equal(t, "messages", states(g.Simulator), []string{})
}

func TestAdminIsForThisMachine(t *testing.T) {
	t.Parallel()
	g := start(t, &rbmtest.Simulator{AdminHosts: []string{"sim.internal"}})
	tests := []struct {
		name   string
		path   string
		host   string
		header http.Header
		want   int
	}{
		{"loopback", "/_sim/messages", "", nil, 200},
		{"localhost", "/_sim/key", "localhost:8081", nil, 200},
		{"IPv6", "/", "[::1]:8081", nil, 200},
		{"allowed host", "/_sim/messages", "sim.internal:80", nil, 200},
		{"rebound name", "/_sim/key", "evil.example:8081", nil, 403},
		{"rebound name, front page", "/", "evil.example", nil, 403},
		{"other address", "/_sim/messages", "192.0.2.1", nil, 403},
		{"own origin", "/_sim/messages", "localhost:81", http.Header{"Origin": {"http://localhost:81"}}, 200},
		{"other port", "/_sim/messages", "localhost:81", http.Header{"Origin": {"http://localhost:82"}}, 403},
		{"foreign origin", "/_sim/messages", "", http.Header{"Origin": {"https://evil.example"}}, 403},
		{"opaque origin", "/_sim/messages", "", http.Header{"Origin": {"null"}}, 403},
		{"foreign image", "/_sim/key", "", http.Header{"Sec-Fetch-Site": {"cross-site"}}, 403},
		{"other port's image", "/_sim/key", "", http.Header{"Sec-Fetch-Site": {"same-site"}}, 403},
		{"link to the front page", "/", "", http.Header{"Sec-Fetch-Site": {"cross-site"}, "Sec-Fetch-Mode": {"navigate"}}, 200},
		{"own page", "/_sim/messages", "", http.Header{"Sec-Fetch-Site": {"same-origin"}}, 200},
	}
	for _, tt := range tests {
		req := g.request(t, "GET", tt.path, "")
		if tt.host != "" {
			req.Host = tt.host
		}
		for name, values := range tt.header {
			req.Header[name] = values
		}
		equal(t, tt.name, g.send(t, req).status, tt.want)
	}
	api := g.request(t, "POST", "/v1/phones/"+phone+"/agentMessages?messageId=1&agentId="+agent, text)
	api.Host = "us-rcsbusinessmessaging.googleapis.com"
	api.Header.Set("Origin", "https://anywhere.example")
	equal(t, "API by any name", g.send(t, api).status, 200)
}
