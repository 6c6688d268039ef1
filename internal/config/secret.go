package config

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"regexp"
	"strings"

	"github.com/rcshook/rcshook/internal/charset"
	"github.com/rcshook/rcshook/rbm"
)

// Secret is a setting that must not be shown: the resource name of a Secret Manager
// secret (projects/*/secrets/*, optionally /versions/*), the value itself, or empty.
// However it is printed, logged or encoded, a value shows as [redacted]. A resource
// name is not a secret and shows as it is.
type Secret string

// A counted repetition of up to 255 would take a millisecond of every start to
// compile; Secret Manager rejects longer names.
var resourceForm = regexp.MustCompile(`^projects/[a-z0-9][a-z0-9.:-]*/secrets/[A-Za-z0-9_-]+(/versions/[A-Za-z0-9_-]+)?$`)

// IsResource reports whether s is the name of a secret.
func (s Secret) IsResource() bool { return strings.HasPrefix(string(s), "projects/") }

// Resource returns the full name of the secret version that s names; the version
// defaults to latest. It reports false if s is a value or empty.
func (s Secret) Resource() (name string, ok bool) {
	if !s.IsResource() {
		return "", false
	}
	if strings.Contains(string(s), "/versions/") {
		return string(s), true
	}
	return string(s) + "/versions/latest", true
}

// Literal returns the value that s holds, or "" if s names a secret.
func (s Secret) Literal() string {
	if s.IsResource() {
		return ""
	}
	return string(s)
}

// lines returns the full name of the secret version that s names, or the keys in a value.
func (s Secret) lines() (keys []string) {
	if name, ok := s.Resource(); ok {
		return []string{name}
	}
	for line := range strings.FieldsFuncSeq(string(s), func(r rune) bool { return r == '\n' || r == '\r' }) {
		keys = append(keys, strings.TrimSpace(line))
	}
	return keys
}

// String returns a resource name as it is and [redacted] for a value.
func (s Secret) String() string {
	if s == "" || s.IsResource() {
		return string(s)
	}
	return "[redacted]"
}

// GoString returns String as a Go expression.
func (s Secret) GoString() string { return fmt.Sprintf("config.Secret(%q)", s.String()) }

// Format prints String for every verb; some verbs would not call it.
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

// LogValue returns String for package log/slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText returns String for encoders such as encoding/json.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Check returns the problem with a resource name. It does not check values.
func (s Secret) Check() error {
	switch {
	case !s.IsResource() || resourceForm.MatchString(string(s)):
		return nil
	case strings.Contains(string(s), "/locations/"):
		return errors.New("names a regional secret, which is not supported; use a global one, projects/PROJECT/secrets/SECRET")
	default:
		return errors.New("must be the name of a secret, projects/PROJECT/secrets/SECRET, optionally with /versions/NUMBER; PROJECT is the project's ID or number")
	}
}

// DecodeSecret returns the content of a secret as text in UTF-8, without a byte order
// mark and the whitespace around it. The error is that of [charset.ToUTF8].
func DecodeSecret(data []byte) ([]byte, error) {
	text, err := charset.ToUTF8(data)
	return []byte(Trim(string(text))), err
}

// Trim removes whitespace and a byte order mark around a secret; editors and shells
// add them.
func Trim(text string) string {
	return strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(text), "\uFEFF"))
}

// Errors of [ParseAgentID].
var (
	// ErrNoAgentID means that the text is empty.
	ErrNoAgentID = errors.New("is empty")

	// ErrKeyForAgentID means that the text is a key file, probably because two
	// settings are swapped.
	ErrKeyForAgentID = errors.New("is a key file, not an agent ID")

	// ErrNotAgentID means that the text is not an agent ID.
	ErrNotAgentID = errors.New("is not an agent ID, which is one word such as my_brand_k3x9a1bc_agent")
)

// maxAgentID is far above the length of the IDs that the platform assigns.
const maxAgentID = 200

// ParseAgentID returns the agent ID in a text: trimmed and without the domain
// "@rbm.goog". The error is [ErrNoAgentID], [ErrKeyForAgentID] or [ErrNotAgentID]
// and never contains any of the text.
func ParseAgentID(text string) (string, error) {
	text = Trim(text)
	id := strings.TrimSuffix(text, rbm.AgentDomain)
	switch {
	case id == "":
		return "", ErrNoAgentID
	case strings.HasPrefix(text, "{") || strings.Contains(text, "PRIVATE KEY"):
		return "", ErrKeyForAgentID
	case len(id) > maxAgentID || strings.ContainsFunc(id, notInAgentID):
		return "", ErrNotAgentID
	default:
		return id, nil
	}
}

// notInAgentID reports whether an agent ID cannot contain r. The ID is part of URLs
// and of the hash of message IDs, so it must not contain invisible characters.
func notInAgentID(r rune) bool {
	return r <= ' ' || r > '~' || strings.ContainsRune(`"'<>\{}[]/?&#%,;`, r)
}
