package rbm

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A decoder fills Go values from a document the way the platform reads JSON.
// It goes on after a fault, so that all faults are known in the end.
type decoder struct {
	// answer says that the document comes from the platform: what is not
	// known or does not fit is passed over, and output fields are read.
	answer bool

	faults []Violation
	sent   map[string]string // canonical pointer to the pointer as sent, where they differ
}

// maxFaults bounds what is reported of one message, for messages of thousands.
const maxFaults = 100

func (d *decoder) fault(p *path, rule Rule, detail string) {
	if !d.answer && len(d.faults) < maxFaults {
		d.faults = append(d.faults, Violation{Pointer: p.pointer(), Rule: rule, Detail: detail})
	}
}

func (d *decoder) mismatch(p *path, v value, want string) {
	d.fault(p, RuleType, "must be "+want+", not "+v.kind.String())
}

var (
	timeType     = reflect.TypeFor[time.Time]()
	durationType = reflect.TypeFor[Duration]()
)

// decode fills dst, which must be settable, from v.
func (d *decoder) decode(p *path, v value, dst reflect.Value) {
	switch t := dst.Type(); {
	case t == timeType:
		d.time(p, v, dst)
	case t == durationType:
		d.duration(p, v, dst)
	case words[t] != nil:
		d.word(p, v, dst)
	default:
		d.kind(p, v, dst)
	}
}

func (d *decoder) kind(p *path, v value, dst reflect.Value) {
	switch dst.Kind() {
	case reflect.Pointer:
		if v.kind != kindObject {
			d.mismatch(p, v, "an object")
			return
		}
		dst.Set(reflect.New(dst.Type().Elem()))
		d.object(p, v, dst.Elem())
	case reflect.Struct:
		d.object(p, v, dst)
	case reflect.Slice:
		d.list(p, v, dst)
	case reflect.Map:
		d.dictionary(p, v, dst)
	case reflect.String:
		if v.kind != kindText {
			d.mismatch(p, v, "a string")
			return
		}
		dst.SetString(v.text)
	case reflect.Bool:
		if v.kind != kindBool {
			d.mismatch(p, v, "true or false")
			return
		}
		dst.SetBool(v.text == "true")
	case reflect.Int, reflect.Int64:
		d.integer(p, v, dst)
	case reflect.Float64:
		d.float(p, v, dst)
	case reflect.Interface:
		if plain := v.plain(); plain != nil {
			dst.Set(reflect.ValueOf(plain))
		}
	}
}

func (d *decoder) object(p *path, v value, dst reflect.Value) {
	if v.kind != kindObject {
		d.mismatch(p, v, "an object")
		return
	}
	s := schemaOf(dst.Type())
	given := make([]bool, len(s.fields))
	for _, m := range v.members {
		i, known := s.byName[m.name]
		if !known {
			d.unknown(p.sent(m.name, m.name), m.name, s)
			continue
		}
		if m.value.kind == kindNull {
			continue // the same as absent
		}
		at := p.sent(m.name, s.fields[i].name)
		if d.accept(at, s, i, given) {
			d.decode(at, m.value, dst.Field(s.fields[i].index))
		}
		given[i] = true
	}
	for i, f := range s.fields {
		if f.required && !given[i] {
			d.fault(p.at(f.name), RuleRequired, "is missing")
		}
	}
}

// accept says whether field i of s may be read, given the fields before it.
func (d *decoder) accept(at *path, s *schema, i int, given []bool) bool {
	d.rename(at)
	f := s.fields[i]
	switch {
	case d.answer:
		return true
	case given[i]:
		d.fault(at, RuleConflict, "is given twice")
		return false
	case f.output:
		d.fault(at, RuleReadOnly, "only the platform fills this field in")
		return false
	case f.union == "":
		return true
	}
	for j, other := range s.fields {
		if other.union == f.union && given[j] {
			d.fault(at, RuleUnion, fmt.Sprintf("%s is given already: only one of %s is possible",
				other.name, strings.Join(s.members(f.union), ", ")))
			return false
		}
	}
	return true
}

// rename notes a name that was not sent as the reference writes it, so that
// faults found later, in the Go value, can be shown where they were sent.
func (d *decoder) rename(at *path) {
	if d.answer || at.name == at.field {
		return
	}
	if d.sent == nil {
		d.sent = make(map[string]string)
	}
	d.sent[at.canonical()] = at.pointer()
}

func (d *decoder) unknown(at *path, name string, s *schema) {
	if d.answer || len(d.faults) == maxFaults {
		return
	}
	best, close := nearest(name, s.names())
	switch {
	case len(s.fields) == 0:
		d.fault(at, RuleUnknown, "is not a field: this object is always empty")
	case close:
		d.fault(at, RuleUnknown, "is not a field; did you mean "+best+"?")
	default:
		d.fault(at, RuleUnknown, "is not a field; there are "+strings.Join(s.names(), ", "))
	}
}

func (d *decoder) list(p *path, v value, dst reflect.Value) {
	if v.kind != kindList {
		d.mismatch(p, v, "a list")
		return
	}
	items := reflect.MakeSlice(dst.Type(), len(v.items), len(v.items))
	for i, item := range v.items {
		d.decode(p.item(i), item, items.Index(i))
	}
	dst.Set(items)
}

