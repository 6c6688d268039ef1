package payload

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// MaxRecipients is the number of recipients of one payload.
const MaxRecipients = 100

// maxEntries bounds the numbers that are read to find the different ones.
const maxEntries = 10 * MaxRecipients

// country returns the country of national numbers, and false if there is a fault
// in it.
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
	if !isCountry(country) {
		r.fault(n, "this must be a country in two letters of ISO 3166, such as US or DE")
		return "", false
	}
	return country, true
}

// recipients reads who gets the message: one number, several in one text, or a
// list of either.
func (r *reader) recipients(f *record) []Recipient {
	to := recipients{reader: r}
	to.country, to.countryOK = r.country(f.get(fCountry))
	n := f.get(fTo)
	if n == nil {
		if f.lacks(fTo) {
			r.missing(f.node.place(), "to", "missing: who is to get the message, for instance +12025550123")
		}
		return nil
	}
	if n.kind == kindString && strings.HasPrefix(strings.TrimSpace(n.text), "[") {
		if n = r.structured(n, kindList); n == nil {
			return nil
		}
	}
	if n.kind == kindList {
		for c := n.first; c != nil; c = c.next {
			to.read(c)
		}
	} else {
		to.read(n)
	}
	if to.entries == 0 && !to.refused {
		r.fault(n, "missing: who is to get the message, for instance +12025550123")
	}
	count := len(to.list)
	if to.entries > maxEntries {
		count = to.entries
	}
	if count > MaxRecipients {
		at := n.place().Excess(MaxRecipients)
		fault := at.Errorf("%d recipients, at most %d are allowed", count, MaxRecipients)
		fault.Limit, fault.Actual = MaxRecipients, count
		r.report(at, fault)
	}
	return to.list
}

// recipients collects different numbers in their order.
type recipients struct {
	*reader
	country   string
	countryOK bool
	entries   int
	refused   bool // something that is no text and no number
	list      []Recipient
}

// read adds the numbers of one node.
func (to *recipients) read(n *node) {
	switch n.kind {
	case kindNull:
	case kindString:
		to.readText(n)
	case kindNumber:
		digits, ok := integer(n.text)
		if !ok {
			to.refuse(n.place(), "this number cannot be a phone number; send it as text")
			return
		}
		to.add(n.place(), digits)
	default:
		to.refuse(n.place(), "this must be a phone number, or a list of them, not "+kindNames[n.kind])
	}
}

// readText adds the numbers of a text, between commas, semicolons or line breaks.
func (to *recipients) readText(n *node) {
	at := n.place()
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
}

// add reads one number.
func (to *recipients) add(at Position, text string) {
	if strings.TrimSpace(text) == "" {
		return
	}
	if to.entries++; to.entries > maxEntries {
		return
	}
	number, problem := to.parse(text)
	if problem != "" {
		if to.countryOK || problem != noCountry {
			to.refuse(at, problem)
		}
		return
	}
	if !slices.ContainsFunc(to.list, func(r Recipient) bool { return r.E164 == number }) {
		to.list = append(to.list, Recipient{E164: number, Pointer: at.Pointer()})
	}
}

// parse reads one number. In an urlencoded form a plus sign that was not
// escaped has become a blank.
func (to *recipients) parse(text string) (number, problem string) {
	if to.tree.plus {
		if digits := strings.TrimLeft(text, " "); digits != text && digits != "" && digits[0] >= '0' && digits[0] <= '9' {
			if number, problem := parsePhone("+"+digits, to.country); problem == "" {
				return number, ""
			}
		}
	}
	return parsePhone(text, to.country)
}

func (to *recipients) refuse(at Position, problem string) {
	to.refused = true
	fault := at.Errorf("%s", problem)
	fault.Phone = true
	to.report(at, fault)
}

// integer returns the digits of a JSON number that is a whole one.
func integer(literal string) (string, bool) {
	x, err := strconv.ParseFloat(literal, 64)
	if err != nil || x < 1 || x > 1e15 || x != math.Trunc(x) {
		return "", false
	}
	return fmt.Sprintf("%.0f", x), true
}
