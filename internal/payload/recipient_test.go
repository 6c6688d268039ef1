package payload_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rcshook/rcshook/internal/payload"
)

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
	var many, numbered []string
	for i := range 1200 {
		many = append(many, fmt.Sprintf("+1202555%04d", i))
		numbered = append(numbered, fmt.Sprintf(`"to%d": "%s"`, i, many[i]))
	}
	const letters = "not a phone number: it contains letters"
	for _, tt := range []struct {
		name, fields string
		want         []string
	}{
		{"none", `"to": ""`, []string{"/to: missing: expected a phone number such as +12025550123"}},
		{"empty list", `"to": []`, []string{"/to: missing: expected a phone number such as +12025550123"}},
		{"one of a list", `"to": ["+12025550123", "abc"]`, []string{"/to/1: " + letters}},
		{"two of a text", `"to": "+12025550123, abc, abc"`, []string{"/to: item 2 of this text: " + letters, "/to: item 3 of this text: " + letters}},
		{"in a list in a text", `"to": "[\"+12025550123\",\"abc\"]"`, []string{"/to: in the JSON text, at /1: " + letters}},
		{"alias", `"Phone Number": "abc"`, []string{"/Phone Number: " + letters}},
		{"object", `"to": {"a": 1}`, []string{"/to: expected a phone number or a list of them, got an object"}},
		{"boolean", `"to": true`, []string{"/to: expected a phone number or a list of them, got a boolean"}},
		{"list in a list", `"to": [["+12025550123"]]`, []string{"/to/0: expected a phone number or a list of them, got a list"}},
		{"fraction", `"to": 1.5`, []string{"/to: not a phone number; send it as text"}},
		{"negative", `"to": -12025550123`, []string{"/to: not a phone number; send it as text"}},
		{"huge", `"to": 1e400`, []string{"/to: not a phone number: scientific notation has lost its last digits; format the column as text and enter the number again"}},
		{"decimal comma", `"to": "4,91701E+11"`, []string{"/to: not a phone number: scientific notation has lost its last digits; format the column as text and enter the number again"}},
		{"country", `"to": "2025550123", "country": "XX"`, []string{"/country: expected a two-letter ISO 3166 country code, such as US or DE"}},
		{"country and letters", `"to": "abc", "country": 1`, []string{"/to: " + letters, "/country: expected a two-letter ISO 3166 country code, such as US or DE"}},
		{"hundred", `"to": ["` + strings.Join(many[:100], `","`) + `","` + many[0] + `"]`, nil},
		{"hundred and one", `"to": ["` + strings.Join(many[:101], `","`) + `"]`, []string{"/to: too many recipients: expected at most 100, got 101 [101/100]"}},
		{"hundred and one in a text", `"to": "` + strings.Join(many[:101], `,`) + `"`, []string{"/to: too many recipients: expected at most 100, got 101 [101/100]"}},
		{"many more", `"to": "` + strings.Join(many, `,`) + `"`, []string{"/to: too many recipients: expected at most 100, got 1200 [1200/100]"}},
		{"thousand, mostly the same", `"to": "` + strings.Repeat(many[0]+",", 999) + `abc"`, []string{"/to: item 1000 of this text: " + letters}},
		{"thousand and one, all the same", `"to": "` + strings.Repeat(many[0]+",", 1001) + `"`, []string{"/to: too many recipients: expected at most 100, got 1001 [1001/100]"}},
		{"hundred and one, numbered", strings.Join(numbered[:101], ","), []string{"/to100: too many recipients: expected at most 100, got 101 [101/100]"}},
		{"hundred and one in a hundred keys", strings.Join(numbered[:99], ",") + `, "to99": "` + many[99] + "," + many[100] + `"`, []string{"/to0: too many recipients: expected at most 100, got 101 [101/100]"}},
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
