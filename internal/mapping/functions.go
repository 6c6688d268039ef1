package mapping

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"math"
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // the container image may have no time zones
	"unicode"

	lru "github.com/hashicorp/golang-lru/v2"
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
//	present                    the input, or nothing if it is null, empty or only spaces
//	surround($before; $after)  a text between two others, or "" if it is not present
//
// Money and date are null if their input is not present.
func functions(o Options) []gojq.CompilerOption {
	all := limit.Functions()
	if o.Keyed {
		all = append(all, gojq.WithFunction("hmac_sha256_hex", 1, 1, func(v any, args []any) any { return keyedMAC(v, args[0]) }))
	}
	return append(all,
		gojq.WithFunction("e164", 0, 1, func(v any, args []any) any { return e164(v, args, o.Phone) }),
		gojq.WithFunction("money", 2, 2, func(_ any, args []any) any { return money(args[0], args[1], nil) }),
		gojq.WithFunction("money_minor", 2, 2, func(_ any, args []any) any { return money(args[0], args[1], o.minorDigits) }),
		gojq.WithFunction("date", 1, 2, date),
		gojq.WithFunction("truncate", 1, 1, func(v any, args []any) any { return truncate(v, args[0]) }),
		gojq.WithIterFunction("present", 0, 0, func(v any, _ []any) gojq.Iter {
			if isEmpty(v) {
				return gojq.NewIter[any]()
			}
			return gojq.NewIter(v)
		}),
		gojq.WithFunction("surround", 2, 2, surround),
	)
}

// Key is the value of a variable that only hmac_sha256_hex can read.
type Key struct{ Secret []byte }

// keyedMAC returns the HMAC-SHA256 of a text in hex.
func keyedMAC(v, key any) any {
	text, ok := v.(string)
	k, known := key.(*Key)
	if !ok || !known {
		return functionError("hmac_sha256_hex needs a string, and the secret of a verified request")
	}
	h := hmac.New(sha256.New, k.Secret)
	h.Write([]byte(text))
	return hex.EncodeToString(h.Sum(nil))
}

// isEmpty reports whether v is null, a string without a visible character, or an empty
// array or object.
func isEmpty(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case string:
		return strings.TrimFunc(v, func(r rune) bool { return unicode.IsSpace(r) || unicode.Is(unicode.Cf, r) }) == ""
	case []any:
		return len(v) == 0
	case map[string]any:
		return len(v) == 0
	}
	return false
}

func surround(v any, args []any) any {
	before, first := args[0].(string)
	after, second := args[1].(string)
	if !first || !second {
		return functionError("surround needs two strings")
	}
	if isEmpty(v) {
		return ""
	}
	text, ok := Text(v)
	if !ok {
		return functionError("surround needs a string or a number")
	}
	return before + text + after
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
	var number string
	var err error
	switch v := v.(type) {
	case string:
		number, err = phonenumber.Read(v, phone)
	case json.Number: // Text would write out 1.2e10
		number, err = phonenumber.ReadNumber(v.String(), phone)
	default:
		text, ok := Text(v)
		if !ok {
			return nil
		}
		number, err = phonenumber.ReadNumber(text, phone)
	}
	switch {
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

// maxSeconds is the limit above which a time is in milliseconds, a thousand times as much
// that of milliseconds, and so on. In seconds it is in the year 5138.
const maxSeconds = 100_000_000_000

// layouts are the ways in which senders write a time: RFC 3339, also with a space or
// without seconds, as HTML forms have it; RFC 1123, RFC 850 and the format of C, also with
// an offset; a date. A fraction may follow the seconds.
var layouts = func() []string {
	var all []string
	for _, clock := range []string{"2006-01-02T15:04:05", "2006-01-02T15:04"} {
		for _, zone := range []string{"Z07:00", "", " MST", " Z07:00", " Z0700", "Z0700", "Z07"} {
			all = append(all, clock+zone)
		}
	}
	return append(all, "Mon, 2 Jan 2006 15:04:05 MST", "Mon, 2 Jan 2006 15:04:05 -0700", "2 Jan 2006 15:04:05 -0700",
		time.RFC850, time.ANSIC, time.UnixDate, time.RubyDate, time.DateOnly)
}()

func date(v any, args []any) any {
	if isEmpty(v) {
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
		return functionError("date needs a time, such as 2026-12-01T09:00:00Z or the seconds since 1970")
	}
	return timefmt.Format(at.In(zone), format)
}

// zones caches time zones: loading one takes longer than the rest of a mapping. A file
// system has many names for the same zone, such as Europe//Berlin.
var zones = func() *lru.Cache[string, *time.Location] {
	cache, err := lru.New[string, *time.Location](256)
	if err != nil {
		panic("mapping: " + err.Error()) // only a size below one is an error
	}
	return cache
}()

// loadZone returns the time zone of that name, or nil.
func loadZone(name string) *time.Location {
	if zone, ok := zones.Get(name); ok {
		return zone
	}
	zone, err := time.LoadLocation(name)
	if err != nil || name == "Local" {
		return nil
	}
	zones.Add(name, zone)
	return zone
}

// decimal is a number of seconds, or of a fraction of them.
var decimal = regexp.MustCompile(`^-?[0-9]{1,20}(\.[0-9]{1,20})?$`)

// parseTime parses a time. A time without an offset is in zone.
func parseTime(v any, zone *time.Location) (time.Time, bool) {
	if text, ok := v.(string); ok {
		text = strings.TrimSpace(text)
		if decimal.MatchString(text) {
			v = json.Number(text)
		} else {
			return parseTimeText(text, zone)
		}
	}
	n, ok := gojq.ToFloat64(v)
	if !ok || n < -maxSeconds {
		return time.Time{}, false
	}
	for _, unit := range []float64{1, 1e3, 1e6, 1e9} { // seconds, milliseconds, and so on
		if n < maxSeconds*unit {
			return time.UnixMilli(int64(n / unit * 1e3)), true
		}
	}
	return time.Time{}, false
}

func parseTimeText(text string, zone *time.Location) (time.Time, bool) {
	if len(text) > 10 && text[4] == '-' && text[7] == '-' { // RFC 3339 allows lower case and a space
		text = text[:10] + strings.ToUpper("T"+text[11:])
	}
	for _, layout := range layouts {
		t, err := time.ParseInLocation(layout, text, zone)
		if err != nil {
			continue
		}
		// Package time gives an abbreviation that it does not know in zone the offset 0.
		name, offset := t.Zone()
		if offset != 0 || name == "" || name == "UTC" || name == "GMT" || t.Location() == zone {
			return t, true
		}
	}
	return time.Time{}, false
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
