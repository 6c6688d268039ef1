package phonenumber

import (
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// maxText limits the bytes of a number with its separators.
const maxText = 200

// written is a number as it was written.
type written struct {
	// digits are the digits without separators, in ASCII.
	digits string

	// text holds the digits and their separators, in ASCII, without the plus sign.
	text string

	// plus reports that a plus sign precedes the digits.
	plus bool
}

// scan reads the characters of a number.
func scan(text string) (written, error) {
	s := trim(text)
	if digits, ok, err := decimal(s); err != nil {
		return written{}, err
	} else if ok {
		return written{digits: digits, text: digits, plus: strings.HasPrefix(s, "+")}, nil
	}
	var w written
	var digits, all strings.Builder
	for _, r := range s {
		if unicode.Is(unicode.Cf, r) { // invisible marks, which contact apps copy
			continue
		}
		c, ok := ascii(r)
		switch {
		case !ok, c == '+' && (w.plus || digits.Len() > 0):
			return written{}, explain(s)
		case c == '+':
			w.plus = true
			all.Reset() // (+1)
			continue
		case c >= '0' && c <= '9':
			digits.WriteByte(c)
		}
		all.WriteByte(c)
	}
	w.digits, w.text = digits.String(), strings.TrimSpace(all.String())
	whole, zeros, dot := strings.Cut(w.text, ".")
	switch {
	case w.digits == "":
		return written{}, errNoDigits
	case len(s) > maxText:
		return written{}, Error(tooLong)
	case !w.plus && w.text[0] == '-' && strings.Trim(w.text[1:], "0123456789.") == "":
		return written{}, Error("not a phone number but a negative one, as a spreadsheet calculates from hyphens; " + asText)
	case !dot || zeros == "" || strings.Trim(zeros, "0") != "":
		return w, nil
	case !isDigits(whole):
		return written{}, Error("ends with .0, which a spreadsheet may have added; remove it")
	}
	w.digits, w.text = whole, whole
	return w, nil
}

// asText is the fix for numbers that a spreadsheet has changed.
const asText = "format the column as text and enter the number again"

// trim removes what encloses a number: white space, invisible marks, the scheme tel:, and
// the quotes, apostrophe or equals sign that make a spreadsheet keep it as text.
func trim(text string) string {
	invisible := func(r rune) bool { return unicode.IsSpace(r) || unicode.Is(unicode.Cf, r) }
	s := strings.TrimPrefix(strings.TrimFunc(text, invisible), "=")
	s = strings.TrimFunc(strings.Trim(s, "\"'`’‘“”"), invisible)
	if len(s) >= 4 && strings.EqualFold(s[:4], "tel:") {
		s = strings.TrimFunc(s[4:], invisible)
	}
	return s
}

// ascii returns a plus sign, digit, bracket, dot or hyphen of any script in ASCII, and a
// space for other separators.
func ascii(r rune) (c byte, ok bool) {
	switch {
	case r >= '0' && r <= '9', r == '+', r == '-', r == '.', r == '(', r == ')':
		return byte(r), true
	case r == '/', r == '~', unicode.IsSpace(r):
		return ' ', true
	case r < unicode.MaxASCII && r != '[' && r != ']':
		return 0, false
	case strings.ContainsRune("＋﹢", r):
		return '+', true
	case strings.ContainsRune("[［（", r):
		return '(', true
	case strings.ContainsRune("]］）", r):
		return ')', true
	case r == '．':
		return '.', true
	case unicode.Is(unicode.Pd, r), r == '−', r == 'ー': // minus, and the Japanese long vowel
		return '-', true
	case strings.ContainsRune("／～∼⁓·•・", r):
		return ' ', true
	}
	return digit(r)
}

// digit returns a decimal digit of any script in ASCII. Unicode encodes the digits of each
// script in a row, from zero to nine.
func digit(r rune) (c byte, ok bool) {
	for _, block := range unicode.Nd.R16 {
		if r <= rune(block.Hi) {
			return '0' + byte((r-rune(block.Lo))%10), r >= rune(block.Lo)
		}
	}
	for _, block := range unicode.Nd.R32 {
		if r <= rune(block.Hi) {
			return '0' + byte((r-rune(block.Lo))%10), r >= rune(block.Lo)
		}
	}
	return 0, false
}

func isDigits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

// decimal returns the digits of a number in scientific notation, and false for all other
// texts. The error reports that not all of its digits are there.
func decimal(s string) (digits string, ok bool, err error) {
	i := strings.IndexAny(s, "eE")
	if i < 0 {
		return "", false, nil
	}
	whole, fraction, _ := strings.Cut(strings.Replace(strings.TrimPrefix(s[:i], "+"), ",", ".", 1), ".")
	exponent, failed := strconv.ParseUint(strings.TrimPrefix(s[i+1:], "+"), 10, 16)
	if failed != nil || !isDigits(whole+fraction) {
		return "", false, nil
	}
	if exponent != uint64(len(strings.TrimRight(fraction, "0"))) && exponent != uint64(len(fraction)) {
		return "", false, Error("not a phone number: scientific notation has lost its last digits; " + asText)
	}
	return (whole + fraction)[:len(whole)+int(exponent)], true, nil
}

// ReadNumber returns the phone number in a JSON number, as [Read] does.
func ReadNumber(literal string, o Options) (e164 string, err error) {
	whole, zeros, _ := strings.Cut(literal, ".")
	_, scientific, err := decimal(literal)
	if err != nil {
		return "", err
	}
	if !scientific && (!isDigits(whole) || strings.Trim(zeros, "0") != "") {
		return "", Error("not a phone number; send it as text")
	}
	return Read(literal, o)
}

// missing are the words that programs write for a missing value.
var missing = []string{"nan", "undefined", "null", "(null)", "none", "nil", "n/a", "infinity", "true", "false"}

// explain returns the cause why a text is not a number. It knows what programs write when
// they have no number.
func explain(s string) error {
	lower := strings.ToLower(s)
	startsWith := func(prefix string) bool { return strings.HasPrefix(lower, prefix) }
	switch {
	case slices.ContainsFunc([]string{"{{", "${", "<", "%"}, startsWith):
		return Error("not a phone number: a placeholder that was not replaced; check the name of its variable")
	case slices.ContainsFunc([]string{"{", "[", "map[", "system."}, startsWith), lower == "array", lower == "object":
		return Error("not a phone number: an object that was not written as JSON; send the field that contains the number")
	case slices.Contains(missing, lower):
		return Error("not a phone number: the word of a program for a missing value; check the field that it comes from")
	case startsWith("#"):
		return Error("not a phone number: an error of a spreadsheet; fix the formula, or widen the column")
	case hasExtension(lower):
		return errExtension
	case strings.ContainsFunc(s, unicode.IsLetter):
		return errLetters
	}
	return errCharacters
}

// hasExtension reports whether a text is a number and an extension, such as x5, ext. 5,
// ;ext=5 or #5.
func hasExtension(lower string) bool {
	const minLength = 7 // of the number
	rest := strings.TrimRight(lower, "0123456789")
	number := strings.TrimRight(rest, "extnsiow.,;:=#p ")
	return rest != lower && strings.ContainsAny(rest[len(number):], "xp#,;") &&
		strings.Trim(number, "+0123456789-.()/ ") == "" && len(number) >= minLength
}

// dialable returns the characters that a phone dials.
func dialable(text string) (string, bool) {
	var b strings.Builder
	for _, r := range trim(text) {
		c, ok := ascii(r)
		switch {
		case r == '*', r == '#':
			b.WriteRune(r)
		case !ok && !unicode.Is(unicode.Cf, r), c == '+' && b.Len() > 0:
			return "", false
		case ok && (c == '+' || isDigits(string(c))):
			b.WriteByte(c)
		}
	}
	return b.String(), strings.ContainsAny(b.String(), "0123456789")
}
