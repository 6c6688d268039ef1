// Package phonenumber reads phone numbers as people, spreadsheets and programs write them.
// It is the only reader of numbers in the module: for recipients, buttons, mappings,
// tables, query parameters and flags.
//
// A wrong number is another person's number. The reader therefore returns an error if a
// text can mean two numbers. Its errors do not quote the text.
package phonenumber

import (
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/nyaruka/phonenumbers"
)

// Options describe where a text comes from.
type Options struct {
	// Country is the country of national numbers, ISO 3166 alpha-2 in upper case. If it
	// is empty, national numbers are errors.
	Country string

	// Countries are other countries of the writer. Without Country, digits without a plus
	// sign that are also a mobile number of one of them are an error.
	Countries []string

	// Form reports that the text comes from an urlencoded form or a query, where a plus
	// sign that was not escaped has become a leading space.
	Form bool
}

// Error describes why a text is not read as a number.
type Error string

func (e Error) Error() string { return string(e) }

// Errors that callers treat differently from others.
const (
	// ErrCountry means that a national number has no country.
	ErrCountry Error = "missing country; write the number with + and the country code, or send country"

	// ErrAmbiguous means that digits without a plus sign are the numbers of two people.
	ErrAmbiguous Error = "ambiguous: these digits are a number of one country with their country code, " +
		"and of another country without it; write the number with + and the country code"
)

const (
	// maxDigits is the maximum length of an E.164 number without its plus sign.
	maxDigits = 15

	// minBareDigits is the length from which digits without a plus sign and a country may
	// be an international number. Shorter ones are more likely national.
	minBareDigits = 11

	errNoDigits   Error = "not a phone number: it contains no digits"
	errLetters    Error = "not a phone number: it contains letters"
	errCharacters Error = "not a phone number: expected only digits, a leading +, spaces and the separators - . / ( )"
	errExtension  Error = "has an extension, which cannot receive messages; send the number without it"
	errPrefix     Error = "ambiguous: the number is valid with the prefix after its country code and without it; write it in E.164, such as +12025550123"
	errPrefixes   Error = "not a phone number: more than one prefix precedes its area code; write it in E.164, such as +12025550123"
	errSeveral    Error = "more than one number; separate them by commas"
	errDial       Error = "expected a phone number of digits, *, # and a leading +"

	tooShort = "too short for a phone number"
	tooLong  = "too long for a phone number"
)

// Country returns a country code in the form of [Options], and whether phone numbers of
// that country exist.
func Country(text string) (code string, ok bool) {
	if code = strings.ToUpper(strings.TrimSpace(text)); code == "UK" {
		code = "GB"
	}
	return code, phonenumbers.GetCountryCodeForRegion(code) != 0
}

// CountryOf returns the country of an E.164 number, or "". The range of a number selects
// among countries with the same calling code. An unassigned range belongs to the main one.
func CountryOf(e164 string) string {
	n := parse(e164).PhoneNumber
	if n == nil {
		return ""
	}
	if country := phonenumbers.GetRegionCodeForNumber(n); country != "" {
		return country
	}
	return phonenumbers.GetRegionCodeForCountryCode(int(n.GetCountryCode()))
}

// Read returns the number in a text, in E.164. The number must have a length that its
// country uses, but need not be assigned, so that new and fictional ranges pass. The error
// is an [Error].
func Read(text string, o Options) (e164 string, err error) {
	e164, err = read(text, o)
	if err != nil || e164 == text {
		return e164, err
	}
	// The result of +49 00 170 still starts with a prefix, so its digits are not certain.
	if again, err := international(e164[1:]); err != nil || again != e164 {
		return "", errPrefixes
	}
	return e164, nil
}

