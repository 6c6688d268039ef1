package response

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/rcshook/rcshook/internal/code"
	"github.com/rcshook/rcshook/internal/compose"
	"github.com/rcshook/rcshook/internal/payload"
	"github.com/rcshook/rcshook/internal/send"
	"github.com/rcshook/rcshook/internal/source"
	"github.com/rcshook/rcshook/internal/target"
	"github.com/rcshook/rcshook/rbm"
)

func TestMask(t *testing.T) {
	t.Parallel()
	for phone, want := range map[string]string{
		"+12025550123":     "+12*******23",
		"+4930123":         "+49***23",
		"":                 "",
		"+1202":            "",
		"+491701234567890": "+49***********90",
	} {
		if got := Mask(phone); got != want {
			t.Errorf("Mask(%q) = %q, want %q", phone, got, want)
		}
	}
}

func TestWrite(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name     string
		response *Response
		status   int
		header   http.Header
	}{
		{"success", New(code.Accepted), 200, http.Header{"Content-Type": {"application/json"}}},
		{"failure that is acknowledged", &Response{Status: 200, Code: code.RecipientUnreachable}, 200, http.Header{"Content-Type": {"application/json"}}},
		{"failure", New(code.InvalidBody), 400, http.Header{"Content-Type": {"application/problem+json"}}},
		{
			"a part of a second is a whole one", &Response{Status: 429, Code: code.RateLimited, RetryAfter: 1500 * time.Millisecond}, 429,
			http.Header{"Content-Type": {"application/problem+json"}, "Retry-After": {"2"}},
		},
		{
			"whole seconds", &Response{Status: 429, Code: code.RateLimited, RetryAfter: 2 * time.Second}, 429,
			http.Header{"Content-Type": {"application/problem+json"}, "Retry-After": {"2"}},
		},
		{
			"a stranger", New(code.Unauthorized), 401,
			http.Header{"Content-Type": {"application/problem+json"}, "Www-Authenticate": {`Bearer realm="rcshook"`, `Basic realm="rcshook", charset="UTF-8"`}},
		},
		{
			"another method", FromError(&Problem{Code: code.MethodNotAllowed, Allow: "GET, POST, OPTIONS"}), 405,
			http.Header{"Content-Type": {"application/problem+json"}, "Allow": {"GET, POST, OPTIONS"}},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := httptest.NewRecorder()
			if err := test.response.Write(w, httptest.NewRequest(http.MethodPost, "/", nil)); err != nil {
				t.Fatal(err)
			}
			test.header.Set("Cache-Control", "no-store")
			test.header.Set("X-Content-Type-Options", "nosniff")
			test.header.Set("Content-Length", strconv.Itoa(w.Body.Len()))
			if diff := cmp.Diff(test.header, w.Header()); diff != "" {
				t.Errorf("header (-want +got):\n%s", diff)
			}
			if w.Code != test.status {
				t.Errorf("status %d, want %d", w.Code, test.status)
			}
			var got Response
			if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || got.Code != test.response.Code || got.Status != test.status {
				t.Errorf("body %s, %v", w.Body, err)
			}
		})
	}
}

// gone is the connection of a caller that has disconnected.
type gone struct{ http.ResponseWriter }

func (gone) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

func TestWrite_gone(t *testing.T) {
	t.Parallel()
	if err := New(code.Accepted).Write(gone{httptest.NewRecorder()}, httptest.NewRequest(http.MethodPost, "/", nil)); err == nil {
		t.Error("Write = nil, want the error of the connection")
	}
}

func TestAcceptsOnlyJSON(t *testing.T) {
	t.Parallel()
	for accept, want := range map[string]bool{
		"":                 false,
		"*/*":              false,
		"application/json": true,
		"application/json, application/problem+json":     false,
		"application/json, application/problem+json;q=0": true,
		"application/json;q=0":                           false,
		"application/json;q=0.1":                         true,
		"application/problem+json;q, application/json":   true,
	} {
		if got := acceptsOnlyJSON(http.Header{"Accept": {accept}}); got != want {
			t.Errorf("acceptsOnlyJSON(%q) = %t", accept, got)
		}
	}
}

