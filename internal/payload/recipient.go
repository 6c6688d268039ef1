package payload

import (
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/rcshook/rcshook/internal/phonenumber"
)

// MaxRecipients is the maximum number of recipients of one payload.
const MaxRecipients = 100

const missingRecipient = "missing: expected a phone number such as +12025550123"

// recipients reads at most limit recipients: one number, several in one text, or a list of
// either.
func (r *reader) recipients(f *record, limit int) []Recipient {
	// Of a list with duplicates, ten times the limit is read to find the distinct numbers.
	to := recipients{reader: r, maxEntries: 10 * limit, seen: map[string]bool{}}
	n := f.get(fTo)
	if n == nil {
		if f.lacks(fTo) {
			r.missing(f.node.position(), "to", missingRecipient)
		}
		return nil
	}
	if text := strings.TrimSpace(n.text); n.kind == kindString && strings.HasPrefix(text, "[") && !isObjectText(text) {
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
	if to.entries > to.maxEntries {
		count = to.entries
	}
	if count > limit {
		at := n.position().Excess(limit)
		e := at.Errorf("too many recipients: expected at most %d, got %d", limit, count)
		e.Limit, e.Actual = limit, count
		r.report(at, e)
	}
	return to.list
}

// readCountry reads the country of national numbers.
func (r *reader) readCountry(n *node) {
	r.phone = phonenumber.Options{Country: strings.ToUpper(r.options.Country), Countries: r.options.Countries, Form: r.tree.plus}
	if n == nil {
		return
	}
	t := r.line(n)
	country, ok := phonenumber.Country(t.Value)
	if r.phone.Country = country; !ok {
		r.phone.Country, r.noCountry = "", true
		if t.Sent() {
			r.errorf(n, "expected a two-letter ISO 3166 country code, such as US or DE")
		}
	}
}

// isObjectText reports whether a program wrote an object as text, such as [object Object].
func isObjectText(text string) bool {
	rest, ok := strings.CutPrefix(strings.TrimSpace(text), "[")
	return ok && strings.IndexFunc(rest, unicode.IsLetter) == 0 || strings.HasPrefix(text, "{")
}

// recipients collects distinct numbers in their order.
type recipients struct {
	*reader
	entries    int
	maxEntries int
	invalid    bool // an error was reported
	list       []Recipient
	seen       map[string]bool // the numbers of list
}

// separators separate the numbers of a text.
const separators = ",;|\r\n\u2028\u2029"

// decimalComma matches a number as spreadsheets of many languages write it: 4,91701E+11.
var decimalComma = regexp.MustCompile(`^\s*\d,\d+[eE]\+?\d+\s*$`)

// read adds the numbers of one node.
func (to *recipients) read(n *node) {
	at := n.position()
	switch n.kind {
	case kindNull:
	case kindString:
		if !strings.ContainsAny(n.text, separators) || isObjectText(n.text) || strings.Contains(n.text, ";ext=") || decimalComma.MatchString(n.text) {
			to.add(at, n.text, phonenumber.Read)
			return
		}
		for text := range strings.FieldsFuncSeq(n.text, func(r rune) bool { return strings.ContainsRune(separators, r) }) {
			if strings.TrimSpace(text) != "" {
				at.part++
				to.add(at, text, phonenumber.Read)
			}
		}
	case kindNumber:
		to.add(at, n.text, phonenumber.ReadNumber)
	default:
		to.reportPhone(at, "expected a phone number or a list of them, got "+kindNames[n.kind])
	}
}

// add adds one number unless it is empty, invalid or a duplicate.
func (to *recipients) add(at Position, text string, read func(string, phonenumber.Options) (string, error)) {
	if strings.TrimSpace(text) == "" {
		return
	}
	if to.entries++; to.entries > to.maxEntries {
		return
	}
	number, err := read(text, to.phone)
	switch {
	case err == phonenumber.ErrCountry && to.noCountry: // the country has an error already
	case err != nil:
		to.reportPhone(at, err.Error())
	case !to.seen[number]:
		to.seen[number] = true
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
		if !slices.Contains(countries, phonenumber.CountryOf(r.E164)) {
			errs = append(errs, Error{
				Pointer: r.Pointer,
				Detail:  "sending to this country is not allowed; the allowed countries are " + strings.Join(countries, ", "),
			})
		}
	}
	return errs.Sorted()
}
