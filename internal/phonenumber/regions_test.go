package phonenumber_test

import (
	"flag"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/nyaruka/phonenumbers"

	"github.com/rcshook/rcshook/internal/phonenumber"
	"github.com/rcshook/rcshook/internal/racetest"
)

var allRegions = flag.Bool("regions", false, "test the spellings of all numbers with every default country, which takes minutes")

// spelling is one way of writing a number.
type spelling struct {
	name string
	text string

	// own reports that the spelling has no calling code, so that it means the number only
	// in the country of the number.
	own bool

	form bool // from an urlencoded form

	// national reports that the text contains the library's national format.
	national bool
}

// spellings returns the usual ways of writing a number. A spelling with the calling code
// means that number everywhere, even without a plus sign.
func spellings(n *phonenumbers.PhoneNumber) []spelling {
	e164 := phonenumbers.Format(n, phonenumbers.E164)
	intl := phonenumbers.Format(n, phonenumbers.INTERNATIONAL)
	national := phonenumbers.Format(n, phonenumbers.NATIONAL)
	digits := strings.TrimPrefix(e164, "+")
	code := strconv.Itoa(int(n.GetCountryCode()))
	significant := phonenumbers.GetNationalSignificantNumber(n)
	first, rest, _ := strings.Cut(intl, " ")
	script := func(text string, zero rune) string {
		return strings.Map(func(r rune) rune {
			if r >= '0' && r <= '9' {
				return zero + r - '0'
			}
			return r
		}, text)
	}
	list := []spelling{
		{name: "E.164", text: e164},
		{name: "international", text: intl},
		{name: "international with no-break spaces", text: strings.ReplaceAll(intl, " ", "\u00a0")},
		{name: "international in bidirectional marks", text: "\u202a" + intl + "\u202c"},
		{name: "international with a zero in brackets", text: first + " (0)" + rest},
		{name: "international with dots", text: strings.NewReplacer(" ", ".", "-", ".").Replace(intl)},
		{name: "code in brackets", text: "(+" + code + ") " + rest},
		{name: "RFC 3966", text: phonenumbers.Format(n, phonenumbers.RFC3966)},
		{name: "without plus", text: digits},
		{name: "international without plus", text: strings.TrimPrefix(intl, "+")},
		{name: "code in brackets without plus", text: "(" + code + ") " + significant},
		{name: "with 00", text: "00" + digits},
		{name: "with 00 and spaces", text: "00 " + strings.TrimPrefix(intl, "+")},
		{name: "with 00 and a zero in brackets", text: "00" + code + " (0)" + rest},
		{name: "without plus, with a zero in brackets", text: code + " (0)" + rest},
		{name: "code before the national number", text: "+" + code + " " + national, national: true},
		{name: "code before the national number, without plus", text: code + " " + national, national: true},
		{name: "with 011", text: "011" + digits},
		{name: "E.164 with .0", text: e164 + ".0"},
		{name: "without plus, with .0", text: digits + ".0"},
		{name: "in scientific notation", text: digits[:1] + "." + digits[1:] + "E+" + strconv.Itoa(len(digits)-1)},
		{name: "shortened by a spreadsheet", text: digits[:1] + "." + digits[1:6] + "E+" + strconv.Itoa(len(digits)-1)},
		{name: "Arabic-Indic digits", text: script(e164, '٠')},
		{name: "Persian digits without plus", text: script(digits, '۰')},
		{name: "Devanagari digits", text: script(intl, '०')},
		{name: "full-width digits", text: "＋" + script(digits, '０')},
		{name: "full-width digits without plus", text: script(digits, '０')},
		{name: "with an apostrophe", text: "'" + e164},
		{name: "with an apostrophe, without plus", text: "'" + digits},
		{name: "as a formula", text: `="` + e164 + `"`},
		{name: "leading space", text: " " + digits},
		{name: "plus not escaped", text: " " + digits, form: true},
		{name: "plus not escaped, with spaces", text: " " + strings.TrimPrefix(intl, "+"), form: true},
		{name: "national", text: national, own: true, national: true},
		{name: "national digits", text: strings.Join(strings.FieldsFunc(national, func(r rune) bool { return r < '0' || r > '9' }), ""), own: true, national: true},
		{name: "national with .0", text: significant + ".0", own: true},
		{name: "national in full-width digits", text: script(national, '０'), own: true, national: true},
		{name: "national in Arabic-Indic digits", text: script(national, '٠'), own: true, national: true},
		{name: "national after a space", text: " " + national, own: true, national: true},
	}
	return list
}

// TestRead_regions tests that no usual spelling of a number is read as another valid
// number, whatever the default country is. It may be an error.
func TestRead_regions(t *testing.T) {
	t.Parallel()
	regions := slices.Sorted(maps.Keys(phonenumbers.GetSupportedRegions()))
	kinds := []phonenumbers.PhoneNumberType{
		phonenumbers.MOBILE, phonenumbers.FIXED_LINE, phonenumbers.TOLL_FREE, phonenumbers.PREMIUM_RATE, phonenumbers.SHARED_COST,
		phonenumbers.PERSONAL_NUMBER, phonenumbers.VOIP, phonenumbers.PAGER, phonenumbers.UAN, phonenumbers.VOICEMAIL,
	}
	var inputs, same, refused, unassigned, wrong atomic.Int64
	t.Cleanup(func() {
		t.Logf("%d inputs: %d read as the number, %d errors, %d unassigned, %d wrong", inputs.Load(), same.Load(), refused.Load(), unassigned.Load(), wrong.Load())
	})
	for i, region := range regions {
		if racetest.Enabled() && i%16 != 0 {
			continue // some regions at once are enough to find a race
		}
		t.Run(region, func(t *testing.T) {
			t.Parallel()
			for k, kind := range kinds {
				n := phonenumbers.GetExampleNumberForType(region, kind)
				if n == nil || k > 1 && !*allRegions {
					continue
				}
				if phonenumbers.IsPossibleNumberWithReason(n) != phonenumbers.IS_POSSIBLE {
					continue // 310-1234 in Canada cannot be called from other countries
				}
				want := phonenumbers.Format(n, phonenumbers.E164)
				for _, s := range spellings(n) {
					for j, country := range append([]string{""}, regions...) {
						// A prime step spreads the sample over all pairs of countries.
						if !*allRegions && country != region && country != "" && (i+j)%251 != k {
							continue
						}
						if s.own && country != region {
							continue
						}
						if s.national && region == "AR" && kind == phonenumbers.MOBILE {
							continue // the library writes 09 15-2345-6789 for 011 15-2345-6789
						}
						inputs.Add(1)
						got, err := phonenumber.Read(s.text, phonenumber.Options{Country: country, Form: s.form})
						parsed, _ := phonenumbers.Parse(got, "")
						switch {
						case err != nil:
							refused.Add(1)
						case got == want:
							same.Add(1)
						case !phonenumbers.IsValidNumber(parsed):
							unassigned.Add(1)
						default:
							wrong.Add(1)
							t.Errorf("%s, %s: Read(%q, %q) = %s, want %s or an error", region, s.name, s.text, country, got, want)
						}
					}
				}
			}
		})
	}
}
