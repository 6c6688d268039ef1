//go:build playground

package source

import (
	"context"
	"errors"
	"net/http"
	"time"
)

// The playground has shared secrets only: it can neither verify nor make signatures with
// public keys, because their packages would double its size.

// GoogleTokens rejects all ID tokens.
type GoogleTokens struct {
	keys     *googleKeys
	audience []string
	emails   []string
}

type googleKeys struct{}

func newGoogleKeys(string, http.RoundTripper) *googleKeys { return nil }

// NewGoogleTokens returns a verifier.
func NewGoogleTokens(string, http.RoundTripper, []string, []string) *GoogleTokens {
	return new(GoogleTokens)
}

// Verify returns an error.
func (*GoogleTokens) Verify(context.Context, http.Header, time.Time) error { return ErrKeys }

// Account returns an error.
func (*GoogleTokens) Account(context.Context, http.Header, time.Time) (string, error) {
	return "", ErrKeys
}

type certificate struct{}

func parseCertificate([]byte) (*certificate, error) { return nil, errors.ErrUnsupported }

func (*certificate) verify(string, []byte, []byte, time.Time) error { return ErrAmazon }

// ecdsaP256 accepts any public key, so that a file can be checked.
var ecdsaP256 = algorithm{
	verifier: func([]byte) (func(content, signature []byte) bool, error) {
		return func([]byte, []byte) bool { return false }, nil
	},
	sign:    func([]byte, []byte) ([]byte, error) { return nil, errors.ErrUnsupported },
	newKeys: newSharedSecret,
}
