// Package client calls the HTTP interface of a deployed function.
package client

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/rcshook/rcshook/internal/code"
	"github.com/rcshook/rcshook/internal/response"
)

// maxBody limits a response. A dry run for a hundred recipients shows a message of at
// most 250 KB for each.
const maxBody = 32 << 20

// Client calls one deployment. It is safe for concurrent use.
type Client struct {
	// URL is the address of the function.
	URL string

	// Key is one of the function's API keys, if any.
	Key string

	// Token is a Google ID token for a deployment behind IAM, if any.
	//
	// Cloud Run docs: https://docs.cloud.google.com/run/docs/authenticating/service-to-service
	Token string

	// UserAgent is sent with each request.
	UserAgent string

	// HTTP makes the requests. The default has no timeout. Redirects are never
	// followed: the function makes none, and another host must not get the key.
	HTTP *http.Client
}

// Response is the function's response.
type Response struct {
	response.Response

	// Body is the response body as received.
	Body []byte
}

// Advice returns the retry advice of a response. For several recipients it is the one of
// the result that is most worth a retry.
func Advice(r *response.Response) code.Retry {
	if r.Retry != code.RetryPerItem {
		return r.Retry
	}
	best := code.RetryNever
	for _, item := range r.Results {
		switch advice := Advice(item); advice {
		case code.RetryNow, code.RetryLater:
			return advice
		case code.RetryAfterFix:
			best = advice
		}
	}
	return best
}

// Error reports that the function did not respond: the request failed, or
// another server responded. Its text contains no key, address or content.
type Error struct {
	// Status is that of another server's response, or 0.
	Status int

	// Retry is [code.RetryLater] or [code.RetryAfterFix].
	Retry code.Retry

	// RetryAfter is the time to wait before a retry, if another server gave one.
	RetryAfter time.Duration

	// Unsure means that the message may have been sent.
	Unsure bool

	// NoConnection means that no server is listening, or the host does not exist.
	NoConnection bool

	Detail string // what happened
	Action string // the next step, a sentence; may be empty

	Err error // nil unless the connection failed
}

func (e *Error) Error() string {
	if e.Err != nil {
		return e.Detail + ": " + e.Err.Error()
	}
	return e.Detail
}

func (e *Error) Unwrap() error { return e.Err }

// Local returns an HTTP client that calls h in this process.
func Local(h http.Handler) *http.Client { return &http.Client{Transport: localTransport{h}} }

type localTransport struct{ handler http.Handler }

func (t localTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	t.handler.ServeHTTP(w, r)
	return w.Result(), nil
}

// Check checks the settings of c.
func (c *Client) Check() error {
	_, err := c.address()
	return err
}

// Origin returns the scheme and host of the function. A path, which may be secret, adds
// its hash: several functions can share a host.
func (c *Client) Origin() string {
	u, err := url.Parse(strings.TrimSpace(c.URL))
	if err != nil {
		return ""
	}
	origin := u.Scheme + "://" + strings.ToLower(u.Host)
	if path := strings.Trim(u.Path, "/"); path != "" {
		sum := sha256.Sum256([]byte(path))
		origin += "/#" + hex.EncodeToString(sum[:4])
	}
	return origin
}

// Send posts a payload, with an idempotency key unless it is empty. A failure reported by
// the function is a [Response]; the error is an [*Error] if there was none. Repeating the
// call is safe with the same idempotency key, or if the error is not [Error.Unsure].
func (c *Client) Send(ctx context.Context, body []byte, contentType, idempotencyKey string) (*Response, error) {
	address, err := c.address()
	if err != nil {
		return nil, err
	}
	var written atomic.Bool
	trace := &httptrace.ClientTrace{WroteHeaders: func() { written.Store(true) }}
	req, err := http.NewRequestWithContext(httptrace.WithClientTrace(ctx, trace), http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return nil, invalidAddress("is malformed")
	}
	if err := c.authenticate(req.Header); err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", contentType)
	if idempotencyKey != "" {
		req.Header.Set("Idempotency-Key", `"`+strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(idempotencyKey)+`"`)
	}
	client := defaultClient
	if c.HTTP != nil {
		own := *c.HTTP
		own.CheckRedirect = defaultClient.CheckRedirect
		client = &own
	}
	res, err := client.Do(req)
	if err != nil {
		return nil, connectionError(err, written.Load())
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, maxBody))
	if err != nil {
		return nil, connectionError(err, true)
	}
	a := &Response{Body: text}
	wait := retryAfter(res.Header, time.Now())
	if err := json.Unmarshal(text, &a.Response); err == nil && a.Code != "" && a.Retry != "" && a.Status != 0 {
		a.RetryAfter = wait
		return a, nil
	}
	e := c.foreignResponse(res.StatusCode, res.Header, text)
	e.RetryAfter = wait
	return nil, e
}

// defaultClient has enough idle connections for many concurrent requests.
var defaultClient = &http.Client{
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	Transport: func() http.RoundTripper {
		t := http.DefaultTransport.(*http.Transport).Clone()
		t.MaxIdleConnsPerHost = 256
		return t
	}(),
}

