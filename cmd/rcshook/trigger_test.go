package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/googletest"
	"github.com/rcshook/rcshook/internal/googletest/platform"
	"github.com/rcshook/rcshook/internal/server"
	"github.com/rcshook/rcshook/internal/standardwebhook"
	"github.com/rcshook/rcshook/rbm/rbmtest"
)

// testTarget records the events that it gets.
type testTarget struct {
	url string

	mu     sync.Mutex
	types  []string
	ids    map[string]bool
	signed bool // all of them, with shopSecret
}

func newTestTarget(t *testing.T) *testTarget {
	t.Helper()
	target := &testTarget{ids: map[string]bool{}, signed: true}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		var event struct{ ID, Type, Phone, Agent string }
		if err := json.Unmarshal(body, &event); err != nil || event.Phone != "+12025550123" && event.Type != "launch" || event.Agent != "default" {
			t.Errorf("the target got %s", body)
		}
		target.mu.Lock()
		defer target.mu.Unlock()
		target.types, target.ids[event.ID] = append(target.types, event.Type), true
		target.signed = target.signed && standardwebhook.Verify(r.Header, body, [][]byte{[]byte(shopSecret)}, time.Now(), 5*time.Minute) == nil
	}))
	t.Cleanup(s.Close)
	target.url = s.URL
	return target
}

func (target *testTarget) want(t *testing.T, types ...string) {
	t.Helper()
	target.mu.Lock()
	defer target.mu.Unlock()
	if got, want := strings.Join(target.types, " "), strings.Join(types, " "); got != want || len(target.ids) != len(types) || !target.signed && len(types) > 0 {
		t.Errorf("the target got %q with %d IDs, signed: %t; want %q", got, len(target.ids), target.signed, want)
	}
	target.types, target.ids = nil, map[string]bool{}
}