func read(text string, o Options) (e164 string, err error) {
	if o.Form {
		text = RestorePlus(text)
	}
	if digits, ok := strings.CutPrefix(text, "+"); ok && isDigits(digits) { // most numbers
		return international(digits)
	}
	digits := strings.TrimRightFunc(text, func(r rune) bool { return !unicode.IsDigit(r) })
	if i := strings.LastIndexAny(digits, "/／\t\r\n"); i >= 0 && len(text) <= maxText {
		if first, err := Read(text[:i], o); err == errSeveral || err == nil && parse(first).valid() { // unlike in 030/123456
			return "", errSeveral
		}
	}
	w, err := scan(text)
	if err != nil {
		return "", err
	}
	if w.plus {
		return w.international()
	}
	e164, err = w.bare(o)
	if err != nil && o.Form && hasLostPlus(text) { // not assigned, but possible
		if intl, err := w.international(); err == nil {
			return intl, nil
		}
	}
	return e164, err
}

// RestorePlus returns a text of an urlencoded form or a query with its leading plus sign,
// if it is a phone number whose plus sign was not escaped and has become a space.
func RestorePlus(text string) string {
	if !hasLostPlus(text) {
		return text
	}
	restored := "+" + text[1:]
	if e164, err := Read(restored, Options{}); err != nil || !parse(e164).valid() {
		return text
	}
	return restored
}

// hasLostPlus reports whether a space precedes a digit at the start of a text.
func hasLostPlus(text string) bool {
	return len(text) > 1 && text[0] == ' ' && text[1] >= '0' && text[1] <= '9'
}

// Dial returns what a button dials: an E.164 number, or the digits, * and # of a short code
// or of a national number that Country does not explain. The error is an [Error].
func Dial(text string, o Options) (number string, err error) {
	const maxCode = 32 // characters of a code with * or #
	if strings.ContainsAny(text, "*#") {
		number, ok := dialable(text)
		if !ok {
			return "", errDial
		}
		if len(number) > maxCode {
			return "", Error("too long to dial: expected at most " + strconv.Itoa(maxCode) + " characters")
		}
		return number, nil
	}
	w, err := scan(text)
	switch err {
	case nil:
	case errExtension:
		return "", Error("has an extension, which RCS does not dial; leave it out")
	case errLetters, errCharacters, errNoDigits:
		return "", errDial
	default:
		return "", err
	}
	const maxShort = 6 // digits of a short code
	read, err := Read(text, o)
	switch {
	case w.plus, err == errSeveral:
		return read, err
	case err == nil && o.Form && hasLostPlus(text) && len(w.digits) > maxShort:
		return read, nil
	case len(w.digits) > maxDigits:
		return "", Error(tooLong)
	case err == nil && o.Country != "" && len(w.digits) > maxShort && dialsFromAbroad(parse(read)):
		return read, nil
	}
	return w.digits, nil
}

// dialsFromAbroad reports whether a valid number is of a type that callers in other
// countries reach, unlike a toll-free number.
func dialsFromAbroad(n number) bool {
	kind := phonenumbers.GetNumberType(n.PhoneNumber)
	return n.mobile() || kind == phonenumbers.FIXED_LINE || kind == phonenumbers.VOIP
}

// bare reads digits without a plus sign.
func (w written) bare(o Options) (e164 string, err error) {
	intl, err := w.withoutPlus()
	if err == errPrefix {
		return "", err
	}
	if o.Country == "" {
		switch {
		case strings.HasPrefix(w.digits, "00"):
			return written{w.digits[2:], w.text, true}.international()
		case intl == "" || len(w.digits) < minBareDigits || w.digits[0] == '0', w.text[0] == '(': // an area code in brackets
			return "", ErrCountry
		}
		for _, country := range o.Countries {
			if n := w.national(country); country != "" && (n.mobile() || w.isLike(n, country)) && n.e164() != intl {
				return "", ErrAmbiguous
			}
		}
		return intl, nil
	}
	national := w.national(o.Country)
	switch {
	case intl != "" && (!national.valid() && !w.isLike(national, o.Country) || national.e164() == intl):
		return intl, nil
	case intl != "":
		return w.choose(national, parse(intl), o.Country)
	case national.length() == "":
		return national.e164(), nil
	case strings.HasPrefix(w.digits, "00"):
		return written{w.digits[2:], w.text, true}.international()
	case national.PhoneNumber == nil:
		return "", Error("not a phone number of " + o.Country)
	}
	return "", Error(national.length() + " of " + o.Country + "; for another country, write + and the country code")
}

