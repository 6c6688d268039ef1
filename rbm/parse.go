package rbm

import (
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/rcshook/rcshook/internal/typo"
)

// ParseAgentMessage reads the body of an agentMessages.create request as the platform
// does. It accepts names in lower camel case or snake case, null for an absent field,
// numbers as strings, words of enums as their numbers, and times with any offset.
// Strings may be in single quotes, names may have no quotes, and a comma may follow
// the last member.
//
// It reports at most 100 violations, in the order of the document and with the names
// as they were sent: unknown fields, values of the wrong type, unknown words, two
// members of a union, duplicate members, fields that only the platform sets, and
// malformed times. The message then holds the values that could be read; it is nil
// if the document is not a JSON object.
//
// ParseAgentMessage does not check limits. [AgentMessage.Check] does, and
// [CheckAgentMessage] does both.
//
// Assumption: the platform reads JSON as Google's open-source parser does
// (https://github.com/protocolbuffers/protobuf/blob/v21.12/src/google/protobuf/util/internal/json_stream_parser.cc).
// Only single quotes are documented, by official samples. That parser also accepts
// duplicate members; they are refused here, because only one of two values can be meant.
// Fields that only the platform sets are refused, because the reference asks to omit them.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/phones.agentMessages
func ParseAgentMessage(data []byte) (*AgentMessage, []Violation) {
	m, _, violations := parseAgentMessage(data)
	return m, violations
}

// CheckAgentMessage parses a message as [ParseAgentMessage] does and checks the result
// as [AgentMessage.Check] does. All pointers have the names as they were sent. A
// violation that only follows from another one, such as a text that is missing because
// it was sent as a number, is not reported.
func CheckAgentMessage(data []byte, now time.Time) (*AgentMessage, []Violation) {
	m, v, violations := parseAgentMessage(data)
	if m == nil {
		return nil, violations
	}
	parsed := len(violations)
	for _, broken := range m.Check(now) {
		broken.Pointer = asSent(broken.Pointer, v)
		if len(violations) < maxViolations && !followsFrom(broken, violations[:parsed]) {
			violations = append(violations, broken)
		}
	}
	return m, violations
}

// ParseRequest parses the body of a request for any method of the API into the struct
// that dst points to, such as an [AgentEvent], and reports violations as
// [ParseAgentMessage] does.
func ParseRequest(data []byte, dst any) []Violation {
	_, violations := parse(data, dst)
	return violations
}

func parseAgentMessage(data []byte) (*AgentMessage, value, []Violation) {
	m := new(AgentMessage)
	v, violations := parse(data, m)
	if v.kind != kindObject {
		m = nil
	}
	return m, v, violations
}

func parse(data []byte, dst any) (value, []Violation) {
	v, problem := scan(data)
	switch {
	case problem != "":
		return value{}, []Violation{{Rule: RuleSyntax, Detail: problem}}
	case v.kind != kindObject:
		return v, []Violation{{Rule: RuleType, Detail: "must be an object, not " + v.kind.String()}}
	}
	d := new(decoder)
	d.object(new(path), v, reflect.ValueOf(dst).Elem())
	return v, d.violations
}

// asSent replaces the names of the reference in a pointer by those of the document.
func asSent(pointer string, v value) string {
	var sent strings.Builder
	for i, name := range strings.Split(pointer, "/") {
		if i == 0 {
			continue // before the first slash
		}
		item, err := strconv.Atoi(name)
		if v.kind != kindList || err != nil {
			item = slices.IndexFunc(v.members, func(m member) bool {
				return m.value.kind != kindNull && (m.name == name || m.name == snakeCase(name))
			})
		}
		if item >= 0 && item < len(v.members) {
			if v.kind == kindObject {
				name = v.members[item].name
			}
			v = v.members[item].value
		} else {
			v = value{}
		}
		sent.WriteString("/" + name)
	}
	return sent.String()
}

// followsFrom reports whether v follows from a violation that the parser found: from
// one of the same value, or, if v is about a missing member, from one of a member.
func followsFrom(v Violation, parsed []Violation) bool {
	return slices.ContainsFunc(parsed, func(p Violation) bool {
		if p.Rule == RuleUnknown || p.Rule == RuleDuplicate {
			return false
		}
		member, inside := strings.CutPrefix(p.Pointer, v.Pointer+"/")
		return p.Pointer == v.Pointer || v.Rule == RuleRequired && inside && !strings.Contains(member, "/")
	})
}

