package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// TestPace checks that the setting reaches the agent, and the response to a caller that
// exceeds the rate. Package send tests the rest.
func TestPace(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	rate := "0.0003"
	h, _ := s.handler(t, map[string]*string{"RCSHOOK_MESSAGES_PER_SECOND": &rate})
	for i, want := range []string{`"code":"accepted"`, `"code":"rate_limited","retry":"later"`} {
		req := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(fmt.Sprintf(`{"to": "+12025550123", "text": "Hello %d"}`, i)))
		req.Header.Set("Authorization", "Bearer dev")
		req.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, req)
		body := w.Body.String()
		if !strings.Contains(body, want) || strings.Contains(body, "duplicate_risk") {
			t.Errorf("response %d is %s, want %s", i+1, body, want)
		}
		if i == 0 {
			continue
		}
		wait, err := strconv.Atoi(w.Header().Get("Retry-After"))
		if err != nil || wait < 3000 || wait > 3334 || !strings.Contains(body, `; nothing was sent"`) {
			t.Errorf("Retry-After %d, response %s", wait, body)
		}
	}
	if n := len(s.sim.Messages()); n != 1 {
		t.Errorf("%d messages were sent, want 1", n)
	}
}

// callersFile returns settings with a file of callers.
func callersFile(t *testing.T, callers string) map[string]*string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "rcshook.yaml")
	if err := os.WriteFile(file, []byte("callers:\n"+callers), 0o600); err != nil {
		t.Fatal(err)
	}
	return map[string]*string{"RCSHOOK_CONFIG": &file}
}

// callAs posts a payload with a key or a token.
func callAs(h http.Handler, key, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+key)
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// TestPace_caller checks the rate of a caller, with and without a queue. A dry run and a
// message that is sent again do not count, and other callers have rates of their own.
func TestPace_caller(t *testing.T) {
	t.Parallel()
	const callers = "  shop: {key: key-of-the-shop-1, messages_per_second: 0.0003}\n  bank: {key: key-of-the-bank-1, messages_per_second: 0.0003}\n"
	const rehearsed, first, second = `{"to": "+12025550123", "text": "Hello", "dry_run": true}`,
		`{"to": "+12025550123", "text": "Hello", "idempotency_key": "1"}`, `{"to": "+12025550123", "text": "Hello", "idempotency_key": "2"}`
	for name, queue := range map[string]*string{"direct": nil, "queue": pointer(stageQueue)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			settings := callersFile(t, callers)
			if queue != nil {
				settings["RCSHOOK_QUEUE"], settings["RCSHOOK_QUEUE_ACCOUNT"], settings["RCSHOOK_URL"] = queue, pointer(stageAccount), pointer("http://localhost:1")
			}
			h, _ := s.handler(t, settings)
			for i, call := range []struct{ key, body, want string }{
				{"key-of-the-shop-1", rehearsed, `"code":"dry_run"`},
				{"key-of-the-shop-1", first, `"ok":true`},
				{"key-of-the-shop-1", first, `"ok":true`},
				{"key-of-the-shop-1", second, `"detail":"messages_per_second of caller shop is used up for the next `},
				{"key-of-the-bank-1", second, `"ok":true`},
				{"dev", second, `"ok":true`},
				{"dev", first, `"ok":true`},
			} {
				w := callAs(h, call.key, call.body)
				if body := w.Body.String(); !strings.Contains(body, call.want) {
					t.Errorf("response %d is %s, want %s", i+1, body, call.want)
				} else if strings.Contains(body, "used up") && (w.Code != http.StatusTooManyRequests || !strings.Contains(body, `"cause":"pace"`) || w.Header().Get("Retry-After") == "") {
					t.Errorf("response %d is %d %s", i+1, w.Code, body)
				}
			}
		})
	}
}

// TestCallers_accounts checks that a token belongs to the caller with its account.
func TestCallers_accounts(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	settings := callersFile(t, "  a: {emails: a@p.iam.gserviceaccount.com}\n  b: {emails: [b@p.iam.gserviceaccount.com], key: key-of-the-caller-b}\n")
	settings["RCSHOOK_OIDC_AUDIENCE"] = pointer("https://rcs.example.com")
	settings["RCSHOOK_OIDC_EMAILS"] = pointer("job@p.iam.gserviceaccount.com")
	h, _ := s.handler(t, settings)
	for email, want := range map[string]string{
		"a@p.iam.gserviceaccount.com":   `"caller":"a"`,
		"b@p.iam.gserviceaccount.com":   `"caller":"b"`,
		"job@p.iam.gserviceaccount.com": `"message":"Accepted","message_id"`,
		"x@p.iam.gserviceaccount.com":   `"the account of this token is not allowed to call"`,
	} {
		body := callAs(h, s.google.Token("https://rcs.example.com", email, s.clock.now()), hello).Body.String()
		if !strings.Contains(body, want) {
			t.Errorf("%s: %s, want %s", email, body, want)
		}
	}
	if body := callAs(h, "key-of-the-caller-b", hello).Body.String(); !strings.Contains(body, `"caller":"b"`) {
		t.Errorf("the key of b: %s", body)
	}
}

