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
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rcshook/rcshook/internal/googletest/tasks"
	"github.com/rcshook/rcshook/internal/standardwebhook"
	"github.com/rcshook/rcshook/rbm/rbmtest"
)

// Marks of private data.
const (
	callerMark = "umbrella" // in texts and everything else that a caller can set
	numberMark = "20255501" // in all phone numbers
	secretMark = "sesame"   // in keys
)

// TestHygiene sends marked texts, numbers and secrets to all paths of the function. No mark
// may be in the log or in a response to an unauthenticated caller. No secret may be in any
// response.
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
		{"the key is not JSON", key("{" + secretMark)},
		{"the key is of another type", key(`{"type": "external_account", "private_key": "` + secretMark + `"}`)},
		{"the key is invalid", key(`{"type": "service_account", "client_email": "a@b", "private_key_id": "` + secretMark + `", "private_key": "` + secretMark + `", "token_uri": "http://127.0.0.1/token"}`)},
		{"the key is empty", key("")},
		{"the token endpoint is elsewhere", key(`{"type": "service_account", "client_email": "a@b", "private_key": "` + secretMark + `", "token_uri": "https://` + secretMark + `.example.com"}`)},
		{"the key is unknown", func(s *stage) { s.sim.Tokens.RevokeAll() }},
		{"the agent ID is invalid", func(s *stage) { s.sim.Secrets.AddVersion(s.env["RCSHOOK_AGENT_ID"], []byte(secretMark+" {}")) }},
		{"a secret is damaged", func(s *stage) { s.sim.Secrets.Corrupt(s.env["RCSHOOK_CREDENTIALS"], true) }},
		{"a secret is denied", func(s *stage) { s.sim.Secrets.Deny(s.env["RCSHOOK_CREDENTIALS"]) }},
		{"Secret Manager is unavailable", func(s *stage) { s.sim.Secrets.Away(true) }},
		{"the platform rejects messages", func(s *stage) {
			s.sim.Fail(rbmtest.Failure{Status: http.StatusForbidden, Message: callerMark, Method: "phones.agentMessages.create"})
		}},
	} {
		t.Run(state.name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			s.clock.set(time.Now())
			state.arrange(s)
			h, log := s.handler(t, s.markedSettings(t))
			if state.name == "a bug" {
				h.now = func() time.Time { panic(callerMark) }
			}
			s.sendAll(t, h, state.name == "no failure")
			h.Close()
			containsNone(t, "the log", log.String(), s.secretMarks(), []string{callerMark, numberMark})
			if lines := strings.Count(log.String(), "\n"); lines < 20 {
				t.Errorf("the log has %d lines, want at least 20", lines)
			}
		})
	}
}

// TestHygiene_queue is TestHygiene with a queue, which fails in some cases.
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
			h, log, _ := s.queueHandler(t, s.markedSettings(t))
			if failure != nil {
				s.tasks.Fail(*failure)
			}
			s.sendAll(t, h, failure == nil)
			// The tasks of test numbers that never respond are still being retried then.
			waits, stop := context.WithTimeout(t.Context(), 3*time.Second)
			defer stop()
			_ = s.tasks.Settle(waits)
			h.Close()
			containsNone(t, "the log", log.String(), s.secretMarks(), []string{callerMark, numberMark})
			if text := log.String(); failure == nil && !strings.Contains(text, `"path":"/tasks/send/*"`) {
				t.Errorf("the log has no task:\n%s", text)
			}
		})
	}
}

func hookSecret() string {
	return "whsec_" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat(secretMark, 5)))
}

// pathToken is the last part of the path of the source form.
const pathToken = secretMark + "-0123456789abcdefghij"

// secretMarks returns parts of all secrets.
func (s *stage) secretMarks() []string {
	var file struct {
		PrivateKey string `json:"private_key"`
	}
	_ = json.Unmarshal(s.sim.KeyFile(s.url), &file) // cannot fail
	return []string{secretMark, hookSecret()[:20], "ya29.", "PRIVATE KEY", strings.Split(file.PrivateKey, "\n")[1]}
}

