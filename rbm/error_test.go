package rbm_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/rcshook/rcshook/rbm"
)

var sentinels = []error{
	rbm.ErrUnreachable, rbm.ErrAlreadyDelivered, rbm.ErrNotTester, rbm.ErrNotLaunched, rbm.ErrPermissionDenied,
	rbm.ErrUnauthenticated, rbm.ErrFeatureUnsupported, rbm.ErrInvalidArgument, rbm.ErrAlreadyExists, rbm.ErrIDTaken, rbm.ErrRateLimited,
	rbm.ErrUnavailable, rbm.ErrTimeout, rbm.ErrInvalidPhone, rbm.ErrInvalidID, rbm.ErrNeedsRegion, context.DeadlineExceeded, context.Canceled,
}

// kinds returns the sentinels that err matches.
func kinds(err error) []string {
	var got []string
	for _, s := range sentinels {
		if errors.Is(err, s) {
			got = append(got, s.Error())
		}
	}
	return got
}

func words(errs ...error) []string {
	var s []string
	for _, err := range errs {
		s = append(s, err.Error())
	}
	return s
}

func TestError_is(t *testing.T) {
	t.Parallel()
	const (
		create      = "phones.agentMessages.create"
		notTester   = "This operation is blocked because the RBM agent has not launched and the recipient has not been invited and accepted the invitation to become a tester."
		lookup      = "There was an error looking up the RBM agent (ID: null) that corresponds to the project. This may be a transient error, in which case a retry can help."
		parserError = `Invalid JSON payload received. Unknown name "device_feature_support" at 'agent_message': Cannot find field.`
	)
	tests := []struct {
		name string
		err  rbm.Error
		want []error
	}{
		{"400", rbm.Error{StatusCode: 400, Message: "Within suggested reply, the provided text exceeds the maximum allowed length."}, []error{rbm.ErrInvalidArgument}},
		{"400 of the parser", rbm.Error{StatusCode: 400, Message: parserError}, []error{rbm.ErrInvalidArgument}},
		{"400 feature", rbm.Error{StatusCode: 400, Message: "The message uses a feature that the device does not support."}, []error{rbm.ErrFeatureUnsupported}},
		{"400 capability", rbm.Error{StatusCode: 400, Message: "User lacks the capability ACTION_DIAL."}, []error{rbm.ErrFeatureUnsupported}},
		{"400 unsupported file", rbm.Error{StatusCode: 400, Message: "Unsupported media type."}, []error{rbm.ErrInvalidArgument}},
		{"401", rbm.Error{StatusCode: 401}, []error{rbm.ErrUnauthenticated}},
		{"403", rbm.Error{StatusCode: 403, Message: "The caller does not have permission"}, []error{rbm.ErrPermissionDenied}},
		{"400 of a proxy", rbm.Error{StatusCode: 400, NotFromAPI: true}, []error{rbm.ErrUnavailable}},
		{"401 of a proxy", rbm.Error{StatusCode: 401, NotFromAPI: true}, []error{rbm.ErrUnavailable}},
		{"429 of a proxy", rbm.Error{StatusCode: 429, NotFromAPI: true}, []error{rbm.ErrRateLimited}},
		{"403 agent lookup", rbm.Error{StatusCode: 403, Message: lookup}, []error{rbm.ErrPermissionDenied}},
		{"403 tester", rbm.Error{StatusCode: 403, Message: notTester}, []error{rbm.ErrNotTester}},
		{"403 not launched", rbm.Error{StatusCode: 403, Message: "Agent is not LAUNCHED on the carrier."}, []error{rbm.ErrNotLaunched}},
		{"404 create", rbm.Error{StatusCode: 404, Method: create}, []error{rbm.ErrUnreachable}},
		{"404 event", rbm.Error{StatusCode: 404, Method: "phones.agentEvents.create"}, []error{rbm.ErrUnreachable}},
		{"404 capabilities", rbm.Error{StatusCode: 404, Method: "phones.getCapabilities"}, []error{rbm.ErrUnreachable}},
		{"404 delete", rbm.Error{StatusCode: 404, Method: "phones.agentMessages.delete"}, []error{rbm.ErrAlreadyDelivered}},
		{"404 file", rbm.Error{StatusCode: 404, Method: "files.create"}, []error{rbm.ErrInvalidArgument}},
		{"404 of a proxy", rbm.Error{StatusCode: 404, Method: create, NotFromAPI: true}, []error{rbm.ErrUnavailable}},
		{"405", rbm.Error{StatusCode: 405}, []error{rbm.ErrInvalidArgument}},
		{"408", rbm.Error{StatusCode: 408}, []error{rbm.ErrUnavailable}},
		{"409", rbm.Error{StatusCode: 409}, []error{rbm.ErrAlreadyExists}},
		{"409 aborted", rbm.Error{StatusCode: 409, Status: "ABORTED"}, []error{rbm.ErrUnavailable}},
		{"499", rbm.Error{StatusCode: 499, Status: "CANCELLED"}, []error{rbm.ErrUnavailable}},
		{"409 of a proxy", rbm.Error{StatusCode: 409, NotFromAPI: true}, []error{rbm.ErrUnavailable}},
		{"429", rbm.Error{StatusCode: 429}, []error{rbm.ErrRateLimited}},
		{"302", rbm.Error{StatusCode: 302, NotFromAPI: true}, []error{rbm.ErrUnavailable}},
		{"500", rbm.Error{StatusCode: 500}, []error{rbm.ErrUnavailable}},
		{"504", rbm.Error{StatusCode: 504}, []error{rbm.ErrUnavailable}},
		{"connection", rbm.Error{Err: io.ErrUnexpectedEOF}, []error{rbm.ErrUnavailable}},
		{"truncated 200", rbm.Error{StatusCode: 200, Err: io.ErrUnexpectedEOF}, []error{rbm.ErrUnavailable}},
		{"deadline", rbm.Error{Err: context.DeadlineExceeded}, []error{rbm.ErrTimeout, context.DeadlineExceeded}},
		{"timeout of a connection", rbm.Error{Err: os.ErrDeadlineExceeded}, []error{rbm.ErrTimeout, context.DeadlineExceeded}},
		{"canceled", rbm.Error{Err: context.Canceled}, []error{context.Canceled}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			err := fmt.Errorf("send: %w", &test.err)
			if diff := cmp.Diff(words(test.want...), kinds(err)); diff != "" {
				t.Errorf("errors.Is (-want +got):\n%s", diff)
			}
		})
	}
}

