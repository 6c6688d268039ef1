package rbm_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rcshook/rcshook/rbm"
)

const (
	agentID   = "harborline_k3x9a1bc_agent"
	phone     = "+12025550123"
	messageID = "5a0c2f4e-6a3d-4d0e-9a50-0d7c1f7be001"
)

var hello = rbm.Text("Hello & welcome")

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func response(status int, header http.Header, body string) *http.Response {
	if header == nil {
		header = http.Header{}
	}
	return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(strings.NewReader(body))}
}

// newClient returns a client for agentID that retries without a noticeable pause.
func newClient(t testing.TB, c rbm.Config) *rbm.Client {
	t.Helper()
	if c.AgentID == "" {
		c.AgentID = agentID
	}
	if c.Retry == (rbm.Retry{}) {
		c.Retry.BaseDelay = time.Nanosecond
	}
	client, err := rbm.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// serve starts a server and returns a client for it.
func serve(t *testing.T, c rbm.Config, h http.HandlerFunc) *rbm.Client {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	c.Endpoint = server.URL + "/base/"
	c.HTTPClient = server.Client()
	return newClient(t, c)
}

func respond200(w http.ResponseWriter, body string) {
	w.Header().Set("Content-Type", "application/json")
	io.WriteString(w, body)
}

func TestNew_invalidConfig(t *testing.T) {
	t.Parallel()
	jar, _ := cookiejar.New(nil)
	tests := []struct {
		config rbm.Config
		want   string
	}{
		{rbm.Config{}, "rbm: the agent ID is missing"},
		{rbm.Config{AgentID: "@rbm.goog"}, "rbm: the agent ID is missing"},
		{rbm.Config{AgentID: "a b"}, "rbm: invalid agent ID: expected a word such as my_brand_k3x9a1bc_agent"},
		{rbm.Config{AgentID: "a\n"}, "rbm: invalid agent ID: expected a word such as my_brand_k3x9a1bc_agent"},
		{rbm.Config{AgentID: "a\x7f"}, "rbm: invalid agent ID: expected a word such as my_brand_k3x9a1bc_agent"},
		{rbm.Config{AgentID: strings.Repeat("a", 201)}, "rbm: invalid agent ID: expected a word such as my_brand_k3x9a1bc_agent"},
		{rbm.Config{AgentID: "a", Region: "mars"}, `rbm: unknown region "mars": expected us, europe, asia or none`},
		{rbm.Config{AgentID: "a", Endpoint: "localhost:8081"}, "rbm: invalid endpoint: expected a base URL such as http://localhost:8081"},
		{rbm.Config{AgentID: "a", Endpoint: "ftp://localhost"}, "rbm: invalid endpoint: expected a base URL such as http://localhost:8081"},
		{rbm.Config{AgentID: "a", Endpoint: "http://localhost?x=1"}, "rbm: invalid endpoint: expected a base URL such as http://localhost:8081"},
		{rbm.Config{AgentID: "a", Endpoint: "http://local host"}, "rbm: invalid endpoint: expected a base URL such as http://localhost:8081"},
		{rbm.Config{AgentID: "a", HTTPClient: &http.Client{Jar: jar}}, "rbm: HTTPClient: CheckRedirect and Jar are not supported; remove them"},
		{
			rbm.Config{AgentID: "a", HTTPClient: &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return nil }}},
			"rbm: HTTPClient: CheckRedirect and Jar are not supported; remove them",
		},
	}
	for _, test := range tests {
		if _, err := rbm.New(test.config); err == nil || err.Error() != test.want {
			t.Errorf("New(%+v): error %v, want %s", test.config, err, test.want)
		}
	}
}

func TestNew_agentID(t *testing.T) {
	t.Parallel()
	for _, id := range []string{"!", "~", strings.Repeat("a", 200), "my_agent@rbm.goog"} {
		if _, err := rbm.New(rbm.Config{AgentID: id}); err != nil {
			t.Errorf("New(%s): %v", id, err)
		}
	}
}

