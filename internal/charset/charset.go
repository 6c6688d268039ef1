// Package charset converts text to UTF-8.
package charset

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
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