func TestError_text(t *testing.T) {
	t.Parallel()
	const secret = "+12025550123 likes marzipan"
	broken := func(err error) *rbm.Error { return &rbm.Error{Method: "users.batchGet", Err: err} }
	tests := []struct {
		err  *rbm.Error
		want string
	}{
		{
			&rbm.Error{Method: "phones.agentMessages.create", StatusCode: 404, Status: "NOT_FOUND", Message: secret, Attempts: 1},
			"rbm: phones.agentMessages.create: 404 NOT_FOUND: the user cannot be reached by RCS from this agent",
		},
		{
			&rbm.Error{Method: "files.create", StatusCode: 403, Status: "PERMISSION_DENIED", Reason: "SERVICE_DISABLED", Message: secret, Attempts: 2},
			"rbm: files.create: 403 PERMISSION_DENIED (SERVICE_DISABLED): the credentials are not allowed to act for this agent, after 2 attempts",
		},
		{
			&rbm.Error{Method: "files.create", StatusCode: 502, NotFromAPI: true, Attempts: 4},
			"rbm: files.create: 502: the response does not have the form of the API; check the endpoint and proxies, after 4 attempts",
		},
		{&rbm.Error{Method: "files.create", StatusCode: 200, Err: io.ErrUnexpectedEOF}, "rbm: files.create: 200: the connection was closed before the end of the response"},
		{broken(io.EOF), "rbm: users.batchGet: the connection was closed before the end of the response"},
		{broken(context.DeadlineExceeded), "rbm: users.batchGet: timed out waiting for the response"},
		{broken(context.Canceled), "rbm: users.batchGet: canceled by the caller"},
		{broken(&net.DNSError{Name: secret, Err: "no such host"}), "rbm: users.batchGet: the host name cannot be resolved"},
		{broken(&net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}), "rbm: users.batchGet: connection refused"},
		{broken(&tls.CertificateVerificationError{Err: errors.New(secret)}), "rbm: users.batchGet: the certificate of the host is not trusted"},
		{broken(tls.RecordHeaderError{Msg: secret}), "rbm: users.batchGet: the TLS handshake with the host failed"},
		{broken(errors.New(secret)), "rbm: users.batchGet: the connection broke"},
	}
	for _, test := range tests {
		if got := test.err.Error(); got != test.want {
			t.Errorf("Error() = %q, want %q", got, test.want)
		}
		if test.err.Err != nil && errors.Unwrap(test.err) != test.err.Err {
			t.Errorf("Unwrap() = %v, want %v", errors.Unwrap(test.err), test.err.Err)
		}
	}
}