// TestCallers_log checks that the log line of a request names its caller, also as a label,
// and that no line has a key.
func TestCallers_log(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	settings := callersFile(t, "  shop: {key: projects/rcshook-dev/secrets/shop, countries: GB}\n")
	s.sim.Secrets.AddVersion("projects/rcshook-dev/secrets/shop", []byte("key-of-the-shop-1"))
	h, log := s.handler(t, settings)
	callAs(h, "key-of-the-shop-1", hello)
	text := log.String()
	for _, want := range []string{`"code":"forbidden"`, `"caller":"shop","logging.googleapis.com/labels":{"code":"forbidden","caller":"shop"}`} {
		if !strings.Contains(text, want) {
			t.Errorf("the log lacks %s:\n%s", want, text)
		}
	}
	if strings.Contains(text, "key-of") {
		t.Errorf("the log has a key:\n%s", text)
	}
}

// TestCallers_rotation checks that a new version of a secret replaces the key of a caller.
func TestCallers_rotation(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	const secret = "projects/rcshook-dev/secrets/shop"
	settings := callersFile(t, "  shop: {key: ["+secret+"/versions/1, "+secret+"/versions/2]}\n")
	for _, key := range []string{"key-of-the-shop-1", "key-of-the-shop-2"} {
		s.sim.Secrets.AddVersion(secret, []byte(key))
	}
	h, _ := s.handler(t, settings)
	for key, want := range map[string]int{"key-of-the-shop-1": 200, "key-of-the-shop-2": 200, "key-of-the-shop-3": 401} {
		if w := callAs(h, key, hello); w.Code != want {
			t.Errorf("%s: %d %s, want %d", key, w.Code, w.Body, want)
		}
	}
}

// TestCallerRetries tests a caller that closes the connection while the platform handles
// the message, and retries with the same key. One message arrives, whether or not the first
// attempt succeeded.
func TestCallerRetries(t *testing.T) {
	t.Parallel()
	for _, accepted := range []bool{true, false} {
		t.Run(fmt.Sprintf("accepted %t", accepted), func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			var first sync.Once
			started := make(chan struct{})
			platform := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if strings.HasSuffix(r.URL.Path, "/agentMessages") {
					first.Do(func() {
						if accepted {
							s.sim.ServeHTTP(httptest.NewRecorder(), r)
						}
						_, _ = io.Copy(io.Discard, r.Body) // otherwise the server does not notice a closed connection
						close(started)
						<-r.Context().Done()
						panic(http.ErrAbortHandler)
					})
				}
				s.sim.ServeHTTP(w, r)
			}))
			defer platform.Close()
			s.setPlatform(t, platform)
			h, log := s.handler(t, nil)
			ended := make(chan struct{}, 2)
			web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				h.ServeHTTP(w, r)
				ended <- struct{}{}
			}))
			defer web.Close()

			ctx, cancel := context.WithCancel(t.Context())
			go func() { <-started; cancel() }()
			if code, err := s.call(ctx, web.URL); err == nil {
				t.Fatalf("response %s, want an error", code)
			}
			<-ended
			if line := log.String(); !strings.Contains(line, `"code":"upstream_timeout"`) {
				t.Errorf("log:\n%s", line)
			}
			if code, err := s.call(t.Context(), web.URL); err != nil || code != "accepted" && code != "duplicate" {
				t.Errorf("retry: %q, %v, want accepted or duplicate", code, err)
			}
			if n := len(s.sim.Messages()); n != 1 {
				t.Errorf("%d messages arrived, want 1", n)
			}
		})
	}
}

// call sends a message with a key and returns the code of the response.
func (s *stage) call(ctx context.Context, url string) (code string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(`{"to": "+12025550123", "text": "Hello", "idempotency_key": "k"}`))
	if err != nil {
		return "", err
	}
	req.Header = http.Header{"Content-Type": {"application/json"}, "Authorization": {"Bearer dev"}}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	var response struct{ Code string }
	err = json.NewDecoder(res.Body).Decode(&response)
	return response.Code, err
}