func TestMessageURL(t *testing.T) {
	t.Parallel()
	const rest = "rcsbusinessmessaging.googleapis.com/v1/phones/%2B12025550123/agentMessages?agentId=a.b%2Fc&messageId=m-1"
	tests := []struct {
		config rbm.Config
		want   string
	}{
		{rbm.Config{}, "https://" + rest},
		{rbm.Config{Region: rbm.RegionUS}, "https://us-" + rest},
		{rbm.Config{Region: rbm.RegionEurope}, "https://europe-" + rest},
		{rbm.Config{Region: rbm.RegionAsia}, "https://asia-" + rest},
		{rbm.Config{Region: rbm.RegionAsia, Endpoint: "http://[::1]:8081/x/"}, "http://[::1]:8081/x" + strings.TrimPrefix(rest, "rcsbusinessmessaging.googleapis.com")},
	}
	for _, test := range tests {
		test.config.AgentID = "a.b/c@rbm.goog"
		if got := newClient(t, test.config).MessageURL(phone, "m-1"); got != test.want {
			t.Errorf("MessageURL with %+v = %s, want %s", test.config, got, test.want)
		}
	}
	const odd = "http://a.example/v1/phones/..%2F%3Fx%23%2B/agentMessages?agentId=a&messageId=%26%2B%23"
	if got := newClient(t, rbm.Config{AgentID: "a", Endpoint: "http://a.example"}).MessageURL("../?x#+", "&+#"); got != odd {
		t.Errorf("MessageURL = %s, want %s", got, odd)
	}
}

func TestMessageID(t *testing.T) {
	t.Parallel()
	// This ID must never change: a message that is sent again after an update would
	// arrive twice.
	const want = "83735189-cb2b-5633-bf05-f11b523c2d3a"
	got := rbm.MessageID("harbour_k3x9a1bc_agent", "+12025550123", "order-1042-shipped")
	if got != want {
		t.Errorf("MessageID = %s, want %s", got, want)
	}
	if same := rbm.MessageID("harbour_k3x9a1bc_agent@rbm.goog", "+12025550123", "order-1042-shipped"); same != got {
		t.Errorf("MessageID with the domain = %s, want %s", same, got)
	}
	for _, other := range []string{
		rbm.MessageID("other_agent", "+12025550123", "order-1042-shipped"),
		rbm.MessageID("harbour_k3x9a1bc_agent", "+12025550124", "order-1042-shipped"),
		rbm.MessageID("harbour_k3x9a1bc_agent", "+12025550123", "order-1043-shipped"),
	} {
		if other == got {
			t.Errorf("MessageID = %s for other arguments too", got)
		}
	}
}