// address returns the checked URL.
func (c *Client) address() (string, error) {
	given := strings.TrimSpace(c.URL)
	u, err := url.Parse(given)
	switch {
	case given != "" && !strings.Contains(given, "://"):
		return "", missingScheme(given)
	case err != nil || u.Host == "":
		return "", invalidAddress("must be a URL such as https://rcshook-abc.a.run.app")
	case u.Scheme != "https" && u.Scheme != "http":
		return "", invalidAddress("must start with https://")
	case u.User != nil:
		return "", invalidAddress("must not contain a user name or password: set the key separately")
	case u.RawQuery != "" || u.Fragment != "":
		return "", invalidAddress("must not contain ? or #")
	case u.Scheme == "http" && !isLocal(u.Hostname()) && (c.Key != "" || c.Token != ""):
		return "", invalidAddress("must start with https://, because http:// exposes the key to the network")
	}
	if u.Path == "" {
		u.Path = "/"
	}
	return u.String(), nil
}

// missingScheme suggests the scheme of an address such as localhost:8080. It does not
// quote an address that may contain a secret.
func missingScheme(given string) *Error {
	problem := "must start with http:// or https://"
	for _, scheme := range []string{"http://", "https://"} {
		if u, err := url.Parse(scheme + given); err == nil && u.Host != "" && !strings.Contains(given, ":/") && isLocal(u.Hostname()) == (scheme == "http://") && u.User == nil && u.RawQuery == "" && u.Fragment == "" {
			problem += ": write " + u.String()
		}
	}
	return invalidAddress(problem)
}

func invalidAddress(problem string) *Error {
	return &Error{
		Retry: code.RetryAfterFix, Detail: "the URL of the function " + problem,
		Action: "Use the URL that the deployment printed.",
	}
}

// isLocal reports whether a host is this machine or in its network.
func isLocal(host string) bool {
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.IsLoopback() || ip.IsPrivate() || ip.IsLinkLocalUnicast()
	}
	return !strings.Contains(host, ".") || strings.HasSuffix(host, ".localhost") || strings.HasSuffix(host, ".internal")
}

// authenticate sets the key and the token. If there are both, the token takes the header
// that Cloud Run checks.
func (c *Client) authenticate(h http.Header) error {
	if c.UserAgent != "" {
		h.Set("User-Agent", c.UserAgent)
	}
	for _, secret := range []string{c.Key, c.Token} {
		if strings.ContainsFunc(secret, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
			return &Error{
				Retry: code.RetryAfterFix, Detail: "the key or token contains a space or line break",
				Action: "Set one key, without surrounding text.",
			}
		}
	}
	switch {
	case c.Token != "":
		h.Set("Authorization", "Bearer "+c.Token)
		if c.Key != "" {
			h.Set("X-API-Key", c.Key)
		}
	case c.Key != "":
		h.Set("Authorization", "Bearer "+c.Key)
	}
	return nil
}

// connectionError explains a request without a response. A request whose headers were
// not written cannot have been processed.
func connectionError(err error, written bool) *Error {
	e := &Error{Retry: code.RetryLater, Unsure: written, Err: err}
	if u, ok := errors.AsType[*url.Error](err); ok {
		e.Err = u.Err // without the address
	}
	timeout, isNet := errors.AsType[net.Error](err)
	switch {
	case errors.Is(err, context.DeadlineExceeded) || isNet && timeout.Timeout():
		e.Detail = "timeout waiting for the response of the function"
	case errors.Is(err, context.Canceled):
		e.Detail = "canceled before the function responded"
		e.Err = nil
	case written:
		e.Detail = "the connection broke before the function responded"
	default:
		e.NoConnection = true
		e.Detail = "cannot connect to the function"
		e.Action = "Check the URL, and that the function is running."
	}
	if written {
		e.Action = "Retry with the same idempotency key: the message is sent once, even if this attempt succeeded."
	}
	return e
}

// foreignResponse explains the response of another server. It does not quote the text.
//
// Cloud Run docs: https://docs.cloud.google.com/run/docs/troubleshooting
func (c *Client) foreignResponse(status int, h http.Header, text []byte) *Error {
	e := &Error{Status: status, Retry: code.RetryAfterFix}
	cloudRun := strings.Contains(string(text), "Your client does not have permission") || h.Get("Server") == "Google Frontend"
	switch {
	case status >= 300 && status < 400:
		e.Detail = fmt.Sprintf("unexpected redirect (%d)", status)
		e.Action = "Use the URL of the function itself, with https://."
	case (status == http.StatusUnauthorized || status == http.StatusForbidden) && cloudRun:
		e.Detail = fmt.Sprintf("Cloud Run rejected the request before it reached the function (%d)", status)
		e.Action = "Send an ID token of an account with the role roles/run.invoker: gcloud auth print-identity-token prints one."
		if c.Token != "" {
			e.Action = "Grant the account of the ID token the role roles/run.invoker on the function, or get a new token: they expire after an hour."
		}
	case status == http.StatusTooManyRequests && cloudRun:
		e.Detail = "Cloud Run had no free instance (429)"
		e.Action = "Retry later with the same idempotency key. If it persists, raise --max-instances of the function, or send more slowly."
		e.Retry = code.RetryLater
	case status == http.StatusTooManyRequests, status >= http.StatusInternalServerError:
		e.Detail = fmt.Sprintf("a server in front of the function responded %d %s", status, http.StatusText(status))
		e.Action = "Retry later with the same idempotency key. If it persists, check the log of the function."
		e.Retry = code.RetryLater
		e.Unsure = status >= http.StatusInternalServerError
	default:
		e.Detail = fmt.Sprintf("the server at this URL is not rcshook (%d %s)", status, http.StatusText(status))
		e.Action = `Check the URL: GET returns {"name":"rcshook",...}.`
	}
	return e
}

// retryAfter parses the header: seconds or a date.
func retryAfter(h http.Header, now time.Time) time.Duration {
	value := h.Get("Retry-After")
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(at.Sub(now), 0)
	}
	return 0
}
