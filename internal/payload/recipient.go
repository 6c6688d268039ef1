package payload

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/nyaruka/phonenumbers"
)

// MaxRecipients is the maximum number of recipients of one payload.
const MaxRecipients = 100

// maxEntries limits the numbers that are read to find the distinct ones.
const maxEntries = 10 * MaxRecipients

const missingRecipient = "missing: expected a phone number such as +12025550123"

// recipients reads the recipients: one number, several in one text, or a list of either.
func (r *reader) recipients(f *record) []Recipient {
	to := recipients{reader: r}
	to.country, to.countryOK = r.country(f.get(fCountry))
	n := f.get(fTo)
	if n == nil {
		if f.lacks(fTo) {
			r.missing(f.node.position(), "to", missingRecipient)
		}
		return nil
	}
	if n.kind == kindString && strings.HasPrefix(strings.TrimSpace(n.text), "[") {
		if n = r.structured(n, kindList); n == nil {
			return nil
		}
	}
	if n.kind == kindList {
		for _, c := range n.children {
			to.read(c)
		}
	} else {
		to.read(n)
	}
	if to.entries == 0 && !to.invalid {
		r.errorf(n, missingRecipient)
	}
	count := len(to.list)
	if to.entries > maxEntries {
		count = to.entries
	}
	if count > MaxRecipients {
		at := n.position().Excess(MaxRecipients)
		e := at.Errorf("too many recipients: expected at most %d, got %d", MaxRecipients, count)
		e.Limit, e.Actual = MaxRecipients, count
		r.report(at, e)
	}
	return to.list
}

// country reads the country of national numbers. It returns false if the country is invalid.
func (r *reader) country(n *node) (country string, ok bool) {
	if n == nil {
		return strings.ToUpper(r.options.Country), true
	}
	t := r.line(n)
	if !t.Sent() {
		return "", false
	}
	if country = strings.ToUpper(t.Value); country == "UK" {
		country = "GB"
	}
	if len(country) != 2 || !phonenumbers.GetSupportedRegions()[country] {
		r.errorf(n, "expected a two-letter ISO 3166 country code, such as US or DE")
		return "", false
	}
	return country, true
}

// recipients collects distinct numbers in their order.
type recipients struct {
	*reader
	country   string
	countryOK bool
	entries   int
	invalid   bool // an error was reported
	list      []Recipient
}

// read adds the numbers of one node. Commas, semicolons and line breaks separate the
// numbers of a text.
func (to *recipients) read(n *node) {
	at := n.position()
	switch n.kind {
	case kindNull:
	case kindString:
		if !strings.ContainsAny(n.text, ",;\n") {
			to.add(at, n.text)
			return
		}
		for text := range strings.FieldsFuncSeq(n.text, func(r rune) bool { return r == ',' || r == ';' || r == '\n' }) {
			if strings.TrimSpace(text) != "" {
				at.part++
				to.add(at, text)
			}
		}
	case kindNumber:
		x, err := strconv.ParseFloat(n.text, 64)
		if err != nil || x < 1 || x > 1e15 || x != math.Trunc(x) {
			to.reportPhone(at, "not a phone number; send it as text")
			return
		}
		to.add(at, fmt.Sprintf("%.0f", x))
	default:
		to.reportPhone(at, "expected a phone number or a list of them, got "+kindNames[n.kind])
	}
}

// add adds one number unless it is empty, invalid or a duplicate.
func (to *recipients) add(at Position, text string) {
	if strings.TrimSpace(text) == "" {
		return
	}
	if to.entries++; to.entries > maxEntries {
		return
	}
	number, problem := parseSentPhone(text, to.country, to.tree.plus)
	switch {
	case problem == noCountry && !to.countryOK: // the country has an error already
	case problem != "":
		to.reportPhone(at, problem)
	case !slices.ContainsFunc(to.list, func(r Recipient) bool { return r.E164 == number }):
		to.list = append(to.list, Recipient{E164: number, Pointer: at.Pointer()})
	}
}

func (to *recipients) reportPhone(at Position, problem string) {
	to.invalid = true
	e := at.Errorf("%s", problem)
	e.Phone = true
	to.report(at, e)
}

// OutsideCountries returns an error for each recipient whose number belongs to none of the
// countries, which are ISO 3166 alpha-2 codes. A number without a country, such as that of a
// satellite phone, is outside of all.
func OutsideCountries(to []Recipient, countries []string) Errors {
	var errs Errors
	for _, r := range to {
		if !slices.Contains(countries, countryOf(r.E164)) {
			errs = append(errs, Error{
				Pointer: r.Pointer,
				Detail:  "sending to this country is not allowed; the allowed countries are " + strings.Join(countries, ", "),
			})
		}
	}
	return errs.Sorted()
}

// countryOf returns the country of an E.164 number, or "". The range of a number selects
// among countries with the same calling code. An unassigned range belongs to the main one.
func countryOf(e164 string) string {
	number, err := phonenumbers.Parse(e164, "")
	if err != nil {
		return ""
	}
	if country := phonenumbers.GetRegionCodeForNumber(number); country != "" {
		return country
	}
	return phonenumbers.GetRegionCodeForCountryCode(int(number.GetCountryCode()))
}