func TestSendMessage(t *testing.T) {
	t.Parallel()
	type request struct{ Line, Authorization, ContentType, UserAgent, Body string }
	var got []request
	client := serve(t, rbm.Config{
		AgentID: agentID + "@rbm.goog",
		Token:   func(context.Context) (string, error) { return "t0k3n", nil },
	}, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got = append(got, request{
			r.Method + " " + r.RequestURI, r.Header.Get("Authorization"),
			r.Header.Get("Content-Type"), r.UserAgent(), string(body),
		})
		if _, sent := r.Header["Idempotency-Key"]; sent {
			t.Error("the Idempotency-Key for net/http was sent as a header")
		}
		respond200(w, `{"name":"phones/+12025550123/agentMessages/5a0c2f4e-6a3d-4d0e-9a50-0d7c1f7be001","sendTime":"2026-11-20T09:15:03.464Z",
			"expireTime":"2026-11-21T09:15:03Z","ttl":"86400s","contentMessage":{"text":"Hello & welcome"},
			"richMessageClassification":{"classificationType":"NEW_KIND","segmentCount":2},"totalPayloadSizeBytes":"204331","carrier":"c","novelty":[1]}`)
	})
	sent, err := client.SendMessage(t.Context(), phone, messageID, hello)
	if err != nil {
		t.Fatal(err)
	}
	want := []request{{
		"POST /base/v1/phones/%2B12025550123/agentMessages?agentId=" + agentID + "&messageId=" + messageID,
		"Bearer t0k3n", "application/json", "rcshook-rbm/devel", `{"contentMessage":{"text":"Hello & welcome"}}`,
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
	wantSent := &rbm.AgentMessage{
		ContentMessage: &rbm.AgentContentMessage{Text: "Hello & welcome"},
		Name:           "phones/+12025550123/agentMessages/5a0c2f4e-6a3d-4d0e-9a50-0d7c1f7be001",
		SendTime:       time.Date(2026, 11, 20, 9, 15, 3, 464e6, time.UTC),
		ExpireTime:     time.Date(2026, 11, 21, 9, 15, 3, 0, time.UTC),
		TTL:            rbm.Duration(24 * time.Hour), Carrier: "c", TotalPayloadSizeBytes: 204331,
		RichMessageClassification: &rbm.RichMessageClassification{ClassificationType: "NEW_KIND", SegmentCount: 2},
	}
	if diff := cmp.Diff(wantSent, sent); diff != "" {
		t.Errorf("message (-want +got):\n%s", diff)
	}
}

func TestSendMessage_checks(t *testing.T) {
	t.Parallel()
	requests := 0
	handler := func(w http.ResponseWriter, _ *http.Request) {
		requests++
		respond200(w, accepted)
	}
	broken := rbm.Text("", rbm.Reply("A label that is longer than allowed"))
	_, err := serve(t, rbm.Config{}, handler).SendMessage(t.Context(), phone, messageID, broken)
	invalid, ok := errors.AsType[*rbm.InvalidMessageError](err)
	if !ok || !errors.Is(err, rbm.ErrInvalidArgument) || requests != 0 {
		t.Fatalf("SendMessage of an invalid message: error %v after %d requests, want an InvalidMessageError after none", err, requests)
	}
	want := []rbm.Violation{
		{Pointer: "/contentMessage", Rule: rbm.RuleRequired},
		{Pointer: "/contentMessage/suggestions/0/reply/text", Rule: rbm.RuleTooLong, Limit: 25, Actual: 35},
	}
	if diff := cmp.Diff(want, invalid.Violations, ignoreDetail); diff != "" {
		t.Errorf("violations (-want +got):\n%s", diff)
	}
	const text = "rbm: invalid message: /contentMessage: needs one of text, fileName, uploadedRbmFile, richCard, contentInfo; " +
		"/contentMessage/suggestions/0/reply/text: must be at most 25 characters, not 35"
	if err.Error() != text {
		t.Errorf("error %v, want %s", err, text)
	}
	if _, err := serve(t, rbm.Config{SkipCheck: true}, handler).SendMessage(t.Context(), phone, messageID, broken); err != nil || requests != 1 {
		t.Errorf("SendMessage with SkipCheck: error %v after %d requests, want none after 1", err, requests)
	}
}

func TestRevokeMessage_longest(t *testing.T) {
	t.Parallel()
	client := serve(t, rbm.Config{}, func(w http.ResponseWriter, _ *http.Request) { respond200(w, "{}") })
	if err := client.RevokeMessage(t.Context(), "+123456789012345", strings.Repeat("a", 128)); err != nil {
		t.Errorf("error %v, want none", err)
	}
}

func TestSendMessage_invalidArguments(t *testing.T) {
	t.Parallel()
	client := serve(t, rbm.Config{}, func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("request %s", r.RequestURI)
	})
	phones := []string{"", "+", "12025550123", "+0123456", "+1202555012345678", "+1202/../x", "+1 202", "+١٢٣", "../1", "tel:+1"}
	for _, phone := range phones {
		if _, err := client.SendMessage(t.Context(), phone, messageID, hello); !errors.Is(err, rbm.ErrInvalidPhone) {
			t.Errorf("SendMessage to %q: error %v, want %v", phone, err, rbm.ErrInvalidPhone)
		}
		if err := client.RevokeMessage(t.Context(), phone, messageID); !errors.Is(err, rbm.ErrInvalidPhone) {
			t.Errorf("RevokeMessage from %q: error %v, want %v", phone, err, rbm.ErrInvalidPhone)
		}
	}
	for _, id := range []string{"", ".", "..", "a/b", "a%2fb", "a b", "a?b", "a#b", "ä", "a\n", strings.Repeat("a", 129)} {
		if _, err := client.SendMessage(t.Context(), phone, id, hello); !errors.Is(err, rbm.ErrInvalidID) {
			t.Errorf("SendMessage with ID %q: error %v, want %v", id, err, rbm.ErrInvalidID)
		}
		if err := client.RevokeMessage(t.Context(), phone, id); !errors.Is(err, rbm.ErrInvalidID) {
			t.Errorf("RevokeMessage with ID %q: error %v, want %v", id, err, rbm.ErrInvalidID)
		}
	}
	if _, err := client.SendMessage(t.Context(), phone, messageID, nil); err == nil || err.Error() != "rbm: the message is nil" {
		t.Errorf("SendMessage of nil: error %v", err)
	}
	late := &rbm.AgentMessage{ExpireTime: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)}
	unchecked := newClient(t, rbm.Config{SkipCheck: true})
	_, err := unchecked.SendMessage(t.Context(), phone, messageID, late)
	if unsupported, ok := errors.AsType[*json.MarshalerError](err); !ok {
		t.Errorf("SendMessage of a time that JSON cannot express: error %v, want a %T", err, unsupported)
	}
}

