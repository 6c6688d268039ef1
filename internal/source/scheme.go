package source

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/standardwebhook"
)

// The ways in which a request can fail to prove its sender.
var (
	ErrUnauthorized = standardwebhook.ErrUnauthorized
	ErrSignature    = standardwebhook.ErrSignature
	ErrStale        = standardwebhook.ErrStale
)

// A scheme is a way to prove who sends a request.
type scheme interface {
	// verify returns nil if one of the secrets proves the request. The error is
	// [ErrSignature], [ErrStale] or [ErrUnauthorized]; its text is for the sender.
	verify(ctx context.Context, r *Request, secrets [][]byte, now time.Time) error

	// sign adds to r what a sender with the secret would add.
	sign(r *Request, secret []byte, now time.Time) error

	// pair makes what a receiver and a sender need: the same secret, or a public
	// and a private key.
	pair() (receiver, sender []byte)

	// usable tells what is wrong with a secret, without it.
	usable(secret []byte) error
}

// environment is what schemes know of the world around.
type environment struct {
	url      string // public address of the source
	audience []string
	emails   []string
	keys     *googleKeys
}

// defaultTolerance is how far a timestamp may be from now, either way.
const defaultTolerance = 5 * time.Minute

// newScheme returns the scheme that s describes. Faults are about s.
func newScheme(s config.Scheme, env environment) (scheme, []config.Problem) {
	switch s.Type {
	case "token":
		return newToken(s)
	case "basic":
		return basic{}, only(s, "basic")
	case "signature":
		return newSignature(s, env.url)
	case "standard-webhooks":
		return standard{within(s)}, only(s, "standard-webhooks", "tolerance")
	case "twilio":
		return twilio{env.url}, only(s, "twilio")
	case "google-oidc":
		return &google{keys: env.keys, audience: env.audience, emails: env.emails}, only(s, "google-oidc")
	}
	at := s.At.Of("type")
	if s.Type == "" {
		return nil, []config.Problem{at.Problemf("is missing: write one of %s", strings.Join(schemeTypes, ", "))}
	}
	return nil, []config.Problem{at.Problemf("must be one of %s", strings.Join(schemeTypes, ", "))}
}

var schemeTypes = []string{"token", "basic", "signature", "standard-webhooks", "twilio", "google-oidc"}

func within(s config.Scheme) time.Duration {
	if s.Tolerance > 0 {
		return s.Tolerance
	}
	return defaultTolerance
}

// only finds fields that a type of scheme does not have.
func only(s config.Scheme, kind string, fields ...string) (faults []config.Problem) {
	for _, set := range []struct {
		name string
		is   bool
	}{
		{"header", s.Header != nil},
		{"prefix", s.Prefix != ""},
		{"separator", s.Separator != ""},
		{"algorithm", s.Algorithm != ""},
		{"encoding", s.Encoding != ""},
		{"key", s.Key != ""},
		{"content", s.Content != ""},
		{"timestamp_header", s.TimestampHeader != ""},
		{"timestamp_prefix", s.TimestampPrefix != ""},
		{"timestamp_unit", s.TimestampUnit != ""},
		{"tolerance", s.Tolerance != 0},
	} {
		if set.is && !slices.Contains(fields, set.name) {
			faults = append(faults, s.At.Of(set.name).Problemf("has no meaning for the type %s", kind))
		}
	}
	return faults
}

// firstOf returns the name of the first of the headers that is there, or the first.
func firstOf(h http.Header, names []string) string {
	for _, name := range names {
		if h.Get(name) != "" {
			return name
		}
	}
	return names[0]
}

// standard is the scheme of Standard Webhooks.
type standard struct{ tolerance time.Duration }

func (s standard) verify(_ context.Context, r *Request, secrets [][]byte, now time.Time) error {
	return standardwebhook.Verify(r.Header, r.Body, secrets, now, s.tolerance)
}

func (standard) sign(r *Request, secret []byte, now time.Time) error {
	return standardwebhook.Sign(r.Header, r.Body, secret, now)
}

func (standard) pair() (receiver, sender []byte) { return same(string(standardwebhook.NewSecret())) }
func (standard) usable(secret []byte) error      { return standardwebhook.CheckSecret(secret) }
