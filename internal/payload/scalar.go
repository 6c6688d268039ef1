package payload

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rcshook/rcshook/internal/typo"
)

// text reads a text. It accepts a number, because no-code tools send an order number as one.
func (r *reader) text(n *node) Text {
	if n == nil {
		return Text{}
	}
	if n.kind != kindString && n.kind != kindNumber {
		r.wrongType(n, "text")
		return Text{}
	}
	return Text{n.text, n.position()}
}

// line reads a text and trims white space.
func (r *reader) line(n *node) Text {
	t := r.text(n)
	t.Value = strings.TrimSpace(t.Value)
	return t
}

// wrongType reports a value of the wrong type.
func (r *reader) wrongType(n *node, want string) {
	if n.kind == kindFile {
		r.errorf(n, "uploads are not supported here; send the URL of a file instead")
		return
	}
	r.errorf(n, "expected %s, got %s", want, kindNames[n.kind])
}

// canonicalWords returns the words of a field, without synonyms.
func canonicalWords(id fieldID) string {
	list := make([]string, len(fields[id].Words))
	for i, words := range fields[id].Words {
		list[i] = words[0]
	}
	return strings.Join(list, ", ")
}

// word reads one of the words of a field.
func (r *reader) word(f *record, id fieldID) Text {
	n := f.get(id)
	if n == nil {
		return Text{}
	}
	if n.kind >= kindList {
		r.wrongType(n, "one of "+canonicalWords(id))
		return Text{}
	}
	sent := FoldName(strings.TrimSpace(n.scalar()))
	for _, words := range fields[id].Words {
		if slices.ContainsFunc(words, func(word string) bool { return sent == FoldName(word) }) {
			return Text{words[0], n.position()}
		}
	}
	want := "one of " + canonicalWords(id)
	if near := typo.Nearest(sent, slices.Concat(fields[id].Words...), maxTypos(sent)); near != "" {
		want += fmt.Sprintf("; did you mean %q?", near)
	}
	r.errorf(n, "expected %s", want)
	return Text{}
}

// bool reads a boolean. It accepts the words and numbers that forms send.
func (r *reader) bool(n *node) Value[bool] {
	if n == nil {
		return Value[bool]{}
	}
	switch strings.ToLower(strings.TrimSpace(n.scalar())) {
	case "true", "yes", "on", "1", "y", "t":
		return Value[bool]{true, n.position()}
	case "false", "no", "off", "0", "n", "f":
		return Value[bool]{false, n.position()}
	}
	r.wrongType(n, "true or false")
	return Value[bool]{}
}

// number reads a decimal number.
func (r *reader) number(n *node) Value[float64] {
	if n == nil {
		return Value[float64]{}
	}
	if n.kind != kindNumber && n.kind != kindString {
		r.wrongType(n, "a number")
		return Value[float64]{}
	}
	x, ok := parseNumber(n.text)
	if !ok {
		r.errorf(n, "expected a decimal number such as 37.42")
		return Value[float64]{}
	}
	return Value[float64]{x, n.position()}
}

// parseNumber parses plain decimal notation, of which ParseFloat accepts a superset.
func parseNumber(s string) (float64, bool) {
	s = strings.TrimSpace(s)
	if strings.Trim(s, "+-.0123456789eE") != "" {
		return 0, false
	}
	x, err := strconv.ParseFloat(s, 64)
	return x, err == nil && !math.IsInf(x, 0)
}

// duration reads a duration.
func (r *reader) duration(n *node) Value[time.Duration] {
	if n == nil {
		return Value[time.Duration]{}
	}
	if n.kind != kindNumber && n.kind != kindString {
		r.wrongType(n, `a number of seconds or a duration such as "10m"`)
		return Value[time.Duration]{}
	}
	d, ok := ParseDuration(n.text)
	if !ok {
		r.errorf(n, `expected a number of seconds or a duration such as "10m", "1h30m" or "2d"`)
		return Value[time.Duration]{}
	}
	return Value[time.Duration]{d, n.position()}
}

var durationUnits = map[string]time.Duration{
	"": time.Second, "ms": time.Millisecond, "s": time.Second, "sec": time.Second, "secs": time.Second, "second": time.Second, "seconds": time.Second,
	"m": time.Minute, "min": time.Minute, "mins": time.Minute, "minute": time.Minute, "minutes": time.Minute,
	"h": time.Hour, "hr": time.Hour, "hrs": time.Hour, "hour": time.Hour, "hours": time.Hour,
	"d": 24 * time.Hour, "day": 24 * time.Hour, "days": 24 * time.Hour,
}

// ParseDuration parses a decimal number of seconds, or numbers with units from days to
// milliseconds, as in 1h30m, 2d or 10 minutes. It rejects negative durations and durations of
// more than 100 years.
func ParseDuration(s string) (time.Duration, bool) {
	s = strings.ToLower(strings.TrimSpace(s))
	if s == "" {
		return 0, false
	}
	var sum float64
	for first := true; s != ""; first = false {
		rest := strings.TrimLeft(s, "0123456789.")
		x, err := strconv.ParseFloat(s[:len(s)-len(rest)], 64)
		if err != nil {
			return 0, false
		}
		rest = strings.TrimLeft(rest, " ")
		after := strings.TrimLeft(rest, "abcdefghijklmnopqrstuvwxyz")
		name := rest[:len(rest)-len(after)]
		unit, ok := durationUnits[name]
		s = strings.TrimLeft(after, " ")
		if !ok || name == "" && !(first && s == "") {
			return 0, false
		}
		sum += x * unit.Seconds()
	}
	if sum > 100*365*24*3600 {
		return 0, false
	}
	return time.Duration(math.Round(sum * float64(time.Second))), true
}

// time reads a point in time.
func (r *reader) time(n *node) Value[time.Time] {
	if n == nil {
		return Value[time.Time]{}
	}
	if n.kind == kindString {
		if at, ok := parseTime(n.text); ok {
			return Value[time.Time]{at, n.position()}
		}
	}
	r.errorf(n, "expected a time with an offset, such as 2026-12-01T10:00:00Z or 2026-12-01T10:00+01:00")
	return Value[time.Time]{}
}

// timeLayouts are those of RFC 3339, with optional seconds and an optional colon in the
// offset. The offset is required because it cannot be guessed.
var timeLayouts = []string{
	time.RFC3339, "2006-01-02T15:04Z07:00", "2006-01-02T15:04:05Z0700", "2006-01-02T15:04Z0700",
}

func parseTime(s string) (time.Time, bool) {
	s = strings.ToUpper(strings.TrimSpace(s))
	if len(s) > 10 && s[10] == ' ' {
		s = s[:10] + "T" + s[11:]
	}
	for _, layout := range timeLayouts {
		if at, err := time.Parse(layout, s); err == nil {
			return at, at.Year() > 0
		}
	}
	return time.Time{}, false
}
