package mapping

import (
	"cmp"
	"encoding/json"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	_ "time/tzdata" // the container image may have no time zones
	"unicode"

	"github.com/itchyny/gojq"
	"github.com/itchyny/timefmt-go"

	"github.com/rcshook/rcshook/internal/mapping/limit"
	"github.com/rcshook/rcshook/internal/phonenumber"
)

// functions returns the compiler options for the functions that messages need:
//
//	e164($country)             a phone number in E.164, or null if the input is not a phone number;
//	                           without the argument the country is that of the source
//	money($amount; $currency)  "19.9" and "usd" become $19.90
//	money_minor($n; $currency) the same for an amount in cents: 1990 and "usd" become $19.90
//	date($format; $tz)         a time as text, in the format of strftime; without $tz in UTC
//	truncate($n)               at most $n characters of a string
func functions(phone phonenumber.Options) []gojq.CompilerOption {
	return append(limit.Functions(),
		gojq.WithFunction("e164", 0, 1, func(v any, args []any) any { return e164(v, args, phone) }),
		gojq.WithFunction("money", 2, 2, func(_ any, args []any) any { return money(args[0], args[1], false) }),
		gojq.WithFunction("money_minor", 2, 2, func(_ any, args []any) any { return money(args[0], args[1], true) }),
		gojq.WithFunction("date", 1, 2, date),
		gojq.WithFunction("truncate", 1, 1, func(v any, args []any) any { return truncate(v, args[0]) }),
	)
}

// functionError is an error of one of our functions. It quotes nothing of the input.
type functionError string

func (e functionError) Error() string { return string(e) }

// e164 returns null for text that is not a phone number, such as 555-555-SHIP, because
// shops find that in the field for the number. Ambiguous digits are an error, so that the
// event is not ignored.
func e164(v any, args []any, phone phonenumber.Options) any {
	if len(args) > 0 && args[0] != nil {
		name, ok := args[0].(string)
		country, known := phonenumber.Country(name)
		if !ok || !known && country != "" {
			return functionError("e164 needs a country such as US or DE")
		}
		phone.Country = cmp.Or(country, phone.Country)
	}
	read := phonenumber.ReadNumber
	text, ok := v.(string)
	if ok {
		read = phonenumber.Read
	} else if n, isLiteral := v.(json.Number); isLiteral { // Text would write out 1.2e10
		text, ok = n.String(), true
	} else if text, ok = Text(v); !ok {
		return nil
	}
	switch number, err := read(text, phone); {
	case err == phonenumber.ErrAmbiguous:
		return functionError("e164: " + err.Error())
	case err != nil:
		return nil
	default:
		return number
	}
}

// Text returns a string as it is and a number as its digits.
func Text(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case int:
		return strconv.Itoa(v), true
	case *big.Int:
		return v.String(), true
	case json.Number:
		if strings.ContainsAny(v.String(), "eE") {
			f, err := v.Float64()
			return strconv.FormatFloat(f, 'f', -1, 64), err == nil
		}
		return v.String(), true
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), !math.IsNaN(v) && !math.IsInf(v, 0)
	}
	return "", false
}

// maxSeconds is the limit above which a time is in milliseconds. In seconds it is in the
// year 5138.
const maxSeconds = 100_000_000_000

// layouts are the ways in which senders write a time.
var layouts = []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999Z0700", "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05 Z0700", time.DateTime, time.DateOnly}

func date(v any, args []any) any {
	if v == nil {
		return nil
	}
	format, ok := args[0].(string)
	if !ok {
		return functionError("date needs a format such as \"%d %b %Y, %H:%M\"")
	}
	zone := time.UTC
	if len(args) > 1 && args[1] != nil {
		name, ok := args[1].(string)
		if zone = loadZone(name); !ok || zone == nil {
			return functionError("date needs a time zone such as Europe/Berlin")
		}
	}
	at, ok := parseTime(v, zone)
	if !ok {
		return functionError("date needs a time: RFC 3339, or seconds or milliseconds since 1970")
	}
	return timefmt.Format(at.In(zone), format)
}

// zones caches time zones: loading one takes longer than the rest of a mapping. There
// are about six hundred.
var zones sync.Map

// loadZone returns the time zone of that name, or nil.
func loadZone(name string) *time.Location {
	if zone, ok := zones.Load(name); ok {
		return zone.(*time.Location)
	}
	zone, err := time.LoadLocation(name)
	if err != nil || name == "Local" {
		return nil
	}
	zones.Store(name, zone)
	return zone
}

// parseTime parses a time. A time without an offset is in zone.
func parseTime(v any, zone *time.Location) (time.Time, bool) {
	if text, ok := v.(string); ok {
		text = strings.TrimSpace(text)
		for _, layout := range layouts {
			if t, err := time.ParseInLocation(layout, text, zone); err == nil {
				return t, true
			}
		}
		if text == "" || strings.Trim(text, "0123456789") != "" {
			return time.Time{}, false
		}
		v = json.Number(text)
	}
	n, ok := gojq.ToFloat64(v)
	switch {
	case !ok || n < -maxSeconds || n > 1000*maxSeconds:
		return time.Time{}, false
	case n >= maxSeconds:
		return time.UnixMilli(int64(n)), true
	default:
		return time.UnixMilli(int64(n * 1000)), true
	}
}

// truncate cuts between user-perceived characters, preferably at the end of a word.
func truncate(v, length any) any {
	if v == nil {
		return nil
	}
	text, ok := Text(v)
	n, number := gojq.ToInt(length)
	if !ok || !number || n < 1 {
		return functionError("truncate needs a string and a length of at least 1")
	}
	runes := []rune(text)
	if len(runes) <= n {
		return text
	}
	end := n - 1
	for end > 0 && sameCharacter(runes[end-1], runes[end]) {
		end--
	}
	cut := runes[:end]
	if !unicode.IsSpace(runes[end]) {
		for i, r := range slices.Backward(cut) {
			if unicode.IsSpace(r) {
				if i > end*2/3 {
					cut = cut[:i]
				}
				break
			}
		}
	}
	return strings.TrimRightFunc(string(cut), unicode.IsSpace) + "…"
}

// sameCharacter reports whether two adjacent runes belong to one character, such as a
// letter and its accent, or the parts of an emoji.
func sameCharacter(before, after rune) bool {
	const joiner = '\u200d'
	return before == joiner || after == joiner || unicode.In(after, unicode.Mn, unicode.Me, unicode.Mc) ||
		after >= 0x1F3FB && after <= 0x1F3FF || // skin tones
		after >= 0x1F1E6 && after <= 0x1F1FF && before >= 0x1F1E6 && before <= 0x1F1FF // flags
}
