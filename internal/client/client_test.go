package client_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rcshook/rcshook/internal/client"
	"github.com/rcshook/rcshook/internal/code"
	"github.com/rcshook/rcshook/internal/googletest/platform"
	"github.com/rcshook/rcshook/internal/server"
	"github.com/rcshook/rcshook/rbm/rbmtest"
)

// function serves rcshook with a simulator and the key "secret-key".
func function(t *testing.T) (url string, sim *platform.Platform) {
	t.Helper()
	sim = platform.New(new(rbmtest.Simulator))
	t.Cleanup(func() { sim.Close() })
	google := httptest.NewServer(sim)
	t.Cleanup(google.Close)
	env := sim.Provision(google.URL)
	h, err := server.New(t.Context(), server.Options{Environ: []string{
		"RCSHOOK_AGENT_ID=" + env.AgentID, "RCSHOOK_CREDENTIALS=" + string(sim.KeyFile(google.URL)), "RCSHOOK_API_KEYS=secret-key",
		"RCSHOOK_RBM_ENDPOINT=" + google.URL,
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server.URL, sim
}

func TestSend(t *testing.T) {
	t.Parallel()
	url, sim := function(t)
	for _, tt := range []struct {
		name   string
		client client.Client
		body   string
		want   code.Code
		retry  code.Retry
	}{
		{"accepted", client.Client{Key: "secret-key"}, `{"to": "+12025550123", "text": "Hi"}`, code.Accepted, code.RetryNone},
		{"repeated", client.Client{Key: "secret-key"}, `{"to": "+12025550123", "text": "Hi"}`, code.Accepted, code.RetryNone},
		{"with a token for IAM", client.Client{Key: "secret-key", Token: "eyJ.eyJ.SIG"}, `{"to": "+12025550123", "text": "Hi"}`, code.Accepted, code.RetryNone},
		{"a failure is a response", client.Client{Key: "secret-key"}, `{"to": "+12025550104", "text": "Hi"}`, code.RecipientUnreachable, code.RetryNever},
		{"invalid", client.Client{Key: "secret-key"}, `{"txt": 1}`, code.InvalidPayload, code.RetryNever},
		{"no key", client.Client{}, `{}`, code.Unauthorized, code.RetryNever},
	} {
		c := tt.client
		c.URL = url
		a, err := c.Send(t.Context(), []byte(tt.body), "application/json", `the "same"\ key`)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if a.Code != tt.want || a.Retry != tt.retry || !strings.Contains(string(a.Body), string(tt.want)) {
			t.Errorf("%s: %s", tt.name, a.Body)
		}
	}
	if got := len(sim.Messages()); got != 1 {
		t.Errorf("%d messages arrived with one key", got)
	}
}

// TestRetryAfter checks the parsing of the header.
func TestRetryAfter(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]time.Duration{
		"": 0, "7": 7 * time.Second, "-1": 0, "1.5": 0, "soon": 0, "99999999999999999999": 0,
		"Mon, 02 Jan 2006 15:04:05 GMT": 0,
	} {
		a, err := sendTo(t, client.Client{}, func(w http.ResponseWriter) {
			w.Header().Set("Retry-After", value)
			w.WriteHeader(http.StatusTooManyRequests)
			io.WriteString(w, `{"ok": false, "status": 429, "code": "rate_limited", "retry": "later"}`)
		})
		if err != nil || a.RetryAfter != want {
			t.Errorf("%q: %v, %v, want %v", value, a, err, want)
		}
	}
}

// sendTo sends to a server with the given handler.
func sendTo(t *testing.T, c client.Client, serve func(http.ResponseWriter)) (*client.Response, error) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		serve(w)
	}))
	defer server.Close()
	c.URL = server.URL
	return c.Send(t.Context(), []byte("{}"), "application/json", "")
}

