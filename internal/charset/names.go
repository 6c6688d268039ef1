//go:build !playground

package charset

import (
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/htmlindex"
)

// Charset is the character encoding that a Content-Type names. The zero value is UTF-8.
type Charset struct{ encoding encoding.Encoding }

// Find returns the charset with a name or an alias that browsers know, such as
// iso-8859-1. Other names and UTF-16, which [FromUTF16] recognizes, mean UTF-8.
func Find(name string) Charset {
	switch name = strings.ToLower(strings.TrimSpace(name)); name {
	case "us-ascii", "ascii": // browsers read them as windows-1252
		return Charset{}
	}
	e, err := htmlindex.Get(name)
	if err != nil {
		return Charset{}
	}
	canonical, err := htmlindex.Name(e)
	if err != nil || strings.HasPrefix(canonical, "utf-") || e == encoding.Replacement {
		return Charset{}
	}
	return Charset{e}
}

// String returns the name of the charset.
func (c Charset) String() string {
	if c.encoding == nil {
		return "UTF-8"
	}
	name, _ := htmlindex.Name(c.encoding) // which Find has checked
	return name
}

// IsKnown reports whether Find knows a charset of that name.
func IsKnown(name string) bool {
	_, err := htmlindex.Get(strings.TrimSpace(name))
	return err == nil
}

// KeepsASCII reports whether a byte below 0x80 always is an ASCII character. If it is not,
// the syntax of a document depends on its charset.
func (c Charset) KeepsASCII() bool {
	_, ok := c.encoding.(*charmap.Charmap)
	return c.encoding == nil || ok
}

// Decode returns text in UTF-8; false if it is not valid in the charset. Many senders name
// iso-8859-1 by default but send UTF-8, so valid UTF-8 is not converted from it.
func (c Charset) Decode(text string) (string, bool) {
	if c.encoding == nil || c.encoding == charmap.Windows1252 && utf8.ValidString(text) {
		return text, utf8.ValidString(text)
	}
	decoded, err := c.encoding.NewDecoder().String(text)
	return decoded, err == nil && !strings.ContainsRune(decoded, utf8.RuneError)
}
