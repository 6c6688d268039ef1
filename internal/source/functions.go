package source

import (
	"slices"
	"strings"
	"sync"
	"time"
	_ "time/tzdata" // the image that the function runs in may have none
	"unicode"

	"github.com/itchyny/gojq"
	"github.com/itchyny/timefmt-go"
	"github.com/nyaruka/phonenumbers"

	"github.com/rcshook/rcshook/internal/payload"
)

// options are what programs are compiled with: their variables, and the functions
// that messages need:
//
//	e164($country)             a phone number as people write it becomes E.164, or null if it is none;
//	                           without the argument the country is that of the source
//	money($amount; $currency)  "19.9" and "usd" become $19.90
//	money_minor($n; $currency) the same for an amount in cents: 1990 and "usd" become $19.90
//	date($format; $tz)         a time becomes text, by the letters of strftime; without $tz in UTC
//	truncate($n)               a text becomes at most $n characters long
func options(country string) []gojq.CompilerOption {
	return append(limits(),
		gojq.WithVariables(variables),
		gojq.WithFunction("e164", 0, 1, func(v any, args []any) any { return e164(v, args, country) }),
		gojq.WithFunction("money", 2, 2, func(_ any, args []any) any { return money(args[0], args[1], false) }),
		gojq.WithFunction("money_minor", 2, 2, func(_ any, args []any) any { return money(args[0], args[1], true) }),
		gojq.WithFunction("date", 1, 2, date),
		gojq.WithFunction("truncate", 1, 1, func(v any, args []any) any { return truncate(v, args[0]) }),
	)
}

// e164 is null for what is no phone number: shops have 555-555-SHIP in that field.
func e164(v any, args []any, country string) any {
	if len(args) > 0 && args[0] != nil {
		name, ok := args[0].(string)
		if name = strings.ToUpper(name); !ok || name != "" && phonenumbers.GetCountryCodeForRegion(name) == 0 {
			return functionError("e164 needs a country such as US or DE")
		}
		country = name
	}
	text, ok := asText(v)
	if !ok {
		return nil
	}
	phone, err := payload.ParsePhone(text, payload.Options{Country: country})
	if err != nil {
		return nil
	}
	return phone
}

// asText returns a text, or the digits of a number.
func asText(v any) (string, bool) {
	if s, ok := v.(string); ok {
		return s, true
	}
	return decimal(v)
}

// secondsUntil is the number above which a time is in milliseconds: as seconds it
// would be beyond the year 5000.
const secondsUntil = 100_000_000_000

// layouts are how senders write a time.
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
		if zone = zoneOf(name); !ok || zone == nil {
			return functionError("date needs a time zone such as Europe/Berlin")
		}
	}
	at, ok := asTime(v, zone)
	if !ok {
		return functionError("date needs a time: RFC 3339, or seconds or milliseconds since 1970")
	}
	return timefmt.Format(at.In(zone), format)
}

// zones are those that were used before: reading one takes longer than the rest of
// a mapping. There are some six hundred of them.
var zones sync.Map

// zoneOf returns the time zone of that name, or nil.
func zoneOf(name string) *time.Location {
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

// asTime reads a time. One without an offset is in zone.
func asTime(v any, zone *time.Location) (time.Time, bool) {
	if text, ok := v.(string); ok {
		text = strings.TrimSpace(text)
		for _, layout := range layouts {
			if t, err := time.ParseInLocation(layout, text, zone); err == nil {
				return t, true
			}
		}
	}
	if text, ok := v.(string); ok && strings.Trim(text, "0123456789") != "" {
		return time.Time{}, false
	}
	n, ok := gojq.ToFloat64(number(v))
	switch {
	case !ok || n < -secondsUntil || n > 1000*secondsUntil:
		return time.Time{}, false
	case n >= secondsUntil:
		return time.UnixMilli(int64(n)), true
	default:
		return time.UnixMilli(int64(n * 1000)), true
	}
}

const ellipsis = "…"

// truncate cuts between characters as people count them, and prefers the end of a
// word.
func truncate(v, limit any) any {
	if v == nil {
		return nil
	}
	text, ok := asText(v)
	n, number := gojq.ToInt(limit)
	if !ok || !number || n < 1 {
		return functionError("truncate needs a text and a length of at least 1")
	}
	runes := []rune(text)
	if len(runes) <= n {
		return text
	}
	end := n - 1
	for end > 0 && joins(runes[end-1], runes[end]) {
		end--
	}
	cut := runes[:end]
	if space := lastSpace(cut); space > end*2/3 && !unicode.IsSpace(runes[end]) {
		cut = cut[:space]
	}
	return strings.TrimRightFunc(string(cut), unicode.IsSpace) + ellipsis
}

func lastSpace(runes []rune) int {
	for i, r := range slices.Backward(runes) {
		if unicode.IsSpace(r) {
			return i
		}
	}
	return -1
}

// joins reports whether two runes are parts of one character: a letter and its
// accent, or the pieces of an emoji.
func joins(before, after rune) bool {
	const joiner = '\u200d'
	return before == joiner || after == joiner || unicode.In(after, unicode.Mn, unicode.Me, unicode.Mc) ||
		after >= 0x1F3FB && after <= 0x1F3FF || // skin tones
		after >= 0x1F1E6 && after <= 0x1F1FF && before >= 0x1F1E6 && before <= 0x1F1FF // flags
}

// functionError is what one of our functions finds wrong. It quotes nothing.
type functionError string

func (e functionError) Error() string { return string(e) }
