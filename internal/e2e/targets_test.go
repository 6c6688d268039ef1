package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rcshook/rcshook/rbm"
	"github.com/rcshook/rcshook/rbm/rbmtest"
)

// targetsFile writes rcshook.yaml, and returns the settings for it.
func targetsFile(t *testing.T, text string) map[string]*string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "rcshook.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return map[string]*string{"RCSHOOK_CONFIG": &file, "RCSHOOK_WEBHOOK_TOKEN": pointer("token")}
}

// TestTargets_rejected tests the cause in the log for an event that a target rejects for
// good, and that the other targets get an event for it.
func TestTargets_rejected(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, target, reason, cause string }{
		{"map fails", `map: '.text + 1', url: "http://127.0.0.1:1"`, "target_rejected", "target bot: rcshook.yaml:2:21 events.bot.map fails: cannot add: string"},
		{"send fails", `send: '.text + 1'`, "target_rejected", "target bot: rcshook.yaml:2:22 events.bot.send fails: cannot add: string"},
		{"no payload", `send: '.text'`, "target_rejected", `target bot: send: expected a payload, such as {text: "Thank you"}`},
		{"too large", `send: '{text: ("a" * 1000000), url: ("a" * 1000000)}'`, "target_rejected", "target bot: send: a payload is longer than 1024 KiB"},
		{"invalid payload", `send: '{txet: "a"}'`, "invalid_payload", "target bot: message 1: invalid_payload at /txet"},
		{"name from the event", `send: '{(.text): "a"}'`, "invalid_payload", "target bot: message 1: invalid_payload at /text"},
		{"scheduled", `send: '{text: "a", schedule_at: "2026-12-02T09:00:00Z"}'`, "invalid_payload", "target bot: message 1 has a schedule_at; remove it, because a target sends now"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			settings := targetsFile(t, fmt.Sprintf("events:\n  bot: {%s}\n  other: {url: %q, secret: %s, only: [failed]}\n", test.target, s.fallback.url, standardSecret))
			h, log, url := s.queueHandler(t, settings)
			event := request{http.MethodPost, "/events", http.Header{"X-Sign": {"valid"}}, []byte(`{"senderPhoneNumber": "+12025550101", "agentId": "rcshook_demo_k3x9a1bc_agent", "messageId": "m", "text": "Hello"}`)}
			s.sign(t, h, &event)
			if response := event.doOnce(t, url); !strings.HasPrefix(response, "HTTP/1.1 200 ") {
				t.Errorf("response %s, want 200", response)
			}
			if err := s.tasks.Settle(t.Context()); err != nil {
				t.Fatal(err)
			}
			var line struct{ Severity, Message, Target, Cause string }
			for text := range strings.Lines(log.String()) {
				if err := json.Unmarshal([]byte(text), &line); err != nil {
					t.Fatal(err)
				}
				if line.Severity == "ERROR" {
					break
				}
			}
			if line.Severity != "ERROR" || line.Message != "target_rejected" || line.Target != "bot" || line.Cause != test.cause {
				t.Errorf("logged %+v, want the cause %q", line, test.cause)
			}
			if got, want := s.fallback.received(t), fmt.Sprintf(`"reason": %q`, test.reason); !strings.Contains(got, want) {
				t.Errorf("the other target got %s, want %s", got, want)
			}
		})
	}
}

// TestTargets_rejectedOnce tests that a target is not asked again after it rejected an
// event, while another target does not accept the event of the rejection. RBM repeats the
// event until it does.
func TestTargets_rejectedOnce(t *testing.T) {
	t.Parallel()
	var rejected, told atomic.Int64
	strict := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { rejected.Add(1); w.WriteHeader(http.StatusGone) }))
	defer strict.Close()
	away := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if told.Add(1) < 3 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer away.Close()
	s := newStage(t)
	h, log := s.handler(t, targetsFile(t, fmt.Sprintf("events:\n  strict: {url: %q, only: [reply]}\n  away: {url: %q, only: [failed]}\n", strict.URL, away.URL)))
	web := httptest.NewServer(h)
	defer web.Close()
	for _, want := range []string{"503", "503", "200", "200"} {
		event := request{http.MethodPost, "/events", http.Header{"X-Sign": {"valid"}}, []byte(`{"senderPhoneNumber": "+12025550101", "agentId": "rcshook_demo_k3x9a1bc_agent", "messageId": "m", "text": "Hello"}`)}
		s.sign(t, h, &event)
		if response := event.doOnce(t, web.URL); !strings.HasPrefix(response, "HTTP/1.1 "+want) {
			t.Errorf("response %s, want %s", response, want)
		}
	}
	if rejected.Load() != 1 || told.Load() != 3 || strings.Count(log.String(), `"severity":"ERROR"`) != 1 {
		t.Errorf("%d requests to the target that rejects, %d to the other one; want 1 and 3, and one error in the log:\n%s", rejected.Load(), told.Load(), log)
	}
}