func TestRevokeMessage(t *testing.T) {
	t.Parallel()
	client := serve(t, rbm.Config{UserAgent: "test/1"}, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got := r.Method + " " + r.RequestURI + " " + r.UserAgent() + " " + string(body)
		if want := "DELETE /base/v1/phones/%2B12025550123/agentMessages/" + messageID + "?agentId=" + agentID + " test/1 "; got != want {
			t.Errorf("request %q, want %q", got, want)
		}
		respond200(w, "{}")
	})
	if err := client.RevokeMessage(t.Context(), phone, messageID); err != nil {
		t.Error(err)
	}

	late := serve(t, rbm.Config{}, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNotFound)
		io.WriteString(w, `{"error":{"code":404,"message":"gone","status":"NOT_FOUND"}}`)
	})
	if err := late.RevokeMessage(t.Context(), phone, messageID); !errors.Is(err, rbm.ErrAlreadyDelivered) {
		t.Errorf("RevokeMessage: error %v, want %v", err, rbm.ErrAlreadyDelivered)
	}

	for _, body := range []string{"", "<html>", "null", `{"error":{"code":503}}`, `{"error":"no"}`} {
		foreign := serve(t, rbm.Config{}, func(w http.ResponseWriter, _ *http.Request) { respond200(w, body) })
		if err := foreign.RevokeMessage(t.Context(), phone, messageID); !errors.Is(err, rbm.ErrUnavailable) {
			t.Errorf("RevokeMessage with the response %q: error %v, want %v", body, err, rbm.ErrUnavailable)
		}
	}
}

// TestSendMessage_redirect checks that no redirect is followed: it would send the token
// to another host.
func TestSendMessage_redirect(t *testing.T) {
	t.Parallel()
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("the redirect was followed, with the token %q", r.Header.Get("Authorization"))
	}))
	t.Cleanup(elsewhere.Close)
	for _, status := range []int{301, 302, 303, 307, 308} {
		requests := 0
		client := serve(t, rbm.Config{Token: func(context.Context) (string, error) { return "t", nil }}, func(w http.ResponseWriter, r *http.Request) {
			requests++
			http.Redirect(w, r, elsewhere.URL, status)
		})
		_, err := client.SendMessage(t.Context(), phone, messageID, hello)
		if !errors.Is(err, rbm.ErrUnavailable) || requests != 1 {
			t.Errorf("%d: error %v after %d requests, want %v after 1", status, err, requests, rbm.ErrUnavailable)
		}
	}
}

func TestSendMessage_tokenError(t *testing.T) {
	t.Parallel()
	denied := errors.New("secret denied")
	var seen []rbm.Attempt
	client := serve(t, rbm.Config{
		Token:   func(context.Context) (string, error) { return "", denied },
		Observe: func(a rbm.Attempt) { seen = append(seen, a) },
	}, func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("request %s without a token", r.RequestURI)
	})
	_, err := client.SendMessage(t.Context(), phone, messageID, hello)
	if !errors.Is(err, denied) || err.Error() != "rbm: phones.agentMessages.create: token: secret denied" {
		t.Errorf("error %v, want the error of Token", err)
	}
	if len(seen) != 1 || !errors.Is(seen[0].Err, denied) || seen[0].Number != 1 {
		t.Errorf("attempts %+v, want one with the error of Token", seen)
	}
	if len(seen) == 1 && !seen[0].Unsent {
		t.Error("Unsent is not set for the attempt without a token")
	}

	bad := serve(t, rbm.Config{Token: func(context.Context) (string, error) { return "s3cr3t\r\nX-Evil: 1", nil }}, func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("request %s with an invalid token", r.RequestURI)
	})
	if _, err := bad.SendMessage(t.Context(), phone, messageID, hello); err == nil || strings.Contains(err.Error(), "s3cr3t") {
		t.Errorf("error %v, want one that does not quote the token", err)
	}
}

func TestNewTransport(t *testing.T) {
	t.Parallel()
	transport := rbm.NewTransport()
	if transport == http.DefaultTransport {
		t.Fatal("NewTransport returned http.DefaultTransport")
	}
	if !transport.ForceAttemptHTTP2 || transport.MaxConnsPerHost != 4 || transport.HTTP2.SendPingTimeout != 15*time.Second || transport.HTTP2.PingTimeout != 2*time.Second || transport.Proxy == nil {
		t.Errorf("NewTransport = %+v", transport)
	}
	if transport.IdleConnTimeout != 90*time.Second || transport.TLSHandshakeTimeout != 5*time.Second {
		t.Errorf("NewTransport: timeouts of %v and %v", transport.IdleConnTimeout, transport.TLSHandshakeTimeout)
	}
}

func BenchmarkNew(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := rbm.New(rbm.Config{AgentID: agentID, Endpoint: "http://localhost:8081"}); err != nil {
			b.Fatal(err)
		}
	}
}
