package target_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/googletest"
	"github.com/rcshook/rcshook/internal/standardwebhook"
	"github.com/rcshook/rcshook/internal/target"
)

func fallback(o *target.Options) { o.Fallback = true }

// TestDeliver_status checks the outcome of statuses for events and for fallbacks.
func TestDeliver_status(t *testing.T) {
	t.Parallel()
	const (
		credentials = "; check the credentials and the secret that this target expects"
		address     = "; check url"
		redirect    = "; set url to the address without a redirect, or classify the response with ok"
	)
	for _, test := range []struct {
		status          int
		event, fallback target.Outcome
		advice          string
	}{
		{200, target.OK, target.OK, ""},
		{202, target.OK, target.OK, ""},
		{204, target.OK, target.OK, ""},
		{302, target.Retry, target.Retry, redirect},
		{307, target.Retry, target.Retry, redirect},
		{400, target.Never, target.Never, ""},
		{401, target.Retry, target.Retry, credentials},
		{402, target.Retry, target.Retry, ""},
		{403, target.Retry, target.Retry, credentials},
		{404, target.Retry, target.Retry, address},
		{408, target.Retry, target.Retry, ""},
		{409, target.Retry, target.Unknown, ""},
		{410, target.Never, target.Never, address},
		{413, target.Never, target.Never, ""},
		{415, target.Never, target.Never, ""},
		{422, target.Never, target.Never, ""},
		{429, target.Retry, target.Retry, ""},
		{500, target.Retry, target.Unknown, ""},
		{502, target.Retry, target.Unknown, ""},
		{503, target.Retry, target.Retry, ""},
		{504, target.Retry, target.Unknown, ""},
	} {
		t.Run(fmt.Sprint(test.status), func(t *testing.T) {
			t.Parallel()
			s := newServer(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(test.status)
				fmt.Fprint(w, r.URL.Path, " s3cret 2025550123")
			})
			text := ""
			if test.status >= 300 {
				text = fmt.Sprintf("target crm: HTTP %d%s", test.status, test.advice)
			}
			checkResult(t, open(t, `{url: `+s.URL+`}`, nil).Deliver(t.Context(), "evt_1", []byte(event)), test.event, test.status, text)
			checkResult(t, open(t, `{url: `+s.URL+`}`, fallback).Deliver(t.Context(), "evt_1", []byte(event)), test.fallback, test.status, text)
			if len(s.requests) != 2 {
				t.Errorf("got %d requests, want 2", len(s.requests))
			}
		})
	}
}

// Providers report errors and throttling in ways of their own. See the documentation of
// Vonage, AWS and ClickSend.
const (
	vonage    = `if .status == 200 then (.body.messages[0].status | if . == "0" then "ok" elif . == "1" or . == "10" then "retry" elif . == "5" then "unknown" else "never" end) else "retry" end`
	aws       = `if .status == 400 and (.body.__type | endswith("ThrottlingException")) then "retry" elif .status == 200 then "ok" else "never" end`
	clicksend = `if .body.data.messages[0].status == "SUCCESS" then "ok" else "never" end`
)

