package source

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/standardwebhook"
)

// The reasons to reject a request, which are those of package standardwebhook.
var (
	ErrUnauthorized = standardwebhook.ErrUnauthorized
	ErrSignature    = standardwebhook.ErrSignature
	ErrStale        = standardwebhook.ErrStale
)

// A scheme is a way in which senders authenticate.
type scheme interface {
	// verify returns nil if r is authentic by one of the secrets. The error is
	// [ErrUnauthorized], [ErrSignature] or [ErrStale]; its text is for the sender.
	verify(ctx context.Context, r *Request, secrets [][]byte, now time.Time) error

	// sign adds what a sender with that secret adds to r.
	sign(r *Request, secret []byte, now time.Time) error

	// hidden returns the headers that programs do not see: the credentials, and headers that
	// could replace a proven one.
	hidden(h http.Header) []string

	// newKeys returns a random secret twice, or a public and a private key.
	newKeys() (receiver, sender []byte)

	// checkSecret reports why a receiver's secret cannot be used, without quoting it.
	checkSecret(secret []byte) error
}

// defaultTolerance is how far a timestamp may be from now by default.
const defaultTolerance = 5 * time.Minute

var schemeTypes = []string{"token", "basic", "signature", "standard-webhooks", "twilio", "path", "google-oidc", "sns"}

// newScheme returns the scheme that s describes. The URL is the public address of the
// source. The scheme is not usable if there are problems.
func newScheme(s config.Scheme, url string, tokens *GoogleTokens, sns snsScheme) (scheme, []config.Problem) {
	tolerance := s.Tolerance
	if tolerance <= 0 {
		tolerance = defaultTolerance
	}
	switch s.Type {
	case "token":
		t := tokenScheme{headers: s.Header, prefix: s.Prefix}
		if len(t.headers) == 0 {
			t.headers, t.prefix = []string{"Authorization"}, "Bearer "
		}
		return t, checkFields(s, "header", "prefix")
	case "basic":
		return basicScheme{}, checkFields(s)
	case "signature":
		return newSignature(s, url, tolerance)
	case "standard-webhooks":
		problems := checkFields(s, "tolerance", "key")
		if !slices.Contains([]string{"", "base64", "text"}, s.Key) {
			problems = append(problems, s.At.Of("key").Problemf("must be base64 or text"))
		}
		return standardScheme{tolerance, s.Key == "text"}, problems
	case "twilio":
		return twilioScheme{url}, checkFields(s)
	case "path":
		return pathScheme{}, checkFields(s)
	case "google-oidc":
		return googleScheme{tokens}, checkFields(s)
	case "sns":
		return sns, checkFields(s, "tolerance")
	default:
		return nil, []config.Problem{s.At.Of("type").Problemf("must be one of %s", strings.Join(schemeTypes, ", "))}
	}
}

// checkFields reports the fields that s sets and its type does not have.
func checkFields(s config.Scheme, allowed ...string) (problems []config.Problem) {
	for _, field := range []struct {
		name string
		set  bool
	}{
		{"header", s.Header != nil},
		{"prefix", s.Prefix != ""},
		{"separator", s.Separator != ""},
		{"algorithm", s.Algorithm != ""},
		{"encoding", s.Encoding != ""},
		{"key", s.Key != ""},
		{"content", s.Content != ""},
		{"items", s.Items != ""},
		{"timestamp_header", s.TimestampHeader != ""},
		{"timestamp_prefix", s.TimestampPrefix != ""},
		{"timestamp_unit", s.TimestampUnit != ""},
		{"tolerance", s.Tolerance != 0},
	} {
		if field.set && !slices.Contains(allowed, field.name) {
			problems = append(problems, s.At.Of(field.name).Problemf("has no meaning for the type %s", s.Type))
		}
	}
	return problems
}

// firstPresentHeader returns the first of the names that h has, or the first of all.
func firstPresentHeader(h http.Header, names []string) string {
	for _, name := range names {
		if h.Get(name) != "" {
			return name
		}
	}
	return names[0]
}

// matchSecret reports whether presented is one of the secrets, in constant time.
func matchSecret(presented []byte, secrets [][]byte) bool {
	digest, match := sha256.Sum256(presented), 0
	for _, secret := range secrets {
		d := sha256.Sum256(secret)
		match |= subtle.ConstantTimeCompare(d[:], digest[:])
	}
	return match == 1
}

// standardScheme is the scheme of Standard Webhooks.
type standardScheme struct {
	tolerance time.Duration

	// text means that the key is the text of the secret, as BigCommerce uses it.
	text bool
}

func (s standardScheme) verify(_ context.Context, r *Request, secrets [][]byte, now time.Time) error {
	keys := make([][]byte, len(secrets))
	for i, secret := range secrets {
		keys[i] = s.encode(secret)
	}
	return standardwebhook.Verify(r.Header, r.Body, keys, now, s.tolerance)
}