// TestRedact tests that only the log has the cause.
func TestRedact(t *testing.T) {
	t.Parallel()
	for want, problem := range map[string]*Problem{
		"secret_invalid":         {Code: code.SecretInvalid, Detail: "secret"},
		"secret_invalid: no key": {Code: code.SecretInvalid, Detail: "secret", Err: errors.New("no key")},
	} {
		resp := FromError(Redact(problem, "not ready"))
		if resp.Code != code.SecretInvalid || resp.Detail != "not ready" || resp.Err.Error() != want {
			t.Errorf("%s: %s, cause %v, want %s", resp.Code, resp.Detail, resp.Err, want)
		}
	}
}

func TestFromError_wait(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		code       code.Code
		wait, want time.Duration
	}{
		{code.RateLimited, 0, 30 * time.Second},
		{code.RateLimited, 5 * time.Second, 5 * time.Second},
		{code.Internal, 5 * time.Second, 0}, // no Retry-After at this status
	} {
		if got := FromError(&Problem{Code: test.code, RetryAfter: test.wait}).RetryAfter; got != test.want {
			t.Errorf("%s with a wait of %v: %v, want %v", test.code, test.wait, got, test.want)
		}
	}
}

// TestSetProfile_final tests that a sender that would retry for days learns nothing of an
// error after which a retry is useless.
func TestSetProfile_final(t *testing.T) {
	t.Parallel()
	for profile, want := range map[Profile]int{Strict: 422, All: 422, Soft: 200} {
		resp := FromResult(&send.Result{Fallback: true, Err: rbm.ErrUnreachable, FallbackErr: target.ErrUnsure})
		if resp.SetProfile(profile); resp.Status != want || resp.Code != code.FallbackUnavailable || resp.Retry != code.RetryNever {
			t.Errorf("%s: %d %s %s, want %d", profile, resp.Status, resp.Code, resp.Retry, want)
		}
	}
}

// TestSetSource tests the advice that only the sender of a webhook gets.
func TestSetSource(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		resp   *Response
		action string
	}{
		{New(code.Unauthorized), "Set the secret of this source at the sender, in the way that its preset expects."},
		{New(code.InvalidBody), "Send JSON, a form or text, as the map of this source expects it."},
		{FromError(&Problem{Code: code.InvalidBody, Action: "Use POST."}), "Use POST."},
		{New(code.PayloadTooLarge), "Send at most 256 KiB. Send pictures and files as URLs, not as data."},
	} {
		if test.resp.SetSource("shop", nil, false, ""); test.resp.Action != test.action {
			t.Errorf("%s: action %q, want %q", test.resp.Code, test.resp.Action, test.action)
		}
	}
	resp := FromResult(&send.Result{Receipt: &rbm.Receipt{}, OtherContent: true})
	if resp.SetSource("shop", nil, false, ""); !slices.Equal(resp.Warnings, []compose.Warning{otherEvent}) {
		t.Errorf("warnings %v, want that the map returns the same ID", resp.Warnings)
	}
}

