// Package client calls the HTTP interface of rcshook, as a deployment offers it to
// those who send messages.
package client

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
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

// maxAnswer bounds what is read of an answer: a dry run for a hundred recipients
// shows each of them a message of at most 250 KB.
const maxAnswer = 32 << 20

// Client calls one deployment. It may be used by many goroutines at once.
type Client struct {
	// URL is the address of the function, as GET / answers at it.
	URL string

	// Key is one of the function's API keys. Empty: none is sent.
	Key string

	// Token is an ID token of Google, which a deployment behind IAM asks for.
	// Empty: none is sent.
	//
	// Cloud Run docs: https://docs.cloud.google.com/run/docs/authenticating/service-to-service
	Token string

	// UserAgent names the program.
	UserAgent string

	// HTTP makes the requests. Redirects are never followed: the function makes
	// none, and the key is for nobody else. Nil means a client without a time
	// limit of its own.
	HTTP *http.Client
}

// Response is what the function said.
type Response struct {
	response.Response

	// Body is the answer as it came.
	Body []byte
}

// Check reports what is wrong with the settings of c, before anything is sent.
func (c *Client) Check() error {
	_, err := c.address()
	return err
}

// Send posts a payload, of the given content type, with an idempotency key unless
// it is empty. Whatever the function answers, a failure too, is an answer; the
// error is an [*Error] if none came from it. It is safe to send again with the same
// idempotency key, and with none only if the error is not [Error.Unsure].
func (c *Client) Send(ctx context.Context, body []byte, contentType, idempotencyKey string) (*Response, error) {
	address, err := c.address()
	if err != nil {
		return nil, err
	}
	var begun atomic.Bool
	trace := &httptrace.ClientTrace{WroteHeaders: func() { begun.Store(true) }}
	req, err := http.NewRequestWithContext(httptrace.WithClientTrace(ctx, trace), http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return nil, badAddress("is malformed")
	}
	if err := c.sign(req.Header); err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", contentType)
	if idempotencyKey != "" {
		req.Header.Set("Idempotency-Key", quote(idempotencyKey))
	}
	res, err := c.http().Do(req)
	if err != nil {
		return nil, lost(err, begun.Load())
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return nil, lost(err, true)
	}
	return c.read(res, text)
}

// address is the URL without what must not be sent or shown.
func (c *Client) address() (string, error) {
	given := strings.TrimSpace(c.URL)
	u, err := url.Parse(given)
	switch {
	case given != "" && !strings.Contains(given, "://"):
		return "", bare(given)
	case err != nil || u.Host == "":
		return "", badAddress("is no address such as https://rcshook-abc.a.run.app")
	case u.Scheme != "https" && u.Scheme != "http":
		return "", badAddress("must begin with https://")
	case u.User != nil:
		return "", badAddress("must not hold a name or password: give the key apart from it")
	case u.RawQuery != "" || u.Fragment != "":
		return "", badAddress("must end with the path, without ? and #")
	case u.Scheme == "http" && !near(u.Hostname()) && (c.Key != "" || c.Token != ""):
		return "", badAddress("must begin with https://, or anybody on the way could read the key")
	}
	if u.Path == "" {
		u.Path = "/"
	}
	return u.String(), nil
}

// bare is an address without its scheme, such as localhost:8080. It is shown as it
// should be, unless it may hold a secret.
func bare(given string) *Error {
	fault := "must begin with http:// or https://"
	for _, scheme := range []string{"http://", "https://"} {
		if u, err := url.Parse(scheme + given); err == nil && u.Host != "" && !strings.Contains(given, ":/") && near(u.Hostname()) == (scheme == "http://") && u.User == nil && u.RawQuery == "" && u.Fragment == "" {
			fault += ": write " + u.String()
		}
	}
	return badAddress(fault)
}

// near reports whether a host is this machine or in the same network.
func near(host string) bool {
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.IsLoopback() || ip.IsPrivate() || ip.IsLinkLocalUnicast()
	}
	return !strings.Contains(host, ".") || strings.HasSuffix(host, ".localhost") || strings.HasSuffix(host, ".internal")
}

// sign presents the key and the token. Where there are both, the token gets the
// header that Cloud Run looks at.
func (c *Client) sign(h http.Header) error {
	if c.UserAgent != "" {
		h.Set("User-Agent", c.UserAgent)
	}
	for _, secret := range []string{c.Key, c.Token} {
		if strings.ContainsFunc(secret, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
			return &Error{
				Retry: code.RetryAfterFix, Detail: "the key or token has a blank or line break in it",
				Action: "Give one key, without what stands around it.",
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

// quote writes a key as the IETF draft on the header Idempotency-Key has it.
func quote(key string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(key) + `"`
}

// shared has enough connections for many sends at once.
var shared = &http.Client{
	CheckRedirect: follow,

	Transport: func() http.RoundTripper {
		t := http.DefaultTransport.(*http.Transport).Clone() //nolint:errcheck // the standard library's own
		t.MaxIdleConnsPerHost = 256
		return t
	}(),
}

func follow(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

func (c *Client) http() *http.Client {
	if c.HTTP == nil {
		return shared
	}
	own := *c.HTTP
	own.CheckRedirect = follow
	return &own
}

// lost makes an error of a request that got no answer. What has not begun cannot
// have been done.
func lost(err error, begun bool) *Error {
	e := &Error{Retry: code.RetryLater, Unsure: begun, Err: cause(err)}
	switch {
	case errors.Is(err, context.DeadlineExceeded) || isTimeout(err):
		e.Detail = "the function did not answer in time"
	case errors.Is(err, context.Canceled):
		e.Detail = "stopped before the function answered"
		e.Err = nil
	case begun:
		e.Detail = "the connection broke before the function answered"
	default:
		e.Unreached = true
		e.Detail = "the function cannot be reached"
		e.Action = "Check the address, and that the function runs."
	}
	if begun {
		e.Action = "Send again with the same idempotency key: the message arrives once, whether or not this attempt got through."
	}
	return e
}

func isTimeout(err error) bool {
	timeout := net.Error(nil)
	return errors.As(err, &timeout) && timeout.Timeout()
}

// cause is err without the address, which stands in a [url.Error].
func cause(err error) error {
	if u := (*url.Error)(nil); errors.As(err, &u) {
		return u.Err
	}
	return err
}

// retryAfter reads the header: seconds, or a date.
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
