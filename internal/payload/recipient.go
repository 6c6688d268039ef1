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

// country returns the country of national numbers.
func (r *reader) country(n *node) string {
	if n == nil {
		return strings.ToUpper(r.options.Country)
	}
	country := strings.ToUpper(r.line(n).Value)
	if !isCountry(country) {
		r.fault(n, "this must be a country in two letters of ISO 3166, such as US or DE")
	}
	return country
}

// recipients reads who gets the message: one number, several in one text, or a
// list of either.
func (r *reader) recipients(f *record, country string) []Recipient {
	n := f.get(fTo)
	if n == nil {
		if !r.toExplained {
			r.faults = append(r.faults, Place{f.node}.Missing("to", "missing: who is to get the message, for instance +12025550123"))
		}
		return nil
	}
	to := recipients{reader: r, country: country}
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
	if len(to.list) > MaxRecipients {
		fault := Place{n}.Fault("%d recipients, at most %d are allowed", len(to.list), MaxRecipients)
		fault.Limit, fault.Actual = MaxRecipients, len(to.list)
		r.faults = append(r.faults, fault)
	}
	return to.list
}

// recipients collects different numbers in their order.
type recipients struct {
	*reader
	country string
	entries int
	list    []Recipient
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
			to.refuse(n, "this number cannot be a phone number; send it as text")
			return
		}
		to.add(n, digits, "")
	default:
		to.want(n, "a phone number, or a list of them")
		to.faults[len(to.faults)-1].Phone = true
	}
}

// readText adds the numbers of a text, between commas, semicolons or line breaks.
func (to *recipients) readText(n *node) {
	isBreak := func(r rune) bool { return r == ',' || r == ';' || r == '\n' }
	if !strings.ContainsFunc(n.text, isBreak) {
		to.add(n, n.text, "")
		return
	}
	position := 0
	for entry := range strings.FieldsFuncSeq(n.text, isBreak) {
		if strings.TrimSpace(entry) == "" {
			continue
		}
		position++
		to.add(n, entry, "number "+strconv.Itoa(position)+": ")
	}
}

// add reads one number; where says which one of a text it is.
func (to *recipients) add(n *node, text, where string) {
	if strings.TrimSpace(text) == "" {
		return
	}
	if to.entries++; to.entries > maxEntries {
		return
	}
	number, problem := to.parse(text)
	if problem != "" {
		to.refuse(n, where+problem)
		return
	}
	if !slices.ContainsFunc(to.list, func(r Recipient) bool { return r.E164 == number }) {
		to.list = append(to.list, Recipient{E164: number, Pointer: Place{n}.Pointer()})
	}
}

// parse reads one number. In an urlencoded form a plus sign that was not
// escaped has become a blank.
func (to *recipients) parse(text string) (number, problem string) {
	if to.tree.plus {
		if digits := strings.TrimLeft(text, " "); digits != text && digits[0] >= '0' && digits[0] <= '9' {
			if number, problem := parsePhone("+"+digits, to.country); problem == "" {
				return number, ""
			}
		}
	}
	return parsePhone(text, to.country)
}

func (to *recipients) refuse(n *node, problem string) {
	if len(to.faults) >= maxFaults {
		n.mark()
		return
	}
	fault := Place{n}.Fault("%s", problem)
	fault.Phone = true
	to.faults = append(to.faults, fault)
}

// integer returns the digits of a JSON number that is a whole one.
func integer(literal string) (string, bool) {
	x, err := strconv.ParseFloat(literal, 64)
	if err != nil || x < 1 || x > 1e15 || x != math.Trunc(x) {
		return "", false
	}
	return fmt.Sprintf("%.0f", x), true
}
