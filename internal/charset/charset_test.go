package charset_test

import (
	"errors"
	"testing"

	"github.com/rcshook/rcshook/internal/charset"
)

func TestToUTF8(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, data, want string
		err              error
	}{
		{"UTF-8", "Grüße\n", "Grüße\n", nil},
		{"byte order mark", "\xef\xbb\xbfa", "a", nil},
		{"only one byte order mark", "\xef\xbb\xbf\xef\xbb\xbfa", "\ufeffa", nil},
		{"little-endian UTF-16", "\xff\xfea\x00\xfc\x00\x3d\xd8\x5f\xdc", "aü👟", nil},
		{"big-endian UTF-16", "\xfe\xff\x00a\x00\xfc", "aü", nil},
		{"UTF-16 without a byte order mark", "k\x00e\x00\xfc\x00", "keü", nil},
		{"big-endian UTF-16 without a byte order mark", "\x00k\x00e", "ke", nil},
		{"empty", "", "", nil},
		{"only a byte order mark", "\xff\xfe", "", nil},
		{"UTF-16 that breaks off", "\xff\xfea\x00b", "", charset.ErrNotUTF16},
		{"half a surrogate", "\xff\xfe\x3d\xd8", "", charset.ErrNotUTF16},
		{"Latin-1", "Gr\xfc\xdfe", "", charset.ErrNotUTF8},
	} {
		got, err := charset.ToUTF8([]byte(test.data))
		if !errors.Is(err, test.err) || err == nil && string(got) != test.want {
			t.Errorf("%s: ToUTF8(%q) = %q, %v, want %q, %v", test.name, test.data, got, err, test.want, test.err)
		}
	}
}

func TestCharset_Decode(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, text, want, canonical string
		ok                          bool
	}{
		{"", "ü", "ü", "UTF-8", true},
		{"utf8", "\xfc", "", "UTF-8", false},
		{"us-ascii", "\xfc", "", "UTF-8", false},
		{"UTF-16", "ü", "ü", "UTF-8", true},
		{"x-mine", "\xfc", "", "UTF-8", false},
		{"hz-gb-2312", "\xfc", "", "UTF-8", false}, // browsers replace all of it
		{" ISO-8859-1 ", "\xfc", "ü", "windows-1252", true},
		{"latin1", "ü", "ü", "windows-1252", true},
		{"windows-1251", "\xcf", "П", "windows-1251", true},
		{"windows-1253", "\xd2", "", "windows-1253", false},
		{"euc-jp", "\xa5", "", "euc-jp", false},
	} {
		c := charset.Find(test.name)
		got, ok := c.Decode(test.text)
		if ok != test.ok || ok && got != test.want || c.String() != test.canonical {
			t.Errorf("%q: %s: Decode(%q) = %q, %v, want %s: %q, %v", test.name, c, test.text, got, ok, test.canonical, test.want, test.ok)
		}
	}
}
