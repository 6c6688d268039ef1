package phonenumber_test

import (
	"strings"
	"testing"
	"unicode"

	"github.com/rcshook/rcshook/internal/phonenumber"
)

func TestRead_written(t *testing.T) {
	t.Parallel()
	const (
		lost     = "not a phone number: scientific notation has lost its last digits; format the column as text and enter the number again"
		negative = "not a phone number but a negative one, as a spreadsheet calculates from hyphens; format the column as text and enter the number again"
		object   = "not a phone number: an object that was not written as JSON; send the field that contains the number"
		missing  = "not a phone number: the word of a program for a missing value; check the field that it comes from"
		sheet    = "not a phone number: an error of a spreadsheet; fix the formula, or widen the column"
		template = "not a phone number: a placeholder that was not replaced; check the name of its variable"
		ext      = "has an extension, which cannot receive messages; send the number without it"
		prefix   = "ambiguous: the number is valid with the prefix after its country code and without it; write it in E.164, such as +12025550123"
		prefixes = "not a phone number: more than one prefix precedes its area code; write it in E.164, such as +12025550123"
		letters  = "not a phone number: it contains letters"
		several  = "more than one number; separate them by commas"
		foreign  = "not a phone number: expected only digits, a leading +, spaces and the separators - . / ( )"
	)
	for _, tt := range []struct{ text, country, want, problem string }{
		// Spreadsheets.
		{"491701234567.0", "", "+491701234567", ""},
		{"+491701234567.00", "", "+491701234567", ""},
		{"2025550123.0", "US", "+12025550123", ""},
		{"1.2025550123E+10", "", "+12025550123", ""},
		{"1,2025550123E10", "", "+12025550123", ""},
		{"1.20246E+10", "", "", lost},
		{"+1.2025550123E+10", "DE", "+12025550123", ""},
		{"+3.0231251E+7", "DE", "", "too short for a phone number"},
		{"+0000E0", "DE", "", "unknown country calling code"},
		{"4,91702E+11", "DE", "", lost},
		{"'+12025550110", "", "+12025550110", ""},
		{"’+12025550110", "", "+12025550110", ""},
		{`="+12025550110"`, "", "+12025550110", ""},
		{"=+12025550110", "", "+12025550110", ""},
		{"-2025550123", "US", "", negative},
		{"-1234688.0", "DE", "", negative},
		{"−1234688", "DE", "", negative},
		{"- 202 555 0123", "US", "+12025550123", ""},
		{"+49 170 1234567.0", "", "", "ends with .0, which a spreadsheet may have added; remove it"},
		{"01.23.45.67.00", "FR", "+33123456700", ""},
		{"#N/A", "", "", sheet},
		{"#REF!", "", "", sheet},
		{"#######", "", "", sheet},

		// Programs.
		{"[object Object]", "", "", object},
		{"[Ljava.lang.Object;@67b9", "", "", object},
		{"{title=A}", "", "", object},
		{"map[title:A]", "", "", object},
		{"System.Object[]", "", "", object},
		{"Array", "", "", object},
		{"NaN", "", "", missing},
		{"undefined", "", "", missing},
		{"null", "", "", missing},
		{"None", "", "", missing},
		{"{{phone}}", "", "", template},
		{"${phone}", "", "", template},
		{"<phone>", "", "", template},

		// Scripts and invisible characters.
		{"٠١٧٠ ١٢٣٤٥٦٧", "DE", "+491701234567", ""},
		{"+۹۸۹۱۲۳۴۵۶۷۸۹", "", "+989123456789", ""},
		{"०९८७६५४३२१०", "IN", "+919876543210", ""},
		{"０９０−１２３４−５６７８", "JP", "+819012345678", ""},
		{"０９０ー１２３４ー５６７８", "JP", "+819012345678", ""},
		{"（０３）１２３４－５６７８", "JP", "+81312345678", ""},
		{"＋８１（９０）１２３４・５６７８", "", "+819012345678", ""},
		{"\u202d+49 170 1234567\u202c", "", "+491701234567", ""},
		{"+49\u200b170\u00a01234567\ufeff", "", "+491701234567", ""},
		{"\u2066\u200etel:+491701234567\u2069", "", "+491701234567", ""},
		{"972501234567+", "", "", foreign},
		{"①②③", "", "", foreign},

		// Trunk prefixes.
		{"+49 (0)30 23125 123", "", "+493023125123", ""},
		{"+49(0)170/1234567", "", "+491701234567", ""},
		{"+44 （０）20 7946 0018", "", "+442079460018", ""},
		{"+39 (0)6 698 12345", "", "+390669812345", ""},
		{"+39 (0)312 345 6789", "", "", prefix},
		{"0039 (0)312 345 6789", "IT", "", prefix},
		{"+375 8 029 491-19-11", "", "+375294911911", ""},
		{"+375 29 491-19-11", "", "+375294911911", ""},
		{"+225 (0)07 12 34 56 78", "", "+2250712345678", ""},
		{"0049 (0)30 23125 123", "", "+493023125123", ""},
		{"+49 00 170 1234567", "", "", prefixes},
		{"+49001701234567", "", "", prefixes},
		{"+49000000", "", "", prefixes},
		{"0000 170 1234567", "DE", "", prefixes},
		{"+7 (8) 912 345-67-89", "", "+79123456789", ""},
		{"8 (912) 345-67-89", "RU", "+79123456789", ""},
		{"+52 1 55 1234 5678", "", "+525512345678", ""},
		{"5215512345678", "", "+525512345678", ""},
		{"5215512345678", "MX", "+525512345678", ""},
		{"044 55 1234 5678", "MX", "+525512345678", ""},
		{"01 55 1234 5678", "MX", "+525512345678", ""},
		{"1 55 1234 5678", "MX", "", string(phonenumber.ErrAmbiguous)},
		{"+54 9 11 2345 6789", "", "+5491123456789", ""},
		{"+54 11 15 2345 6789", "", "+5491123456789", ""},

		// Extensions and several numbers.
		{"+1 202 555 0123 x5", "", "", ext},
		{"+1-202-555-0123;ext=5", "", "", ext},
		{"202-555-0123 ext. 5", "US", "", ext},
		{"+12025550123,,5", "", "", ext},
		{"+12025550123p5", "", "", ext},
		{"1-800-FLOWERS", "US", "", letters},
		{"555-555-SHIP", "US", "", letters},
		{"Box 5", "US", "", letters},
		{"+1 202 555 0123 / +1 202 555 0124", "", "", several},
		{"202 555 0123 / 202 555 0124", "US", "", several},
		{"0301234567/68", "DE", "", several},
		{"0170/1234567/8", "DE", "", several},
		{"030/1234567/8/9", "DE", "", several},
		{"030/1234567/", "DE", "+49301234567", ""},
		{"2025550123/2025550124/", "US", "", several},
		{"0301234567\n0301234568", "DE", "", several},
		{"030/1234567", "DE", "+49301234567", ""},
		{"+12025550123\n", "", "+12025550123", ""},
	} {
		got, err := phonenumber.Read(tt.text, phonenumber.Options{Country: tt.country})
		problem := ""
		if err != nil {
			problem = err.Error()
		}
		if got != tt.want || problem != tt.problem {
			t.Errorf("Read(%q, %q) = %q, %q\nwant %q, %q", tt.text, tt.country, got, problem, tt.want, tt.problem)
		}
	}
}

