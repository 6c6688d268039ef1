package target_test

import (
	"context"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	official "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/phonenumber"
	"github.com/rcshook/rcshook/internal/standardwebhook"
	"github.com/rcshook/rcshook/internal/target"
)

const event = `{"id":"evt_1","type":"reply","agent":"default","phone":"+12025550123","text":"Hi \"you\" & co","latitude":1.50,"file_size":null,"big":12345678901234567890}`

// words are texts that no error may contain: the address, credentials, the event.
var words = []string{"127.0.0.1", "localhost", "s3cret", "2025550123", "Hi", "nowhere.invalid"}

// secrets are the contents of secrets by their names. Other settings are values.
type secrets map[config.Secret]string

var errSecret = errors.New("projects/p/secrets/missing: not found")

func (s secrets) read(_ context.Context, setting config.Secret) ([]byte, error) {
	if !setting.IsResource() {
		return []byte(setting), nil
	}
	if value, ok := s[setting]; ok {
		return []byte(value), nil
	}
	return nil, errSecret
}

// open returns a target of the YAML below events.crm.
func open(t *testing.T, yaml string, change func(*target.Options)) *target.Target {
	t.Helper()
	opened, problems := try(t, yaml, change)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	t.Cleanup(opened.Close)
	return opened
}

func try(t *testing.T, yaml string, change func(*target.Options)) (*target.Target, []config.Problem) {
	t.Helper()
	file, err := config.ParseFile("f.yaml", []byte("events:\n  crm: "+yaml+"\n"))
	if err != nil {
		t.Fatal(err)
	}
	o := target.Options{
		Secret: secrets(nil).read, Transport: http.DefaultTransport.(*http.Transport), UserAgent: "rcshook/test", Now: time.Now,
		Phone: phonenumber.Options{Country: "US"},
	}
	if change != nil {
		change(&o)
	}
	return target.New(file.Events["crm"], o)
}

// server is a place that records its requests.
type server struct {
	*httptest.Server
	mu       sync.Mutex
	requests []*http.Request
	bodies   []string
}

func newServer(t *testing.T, h http.HandlerFunc) *server {
	t.Helper()
	s := new(server)
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		s.mu.Lock()
		s.requests, s.bodies = append(s.requests, r), append(s.bodies, string(body))
		s.mu.Unlock()
		if h != nil {
			h(w, r)
		}
	}))
	t.Cleanup(s.Close)
	return s
}

func checkResult(t *testing.T, got target.Result, outcome target.Outcome, status int, text string) {
	t.Helper()
	failure := ""
	if got.Err != nil {
		failure = got.Err.Error()
	}
	if got.Outcome != outcome || got.Status != status || failure != text {
		t.Errorf("got %s, status %d, error %q; want %s, status %d, error %q", got.Outcome, got.Status, failure, outcome, status, text)
	}
	for _, word := range words {
		if strings.Contains(failure, word) {
			t.Errorf("the error %q contains %q", failure, word)
		}
	}
}

// TestDeliver_request checks the request with every kind of credentials.
func TestDeliver_request(t *testing.T) {
	t.Parallel()
	secret := standardwebhook.NewSecret()
	library, err := official.NewWebhook(string(secret))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, yaml string
		want       http.Header
	}{
		{"plain", `{url: URL}`, nil},
		{"signed", `{url: URL, secret: projects/p/secrets/signing}`, http.Header{}},
		{"basic", `{url: URL, basic: "us:er:pass"}`, http.Header{"Authorization": {"Basic " + base64.StdEncoding.EncodeToString([]byte("us:er:pass"))}}},
		{"bearer", `{url: URL, bearer: projects/p/secrets/token}`, http.Header{"Authorization": {"Bearer s3cret"}}},
		{"headers", `{url: projects/p/secrets/url, headers: {x-api-key: projects/p/secrets/token, User-Agent: mine}}`, http.Header{"X-Api-Key": {"s3cret"}, "User-Agent": {"mine"}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, nil)
			known := secrets{"projects/p/secrets/signing": string(secret), "projects/p/secrets/token": "s3cret", "projects/p/secrets/url": s.URL + "/in?a=b"}
			crm := open(t, strings.ReplaceAll(test.yaml, "URL", s.URL+"/in?a=b"), func(o *target.Options) { o.Secret = known.read })
			for range 2 {
				checkResult(t, crm.Deliver(t.Context(), "evt_1", []byte(event)), target.OK, 200, "")
			}
			if len(s.requests) != 2 || s.requests[0].Header.Get("Webhook-Id") != s.requests[1].Header.Get("Webhook-Id") {
				t.Fatalf("got %d requests, want two with the same ID", len(s.requests))
			}
			r := s.requests[0]
			if s.bodies[0] != event || r.Method != http.MethodPost || r.URL.String() != "/in?a=b" {
				t.Errorf("got %s %s with the body %s", r.Method, r.URL, s.bodies[0])
			}
			if test.name == "signed" {
				if err := library.Verify([]byte(s.bodies[0]), r.Header); err != nil {
					t.Errorf("the official library rejects the signature: %v", err)
				}
				r.Header.Del("Webhook-Timestamp")
				r.Header.Del("Webhook-Signature")
			}
			want := http.Header{
				"Accept-Encoding": {"gzip"}, "Content-Length": r.Header["Content-Length"], "Content-Type": {"application/json"},
				"Idempotency-Key": {"evt_1"}, "Webhook-Id": {"evt_1"}, "User-Agent": {"rcshook/test"},
			}
			for name, values := range test.want {
				want[name] = values
			}
			if diff := cmp.Diff(want, r.Header); diff != "" {
				t.Errorf("headers (-want +got):\n%s", diff)
			}
		})
	}
}

