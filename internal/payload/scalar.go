package payload

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/rcshook/rcshook/internal/typo"
)

// text reads a text. A number will do: no-code tools send an order number as one.
func (r *reader) text(n *node) Text {
	if n == nil {
		return Text{}
	}
	switch n.kind {
	case kindString, kindNumber:
		return Text{n.text, n.place()}
	default:
		r.want(n, "text")
		return Text{}
	}
}

// line reads a text in which white space at the ends means nothing.
func (r *reader) line(n *node) Text {
	t := r.text(n)
	t.Value = strings.TrimSpace(t.Value)
	return t
}

// want reports a value of the wrong kind.
func (r *reader) want(n *node, what string) {
	if n.kind == kindFile {
		r.fault(n, "a file was uploaded here; send the URL of a file instead")
		return
	}
	r.fault(n, "this must be %s, not %s", what, kindNames[n.kind])
}

// word reads one of the words of a field.
func (r *reader) word(f *record, id fieldID) Text {
	n := f.get(id)
	if n == nil {
		return Text{}
	}
	if n.kind >= kindList {
		r.want(n, "one of "+listWords(fields[id].Words))
		return Text{}
	}
	sent := fold(n.scalar())
	near, fewest := "", max(1, len(sent)/3)+1
	for _, words := range fields[id].Words {
		for _, word := range words {
			known := fold(word)
			if sent == known {
				return Text{words[0], n.place()}
			}
			if d := typo.Count(sent, known, fewest); d < fewest {
				near, fewest = word, d
			}
		}
	}
	if near != "" {
		near = fmt.Sprintf("; did you mean %q?", near)
	}
	r.fault(n, "this must be one of %s%s", listWords(fields[id].Words), near)
	return Text{}
}

// listWords lists the words of a field without their synonyms.
func listWords(words [][]string) string {
	list := make([]string, len(words))
	for i := range words {
		list[i] = words[i][0]
	}
	return strings.Join(list, ", ")
}

// flag reads a boolean, also as the words and numbers that forms send.
func (r *reader) flag(n *node) Value[bool] {
	if n == nil {
		return Value[bool]{}
	}
	if n.kind < kindList {
		switch strings.ToLower(strings.TrimSpace(n.scalar())) {
		case "true", "yes", "on", "1", "y", "t":
			return Value[bool]{true, n.place()}
		case "false", "no", "off", "0", "n", "f":
			return Value[bool]{false, n.place()}
		}
	}
	r.want(n, "true or false")
	return Value[bool]{}
}

// number reads a decimal number.
func (r *reader) number(n *node) Value[float64] {
	if n == nil {
		return Value[float64]{}
	}
	if n.kind == kindNumber || n.kind == kindString {
		if x, ok := parseNumber(n.text); ok {
			return Value[float64]{x, n.place()}
		}
		r.fault(n, "this must be a decimal number such as 37.42")
		return Value[float64]{}
	}
	r.want(n, "a number")
	return Value[float64]{}
}

// parseNumber reads plain decimal notation only; ParseFloat knows much more.
func parseNumber(s string) (float64, bool) {
	s = strings.TrimSpace(s)
	if strings.Trim(s, "+-.0123456789eE") != "" {
		return 0, false
	}
	x, err := strconv.ParseFloat(s, 64)
	return x, err == nil && !math.IsInf(x, 0)
}

// duration reads a length of time.
func (r *reader) duration(n *node) Value[time.Duration] {
	if n == nil {
		return Value[time.Duration]{}
	}
	if n.kind != kindNumber && n.kind != kindString {
		r.want(n, `a number of seconds or a time such as "10m"`)
		return Value[time.Duration]{}
	}
	d, ok := ParseDuration(n.text)
	if !ok {
		r.fault(n, `this must be a number of seconds or a time such as "10m", "1h30m" or "2d"`)
		return Value[time.Duration]{}
	}
	return Value[time.Duration]{d, n.place()}
}

// units are the units of a length of time.
var units = map[string]time.Duration{
	"": time.Second, "s": time.Second, "sec": time.Second, "secs": time.Second, "second": time.Second, "seconds": time.Second,
	"m": time.Minute, "min": time.Minute, "mins": time.Minute, "minute": time.Minute, "minutes": time.Minute,
	"h": time.Hour, "hr": time.Hour, "hrs": time.Hour, "hour": time.Hour, "hours": time.Hour,
	"d": 24 * time.Hour, "day": 24 * time.Hour, "days": 24 * time.Hour,
}

// ParseDuration reads a length of time: a decimal number of seconds, or numbers
// with units from days to seconds, as in 1h30m, 2d or 10 minutes. It is never
// negative, and at most a century.
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
		unit, ok := units[name]
		s = strings.TrimLeft(after, " ")
		if !ok || name == "" && !(first && s == "") {
			return 0, false
		}
		sum += x * unit.Seconds()
	}
	const century = 100 * 365 * 24 * 3600
	if sum > century {
		return 0, false
	}
	return time.Duration(math.Round(sum * float64(time.Second))), true
}

// moment reads a point in time.
func (r *reader) moment(n *node) Value[time.Time] {
	if n == nil {
		return Value[time.Time]{}
	}
	if n.kind == kindString {
		if at, ok := parseTime(n.text); ok {
			return Value[time.Time]{at, n.place()}
		}
	}
	r.fault(n, "this must be a time with its offset such as 2026-12-01T10:00:00Z or 2026-12-01T10:00+01:00")
	return Value[time.Time]{}
}

// timeForms are RFC 3339, with or without seconds and with the offset with or
// without its colon. An offset there must be: nobody could guess it.
var timeForms = []string{
	time.RFC3339, "2006-01-02T15:04Z07:00", "2006-01-02T15:04:05Z0700", "2006-01-02T15:04Z0700",
}

func parseTime(s string) (time.Time, bool) {
	s = strings.ToUpper(strings.TrimSpace(s))
	if len(s) > 10 && s[10] == ' ' {
		s = s[:10] + "T" + s[11:]
	}
	for _, form := range timeForms {
		if at, err := time.Parse(form, s); err == nil {
			return at, at.Year() > 0
		}
	}
	return time.Time{}, false
}