// withoutPlus returns the valid number that results if only a plus sign, or an
// international prefix in its place, precedes it.
func (w written) withoutPlus() (e164 string, err error) {
	digits := w.digits
	for _, prefix := range []string{"00", "011"} {
		if rest, ok := strings.CutPrefix(w.digits, prefix); ok {
			digits = rest
		}
	}
	e164, err = written{digits, w.text, true}.international()
	if err != nil || !parse(e164).valid() {
		return "", err
	}
	return e164, nil
}

// choose decides between two valid readings of the same digits. The groups of the digits
// can show it, as (479) 234-5678 and 47 92 34 56 78 do. Digits that start with the calling
// code of the country itself are international if otherwise they are not a mobile number.
func (w written) choose(national, intl number, country string) (e164 string, err error) {
	code := strconv.Itoa(int(intl.GetCountryCode()))
	if written := groups(w.text); len(written) > 1 {
		asNational := slices.Equal(written, groups(phonenumbers.Format(national.PhoneNumber, phonenumbers.NATIONAL)))
		asIntl := slices.Equal(written, groups(phonenumbers.Format(intl.PhoneNumber, phonenumbers.INTERNATIONAL)))
		startsWithCode := slices.Contains([]string{code, "00", "00" + code, "011", "011" + code}, written[0])
		switch {
		case asIntl && !asNational:
			return intl.e164(), nil
		case !startsWithCode && (asNational || strings.HasPrefix(w.text, "(")): // an area code
			return national.e164(), nil
		}
	}
	if code == strconv.Itoa(phonenumbers.GetCountryCodeForRegion(country)) && intl.mobile() && !national.mobile() {
		return intl.e164(), nil
	}
	return "", ErrAmbiguous
}

// isLike reports whether the digits have a possible length in a country, and either an
// area code in brackets, or the first two digits of valid numbers there. The number may be
// in a range that the library does not know yet: new area codes appear every year.
func (w written) isLike(national number, country string) bool {
	if national.PhoneNumber == nil || national.length() != "" {
		return false
	}
	if w.text[0] == '(' {
		return true
	}
	for _, kind := range []phonenumbers.PhoneNumberType{phonenumbers.MOBILE, phonenumbers.FIXED_LINE} {
		example := phonenumbers.GetExampleNumberForType(country, kind)
		if example == nil {
			continue
		}
		digits := phonenumbers.GetNationalSignificantNumber(example)
		if len(digits) != len(w.digits) {
			continue
		}
		for third := range 10 {
			n, err := phonenumbers.Parse(w.digits[:2]+strconv.Itoa(third)+digits[3:], country)
			if err == nil && (number{n}).valid() {
				return true
			}
		}
	}
	return false
}

// groups returns the groups of digits in a text.
func groups(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r < '0' || r > '9' })
}

// national reads the digits as they are dialed inside a country. The number is nil if they
// are not a number there.
func (w written) national(country string) number {
	digits := w.digits
	if country == "MX" && len(digits) > 10 {
		for _, obsolete := range []string{"01", "044", "045", "1"} { // until 2019
			if rest, ok := strings.CutPrefix(digits, obsolete); ok && len(rest) == 10 {
				digits = rest
				break
			}
		}
	}
	n, err := phonenumbers.Parse(digits, country)
	if err != nil {
		return number{}
	}
	return number{n}
}