// A secret that changes is signed with at the next attempt.
func TestDeliver_signedAgain(t *testing.T) {
	t.Parallel()
	s := newServer(t, nil)
	now, known := time.Now(), secrets{}
	crm := open(t, `{url: `+s.URL+`, secret: projects/p/secrets/signing}`, func(o *target.Options) {
		o.Secret, o.Now = known.read, func() time.Time { return now }
	})
	for i := range 2 {
		secret := standardwebhook.NewSecret()
		known["projects/p/secrets/signing"] = string(secret)
		checkResult(t, crm.Deliver(t.Context(), "evt_1", []byte(event)), target.OK, 200, "")
		if err := standardwebhook.Verify(s.requests[i].Header, []byte(event), [][]byte{secret}, now, time.Second); err != nil {
			t.Errorf("request %d: %v", i, err)
		}
		now = now.Add(time.Hour)
	}
}

func TestDeliver_shape(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, yaml string
		want       []string
		outcome    target.Outcome
		failure    string
	}{
		{"without a map", ``, []string{event}, target.OK, ""},
		{"object", `map: '{text: "\(.phone): \(.text)"}'`, []string{`{"text":"+12025550123: Hi \"you\" & co"}`}, target.OK, ""},
		{"digits of numbers", `map: '[.big, .latitude]'`, []string{`[12345678901234567890,1.50]`}, target.OK, ""},
		{"text", `map: '.text'`, []string{`"Hi \"you\" & co"`}, target.OK, ""},
		{"false", `map: 'false'`, []string{`false`}, target.OK, ""},
		{"functions", `map: '("202 555 0188" | e164)'`, []string{`"+12025550188"`}, target.OK, ""},
		{"null", `map: 'null'`, nil, target.OK, ""},
		{"nothing", `map: 'select(.type == "read")'`, nil, target.OK, ""},
		{"two results", `map: '.phone, .text'`, nil, target.Never, "target crm: map: expected one result, got 2; collect them in an array: [...]"},
		{"error", `map: '.text | keys'`, nil, target.Never, "target crm: f.yaml:2:50 events.crm.map fails: keys cannot be applied to: string"},
		{"call of error", `map: '.text | error'`, nil, target.Never, "target crm: f.yaml:2:42 events.crm.map calls error"},
		{"endless", `map: 'last(repeat(1))'`, nil, target.Never, "target crm: f.yaml:2:42 events.crm.map takes longer than 500ms"},
		{"too large", `map: '[limit(30; repeat("x" * 50000))]'`, nil, target.Never, "target crm: map: the result is longer than 1024 KiB"},
		{"form", `form: true, map: '{To: .phone, Body: .text, a: 1.50, b: true, c: false, d: null, e: "", f: .big}'`, []string{"Body=Hi+%22you%22+%26+co&To=%2B12025550123&a=1.5&b=true&c=false&e=&f=12345678901234567890"}, target.OK, ""},
		{"form of the event", `form: true`, []string{"agent=default&big=12345678901234567890&id=evt_1&latitude=1.50&phone=%2B12025550123&text=Hi+%22you%22+%26+co&type=reply"}, target.OK, ""},
		{"empty form", `form: true, map: '{}'`, []string{""}, target.OK, ""},
		{"nested form", `form: true, map: '{a: [1]}'`, nil, target.Never, "target crm: form: a member of the object is nested; expected a string, a number or a boolean"},
		{"form of an array", `form: true, map: '[.phone]'`, nil, target.Never, "target crm: form: expected an object of strings, numbers and booleans"},
		{"form of a text", `form: true, map: '.phone'`, nil, target.Never, "target crm: form: expected an object of strings, numbers and booleans"},
		{"form that is as large as possible", `form: true, map: '{a: ("x" * 524287 * 2)}'`, []string{"a=" + strings.Repeat("x", 1<<20-2)}, target.OK, ""},
		{"form that is too large", `form: true, map: '{a: ("+" * 400000)}'`, nil, target.Never, "target crm: map: the result is longer than 1024 KiB"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, nil)
			crm := open(t, `{url: projects/p/secrets/u, `+test.yaml+`}`, func(o *target.Options) { o.Secret = secrets{"projects/p/secrets/u": s.URL}.read })
			got := crm.Deliver(t.Context(), "evt_1", []byte(event))
			status := 0
			if len(s.requests) > 0 {
				status = 200
			}
			checkResult(t, got, test.outcome, status, test.failure)
			if diff := cmp.Diff(test.want, s.bodies); diff != "" {
				t.Errorf("posted (-want +got):\n%s", diff)
			}
			if len(s.requests) > 0 && strings.HasPrefix(test.yaml, "form") && s.requests[0].Header.Get("Content-Type") != "application/x-www-form-urlencoded" {
				t.Errorf("Content-Type: %s", s.requests[0].Header.Get("Content-Type"))
			}
		})
	}
}