func TestJoin(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		codes  []code.Code
		want   code.Code
		ok     bool
		status int
		soft   int
	}{
		{"all accepted", []code.Code{code.Accepted, code.Accepted}, code.Accepted, true, 200, 200},
		{"some of them before", []code.Code{code.Accepted, code.Duplicate}, code.Accepted, true, 200, 200},
		{"queued, some of them before", []code.Code{code.Queued, code.Duplicate}, code.Queued, true, 200, 200},
		{"all unreachable", []code.Code{code.RecipientUnreachable, code.RecipientUnreachable}, code.RecipientUnreachable, false, 422, 200},
		{"mixed", []code.Code{code.Accepted, code.RecipientUnreachable}, code.Mixed, false, 207, 200},
		{"failed in two ways", []code.Code{code.RateLimited, code.UpstreamUnavailable}, code.Mixed, false, 207, 503},
		{"one limited", []code.Code{code.Accepted, code.RateLimited}, code.Mixed, false, 207, 429},
		{"one conflict", []code.Code{code.Accepted, code.AlreadyDelivered}, code.Mixed, false, 207, 200},
		{"one to be sent again", []code.Code{code.Accepted, code.UpstreamUnavailable, code.RateLimited}, code.Mixed, false, 207, 503},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var results []*Response
			for _, c := range test.codes {
				results = append(results, New(c))
			}
			all := Join(results)
			if all.Code != test.want || all.OK != test.ok || all.Status != test.status {
				t.Errorf("Join(%v) = %s, ok %t, %d, want %s, ok %t, %d", test.codes, all.Code, all.OK, all.Status, test.want, test.ok, test.status)
			}
			// A source with the profile strict, such as a queue, for which 207 is a success.
			hook := test.status
			if test.status == 207 && test.soft != 200 {
				hook = test.soft
			}
			if all.SetSource("tasks", nil, false, ""); all.Status != hook {
				t.Errorf("status for a source %d, want %d", all.Status, hook)
			}
			if all.SetProfile(Soft); all.Status != test.soft {
				t.Errorf("soft status %d, want %d", all.Status, test.soft)
			}
		})
	}
}

// TestJoin_all tests the profile whose status is that of a result that failed.
func TestJoin_all(t *testing.T) {
	t.Parallel()
	for c, want := range map[code.Code]int{code.InvalidBody: 400, code.RecipientUnreachable: 422, code.Queued: 200} {
		all := Join([]*Response{New(code.Accepted), New(c)})
		if all.SetProfile(All); all.Status != want {
			t.Errorf("status %d with a result %s, want %d", all.Status, c, want)
		}
	}
}

// TestJoin_cause tests that the log has the first cause.
func TestJoin_cause(t *testing.T) {
	t.Parallel()
	first, second := errors.New("first"), errors.New("second")
	results := []*Response{New(code.Accepted), New(code.Internal), New(code.Internal)}
	results[1].Err, results[2].Err = first, second
	if all := Join(results); all.Err != first {
		t.Errorf("cause %v, want %v", all.Err, first)
	}
}

// TestPanicError tests that the error of a panic has its function but not its value.
func TestPanicError(t *testing.T) {
	t.Parallel()
	err := func() (err error) {
		defer func() { err = code.PanicError(recover()) }()
		panic(errors.New("+12025550123"))
	}()
	if text := err.Error(); !strings.Contains(text, "response.TestPanicError") || !strings.Contains(text, "*errors.errorString") || strings.Contains(text, "555") {
		t.Errorf("Bug = %q, want the type and the place, without the value", text)
	}
	if resp := FromError(err); resp.Code != code.Internal || resp.Detail != "" {
		t.Errorf("Of(bug) = %s with detail %q, want internal without a word", resp.Code, resp.Detail)
	}
}

// TestFromError_amazon checks that the sender of a message of Amazon SNS may retry, and learns
// the cause.
func TestFromError_amazon(t *testing.T) {
	t.Parallel()
	res := FromError(fmt.Errorf("%w: HTTP 503", source.ErrAmazon))
	want := "Amazon SNS is unavailable: cannot get the certificate or the confirmation from Amazon SNS: HTTP 503"
	if res.Code != code.SecretUnavailable || res.Status != http.StatusServiceUnavailable || res.Title+": "+res.Detail != want {
		t.Errorf("got %s, %d, %s: %s", res.Code, res.Status, res.Title, res.Detail)
	}
}

