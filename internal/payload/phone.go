package payload

import (
	"strconv"
	"strings"
	"unicode"

	"github.com/nyaruka/phonenumbers"
	"google.golang.org/protobuf/proto"
)

// maxDigits is the maximum length of an E.164 number without its plus sign.
const maxDigits = 15

// minBareDigits is the length from which digits without a plus sign may be an international
// number. Shorter ones are more likely national, and a wrong guess would reach a stranger
// in another country.
const minBareDigits = 11

// ParsePhone parses one phone number from outside a payload. The error is of type [Errors].
func ParsePhone(text string, o Options) (e164 string, err error) {
	number, problem := parseSentPhone(text, strings.ToUpper(o.Country), o.Query)
	if problem != "" {
		return "", Errors{{Detail: problem, Phone: true}}
	}
	return number, nil
}

// parseSentPhone parses a phone number. If plus is set, a leading space may be a plus sign
// that was not escaped in an urlencoded form or query.
func parseSentPhone(text, country string, plus bool) (e164, problem string) {
	if digits := strings.TrimLeft(text, " "); plus && digits != text && digits != "" && isDigit(digits[0]) {
		if number, problem := parsePhone("+"+digits, country); problem == "" {
			return number, ""
		}
	}
	return parsePhone(text, country)
}

const noCountry = "missing country; write the number with + and the country code, or send country"

// parsePhone parses a phone number in a form that people write. The number must be possible
// in the numbering plan of its country, but need not be assigned, so that new and
// fictional ranges pass. The problem does not quote the number.
func parsePhone(text, country string) (e164, problem string) {
	digits, plus, problem := phoneDigits(text)
	if problem != "" {
		return "", problem
	}
	switch {
	case plus:
		return parseInternational(digits)
	case country != "":
		e164, problem := parseNational(digits, country)
		if problem != "" && strings.HasPrefix(digits, "00") {
			return parseInternational(digits[2:])
		}
		return e164, problem
	case strings.HasPrefix(digits, "00"):
		return parseInternational(digits[2:])
	case len(digits) >= minBareDigits && digits[0] != '0':
		if n, err := phonenumbers.Parse("+"+digits, ""); err == nil && phonenumbers.IsValidNumber(n) {
			return phonenumbers.Format(n, phonenumbers.E164), ""
		}
	}
	return "", noCountry
}

// phoneDigits returns the digits of a number without separators, and whether a plus sign
// precedes them. It reports letters first, because a text with letters is probably not
// meant as a phone number.
func phoneDigits(text string) (digits string, plus bool, problem string) {
	s := trimTel(strings.TrimSpace(text))
	if rest, ok := strings.CutPrefix(s, "+"); ok && rest != "" && strings.Trim(rest, "0123456789") == "" {
		return rest, true, ""
	}
	if strings.ContainsFunc(s, unicode.IsLetter) {
		return "", false, "not a phone number: it contains letters"
	}
	s = strings.TrimLeftFunc(s, func(r rune) bool { return r != '(' && isPhoneSeparator(r) })
	for _, prefix := range []string{"+", "＋", "(+"} {
		if s, plus = strings.CutPrefix(s, prefix); plus {
			break
		}
	}
	var b strings.Builder
	for _, r := range s {
		switch {
		case r >= '0' && r <= '9':
			b.WriteRune(r)
		case r >= '０' && r <= '９':
			b.WriteRune(r - '０' + '0')
		case isPhoneSeparator(r):
		default:
			return "", false, "not a phone number: expected only digits, a leading +, spaces and the separators - . / ( )"
		}
	}
	if b.Len() == 0 {
		return "", false, "not a phone number: it contains no digits"
	}
	return b.String(), plus, ""
}

// trimTel removes the prefix tel: in any case.
func trimTel(s string) string {
	if len(s) >= 4 && strings.EqualFold(s[:4], "tel:") {
		return s[4:]
	}
	return s
}

// isPhoneSeparator reports whether r may separate the digits of a number. The invisible
// marks of Unicode (Cf) are copied from contact apps.
func isPhoneSeparator(r rune) bool {
	return strings.ContainsRune("-./()~", r) || unicode.IsSpace(r) || unicode.Is(unicode.Pd, r) || unicode.Is(unicode.Cf, r)
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// parseInternational parses digits that start with a country calling code.
func parseInternational(digits string) (e164, problem string) {
	if len(digits) > maxDigits {
		return "", "too long for a phone number: expected at most 15 digits"
	}
	code := callingCode(digits)
	if code == "" {
		return "", "unknown country calling code"
	}
	if rest := digits[len(code):]; rest != "" && rest[0] != '0' {
		country, _ := strconv.Atoi(code)               // a supported code
		national, _ := strconv.ParseUint(rest, 10, 64) // at most 15 digits
		if problem := checkLength(&phonenumbers.PhoneNumber{
			CountryCode:    proto.Int32(int32(country)),
			NationalNumber: proto.Uint64(national),
		}); problem == "" {
			return "+" + digits, ""
		}
	}
	// A zero is part of the number in Italy, and a trunk prefix in +44 (0)20.
	n, err := phonenumbers.Parse("+"+digits, "")
	if err != nil {
		return "", "too short for a phone number"
	}
	if problem := checkLength(n); problem != "" {
		return "", problem
	}
	return phonenumbers.Format(n, phonenumbers.E164), ""
}

// parseNational parses digits as they are dialed inside a country.
func parseNational(digits, country string) (e164, problem string) {
	n, err := phonenumbers.Parse(digits, country)
	if err != nil {
		return "", "not a phone number of " + country
	}
	if problem := checkLength(n); problem != "" {
		return "", problem + " of " + country + "; for another country, write + and the country code"
	}
	return phonenumbers.Format(n, phonenumbers.E164), ""
}

// checkLength returns a problem if the number has a length that its country does not use.
func checkLength(n *phonenumbers.PhoneNumber) (problem string) {
	switch phonenumbers.IsPossibleNumberWithReason(n) {
	case phonenumbers.IS_POSSIBLE:
		return ""
	case phonenumbers.TOO_SHORT, phonenumbers.IS_POSSIBLE_LOCAL_ONLY:
		return "too short for a phone number"
	case phonenumbers.TOO_LONG:
		return "too long for a phone number"
	case phonenumbers.INVALID_COUNTRY_CODE:
		return "unknown country calling code"
	default:
		return "invalid length for a phone number"
	}
}

// callingCode returns the country calling code at the start of digits, or "". No code is a
// prefix of another.
func callingCode(digits string) string {
	codes := phonenumbers.GetSupportedCallingCodes()
	for n := 1; n <= min(3, len(digits)); n++ {
		if code, err := strconv.Atoi(digits[:n]); err == nil && digits[0] != '0' && codes[code] {
			return digits[:n]
		}
	}
	return ""
}
