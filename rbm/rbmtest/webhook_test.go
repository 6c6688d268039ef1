package rbmtest_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rcshook/rcshook/internal/googletest"
	"github.com/rcshook/rcshook/rbm"
	"github.com/rcshook/rcshook/rbm/rbmtest"
)

// hook is a webhook with fixed responses.
type hook struct {
	url string

	mu       sync.Mutex
	status   int    // response to events
	proof    string // response to the handshake; %s is the secret
	received []*http.Request
	bodies   [][]byte
}

const clientToken = "harborline-demo-token"

func newHook(t *testing.T) *hook {
	t.Helper()
	h := &hook{status: 200, proof: "%s"}
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	h.url = server.URL
	return h
}

func (h *hook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if r.Header.Get("X-Goog-Webhook-Type") == "verification" {
		var shake struct{ ClientToken, Secret string }
		if json.Unmarshal(body, &shake) != nil || shake.ClientToken != clientToken {
			w.WriteHeader(403)
			return
		}
		fmt.Fprintf(w, h.proof, shake.Secret)
		return
	}
	h.received, h.bodies = append(h.received, r), append(h.bodies, body)
	w.WriteHeader(h.status)
}

func (h *hook) response(status int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.status = status
}

func (h *hook) count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.bodies)
}

func flush(t *testing.T, sim *rbmtest.Simulator) {
	t.Helper()
	if err := sim.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestPush(t *testing.T) {
	t.Parallel()
	c := newClock()
	g, h := start(t, &rbmtest.Simulator{Now: c.Now}), newHook(t)
	if _, err := g.Connect(t.Context(), rbmtest.WebhookConfig{URL: h.url + "/rbm?key=secret", ClientToken: clientToken}); err != nil {
		t.Fatal(err)
	}
	g.create(t, phone, "m1", text)
	if _, err := g.UserSends(phone, "Which pier? <&>"); err != nil {
		t.Fatal(err)
	}
	flush(t, g.Simulator)
	equal(t, "pushes", h.count(), 2)

	type envelope struct {
		Message struct {
			Attributes  map[string]string
			Data        []byte
			MessageID   string `json:"messageId"`
			PublishTime string
		}
		Subscription string
	}
	var got [2]envelope
	for i, body := range h.bodies {
		if err := json.Unmarshal(body, &got[i]); err != nil {
			t.Fatal(err)
		}
		r := h.received[i]
		equal(t, "method", r.Method, "POST")
		equal(t, "path", r.RequestURI, "/rbm?key=secret")
		equal(t, "Content-Type", r.Header.Get("Content-Type"), "application/json")
		equal(t, "X-Goog-Webhook-Type", r.Header.Get("X-Goog-Webhook-Type"), "message_callback")
		mac := hmac.New(sha512.New, []byte(clientToken))
		mac.Write(got[i].Message.Data)
		equal(t, "X-Goog-Signature", r.Header.Get("X-Goog-Signature"), base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	}
	equal(t, "attributes of an event", got[0].Message.Attributes["event_type"], "DELIVERED")
	number := got[1].Message.Attributes["project_number"]
	equal(t, "attributes of a message", got[1].Message.Attributes, map[string]string{
		"business_id": agent + "@rbm.goog", "message_type": "TEXT", "product": "RBM", "project_number": number, "type": "message",
	})
	equal(t, "publish time", got[1].Message.PublishTime, "2026-11-20T09:15:03.464Z")
	var data map[string]any
	if err := json.Unmarshal(got[1].Message.Data, &data); err != nil {
		t.Fatal(err)
	}
	equal(t, "text", data["text"], any("Which pier? <&>"))
	if got[0].Message.MessageID == got[1].Message.MessageID || len(got[0].Message.MessageID) != 16 {
		t.Errorf("IDs of the envelopes: %q and %q", got[0].Message.MessageID, got[1].Message.MessageID)
	}

	var pushes []rbmtest.Push
	for _, e := range g.Log() {
		if e.Kind == rbmtest.LogPush {
			p := *e.Push
			p.Event = 0
			pushes = append(pushes, p)
		}
	}
	ok := rbmtest.Push{URL: h.url + "/rbm", Attempt: 1, Status: 200}
	equal(t, "log", pushes, []rbmtest.Push{ok, ok})
}

// TestPushedEvents parses the pushes with package rbm.
func TestPushedEvents(t *testing.T) {
	t.Parallel()
	c := newClock()
	g, h := start(t, &rbmtest.Simulator{Now: c.Now}), newHook(t)
	if _, err := g.Connect(t.Context(), rbmtest.WebhookConfig{URL: h.url, ClientToken: clientToken}); err != nil {
		t.Fatal(err)
	}
	g.create(t, phone, "m1", rich)
	g.create(t, offline, "m2", `{"contentMessage":{"text":"x"},"ttl":"10s"}`)
	acts := []rbmtest.UserAction{
		{Action: "read", Phone: phone},
		{Action: "typing", Phone: phone},
		{Action: "tap", Phone: phone, MessageID: "m1", Suggestion: "Share"},
		{Action: "location", Phone: phone, Location: &rbm.LatLng{Latitude: 1}},
		{Action: "file", Phone: phone, File: &rbmtest.SharedFile{MIMEType: "image/png", URI: "https://example.com/a"}},
		{Action: "unsubscribe", Phone: phone},
	}
	for _, a := range acts {
		if _, err := g.Act(a); err != nil {
			t.Fatal(err)
		}
	}
	c.now = c.now.Add(time.Minute)
	flush(t, g.Simulator)
	var got []string
	for i, body := range h.bodies {
		if err := rbm.VerifySignature(clientToken, h.received[i].Header.Get(rbm.SignatureHeader), body); err != nil {
			t.Error(err)
		}
		event, err := rbm.ParseWebhook(body)
		if err != nil {
			t.Errorf("%v in\n%s", err, body)
		}
		got = append(got, strings.TrimPrefix(fmt.Sprintf("%T", event), "*"))
	}
	equal(t, "events", got, []string{
		"rbm.UserEvent", "rbm.UserEvent", "rbm.UserEvent", "rbm.UserMessage", "rbm.UserMessage",
		"rbm.UserMessage", "rbm.UserMessage", "rbm.UserEvent", "rbm.ServerEvent",
	})
}

func TestHandshake(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, proof, token string
		strict             bool
		want               string // part of the error
		warn               string // part of the warning
	}{
		{"bare secret", "%s", clientToken, false, "", ""},
		{"with a newline", "%s\n", clientToken, false, "", ""},
		{"in words", "secret: %s", clientToken, false, "", `got 200 with "secret: (secret)"`},
		{"as JSON", `{"secret":"%s"}`, clientToken, false, "", `got 200 with "{\"secret\":\"(secret)\"}"`},
		{"as a JSON string", `"%s"`, clientToken, false, "", `got 200 with "\"(secret)\""`},
		{"in words, strict", "secret: %s", clientToken, true, `got 200 with "secret: (secret)"`, ""},
		{"as JSON, strict", `{"secret":"%s"}`, clientToken, true, `got 200 with "{`, ""},
		{"nothing", "%.0s", clientToken, false, `got 200 with ""`, ""},
		{"another secret", "secret: %.3s", clientToken, false, `got 200 with "secret: `, ""},
		{"page of a proxy", "\x1b[2J<html>%.0s", clientToken, false, `got 200 with "\x1b[2J<html>"`, ""},
		{"echo", `{"clientToken":"` + clientToken + `","secret":"%s"}`, clientToken, false, `got 200 with "{\"clientToken\":\"(client token)\"`, ""},
		{"wrong token", "%s", "other", false, `got 403 with ""`, ""},
		{"no token", "%s", "", false, "client token", ""},
	}
	for _, tt := range tests {
		g, h := start(t, &rbmtest.Simulator{Assume: rbmtest.Assumptions{StrictHandshake: tt.strict}}), newHook(t)
		h.proof = tt.proof
		warning, err := g.Connect(t.Context(), rbmtest.WebhookConfig{URL: h.url, ClientToken: tt.token})
		if !strings.Contains(warning, tt.warn) || tt.warn == "" && warning != "" {
			t.Errorf("%s: warning %q, want %q", tt.name, warning, tt.warn)
		}
		if tt.want == "" != (err == nil) || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: Connect = %v, want %q", tt.name, err, tt.want)
		}
		equal(t, tt.name+": webhooks", len(g.Snapshot().Webhooks), map[bool]int{true: 1, false: 0}[err == nil])
	}
	g := start(t, new(rbmtest.Simulator))
	for _, url := range []string{"", "ftp://example.com", "/relative", "http://%zz"} {
		if _, err := g.Connect(t.Context(), rbmtest.WebhookConfig{URL: url, ClientToken: "x"}); err == nil {
			t.Errorf("Connect took the URL %q", url)
		}
	}
	_, err := g.Connect(t.Context(), rbmtest.WebhookConfig{URL: googletest.ClosedURL + "/?key=secret", ClientToken: "x"})
	if err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("Connect to a closed server = %v, want an error without the query", err)
	}
}

