package phonenumber_test

import (
	"strings"
	"testing"

	"github.com/nyaruka/phonenumbers"

	"github.com/rcshook/rcshook/internal/phonenumber"
	"github.com/rcshook/rcshook/internal/racetest"
)

func TestRead(t *testing.T) {
	t.Parallel()
	const (
		letters   = "not a phone number: it contains letters"
		foreign   = "not a phone number: expected only digits, a leading +, spaces and the separators - . / ( )"
		noDigits  = "not a phone number: it contains no digits"
		short     = "too short for a phone number"
		long      = "too long for a phone number"
		noCode    = "unknown country calling code"
		extension = "has an extension, which cannot receive messages; send the number without it"
		noCountry = "missing country; write the number with + and the country code, or send country"
	)
	for _, tt := range []struct {
		text, country string
		want, problem string
	}{
		{"+12025550123", "", "+12025550123", ""},
		{" +1 (202) 555-0123 ", "", "+12025550123", ""},
		{"+1.202.555.0123", "", "+12025550123", ""},
		{"+1/202/555/0123", "", "+12025550123", ""},
		{"+1\u00a0202\u2011555\u20130123", "", "+12025550123", ""},
		{"\u202a+1 202 555 0123\u202c", "", "+12025550123", ""},
		{"＋１２０２５５５０１２３", "", "+12025550123", ""},
		{"(+1) 202 555 0123", "", "+12025550123", ""},
		{"tel:+1-202-555-0123", "", "+12025550123", ""},
		{"TEL:+12025550123", "", "+12025550123", ""},
		{"0012025550123", "", "+12025550123", ""},
		{"00 44 20 7946 0018", "", "+442079460018", ""},
		{"+44 (0)20 7946 0018", "", "+442079460018", ""},
		{"+39 (0)6 698 12345", "", "+390669812345", ""},
		{"+44 020 7946 0018", "", "+442079460018", ""},
		{"+49 (0) 30 123456", "", "+4930123456", ""},
		{"+39 06 698 12345", "", "+390669812345", ""},
		{"+12025550100", "", "+12025550100", ""}, // fictional, but possible
		{"+800 1234 5678", "", "+80012345678", ""},
		{"12025550123", "", "+12025550123", ""},
		{"491701234567", "", "+491701234567", ""},
		{"12025550123", "US", "+12025550123", ""},
		{"202-555-0123", "US", "+12025550123", ""},
		{"1 202 555 0123", "US", "+12025550123", ""},
		{"011 44 20 7946 0018", "US", "+442079460018", ""},
		{"0044 20 7946 0018", "US", "+442079460018", ""},
		{"0170 1234567", "DE", "+491701234567", ""},
		{"07400 123456", "GB", "+447400123456", ""},
		{"06 698 12345", "IT", "+390669812345", ""},
		{"+442079460018", "US", "+442079460018", ""},

		{"+1202555CALL", "", "", letters},
		{"+12025550123x5", "", "", extension},
		{"hello", "US", "", letters},
		{"tel:hello", "", "", letters},
		{"+1 202 555 0123 ☎", "", "", foreign},
		{"+1+2025550123", "", "", foreign},
		{"2025550123+", "US", "", foreign},
		{"*100#", "", "", foreign},
		{"", "", "", noDigits},
		{"+", "", "", noDigits},
		{"()-", "", "", noDigits},
		{"+1202555", "", "", short},
		{"+1202555012", "", "", short},
		{"+120255501234", "", "", long},
		{"+1234567890123456", "", "", "too long for a phone number: expected at most 15 digits"},
		{"+1" + strings.Repeat("2", 300), "", "", "too long for a phone number: expected at most 15 digits"},
		{"+999 2025550123", "", "", noCode},
		{"+0 2025550123", "", "", noCode},
		{"+1", "", "", short},
		{"+49", "", "", short},
		{"2025550123", "", "", noCountry},
		{"017012345678", "", "", noCountry},
		{"6591234567", "", "", noCountry},  // valid in Singapore, and in Missouri
		{"13812345678", "", "", noCountry}, // Chinese, not +1 381
		{"555 0123", "US", "", short + " of US; for another country, write + and the country code"},
		{"442079460018", "US", "+442079460018", ""},
		{"5", "US", "", "not a phone number of US"},
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

// A leading space is an unescaped plus sign in a query, and white space elsewhere.
func TestRead_leadingSpace(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		text    string
		options phonenumber.Options
		want    string
	}{
		{" 4930123456", phonenumber.Options{Form: true}, "+4930123456"},
		{" 4930123456", phonenumber.Options{}, ""},
		{" 2025550123", phonenumber.Options{Country: "US"}, "+12025550123"},
		{" (202) 555-0123", phonenumber.Options{Country: "US", Form: true}, "+12025550123"},
		{" +12025550123", phonenumber.Options{Form: true}, "+12025550123"},
		{" ", phonenumber.Options{Form: true}, ""},
	} {
		if got, _ := phonenumber.Read(tt.text, tt.options); got != tt.want {
			t.Errorf("Read(%q, %+v) = %q, want %q", tt.text, tt.options, got, tt.want)
		}
	}
}

// The example numbers of all countries are valid in international and national form.
func TestRead_everyCountry(t *testing.T) {
	t.Parallel()
	racetest.Skip(t)
	for region := range phonenumbers.GetSupportedRegions() {
		for _, kind := range []phonenumbers.PhoneNumberType{phonenumbers.MOBILE, phonenumbers.FIXED_LINE} {
			example := phonenumbers.GetExampleNumberForType(region, kind)
			if example == nil {
				continue
			}
			want := phonenumbers.Format(example, phonenumbers.E164)
			for _, format := range []phonenumbers.PhoneNumberFormat{phonenumbers.E164, phonenumbers.INTERNATIONAL, phonenumbers.NATIONAL} {
				if region == "AR" && format == phonenumbers.NATIONAL {
					continue // the library cannot parse its own national format of mobile numbers
				}
				text := phonenumbers.Format(example, format)
				got, err := phonenumber.Read(text, phonenumber.Options{Country: region})
				if region == "MP" && format == phonenumbers.NATIONAL && err == phonenumber.ErrAmbiguous {
					continue // (670) is the area code of the islands, and +670 is Timor-Leste
				}
				if err != nil || got != want {
					t.Errorf("Read(%q, %s) = %q, %v, want %q", text, region, got, err, want)
				}
			}
		}
	}
}
