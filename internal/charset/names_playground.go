//go:build playground

package charset

import "unicode/utf8"

// Charset is UTF-8, which is all that a browser sends.
type Charset struct{}

// Find returns UTF-8.
func Find(string) Charset { return Charset{} }

// String returns the name of the charset.
func (Charset) String() string { return "UTF-8" }

// IsKnown returns false.
func IsKnown(string) bool { return false }

// KeepsASCII returns true.
func (Charset) KeepsASCII() bool { return true }

// Decode returns the text; false if it is not valid.
func (Charset) Decode(text string) (string, bool) { return text, utf8.ValidString(text) }