// TestRedelivery walks through the pauses up to the end of the seven days.
func TestRedelivery(t *testing.T) {
	t.Parallel()
	c := newClock()
	g, h := start(t, &rbmtest.Simulator{Now: c.Now}), newHook(t)
	if _, err := g.Connect(t.Context(), rbmtest.WebhookConfig{URL: h.url, ClientToken: clientToken}); err != nil {
		t.Fatal(err)
	}
	h.response(204) // anything but 200 is a failure
	g.create(t, phone, "m1", text)
	flush(t, g.Simulator)
	began := c.now
	var pauses []time.Duration
	for g.Waiting() > 0 {
		events := g.Log()
		again := events[len(events)-1].Push.Again
		pauses = append(pauses, again.Sub(c.now))
		c.now = again.Add(-time.Nanosecond)
		n := h.count()
		g.Tick()
		flush(t, g.Simulator)
		if h.count() != n {
			t.Fatal("pushed before its time")
		}
		c.now = again
		flush(t, g.Simulator)
		if h.count() != n+1 {
			t.Fatal("not pushed at its time")
		}
	}
	s := time.Second
	equal(t, "first pauses", pauses[:12], []time.Duration{s, 2 * s, 4 * s, 8 * s, 16 * s, 32 * s, 64 * s, 128 * s, 256 * s, 512 * s, 600 * s, 600 * s})
	if lasted := c.now.Sub(began); lasted > 7*24*time.Hour || lasted < 7*24*time.Hour-600*s {
		t.Errorf("given up after %v, want 7 days", lasted)
	}
	equal(t, "bodies", len(slices.CompactFunc(h.bodies, slices.Equal)), 1)

	// An event that fails does not stay in the way of one that does not.
	g.create(t, phone, "m2", text)
	flush(t, g.Simulator)
	equal(t, "waiting", g.Waiting(), 1)
	h.response(200)
	g.create(t, phone, "m3", text)
	flush(t, g.Simulator)
	equal(t, "still waiting", g.Waiting(), 1)
	c.now = c.now.Add(s)
	flush(t, g.Simulator)
	equal(t, "all pushed", g.Waiting(), 0)
}

