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

// Marks stand in everything that must not come out.
const (
	markOfPeople  = "umbrella" // in texts and in whatever else a caller can write
	markOfNumbers = "20255501" // in all numbers
	markOfSecrets = "sesame"   // in keys
)

// TestHygiene goes all ways through the function with marked texts, numbers and
// secrets. The log has none of them, no answer has a secret, and who has not proved
// to be a caller learns nothing at all.
func TestHygiene(t *testing.T) {
	key := func(content string) func(*stage) {
		return func(s *stage) { s.sim.Secrets.AddVersion(s.env["RCSHOOK_CREDENTIALS"], []byte(content)) }
	}
	for _, state := range []struct {
		name    string
		arrange func(*stage)
	}{
		{"all is well", func(*stage) {}},
		{"there is a bug", func(*stage) {}},
		{"the key is no JSON", key("{" + markOfSecrets)},
		{"the key is of another type", key(`{"type": "external_account", "private_key": "` + markOfSecrets + `"}`)},
		{"the key is broken", key(`{"type": "service_account", "client_email": "a@b", "private_key_id": "` + markOfSecrets + `", "private_key": "` + markOfSecrets + `", "token_uri": "http://127.0.0.1/token"}`)},
		{"the key is empty", key("")},
		{"the token endpoint is elsewhere", key(`{"type": "service_account", "client_email": "a@b", "private_key": "` + markOfSecrets + `", "token_uri": "https://` + markOfSecrets + `.example.com"}`)},
		{"the key is unknown", func(s *stage) { s.sim.Tokens.RevokeAll() }},
		{"the agent is no name", func(s *stage) { s.sim.Secrets.AddVersion(s.env["RCSHOOK_AGENT_ID"], []byte(markOfSecrets+" {}")) }},
		{"a secret is damaged", func(s *stage) { s.sim.Secrets.Corrupt(s.env["RCSHOOK_CREDENTIALS"], true) }},
		{"a secret is denied", func(s *stage) { s.sim.Secrets.Deny(s.env["RCSHOOK_CREDENTIALS"]) }},
		{"Secret Manager is away", func(s *stage) { s.sim.Secrets.Away(true) }},
		{"the platform is away", func(s *stage) {
			s.sim.Fail(rbmtest.Failure{Status: http.StatusForbidden, Message: markOfPeople, Method: "phones.agentMessages.create"})
		}},
	} {
		t.Run(state.name, func(t *testing.T) {
			s := newStage(t)
			s.clock.set(time.Now())
			state.arrange(s)
			h, log := s.handler(t, s.marked(t))
			if state.name == "there is a bug" {
				h.now = func() time.Time { panic(markOfPeople) }
			}
			s.expose(t, h, state.name == "all is well")
			h.Close()
			holdsNone(t, "the log", log.String(), s.secretMarks(), []string{markOfPeople, markOfNumbers})
			if lines := strings.Count(log.String(), "\n"); lines < 20 {
				t.Errorf("the log has %d lines: is this the log?", lines)
			}
		})
	}
}

// TestHygiene_queue goes the ways through a queue: messages wait, their tasks are
// sent, and the queue refuses some.
func TestHygiene_queue(t *testing.T) {
	for name, fault := range map[string]*tasks.Failure{
		"all is well":      nil,
		"denied":           {Status: "PERMISSION_DENIED", Count: -1},
		"refused":          {Status: "INVALID_ARGUMENT", Count: -1},
		"the queue is cut": {Break: true, After: true, Count: 3},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t)
			s.clock.set(time.Now())
			h, log, _ := s.queued(t, s.marked(t))
			if fault != nil {
				s.tasks.Fail(*fault)
			}
			s.expose(t, h, fault == nil)
			// The tasks of numbers that never answer would go on.
			waits, stop := context.WithTimeout(t.Context(), 3*time.Second)
			defer stop()
			_ = s.tasks.Settle(waits)
			h.Close()
			holdsNone(t, "the log", log.String(), s.secretMarks(), []string{markOfPeople, markOfNumbers})
			if text := log.String(); fault == nil && !strings.Contains(text, `"path":"/tasks/*"`) {
				t.Errorf("no task is in the log:\n%s", text)
			}
		})
	}
}

func hookSecret() string {
	return "whsec_" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat(markOfSecrets, 5)))
}

// secretMarks are parts of all secrets that there are.
func (s *stage) secretMarks() []string {
	var file struct {
		PrivateKey string `json:"private_key"`
	}
	_ = json.Unmarshal(s.sim.KeyFile(s.url), &file) // our own
	return []string{markOfSecrets, hookSecret()[:20], "ya29.", "PRIVATE KEY", strings.Split(file.PrivateKey, "\n")[1]}
}

