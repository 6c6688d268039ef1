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
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rcshook/rcshook/internal/code"
	"github.com/rcshook/rcshook/internal/googletest/tasks"
	"github.com/rcshook/rcshook/internal/googletest/token"
	"github.com/rcshook/rcshook/rbm/rbmtest"
)

// queueHandler returns a function that sends through the queue of the stage, and its address.
func (s *stage) queueHandler(t *testing.T, override map[string]*string) (*function, *logged, string) {
	t.Helper()
	web := httptest.NewUnstartedServer(nil)
	url := "http://" + web.Listener.Addr().String()
	s.env["RCSHOOK_QUEUE"], s.env["RCSHOOK_QUEUE_ACCOUNT"], s.env["RCSHOOK_URL"] = stageQueue, stageAccount, url
	h, log := s.handler(t, override)
	if h.err != nil {
		t.Fatal(h.err)
	}
	web.Config.Handler = h
	web.Start()
	t.Cleanup(web.Close)
	return h, log, url
}

// TestQueue_respondsFirst tests that a webhook gets its response before the platform accepts
// the message.
func TestQueue_respondsFirst(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.clock.set(time.Now())
	sending, responded := make(chan struct{}), make(chan struct{})
	platform := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/agentMessages") {
			close(sending)
			<-responded
		}
		s.sim.ServeHTTP(w, r)
	}))
	defer platform.Close()
	s.env["RCSHOOK_RBM_ENDPOINT"] = platform.URL
	file := filepath.Join(t.TempDir(), "rcshook.yaml")
	if err := os.WriteFile(file, []byte("sources: {shop: {preset: bearer, secret: s3cret}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, _, url := s.queueHandler(t, map[string]*string{"RCSHOOK_CONFIG": &file})
	header := http.Header{"Content-Type": {"application/json"}, "Authorization": {"Bearer s3cret"}}
	response := request{http.MethodPost, "/hooks/shop", header, []byte(hello)}.doOnce(t, url)
	if !strings.HasPrefix(response, "HTTP/1.1 200 ") || !strings.Contains(response, `"code": "queued"`) {
		t.Fatalf("response %s, want 200 queued", response)
	}
	select {
	case <-sending: // after the response
	case <-t.Context().Done():
	}
	if n := len(s.sim.Messages()); n != 0 {
		t.Errorf("%d messages have arrived, want 0", n)
	}
	close(responded)
	if err := s.tasks.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := len(s.sim.Messages()); n != 1 {
		t.Errorf("%d messages, want 1", n)
	}
}

// TestTask tests that tasks that succeed or can never succeed are acknowledged, and that
// others are retried.
func TestTask(t *testing.T) {
	t.Parallel()
	const id = "5a0c2f4e-6a3d-4d0e-9a50-0d7c1f7be001"
	body := func(change map[string]any) string {
		task := map[string]any{
			"version": 1, "agent": "default", "to": "+12025550123",
			"message": map[string]any{"contentMessage": map[string]any{"text": "Hello"}},
		}
		for name, value := range change {
			task[name] = value
		}
		text, err := json.Marshal(task)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	card := map[string]any{"contentMessage": map[string]any{"richCard": map[string]any{"standaloneCard": map[string]any{
		"cardOrientation": "VERTICAL", "cardContent": map[string]any{"title": "Hello"},
	}}}}
	to := func(phone string) map[string]any { return map[string]any{"to": phone} }
	stranger, err := token.NewIssuer()
	if err != nil {
		t.Fatal(err)
	}
	type claims struct {
		issuer          *token.Issuer
		audience, email string
		age             time.Duration
		unverified      bool
	}
	for _, test := range []struct {
		name      string
		path      string
		body      string
		claims    *claims // changes to the valid token
		arrange   func(*stage)
		status    int
		code      code.Code
		sent      int
		countries []string // of the agent
		caller    map[string]any
		source    map[string]any // besides its preset
		unsigned  bool           // token
		pause     string
	}{
		{name: "sent", body: body(nil), status: 200, code: "accepted", sent: 1},
		{name: "unreachable", body: body(to("+12025550104")), status: 200, code: "recipient_unreachable"},
		{name: "not a tester", body: body(to("+12025550103")), status: 200, code: "recipient_not_tester"},
		{name: "lacks a feature", body: body(map[string]any{"to": "+12025550140", "message": card}), status: 200, code: "feature_unsupported"},
		{name: "rate limited", body: body(to("+12025550129")), status: 429, code: "rate_limited"},
		{name: "platform unavailable", body: body(to("+12025550153")), status: 503, code: "upstream_unavailable"},
		{
			name: "the platform requests a long pause", body: body(nil), status: 503, code: "upstream_unavailable", pause: "300",
			arrange: func(s *stage) { s.sim.Fail(rbmtest.Failure{Status: 503, RetryAfter: 30 * 24 * time.Hour}) },
		},
		{name: "expired", body: body(map[string]any{"not_after": "2026-12-01T08:59:59Z"}), status: 200, code: "expired"},
		{name: "not yet expired", body: body(map[string]any{"not_after": "2026-12-01T09:00:01Z"}), status: 200, code: "accepted", sent: 1},
		{name: "empty task", body: "{}", status: 200, code: "invalid_payload"},
		{name: "invalid message", body: body(map[string]any{"message": []int{}}), status: 200, code: "invalid_payload"},
		{name: "invalid message ID", path: "/tasks/1", body: body(nil), status: 200, code: "invalid_payload"},
		{name: "invalid number", body: body(to("12")), status: 200, code: "invalid_phone"},
		{name: "newer version", body: body(map[string]any{"version": 3}), status: 500, code: "misconfigured"},
		{name: "unknown agent", body: body(map[string]any{"agent": "former"}), status: 500, code: "misconfigured"},
		{
			name: "secret denied", body: body(nil), status: 500, code: "secret_denied",
			arrange: func(s *stage) { s.sim.Secrets.Deny(s.env["RCSHOOK_CREDENTIALS"]) },
		},
		{name: "forbidden country", body: body(nil), countries: []string{"DE"}, status: 200, code: "forbidden_destination"},
		{
			name: "recipient of its source", body: body(map[string]any{"source": "shop"}), source: map[string]any{"recipients": "+12025550123"},
			status: 200, code: "accepted", sent: 1,
		},
		{
			name: "no recipient of its source now", body: body(map[string]any{"source": "shop"}), source: map[string]any{"recipients": "+12025550177"},
			status: 200, code: "forbidden_destination",
		},
		{name: "premium number", body: body(to("+19005550123")), status: 200, code: "forbidden_destination"},
		{
			name: "within the limits of its caller", body: body(map[string]any{"caller": "shop"}),
			caller: map[string]any{"agents": "default", "countries": "US", "messages_per_second": 0.001}, status: 200, code: "accepted", sent: 1,
		},
		{name: "forbidden country of its caller", body: body(map[string]any{"caller": "shop"}), caller: map[string]any{"countries": "DE"}, status: 200, code: "forbidden"},
		{name: "forbidden traffic of its caller", body: body(map[string]any{"caller": "shop"}), caller: map[string]any{"traffic": "otp"}, status: 200, code: "forbidden"},
		{name: "caller that may only rehearse now", body: body(map[string]any{"caller": "shop"}), caller: map[string]any{"dry_run": true}, status: 200, code: "forbidden"},
		{name: "caller that may only read now", body: body(map[string]any{"caller": "shop"}), caller: map[string]any{"read": true}, status: 200, code: "forbidden"},
		{name: "removed caller", body: body(map[string]any{"caller": "former"}), caller: map[string]any{}, status: 200, code: "forbidden"},
		{name: "unsigned token", body: body(nil), unsigned: true, status: 401, code: "unauthorized"},
		{name: "no token", body: body(nil), claims: &claims{}, status: 401, code: "unauthorized"},
		{name: "other audience", body: body(nil), claims: &claims{audience: "https://other.example.com"}, status: 401, code: "unauthorized"},
		{name: "other account", body: body(nil), claims: &claims{email: "tasks@other.iam.gserviceaccount.com"}, status: 401, code: "unauthorized"},
		{name: "account not verified", body: body(nil), claims: &claims{unverified: true}, status: 401, code: "unauthorized"},
		{name: "not signed by Google", body: body(nil), claims: &claims{issuer: stranger}, status: 401, code: "bad_signature"},
		{name: "old token", body: body(nil), claims: &claims{age: 2 * time.Hour}, status: 401, code: "stale_signature"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			if test.arrange != nil {
				test.arrange(s)
			}
			override := map[string]*string{"RCSHOOK_TIMEOUT": pointer("4s")}
			if test.countries != nil || test.caller != nil || test.source != nil {
				agent := map[string]any{"id": s.env["RCSHOOK_AGENT_ID"], "credentials": s.env["RCSHOOK_CREDENTIALS"]}
				content := map[string]any{"agents": map[string]any{"default": agent}}
				if test.countries != nil {
					agent["countries"] = test.countries
				}
				if test.caller != nil {
					test.caller["key"] = "key-of-the-shop-1"
					content["callers"] = map[string]any{"shop": test.caller}
				}
				if test.source != nil {
					test.source["preset"], test.source["secret"] = "bearer", "token-of-the-shop"
					content["sources"] = map[string]any{"shop": test.source}
				}
				file, err := json.Marshal(content)
				if err != nil {
					t.Fatal(err)
				}
				path := filepath.Join(t.TempDir(), "rcshook.yaml")
				if err := os.WriteFile(path, file, 0o600); err != nil {
					t.Fatal(err)
				}
				override["RCSHOOK_CONFIG"], override["RCSHOOK_AGENT_ID"], override["RCSHOOK_CREDENTIALS"] = &path, nil, nil
			}
			h, log, url := s.queueHandler(t, override)
			c := token.Claims{Issuer: "https://accounts.google.com", Audience: url, Email: stageAccount, Verified: true}
			issuer, at := s.google, s.clock.now()
			if o := test.claims; o != nil {
				if o.issuer != nil {
					issuer = o.issuer
				}
				if o.audience != "" {
					c.Audience = o.audience
				}
				if o.email != "" {
					c.Email = o.email
				}
				at, c.Verified = at.Add(-o.age), !o.unverified
			}
			c.IssuedAt, c.Expiry = at.Unix(), at.Add(time.Hour).Unix()
			path := test.path
			if path == "" {
				path = "/tasks/" + id
			}
			r := request{http.MethodPost, path, http.Header{"Content-Type": {"application/json"}}, []byte(test.body)}
			// These headers prove nothing.
			r.header.Set("X-CloudTasks-QueueName", "messages")
			r.header.Set("User-Agent", "Google-Cloud-Tasks")
			if test.claims == nil || *test.claims != (claims{}) {
				r.header.Set("Authorization", "Bearer "+issuer.Sign(c))
			}
			if test.unsigned {
				parts := strings.Split(issuer.Sign(c), ".")
				none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg": "none", "typ": "JWT"}`))
				r.header.Set("Authorization", "Bearer "+none+"."+parts[1]+".")
			}
			response := r.doOnce(t, url)
			if !strings.HasPrefix(response, fmt.Sprintf("HTTP/1.1 %d ", test.status)) || !strings.Contains(response, fmt.Sprintf("%q: %q", "code", test.code)) {
				t.Errorf("response %s, want %d %s", response, test.status, test.code)
			}
			if test.pause != "" && !strings.Contains(response, "Retry-After: "+test.pause+"\n") {
				t.Errorf("response %s, want a pause of %s s", response, test.pause)
			}
			if n := len(s.sim.Messages()); n != test.sent {
				t.Errorf("%d messages, want %d", n, test.sent)
			}
			if test.status == 200 && test.code != "accepted" && !strings.Contains(log.String(), `"severity":"WARNING"`) {
				t.Errorf("no warning in the log:\n%s", log)
			}
			h.Close()
		})
	}
}

// TestTask_behindIAM tests that tasks are accepted behind Cloud Run IAM, which has verified
// the token and may have removed its signature.
func TestTask_behindIAM(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	h, _, _ := s.queueHandler(t, map[string]*string{"RCSHOOK_API_KEYS": nil, "RCSHOOK_ALLOW_UNAUTHENTICATED": pointer("true")})
	if status, code := sendBody(t, h, hello); status != http.StatusOK || code != "queued" {
		t.Fatalf("send = %d %s, want 200 queued", status, code)
	}
	if err := s.tasks.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := len(s.sim.Messages()); n != 1 {
		t.Errorf("%d messages, want 1", n)
	}
}

// TestTask_withoutQueue tests that a function without a queue rejects tasks.
func TestTask_withoutQueue(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	h, _ := s.handler(t, nil)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/tasks/5a0c2f4e-6a3d-4d0e-9a50-0d7c1f7be001", strings.NewReader("{}")))
	if w.Code != http.StatusNotFound {
		t.Errorf("status %d, want 404", w.Code)
	}
}

// TestQueue_ttl tests that a one-time password that waited in the queue is sent with the
// rest of its lifetime, and not at all if it is expired.
func TestQueue_ttl(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		waited time.Duration
		want   string // the remaining ttl; "" if it is not sent
	}{
		{4 * time.Minute, "360s"},
		{20 * time.Minute, ""},
	} {
		s := newStage(t)
		h, log, _ := s.queueHandler(t, nil)
		s.api(t, "/v2/"+stageQueue+":pause")
		if status, code := sendBody(t, h, `{"to": "+12025550123", "text": "Your code is 1234", "otp": true}`); status != http.StatusOK || code != "queued" {
			t.Fatalf("send = %d %s, want 200 queued", status, code)
		}
		s.clock.set(s.clock.now().Add(test.waited))
		clock := s.clock.now()
		h.now = func() time.Time { return clock }
		s.api(t, "/v2/"+stageQueue+":resume")
		if err := s.tasks.Settle(t.Context()); err != nil {
			t.Fatal(err)
		}
		var got string
		for _, m := range s.sim.Messages() {
			var sent struct{ TTL string }
			if err := json.Unmarshal(m.AgentMessage, &sent); err != nil {
				t.Fatal(err)
			}
			got += sent.TTL
		}
		if got != test.want {
			t.Errorf("after %s: sent with ttl %q, want %q\n%s", test.waited, got, test.want, log)
		}
	}
}

