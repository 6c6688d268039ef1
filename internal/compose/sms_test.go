package compose

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestNewSMS(t *testing.T) {
	t.Parallel()
	n := strings.Repeat
	const emoji, family = "😀", "👩‍👩‍👧" // 2 and 8 units
	for _, test := range []struct {
		name, text, encoding string
		want                 int
	}{
		{"empty", "", "GSM-7", 0},
		{"one", "a", "GSM-7", 1},
		{"160", n("a", 160), "GSM-7", 1},
		{"161", n("a", 161), "GSM-7", 2},
		{"306", n("a", 306), "GSM-7", 2},
		{"307", n("a", 307), "GSM-7", 3},
		{"an extension character as the last two", n("a", 158) + "€", "GSM-7", 1},
		{"an extension character too many", n("a", 159) + "€", "GSM-7", 2},
		{"an extension character at the end of a part", n("a", 152) + "€" + n("a", 153), "GSM-7", 3},
		{"an extension character before the end of a part", n("a", 151) + "€" + n("a", 153), "GSM-7", 2},
		{"80 extension characters", n("[", 80), "GSM-7", 1},
		{"81 extension characters", n("[", 81), "GSM-7", 2},
		{"153 extension characters", n("|", 153), "GSM-7", 3},
		{"70", n("ж", 70), "UCS-2", 1},
		{"71", n("ж", 71), "UCS-2", 2},
		{"134", n("ж", 134), "UCS-2", 2},
		{"135", n("ж", 135), "UCS-2", 3},
		{"a surrogate pair", n("ж", 68) + emoji, "UCS-2", 1},
		{"a surrogate pair too many", n("ж", 69) + emoji, "UCS-2", 2},
		{"a surrogate pair at the end of a part", n("ж", 66) + emoji + n("ж", 66), "UCS-2", 3},
		{"a surrogate pair before the end of a part", n("ж", 65) + emoji + n("ж", 67), "UCS-2", 2},
		{"extension characters in UCS-2", n("€", 69) + "ж", "UCS-2", 1},
		{"a family", n(family, 8) + n("ж", 6), "UCS-2", 1},
		{"small c with cedilla", n("ç", 100), "UCS-2", 2},
		{"capital C with cedilla", n("Ç", 100), "GSM-7", 1},
		{"a curly quote", n("a", 70) + "’", "UCS-2", 2},
		{"a no-break space", "a\u00a0b", "UCS-2", 1},
		{"a back-tick", "`", "UCS-2", 1},
		{"a tab", "\t", "UCS-2", 1},
		{"line breaks", n("\r\n", 80) + "a", "GSM-7", 2},
		{"invalid UTF-8", n("\xff", 71), "UCS-2", 2},
	} {
		got := NewSMS(test.text)
		if got.Text != test.text || got.Encoding != test.encoding || got.Segments != test.want {
			t.Errorf("%s: got %s and %d segments, want %s and %d", test.name, got.Encoding, got.Segments, test.encoding, test.want)
		}
	}
}

// TestNewSMS_alphabet tests the numbers of characters: 128 places without the escape, and
// the ten places of the extension table.
func TestNewSMS_alphabet(t *testing.T) {
	t.Parallel()
	seen := make(map[rune]bool)
	for _, r := range gsm + gsmExtension {
		seen[r] = true
	}
	if got := []int{utf8.RuneCountInString(gsm), utf8.RuneCountInString(gsmExtension), len(seen)}; got[0] != 127 || got[1] != 10 || got[2] != 137 {
		t.Errorf("got %d, want 127, 10 and 137 in all", got)
	}
}
