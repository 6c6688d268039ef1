package payload_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/nyaruka/phonenumbers"

	"github.com/rcshook/rcshook/internal/payload"
)

func TestParsePhone(t *testing.T) {
	t.Parallel()
	const (
		letters   = "not a phone number: it contains letters"
		foreign   = "not a phone number: expected only digits, a leading +, spaces and the separators - . / ( )"
		noDigits  = "not a phone number: it contains no digits"
		short     = "too short for a phone number"
		long      = "too long for a phone number"
		noCode    = "unknown country calling code"
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
		{"202-555-0123", "us", "+12025550123", ""},
		{"1 202 555 0123", "US", "+12025550123", ""},
		{"011 44 20 7946 0018", "US", "+442079460018", ""},
		{"0044 20 7946 0018", "US", "+442079460018", ""},
		{"0170 1234567", "DE", "+491701234567", ""},
		{"07400 123456", "GB", "+447400123456", ""},
		{"06 698 12345", "IT", "+390669812345", ""},
		{"+442079460018", "US", "+442079460018", ""},

		{"+1202555CALL", "", "", letters},
		{"+12025550123x5", "", "", letters},
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
		{"442079460018", "US", "", long + " of US; for another country, write + and the country code"},
		{"5", "US", "", "not a phone number of US"},
	} {
		got, err := payload.ParsePhone(tt.text, payload.Options{Country: tt.country})
		problem := ""
		if f := payload.Errors(nil); errors.As(err, &f) && len(f) == 1 && f[0].Phone {
			problem = f[0].Detail
		} else if err != nil {
			t.Errorf("ParsePhone(%q, %q): %v, want one error in a phone number", tt.text, tt.country, err)
		}
		if got != tt.want || problem != tt.problem {
			t.Errorf("ParsePhone(%q, %q) = %q, %q\nwant %q, %q", tt.text, tt.country, got, problem, tt.want, tt.problem)
		}
	}
}

// A leading space is an unescaped plus sign in a query, and white space elsewhere.
func TestParsePhone_leadingSpace(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		text    string
		options payload.Options
		want    string
	}{
		{" 4930123456", payload.Options{Query: true}, "+4930123456"},
		{" 4930123456", payload.Options{}, ""},
		{" 2025550123", payload.Options{Country: "US"}, "+12025550123"},
		{" (202) 555-0123", payload.Options{Country: "US", Query: true}, "+12025550123"},
		{" +12025550123", payload.Options{Query: true}, "+12025550123"},
		{" ", payload.Options{Query: true}, ""},
	} {
		if got, _ := payload.ParsePhone(tt.text, tt.options); got != tt.want {
			t.Errorf("ParsePhone(%q, %+v) = %q, want %q", tt.text, tt.options, got, tt.want)
		}
	}
}

// The example numbers of all countries are valid in international and national form.
func TestParsePhone_everyCountry(t *testing.T) {
	t.Parallel()
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
				got, err := payload.ParsePhone(text, payload.Options{Country: region})
				if err != nil || got != want {
					t.Errorf("ParsePhone(%q, %s) = %q, %v, want %q", text, region, got, err, want)
				}
			}
		}
	}
}

func TestDecode_recipients(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, contentType, to string
		want                  []string
	}{
		{"one", asJSON, `"+12025550123"`, []string{"+12025550123 /to"}},
		{"number", asJSON, `12025550123`, []string{"+12025550123 /to"}},
		{"number with an exponent", asJSON, `1.2025550123e10`, []string{"+12025550123 /to"}},
		{"number as floating point", asJSON, `12025550123.0`, []string{"+12025550123 /to"}},
		{"list", asJSON, `["+12025550123", 12025550124, "+1 202 555 0123"]`, []string{"+12025550123 /to/0", "+12025550124 /to/1"}},
		{"text with commas", asJSON, `"+12025550123, +12025550124;+12025550125\n+12025550124,"`, []string{"+12025550123 /to", "+12025550124 /to", "+12025550125 /to"}},
		{"list in a text", asJSON, `"[\"+12025550123\"]"`, []string{"+12025550123 /to"}},
		{"empty values in a list", asJSON, `["", null, "+12025550123", " "]`, []string{"+12025550123 /to/2"}},
		{"text in a list", asJSON, `["+12025550123,+12025550124"]`, []string{"+12025550123 /to/0", "+12025550124 /to/0"}},
		{"form", asForm, "%2B12025550123", []string{"+12025550123 /to"}},
		{"plus sign not escaped", asForm, "+12025550123", []string{"+12025550123 /to"}},
		{"plus sign of a short number not escaped", asForm, "+6591234567", []string{"+6591234567 /to"}},
		{"plus signs not escaped", asForm, "+12025550123,+12025550124", []string{"+12025550123 /to", "+12025550124 /to"}},
		{"repeated", asForm, "%2B12025550123&to=%2B12025550124", []string{"+12025550123 /to", "+12025550124 /to"}},
		{"repeated with brackets", asForm, "%2B12025550123&to[]=%2B12025550124", []string{"+12025550123 /to", "+12025550124 /to[]"}},
		{"numbered", asForm, "&to2=%2B12025550124&to1=%2B12025550123", []string{"+12025550123 /to1", "+12025550124 /to2"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			body := `{"text": "a", "to": ` + tt.to + `}`
			if tt.contentType == asForm {
				body = "text=a&to=" + tt.to
			}
			p := decode(t, tt.contentType, body)
			var got []string
			for _, r := range p.To {
				got = append(got, r.E164+" "+r.Pointer)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" || len(p.Errors) > 0 {
				t.Errorf("recipients of %s (-want +got):\n%serrors %v", body, diff, p.Errors)
			}
		})
	}
}