// TestEvents sets up the webhook of a function with a target, examines it, and triggers
// events.
func TestEvents(t *testing.T) {
	c := newSetup(t, platform.New(&rbmtest.Simulator{Agents: []rbmtest.AgentConfig{{ID: hookAgent}}}))
	crm := newTestTarget(t)
	var handler http.Handler
	function := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	defer function.Close()
	c.env["RCSHOOK_URL"], c.env["RCSHOOK_WEBHOOK_TOKEN"] = function.URL, hookSecret
	c.file = "events:\n  crm: {url: " + crm.url + ", secret: " + sms + ", only: [" + strings.Join(config.EventTypes, ", ") + "]}\n"
	c.write("rcshook.yaml", c.file)
	var environ []string
	for name, value := range c.env {
		t.Setenv(name, value)
		environ = append(environ, name+"="+value)
	}
	f, err := server.New(t.Context(), server.Options{Environ: environ, Log: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	handler = f

	expect := func(code int, want string, args ...string) {
		t.Helper()
		got, text := c.run(args...)
		if text = strings.ReplaceAll(text, function.URL, "FUNCTION"); got != code || !strings.Contains(text, want) {
			t.Errorf("rcshook %s: exit code %d, %s\nwant %d and %s", strings.Join(args, " "), got, text, code, want)
		}
	}
	expect(0, "created the client token in "+hookSecret+"\nthe function accepts the client token at FUNCTION/events\nthe webhook of agent default is ENABLED\n", "webhook", "set")
	expect(0, "webhook         default: connected, and the function accepts a signed event\n", "doctor")
	crm.want(t)

	expect(0, "reply: HTTP 200 received\nreply: HTTP 200 received\nThe log of the function shows each target that rejected the event.\n", "trigger", "reply", "-n", "2")
	crm.want(t, "reply", "reply")
	for _, eventType := range config.EventTypes {
		if eventType == "fallback" || eventType == "failed" {
			expect(1, "rcshook: RCS Business Messaging sends no event "+eventType+"; it comes from the function itself, so use -to\n", "trigger", eventType)
			continue
		}
		expect(0, eventType+": HTTP 200 received\n", "trigger", eventType)
		crm.want(t, eventType)
	}

	// The new token is the first, and the old one is still valid.
	c.sim.Secrets.AddVersion(hookSecret, []byte("new-token\n"))
	expect(0, "the webhook of agent default is ENABLED\n", "webhook", "set")
	expect(0, "reply: HTTP 200 received\n", "trigger", "reply")
	crm.want(t, "reply")
	if _, err := c.sim.Act(rbmtest.UserAction{Action: rbmtest.ActionText, AgentID: hookAgent, Phone: testNumber, Text: "Hello"}); err != nil {
		t.Fatal(err)
	}
	if err := c.sim.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	crm.want(t, "reply")

	// The function was deployed before this agent was configured.
	c.env["RCSHOOK_AGENT_ID"] = "other_agent"
	expect(1, "rcshook: HTTP 200 ignored: the function has no agent with the ID of agent default; deploy it with these settings\n", "trigger", "reply")
	expect(1, "webhook         default: the function ignores the events of this agent, because it has no agent with this ID\n", "doctor")
	c.env["RCSHOOK_AGENT_ID"] = idSecret

	c.env["RCSHOOK_WEBHOOK_TOKEN"] = inProject + "missing" // which trigger does not create
	expect(1, "rcshook: "+inProject+"missing/versions/latest: not found: ", "trigger", "reply")
	c.env["RCSHOOK_WEBHOOK_TOKEN"] = "wrong"
	expect(1, "rcshook: HTTP 401 bad_signature: ", "trigger", "reply")
	expect(1, "rcshook: HTTP 401 unauthorized: ", "trigger", "reply", "-url", function.URL+"/")
	expect(1, "rcshook: HTTP 200: expected a response of the function; is this its address?\n", "trigger", "reply", "-url", newTestWebhook(t, c.sim, "").url)
	expect(1, "rcshook: "+googletest.ClosedURL+": ", "trigger", "reply", "-url", googletest.ClosedURL)
	crm.want(t)
}

// TestTrigger_to tests events for any URL, which need no settings.
func TestTrigger_to(t *testing.T) {
	crm := newTestTarget(t)
	trigger := func(code int, want string, args ...string) {
		t.Helper()
		var out strings.Builder
		got := run(t.Context(), append([]string{"trigger"}, args...), stdio{strings.NewReader(""), &out, &out})
		if got != code || out.String() != want {
			t.Errorf("rcshook trigger %s: exit code %d, %q, want %d and %q", strings.Join(args, " "), got, out.String(), code, want)
		}
	}
	t.Setenv("RCSHOOK_EVENTS_SECRET", shopSecret)
	for _, eventType := range config.EventTypes {
		trigger(0, eventType+": HTTP 200\n", eventType, "-to", crm.url)
		crm.want(t, eventType)
	}
	trigger(0, "reply: HTTP 200\nreply: HTTP 200\n", "-n", "2", "reply", "-to", crm.url)
	crm.want(t, "reply", "reply")
	trigger(1, "rcshook: target of -to: no connection: the server is unreachable\n", "reply", "-to", googletest.ClosedURL)
	t.Setenv("RCSHOOK_EVENTS_SECRET", "projects/p/locations/l/secrets/s")
	trigger(1, "rcshook: RCSHOOK_EVENTS_SECRET names a regional secret, which is not supported; use a global one, projects/PROJECT/secrets/SECRET\n", "reply", "-to", crm.url)
	t.Setenv("RCSHOOK_EVENTS_SECRET", "sesame?")
	trigger(1, "rcshook: RCSHOOK_EVENTS_SECRET must be base64, optionally after whsec_ or v1,whsec_\n", "reply", "-to", crm.url)

	usage := "\nRun rcshook help trigger for usage.\n"
	trigger(2, "rcshook: unknown event type \"replies\"; did you mean reply?"+usage, "replies")
	trigger(2, "rcshook: unknown event type \"webhook\"; the types are "+strings.Join(config.EventTypes, ", ")+usage, "webhook")
	trigger(2, "rcshook: expected one type of event, got 0"+usage)
	trigger(2, "rcshook: -n must be positive"+usage, "reply", "-n", "0")
	trigger(2, "rcshook: -to must start with https:// unless it is on this machine (localhost)"+usage, "reply", "-to", "http://example.com/")
}