func TestConnect_agentWebhook(t *testing.T) {
	t.Parallel()
	c := newClock()
	g, partner, own := start(t, &rbmtest.Simulator{Now: c.Now}), newHook(t), newHook(t)
	connect := func(body string) int { return g.do(t, "POST", "/_sim/webhooks", body).status }
	equal(t, "partner", connect(`{"url":"`+partner.url+`?k=1","client_token":"`+clientToken+`"}`), 200)
	equal(t, "agent", connect(`{"url":"`+own.url+`","client_token":"`+clientToken+`","agent_id":"`+agent+`@rbm.goog"}`), 200)
	equal(t, "wrong token", connect(`{"url":"`+own.url+`","client_token":"x"}`), 400)
	equal(t, "list", g.do(t, "GET", "/_sim/webhooks", "").decoded(t), map[string]any{
		"waiting": 0.0,
		"webhooks": []any{
			map[string]any{"agent_id": "", "url": partner.url},
			map[string]any{"agent_id": agent, "url": own.url},
		},
	})
	send := func(id, agentID string) {
		g.do(t, "POST", "/v1/phones/"+phone+"/agentMessages?messageId="+id+"&agentId="+agentID, text)
		flush(t, g.Simulator)
	}
	send("1", agent)
	send("2", "other")
	equal(t, "of the agent", own.count(), 1)
	equal(t, "of the partner", partner.count(), 1)
	equal(t, "disconnect", connect(`{"agent_id":"`+agent+`"}`), 200)
	send("3", agent)
	equal(t, "of the partner", partner.count(), 2)
	partner.response(500)
	send("4", agent)
	equal(t, "waiting", g.Waiting(), 1)
	g.Disconnect("")
	c.now = c.now.Add(time.Minute)
	send("5", agent)
	equal(t, "no pushes", partner.count(), 3)
	equal(t, "waiting without a webhook", g.Waiting(), 0)
	var dropped, silent []string
	for _, e := range g.Log() {
		if e.NoWebhook {
			silent = append(silent, e.MessageID)
		}
		if e.Push != nil && e.Push.URL == "" {
			dropped = append(dropped, e.Push.Error)
		}
	}
	equal(t, "events without a webhook", silent, []string{"5"})
	equal(t, "dropped events", dropped, []string{"dropped: the agent has no webhook"})
	g.Reset()
	equal(t, "waiting after a reset", g.Waiting(), 0)
}

