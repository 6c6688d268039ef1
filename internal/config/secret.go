package config

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"regexp"
	"strings"
)

// Secret is a setting that should not be seen: the resource name of a Secret
// Manager secret (projects/*/secrets/*, optionally /versions/*), or the value
// itself, or nothing. However it is printed, logged or encoded, a value shows as
// [redacted]; a resource name is no secret and shows as it is.
type Secret string

const redacted = "[redacted]"

// resourcePrefix tells resource names from values.
const resourcePrefix = "projects/"

// A counted repetition of up to 255 would take a millisecond of every start to
// compile; Secret Manager refuses longer names by itself.
var resourceForm = regexp.MustCompile(`^projects/[a-z0-9][a-z0-9.:-]*/secrets/[A-Za-z0-9_-]+(/versions/[A-Za-z0-9_-]+)?$`)

// IsResource reports whether s is the name of a secret, rather than a value or
// nothing.
func (s Secret) IsResource() bool { return strings.HasPrefix(string(s), resourcePrefix) }

// Resource returns the full name of the secret version that s names, the latest
// when s names none. It reports false when s is a value or empty.
func (s Secret) Resource() (name string, ok bool) {
	if !s.IsResource() {
		return "", false
	}
	if strings.Contains(string(s), "/versions/") {
		return string(s), true
	}
	return string(s) + "/versions/latest", true
}

// Literal returns the value that s is, or "" when s names a secret.
func (s Secret) Literal() string {
	if s.IsResource() {
		return ""
	}
	return string(s)
}

// String returns a resource name as it is and [redacted] for a value.
func (s Secret) String() string {
	if s == "" || s.IsResource() {
		return string(s)
	}
	return redacted
}

// GoString is String as a Go expression.
func (s Secret) GoString() string { return fmt.Sprintf("config.Secret(%q)", s.String()) }

// Format prints what String returns, whatever the verb: some verbs would pass
// String by.
func (s Secret) Format(f fmt.State, verb rune) {
	switch {
	case verb == 'v' && f.Flag('#'):
		io.WriteString(f, s.GoString())
	case verb == 'q':
		fmt.Fprintf(f, "%q", s.String())
	default:
		io.WriteString(f, s.String())
	}
}

// LogValue is what package log/slog logs.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText is what encoders such as encoding/json write.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Malformed resource names, by the mistake that was made.
var (
	errResource = errors.New("is not the name of a secret: write projects/PROJECT/secrets/SECRET, optionally with /versions/NUMBER, PROJECT being the project's ID or number")
	errRegional = errors.New("names a regional secret, which is not supported: use a global one, projects/PROJECT/secrets/SECRET")
)

// check finds what is wrong with a resource name. Values are not checked.
func (s Secret) check() error {
	switch {
	case !s.IsResource() || resourceForm.MatchString(string(s)):
		return nil
	case strings.Contains(string(s), "/locations/"):
		return errRegional
	default:
		return errResource
	}
}