// decoder fills Go values from a document. It continues after a violation in order to
// report all of them.
type decoder struct {
	// lenient is set for documents of the platform: unknown fields and mismatched
	// types are ignored, and fields that only the platform sets are read.
	lenient    bool
	violations []Violation
}

// fill sets the struct that dst points to from a document of the platform. It ignores
// unknown fields and mismatched types, since the platform may change its documents.
func (v value) fill(dst any) {
	d := decoder{lenient: true}
	d.object(new(path), v, reflect.ValueOf(dst).Elem())
}

func (d *decoder) add(p *path, rule Rule, detail string) {
	if !d.lenient && len(d.violations) < maxViolations {
		d.violations = append(d.violations, Violation{Pointer: p.pointer(), Rule: rule, Detail: detail})
	}
}

var (
	timeType     = reflect.TypeFor[time.Time]()
	durationType = reflect.TypeFor[Duration]()
)

// kinds are the kinds of JSON values that Go values are decoded from. An interface
// takes all of them.
var kinds = map[reflect.Kind]kind{
	reflect.Struct: kindObject, reflect.Pointer: kindObject, reflect.Map: kindObject, reflect.Slice: kindList,
	reflect.Bool: kindBool, reflect.String: kindText, reflect.Float64: kindNumber, reflect.Int64: kindNumber, reflect.Int: kindNumber,
}

// dynamicTypes are the types of the values in an interface, by their kinds.
var dynamicTypes = [...]reflect.Type{
	kindBool: reflect.TypeFor[bool](), kindNumber: reflect.TypeFor[float64](), kindText: reflect.TypeFor[string](),
	kindList: reflect.TypeFor[[]any](), kindObject: reflect.TypeFor[map[string]any](),
}

// decode sets dst to v.
func (d *decoder) decode(p *path, v value, dst reflect.Value) {
	if dst.Kind() == reflect.Pointer && v.kind == kindObject {
		dst.Set(reflect.New(dst.Type().Elem()))
		dst = dst.Elem()
	}
	t := dst.Type()
	words := enums[t]
	want, known := kinds[t.Kind()]
	if t == timeType || t == durationType {
		want = kindText
	}
	switch {
	case v.kind == want, want == kindNumber && v.kind == kindText, words != nil && v.kind == kindNumber, !known:
	case t == durationType:
		d.add(p, RuleType, "must be a string such as 600s, not "+v.kind.String())
		return
	default:
		d.add(p, RuleType, "must be "+want.String()+", not "+v.kind.String())
		return
	}
	switch {
	case t == durationType:
		length, err := ParseDuration(v.text)
		switch {
		case err != nil:
			d.add(p, RuleFormat, err.Error())
		case length <= 0:
			d.add(p, RuleRange, "must be more than 0s")
		default:
			dst.SetInt(int64(length))
		}
	case t == timeType:
		if at, ok := parseTime(v.text); ok {
			dst.Set(reflect.ValueOf(at))
		} else {
			d.add(p, RuleFormat, "must be a time such as 2026-12-01T17:40:00Z")
		}
	case t.Kind() == reflect.Struct:
		d.object(p, v, dst)
	case t.Kind() == reflect.Slice:
		dst.Set(reflect.MakeSlice(t, len(v.members), len(v.members)))
		for i, item := range v.members {
			d.decode(p.item(i), item.value, dst.Index(i))
		}
	case t.Kind() == reflect.Map:
		dst.Set(reflect.MakeMap(t))
		for _, m := range v.members {
			item := reflect.New(t.Elem()).Elem()
			d.decode(p.at(m.name), m.value, item)
			dst.SetMapIndex(reflect.ValueOf(m.name), item)
		}
	case t.Kind() == reflect.Interface:
		if v.kind != kindNull {
			item := reflect.New(dynamicTypes[v.kind]).Elem()
			d.decode(p, v, item)
			dst.Set(item)
		}
	case t.Kind() == reflect.Bool:
		dst.SetBool(v.text == "true")
	case v.kind == kindText && t.Kind() == reflect.String:
		if words != nil && !slices.Contains(words, v.text) {
			d.add(p, RuleEnum, enumDetail(v.text, words))
		}
		dst.SetString(v.text)
	default:
		n, err := parseFloat(v.text)
		switch whole := err == nil && n == float64(int64(n)); {
		case t.Kind() == reflect.Float64 && err == nil:
			dst.SetFloat(n)
		case t.Kind() == reflect.Float64:
			d.add(p, RuleType, "must be a decimal number")
		case t.Kind() != reflect.String && whole:
			dst.SetInt(int64(n))
		case t.Kind() != reflect.String:
			d.add(p, RuleType, "must be an integer")
		case whole && n >= 0 && n < float64(len(words)):
			dst.SetString(words[int(n)])
		default:
			d.add(p, RuleEnum, enumDetail("", words))
		}
	}
}

