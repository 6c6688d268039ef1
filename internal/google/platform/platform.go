//go:build !playground

package platform

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"

	secretmanager "cloud.google.com/go/secretmanager/apiv1"

	"github.com/rcshook/rcshook/internal/google"
)

// Client calls APIs of Google Cloud. As an [http.RoundTripper] it adds the access
// token of the function's account. It is safe for concurrent use.
type Client struct {
	Options

	token   *google.Cached[Token]
	manager func() (*secretmanager.Client, error)
	http    *http.Client
}

// New returns a client. It does no I/O.
func New(o Options) *Client {
	if o.Transport == nil {
		o.Transport = http.DefaultTransport
	}
	c := &Client{Options: o}
	c.Scope = cmp.Or(c.Scope, scope)
	c.token = &google.Cached[Token]{
		Background: o.Background, Now: o.Now, Timeout: TokenTimeout, OnError: c.TokenNotRenewed,
		Fetch: func(ctx context.Context) (Token, google.Lease, error) { return c.DefaultToken(ctx, c.Scope) },
	}
	c.manager = sync.OnceValues(c.newManager)
	c.http = &http.Client{
		Transport: c,
		// The token is for the API that was called, not for the target of a redirect.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return c
}

// RoundTrip implements [http.RoundTripper]. After a response of 401 it sends the request
// once more with a new token, because the token may have been revoked.
func (c *Client) RoundTrip(r *http.Request) (*http.Response, error) {
	for again := false; ; again = true {
		token, err := c.token.Get(r.Context())
		if err != nil {
			return nil, err
		}
		r = r.Clone(r.Context())
		r.Header.Set("Authorization", "Bearer "+token.Value)
		if token.QuotaProject != "" {
			r.Header.Set("X-Goog-User-Project", token.QuotaProject)
		}
		if again && r.GetBody != nil {
			if r.Body, err = r.GetBody(); err != nil {
				return nil, err
			}
		}
		res, err := c.Transport.RoundTrip(r)
		if err != nil || res.StatusCode != http.StatusUnauthorized {
			return res, err
		}
		if current, _ := c.token.Current(); current == token {
			c.token.Reset()
		}
		if again || r.Body != nil && r.GetBody == nil {
			return res, nil
		}
		res.Body.Close()
	}
}

// Ready waits for the token. Callers use it to tell errors of the credentials from
// those of an API. The error is a [*google.SecretError] without a resource.
func (c *Client) Ready(ctx context.Context) error {
	if _, err := c.token.Get(ctx); err != nil {
		return credentialsError("", err)
	}
	return nil
}

// maxResponse limits the body of a response, in bytes.
const maxResponse = 4 << 20

// Call sends a request with in as its JSON body, and decodes the JSON response into
// out; both may be nil. The error is a [*google.APIError], or an error without any
// part of the response.
func (c *Client) Call(ctx context.Context, method, url string, in, out any) error {
	var body io.Reader
	if in != nil {
		encoded, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(encoded)
	}
	r, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		return err
	}
	if in != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	res, err := c.http.Do(r)
	if err != nil {
		return transportError(err)
	}
	defer res.Body.Close()
	response, err := io.ReadAll(io.LimitReader(res.Body, maxResponse))
	switch {
	case res.StatusCode/100 != 2:
		return google.ParseAPIError(res.StatusCode, response)
	case err != nil:
		return transportError(err)
	case out != nil && json.Unmarshal(response, out) != nil:
		return errResponse
	}
	return nil
}

var errResponse = errors.New("the response is invalid")

// transportError returns the part of err that cannot contain the response: net/http quotes
// a malformed one.
func transportError(err error) error {
	e, ok := errors.AsType[*url.Error](err)
	if !ok {
		return errResponse
	}
	_, isNet := errors.AsType[net.Error](e.Err)
	_, isTLS := errors.AsType[*tls.CertificateVerificationError](e.Err)
	if isNet || isTLS || errors.Is(err, google.ErrTokenUnavailable) || errors.Is(err, google.ErrWaiting) {
		return fmt.Errorf("%s: %w", e.Op, e.Err)
	}
	return fmt.Errorf("%s: %w", e.Op, errResponse)
}