func (d *decoder) dictionary(p *path, v value, dst reflect.Value) {
	if v.kind != kindObject {
		d.mismatch(p, v, "an object")
		return
	}
	entries := reflect.MakeMapWithSize(dst.Type(), len(v.members))
	for _, m := range v.members {
		entry := reflect.New(dst.Type().Elem()).Elem()
		d.decode(p.at(m.name), m.value, entry)
		entries.SetMapIndex(reflect.ValueOf(m.name), entry)
	}
	dst.Set(entries)
}

// word reads a word of an enum, or the number of one.
func (d *decoder) word(p *path, v value, dst reflect.Value) {
	known := words[dst.Type()]
	switch v.kind {
	case kindText:
		if !slices.Contains(known, v.text) {
			d.fault(p, RuleEnum, enumDetail(v.text, known))
		}
		dst.SetString(v.text)
	case kindNumber:
		n, err := parseInteger(v.text)
		if err != nil || n < 0 || n >= int64(len(known)) {
			d.fault(p, RuleEnum, enumDetail("", known))
			return
		}
		dst.SetString(known[n])
	default:
		d.mismatch(p, v, "a string")
	}
}

// enumDetail says which words there are. The first, unspecified, is left out: to
// leave the field out says the same.
func enumDetail(word string, known []string) string {
	detail := "must be one of " + strings.Join(known[1:], ", ")
	if best, close := nearest(word, known); close && word != "" {
		detail += "; did you mean " + best + "?"
	}
	return detail
}

func (d *decoder) integer(p *path, v value, dst reflect.Value) {
	if v.kind != kindNumber && v.kind != kindText {
		d.mismatch(p, v, "a whole number")
		return
	}
	n, err := parseInteger(v.text)
	if err != nil {
		d.fault(p, RuleType, "must be a whole number")
		return
	}
	dst.SetInt(n)
}

// parseInteger reads a whole number in any form of JSON, such as 12, 1.2e1.
func parseInteger(s string) (int64, error) {
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return n, nil
	}
	f, err := parseFloat(s)
	if err != nil || f != math.Trunc(f) || math.Abs(f) > 1<<53 {
		return 0, strconv.ErrSyntax
	}
	return int64(f), nil
}

func (d *decoder) float(p *path, v value, dst reflect.Value) {
	if v.kind != kindNumber && v.kind != kindText {
		d.mismatch(p, v, "a number")
		return
	}
	f, err := parseFloat(v.text)
	if err != nil {
		d.fault(p, RuleType, "must be a decimal number")
		return
	}
	dst.SetFloat(f)
}

// parseFloat is strconv's without the forms that are not decimal. A number that
// is too large for a float64 is infinite, so that it is out of every range.
func parseFloat(s string) (float64, error) {
	if s == "" || strings.Trim(s, "0123456789+-.eE") != "" {
		return 0, strconv.ErrSyntax
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil && math.IsInf(f, 0) {
		return f, nil
	}
	return f, err
}

func (d *decoder) time(p *path, v value, dst reflect.Value) {
	if v.kind != kindText {
		d.mismatch(p, v, "a string")
		return
	}
	t, ok := parseTime(v.text)
	if !ok {
		d.fault(p, RuleFormat, "must be a time such as 2026-12-01T17:40:00Z")
		return
	}
	dst.Set(reflect.ValueOf(t))
}

// parseTime reads RFC 3339 with at most nine decimals, from the year 1 on.
// [time.Parse] alone is too generous: it takes more decimals, a comma before
// them, and an hour of one digit.
func parseTime(s string) (time.Time, bool) {
	const seconds = "2006-01-02T15:04:05"
	if len(s) <= len(seconds) || s[len("2006-01-02T15")] != ':' || strings.HasPrefix(s, "0000") {
		return time.Time{}, false
	}
	rest := s[len(seconds):]
	decimals := len(rest) - len(strings.TrimLeft(rest, ".0123456789"))
	if rest[0] == ',' || decimals > len(".123456789") {
		return time.Time{}, false
	}
	t, err := time.Parse(time.RFC3339, s)
	return t, err == nil
}

func (d *decoder) duration(p *path, v value, dst reflect.Value) {
	if v.kind != kindText {
		d.mismatch(p, v, "a string such as 600s")
		return
	}
	t, err := ParseDuration(v.text)
	switch {
	case err != nil:
		d.fault(p, RuleFormat, err.Error())
	case t <= 0:
		d.fault(p, RuleRange, "must be more than 0s")
	default:
		dst.SetInt(int64(t))
	}
}

// plain returns v as encoding/json would decode it into an any.
func (v value) plain() any {
	switch v.kind {
	case kindBool:
		return v.text == "true"
	case kindNumber:
		f, _ := parseFloat(v.text)
		return f
	case kindText:
		return v.text
	case kindList:
		items := make([]any, len(v.items))
		for i, item := range v.items {
			items[i] = item.plain()
		}
		return items
	case kindObject:
		members := make(map[string]any, len(v.members))
		for _, m := range v.members {
			members[m.name] = m.value.plain()
		}
		return members
	}
	return nil
}