func TestDeliver_ok(t *testing.T) {
	t.Parallel()
	const decide = `ok: expected one of "ok", "retry", "never" and "unknown" as its only result`
	for _, test := range []struct {
		name, ok        string
		status          int
		body            string
		event, fallback target.Outcome
		text            string
	}{
		{"sent", vonage, 200, `{"messages": [{"status": "0"}]}`, target.OK, target.OK, ""},
		{"throttled in a 200", vonage, 200, `{"messages": [{"status": "1", "error-text": "s3cret"}]}`, target.Retry, target.Retry, "HTTP 200; the result of ok is retry"},
		{"rejected in a 200", vonage, 200, `{"messages": [{"status": "9"}]}`, target.Never, target.Never, "HTTP 200; the result of ok is never"},
		{"unclear", vonage, 200, `{"messages": [{"status": "5"}]}`, target.Retry, target.Unknown, "HTTP 200; the result of ok is unknown"},
		{"same as the default", vonage, 429, ``, target.Retry, target.Retry, "HTTP 429"},
		{"throttled with a 400", aws, 400, `{"__type": "com.amazonaws#ThrottlingException"}`, target.Retry, target.Retry, "HTTP 400; the result of ok is retry"},
		{"rejected with a 400", aws, 400, `{"__type": "ValidationException"}`, target.Never, target.Never, "HTTP 400"},
		{"a list in a 200", clicksend, 200, `{"data": {"messages": [{"status": "INSUFFICIENT_CREDIT"}]}}`, target.Never, target.Never, "HTTP 200; the result of ok is never"},
		{"text", `if .body == "accepted" then "ok" else "retry" end`, 500, `accepted`, target.OK, target.OK, ""},
		{"text that is not UTF-8", `if .body == "caf\ufffd" then "never" else "ok" end`, 200, "caf\xe9", target.Never, target.Never, "HTTP 200; the result of ok is never"},
		{"JSON and more", `.body | if type == "string" then "never" else "ok" end`, 200, `{"a": 1} x`, target.Never, target.Never, "HTTP 200; the result of ok is never"},
		{"no body", `.body | if . == "" then "never" else "ok" end`, 200, ``, target.Never, target.Never, "HTTP 200; the result of ok is never"},
		{"the digits of a number", `.body | if tojson == "12345678901234567890" then "never" else "ok" end`, 200, `12345678901234567890`, target.Never, target.Never, "HTTP 200; the result of ok is never"},
		{"headers", `if .headers["x-a"] == "1, 2" and (.headers | has("X-A") | not) then "never" else "ok" end`, 200, ``, target.Never, target.Never, "HTTP 200; the result of ok is never"},
		{"redirect that is fine", `if .status == 302 then "ok" else "retry" end`, 302, ``, target.OK, target.OK, ""},
		{"another word", `"yes"`, 200, ``, target.OK, target.OK, "HTTP 200; " + decide},
		{"true", `.status == 200`, 200, ``, target.OK, target.OK, "HTTP 200; " + decide},
		{"no result", `empty`, 500, ``, target.Retry, target.Unknown, "HTTP 500; " + decide},
		{"null", `null`, 422, ``, target.Never, target.Never, "HTTP 422; " + decide},
		{"two results", `"ok", "retry"`, 429, ``, target.Retry, target.Retry, "HTTP 429; " + decide},
		{"error", `.body | error`, 200, `s3cret`, target.OK, target.OK, "HTTP 200; f.yaml:2:14 events.crm.ok calls error"},
		{"error of a member", `.body.a`, 500, `s3cret`, target.Retry, target.Unknown, "HTTP 500; f.yaml:2:14 events.crm.ok fails: expected an object but got: string"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header()["X-A"] = []string{"1", "2"}
				w.WriteHeader(test.status)
				fmt.Fprint(w, test.body)
			})
			yaml := `{ok: '` + test.ok + `', url: ` + s.URL + `}`
			text := test.text
			if text != "" {
				text = "target crm: " + text
			}
			checkResult(t, open(t, yaml, nil).Deliver(t.Context(), "evt_1", []byte(event)), test.event, test.status, text)
			checkResult(t, open(t, yaml, fallback).Deliver(t.Context(), "evt_1", []byte(event)), test.fallback, test.status, text)
		})
	}
}

// TestDeliver_largeResponse tests that only the start of a response is read.
func TestDeliver_largeResponse(t *testing.T) {
	t.Parallel()
	closed := make(chan struct{})
	s := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		defer close(closed)
		for block := bytes.Repeat([]byte("x"), 1<<10); ; {
			if _, err := w.Write(block); err != nil {
				return
			}
		}
	})
	crm := open(t, `{url: `+s.URL+`, ok: 'if (.body | length) == 65536 then "never" else "ok" end'}`, nil)
	checkResult(t, crm.Deliver(t.Context(), "evt_1", []byte(event)), target.Never, 200, "target crm: HTTP 200; the result of ok is never")
	<-closed
}

// TestDeliver_largeHeader tests that a large header of a response is not read.
func TestDeliver_largeHeader(t *testing.T) {
	t.Parallel()
	s := newServer(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-A", strings.Repeat("s3cret", 100_000))
	})
	checkResult(t, open(t, `{url: `+s.URL+`}`, fallback).Deliver(t.Context(), "evt_1", []byte(event)), target.Unknown, 0, "target crm: no response: the connection failed")
}

// listen accepts connections and calls serve with each one.
func listen(t *testing.T, serve func(net.Conn)) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				serve(c)
			}()
		}
	}()
	return l.Addr().String()
}

