package source

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/standardwebhook"
)

// token is a secret that is shown in a header, such as Authorization: Bearer.
type token struct {
	headers []string
	prefix  string
}

func newToken(s config.Scheme) (scheme, []config.Problem) {
	t := token{headers: s.Header, prefix: s.Prefix}
	if len(t.headers) == 0 {
		t.headers, t.prefix = []string{"Authorization"}, "Bearer "
	}
	return t, only(s, "token", "header", "prefix")
}

func (t token) verify(_ context.Context, r *Request, secrets [][]byte, _ time.Time) error {
	name := firstOf(r.Header, t.headers)
	value, err := standardwebhook.Header(r.Header, name)
	if err != nil {
		return err
	}
	if len(value) < len(t.prefix) || !strings.EqualFold(value[:len(t.prefix)], t.prefix) {
		return standardwebhook.Errorf(ErrUnauthorized, "the header %s does not begin with %q", name, t.prefix)
	}
	if !matches([]byte(strings.TrimSpace(value[len(t.prefix):])), secrets) {
		return standardwebhook.Errorf(ErrUnauthorized, "the token in the header %s is not the one of this source", name)
	}
	return nil
}

func (t token) sign(r *Request, secret []byte, _ time.Time) error {
	r.Header.Set(t.headers[0], t.prefix+string(secret))
	return nil
}

func (token) pair() (receiver, sender []byte) { return same(rand.Text()) }
func (token) usable([]byte) error             { return nil }

// basic is a user and a password: the secret is user:password.
type basic struct{}

func (basic) verify(_ context.Context, r *Request, secrets [][]byte, _ time.Time) error {
	if _, err := standardwebhook.Header(r.Header, "Authorization"); err != nil {
		return err
	}
	user, password, ok := (&http.Request{Header: r.Header}).BasicAuth()
	if !ok {
		return standardwebhook.Errorf(ErrUnauthorized, "the request has no header Authorization with Basic authentication")
	}
	if !matches([]byte(user+":"+password), secrets) {
		return standardwebhook.Errorf(ErrUnauthorized, "the user or the password is not the one of this source")
	}
	return nil
}

func (basic) sign(r *Request, secret []byte, _ time.Time) error {
	r.Header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString(secret))
	return nil
}

func (basic) pair() (receiver, sender []byte) { return same("hook:" + rand.Text()) }

func (basic) usable(secret []byte) error {
	user, password, ok := strings.Cut(string(secret), ":")
	if !ok || user == "" || password == "" {
		return errors.New("must be a user and a password with a colon between")
	}
	return nil
}

func same(secret string) (receiver, sender []byte) { return []byte(secret), []byte(secret) }

// matches reports whether one of the secrets is what was presented. Each is
// compared in full, so that the time taken tells nothing about them.
func matches(presented []byte, secrets [][]byte) bool {
	digest, match := sha256.Sum256(presented), 0
	for _, secret := range secrets {
		d := sha256.Sum256(secret)
		match |= subtle.ConstantTimeCompare(d[:], digest[:])
	}
	return match == 1
}
