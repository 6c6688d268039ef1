package e2e

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rcshook/rcshook/internal/googletest/tasks"
	"github.com/rcshook/rcshook/internal/standardwebhook"
	"github.com/rcshook/rcshook/rbm/rbmtest"
)

// Marks in everything that must not leak.
const (
	markOfCallers = "umbrella" // in texts and everything else that a caller can set
	markOfNumbers = "20255501" // in all phone numbers
	markOfSecrets = "sesame"   // in keys
)

// TestHygiene sends marked texts, numbers and secrets along all paths of the function. The
// log contains none of them, no response contains a secret, and responses to
// unauthenticated callers contain none of them.
func TestHygiene(t *testing.T) {
	t.Parallel()
	key := func(content string) func(*stage) {
		return func(s *stage) { s.sim.Secrets.AddVersion(s.env["RCSHOOK_CREDENTIALS"], []byte(content)) }
	}
	for _, state := range []struct {
		name    string
		arrange func(*stage)
	}{
		{"no failure", func(*stage) {}},
		{"a bug", func(*stage) {}},
		{"the key is not JSON", key("{" + markOfSecrets)},
		{"the key is of another type", key(`{"type": "external_account", "private_key": "` + markOfSecrets + `"}`)},
		{"the key is invalid", key(`{"type": "service_account", "client_email": "a@b", "private_key_id": "` + markOfSecrets + `", "private_key": "` + markOfSecrets + `", "token_uri": "http://127.0.0.1/token"}`)},
		{"the key is empty", key("")},
		{"the token endpoint is elsewhere", key(`{"type": "service_account", "client_email": "a@b", "private_key": "` + markOfSecrets + `", "token_uri": "https://` + markOfSecrets + `.example.com"}`)},
		{"the key is unknown", func(s *stage) { s.sim.Tokens.RevokeAll() }},
		{"the agent ID is invalid", func(s *stage) { s.sim.Secrets.AddVersion(s.env["RCSHOOK_AGENT_ID"], []byte(markOfSecrets+" {}")) }},
		{"a secret is damaged", func(s *stage) { s.sim.Secrets.Corrupt(s.env["RCSHOOK_CREDENTIALS"], true) }},
		{"a secret is denied", func(s *stage) { s.sim.Secrets.Deny(s.env["RCSHOOK_CREDENTIALS"]) }},
		{"Secret Manager is unavailable", func(s *stage) { s.sim.Secrets.Away(true) }},
		{"the platform rejects messages", func(s *stage) {
			s.sim.Fail(rbmtest.Failure{Status: http.StatusForbidden, Message: markOfCallers, Method: "phones.agentMessages.create"})
		}},
	} {
		t.Run(state.name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			s.clock.set(time.Now())
			state.arrange(s)
			h, log := s.handler(t, s.marked(t))
			if state.name == "a bug" {
				h.now = func() time.Time { panic(markOfCallers) }
			}
			s.exercise(t, h, state.name == "no failure")
			h.Close()
			containsNone(t, "the log", log.String(), s.secretMarks(), []string{markOfCallers, markOfNumbers})
			if lines := strings.Count(log.String(), "\n"); lines < 20 {
				t.Errorf("the log has %d lines, want at least 20", lines)
			}
		})
	}
}

// TestHygiene_queue does the same with a queue, which also fails.
func TestHygiene_queue(t *testing.T) {
	t.Parallel()
	for name, failure := range map[string]*tasks.Failure{
		"no failure":        nil,
		"denied":            {Status: "PERMISSION_DENIED", Count: -1},
		"rejected":          {Status: "INVALID_ARGUMENT", Count: -1},
		"connections break": {Break: true, After: true, Count: 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			s.clock.set(time.Now())
			h, log, _ := s.queued(t, s.marked(t))
			if failure != nil {
				s.tasks.Fail(*failure)
			}
			s.exercise(t, h, failure == nil)
			// The tasks of numbers without a response are retried for longer.
			waits, stop := context.WithTimeout(t.Context(), 3*time.Second)
			defer stop()
			_ = s.tasks.Settle(waits)
			h.Close()
			containsNone(t, "the log", log.String(), s.secretMarks(), []string{markOfCallers, markOfNumbers})
			if text := log.String(); failure == nil && !strings.Contains(text, `"path":"/tasks/*"`) {
				t.Errorf("the log has no task:\n%s", text)
			}
		})
	}
}

func hookSecret() string {
	return "whsec_" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat(markOfSecrets, 5)))
}

// secretMarks returns parts of all secrets.
func (s *stage) secretMarks() []string {
	var file struct {
		PrivateKey string `json:"private_key"`
	}
	_ = json.Unmarshal(s.sim.KeyFile(s.url), &file) // cannot fail
	return []string{markOfSecrets, hookSecret()[:20], "ya29.", "PRIVATE KEY", strings.Split(file.PrivateKey, "\n")[1]}
}

// marked returns settings with marked sources and secrets.
func (s *stage) marked(t *testing.T) map[string]*string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "rcshook.yaml")
	text := fmt.Sprintf("sources:\n  shop:\n    preset: standard-webhooks\n    secret: %[1]s\n    map: .\n"+
		"    fallback: {url: %[2]q, secret: %[1]s}\n  bad: {preset: standard-webhooks, secret: %[1]s, map: 'error(\"%[3]s\")'}\n",
		hookSecret(), s.fallback.url, markOfCallers)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	keys, timeout := markOfSecrets+"-api-key", "300ms"
	return map[string]*string{"RCSHOOK_CONFIG": &file, "RCSHOOK_API_KEYS": &keys, "RCSHOOK_TIMEOUT": &timeout}
}