// encode returns a secret as the package standardwebhook reads it.
func (s standardScheme) encode(secret []byte) []byte {
	if !s.text {
		return secret
	}
	return []byte(base64.StdEncoding.EncodeToString(secret))
}

func (s standardScheme) sign(r *Request, secret []byte, now time.Time) error {
	return standardwebhook.Sign(r.Header, r.Body, s.encode(secret), now)
}

func (standardScheme) hidden(h http.Header) []string { return standardwebhook.Unproven(h) }

func (s standardScheme) newKeys() (receiver, sender []byte) {
	if s.text {
		return newSharedSecret()
	}
	secret := standardwebhook.NewSecret()
	return secret, secret
}

func (s standardScheme) checkSecret(secret []byte) error {
	if s.text {
		return standardwebhook.CheckShared(secret)
	}
	return standardwebhook.CheckSecret(secret)
}

// tokenScheme is a secret in a header, such as Authorization: Bearer.
type tokenScheme struct {
	headers []string
	prefix  string
}

func (t tokenScheme) verify(_ context.Context, r *Request, secrets [][]byte, _ time.Time) error {
	name := firstPresentHeader(r.Header, t.headers)
	value, err := standardwebhook.Header(r.Header, name)
	if err != nil {
		return err
	}
	if len(value) < len(t.prefix) || !strings.EqualFold(value[:len(t.prefix)], t.prefix) {
		return standardwebhook.Errorf(ErrUnauthorized, "the header %s does not start with %q", name, t.prefix)
	}
	if !matchSecret([]byte(strings.TrimSpace(value[len(t.prefix):])), secrets) {
		return standardwebhook.Errorf(ErrUnauthorized, "the token in the header %s is not the token of this source", name)
	}
	return nil
}

func (t tokenScheme) sign(r *Request, secret []byte, _ time.Time) error {
	r.Header.Set(t.headers[0], t.prefix+string(secret))
	return nil
}

func (t tokenScheme) hidden(http.Header) []string { return t.headers }

func (tokenScheme) newKeys() (receiver, sender []byte) { return newSharedSecret() }
func (tokenScheme) checkSecret([]byte) error           { return nil }

// newSharedSecret returns random text that sender and receiver share.
func newSharedSecret() (receiver, sender []byte) {
	secret := []byte(rand.Text())
	return secret, secret
}

// basicScheme is Basic authentication. The secret is USER:PASSWORD.
type basicScheme struct{}

func (basicScheme) verify(_ context.Context, r *Request, secrets [][]byte, _ time.Time) error {
	if _, err := standardwebhook.Header(r.Header, "Authorization"); err != nil {
		return err
	}
	user, password, ok := (&http.Request{Header: r.Header}).BasicAuth()
	if !ok {
		return standardwebhook.Errorf(ErrUnauthorized, "the header Authorization is not Basic authentication")
	}
	if !matchSecret([]byte(user+":"+password), secrets) {
		return standardwebhook.Errorf(ErrUnauthorized, "wrong user name or password")
	}
	return nil
}

func (basicScheme) sign(r *Request, secret []byte, _ time.Time) error {
	r.Header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString(secret))
	return nil
}

func (basicScheme) newKeys() (receiver, sender []byte) {
	secret := []byte("hook:" + rand.Text())
	return secret, secret
}

func (basicScheme) hidden(http.Header) []string { return nil } // Authorization always is

func (basicScheme) checkSecret(secret []byte) error {
	user, password, ok := strings.Cut(string(secret), ":")
	if !ok || user == "" || password == "" {
		return errors.New("must be a user name and a password, separated by a colon")
	}
	return nil
}

// pathScheme is a secret that is the last part of the path. It is for senders that can only
// post to a URL.
type pathScheme struct{}

func (pathScheme) verify(_ context.Context, r *Request, secrets [][]byte, _ time.Time) error {
	if !matchSecret([]byte(r.Token), secrets) {
		return standardwebhook.Errorf(ErrUnauthorized, "the last part of the path is not the token of this source")
	}
	return nil
}

func (pathScheme) sign(r *Request, secret []byte, _ time.Time) error {
	r.Token = string(secret)
	return nil
}

func (pathScheme) hidden(http.Header) []string        { return nil }
func (pathScheme) newKeys() (receiver, sender []byte) { return newSharedSecret() }

// pathToken matches tokens that are hard to guess, and that a URL contains without escapes.
var pathToken = regexp.MustCompile(`^[A-Za-z0-9._~-]{20,}$`)

func (pathScheme) checkSecret(secret []byte) error {
	if !pathToken.Match(secret) {
		return errors.New("must be at least 20 random letters, digits, and - . _ or ~, because it is a part of the path")
	}
	return nil
}