func TestRequestID(t *testing.T) {
	t.Parallel()
	const id = "4bf92f3577b34da6a3ce929d0e0e4736"
	r := httptest.NewRequest(http.MethodPost, "/", nil)
	if log := NewLog(r); uuid.Validate(log.ID) != nil {
		t.Errorf("the request ID is %q, want a random one", log.ID)
	}
	r.Header.Set("Traceparent", "00-"+id+"-00f067aa0ba902b7-01")
	if log := NewLog(r); log.ID != id {
		t.Errorf("the request ID is %q, want that of the trace", log.ID)
	}
}

// TestTraceInLog sees that a log line is joined to its trace where the project is
// known: the bare ID means nothing to Cloud Logging.
func TestTraceInLog(t *testing.T) {
	t.Parallel()
	const id = "4bf92f3577b34da6a3ce929d0e0e4736"
	for project, want := range map[string]string{
		"":    "",
		"p-1": `"logging.googleapis.com/trace":"projects/p-1/traces/` + id + `","logging.googleapis.com/trace_sampled":true,"logging.googleapis.com/spanId":"00f067aa0ba902b7"`,
	} {
		r := httptest.NewRequest(http.MethodPost, "/", nil)
		r.Header.Set("Traceparent", "00-"+id+"-00f067aa0ba902b7-01")
		log := NewLog(r)
		log.Project = project
		var lines strings.Builder
		log.Write(t.Context(), NewLogger(&lines), New(code.Accepted), nil)
		if line := lines.String(); want == "" && strings.Contains(line, "/trace") || !strings.Contains(line, want) || !strings.Contains(line, `"request_id":"`+id+`"`) {
			t.Errorf("with project %q the log line is %s", project, line)
		}
	}
}

// TestLog tests the whole log line, without its times.
func TestLog(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		resp     Response
		attempts int
		writeErr error
		want     string
	}{
		{
			Response{Status: 200, Code: code.Accepted, Retry: code.RetryNone, OK: true},
			0, nil,
			`{"severity":"INFO","message":"accepted","method":"POST","path":"/","status":200,"code":"accepted","retry":"none",` +
				`"logging.googleapis.com/labels":{"code":"accepted"}}`,
		},
		{
			Response{
				Status: 503, Code: code.TargetUnavailable, Retry: code.RetryLater, Source: "shop", Caller: "crm", Agent: "main", To: "+12025550123",
				MessageID: "id-1", Event: "delivered", EventType: "DELIVERED", Target: "hub", EventAge: 90 * time.Second, Cause: "timeout",
				Upstream: &Upstream{Status: 404, Reason: "NOT_FOUND", Message: "no"}, Errors: []payload.Error{{Pointer: "/to"}},
				Warnings: []compose.Warning{{Pointer: "/text"}}, Results: []*Response{{}, {}}, Err: errors.New("failed"),
			},
			2, errors.New("broken pipe"),
			`{"severity":"WARNING","message":"target_unavailable","method":"POST","path":"/","status":503,"code":"target_unavailable","retry":"later",` +
				`"source":"shop","caller":"crm","agent":"main",` +
				`"logging.googleapis.com/labels":{"code":"target_unavailable","source":"shop","caller":"crm","agent":"main","target":"hub"},` +
				`"to":"+12*******23","message_id":"id-1","event":"delivered","event_type":"DELIVERED","target":"hub","event_age_s":90,"reason":"timeout",` +
				`"upstream_status":404,"upstream_reason":"NOT_FOUND","errors":1,"warnings":["/text"],"recipients":2,"cause":"failed",` +
				`"attempts":2,"upstream_ms":600,"caller_gone":true}`,
		},
	} {
		log := NewLog(httptest.NewRequest(http.MethodPost, "/", nil))
		for range test.attempts {
			log.Attempt(rbm.Attempt{Duration: 300 * time.Millisecond})
		}
		var out strings.Builder
		log.Write(t.Context(), NewLogger(&out), &test.resp, test.writeErr)
		got := regexp.MustCompile(`"(time|request_id)":"[^"]*",|,"total_ms":\d+`).ReplaceAllString(strings.TrimSpace(out.String()), "")
		if got != test.want {
			t.Errorf("log line\n%s, want\n%s", got, test.want)
		}
	}
}