// TestDeliver_noResponse tests that a request that was not written is retried, and that
// the outcome of others is unknown for a fallback.
func TestDeliver_noResponse(t *testing.T) {
	t.Parallel()
	read := func(c net.Conn) { _, _ = c.Read(make([]byte, 1<<16)) }
	hang := func(c net.Conn) { read(c); read(c) }
	dropped := listen(t, read)
	hung := listen(t, hang)
	cut := listen(t, func(c net.Conn) {
		read(c)
		fmt.Fprint(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
	})
	stalled := listen(t, func(c net.Conn) {
		read(c)
		fmt.Fprint(c, "HTTP/1.1 500 No\r\nContent-Length: 100\r\n\r\n{")
		read(c)
	})
	untrusted := httptest.NewUnstartedServer(http.NotFoundHandler())
	untrusted.Config.ErrorLog = log.New(io.Discard, "", 0)
	untrusted.StartTLS()
	t.Cleanup(untrusted.Close)
	for _, test := range []struct {
		name, yaml      string
		status          int
		event, fallback target.Outcome
		text            string
	}{
		{"refused", `url: ` + googletest.ClosedURL, 0, target.Retry, target.Retry, "no connection: the server is unreachable"},
		{"unknown host", `url: "https://nowhere.invalid/s3cret"`, 0, target.Retry, target.Retry, "no connection: the host was not found"},
		{"untrusted certificate", `url: ` + untrusted.URL, 0, target.Retry, target.Retry, "no connection: the certificate is invalid"},
		{"hung handshake", `timeout: 3s, url: "https://` + hung + `"`, 0, target.Retry, target.Retry, "no connection: timeout"},
		{"dropped", `url: "http://` + dropped + `"`, 0, target.Retry, target.Unknown, "no response: the connection failed"},
		{"hung", `timeout: 3s, url: "http://` + hung + `"`, 0, target.Retry, target.Unknown, "no response: timeout"},
		{"cut", `url: "http://` + cut + `"`, 200, target.OK, target.OK, ""},
		{"cut with ok", `ok: '"ok"', url: "http://` + cut + `"`, 200, target.Retry, target.Unknown, "HTTP 200; ok needs the whole response: the connection failed"},
		{"stalled", `timeout: 3s, url: "http://` + stalled + `"`, 500, target.Retry, target.Unknown, "HTTP 500"},
		{"stalled with ok", `timeout: 3s, ok: '"ok"', url: "http://` + stalled + `"`, 500, target.Retry, target.Unknown, "HTTP 500; ok needs the whole response: timeout"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			text := ""
			if test.text != "" {
				text = "target crm: " + test.text
			}
			checkResult(t, open(t, `{`+test.yaml+`}`, nil).Deliver(t.Context(), "evt_1", []byte(event)), test.event, test.status, text)
			checkResult(t, open(t, `{`+test.yaml+`}`, fallback).Deliver(t.Context(), "evt_1", []byte(event)), test.fallback, test.status, text)
		})
	}
}

// TestDeliver_staleConnection closes connections after a response without saying so. An
// event is sent again; a fallback never depends on an old connection.
func TestDeliver_staleConnection(t *testing.T) {
	t.Parallel()
	requests := make(chan bool, 10)
	address := listen(t, func(c net.Conn) {
		if n, _ := c.Read(make([]byte, 1<<16)); n > 0 {
			requests <- true
			fmt.Fprint(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
			if n, _ := c.Read(make([]byte, 1<<16)); n > 0 {
				requests <- false
			}
		}
	})
	for _, change := range []func(*target.Options){nil, fallback} {
		crm := open(t, `{url: "http://`+address+`"}`, change)
		for range 2 {
			checkResult(t, crm.Deliver(t.Context(), "evt_1", []byte(event)), target.OK, 200, "")
		}
	}
	var answered []bool
	for len(requests) > 0 { // all deliveries have ended, so none is added
		answered = append(answered, <-requests)
	}
	if want := []bool{true, false, true, true, true}; !slices.Equal(answered, want) {
		t.Errorf("requests: %v, want %v", answered, want)
	}
}

// TestDeliver_connections tests that a target that hangs takes no connections from others,
// and that HTTP/2 is used.
func TestDeliver_connections(t *testing.T) {
	t.Parallel()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 2 {
			w.WriteHeader(http.StatusHTTPVersionNotSupported)
		}
	}))
	s.EnableHTTP2 = true
	s.StartTLS()
	t.Cleanup(s.Close)
	arrived := make(chan struct{})
	hung := newServer(t, func(_ http.ResponseWriter, r *http.Request) {
		arrived <- struct{}{}
		<-r.Context().Done()
	})
	shared := &http.Transport{MaxConnsPerHost: 1, ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{RootCAs: s.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs}}
	share := func(o *target.Options) { o.Transport = shared }
	slow, other, fast := open(t, `{url: `+hung.URL+`, timeout: 1m}`, share), open(t, `{url: `+hung.URL+`}`, share), open(t, `{url: `+s.URL+`}`, share)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	done := make(chan target.Result)
	for _, each := range []*target.Target{slow, slow, other} {
		go func() { done <- each.Deliver(ctx, "evt_1", []byte(event)) }()
	}
	for range 3 {
		select {
		case <-arrived:
		case <-ctx.Done():
			t.Fatal("a request waits for the connection of another")
		}
	}
	checkResult(t, fast.Deliver(t.Context(), "evt_1", []byte(event)), target.OK, 200, "")
	cancel()
	for range 3 {
		checkResult(t, <-done, target.Retry, 0, "target crm: no response: timeout")
	}
}

