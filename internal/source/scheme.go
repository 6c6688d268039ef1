package source

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/rcshook/rcshook/internal/config"
)

// The ways in which a request can fail to prove who sent it. A request without any
// proof is [ErrUnauthorized].
var (
	// ErrSignature means that no signature fits the request and a secret.
	ErrSignature = errors.New("the signature does not fit")

	// ErrStale means that a signature fits and is too old, or from the future.
	ErrStale = errors.New("the signature is too old")
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
func newScheme(s config.Scheme, env environment) (scheme, []config.Fault) {
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
		return nil, []config.Fault{at.Fault("is missing: write one of %s", strings.Join(schemeTypes, ", "))}
	}
	return nil, []config.Fault{at.Fault("must be one of %s", strings.Join(schemeTypes, ", "))}
}

var schemeTypes = []string{"token", "basic", "signature", "standard-webhooks", "twilio", "google-oidc"}

func within(s config.Scheme) time.Duration {
	if s.Tolerance > 0 {
		return s.Tolerance
	}
	return defaultTolerance
}

// only finds fields that a type of scheme does not have.
func only(s config.Scheme, kind string, fields ...string) (faults []config.Fault) {
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
			faults = append(faults, s.At.Of(set.name).Fault("has no meaning for the type %s", kind))
		}
	}
	return faults
}

// A refusal says why a request is not let in. Its text is for the sender and
// quotes nothing of the request.
type refusal struct {
	kind error
	text string
}

func refuse(kind error, format string, args ...any) error {
	return &refusal{kind, fmt.Sprintf(format, args...)}
}

func (e *refusal) Error() string { return e.text }
func (e *refusal) Unwrap() error { return e.kind }

// one returns the only value of a header. One that is sent twice could be read in
// two ways.
func one(h http.Header, name string) (string, error) {
	switch values := h.Values(name); {
	case len(values) == 0 || len(values) == 1 && strings.TrimSpace(values[0]) == "":
		return "", refuse(ErrUnauthorized, "the request has no header %s", name)
	case len(values) > 1:
		return "", refuse(ErrUnauthorized, "the request has the header %s %d times", name, len(values))
	default:
		return strings.TrimSpace(values[0]), nil
	}
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

// timely checks that a timestamp is near enough to now.
func timely(at, now time.Time, tolerance time.Duration) error {
	switch age := now.Sub(at); {
	case age > tolerance:
		return refuse(ErrStale, "the signature is %s old; at most %s is allowed", age.Round(time.Second), tolerance)
	case age < -tolerance:
		return refuse(ErrStale, "the signature is from %s in the future; at most %s is allowed", (-age).Round(time.Second), tolerance)
	}
	return nil
}