// Digits without a plus sign can be national or international.
func TestRead_withoutPlus(t *testing.T) {
	t.Parallel()
	const (
		ambiguous = string(phonenumber.ErrAmbiguous)
		noCountry = string(phonenumber.ErrCountry)
	)
	for _, tt := range []struct {
		text          string
		options       phonenumber.Options
		want, problem string
	}{
		{"491701234567", phonenumber.Options{Country: "DE"}, "+491701234567", ""},
		{"4915123456789", phonenumber.Options{Country: "DE"}, "+4915123456789", ""},
		{"12025550123", phonenumber.Options{Country: "DE"}, "+12025550123", ""},
		{" 12025550123", phonenumber.Options{Country: "DE"}, "+12025550123", ""},
		{" 12025550123", phonenumber.Options{Country: "DE", Form: true}, "+12025550123", ""},
		{"919876543210", phonenumber.Options{Country: "IN"}, "+919876543210", ""},
		{"491701234567", phonenumber.Options{Country: "IN"}, "+491701234567", ""},
		{"819012345678", phonenumber.Options{Country: "JP"}, "+819012345678", ""},
		{"491701234567", phonenumber.Options{Country: "JP"}, "+491701234567", ""},
		{"994501234567", phonenumber.Options{Country: "FI"}, "+994501234567", ""}, // 994 is also an international prefix of Finland
		{"15123456789", phonenumber.Options{Country: "DE"}, "", ambiguous},
		{"015123456789", phonenumber.Options{Country: "DE"}, "+4915123456789", ""},
		{"1512 3456789", phonenumber.Options{Country: "DE"}, "", ambiguous},
		{"1 512-345-6789", phonenumber.Options{Country: "DE"}, "+15123456789", ""},
		{"6591234567", phonenumber.Options{Country: "DE"}, "", ambiguous},

		// The groups show which of two numbers it is.
		{"4792345678", phonenumber.Options{Country: "US"}, "", ambiguous},
		{"(479) 234-5678", phonenumber.Options{Country: "US"}, "+14792345678", ""},
		{"(479) 2345678", phonenumber.Options{Country: "US"}, "+14792345678", ""},
		{"479.234.5678", phonenumber.Options{Country: "US"}, "+14792345678", ""},
		{"47 92 34 56 78", phonenumber.Options{Country: "US"}, "+4792345678", ""},
		{"479 23 45678", phonenumber.Options{Country: "US"}, "", ambiguous},
		{"+4792345678", phonenumber.Options{Country: "US"}, "+4792345678", ""},
		{"961-1123456", phonenumber.Options{Country: "NP"}, "", ambiguous}, // +961 1 123 456 with its code first
		{"00 690 7290", phonenumber.Options{Country: "TJ"}, "", ambiguous},
		{" 4792345678", phonenumber.Options{Country: "US"}, "", ambiguous},
		{" 4792345678", phonenumber.Options{Country: "US", Form: true}, "+4792345678", ""},

		// Numbers that are not assigned.
		{"5550142233", phonenumber.Options{Country: "US"}, "+15550142233", ""},
		{"15550142233", phonenumber.Options{Country: "US"}, "+15550142233", ""},
		{"15550142233", phonenumber.Options{}, "", noCountry},
		{"07700900123", phonenumber.Options{Country: "GB"}, "+447700900123", ""},
		{" 447700900123", phonenumber.Options{Form: true}, "+447700900123", ""},

		// Digits that may be of a new range in the country, and are valid in another one.
		{"(457) 234-5678", phonenumber.Options{Country: "US"}, "+14572345678", ""}, // Louisiana, and +45 72 34 56 78
		{"457-234-5678", phonenumber.Options{Country: "US"}, "+14572345678", ""},
		{"4572345678", phonenumber.Options{Country: "US"}, "", ambiguous},
		{"4572345678", phonenumber.Options{Country: "CA"}, "", ambiguous},
		{"(457) 234-5678", phonenumber.Options{Country: "BS"}, "+14572345678", ""},
		{"4572345678", phonenumber.Options{Country: "BS"}, "", ambiguous},
		{"(534) 180-7339", phonenumber.Options{Country: "US"}, "+15341807339", ""}, // no number there starts with 53
		{"(53) 418 07339", phonenumber.Options{Country: "US"}, "", ambiguous},
		{"(49) 170 1234567", phonenumber.Options{Country: "US"}, "+491701234567", ""}, // too long for an area code
		{"457 2345678", phonenumber.Options{Country: "US"}, "", ambiguous},
		{"45 72 34 56 78", phonenumber.Options{Country: "US"}, "+4572345678", ""},
		{"4572345678", phonenumber.Options{Country: "GB"}, "+4572345678", ""}, // no number there starts with 45
		{"(47) 9221-1234", phonenumber.Options{Country: "BR"}, "", ambiguous}, // as before 2016, and +47 922 11 234
		{"4792211234", phonenumber.Options{Country: "BR"}, "", ambiguous},
		{"16512345678", phonenumber.Options{Country: "CN"}, "", ambiguous},
		{"1 651-234-5678", phonenumber.Options{Country: "CN"}, "+16512345678", ""},
		{"12025550123", phonenumber.Options{Country: "CN"}, "+12025550123", ""},
		{"(51) 99876-5432", phonenumber.Options{}, "", noCountry}, // Brazil, and +51 998 765 432
		{"(0051) 998 765 432", phonenumber.Options{}, "+51998765432", ""},
		{"(+51) 998 765 432", phonenumber.Options{}, "+51998765432", ""},

		// International prefixes of other countries.
		{"0012025550123", phonenumber.Options{Country: "DE"}, "+12025550123", ""},
		{"01112025550123", phonenumber.Options{Country: "GB"}, "+12025550123", ""},
		{"01112025550123", phonenumber.Options{}, "", noCountry},
		{"011 23456789", phonenumber.Options{Country: "IN"}, "+911123456789", ""},

		// Without a country, the other countries of the configuration count.
		{"15123456789", phonenumber.Options{}, "+15123456789", ""},
		{"15123456789", phonenumber.Options{Countries: []string{"", "US", "DE"}}, "", ambiguous},
		{"15123456789", phonenumber.Options{Countries: []string{"US", "CA", "FR"}}, "+15123456789", ""},
		{"16512345678", phonenumber.Options{Countries: []string{"CN"}}, "", ambiguous},
		{"+15123456789", phonenumber.Options{Countries: []string{"DE"}}, "+15123456789", ""},
		{"491701234567", phonenumber.Options{Countries: []string{"DE", "US"}}, "+491701234567", ""},
	} {
		got, err := phonenumber.Read(tt.text, tt.options)
		problem := ""
		if err != nil {
			problem = err.Error()
		}
		if got != tt.want || problem != tt.problem {
			t.Errorf("Read(%q, %+v) = %q, %q\nwant %q, %q", tt.text, tt.options, got, problem, tt.want, tt.problem)
		}
	}
}