// marked are settings with a source and secrets that are marked.
func (s *stage) marked(t *testing.T) map[string]*string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "rcshook.yaml")
	text := fmt.Sprintf("sources:\n  shop:\n    preset: standard-webhooks\n    secret: %[1]s\n    map: .\n"+
		"    fallback: {url: %[2]q, secret: %[1]s}\n  bad: {preset: standard-webhooks, secret: %[1]s, map: 'error(\"%[3]s\")'}\n",
		hookSecret(), s.fallback.url, markOfPeople)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	keys, patience := markOfSecrets+"-api-key", "300ms"
	return map[string]*string{"RCSHOOK_CONFIG": &file, "RCSHOOK_API_KEYS": &keys, "RCSHOOK_TIMEOUT": &patience}
}

// expose makes requests of all kinds, if asked for to all test numbers, and looks at
// the answers.
func (s *stage) expose(t *testing.T, h *function, all bool) {
	t.Helper()
	web := httptest.NewServer(h)
	defer web.Close()
	var bodies []string
	for number := range rbmtest.TestNumbers() {
		if all {
			bodies = append(bodies, fmt.Sprintf(`{"to": %q, "text": %q, "idempotency_key": %q}`, number, markOfPeople, markOfPeople))
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
		"Authorization": {"Bearer " + markOfSecrets + "-api-key"}, "Content-Type": {"application/json"}, "Idempotency-Key": {markOfPeople},
		"Traceparent": {"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}, "Tracestate": {markOfPeople + "=" + markOfPeople},
	}
	for _, body := range bodies {
		s.look(t, web.URL, http.MethodPost, "/", keyed, body, true)
		s.look(t, web.URL, http.MethodPost, "/hooks/shop", s.signedHook(t, body), body, true)
	}
	s.look(t, web.URL, http.MethodPost, "/hooks/bad", s.signedHook(t, "{}"), "{}", true)
	s.look(t, web.URL, http.MethodDelete, "/messages/"+markOfPeople+"?to=%2B12025550166", keyed, "", true)
	s.look(t, web.URL, http.MethodPost, "/?profile="+markOfPeople, keyed, bodies[0], true)
	s.look(t, web.URL, http.MethodPost, "/", http.Header{"Authorization": keyed["Authorization"], "Content-Type": {markOfPeople}}, bodies[0], true)
	for _, header := range []http.Header{
		{},
		{"Authorization": {"Bearer " + markOfPeople}},
		{"Authorization": {"Basic " + base64.StdEncoding.EncodeToString([]byte(markOfPeople+":"+markOfPeople))}},
		{"X-Api-Key": {markOfPeople}},
		{"Authorization": {"Bearer " + markOfPeople}, "Traceparent": {"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}, "Tracestate": {markOfPeople + "=" + markOfPeople}},
		{"Webhook-Id": {markOfPeople}, "Webhook-Timestamp": {markOfNumbers}, "Webhook-Signature": {"v1," + markOfPeople}, "Traceparent": {markOfPeople}},
	} {
		for _, path := range []string{"/", "/hooks/shop", "/hooks/" + markOfPeople, "/messages/" + markOfPeople, "/tasks/" + markOfPeople, "/" + markOfPeople + "/" + markOfNumbers, "/?key=" + markOfPeople} {
			for _, method := range []string{http.MethodPost, http.MethodGet, http.MethodDelete, http.MethodOptions, "UMBRELLA"} {
				s.look(t, web.URL, method, path, header, bodies[0], false)
			}
		}
	}
}

func (s *stage) signedHook(t *testing.T, body string) http.Header {
	t.Helper()
	header := http.Header{"Webhook-Id": {markOfPeople}}
	if err := standardwebhook.Sign(header, []byte(body), []byte(hookSecret()), s.clock.now()); err != nil {
		t.Fatal(err)
	}
	header.Set("Content-Type", "application/json")
	return header
}

// look makes a request and looks for marks in the answer.
func (s *stage) look(t *testing.T, url, method, path string, header http.Header, body string, proved bool) {
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
	_ = res.Header.Write(&all) // to memory
	all.Write(text)
	people := []string{markOfPeople, markOfNumbers}
	if proved {
		people = nil
	}
	holdsNone(t, "the answer to "+method+" "+path, all.String(), s.secretMarks(), people)
}

func holdsNone(t *testing.T, what, text string, marks ...[]string) {
	t.Helper()
	for _, mark := range slices.Concat(marks...) {
		if at := strings.Index(strings.ToLower(text), strings.ToLower(mark)); at >= 0 {
			from := max(0, strings.LastIndex(text[:at], "\n"))
			t.Errorf("%s has %q in it: %s", what, mark, text[from:min(len(text), at+200)])
		}
	}
}