func TestDecode_recipientErrors(t *testing.T) {
	t.Parallel()
	var many []string
	for i := range 1200 {
		many = append(many, fmt.Sprintf("+1202555%04d", i))
	}
	const letters = "not a phone number: it contains letters"
	for _, tt := range []struct {
		name, fields string
		want         []string
	}{
		{"none", `"to": ""`, []string{"/to: missing: expected a phone number such as +12025550123"}},
		{"empty list", `"to": []`, []string{"/to: missing: expected a phone number such as +12025550123"}},
		{"one of a list", `"to": ["+12025550123", "abc"]`, []string{"/to/1: " + letters}},
		{"one of a text", `"to": "+12025550123, abc"`, []string{"/to: item 2 of this text: " + letters}},
		{"in a list in a text", `"to": "[\"+12025550123\",\"abc\"]"`, []string{"/to: in the JSON text, at /1: " + letters}},
		{"alias", `"Phone Number": "abc"`, []string{"/Phone Number: " + letters}},
		{"object", `"to": {"a": 1}`, []string{"/to: expected a phone number or a list of them, got an object"}},
		{"boolean", `"to": true`, []string{"/to: expected a phone number or a list of them, got a boolean"}},
		{"list in a list", `"to": [["+12025550123"]]`, []string{"/to/0: expected a phone number or a list of them, got a list"}},
		{"fraction", `"to": 1.5`, []string{"/to: not a phone number; send it as text"}},
		{"negative", `"to": -12025550123`, []string{"/to: not a phone number; send it as text"}},
		{"huge", `"to": 1e400`, []string{"/to: not a phone number; send it as text"}},
		{"country", `"to": "2025550123", "country": "XX"`, []string{"/country: expected a two-letter ISO 3166 country code, such as US or DE"}},
		{"country and letters", `"to": "abc", "country": 1`, []string{"/to: " + letters, "/country: expected a two-letter ISO 3166 country code, such as US or DE"}},
		{"hundred", `"to": ["` + strings.Join(many[:100], `","`) + `","` + many[0] + `"]`, nil},
		{"hundred and one", `"to": ["` + strings.Join(many[:101], `","`) + `"]`, []string{"/to: too many recipients: expected at most 100, got 101 [101/100]"}},
		{"hundred and one in a text", `"to": "` + strings.Join(many[:101], `,`) + `"`, []string{"/to: too many recipients: expected at most 100, got 101 [101/100]"}},
		{"many more", `"to": "` + strings.Join(many, `,`) + `"`, []string{"/to: too many recipients: expected at most 100, got 1200 [1200/100]"}},
		{"message ID and two", `"to": "+12025550123,+12025550124", "message_id": "00000000-0000-4000-8000-000000000000"`, []string{"/message_id: a message_id needs exactly one recipient, got 2; use idempotency_key"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, problems(t, asJSON, `{"text": "a", `+tt.fields+`}`)); diff != "" {
				t.Errorf("errors (-want +got):\n%s", diff)
			}
		})
	}
}

// Phone is set only on errors about the number of a recipient.
func TestError_Phone(t *testing.T) {
	t.Parallel()
	for _, f := range decode(t, asJSON, `{"to": ["abc", true, 1.5], "ttl": "x"}`).Errors {
		if want := strings.HasPrefix(f.Pointer, "/to/"); f.Phone != want {
			t.Errorf("%s: Phone = %v, want %v", f.Pointer, f.Phone, want)
		}
	}
}

func TestDecode_country(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ option, field, to, want string }{
		{"US", "", "202 555 0123", "+12025550123"},
		{"us", "", "202 555 0123", "+12025550123"},
		{"US", "GB", "020 7946 0018", "+442079460018"},
		{"", "uk", "020 7946 0018", "+442079460018"},
		{"DE", "", "+12025550123", "+12025550123"},
	} {
		body := `{"to": "` + tt.to + `", "country": "` + tt.field + `"}`
		p, err := payload.Decode(asJSON, []byte(body), payload.Options{Country: tt.option})
		if err != nil || len(p.Errors) > 1 || len(p.To) != 1 || p.To[0].E164 != tt.want {
			t.Errorf("Decode(%s) with %q: %v, %v, %v", body, tt.option, p.To, p.Errors, err)
		}
	}
}