// api calls the administrative API of the queue.
func (s *stage) api(t *testing.T, path string) {
	t.Helper()
	w := httptest.NewRecorder()
	if s.tasks.ServeHTTP(w, httptest.NewRequest(http.MethodPost, path, nil)); w.Code != http.StatusOK {
		t.Fatalf("POST %s: %d %s", path, w.Code, w.Body)
	}
}

// TestQueue_failures tests the responses for messages that were not queued.
func TestQueue_failures(t *testing.T) {
	t.Parallel()
	type response struct {
		Status        int
		Code          code.Code
		Cause         string
		DuplicateRisk bool `json:"duplicate_risk"`
	}
	for _, test := range []struct {
		name    string
		failure tasks.Failure
		body    string
		want    response
		after   string // Retry-After
	}{
		{"denied", tasks.Failure{Status: "PERMISSION_DENIED"}, hello, response{500, "queue_denied", "permission_denied", false}, ""},
		{"rejected", tasks.Failure{Status: "INVALID_ARGUMENT"}, hello, response{500, "queue_rejected", "invalid", false}, ""},
		{"rate limited", tasks.Failure{Status: "RESOURCE_EXHAUSTED"}, hello, response{503, "queue_unavailable", "rate_limited", false}, "10"},
		{"unavailable, without a key", tasks.Failure{Status: "UNAVAILABLE"}, hello, response{503, "queue_unavailable", "unavailable", true}, "10"},
		{
			"unavailable, with a key",
			tasks.Failure{Status: "UNAVAILABLE"},
			`{"to": "+12025550123", "text": "Hello", "idempotency_key": "k"}`,
			response{503, "queue_unavailable", "unavailable", false},
			"10",
		},
		{"broken connection", tasks.Failure{Break: true, After: true, Count: 1}, hello, response{200, "queued", "", false}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			_, log, url := s.queueHandler(t, nil)
			if test.failure.Count == 0 {
				test.failure.Count = -1
			}
			s.tasks.Fail(test.failure)
			var got response
			after := s.post(t, url, test.body, &got)
			if diff := cmp.Diff(test.want, got); diff != "" || after != test.after {
				t.Errorf("Retry-After %q, want %q; response (-want +got):\n%s", after, test.after, diff)
			}
			if err := s.tasks.Settle(t.Context()); err != nil {
				t.Fatal(err)
			}
			if want := strings.Count(string(test.want.Code), "queued"); len(s.sim.Messages()) != want {
				t.Errorf("%d messages, want %d", len(s.sim.Messages()), want)
			}
			if strings.Contains(log.String(), "2025550") || strings.Contains(log.String(), "Hello") {
				t.Errorf("private data in the log:\n%s", log)
			}
		})
	}
}

// post sends a payload, decodes the response into v and returns Retry-After.
func (s *stage) post(t *testing.T, url, body string, v any) string {
	t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, url, bytes.NewReader([]byte(body)))
	if err != nil {
		t.Fatal(err)
	}
	req.Header = http.Header{"Content-Type": {"application/json"}, "Authorization": {"Bearer dev"}}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err == nil {
		err = json.Unmarshal(text, v)
	}
	if err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return res.Header.Get("Retry-After")
}
