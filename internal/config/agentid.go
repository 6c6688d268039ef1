package config

import (
	"errors"
	"strings"

	"github.com/rcshook/rcshook/rbm"
)

// What [ParseAgentID] finds wrong with a text.
var (
	// ErrNoAgentID means that the text is empty.
	ErrNoAgentID = errors.New("is empty")

	// ErrKeyForAgentID means that the text is a key file: somebody has swapped
	// the two settings.
	ErrKeyForAgentID = errors.New("is a key file, not an agent ID")

	// ErrNotAgentID means that the text is something else.
	ErrNotAgentID = errors.New("is not an agent ID, which is one word such as my_brand_k3x9a1bc_agent")
)

// maxAgentID is far above any agent ID. The platform makes the IDs, so this is
// no rule of its own.
const maxAgentID = 200

// ParseAgentID returns the agent ID in a text, without blanks, line ends and a
// byte order mark around it, and without "@rbm.goog" at its end. The error is one
// of those above and never holds any of the text.
func ParseAgentID(text string) (string, error) {
	text = Trim(text)
	id := strings.TrimSuffix(text, rbm.AgentDomain)
	switch {
	case id == "":
		return "", ErrNoAgentID
	case strings.HasPrefix(text, "{") || strings.Contains(text, "PRIVATE KEY"):
		return "", ErrKeyForAgentID
	case len(id) > maxAgentID || strings.ContainsFunc(id, notOfAgentID):
		return "", ErrNotAgentID
	default:
		return id, nil
	}
}

// notOfAgentID reports runes that cannot be in an agent ID: it travels in a query
// and derives message IDs, so nothing invisible may be in it.
func notOfAgentID(r rune) bool {
	return r <= ' ' || r > '~' || strings.ContainsRune(`"'<>\{}[]/?&#%,;`, r)
}

// Trim removes what editors and shells put around a secret: blanks, line ends and
// a byte order mark.
func Trim(text string) string {
	return strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(text), "\uFEFF"))
}
