package rbm

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
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

// call is one call of a method, which may take several requests.
type call struct {
	method string
	verb   string
	url    string
	body   []byte        // nil for none
	media  string        // content type of body; empty means JSON
	extra  time.Duration // added to the timeout of an attempt

	// check returns an error if a response is not the response to this call. It may be
	// nil.
	check func(value) error

	// fresh adds a new request ID to the URL of each attempt. The platform ignores a
	// request ID that it knows, and does not document its response then.
	fresh bool

	// once forbids a second request, because it could do something twice.
	once bool
}

// do makes the call and decodes the response into a new T.
func do[T any](ctx context.Context, c *Client, k call) (*T, error) {
	v, err := c.call(ctx, k)
	if err != nil {
		return nil, err
	}
	result := new(T)
	v.fill(result)
	return result, nil
}

// call makes the call and returns the response.
func (c *Client) call(ctx context.Context, k call) (response value, err error) {
	attempt := func(n int) (err error) {
		response, err = c.attempt(ctx, k, n)
		return err
	}
	if !k.once {
		err = c.retryCall(ctx, k.method, attempt)
	} else if err = c.beforeAttempt(ctx, k.method); err == nil {
		err = attempt(1)
	}
	return response, err
}

// retryCall makes attempts until one succeeds or another one cannot help.
func (c *Client) retryCall(ctx context.Context, method string, attempt func(n int) error) error {
	var last *Error
	for n := 1; ; n++ {
		if err := c.beforeAttempt(ctx, method); err != nil && last == nil {
			return err
		} else if err != nil {
			return withContextError(ctx, last)
		}
		err := attempt(n)
		failed, ok := errors.AsType[*Error](err)
		if !ok {
			return err
		}
		last = failed
		pause, retry := c.retry.pause(ctx, last, n)
		if !retry {
			return last
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return withContextError(ctx, last)
		case <-timer.C:
		}
	}
}

// withContextError adds the error of ctx, if it has ended, to the error of the last
// attempt.
func withContextError(ctx context.Context, last *Error) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%w; not retried: %w", last, err)
	}
	return last
}

func (c *Client) beforeAttempt(ctx context.Context, method string) error {
	if c.wait == nil {
		return nil
	}
	if err := c.wait(ctx); err != nil {
		return fmt.Errorf("rbm: %s: wait: %w", method, err)
	}
	return nil
}

// pause returns the pause after attempt n, which failed with e, and whether to retry.
// The pause is the delay that the platform requested plus a random part, so that
// clients that got the same delay do not retry together.
func (r Retry) pause(ctx context.Context, e *Error, n int) (time.Duration, bool) {
	if n >= r.MaxAttempts || !e.temporary() || ctx.Err() != nil {
		return 0, false
	}
	if e.UnknownAgent() && n > 1 {
		return 0, false // a second 403 is not transient
	}
	random := r.BaseDelay
	for range n - 1 {
		random = min(2*random, r.MaxDelay)
	}
	random = min(random, r.MaxDelay)
	room := time.Minute // without a deadline, a longer delay is left to the caller
	if deadline, ok := ctx.Deadline(); ok {
		const minAttempt = 100 * time.Millisecond // a shorter attempt cannot succeed
		room = time.Until(deadline) - min(minAttempt, r.AttemptTimeout)
	}
	if e.RetryAfter > room || room <= 0 {
		return 0, false
	}
	return e.RetryAfter + rand.N(min(random, room-e.RetryAfter)+1), true
}

func (c *Client) attempt(ctx context.Context, k call, n int) (response value, err error) {
	ctx, cancel := context.WithTimeout(ctx, c.retry.AttemptTimeout+k.extra)
	defer cancel()
	req, err := k.request(ctx)
	if err != nil {
		return value{}, err
	}
	err = c.roundTrip(req, k.method, n, func(resp *http.Response, body []byte) (err error) {
		if resp.StatusCode < 200 || resp.StatusCode > 299 {
			return errorFrom(resp, body)
		}
		if response, err = readResponse(body); err != nil || k.check == nil {
			return err
		}
		return k.check(response)
	})
	return response, err
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
		return nil, fmt.Errorf("rbm: %s: invalid URL", k.method)
	}
	if k.body != nil {
		req.Header.Set("Content-Type", cmp.Or(k.media, "application/json"))
	}
	if !k.once {
		// net/http looks for this key and does not send a header without a value. It
		// then resends the request if the pooled connection turns out to be closed,
		// as most are after a serverless process was frozen. The platform ignores a
		// second message or event with the same ID.
		req.Header["Idempotency-Key"] = nil
	}
	return req, nil
}

// traceResent returns a request and a function that reports whether net/http sent it
// more than once: it then called GetBody or, without a body, wrote the headers again.
func traceResent(req *http.Request) (traced *http.Request, resent func() bool) {
	if getBody := req.GetBody; getBody != nil {
		called := false
		req.GetBody = func() (io.ReadCloser, error) {
			called = true
			return getBody()
		}
		return req, func() bool { return called }
	}
	var written atomic.Int32
	trace := &httptrace.ClientTrace{WroteHeaders: func() { written.Add(1) }}
	return req.WithContext(httptrace.WithClientTrace(req.Context(), trace)), func() bool { return written.Load() > 1 }
}

// roundTrip makes attempt n of a method. It passes the response to accept and adds the
// method and the attempt to its error.
func (c *Client) roundTrip(req *http.Request, method string, n int, accept func(*http.Response, []byte) error) error {
	start := time.Now()
	req, wasResent := traceResent(req)
	status, unsent, err := c.exchange(req, method, accept)
	if e, ok := errors.AsType[*Error](err); ok {
		e.Method, e.Attempts = method, n
	}
	if c.observe != nil {
		resent := wasResent()
		c.observe(Attempt{Method: method, Number: n, StatusCode: status, Err: err, Duration: time.Since(start), Resent: resent, Unsent: unsent && !resent})
	}
	return err
}

// exchange authorizes and makes one request. unsent reports that it was never sent.
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
		dial, ok := errors.AsType[*net.OpError](err)
		if u, ok := errors.AsType[*url.Error](err); ok {
			err = u.Err // the URL contains a phone number
		}
		return 0, ok && dial.Op == "dial", &Error{Err: err}
	}
	body, err := readBody(resp)
	if err != nil && resp.StatusCode/100 != 5 && resp.StatusCode != http.StatusTooManyRequests {
		return resp.StatusCode, false, &Error{StatusCode: resp.StatusCode, Err: err} // a truncated response is a failed attempt
	}
	err = accept(resp, body)
	if _, ok := errors.AsType[*Error](err); err != nil && !ok {
		err = &Error{StatusCode: resp.StatusCode, Err: err}
	}
	return resp.StatusCode, false, err
}

// readBody reads the whole body, so that the connection can be reused, up to a limit
// above the largest response: the reachable ones of 10,000 users, twice.
func readBody(resp *http.Response) ([]byte, error) {
	const limit = 1 << 20
	defer resp.Body.Close()
	var data bytes.Buffer
	data.Grow(int(min(max(resp.ContentLength, 0), limit)) + bytes.MinRead) // otherwise the buffer grows once more at the end
	_, err := data.ReadFrom(io.LimitReader(resp.Body, limit+1))
	if err == nil && data.Len() > limit {
		err = errUnreadable
	}
	return data.Bytes(), err
}