// exercise makes requests of all kinds, with all also to all test numbers, and checks the
// responses.
func (s *stage) exercise(t *testing.T, h *function, all bool) {
	t.Helper()
	web := httptest.NewServer(h)
	defer web.Close()
	var bodies []string
	for number := range rbmtest.TestNumbers() {
		if all {
			bodies = append(bodies, fmt.Sprintf(`{"to": %q, "text": %q, "idempotency_key": %q}`, number, markOfCallers, markOfCallers))
		}
	}
	const to = `"to": "+12025550166"`
	bodies = append(bodies,
		`{`+to+`, "text": "umbrella"}`,
		`{`+to+`, "text": "umbrella", "dry_run": true}`,
		`{"to": ["+12025550104", "+12025550166"], "text": "umbrella"}`,
		`{"to": "+120255501661234567", "text": "umbrella"}`,
		`{`+to+`, "txet": "umbrella", "umbrella": "umbrella"}`,
		`{`+to+`, "text": "umbrella", "message": "umbrella too"}`,
		`{`+to+`, "text": "umbrella", "buttons": ["umbrella|javascript:umbrella", "umbrella|umbrella"]}`,
		`{`+to+`, "text": "umbrella", "ttl": "umbrella", "agent": "umbrella", "country": "umbrella", "traffic": "umbrella"}`,
		`{`+to+`, "text": "umbrella", "message_id": "umbrella 20255501"}`,
		`{`+to+`, "text": "umbrella", "agent": "umbrella"}`,
		`{`+to+`, "raw": {"contentMessage": {"umbrella": "umbrella", "fileName": "umbrella"}}}`,
		`{"umbrella": 20255501`, `umbrella 20255501`, `["umbrella", 20255501]`, "\xff umbrella", "",
	)
	keyed := http.Header{
		"Authorization": {"Bearer " + markOfSecrets + "-api-key"}, "Content-Type": {"application/json"}, "Idempotency-Key": {markOfCallers},
		"Traceparent": {"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}, "Tracestate": {markOfCallers + "=" + markOfCallers},
	}
	for _, body := range bodies {
		s.request(t, web.URL, http.MethodPost, "/", keyed, body, true)
		s.request(t, web.URL, http.MethodPost, "/hooks/shop", s.signedHook(t, body), body, true)
	}
	s.request(t, web.URL, http.MethodPost, "/hooks/bad", s.signedHook(t, "{}"), "{}", true)
	s.request(t, web.URL, http.MethodDelete, "/messages/"+markOfCallers+"?to=%2B12025550166", keyed, "", true)
	s.request(t, web.URL, http.MethodPost, "/?profile="+markOfCallers, keyed, bodies[0], true)
	s.request(t, web.URL, http.MethodPost, "/", http.Header{"Authorization": keyed["Authorization"], "Content-Type": {markOfCallers}}, bodies[0], true)
	for _, header := range []http.Header{
		{},
		{"Authorization": {"Bearer " + markOfCallers}},
		{"Authorization": {"Basic " + base64.StdEncoding.EncodeToString([]byte(markOfCallers+":"+markOfCallers))}},
		{"X-Api-Key": {markOfCallers}},
		{"Authorization": {"Bearer " + markOfCallers}, "Traceparent": {"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}, "Tracestate": {markOfCallers + "=" + markOfCallers}},
		{"Webhook-Id": {markOfCallers}, "Webhook-Timestamp": {markOfNumbers}, "Webhook-Signature": {"v1," + markOfCallers}, "Traceparent": {markOfCallers}},
	} {
		for _, path := range []string{"/", "/hooks/shop", "/hooks/" + markOfCallers, "/messages/" + markOfCallers, "/tasks/" + markOfCallers, "/" + markOfCallers + "/" + markOfNumbers, "/?key=" + markOfCallers} {
			for _, method := range []string{http.MethodPost, http.MethodGet, http.MethodDelete, http.MethodOptions, "UMBRELLA"} {
				s.request(t, web.URL, method, path, header, bodies[0], false)
			}
		}
	}
}

func (s *stage) signedHook(t *testing.T, body string) http.Header {
	t.Helper()
	header := http.Header{"Webhook-Id": {markOfCallers}}
	if err := standardwebhook.Sign(header, []byte(body), []byte(hookSecret()), s.clock.now()); err != nil {
		t.Fatal(err)
	}
	header.Set("Content-Type", "application/json")
	return header
}

// request makes a request and checks that the response contains no marks.
func (s *stage) request(t *testing.T, url, method, path string, header http.Header, body string, authenticated bool) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url+path, bytes.NewReader([]byte(body)))
	if err != nil {
		t.Fatal(err)
	}
	req.Header = header.Clone()
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	_ = res.Header.Write(&all)
	all.Write(text)
	private := []string{markOfCallers, markOfNumbers}
	if authenticated {
		private = nil
	}
	containsNone(t, "the response to "+method+" "+path, all.String(), s.secretMarks(), private)
}

func containsNone(t *testing.T, what, text string, marks ...[]string) {
	t.Helper()
	for _, mark := range slices.Concat(marks...) {
		if at := strings.Index(strings.ToLower(text), strings.ToLower(mark)); at >= 0 {
			from := max(0, strings.LastIndex(text[:at], "\n"))
			t.Errorf("%s contains %q: %s", what, mark, text[from:min(len(text), at+200)])
		}
	}
}