// markedSettings returns settings with marked sources and secrets.
func (s *stage) markedSettings(t *testing.T) map[string]*string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "rcshook.yaml")
	text := fmt.Sprintf("sources:\n  shop:\n    preset: standard-webhooks\n    secret: %[1]s\n    map: .\n    respond: 'error(\"%[3]s\" + ($event | tojson))'\n"+
		"    fallback: {url: %[2]q, secret: %[1]s}\n  bad: {preset: standard-webhooks, secret: %[1]s, map: 'error(\"%[3]s\")'}\n"+
		"  form: {preset: url-token, secret: %[4]s, map: 'if .to then . else error(\"%[3]s\") end'}\n",
		hookSecret(), s.fallback.url, callerMark, pathToken)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	keys, timeout := secretMark+"-api-key", "300ms"
	return map[string]*string{"RCSHOOK_CONFIG": &file, "RCSHOOK_API_KEYS": &keys, "RCSHOOK_TIMEOUT": &timeout}
}

// sendAll makes requests of all kinds and checks the responses. If numbers is set, it
// also sends to all test numbers.
func (s *stage) sendAll(t *testing.T, h *function, numbers bool) {
	t.Helper()
	web := httptest.NewServer(h)
	defer web.Close()
	var bodies []string
	for number := range rbmtest.TestNumbers() {
		if numbers {
			bodies = append(bodies, fmt.Sprintf(`{"to": %q, "text": %q, "idempotency_key": %q}`, number, callerMark, callerMark))
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
		"Authorization": {"Bearer " + secretMark + "-api-key"}, "Content-Type": {"application/json"}, "Idempotency-Key": {callerMark},
		"Traceparent": {"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}, "Tracestate": {callerMark + "=" + callerMark},
	}
	for _, body := range bodies {
		s.request(t, web.URL, http.MethodPost, "/", keyed, body, true)
		s.request(t, web.URL, http.MethodPost, "/hooks/shop", s.signedHook(t, body), body, true)
		s.request(t, web.URL, http.MethodPost, "/hooks/form/"+pathToken, http.Header{"Content-Type": {"application/json"}}, body, true)
	}
	s.request(t, web.URL, http.MethodPost, "/hooks/bad", s.signedHook(t, "{}"), "{}", true)
	s.request(t, web.URL, http.MethodDelete, "/messages/"+callerMark+"?to=%2B12025550166", keyed, "", true)
	s.request(t, web.URL, http.MethodPost, "/?profile="+callerMark, keyed, bodies[0], true)
	s.request(t, web.URL, http.MethodPost, "/", http.Header{"Authorization": keyed["Authorization"], "Content-Type": {callerMark}}, bodies[0], true)
	for _, header := range []http.Header{
		{},
		{"Authorization": {"Bearer " + callerMark}},
		{"Authorization": {"Basic " + base64.StdEncoding.EncodeToString([]byte(callerMark+":"+callerMark))}},
		{"X-Api-Key": {callerMark}},
		{"Authorization": {"Bearer " + callerMark}, "Traceparent": {"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}, "Tracestate": {callerMark + "=" + callerMark}},
		{"Webhook-Id": {callerMark}, "Webhook-Timestamp": {numberMark}, "Webhook-Signature": {"v1," + callerMark}, "Traceparent": {callerMark}},
	} {
		for _, path := range []string{
			"/", "/hooks/shop", "/hooks/" + callerMark, "/hooks/form/" + callerMark, "/hooks/shop/" + pathToken, "/hooks/form/" + pathToken + "/x",
			"/hooks/" + pathToken, "/hooks/form%2F" + pathToken, "/messages/" + callerMark, "/tasks/" + callerMark, "/" + callerMark + "/" + numberMark, "/?key=" + callerMark,
		} {
			for _, method := range []string{http.MethodPost, http.MethodGet, http.MethodDelete, http.MethodOptions, "UMBRELLA"} {
				s.request(t, web.URL, method, path, header, bodies[0], false)
			}
		}
	}
}

func (s *stage) signedHook(t *testing.T, body string) http.Header {
	t.Helper()
	header := http.Header{"Webhook-Id": {callerMark}}
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
	private := []string{callerMark, numberMark}
	if authenticated {
		private = nil
	}
	containsNone(t, "the response to "+method+" "+path, all.String(), s.secretMarks(), private)
}

func containsNone(t *testing.T, name, text string, marks ...[]string) {
	t.Helper()
	for _, mark := range slices.Concat(marks...) {
		if at := strings.Index(strings.ToLower(text), strings.ToLower(mark)); at >= 0 {
			from := max(0, strings.LastIndex(text[:at], "\n"))
			t.Errorf("%s contains %q: %s", name, mark, text[from:min(len(text), at+200)])
		}
	}
}

// TestTrace checks that the trace of a request reaches the platform and the log.
func TestTrace(t *testing.T) {
	t.Parallel()
	const id, span = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
	s := newStage(t)
	var got []http.Header
	platform := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = append(got, r.Header.Clone())
		s.sim.ServeHTTP(w, r)
	}))
	defer platform.Close()
	project := "p-1"
	h, log := s.handler(t, map[string]*string{"RCSHOOK_RBM_ENDPOINT": &platform.URL, "GOOGLE_CLOUD_PROJECT": &project})
	for _, tt := range []struct {
		header        http.Header
		parent, state string // patterns of the headers of the platform requests
		log           string
	}{
		{
			http.Header{"Traceparent": {"00-" + id + "-" + span + "-01"}, "Tracestate": {"congo=t61rcWkgMzE"}},
			`^00-` + id + `-[0-9a-f]{16}-01$`, `^congo=t61rcWkgMzE$`, `"logging.googleapis.com/spanId":"` + span + `"`,
		},
		{http.Header{"X-Cloud-Trace-Context": {id + "/1;o=1"}}, `^$`, `^$`, `"logging.googleapis.com/trace":"projects/p-1/traces/` + id + `"`},
		{http.Header{"Traceparent": {"umbrella"}, "Tracestate": {"congo=t61rcWkgMzE"}}, `^$`, `^$`, ""},
		{nil, `^$`, `^$`, ""},
	} {
		got = nil
		before := len(log.String())
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(`{"to": "+12025550157", "text": "Hi"}`)) // two retries
		for name, values := range tt.header {
			r.Header[name] = values
		}
		r.Header.Set("Authorization", "Bearer dev")
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != http.StatusOK || len(got) != 3 {
			t.Fatalf("%v: status %d after %d requests: %s", tt.header, w.Code, len(got), w.Body)
		}
		spans := map[string]bool{span: true}
		for _, header := range got {
			parent, state := header.Get("Traceparent"), header.Get("Tracestate")
			if !regexp.MustCompile(tt.parent).MatchString(parent) || !regexp.MustCompile(tt.state).MatchString(state) {
				t.Errorf("%v: traceparent %q and tracestate %q at the platform", tt.header, parent, state)
			}
			if parent != "" && spans[parent[36:52]] {
				t.Errorf("%v: the span of %q is not new", tt.header, parent)
			}
			if parent != "" {
				spans[parent[36:52]] = true
			}
		}
		line := log.String()[before:]
		if tt.log == "" && strings.Contains(line, "traces/") || !strings.Contains(line, tt.log) || strings.Contains(line, "umbrella") {
			t.Errorf("%v: log %s", tt.header, line)
		}
	}
}

// TestQueue_trace tests that the log lines of a request and its tasks have the same trace.
func TestQueue_trace(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	const trace = "0af7651916cd43dd8448eb211c80319c"
	for _, header := range []http.Header{
		{"Traceparent": {"00-" + trace + "-b7ad6b7169203331-01"}},
		{"Traceparent": {"00-" + trace + "-b7ad6b7169203331-00"}, "Tracestate": {"vendor=1"}},
	} {
		_, log, url := s.queueHandler(t, map[string]*string{"GOOGLE_CLOUD_PROJECT": pointer("p")})
		header.Set("Content-Type", "application/json")
		header.Set("Authorization", "Bearer dev")
		request{http.MethodPost, "/", header, []byte(hello)}.doOnce(t, url)
		if err := s.tasks.Settle(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(log.String(), `"logging.googleapis.com/trace":"projects/p/traces/`+trace+`"`); n != 2 {
			t.Errorf("%d lines have the trace, want 2:\n%s", n, log)
		}
	}
}
