// Package source knows the senders: whether a request is authentic, and which
// event it is about.
package source

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"
)

// The ways in which a key can fail. Each is an [ErrUnauthorized].
var (
	ErrNoKey     = unauthorized("the request carries no key")
	ErrWrongKey  = unauthorized("the key is not one of this function")
	ErrKeyAsUser = unauthorized("the key stands as the user name of Basic authentication; it belongs after the colon, as the password")
	ErrBareKey   = unauthorized("the header Authorization has no scheme; write Bearer before the key")
)

type unauthorized string

func (e unauthorized) Error() string        { return string(e) }
func (e unauthorized) Is(target error) bool { return target == ErrUnauthorized }

// Keys are the API keys of direct callers. Several may be valid at once, so that
// one can be replaced without a gap.
type Keys struct {
	digests [][sha256.Size]byte
}

// ParseKeys reads keys separated by line breaks, commas or blanks.
func ParseKeys(text []byte) Keys {
	var k Keys
	for key := range strings.FieldsFuncSeq(string(text), func(r rune) bool {
		return r == '\n' || r == '\r' || r == ',' || r == ' ' || r == '\t' || r == '\uFEFF'
	}) {
		k.digests = append(k.digests, sha256.Sum256([]byte(key)))
	}
	return k
}

// Empty reports whether there is no key, so that nobody could be let in.
func (k Keys) Empty() bool { return len(k.digests) == 0 }

// Len is the number of keys.
func (k Keys) Len() int { return len(k.digests) }

// Verify reports whether the request carries one of the keys, as a bearer token,
// in X-API-Key or as the password of Basic authentication. Every key is compared
// in full, so that the time taken tells nothing about them.
func (k Keys) Verify(h http.Header) error {
	presented, err := presentedKey(h)
	if err != nil {
		return err
	}
	digest, match := sha256.Sum256([]byte(presented)), 0
	for _, d := range k.digests {
		match |= subtle.ConstantTimeCompare(d[:], digest[:])
	}
	if match != 1 {
		return ErrWrongKey
	}
	return nil
}

func presentedKey(h http.Header) (string, error) {
	if key := strings.TrimSpace(h.Get("X-API-Key")); key != "" {
		return key, nil
	}
	authorization := strings.TrimSpace(h.Get("Authorization"))
	scheme, rest, found := strings.Cut(authorization, " ")
	user, password, basic := (&http.Request{Header: h}).BasicAuth()
	switch key := strings.TrimSpace(rest); {
	case strings.EqualFold(scheme, "Bearer") && key != "":
		return key, nil
	case basic && password != "":
		return password, nil
	case basic && user != "":
		return "", ErrKeyAsUser
	case authorization != "" && !found && !strings.EqualFold(scheme, "Bearer") && !strings.EqualFold(scheme, "Basic"):
		return "", ErrBareKey
	default:
		return "", ErrNoKey
	}
}