func TestReadNumber(t *testing.T) {
	t.Parallel()
	const (
		lost   = "not a phone number: scientific notation has lost its last digits; format the column as text and enter the number again"
		asText = "not a phone number; send it as text"
	)
	for _, tt := range []struct{ literal, want, problem string }{
		{"491701234567", "+491701234567", ""},
		{"491701234567.0", "+491701234567", ""},
		{"4.91701234567e11", "+491701234567", ""},
		{"1.20246E+10", "", lost},
		{"1e400", "", lost},
		{"491701234567.5", "", asText},
		{"-491701234567", "", asText},
		{"491701234567000000000", "", "missing country; write the number with + and the country code, or send country"},
	} {
		got, err := phonenumber.ReadNumber(tt.literal, phonenumber.Options{})
		problem := ""
		if err != nil {
			problem = err.Error()
		}
		if got != tt.want || problem != tt.problem {
			t.Errorf("ReadNumber(%s) = %q, %q, want %q, %q", tt.literal, got, problem, tt.want, tt.problem)
		}
	}
}

func TestDial(t *testing.T) {
	t.Parallel()
	const characters = "expected a phone number of digits, *, # and a leading +"
	german := phonenumber.Options{Country: "DE"}
	for _, tt := range []struct {
		text          string
		options       phonenumber.Options
		want, problem string
	}{
		{"+49 (0)30 23125 123", phonenumber.Options{}, "+493023125123", ""},
		{"030 23125 123", german, "+493023125123", ""},
		{"030 23125 123", phonenumber.Options{}, "03023125123", ""},
		{"0800 1234567", german, "08001234567", ""},
		{"116117", german, "116117", ""},
		{"112", german, "112", ""},
		{"22 833", german, "22833", ""},
		{"*100#", german, "*100#", ""},
		{"＊100＃", german, "", characters},
		{"*21*+491701234567#", german, "", characters},
		{"12025550199", phonenumber.Options{}, "12025550199", ""},
		{" 12025550199", phonenumber.Options{Form: true}, "+12025550199", ""},
		{" 120", phonenumber.Options{Form: true}, "120", ""},
		{"4792345678", phonenumber.Options{Country: "US"}, "4792345678", ""},
		{"８００−１２３４", phonenumber.Options{}, "8001234", ""},
		{"+4930", phonenumber.Options{}, "", "too short for a phone number"},
		{"+120255501234", phonenumber.Options{}, "", "too long for a phone number"},
		{"1234567890123456", german, "", "too long for a phone number"},
		{"+49 30 23125 ext. 123", german, "", "has an extension, which RCS does not dial; leave it out"},
		{"1-800-FLOWERS", german, "", characters},
		{"030 1234567/68", german, "", "more than one number; separate them by commas"},
		{"", german, "", characters},
		{"CALL", german, "", characters},
		{"*", german, "", characters},
	} {
		got, err := phonenumber.Dial(tt.text, tt.options)
		problem := ""
		if err != nil {
			problem = err.Error()
		}
		if got != tt.want || problem != tt.problem {
			t.Errorf("Dial(%q, %+v) = %q, %q, want %q, %q", tt.text, tt.options, got, problem, tt.want, tt.problem)
		}
	}
}