// international reads digits after a plus sign. They may contain a prefix that is only
// dialed inside the country, as in +44 (0)20. In +39 (0)6 the zero is part of the number.
func (w written) international() (e164 string, err error) {
	kept, errKept := international(w.digits)
	if w.text == w.digits {
		return kept, errKept
	}
	dropped := withoutPrefix(w.digits)
	code := callingCode(w.digits)
	if rest := w.digits[len(code):]; code != "" && strings.Contains(w.text, "(0)") && strings.HasPrefix(rest, "0") {
		short, err := international(code + rest[1:])
		if dropped = parse(short); err == nil && errKept != nil {
			return short, nil
		}
	}
	switch n := parse(kept); {
	case dropped.PhoneNumber == nil, dropped.e164() == kept, !dropped.valid():
		return kept, errKept
	case !n.valid():
		return dropped.e164(), nil
	case slices.Equal(groups(w.text), groups(phonenumbers.Format(n.PhoneNumber, phonenumbers.INTERNATIONAL))):
		return kept, nil
	}
	return "", errPrefix
}

// international reads digits that start with a country calling code.
func international(digits string) (e164 string, err error) {
	if len(digits) > maxDigits {
		return "", Error(tooLong + ": expected at most 15 digits")
	}
	code := callingCode(digits)
	if code == "" {
		return "", Error("unknown country calling code")
	}
	rest := digits[len(code):]
	if code == "52" && len(rest) == 11 && rest[0] == '1' {
		rest = rest[1:] // until 2019, a 1 preceded mobile numbers in Mexico
	}
	if e164 := "+" + code + rest; rest != "" && rest[0] != '0' && parse(e164).length() == "" {
		return e164, nil
	}
	// A zero is part of the number in Italy, and a prefix in +44 020.
	n := withoutPrefix(digits)
	if problem := n.length(); problem != "" {
		return "", Error(problem)
	}
	return n.e164(), nil
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

// number is a parsed number, which may be nil.
type number struct{ *phonenumbers.PhoneNumber }

// parse parses an E.164 number with all of its digits.
func parse(e164 string) number {
	digits := strings.TrimPrefix(e164, "+")
	code := callingCode(digits)
	country, err := strconv.ParseInt(code, 10, 32)
	rest := digits[len(code):]
	significant, err2 := strconv.ParseUint(rest, 10, 64)
	if err != nil || err2 != nil {
		return number{}
	}
	n := number{&phonenumbers.PhoneNumber{CountryCode: new(int32(country)), NationalNumber: &significant}}
	if zeros := len(rest) - len(strings.TrimLeft(rest, "0")); zeros > 0 {
		n.ItalianLeadingZero, n.NumberOfLeadingZeros = new(true), new(int32(zeros))
	}
	return n
}

// withoutPrefix parses digits that start with a country calling code. It drops a prefix
// after the code that is only dialed inside the country.
func withoutPrefix(digits string) number {
	n, err := phonenumbers.Parse("+"+digits, "")
	if err != nil {
		return number{}
	}
	return number{n}
}

func (n number) e164() string { return phonenumbers.Format(n.PhoneNumber, phonenumbers.E164) }

// valid reports whether the number is in a range that is assigned.
func (n number) valid() bool {
	return n.PhoneNumber != nil && phonenumbers.IsValidNumber(n.PhoneNumber)
}

// mobile reports whether the number is valid and can be that of a mobile phone.
func (n number) mobile() bool {
	if n.PhoneNumber == nil {
		return false
	}
	kind := phonenumbers.GetNumberType(n.PhoneNumber)
	return kind == phonenumbers.MOBILE || kind == phonenumbers.FIXED_LINE_OR_MOBILE
}

// length returns a problem if the number has a length that its country does not use.
func (n number) length() (problem string) {
	if n.PhoneNumber == nil {
		return tooShort
	}
	switch phonenumbers.IsPossibleNumberWithReason(n.PhoneNumber) {
	case phonenumbers.IS_POSSIBLE:
		return ""
	case phonenumbers.TOO_SHORT, phonenumbers.IS_POSSIBLE_LOCAL_ONLY:
		return tooShort
	case phonenumbers.TOO_LONG:
		return tooLong
	case phonenumbers.INVALID_COUNTRY_CODE:
		return "unknown country calling code"
	default:
		return "invalid length for a phone number"
	}
}
