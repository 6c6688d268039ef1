// Package charset converts text to UTF-8.
package charset

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/htmlindex"
)

// The errors of [ToUTF8] and [FromUTF16]. They quote nothing of the text.
var (
	ErrNotUTF8  = errors.New("not text in UTF-8")
	ErrNotUTF16 = errors.New("damaged text in UTF-16")
)

// ToUTF8 returns the text of a file or a secret in UTF-8 and without a byte order mark.
// Windows PowerShell writes UTF-16, and editors write byte order marks.
func ToUTF8(data []byte) ([]byte, error) {
	text, err := FromUTF16(data)
	if err == nil && !utf8.Valid(text) {
		err = ErrNotUTF8
	}
	return text, err
}

// FromUTF16 converts UTF-16 to UTF-8 and removes a byte order mark. It returns other data
// as it is. Text in UTF-16 starts with a byte order mark or with ASCII, which has a zero
// in every second byte.
func FromUTF16(data []byte) ([]byte, error) {
	var order binary.ByteOrder
	switch {
	case bytes.HasPrefix(data, []byte("\xef\xbb\xbf")):
		return data[3:], nil
	case bytes.HasPrefix(data, []byte("\xff\xfe")):
		data, order = data[2:], binary.LittleEndian
	case bytes.HasPrefix(data, []byte("\xfe\xff")):
		data, order = data[2:], binary.BigEndian
	case len(data) > 3 && data[0] != 0 && data[1] == 0 && data[2] != 0 && data[3] == 0:
		order = binary.LittleEndian
	case len(data) > 3 && data[0] == 0 && data[1] != 0 && data[2] == 0 && data[3] != 0:
		order = binary.BigEndian
	default:
		return data, nil
	}
	units := make([]uint16, len(data)/2)
	for i := range units {
		units[i] = order.Uint16(data[2*i:])
	}
	text := string(utf16.Decode(units))
	if len(data)%2 != 0 || strings.ContainsRune(text, utf8.RuneError) {
		return nil, ErrNotUTF16
	}
	return []byte(text), nil
}

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