// All decimal digits of Unicode are read.
func TestRead_digits(t *testing.T) {
	t.Parallel()
	var all []rune
	for _, block := range unicode.Nd.R16 {
		for r := rune(block.Lo); r <= rune(block.Hi); r++ {
			all = append(all, r)
		}
	}
	for _, block := range unicode.Nd.R32 {
		for r := rune(block.Lo); r <= rune(block.Hi); r++ {
			all = append(all, r)
		}
	}
	for i := 0; i < len(all); i += 10 {
		d := all[i : i+10]
		text := string([]rune{'+', d[4], d[9], d[1], d[7], d[0], d[1], d[2], d[3], d[4], d[5], d[6], d[7]})
		if got, err := phonenumber.Read(text, phonenumber.Options{}); got != "+491701234567" {
			t.Errorf("Read(%q) = %q, %v, want +491701234567", text, got, err)
		}
	}
}

func FuzzRead(f *testing.F) {
	for _, text := range []string{"+12025550123", "+49 (0)30 23125 123", "491701234567.0", "1.2E+10", "[object Object]", " 4930123456", "٠١٢", "tel:+1-202-555-0123;ext=5", "+49000000", "+0000E0"} {
		f.Add(text, "DE", true)
		f.Add(text, "", false)
	}
	f.Fuzz(func(t *testing.T, text, country string, form bool) {
		country, ok := phonenumber.Country(country)
		if !ok {
			country = ""
		}
		o := phonenumber.Options{Country: country, Countries: []string{"US"}, Form: form}
		if number, err := phonenumber.Dial(text, o); err == nil && len(number) > 32 {
			t.Errorf("Dial(%q) = %q, want at most 32 characters", text, number)
		}
		got, err := phonenumber.Read(text, o)
		if err != nil {
			return
		}
		if again, err := phonenumber.Read(got, o); again != got {
			t.Errorf("Read(%q) = %q, which is read as %q, %v", text, got, again, err)
		}
		if rest, ok := strings.CutPrefix(text, "+"); ok {
			if strings.Trim(rest, "0123456789") == "" && !isSubsequence(got[1:], rest) && !strings.HasPrefix(rest, "54") {
				t.Errorf("Read(%q) = %q, which has other digits", text, got) // 15 becomes 9 in Argentina
			}
			if again, err := phonenumber.Read(text, phonenumber.Options{}); again != got {
				t.Errorf("Read(%q) = %q with a country, and %q, %v without", text, got, again, err)
			}
		}
	})
}

// isSubsequence reports whether s contains the characters of sub in their order.
func isSubsequence(sub, s string) bool {
	for _, r := range s {
		if sub != "" && rune(sub[0]) == r {
			sub = sub[1:]
		}
	}
	return sub == ""
}