// TestDeliver_canceled tests that an event is retried if the time is over before its map.
func TestDeliver_canceled(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	crm := open(t, `{url: "`+googletest.ClosedURL+`", map: "last(repeat(1))"}`, nil)
	checkResult(t, crm.Deliver(ctx, "evt_1", []byte(event)), target.Retry, 0, "target crm: map: context canceled")
}

// TestDeliver_secrets tests that an unusable secret is retried, and that the error lists
// all of them.
func TestDeliver_secrets(t *testing.T) {
	t.Parallel()
	public, _ := standardwebhook.NewKeys()
	known := secrets{
		"projects/p/secrets/break": "s3cret\r\nX-A: 1", "projects/p/secrets/http": "http://nowhere.invalid/s3cret", "projects/p/secrets/user": "https://s3cret@nowhere.invalid",
		"projects/p/secrets/key": string(public), "projects/p/secrets/plain": "s3cret", "projects/p/secrets/url": googletest.ClosedURL,
	}
	for _, test := range []struct{ name, yaml, text string }{
		{"missing", `{url: projects/p/secrets/url, bearer: projects/p/secrets/missing}`, "target crm: bearer: projects/p/secrets/missing: not found"},
		{"http", `{url: projects/p/secrets/http}`, "target crm: url: must start with https:// unless it is on this machine (localhost)"},
		{"user", `{url: projects/p/secrets/user}`, "target crm: url: must be a URL without a user or fragment"},
		{"not a URL", `{url: projects/p/secrets/plain}`, "target crm: url: must be a URL such as https://example.com/path"},
		{
			"all", `{url: projects/p/secrets/missing, secret: projects/p/secrets/key, basic: projects/p/secrets/plain, headers: {X-B: projects/p/secrets/break, X-A: projects/p/secrets/missing}}`,
			"target crm: url: projects/p/secrets/missing: not found\n" +
				"secret: is a public key, which cannot sign: store the private key, which starts with whsk_\n" +
				"basic: must be USER:PASSWORD\n" +
				"headers X-A: projects/p/secrets/missing: not found\n" +
				"headers X-B: contains a line break or a control character",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			crm := open(t, test.yaml, func(o *target.Options) { o.Secret, o.Fallback = known.read, true })
			got := crm.Deliver(t.Context(), "evt_1", []byte(event))
			if got.Outcome != target.Retry || got.Err.Error() != test.text {
				t.Errorf("got %s, %v; want retry, %s", got.Outcome, got.Err, test.text)
			}
			if err := crm.Check(t.Context()); err == nil || err.Error() != test.text {
				t.Errorf("Check: %v, want %s", err, test.text)
			}
		})
	}
	for _, yaml := range []string{`{url: "https://example.com", basic: "a:b", headers: {X-A: b}}`, `{topic: projects/p-1/topics/rcs-events}`, `{send: '{text: "Hi"}'}`} {
		if err := open(t, yaml, nil).Check(t.Context()); err != nil {
			t.Errorf("Check of %s: %v", yaml, err)
		}
	}
}