func TestForeign(t *testing.T) {
	t.Parallel()
	const forbidden = "<html><title>403 Forbidden</title><h1>Error: Forbidden</h1>\n<h2>Your client does not have permission to get URL <code>/</code> from this server.</h2>"
	for _, tt := range []struct {
		name   string
		client client.Client
		status int
		header string
		body   string
		want   client.Error
	}{
		{
			"IAM, no token",
			client.Client{},
			403, "", forbidden,
			client.Error{
				Status: 403, Retry: code.RetryAfterFix, Detail: "Cloud Run rejected the request before it reached the function (403)",
				Action: "Send an ID token of an account with the role roles/run.invoker: gcloud auth print-identity-token prints one.",
			},
		},
		{
			"IAM, a token without the role",
			client.Client{Token: "t"},
			401, "Server: Google Frontend", "<html>",
			client.Error{
				Status: 401, Retry: code.RetryAfterFix, Detail: "Cloud Run rejected the request before it reached the function (401)",
				Action: "Grant the account of the ID token the role roles/run.invoker on the function, or get a new token: they expire after an hour.",
			},
		},
		{
			"a login page",
			client.Client{},
			302, "Location: https://login.example.com/", "",
			client.Error{
				Status: 302, Retry: code.RetryAfterFix, Detail: "unexpected redirect (302)",
				Action: "Use the URL of the function itself, with https://.",
			},
		},
		{
			"no instance",
			client.Client{},
			429, "Retry-After: 3", "Rate exceeded.",
			client.Error{
				Status: 429, Retry: code.RetryLater, RetryAfter: 3 * time.Second, Detail: "a server in front of the function responded 429 Too Many Requests",
				Action: "Retry later with the same idempotency key. If it persists, check the log of the function.",
			},
		},
		{
			"no instance of Cloud Run",
			client.Client{},
			429, "Server: Google Frontend", "Rate exceeded.",
			client.Error{
				Status: 429, Retry: code.RetryLater, Detail: "Cloud Run had no free instance (429)",
				Action: "Retry later with the same idempotency key. If it persists, raise --max-instances of the function, or send more slowly.",
			},
		},
		{
			"the instance died",
			client.Client{},
			503, "", "upstream connect error",
			client.Error{
				Status: 503, Retry: code.RetryLater, Unsure: true, Detail: "a server in front of the function responded 503 Service Unavailable",
				Action: "Retry later with the same idempotency key. If it persists, check the log of the function.",
			},
		},
		{
			"JSON of another server",
			client.Client{},
			200, "", `{"code": 200, "status": "OK"}`,
			client.Error{
				Status: 200, Retry: code.RetryAfterFix, Detail: "the server at this URL is not rcshook (200 OK)",
				Action: `Check the URL: GET returns {"name":"rcshook",...}.`,
			},
		},
	} {
		_, err := sendTo(t, tt.client, func(w http.ResponseWriter) {
			if name, value, ok := strings.Cut(tt.header, ": "); ok {
				w.Header().Set(name, value)
			}
			w.WriteHeader(tt.status)
			io.WriteString(w, tt.body)
		})
		var got *client.Error
		if !errors.As(err, &got) {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if diff := cmp.Diff(tt.want, *got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

// TestRedirect checks that another host does not get the key.
func TestRedirect(t *testing.T) {
	t.Parallel()
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the redirect was followed") }))
	defer elsewhere.Close()
	for _, own := range []*http.Client{nil, {}} {
		_, err := sendTo(t, client.Client{Key: "k", HTTP: own}, func(w http.ResponseWriter) {
			w.Header().Set("Location", elsewhere.URL)
			w.WriteHeader(http.StatusTemporaryRedirect)
		})
		if e, ok := errors.AsType[*client.Error](err); !ok || e.Status != http.StatusTemporaryRedirect {
			t.Error(err)
		}
	}
}

// TestConnectionErrors checks which failed requests may have been processed.
func TestConnectionErrors(t *testing.T) {
	t.Parallel()
	closed := httptest.NewServer(nil)
	closed.Close()
	release := make(chan struct{})
	reached := make(chan struct{}, 1)
	silent := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		reached <- struct{}{}
		<-release
	}))
	defer silent.Close()
	defer close(release)
	rude, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer rude.Close()
	go func() {
		for conn, err := rude.Accept(); err == nil; conn, err = rude.Accept() {
			conn.Read(make([]byte, 1<<12))
			conn.Close()
		}
	}()

	for _, tt := range []struct {
		name   string
		url    string
		stop   bool
		unsure bool
		want   string
	}{
		{"nothing listens", closed.URL, false, false, "cannot connect to the function"},
		{"canceled", silent.URL, true, true, "canceled before the function responded"},
		{"the connection breaks", "http://" + rude.Addr().String(), false, true, "the connection broke before the function responded"},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		if tt.stop {
			go func() { <-reached; cancel() }()
		}
		c := client.Client{URL: tt.url, Key: "k", HTTP: &http.Client{Transport: &http.Transport{}}}
		_, err := c.Send(ctx, []byte("{}"), "application/json", "key")
		cancel()
		var got *client.Error
		if !errors.As(err, &got) || got.Detail != tt.want || got.Unsure != tt.unsure || got.NoConnection == tt.unsure || got.Retry != code.RetryLater {
			t.Errorf("%s: %+v", tt.name, err)
		}
	}

	ctx, cancel := context.WithTimeout(t.Context(), 1)
	defer cancel()
	c := client.Client{URL: closed.URL}
	var got *client.Error
	if _, err := c.Send(ctx, nil, "application/json", ""); !errors.As(err, &got) || got.Detail != "timeout waiting for the response of the function" || got.Unsure {
		t.Errorf("timeout: %+v", err)
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	const space = "the key or token contains a space or line break"
	const scheme = "the URL of the function must start with http:// or https://"
	for _, tt := range []struct {
		client client.Client
		want   string
	}{
		{client.Client{}, "the URL of the function must be a URL such as https://rcshook-abc.a.run.app"},
		{client.Client{URL: "rcshook.example.com"}, scheme + ": write https://rcshook.example.com"},
		{client.Client{URL: "localhost:18473"}, scheme + ": write http://localhost:18473"},
		{client.Client{URL: "10.1.2.3/rcs"}, scheme + ": write http://10.1.2.3/rcs"},
		{client.Client{URL: "x:secret@localhost:8080"}, scheme},
		{client.Client{URL: "localhost/?key=secret"}, scheme},
		{client.Client{URL: "https:/localhost"}, scheme},
		{client.Client{URL: "http://"}, "the URL of the function must be a URL such as https://rcshook-abc.a.run.app"},
		{client.Client{URL: "ftp://rcshook.example.com"}, "the URL of the function must start with https://"},
		{client.Client{URL: "https://x:secret@rcshook.example.com"}, "the URL of the function must not contain a user name or password: set the key separately"},
		{client.Client{URL: "https://rcshook.example.com/?key=secret"}, "the URL of the function must not contain ? or #"},
		{client.Client{URL: "http://rcshook.example.com", Key: "secret"}, "the URL of the function must start with https://, because http:// exposes the key to the network"},
		{client.Client{URL: "http://127.0.0.1:1", Key: "secret key"}, space},
		{client.Client{URL: "http://127.0.0.1:1", Key: "secret\n"}, space},
		{client.Client{URL: "http://127.0.0.1:1", Token: "Bearer secret"}, space},
	} {
		_, err := tt.client.Send(t.Context(), nil, "application/json", "")
		if err == nil || err.Error() != tt.want {
			t.Errorf("%q: %v, want %s", tt.client.URL, err, tt.want)
		}
	}
	for _, url := range []string{"http://localhost:8080", "http://10.1.2.3/", "http://[::1]:1/", "http://rcshook:8080/x", "https://rcshook.example.com"} {
		if err := (&client.Client{URL: url, Key: "k"}).Check(); err != nil {
			t.Errorf("%s: %v", url, err)
		}
	}
}

// FuzzForeign checks that the response of another server is neither accepted nor quoted.
func FuzzForeign(f *testing.F) {
	f.Add(200, "", "<html>SECRET")
	f.Add(302, "SECRET", "")
	f.Add(500, "99999", `{"code":"accepted","SECRET":1}`)
	f.Fuzz(func(t *testing.T, status int, retry, body string) {
		c := client.Client{URL: "http://localhost/", HTTP: &http.Client{Transport: canned{status, retry, body}}}
		a, err := c.Send(t.Context(), nil, "application/json", "")
		if err == nil && a.Code != "" && a.RetryAfter >= 0 {
			return // it has the form of a response of the function
		}
		e, ok := errors.AsType[*client.Error](err)
		if !ok || strings.Contains(e.Error()+e.Action, "SECRET") || e.RetryAfter < 0 {
			t.Errorf("%+v", err)
		}
	})
}

type canned struct {
	status int
	retry  string
	body   string
}

func (c canned) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: c.status, Header: http.Header{"Retry-After": {c.retry}}, Body: io.NopCloser(strings.NewReader(c.body)), Request: r,
	}, nil
}

func TestClient_Origin(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"https://F.a.run.app":                  "https://f.a.run.app",
		" https://f.a.run.app/ ":               "https://f.a.run.app",
		"http://localhost:8080/":               "http://localhost:8080",
		"https://p.cloudfunctions.net/sesame":  "https://p.cloudfunctions.net/#d0c04f4b",
		"https://p.cloudfunctions.net/sesame/": "https://p.cloudfunctions.net/#d0c04f4b",
		"https://p.cloudfunctions.net/other":   "https://p.cloudfunctions.net/#d9298a10",
	} {
		c := client.Client{URL: address}
		if got := c.Origin(); got != want {
			t.Errorf("the origin of %q is %q, want %q", address, got, want)
		}
	}
}