// TestTargets_rejectEverything tests that events for rejections end: there is none for the
// rejection of such an event.
func TestTargets_rejectEverything(t *testing.T) {
	t.Parallel()
	var requests atomic.Int64
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { requests.Add(1); w.WriteHeader(http.StatusGone) }))
	defer target.Close()
	s := newStage(t)
	h, _ := s.handler(t, targetsFile(t, fmt.Sprintf("events:\n  a: {url: %q}\n  b: {url: %[1]q}\n", target.URL)))
	web := httptest.NewServer(h)
	defer web.Close()
	event := request{http.MethodPost, "/events", http.Header{"X-Sign": {"valid"}}, []byte(`{"senderPhoneNumber": "+12025550101", "agentId": "rcshook_demo_k3x9a1bc_agent", "messageId": "m", "text": "Hello"}`)}
	s.sign(t, h, &event)
	if response := event.doOnce(t, web.URL); !strings.HasPrefix(response, "HTTP/1.1 200 ") {
		t.Errorf("response %s, want 200", response)
	}
	if n := requests.Load(); n != 4 {
		t.Errorf("%d requests, want 4: the reply to each target, and its rejection to the other", n)
	}
}

// channel is a stand-in for Slack's incoming webhooks. It fails for the first texts.
type channel struct {
	mu    sync.Mutex
	fails int
	texts []string
}

func (c *channel) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	var line struct{ Text string }
	if json.Unmarshal(body, &line) != nil || line.Text == "" {
		http.Error(w, "invalid_payload", http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fails > 0 {
		c.fails--
		http.Error(w, "rollup_error", http.StatusInternalServerError)
		return
	}
	c.texts = append(c.texts, line.Text)
	fmt.Fprint(w, "ok")
}

// recipeBox returns the first box of a kind in a recipe.
func recipeBox(t *testing.T, name, kind string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "deploy", "recipes", name))
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile("(?s)```" + kind + "\n(.*?)```").FindSubmatch(text)
	if found == nil {
		t.Fatalf("%s has no box %s", name, kind)
	}
	return string(found[1])
}

// TestAppointments walks through the recipe for appointments on the simulated phone. The
// channel is down for the first event, so that RBM repeats it, to another instance.
func TestAppointments(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	team := &channel{fails: 1}
	slack := httptest.NewServer(team)
	defer slack.Close()
	settings := targetsFile(t, strings.ReplaceAll(recipeBox(t, "appointments.md", "yaml"), "projects/PROJECT/secrets/slack-url", slack.URL))
	var instance atomic.Pointer[function]
	start := func() { h, _ := s.handler(t, settings); instance.Store(h) }
	start()
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { instance.Load().ServeHTTP(w, r) }))
	defer web.Close()
	if _, err := s.sim.Connect(t.Context(), rbmtest.WebhookConfig{URL: web.URL + "/events", ClientToken: "token"}); err != nil {
		t.Fatal(err)
	}
	const phone = "+12025550123"
	if status, code := sendBody(t, instance.Load(), recipeBox(t, "appointments.md", "json payload")); status != http.StatusOK || code != "accepted" {
		t.Fatalf("got %d %s, want 200 accepted", status, code)
	}
	// sent returns the content of the last message, which has to be the nth.
	sent := func(n int) (id string, m rbm.AgentMessage) {
		t.Helper()
		if err := s.sim.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		all := s.sim.Messages()
		if len(all) != n {
			t.Fatalf("the user got %d messages, want %d", len(all), n)
		}
		last := all[n-1]
		if err := json.Unmarshal(last.AgentMessage, &m); err != nil || last.To != phone {
			t.Fatalf("message to %s: %v", last.To, err)
		}
		return last.MessageID, m
	}
	expect := func(n int, text string) {
		t.Helper()
		if _, m := sent(n); m.ContentMessage.Text != text {
			t.Errorf("message %d is %q, want %q", n, m.ContentMessage.Text, text)
		}
	}
	tap := func(message, label string) {
		t.Helper()
		if _, err := s.sim.Tap(phone, message, label); err != nil {
			t.Fatal(err)
		}
	}
	reminder, _ := sent(1)

	tap(reminder, "Confirm")
	expect(2, "Thank you. See you on Friday at 10:00.")
	if n := s.sim.Waiting(); n != 1 {
		t.Fatalf("%d events wait, want the one that the channel did not get", n)
	}
	start()
	s.clock.set(s.clock.now().Add(time.Minute))
	s.sim.Tick()
	expect(2, "Thank you. See you on Friday at 10:00.")

	tap(reminder, "Move")
	choice, m := sent(3)
	if m.ContentMessage.Text != "Which time suits you?" || len(m.ContentMessage.Suggestions) != 2 {
		t.Errorf("the choice is %+v", m.ContentMessage)
	}
	tap(choice, "Thursday at 11:00")
	expect(4, "Thank you. See you on Thursday at 11:00.")

	tap(reminder, "Cancel")
	expect(5, "Your appointment is canceled.")

	if _, err := s.sim.UserSends(phone, "Is <parking> free & near?"); err != nil {
		t.Fatal(err)
	}
	expect(5, "Your appointment is canceled.")
	if n := s.sim.Waiting(); n != 0 {
		t.Errorf("%d events wait, want 0", n)
	}
	want := []string{
		phone + ": Confirm (confirm/1042/Friday at 10:00)",
		phone + ": Move (move/1042/Thursday at 11:00/Monday at 15:00)",
		phone + ": Thursday at 11:00 (confirm/1042/Thursday at 11:00)",
		phone + ": Cancel (cancel/1042)",
		phone + ": Is &lt;parking&gt; free &amp; near?",
	}
	if diff := cmp.Diff(want, team.texts); diff != "" {
		t.Errorf("the channel (-want +got):\n%s", diff)
	}
}
