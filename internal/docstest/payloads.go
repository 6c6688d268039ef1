// Package docstest runs the commands and examples of the documents, and checks that
// their tables agree with the code.
package docstest

import (
	"regexp"
	"strings"
)

// quotedPayload matches a payload in a command, such as an option of curl. An object with
// only a recipient is not a payload: other paths take it.
var quotedPayload = regexp.MustCompile(`'(\{"to": "[^']*", "[^']*\})'`)

// Payloads returns the payloads of POST / in a code block of a document, as JSON: the whole
// block, or those in its commands. The info string of the block, such as "json payload", names
// its language. An object that does not start with a recipient is a response.
func Payloads(info, block string) []string {
	if strings.HasPrefix(block, `{"to"`) && (info == "json" || strings.HasPrefix(info, "json payload")) {
		return []string{strings.TrimSpace(block)}
	}
	var all []string
	for _, match := range quotedPayload.FindAllStringSubmatch(block, -1) {
		all = append(all, match[1])
	}
	return all
}