func TestNew_problems(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, yaml string
		change     func(*target.Options)
		want       []string
	}{
		{
			"all", `{url: "https://example.com", secret: "whsec_%", map: '.a | nme', ok: '.status =='}`, nil,
			[]string{
				"f.yaml:2:67 events.crm.map invalid jq: function not defined: nme/0",
				"f.yaml:2:88 events.crm.ok invalid jq: the program ends too early: an expression, or an \"end\", is missing",
				"f.yaml:2:37 events.crm.secret must be base64, optionally after whsec_ or v1,whsec_",
			},
		},
		{"empty programs", `{url: "https://example.com", map: '', ok: ' '}`, nil, []string{"f.yaml:2:43 events.crm.map invalid jq: the program is empty", "f.yaml:2:51 events.crm.ok invalid jq: the program is empty"}},
		{"variables of sources", `{send: '{text: $headers.a}'}`, nil, []string{"f.yaml:2:23 events.crm.send invalid jq: variable not defined: $headers"}},
		{"key that cannot sign", `{url: "https://example.com", secret: whpk_AAAA}`, nil, []string{"f.yaml:2:37 events.crm.secret is a public key, which cannot sign: store the private key, which starts with whsk_"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			opened, problems := try(t, test.yaml, test.change)
			var got []string
			for _, p := range problems {
				got = append(got, p.String())
			}
			if opened != nil || !slices.Equal(got, test.want) {
				t.Errorf("got %v and\n%s\nwant\n%s", opened, strings.Join(got, "\n"), strings.Join(test.want, "\n"))
			}
		})
	}
}

// TestDeliver_fallbackWithoutResult tests a map that returns nothing for a message.
func TestDeliver_fallbackWithoutResult(t *testing.T) {
	t.Parallel()
	for _, program := range []string{"null", "empty", `select(.type == "other")`} {
		for _, form := range []string{"", ", form: true"} {
			s := newServer(t, nil)
			sms := open(t, `{url: "`+s.URL+`", map: '`+program+`'`+form+`}`, func(o *target.Options) { o.Fallback = true })
			checkResult(t, sms.Deliver(t.Context(), "evt_1", []byte(event)), target.Never, 0,
				"target crm: map: expected one result, got none or null; without one, the message is not sent")
			if len(s.requests) > 0 {
				t.Errorf("%s: a request was made", program)
			}
		}
	}
}

// A fallback has no name, so its errors contain its path.
func TestDeliver_fallbackName(t *testing.T) {
	t.Parallel()
	file, err := config.ParseFile("f.yaml", []byte("agents: {shop: {id: a, fallback: {url: '"+googletest.ClosedURL+"'}}}"))
	if err != nil {
		t.Fatal(err)
	}
	c := file.Agents["shop"].Fallback
	crm, problems := target.New(c, target.Options{Secret: secrets(nil).read, Transport: new(http.Transport), Now: time.Now, Fallback: true})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	checkResult(t, crm.Deliver(t.Context(), "m", []byte(event)), target.Retry, 0, "agents.shop.fallback: no connection: the server is unreachable")
}

func TestPayloads(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, send string
		want       []string
		text       string
	}{
		{"one", `{text: "Hi \(.phone)"}`, []string{`{"text":"Hi +12025550123"}`}, ""},
		{"none", `select(.postback == "CONFIRM") | {text: "Hi"}`, nil, ""},
		{"null", `null, [null]`, nil, ""},
		{"several", `{text: "a"}, [{text: "b"}, null, {text: "c"}]`, []string{`{"text":"a"}`, `{"text":"b"}`, `{"text":"c"}`}, ""},
		{"text", `"Hi"`, nil, `target crm: send: expected a payload, such as {text: "Thank you"}`},
		{"one bad of two", `{text: "a"}, [1]`, nil, `target crm: send: expected a payload, such as {text: "Thank you"}`},
		{"error", `.phone | error`, nil, "target crm: f.yaml:2:16 events.crm.send calls error"},
		{"too large", `{text: [limit(30; repeat("x" * 50000))]}`, nil, "target crm: send: a payload is longer than 1024 KiB"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			payloads, err := open(t, `{send: '`+test.send+`'}`, nil).Payloads(t.Context(), []byte(event))
			var got []string
			for _, p := range payloads {
				got = append(got, string(p))
			}
			text := ""
			if err != nil {
				text = err.Error()
			}
			if !slices.Equal(got, test.want) || text != test.text {
				t.Errorf("got %q, %q; want %q, %q", got, text, test.want, test.text)
			}
		})
	}
}
