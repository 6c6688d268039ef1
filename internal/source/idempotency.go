package source

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"unicode/utf8"
)

// MaxIdempotencyKey is the length of an idempotency key in characters.
const MaxIdempotencyKey = 256

// ErrIdempotencyKey means that the header holds something else than one key.
var ErrIdempotencyKey = errors.New("not one idempotency key")

// IdempotencyKey returns the key that the headers name, or "". Idempotency-Key is
// read as the IETF draft has it, a quoted string, and also bare, as most senders
// write it; webhook-id is the one of Standard Webhooks.
func IdempotencyKey(h http.Header) (string, error) {
	for _, name := range []string{"Idempotency-Key", "Webhook-Id"} {
		values := h.Values(name)
		if len(values) == 0 || (len(values) == 1 && strings.TrimSpace(values[0]) == "") {
			continue
		}
		if len(values) > 1 {
			return "", fmt.Errorf("%w: the header %s is there %d times", ErrIdempotencyKey, name, len(values))
		}
		key, err := unquote(strings.TrimSpace(values[0]))
		if err != nil {
			return "", fmt.Errorf("%w: the header %s %w", ErrIdempotencyKey, name, err)
		}
		if n := utf8.RuneCountInString(key); n > MaxIdempotencyKey {
			return "", fmt.Errorf("%w: the header %s has %d characters, at most %d are allowed", ErrIdempotencyKey, name, n, MaxIdempotencyKey)
		}
		return key, nil
	}
	return "", nil
}

var errUnquote = errors.New("has a quotation mark without its partner")

// unquote reads the quoted string of RFC 8941 section 3.3.3; anything else
// stands for itself.
func unquote(s string) (string, error) {
	if !strings.HasPrefix(s, `"`) {
		return s, nil
	}
	var key strings.Builder
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			if i++; i == len(s) {
				return "", errUnquote
			}
			key.WriteByte(s[i])
		case '"':
			if rest := strings.TrimSpace(s[i+1:]); rest != "" && rest[0] != ';' {
				return "", errUnquote
			}
			return key.String(), nil
		default:
			key.WriteByte(s[i])
		}
	}
	return "", errUnquote
}
