package rbm

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
)

// The methods, by their names in the reference.
const (
	methodSend         = "phones.agentMessages.create"
	methodRevoke       = "phones.agentMessages.delete"
	methodEvent        = "phones.agentEvents.create"
	methodCapabilities = "phones.getCapabilities"
	methodBatchGet     = "users.batchGet"
	methodCreateFile   = "files.create"
	methodTester       = "phones.testers.create"
	methodDialogflow   = "phones.dialogflowMessages.create"
)

// A call is one call of a method, which may take several requests.
type call struct {
	method string
	verb   string
	url    string
	body   []byte        // nil for none
	media  string        // the type of body; empty means JSON
	extra  time.Duration // for an attempt that takes longer than others

	// fresh asks for a new request ID in the URL of each attempt. The platform
	// ignores a request whose ID it knows, and does not say what it answers then.
	fresh bool

	// once says that a second request could do something twice.
	once bool
}

// do makes the call and decodes the answer into dst, a pointer to a struct; nil
// if only success matters.
func (c *Client) do(ctx context.Context, k call, dst any) error {
	attempt := func(n int) error { return c.attempt(ctx, k, n, dst) }
	if k.once {
		if err := c.hold(ctx, k.method); err != nil {
			return err
		}
		return attempt(1)
	}
	return c.repeat(ctx, k.method, attempt)
}

// repeat makes attempts until one succeeds or there is no point in another.
func (c *Client) repeat(ctx context.Context, method string, attempt func(n int) error) error {
	var failure *Error
	for n := 1; ; n++ {
		if err := c.hold(ctx, method); err != nil && failure != nil {
			return unrepeated(ctx, failure)
		} else if err != nil {
			return err
		}
		err := attempt(n)
		if !errors.As(err, &failure) {
			return err
		}
		pause, again := c.retry.pause(ctx, failure, n)
		if !again {
			return failure
		}
		if wait(ctx, pause) != nil {
			return unrepeated(ctx, failure)
		}
	}
}

// unrepeated is the error of a call whose next attempt was not made: the failure that is
// known, together with the end of ctx if it is that which came between.
func unrepeated(ctx context.Context, failure *Error) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%w; not tried again: %w", failure, err)
	}
	return failure
}

// hold waits until an attempt may begin.
func (c *Client) hold(ctx context.Context, method string) error {
	if c.wait == nil {
		return nil
	}
	if err := c.wait(ctx); err != nil {
		return fmt.Errorf("rbm: %s: wait: %w", method, err)
	}
	return nil
}

func (c *Client) attempt(ctx context.Context, k call, n int, dst any) error {
	ctx, cancel := context.WithTimeout(ctx, c.retry.AttemptTimeout+k.extra)
	defer cancel()
	req, err := k.request(ctx)
	if err != nil {
		return err
	}
	return c.roundTrip(req, k.method, n, func(resp *http.Response, body []byte) error {
		switch {
		case resp.StatusCode < 200 || resp.StatusCode > 299:
			return errorOf(resp, body)
		case dst == nil:
			return nil
		}
		return decodeResponse(body, dst)
	})
}

func (k *call) request(ctx context.Context) (*http.Request, error) {
	target := k.url
	if k.fresh {
		target += "&requestId=" + uuid.NewString()
	}
	var body io.Reader
	if k.body != nil {
		body = bytes.NewReader(k.body)
	}
	req, err := http.NewRequestWithContext(ctx, k.verb, target, body)
	if err != nil {
		return nil, fmt.Errorf("rbm: %s: the URL cannot be used", k.method)
	}
	if k.body != nil {
		req.Header.Set("Content-Type", cmp.Or(k.media, "application/json"))
	}
	if !k.once {
		replayable(req)
	}
	return req, nil
}

// replayable lets net/http send req again by itself if the connection that it
// chose from its pool turns out to be closed, as most are after a serverless
// process was frozen. That is safe for what is safe to repeat: the platform ignores
// a second message or event with the ID of the first. net/http looks for this key
// and does not send a header without a value.
func replayable(req *http.Request) { req.Header["Idempotency-Key"] = nil }

// watchResent watches whether net/http sends req again by itself: it then asks for the
// body once more, or, if there is none, writes the headers once more.
func watchResent(req *http.Request) (watched *http.Request, resent func() bool) {
	if again := req.GetBody; again != nil {
		asked := false
		req.GetBody = func() (io.ReadCloser, error) {
			asked = true
			return again()
		}
		return req, func() bool { return asked }
	}
	var written atomic.Int32
	trace := &httptrace.ClientTrace{WroteHeaders: func() { written.Add(1) }}
	return req.WithContext(httptrace.WithClientTrace(req.Context(), trace)), func() bool { return written.Load() > 1 }
}

// roundTrip makes attempt n of a method: it authorises req, sends it, and hands
// the answer to accept, whose error it completes.
func (c *Client) roundTrip(req *http.Request, method string, n int, accept func(*http.Response, []byte) error) error {
	start := time.Now()
	req, wasResent := watchResent(req)
	status, unsent, err := c.exchange(req, method, accept)
	var failure *Error
	if errors.As(err, &failure) {
		failure.Method, failure.Attempts = method, n
	}
	if c.observe != nil {
		resent := wasResent()
		c.observe(Attempt{Method: method, Number: n, StatusCode: status, Err: err, Duration: time.Since(start), Resent: resent, Unsent: unsent && !resent})
	}
	return err
}

// exchange makes one request. Unsent says that it did not leave.
func (c *Client) exchange(req *http.Request, method string, accept func(*http.Response, []byte) error) (status int, unsent bool, err error) {
	req.Header.Set("User-Agent", c.userAgent)
	if c.token != nil {
		token, err := c.token(req.Context())
		if err != nil {
			return 0, true, fmt.Errorf("rbm: %s: token: %w", method, err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := c.transport.RoundTrip(req)
	if err != nil {
		return 0, notConnected(err), &Error{Err: withoutURL(err)}
	}
	body, err := readAnswer(resp)
	if err != nil && resp.StatusCode < 500 && resp.StatusCode != http.StatusTooManyRequests {
		return resp.StatusCode, false, &Error{StatusCode: resp.StatusCode, Err: err} // half an answer is none
	}
	err = accept(resp, body)
	var failure *Error
	if err != nil && !errors.As(err, &failure) {
		err = &Error{StatusCode: resp.StatusCode, Err: err}
	}
	return resp.StatusCode, false, err
}

// notConnected reports whether there was no connection to send anything on.
func notConnected(err error) bool {
	var dial *net.OpError
	return errors.As(err, &dial) && dial.Op == "dial"
}

// withoutURL takes the URL off an error of an HTTP client: it holds a phone number.
func withoutURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}
