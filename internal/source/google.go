package source

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"
)

// ErrKeys means that Google's public keys cannot be fetched, so that a token can be
// neither accepted nor rejected.
var ErrKeys = errors.New("cannot fetch Google's public keys")

// keysTimeout limits the time to fetch public keys.
const keysTimeout = 3 * time.Second

// IsIDToken reports whether the bearer token of h has the form of an ID token rather
// than of an API key.
func IsIDToken(h http.Header) bool {
	_, raw, _ := strings.Cut(h.Get("Authorization"), " ")
	return strings.HasPrefix(raw, "ey") && strings.Count(raw, ".") == 2
}

// googleScheme is the scheme of Cloud Tasks, Cloud Scheduler and Pub/Sub.
type googleScheme struct{ tokens *GoogleTokens }

func (g googleScheme) verify(ctx context.Context, r *Request, _ [][]byte, now time.Time) error {
	return g.tokens.Verify(ctx, r.Header, now)
}

func (googleScheme) sign(*Request, []byte, time.Time) error {
	return errors.New("only Google can sign ID tokens")
}

func (googleScheme) hidden(http.Header) []string { return nil } // Authorization always is

func (googleScheme) newKeys() (receiver, sender []byte) { return nil, nil }
func (googleScheme) checkSecret([]byte) error           { return nil }