// TestError_fromResponse reads error responses of the platform and of proxies.
func TestError_fromResponse(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		status int
		header http.Header
		body   string
		want   rbm.Error
	}{
		{
			"envelope", 404, nil, `{"error":{"code":404,"message":"Requested entity was not found.","status":"NOT_FOUND"}}`,
			rbm.Error{StatusCode: 404, Status: "NOT_FOUND", Message: "Requested entity was not found."},
		},
		{
			"error info", 403, nil, `{"error":{"code":403,"message":"m","status":"PERMISSION_DENIED","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"SERVICE_DISABLED","domain":"googleapis.com"}]}}`,
			rbm.Error{StatusCode: 403, Status: "PERMISSION_DENIED", Message: "m", Reason: "SERVICE_DISABLED"},
		},
		{
			"old reasons", 403, nil, `{"error":{"code":403,"message":"m","errors":[{"message":"m","domain":"global","reason":"forbidden"}]}}`,
			rbm.Error{StatusCode: 403, Message: "m", Reason: "forbidden"},
		},
		{
			"longest code and message", 400, nil, `{"error":{"message":"` + strings.Repeat("m", 4096) + `","status":"` + strings.Repeat("A", 64) + `"}}`,
			rbm.Error{StatusCode: 400, Message: strings.Repeat("m", 4096), Status: strings.Repeat("A", 64)},
		},
		{
			"a longer code and message", 400, nil, `{"error":{"message":"` + strings.Repeat("m", 4095) + `ä","status":"` + strings.Repeat("A", 65) + `"}}`,
			rbm.Error{StatusCode: 400, Message: strings.Repeat("m", 4095)},
		},
		{
			"codes that are not words", 400, nil, `{"error":{"message":"m","status":"+12025550123","details":[{"reason":"a b"}]}}`,
			rbm.Error{StatusCode: 400, Message: "m"},
		},
		{
			"fields of other types", 400, nil, `{"error":{"code":"400","status":7,"message":"m","details":{}}}`,
			rbm.Error{StatusCode: 400, NotFromAPI: true},
		},
		{
			"invalid retry info", 400, nil, `{"error":{"code":400,"details":[{"retryDelay":"soon"},{"retryDelay":"-1s"}]}}`,
			rbm.Error{StatusCode: 400},
		},
		{
			"header before retry info", 400,
			http.Header{"Retry-After": {"3"}},
			`{"error":{"code":400,"details":[{"retryDelay":"1.5s"}]}}`,
			rbm.Error{StatusCode: 400, RetryAfter: 3e9},
		},
		{
			"retry info of 30,000 years", 400, nil, `{"error":{"code":400,"details":[{"retryDelay":"999999999999s"}]}}`,
			rbm.Error{StatusCode: 400, RetryAfter: 30 * 24 * 3600e9},
		},
		{
			"long message", 400, nil, `{"error":{"code":400,"message":"x` + strings.Repeat("é", 2048) + `"}}`,
			rbm.Error{StatusCode: 400, Message: "x" + strings.Repeat("é", 2047)},
		},
		{"web page of a proxy", 403, nil, "<html>+12025550123</html>", rbm.Error{StatusCode: 403, NotFromAPI: true}},
		{"error of an OAuth server", 401, nil, `{"error":"invalid_token"}`, rbm.Error{StatusCode: 401, NotFromAPI: true}},
		{"empty body", 404, nil, "", rbm.Error{StatusCode: 404, NotFromAPI: true}},
		{"empty error", 400, nil, `{"error":{}}`, rbm.Error{StatusCode: 400, NotFromAPI: true}},
		{"error of another status", 400, nil, `{"error":{"code":503}}`, rbm.Error{StatusCode: 400, NotFromAPI: true}},
		{"seconds in Retry-After", 400, http.Header{"Retry-After": {"120"}}, `{"error":{"code":400}}`, rbm.Error{StatusCode: 400, RetryAfter: 120e9}},
		{"past date in Retry-After", 400, http.Header{"Retry-After": {"Sun, 06 Nov 1994 08:49:37 GMT"}}, `{"error":{"code":400}}`, rbm.Error{StatusCode: 400}},
		{"distant date in Retry-After", 400, http.Header{"Retry-After": {"Fri, 06 Nov 2995 08:49:37 GMT"}}, `{"error":{"code":400}}`, rbm.Error{StatusCode: 400, RetryAfter: 30 * 24 * 3600e9}},
		{"negative Retry-After", 400, http.Header{"Retry-After": {"-1"}}, `{"error":{"code":400}}`, rbm.Error{StatusCode: 400}},
		{"huge Retry-After", 400, http.Header{"Retry-After": {"99999999999"}}, `{"error":{"code":400}}`, rbm.Error{StatusCode: 400}},
		{
			"retry info", 400, nil, `{"error":{"code":400,"details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"1.5s"}]}}`,
			rbm.Error{StatusCode: 400, RetryAfter: 1500e6},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			client := newClient(t, rbm.Config{HTTPClient: &http.Client{Transport: roundTripper(func(*http.Request) (*http.Response, error) {
				return response(test.status, test.header, test.body), nil
			})}})
			_, err := client.SendMessage(t.Context(), phone, messageID, hello)
			var got *rbm.Error
			if !errors.As(err, &got) {
				t.Fatalf("error %v, want an rbm.Error", err)
			}
			test.want.Method, test.want.Attempts = "phones.agentMessages.create", got.Attempts
			if diff := cmp.Diff(&test.want, got); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
			if strings.Contains(err.Error(), "2025550123") {
				t.Errorf("the text of the error quotes the response: %v", err)
			}
		})
	}
}

