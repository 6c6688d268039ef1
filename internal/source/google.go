package source

import (
	"bytes"
	"context"
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

// ErrKeys means that Google's public keys cannot be had, so that a token can be
// neither believed nor refused.
var ErrKeys = errors.New("the public keys of Google cannot be fetched")

const (
	googleIssuer = "https://accounts.google.com"
	googleHost   = "https://www.googleapis.com"
	googlePath   = "/oauth2/v3/certs"
)

// GoogleTokens checks ID tokens that Google signs for service accounts.
//
// Google docs: https://docs.cloud.google.com/docs/authentication/get-id-token
type GoogleTokens struct {
	keys     *googleKeys
	audience []string
	emails   []string
}

// NewGoogleTokens returns a check for tokens that are for one of the audiences and
// of one of the accounts. Any service account of anybody can have a token for any
// audience, so it is the email that tells callers apart.
//
// Endpoint is another base URL for Google's keys; empty means Google's. They are
// fetched with transport when the first token comes.
func NewGoogleTokens(endpoint string, transport http.RoundTripper, audience, emails []string) *GoogleTokens {
	return &GoogleTokens{newGoogleKeys(endpoint, transport), audience, emails}
}

// Verify checks the token in the header Authorization. The error is
// [ErrUnauthorized], [ErrSignature], [ErrStale], [ErrKeys], or that of ctx.
func (g *GoogleTokens) Verify(ctx context.Context, h http.Header, now time.Time) error {
	return (&google{g.keys, g.audience, g.emails}).verify(ctx, &Request{Header: h}, nil, now)
}

// IsToken reports whether the bearer token of h has the form of an ID token, so
// that it is no API key.
func IsToken(h http.Header) bool {
	_, raw, _ := strings.Cut(h.Get("Authorization"), " ")
	return strings.HasPrefix(raw, "ey") && strings.Count(raw, ".") == 2
}

// google is the scheme of Cloud Tasks, Cloud Scheduler and Pub/Sub.
type google struct {
	keys     *googleKeys
	audience []string
	emails   []string
}

func (g *google) verify(ctx context.Context, r *Request, _ [][]byte, now time.Time) error {
	value, err := standardwebhook.Header(r.Header, "Authorization")
	if err != nil {
		return err
	}
	scheme, raw, _ := strings.Cut(value, " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return standardwebhook.Errorf(ErrUnauthorized, "the header Authorization holds no bearer token")
	}
	token, err := g.keys.verifier(now).Verify(ctx, strings.TrimSpace(raw))
	if err != nil {
		return g.refusal(ctx, err)
	}
	var claims struct {
		Email    string `json:"email"`
		Verified bool   `json:"email_verified"`
	}
	if err := token.Claims(&claims); err != nil {
		return standardwebhook.Errorf(ErrUnauthorized, "the claims of the token cannot be read")
	}
	known := func(audience string) bool { return slices.Contains(g.audience, audience) }
	switch {
	case !slices.ContainsFunc(token.Audience, known):
		return standardwebhook.Errorf(ErrUnauthorized, "the token is for another audience")
	case !claims.Verified || !slices.Contains(g.emails, claims.Email):
		return standardwebhook.Errorf(ErrUnauthorized, "the token is of an account that may not call")
	}
	return nil
}

// refusal sorts the library's errors, which it mostly makes of text. It goes by how they
// begin: later on they quote the token, and so whatever a stranger wrote into one.
func (g *google) refusal(ctx context.Context, err error) error {
	expired := (*oidc.TokenExpiredError)(nil)
	begins := func(with string) bool { return strings.HasPrefix(err.Error(), with) }
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &expired):
		return standardwebhook.Errorf(ErrStale, "the token has expired")
	case begins("failed to verify signature: fetching keys"):
		return ErrKeys
	case begins("oidc: id token issued by a different provider"):
		return standardwebhook.Errorf(ErrUnauthorized, "the token is not one of Google's")
	case begins("oidc: malformed jwt"):
		return standardwebhook.Errorf(ErrUnauthorized, "the bearer token is no ID token")
	case begins("oidc: current time"):
		return standardwebhook.Errorf(ErrStale, "the token is not valid yet")
	default:
		return standardwebhook.Errorf(ErrSignature, "the signature of the token is not Google's")
	}
}

func (*google) pair() (receiver, sender []byte) { return nil, nil }
func (*google) usable([]byte) error             { return nil }

func (*google) sign(*Request, []byte, time.Time) error {
	return errors.New("only Google signs ID tokens")
}

// googleKeys are Google's public keys. A key set of the library keeps them, and
// fetches them again when a token names a key that it does not know.
type googleKeys struct {
	set *oidc.RemoteKeySet
}

func newGoogleKeys(endpoint string, transport http.RoundTripper) *googleKeys {
	if endpoint == "" {
		endpoint = googleHost
	}
	if transport == nil {
		transport = http.DefaultTransport
	}
	client := &http.Client{Transport: &sparing{base: transport}, Timeout: keysPatience}
	return &googleKeys{oidc.NewRemoteKeySet(oidc.ClientContext(context.Background(), client), endpoint+googlePath)}
}

func (k *googleKeys) verifier(now time.Time) *oidc.IDTokenVerifier {
	return oidc.NewVerifier(googleIssuer, k.set, &oidc.Config{
		SkipClientIDCheck: true, // there may be several; see above
		Now:               func() time.Time { return now },
	})
}

const (
	keysPatience = 3 * time.Second

	// keysPause is how long a fetched answer is used again, and a failure not
	// followed by another attempt: anybody can make up tokens of unknown keys,
	// and each makes the library fetch.
	keysPause        = 30 * time.Second
	keysFailurePause = time.Second

	maxKeys = 1 << 20
)

// sparing fetches one document, and not too often.
type sparing struct {
	base http.RoundTripper

	mu      sync.Mutex
	at      time.Time // of the last attempt
	body    []byte    // of the last answer
	failure error     // of the last attempt
}

func (s *sparing) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	since := time.Since(s.at)
	if s.at.IsZero() || s.failure == nil && since > keysPause || s.failure != nil && since > keysFailurePause {
		body, err := s.fetch(r)
		if s.failure = err; err == nil {
			s.body = body
		}
		s.at = time.Now()
	}
	if s.failure != nil {
		return nil, s.failure
	}
	return &http.Response{
		StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(bytes.NewReader(s.body)),
	}, nil
}

func (s *sparing) fetch(r *http.Request) ([]byte, error) {
	res, err := s.base.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxKeys))
	if err != nil || res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("HTTP %d", res.StatusCode)
	}
	return body, nil
}
