//go:build !playground

package platform

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"regexp"
	"strings"
	"syscall"
	"time"

	"golang.org/x/oauth2"

	"github.com/rcshook/rcshook/internal/google"
)

// Token is an access token.
type Token struct {
	Value        string
	QuotaProject string // is billed for calls with the credentials of a person
}

const (
	// tokenLead is how long before its end a token is renewed in the background.
	// Cloud Run keeps an idle instance for about 15 minutes, so an instance that
	// has a token is likely to get a request in this time.
	tokenLead = 20 * time.Minute

	// tokenMargin is the minimum remaining lifetime of a token in use: the request
	// takes time, and may be retried.
	tokenMargin = 30 * time.Second

	// defaultTokenLifetime applies if the response has no expires_in, or an absurd one.
	defaultTokenLifetime = 5 * time.Minute

	// maxTokenLifetime is the longest lifetime that Google gives a token, doubled.
	maxTokenLifetime = 24 * time.Hour
)

// FetchToken gets a token from the source that find returns, with one retry. Find and
// the source must send their requests with the client in their context. The error is
// a [*google.TokenError], [google.ErrTokenUnavailable] or a [*google.PanicError].
func (c *Client) FetchToken(ctx context.Context, find func(ctx context.Context) (oauth2.TokenSource, error)) (Token, google.Lease, error) {
	token, err := retryOnce(ctx, func(ctx context.Context) (*oauth2.Token, error) {
		transport := &boundTransport{ctx: ctx, base: c.Transport}
		client := context.WithValue(ctx, oauth2.HTTPClient, &http.Client{
			Transport: transport,
			// The assertion in the request is worth a token, so it is not sent elsewhere.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		})
		token, err := await(ctx, func() (*oauth2.Token, error) {
			source, err := find(client)
			if err != nil {
				return nil, err
			}
			return source.Token()
		})
		switch {
		case err != nil:
			return nil, tokenError(ctx, err, transport)
		case token.AccessToken == "":
			return nil, fmt.Errorf("%w: the response has no token", google.ErrTokenUnavailable)
		case strings.ContainsFunc(token.AccessToken, func(r rune) bool { return r <= ' ' || r > '~' }):
			return nil, fmt.Errorf("%w: the token is not valid in a header", google.ErrTokenUnavailable)
		}
		return token, nil
	})
	if err != nil {
		return Token{}, google.Lease{}, err
	}
	lifetime := defaultTokenLifetime
	// The library computes the end by the system clock. A huge expires_in overflows there.
	if left := time.Until(token.Expiry); left > 0 {
		lifetime = min(left, maxTokenLifetime)
	}
	now := c.Now()
	end := now.Add(lifetime)
	project, _ := token.Extra(quotaProjectKey).(string)
	return Token{token.AccessToken, project}, google.Lease{
		Since:   now,
		Refresh: end.Add(-min(tokenLead, lifetime/2)),
		End:     end.Add(-min(tokenMargin, lifetime/4)),
	}, nil
}

// TokenNotRenewed logs that a token could not be renewed and stays in use.
func (c *Client) TokenNotRenewed(err error, l google.Lease) google.Lease {
	c.Log.LogAttrs(context.Background(), slog.LevelWarn, "access token not renewed, the last one stays in use", slog.Any("cause", err))
	return l
}

// errorCode matches the codes of RFC 6749, which cannot quote the request.
var errorCode = regexp.MustCompile(`^[a-z_]+$`)

// maxErrorCode is far above the length of these codes.
const maxErrorCode = 40

// tokenError separates rejections by the token endpoint from transient failures. It
// keeps nothing of a response but its error code.
func tokenError(ctx context.Context, err error, transport *boundTransport) error {
	if e, ok := errors.AsType[*google.TokenError](err); ok {
		return e
	}
	if e, ok := errors.AsType[*google.PanicError](err); ok {
		return e
	}
	response, ok := errors.AsType[*oauth2.RetrieveError](err)
	if !ok || response.Response == nil {
		return fmt.Errorf("%w: %w", google.ErrTokenUnavailable, exchangeError(ctx, transport))
	}
	status := response.Response.StatusCode
	if status/100 != 4 || status == http.StatusTooManyRequests || status == http.StatusRequestTimeout {
		return fmt.Errorf("%w: HTTP %d", google.ErrTokenUnavailable, status)
	}
	var body struct {
		Error string `json:"error"`
	}
	// The library sets ErrorCode in other flows only.
	if json.Unmarshal(response.Body, &body) != nil || body.Error == "" {
		return fmt.Errorf("%w: HTTP %d without the error of a token endpoint", google.ErrTokenUnavailable, status)
	}
	if len(body.Error) > maxErrorCode || !errorCode.MatchString(body.Error) {
		body.Error = "token_refused"
	}
	return &google.TokenError{Code: body.Error, Status: status}
}

// exchangeError returns the cause of a failed exchange, without any part of a
// response. The library keeps only the text of the cause, so it comes from transport.
func exchangeError(ctx context.Context, transport *boundTransport) error {
	if ctx.Err() != nil {
		return errTimeout
	}
	cause := transport.err
	if dns, ok := errors.AsType[*net.DNSError](cause); ok && dns.IsNotFound {
		return errors.New("no such host")
	}
	if errors.Is(cause, syscall.ECONNREFUSED) || errors.Is(cause, syscall.Errno(10061)) { // WSAECONNREFUSED of Windows
		return errors.New("connection refused")
	}
	return errResponse
}

var errTimeout = errors.New("timeout")

// boundTransport makes requests end with ctx: the OAuth library passes neither a
// deadline nor a context. It also keeps the last error.
type boundTransport struct {
	ctx  context.Context
	base http.RoundTripper
	err  error
}

func (t *boundTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(t.ctx)
	// A header without a value is not sent. It makes net/http repeat the request on
	// a new connection if an idle one was dead, which is harmless here.
	r.Header["Idempotency-Key"] = nil
	res, err := t.base.RoundTrip(r)
	t.err = err
	return res, err
}

// await runs f, which does not observe ctx, and abandons it when ctx ends.
func await[T any](ctx context.Context, f func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		value, err := google.CatchPanic(f)
		done <- result{value, err}
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}

// retryDelay is the time between the two attempts of retryOnce.
const retryDelay = 100 * time.Millisecond

// retryOnce calls f, and once more if it fails with a transient error. Each call gets
// half of the time until the deadline of ctx.
func retryOnce[T any](ctx context.Context, f func(ctx context.Context) (T, error)) (T, error) {
	timeout := TokenTimeout
	if deadline, ok := ctx.Deadline(); ok {
		timeout = time.Until(deadline)
	}
	attempt := func() (T, error) {
		ctx, cancel := context.WithTimeout(ctx, timeout/2)
		defer cancel()
		return f(ctx)
	}
	value, err := attempt()
	if !errors.Is(err, google.ErrSecretUnavailable) && !errors.Is(err, google.ErrTokenUnavailable) {
		return value, err
	}
	timer := time.NewTimer(retryDelay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return attempt()
	case <-ctx.Done():
		return value, err
	}
}