// object sets the fields of the struct dst to the members of v.
func (d *decoder) object(p *path, v value, dst reflect.Value) {
	t := dst.Type()
	fields := fieldsOf(t)
	given := make([]bool, len(fields))
	first := "" // the first member of the union
	for _, m := range v.members {
		at := p.at(m.name)
		i := slices.IndexFunc(fields, func(f structField) bool { return m.name == f.name || m.name == f.snake })
		if i < 0 {
			d.unknown(at, m.name, t)
			continue
		}
		if m.value.kind == kindNull {
			continue // the same as absent
		}
		inUnion := slices.Contains(unions[t], fields[i].name)
		switch {
		case d.lenient:
			d.decode(at, m.value, dst.Field(fields[i].index))
		case given[i]:
			d.add(at, RuleDuplicate, "is a duplicate; send it only once")
		case slices.Contains(outputFields[t], fields[i].name):
			d.add(at, RuleReadOnly, readOnlyDetail)
		case inUnion && first != "":
			d.add(at, RuleUnion, unionDetail(first, unions[t]))
		default:
			d.decode(at, m.value, dst.Field(fields[i].index))
		}
		given[i] = true
		if inUnion && first == "" {
			first = fields[i].name
		}
	}
	for i, f := range fields {
		if t == reflect.TypeFor[LatLng]() && !given[i] { // where absent and zero differ
			d.add(p.at(f.name), RuleRequired, "is missing")
		}
	}
}

func (d *decoder) unknown(at *path, name string, t reflect.Type) {
	if d.lenient || len(d.violations) == maxViolations {
		return
	}
	var names []string
	for _, f := range fieldsOf(t) {
		names = append(names, f.name)
	}
	detail := "is an unknown field; known fields are " + strings.Join(names, ", ")
	if len(names) == 0 {
		detail = "is an unknown field; this object is always empty"
	} else if meant := typo.Nearest(name, names, 0); meant != "" {
		detail = "is an unknown field; did you mean " + meant + "?"
	}
	d.add(at, RuleUnknown, detail)
}

// structField is a field of a struct as JSON.
type structField struct {
	name, snake string // lower camel case, as in the reference, and snake case
	index       int    // of the Go field
}

var structFields sync.Map // of []structField by reflect.Type

func fieldsOf(t reflect.Type) []structField {
	if known, ok := structFields.Load(t); ok {
		return known.([]structField)
	}
	var fields []structField
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		fields = append(fields, structField{name, snakeCase(name), i})
	}
	structFields.Store(t, fields)
	return fields
}

func snakeCase(camel string) string {
	var b strings.Builder
	for _, c := range camel {
		if unicode.IsUpper(c) {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(c))
	}
	return b.String()
}

// parseFloat is strconv.ParseFloat for decimal numbers only. A number that is too
// large for a float64 becomes infinite, so that it is out of every range.
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

// parseTime parses RFC 3339 with at most nine decimals, from year 1 on. [time.Parse]
// also accepts more decimals, a comma before them, and an hour of one digit.
func parseTime(s string) (time.Time, bool) {
	if s == "" { // a field that is missing
		return time.Time{}, false
	}
	t, err := time.Parse(time.RFC3339, s)
	_, decimals, _ := strings.Cut(s, ".")
	count := len(decimals) - len(strings.TrimLeft(decimals, "0123456789"))
	return t, err == nil && count <= len("123456789") && s[len("2006-01-02T15")] == ':' && !strings.Contains(s, ",") && t.Year() > 0
}