// TestPush_brokenWebhooks has a webhook that breaks off, and one that hangs until the
// simulator is closed.
func TestPush_brokenWebhooks(t *testing.T) {
	t.Parallel()
	arrived := make(chan struct{}, 10)
	hang := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Goog-Webhook-Type") == "verification" {
			var shake struct{ Secret string }
			if json.NewDecoder(r.Body).Decode(&shake) == nil {
				io.WriteString(w, shake.Secret)
			}
			return
		}
		if r.URL.Path == "/break" {
			panic(http.ErrAbortHandler)
		}
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			return
		}
		arrived <- struct{}{}
		<-r.Context().Done()
	}))
	defer hang.Close()
	g := start(t, new(rbmtest.Simulator))
	for _, path := range []string{"/break", "/hang"} {
		if _, err := g.Connect(t.Context(), rbmtest.WebhookConfig{URL: hang.URL + path, ClientToken: "x", AgentID: path[1:]}); err != nil {
			t.Fatal(err)
		}
	}
	g.do(t, "POST", "/v1/phones/"+phone+"/agentMessages?messageId=1&agentId=break", text)
	flush(t, g.Simulator)
	events := g.Log()
	last := events[len(events)-1].Push
	if last == nil || last.Status != 0 || last.Error == "" || last.Again.IsZero() {
		t.Errorf("push to a webhook that breaks off: %+v", last)
	}
	g.do(t, "POST", "/v1/phones/"+phone+"/agentMessages?messageId=2&agentId=hang", text)
	<-arrived
	g.Close()
	flush(t, g.Simulator)
	events = g.Log()
	equal(t, "end of the hanging push", events[len(events)-1].Push.Error, context.Canceled.Error())
}

// TestPush_queueLimit queues more than is kept while the webhook is in trouble.
func TestPush_queueLimit(t *testing.T) {
	t.Parallel()
	c := newClock()
	g, h := start(t, &rbmtest.Simulator{Now: c.Now}), newHook(t)
	if _, err := g.Connect(t.Context(), rbmtest.WebhookConfig{URL: h.url, ClientToken: clientToken}); err != nil {
		t.Fatal(err)
	}
	g.create(t, phone, "m1", text)
	flush(t, g.Simulator)
	h.mu.Lock() // the webhook does not respond for now
	for range 10_001 {
		if _, err := g.UserSends(phone, "x"); err != nil {
			t.Fatal(err)
		}
	}
	equal(t, "waiting", g.Waiting(), 10_000)
	events := g.Log()
	if !slices.ContainsFunc(events, func(e rbmtest.LogEntry) bool {
		return e.Push != nil && e.Push.Error == "dropped: the queue is full"
	}) {
		t.Error("nothing was dropped")
	}
	g.Close()
	h.mu.Unlock()
	flush(t, g.Simulator)
}
