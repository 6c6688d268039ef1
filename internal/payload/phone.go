package payload

import (
	"strings"
	"unicode"

	"github.com/nyaruka/phonenumbers"
	"google.golang.org/protobuf/proto"
)

// maxDigits is the length of an E.164 number without its plus sign.
const maxDigits = 15

// minBareDigits is the length from which digits without a plus sign can be an
// international number. Ten and fewer are too likely a national one, which would
// reach a stranger in another country.
const minBareDigits = 11

// parsePhone reads a phone number as people write it. A number must be possible
// by the numbering plan of its country; whether it is in use is for the platform
// to find out, so that new ranges and the fictional ones pass. Problem says what
// is wrong, without the number.
func parsePhone(text, country string) (e164, problem string) {
	digits, plus, problem := cleanPhone(text)
	if problem != "" {
		return "", problem
	}
	switch {
	case plus:
		return international(digits)
	case country != "":
		e164, problem := national(digits, country)
		if problem != "" && strings.HasPrefix(digits, "00") {
			return international(digits[2:])
		}
		return e164, problem
	case strings.HasPrefix(digits, "00"):
		return international(digits[2:])
	case len(digits) >= minBareDigits && digits[0] != '0':
		if n, err := phonenumbers.Parse("+"+digits, ""); err == nil && phonenumbers.IsValidNumber(n) {
			return phonenumbers.Format(n, phonenumbers.E164), ""
		}
	}
	return "", noCountry
}

const noCountry = "no country: write it with + and the country code, or send country"

// cleanPhone returns the digits of a number without what people put between
// them, and whether a plus sign led them. Letters come first among the
// problems: they mean that this is no phone number at all.
func cleanPhone(text string) (digits string, plus bool, problem string) {
	s := strings.TrimSpace(text)
	if len(s) >= 4 && strings.EqualFold(s[:4], "tel:") {
		s = s[4:]
	}
	if isE164(s) {
		return s[1:], true, ""
	}
	if strings.ContainsFunc(s, unicode.IsLetter) {
		return "", false, "this is no phone number: it has letters in it"
	}
	s, international := strings.CutPrefix(trimNoise(s), "+")
	var b strings.Builder
	for _, r := range s {
		switch {
		case r >= '0' && r <= '9':
			b.WriteRune(r)
		case r >= '０' && r <= '９':
			b.WriteRune(r - '０' + '0')
		case isNoise(r):
		default:
			return "", false, "this is no phone number: only digits, a leading + and the separators - . / ( ) and blank belong into one"
		}
	}
	if b.Len() == 0 {
		return "", false, "this is no phone number: it has no digits"
	}
	return b.String(), international, ""
}

// isE164 reports whether s is a plus sign and nothing but digits.
func isE164(s string) bool {
	if len(s) < 2 || s[0] != '+' {
		return false
	}
	for i := 1; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// trimNoise drops what stands before the first digit, as contact applications
// copy invisible marks along, and brings the two plus signs together.
func trimNoise(s string) string {
	s = strings.TrimLeftFunc(s, func(r rune) bool { return r != '(' && isNoise(r) })
	if rest, ok := strings.CutPrefix(s, "＋"); ok {
		return "+" + rest
	}
	if rest, ok := strings.CutPrefix(s, "(+"); ok {
		return "+" + rest
	}
	return s
}

// isNoise reports whether r may stand between the digits of a number.
func isNoise(r rune) bool {
	switch r {
	case '-', '.', '/', '(', ')', '~':
		return true
	}
	return unicode.IsSpace(r) || unicode.Is(unicode.Pd, r) || unicode.Is(unicode.Cf, r)
}

// international checks the digits of a number with its country code.
func international(digits string) (e164, problem string) {
	if len(digits) > maxDigits {
		return "", "too long for a phone number: more than 15 digits"
	}
	code := callingCode(digits)
	if code == 0 {
		return "", "no country has this calling code"
	}
	rest := digits[codeLength(code):]
	if rest != "" && rest[0] != '0' {
		if problem := lengthProblem(&phonenumbers.PhoneNumber{
			CountryCode:    proto.Int32(int32(code)),
			NationalNumber: proto.Uint64(integerOf(rest)),
		}); problem == "" {
			return "+" + digits, ""
		}
	}
	// A zero may be a part of the number, as in Italy, or a trunk prefix that is
	// for callers inside the country, as in +44 (0)20.
	n, err := phonenumbers.Parse("+"+digits, "")
	if err != nil {
		return "", "too short for a phone number"
	}
	if problem := lengthProblem(n); problem != "" {
		return "", problem
	}
	return phonenumbers.Format(n, phonenumbers.E164), ""
}

// national reads digits as they are dialled inside a country.
func national(digits, country string) (e164, problem string) {
	n, err := phonenumbers.Parse(digits, country)
	if err != nil {
		return "", "this is no phone number of " + country
	}
	if problem := lengthProblem(n); problem != "" {
		return "", problem + " of " + country + "; a number of another country needs + and the country code"
	}
	return phonenumbers.Format(n, phonenumbers.E164), ""
}

// lengthProblem says whether a number has a length that its country knows.
func lengthProblem(n *phonenumbers.PhoneNumber) string {
	switch phonenumbers.IsPossibleNumberWithReason(n) {
	case phonenumbers.IS_POSSIBLE:
		return ""
	case phonenumbers.TOO_SHORT, phonenumbers.IS_POSSIBLE_LOCAL_ONLY:
		return "too short for a phone number"
	case phonenumbers.TOO_LONG:
		return "too long for a phone number"
	case phonenumbers.INVALID_COUNTRY_CODE:
		return "no country has this calling code"
	default:
		return "no phone number has this length"
	}
}

// callingCode returns the country calling code at the start of digits, or zero.
// No code is the beginning of another.
func callingCode(digits string) int {
	codes := phonenumbers.GetSupportedCallingCodes()
	code := 0
	for i := 0; i < min(3, len(digits)); i++ {
		code = 10*code + int(digits[i]-'0')
		if code == 0 {
			return 0
		}
		if codes[code] {
			return code
		}
	}
	return 0
}

func codeLength(code int) int {
	switch {
	case code < 10:
		return 1
	case code < 100:
		return 2
	default:
		return 3
	}
}

// integerOf returns the value of at most 15 digits.
func integerOf(digits string) uint64 {
	var x uint64
	for i := range len(digits) {
		x = 10*x + uint64(digits[i]-'0')
	}
	return x
}

// isCountry reports whether phone numbers of the country are known.
func isCountry(country string) bool {
	return len(country) == 2 && phonenumbers.GetSupportedRegions()[country]
}

// ParsePhone reads one phone number that was sent outside a payload. The error is
// of type [Errors].
func ParsePhone(text string, o Options) (e164 string, err error) {
	to := recipients{reader: &reader{tree: &tree{plus: o.Query}}, country: strings.ToUpper(o.Country)}
	number, problem := to.parse(text)
	if problem != "" {
		return "", Errors{{Detail: problem, Phone: true}}
	}
	return number, nil
}