// FuzzError checks that every error response becomes an error of one kind, with a short
// text of plain words and a limited RetryAfter.
func FuzzError(f *testing.F) {
	const envelope = `{"error":{"code":%s,"message":"Requested entity was not found.","status":%s,"details":[%s]}}`
	for _, after := range []string{"", "0", "3", "-1", "+1", "1.5", "2147483647", "99999999999999999999", "Fri, 06 Nov 2995 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "\x00"} {
		f.Add(uint16(429), after, []byte(fmt.Sprintf(envelope, "429", `"RESOURCE_EXHAUSTED"`, "")))
	}
	for _, details := range []string{
		`{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"SERVICE_DISABLED","domain":"googleapis.com"}`,
		`{"retryDelay":"1.5s"}`, `{"retryDelay":"-3s"}`, `{"retryDelay":"315576000000s"}`, `{"retryDelay":"9223372036.854775807s"}`, `{"retryDelay":"1e9s"}`,
		`{"retryDelay":{}},{"retryDelay":"2s"}`, `{"retryDelay":"0s"},{"retryDelay":"999999999999s"}`, `null`, `[]`, `{"reason":"` + strings.Repeat("A", 65) + `"}`,
	} {
		f.Add(uint16(503), "", []byte(fmt.Sprintf(envelope, "503", `"UNAVAILABLE"`, details)))
	}
	for _, body := range []string{
		"", "null", "{}", "[]", "<html>", `{"error":null}`, `{"error":"invalid_token"}`, `{"error":{}}`, `{"error":[]}`, `{"error":{"message":7}}`, `{"error":{"message":"\ud800"}}`,
		`{"error":{"status":"NOT FOUND"}}`, `{"error":{"errors":[{"reason":"forbidden"},null,7]}}`, `{"ERROR":{"MESSAGE":"m"}}`, `{"error":{"message":"` + strings.Repeat("é", 5000) + `"}}`,
		`{"error":` + strings.Repeat("[", 200), `{"error":{"message":"This may be a transient error: Tester, launch, device does not support a feature"}}`,
	} {
		for _, status := range []uint16{302, 400, 401, 403, 404, 408, 409, 429, 500} {
			f.Add(status, "", []byte(body))
		}
	}
	var resp *http.Response
	client := newClient(f, rbm.Config{Retry: rbm.Retry{MaxAttempts: 1}, HTTPClient: &http.Client{
		Transport: roundTripper(func(*http.Request) (*http.Response, error) { return resp, nil }),
	}})
	f.Fuzz(func(t *testing.T, status uint16, after string, body []byte) {
		resp = response(300+int(status)%300, http.Header{"Retry-After": {after}}, string(body))
		_, err := client.SendMessage(t.Context(), phone, messageID, hello)
		var e *rbm.Error
		if !errors.As(err, &e) {
			t.Fatalf("error %v, want an rbm.Error", err)
		}
		if e.RetryAfter < 0 || e.RetryAfter > 30*24*time.Hour {
			t.Errorf("RetryAfter = %v", e.RetryAfter)
		}
		if len(e.Message) > 4<<10 || !utf8.ValidString(e.Message) {
			t.Errorf("Message has %d bytes: %.100q", len(e.Message), e.Message)
		}
		if text := err.Error(); len(text) > 300 || strings.Trim(text, letters) != "" {
			t.Errorf("Error() = %q", text)
		}
		if got := kinds(err); len(got) != 1 {
			t.Errorf("kinds %q, want one", got)
		}
	})
}

// letters are the characters of error texts.
const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.,:;'() "

// TestSendMessage_oddResponse tests that one invalid field of a response does not hide the
// others, and that a part of a response is not a response.
func TestSendMessage_oddResponse(t *testing.T) {
	t.Parallel()
	const name = "phones/" + phone + "/agentMessages/" + messageID
	const response = `{"sendTime": "bad", "name": "` + name + `", "contentMessage": {"text": "Hi"}, "ttl": 5, "new": {"a": [1]}}`
	for n := range len(response) + 1 {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, response[:n]) }))
		client, err := rbm.New(rbm.Config{AgentID: "agent", Endpoint: server.URL, Retry: rbm.Retry{MaxAttempts: 1}})
		if err != nil {
			t.Fatal(err)
		}
		sent, err := client.SendMessage(t.Context(), "+12025550123", messageID, rbm.Text("Hi"))
		server.Close()
		switch {
		case n < len(response) && err == nil:
			t.Errorf("%q was accepted", response[:n])
		case n == len(response) && (err != nil || sent.Name != name || sent.ContentMessage == nil || sent.ContentMessage.Text != "Hi"):
			t.Errorf("SendMessage = %+v, %v, want the valid fields", sent, err)
		}
	}
}
