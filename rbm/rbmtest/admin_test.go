package rbmtest_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/rcshook/rcshook/rbm/rbmtest"
)

func TestAdmin_messages(t *testing.T) {
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

func TestAdmin_localOnly(t *testing.T) {
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
		{"allowed host as the origin", "/_sim/key", "localhost:81", http.Header{"Origin": {"https://sim.internal"}, "Sec-Fetch-Site": {"same-origin"}}, 200},
		{"allowed host, rewritten origin", "/_sim/key", "sim.internal", http.Header{"Origin": {"http://localhost:81"}, "Sec-Fetch-Site": {"same-origin"}}, 200},
		{"other page, rewritten origin", "/_sim/key", "sim.internal", http.Header{"Origin": {"http://localhost:81"}, "Sec-Fetch-Site": {"cross-site"}}, 403},
		{"rewritten origin, unknown page", "/_sim/key", "sim.internal", http.Header{"Origin": {"http://localhost:81"}}, 403},
		{"part of an allowed host", "/_sim/key", "a.sim.internal", nil, 403},
		{"longer than an allowed host", "/_sim/key", "sim.internal.evil.example", nil, 403},
		{"foreign origin behind a forwarder", "/_sim/key", "localhost:81", http.Header{"Origin": {"https://evil.example"}, "Sec-Fetch-Site": {"same-origin"}}, 403},
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
	strict := start(t, new(rbmtest.Simulator)).request(t, "GET", "/_sim/key", "")
	strict.Header = http.Header{"Origin": {"http://localhost:82"}, "Sec-Fetch-Site": {"same-origin"}}
	equal(t, "rewritten origin without allowed hosts", g.send(t, strict).status, 403)
}

func TestAdmin_invalid(t *testing.T) {
	t.Parallel()
	g := start(t, new(rbmtest.Simulator))
	tests := []struct{ path, body, want string }{
		{"online", `{"phone":"2025550108","online":true}`, "E.164"},
		{"online", `{"phone":"` + offline + `"}`, "expected true or false"},
		{"online", `{"phone":"` + offline + `","onlin":true}`, "unknown field"},
		{"online", `[`, "unexpected"},
		{"numbers", `{"phone":"x"}`, "E.164"},
		{"numbers", `{"behavior":{"refusal":5}}`, "cannot unmarshal"},
		{"rotate", `{"revoke":"yes"}`, "cannot unmarshal"},
		{"rotate", `{}`, "no key to rotate"},
		{"user", `{"action":"text","phone":"x"}`, "E.164"},
		{"user", `{"action":"text","phone":"` + phone + `","text":"x"}`, "no agent has written"},
		{"user", `{"act":"text"}`, "unknown field"},
		{"tester", `{"phone":"x"}`, "E.164"},
		{"tester", `{"phone":"` + phone + `","status":"MAYBE"}`, "status: expected PENDING"},
		{"tester", `{"state":1}`, "unknown field"},
		{"webhooks", `{"uri":1}`, "unknown field"},
		{"webhooks", `{"url":"x"}`, "absolute http"},
	}
	for _, tt := range tests {
		a := g.do(t, "POST", "/_sim/"+tt.path, tt.body)
		if a.status != 400 || !strings.Contains(a.body, tt.want) {
			t.Errorf("%s %.60s: %d %s, want 400 with %q", tt.path, tt.body, a.status, a.body, tt.want)
		}
	}
	equal(t, "unknown path", g.do(t, "GET", "/_sim/nothing", "").status, 404)
	equal(t, "wrong method", g.do(t, "GET", "/_sim/reset", "").status, 405)
}

func TestAdmin_changes(t *testing.T) {
	t.Parallel()
	g := start(t, new(rbmtest.Simulator))
	post := func(path, body string) response {
		t.Helper()
		a := g.do(t, "POST", "/_sim/"+path, body)
		equal(t, path, a.status, 200)
		return a
	}
	post("numbers", `{"phone":"`+phone+`","behavior":{"refusal":"unreachable","carrier":"c","features":[],"failure":{"delay":"1ns"}}}`)
	equal(t, "behavior", g.create(t, phone, "1", text).status, 404)
	numbers, _ := g.do(t, "GET", "/_sim/numbers", "").decoded(t)["numbers"].(map[string]any)
	equal(t, "numbers", numbers[phone], any(map[string]any{"refusal": "unreachable", "carrier": "c", "features": []any{}, "failure": map[string]any{"delay": "1ns"}}))
	equal(t, "test number", numbers["+12025550129"], any(map[string]any{"failure": map[string]any{"status": 429.0, "retry_after": "2s"}}))
	post("numbers", `{"phone":"`+phone+`"}`)
	equal(t, "no behavior", g.create(t, phone, "1", text).status, 200)
	id, _ := post("user", `{"action":"text","phone":"`+phone+`","text":"Hi"}`).decoded(t)["message_id"].(string)
	equal(t, "length of the user's message ID", len(id), 24)

	equal(t, "requests", len(g.do(t, "GET", "/_sim/requests", "").decoded(t)["requests"].([]any)), 2)
	equal(t, "events", len(g.do(t, "GET", "/_sim/events", "").decoded(t)["events"].([]any)), len(g.Log()))

	key := g.do(t, "GET", "/_sim/key", "")
	equal(t, "token_uri", key.decoded(t)["token_uri"], any(g.url+"/token"))
	equal(t, "the same key", g.do(t, "GET", "/_sim/key", "").body, key.body)
	equal(t, "the same in Go", string(g.KeyFile(g.url+"/")), key.body)
	post("rotate", `{"revoke":true}`)
	if g.do(t, "GET", "/_sim/key", "").body == key.body {
		t.Error("rotation left the key as it was")
	}
}

func TestKeyOverTLS(t *testing.T) {
	t.Parallel()
	sim := new(rbmtest.Simulator)
	server := httptest.NewTLSServer(sim)
	defer server.Close()
	defer sim.Close()
	for path, want := range map[string]string{"/_sim/key": `"token_uri": "` + server.URL + `/token"`} {
		resp, err := server.Client().Get(server.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || !strings.Contains(string(body), want) {
			t.Errorf("%s: %v, %s, want %s in it", path, err, body, want)
		}
	}
	req := httptest.NewRequest("POST", server.URL+"/upload/v1/files?uploadType=resumable&agentId=a", nil)
	req.Header.Set("Authorization", "Bearer "+sim.Token())
	w := httptest.NewRecorder()
	sim.ServeHTTP(w, req)
	if at := w.Header().Get("Location"); !strings.HasPrefix(at, server.URL) {
		t.Errorf("Location %q, want it to begin with %s", at, server.URL)
	}
}

func TestFrontPage(t *testing.T) {
	t.Parallel()
	g := start(t, new(rbmtest.Simulator))
	page := g.do(t, "GET", "/", "")
	equal(t, "status", page.status, 200)
	equal(t, "policy", page.header.Get("Content-Security-Policy"), "default-src 'none'")
	for _, link := range regexp.MustCompile(`href="([^"]+)"`).FindAllStringSubmatch(page.body, -1) {
		equal(t, link[1], g.do(t, "GET", link[1], "").status, 200)
	}
	equal(t, "elsewhere", g.do(t, "GET", "/favicon.ico", "").status, 404)

	own := start(t, &rbmtest.Simulator{Page: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "own ", r.URL.Path)
	})})
	equal(t, "own page", own.do(t, "GET", "/script.js", "").body, "own /script.js")
	foreign := own.request(t, "GET", "/script.js", "")
	foreign.Host = "evil.example"
	equal(t, "own page for others", own.send(t, foreign).status, 403)
}