func TestKnownPath(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"/":                    "/",
		"/messages/5a0c":       "/messages/*",
		"/messages":            "other",
		"/hooks/shop":          "/hooks/*",
		"/tasks/watch/5a0c":    "/tasks/watch/*",
		"/tasks/5a0c":          "/tasks/*",
		"/tasks/+12025550123":  "/tasks/*",
		"/+12025550123":        "other",
		"/openapi.json":        "/openapi.json",
		"/user@example.com/\n": "other",
	} {
		if got := knownPath(path); got != want {
			t.Errorf("knownPath(%q) = %q, want %q", path, got, want)
		}
	}
}

// TestLog_respond tests that a response that could not get the form that its sender expects is
// a warning, although the message was sent.
func TestLog_respond(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		code code.Code
		err  error
		want string
	}{
		{code.Accepted, nil, `"severity":"INFO","message":"accepted"`},
		{code.Accepted, errors.New("the respond calls error"), `"severity":"WARNING","message":"accepted"`},
		{code.Document, errors.New("not ready"), `"severity":"INFO","message":"served"`},
		{code.Ignored, nil, `"severity":"INFO","message":"ignored"`},
		{code.AgentNotLaunched, nil, `"severity":"WARNING","message":"agent_not_launched"`},
		{code.UpstreamUnavailable, nil, `"severity":"WARNING","message":"upstream_unavailable"`},
		{code.SecretNotFound, nil, `"severity":"ERROR","message":"secret_not_found"`},
	} {
		resp := New(test.code)
		resp.Err = test.err
		var out bytes.Buffer
		NewLog(httptest.NewRequest(http.MethodPost, "/hooks/it", nil)).Write(t.Context(), NewLogger(&out), resp, nil)
		if !strings.Contains(out.String(), test.want) || test.err != nil && !strings.Contains(out.String(), test.err.Error()) {
			t.Errorf("log %s, want %s and %v", out.String(), test.want, test.err)
		}
	}
}

// TestReplace tests the status and the body that a sender gets in place of ours.
func TestReplace(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		status      int // of our response
		empty       bool
		custom      int
		contentType string
		body        []byte
		want        string // the status, the content type and the body
	}{
		{200, false, 201, "text/plain", []byte("a"), "201 text/plain a"},
		{200, true, 0, "application/json", []byte("{}"), "200 application/json {}"},
		{204, false, 0, "text/xml", []byte("<a/>"), "200 text/xml <a/>"},
		{503, false, 0, "text/plain", []byte(""), "503 text/plain "},
		{200, false, 204, "application/json", nil, "204  "},
	} {
		resp := New(code.Accepted)
		resp.SetSource("it", map[int]int{200: test.status}, test.empty, "")
		if outcome, ok := resp.Outcome(); !ok || !bytes.HasPrefix(outcome, []byte(`{"ok":true,`)) {
			t.Errorf("outcome %s, %t", outcome, ok)
		}
		resp.Replace(test.custom, test.contentType, test.body)
		w := httptest.NewRecorder()
		if err := resp.Write(w, httptest.NewRequest(http.MethodPost, "/hooks/it", nil)); err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprintf("%d %s %s", w.Code, w.Header().Get("Content-Type"), w.Body); got != test.want {
			t.Errorf("got %q, want %q", got, test.want)
		}
	}
	for _, document := range []*Response{Text("a"), Document(struct{}{})} {
		if outcome, ok := document.Outcome(); ok {
			t.Errorf("the outcome of a document is %s", outcome)
		}
	}
}
