package source

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/rcshook/rcshook/internal/payload"
)

// The reasons to reject an API key. Each is an [ErrUnauthorized].
var (
	ErrNoKey     = unauthorized("the request has no API key")
	ErrWrongKey  = unauthorized("unknown API key")
	ErrKeyAsUser = unauthorized("the key is the user name of Basic authentication; send it as the password")
	ErrBareKey   = unauthorized("the header Authorization has no scheme; write Bearer before the key")
	ErrScheme    = unauthorized("the header Authorization has an unknown scheme: expected Bearer or Basic; send Authorization: Bearer KEY")
	ErrTwice     = unauthorized("the header has the scheme of the key twice: expected Authorization: Bearer KEY or X-API-Key: KEY; remove one")
	ErrQuoted    = unauthorized("the key is in quotes or brackets; send it without them")
	ErrKeyInURL  = unauthorized("the key is in the URL, which servers and proxies log; send it as Authorization: Bearer KEY, and replace this key")
)

type unauthorized string

func (e unauthorized) Error() string        { return string(e) }
func (e unauthorized) Is(target error) bool { return target == ErrUnauthorized }

// Keys are the API keys of direct callers. There may be several, so that a key can be
// replaced without downtime.
type Keys struct {
	keys [][]byte
}

// ParseKeys reads keys, one per line. A key can contain commas and spaces, but a line of
// nothing else is not a key.
func ParseKeys(text []byte) Keys {
	var k Keys
	for line := range bytes.FieldsFuncSeq(text, func(r rune) bool { return r == '\n' || r == '\r' }) {
		if key := bytes.TrimSpace(line); len(bytes.Trim(key, ", \t")) > 0 {
			k.keys = append(k.keys, key)
		}
	}
	return k
}

// MinKey is the length of the shortest key, in characters, that is hard to guess.
const MinKey = 16

// Warnings lists the keys that are probably a mistake. It quotes none of them.
func (k Keys) Warnings() (warnings []string) {
	for i, key := range k.keys {
		if n := utf8.RuneCount(key); n < MinKey {
			warnings = append(warnings, fmt.Sprintf("API key %d is easy to guess: expected at least %d random characters, got %d", i+1, MinKey, n))
		}
		if bytes.ContainsRune(key, ',') {
			warnings = append(warnings, fmt.Sprintf("API key %d contains a comma, which is part of the key; write several keys on separate lines", i+1))
		}
	}
	return warnings
}

// Empty reports whether k has no keys, so that every request would be rejected.
func (k Keys) Empty() bool { return len(k.keys) == 0 }

// Len returns the number of keys.
func (k Keys) Len() int { return len(k.keys) }

// Overlap reports whether k and other have a key in common.
func (k Keys) Overlap(other Keys) bool {
	return slices.ContainsFunc(k.keys, func(key []byte) bool { return matchSecret(key, other.keys) })
}

// Verify returns nil if the request has one of the keys, as a bearer token, in X-API-Key
// or as the password of Basic authentication. The keys are compared in constant time.
func (k Keys) Verify(h http.Header) error {
	key, err := requestKey(h)
	if err != nil {
		return err
	}
	if !matchSecret([]byte(key), k.keys) {
		return wrongKey(key)
	}
	return nil
}

// wrongKey returns the error for a key that does not match, with the fix of a usual
// mistake.
func wrongKey(key string) error {
	scheme, _, found := strings.Cut(key, " ")
	switch strings.ToLower(strings.TrimRight(scheme, ":")) {
	case "bearer", "basic", "token", "apikey", "api-key", "key":
		if found {
			return ErrTwice
		}
	}
	if strings.IndexAny(key, "\"'`<[{(“‘") == 0 {
		return ErrQuoted
	}
	return ErrWrongKey
}

func requestKey(h http.Header) (string, error) {
	if key := strings.TrimSpace(h.Get("X-Api-Key")); key != "" {
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
	case found && !strings.EqualFold(scheme, "Bearer") && !strings.EqualFold(scheme, "Basic"):
		return "", ErrScheme
	default:
		return "", ErrNoKey
	}
}

// ErrIdempotencyKey means that a header is not exactly one valid idempotency key.
var ErrIdempotencyKey = errors.New("invalid idempotency key")

// IdempotencyKey returns the idempotency key in the headers, or "". Idempotency-Key is a
// quoted string in the IETF draft, and unquoted in most requests. Webhook-Id is the
// header of Standard Webhooks.
func IdempotencyKey(h http.Header) (string, error) {
	for _, name := range []string{"Idempotency-Key", "Webhook-Id"} {
		values := h.Values(name)
		if len(values) == 0 || (len(values) == 1 && strings.TrimSpace(values[0]) == "") {
			continue
		}
		if len(values) > 1 {
			return "", fmt.Errorf("%w: duplicate header %s: expected one, got %d", ErrIdempotencyKey, name, len(values))
		}
		key, ok := unquote(strings.TrimSpace(values[0]))
		if !ok {
			return "", fmt.Errorf("%w: header %s: expected one quoted string", ErrIdempotencyKey, name)
		}
		if !payload.IsKey(key) {
			return "", fmt.Errorf("%w: header %s: must not contain control characters", ErrIdempotencyKey, name)
		}
		if n := utf8.RuneCountInString(key); n > payload.MaxIdempotencyKey {
			return "", fmt.Errorf("%w: header %s: expected at most %d characters, got %d", ErrIdempotencyKey, name, payload.MaxIdempotencyKey, n)
		}
		return key, nil
	}
	return "", nil
}

// unquote returns the content of a quoted string of RFC 8941, section 3.3.3, without its
// parameters. It returns an unquoted string as it is.
func unquote(s string) (string, bool) {
	if !strings.HasPrefix(s, `"`) {
		return s, true
	}
	var key strings.Builder
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			if i++; i == len(s) {
				return "", false
			}
			key.WriteByte(s[i])
		case '"':
			rest := strings.TrimSpace(s[i+1:])
			return key.String(), rest == "" || rest[0] == ';'
		default:
			key.WriteByte(s[i])
		}
	}
	return "", false
}
