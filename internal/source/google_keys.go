//go:build !playground

package source

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/rcshook/rcshook/internal/standardwebhook"
)

const (
	googleIssuer = "https://accounts.google.com"
	googleHost   = "https://www.googleapis.com"
	googlePath   = "/oauth2/v3/certs"

	// notBeforeLeeway allows for clocks that differ, as go-oidc does.
	notBeforeLeeway = 5 * time.Minute
)

// GoogleTokens verifies ID tokens that Google issues to service accounts.
//
// Google docs: https://docs.cloud.google.com/docs/authentication/get-id-token
type GoogleTokens struct {
	keys     *googleKeys
	audience []string
	emails   []string
}

// NewGoogleTokens returns a verifier of tokens for one of the audiences and one of the
// accounts. Every Google service account can get a token for any audience, so only the
// email identifies the caller.
//
// Endpoint is the base URL of Google's public keys; empty means Google's own. They are
// fetched with transport when the first token arrives.
func NewGoogleTokens(endpoint string, transport http.RoundTripper, audience, emails []string) *GoogleTokens {
	return &GoogleTokens{newGoogleKeys(endpoint, transport), audience, emails}
}

// Verify verifies the token in the header Authorization. The error is
// [ErrUnauthorized], [ErrSignature], [ErrStale], [ErrKeys], or that of ctx.
func (g *GoogleTokens) Verify(ctx context.Context, h http.Header, now time.Time) error {
	_, err := g.Account(ctx, h, now)
	return err
}

// Account verifies a token as Verify does, and returns the email of its account.
func (g *GoogleTokens) Account(ctx context.Context, h http.Header, now time.Time) (email string, err error) {
	value, err := standardwebhook.Header(h, "Authorization")
	if err != nil {
		return "", err
	}
	scheme, raw, _ := strings.Cut(value, " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return "", standardwebhook.Errorf(ErrUnauthorized, "the header Authorization has no bearer token")
	}
	// The verifier checks the signature only. Its other errors have no types, so the
	// claims are checked below.
	check := &signatureCheck{keys: g.keys}
	verifier := oidc.NewVerifier(googleIssuer, check, &oidc.Config{SkipClientIDCheck: true, SkipExpiryCheck: true, SkipIssuerCheck: true})
	token, err := verifier.Verify(ctx, strings.TrimSpace(raw))
	var claims struct {
		Email     string  `json:"email"`
		Verified  bool    `json:"email_verified"`
		NotBefore float64 `json:"nbf"`
	}
	if err == nil {
		err = token.Claims(&claims)
	}
	switch {
	case err == nil:
	case ctx.Err() != nil:
		return "", ctx.Err()
	case errors.Is(check.err, ErrKeys):
		return "", ErrKeys
	case check.err != nil:
		return "", standardwebhook.Errorf(ErrSignature, "the token was not signed by Google")
	default:
		return "", standardwebhook.Errorf(ErrUnauthorized, "the bearer token is not an ID token")
	}
	switch {
	case token.Issuer != googleIssuer && "https://"+token.Issuer != googleIssuer:
		return "", standardwebhook.Errorf(ErrUnauthorized, "the token was not issued by Google")
	case token.Expiry.Before(now):
		return "", standardwebhook.Errorf(ErrStale, "the token has expired")
	case claims.NotBefore > float64(now.Add(notBeforeLeeway).Unix()):
		return "", standardwebhook.Errorf(ErrStale, "the token is not valid yet")
	case !slices.ContainsFunc(token.Audience, func(a string) bool { return slices.Contains(g.audience, a) }):
		return "", standardwebhook.Errorf(ErrUnauthorized, "the token has another audience")
	case !claims.Verified || !slices.Contains(g.emails, claims.Email):
		return "", standardwebhook.Errorf(ErrUnauthorized, "the account of this token is not allowed to call")
	}
	return claims.Email, nil
}

// signatureCheck keeps the error of its keys, which the verifier reduces to text.
type signatureCheck struct {
	keys *googleKeys
	err  error
}

func (c *signatureCheck) VerifySignature(ctx context.Context, jwt string) (claims []byte, err error) {
	claims, c.err = c.keys.VerifySignature(ctx, jwt)
	return claims, c.err
}

// googleKeys are Google's public keys. The key set caches them, and fetches them again
// when a token has an unknown key ID.
type googleKeys struct{ *oidc.RemoteKeySet }

func newGoogleKeys(endpoint string, transport http.RoundTripper) *googleKeys {
	if endpoint == "" {
		endpoint = googleHost
	}
	if transport == nil {
		transport = http.DefaultTransport
	}
	client := &http.Client{Transport: &keysTransport{base: transport}} // the timeout of a client has an error of its own
	return &googleKeys{oidc.NewRemoteKeySet(oidc.ClientContext(context.Background(), client), endpoint+googlePath)}
}

const (
	// The key set fetches whenever a token has an unknown key ID, and anyone can send such
	// tokens. So a response is reused for keysPause, and an error for keysErrorPause.
	keysPause      = 30 * time.Second
	keysErrorPause = time.Second

	maxKeys = 1 << 20
)

// keysTransport limits how often the keys are fetched. Its errors are [ErrKeys].
type keysTransport struct {
	base http.RoundTripper

	mu   sync.Mutex
	at   time.Time // of the last attempt
	body []byte    // of the last response
	err  error     // of the last attempt
}

func (t *keysTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	pause := keysPause
	if t.err != nil {
		pause = keysErrorPause
	}
	if t.at.IsZero() || time.Since(t.at) > pause {
		body, err := t.fetch(r)
		if t.at, t.err = time.Now(), err; err == nil {
			t.body = body
		}
	}
	if t.err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKeys, t.err)
	}
	return &http.Response{
		StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(bytes.NewReader(t.body)),
	}, nil
}

func (t *keysTransport) fetch(r *http.Request) ([]byte, error) {
	ctx, cancel := context.WithTimeout(r.Context(), keysTimeout)
	defer cancel()
	res, err := t.base.RoundTrip(r.WithContext(ctx))
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxKeys))
	if err != nil || res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("HTTP %d", res.StatusCode)
	}
	var set struct {
		Keys []struct{} `json:"keys"`
	}
	if err := json.Unmarshal(body, &set); err != nil {
		return nil, err
	}
	if len(set.Keys) == 0 {
		return nil, errors.New("the response contains no keys") // another server may have sent it
	}
	return body, nil
}
