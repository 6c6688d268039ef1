package payload

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rcshook/rcshook/internal/typo"
)

// The text form of a button is its label, then after a bar what it does, then
// after another bar and an equals sign its postback:
//
//	Yes
//	Yes|=ORDER_YES
//	Track|https://example.com/t
//	Track|https://example.com/t|=TRACK
//
// What a URL has in bars and commas stays in it; a label has no bar.

// buttonTexts reads all the buttons of one text.
func (r *reader) buttonTexts(n *node) []Button {
	texts := splitButtons(n.text)
	if r.tooManyButtons(n, len(texts)) {
		return nil
	}
	items := make([]Button, 0, len(texts))
	for i, text := range texts {
		at := n.place()
		if len(texts) > 1 {
			at.part = i + 1
		}
		items = r.buttonText(items, at, text)
	}
	return items
}

// splitButtons splits a text at its line breaks. A text of one line it splits at
// commas: at all of them if there is no bar, else where a bar follows before
// the next comma, so that commas in URLs and titles do no harm.
func splitButtons(text string) []string {
	text = strings.TrimSpace(text)
	switch {
	case strings.ContainsAny(text, "\r\n"):
		return parts(strings.FieldsFunc(text, func(r rune) bool { return r == '\r' || r == '\n' }))
	case !strings.Contains(text, ","):
		return []string{text}
	case !strings.Contains(text, "|"):
		return parts(strings.Split(text, ","))
	}
	var items []string
	start := 0
	for i := 0; i < len(text); {
		comma := strings.IndexByte(text[i:], ',')
		if comma < 0 {
			break
		}
		i += comma + 1
		next, _, _ := strings.Cut(text[i:], ",")
		if strings.Contains(next, "|") {
			items = append(items, text[start:i-1])
			start = i
		}
	}
	return parts(append(items, text[start:]))
}

// parts drops the blank ones, which stand for fields that were left empty.
func parts(items []string) []string {
	return slices.DeleteFunc(items, func(s string) bool { return strings.TrimSpace(s) == "" })
}

// buttonText adds the button that a text describes, unless it is blank.
func (r *reader) buttonText(items []Button, at Position, text string) []Button {
	if text = strings.TrimSpace(text); text == "" {
		return items
	}
	label, rest, more := strings.Cut(text, "|")
	b := Button{Position: at, Label: Text{strings.TrimSpace(label), at}}
	switch {
	case b.Label.Value == "":
		r.faultAt(at, "a button begins with its label, before the bar")
		return items
	case strings.ContainsAny(text, "\r\n"):
		r.faultAt(at, "a line break in a button; an item of a list is one button")
		return items
	}
	if more && !r.afterLabel(&b, strings.TrimSpace(rest)) {
		return items
	}
	b.completePostback()
	return append(items, b)
}

// afterLabel reads what follows the label and its bar.
func (r *reader) afterLabel(b *Button, rest string) bool {
	target := rest
	if postback, ok := strings.CutPrefix(rest, "="); ok {
		target, b.Postback = "", Text{strings.TrimSpace(postback), b.Position}
	} else if i := strings.LastIndex(rest, "|="); i >= 0 {
		target, b.Postback = strings.TrimSpace(rest[:i]), Text{strings.TrimSpace(rest[i+2:]), b.Position}
	}
	if target == "" {
		if b.Postback.Sent() {
			return true
		}
		r.faultAt(b.Position, "nothing follows the bar of this button; without a bar it is a reply")
		return false
	}
	if problem := r.target(b, target); problem != "" {
		r.faultAt(b.Position, "%s", problem)
		return false
	}
	return true
}

// target reads what a button does and returns what is wrong with it.
func (r *reader) target(b *Button, target string) (problem string) {
	scheme, after, ok := strings.Cut(target, ":")
	if !ok || !isScheme(scheme) {
		return withoutScheme(target)
	}
	after = strings.TrimSpace(after)
	switch scheme = strings.ToLower(scheme); scheme {
	case "http", "https":
		b.Action, b.URL = OpenURL, Text{target, b.Position}
	case "webview", "webview-half", "webview-tall":
		return b.openWebview(scheme, after)
	case "tel":
		return b.dial(after, r.tree.plus && strings.HasPrefix(target[len("tel:"):], " "))
	case "geo":
		return b.place(after)
	case "location":
		if after != "" {
			return "nothing follows location:"
		}
		b.Action = ShareLocation
	case "cal":
		return b.calendar(after)
	default:
		return unknownScheme(scheme)
	}
	return ""
}

// withoutScheme tells what was probably forgotten.
func withoutScheme(target string) string {
	switch {
	case strings.Trim(target, "+0123456789 -()/") == "":
		return "a number to dial begins with tel:, as in Call us|tel:+12025550199"
	case strings.Contains(target, ".") && !strings.Contains(target, " "):
		return "a link begins with https://, as in Track|https://example.com"
	default:
		return "after the bar of a button stands a link that begins with " + listSchemes() + ", or = and a postback"
	}
}

// textSchemes are what may follow the bar.
var textSchemes = []string{"https", "http", "webview", "webview-half", "webview-tall", "tel", "geo", "location", "cal"}

func listSchemes() string { return strings.Join(textSchemes, ":, ") + ":" }

// unknownScheme names the scheme that was probably meant.
func unknownScheme(scheme string) string {
	if near := typo.Nearest(scheme, textSchemes, max(1, len(scheme)/3)+1); near != "" {
		return "no button does " + scheme + ":; did you mean " + near + ":?"
	}
	return "no button does " + scheme + ":; a link begins with " + listSchemes()
}

// isScheme reports whether s has the form of a URL scheme, and a length that
// may be quoted.
func isScheme(s string) bool {
	if s == "" || len(s) > 20 {
		return false
	}
	for i := range len(s) {
		switch c := s[i] | 0x20; {
		case c >= 'a' && c <= 'z':
		case i > 0 && (s[i] >= '0' && s[i] <= '9' || s[i] == '+' || s[i] == '-' || s[i] == '.'):
		default:
			return false
		}
	}
	return true
}

func (b *Button) openWebview(scheme, target string) string {
	inner, _, _ := strings.Cut(target, ":")
	if !strings.EqualFold(inner, "https") && !strings.EqualFold(inner, "http") {
		return scheme + ": is followed by a URL, as in " + scheme + ":https://example.com"
	}
	mode := "full"
	if _, after, ok := strings.Cut(scheme, "-"); ok {
		mode = after
	}
	b.Action, b.URL, b.Webview = OpenURL, Text{target, b.Position}, Text{mode, b.Position}
	return ""
}

func (b *Button) dial(target string, plus bool) string {
	if plus {
		target = " " + target
	}
	number, ok := dialable(target, plus)
	if !ok {
		return "tel: is followed by a phone number: digits, *, # and a leading +"
	}
	b.Action, b.Phone = Dial, Text{number, b.Position}
	return ""
}

const geoForm = "geo: is followed by latitude and longitude, as in geo:37.42,-122.08 or geo:37.42,-122.08?q=Label, or by a search as in geo:0,0?q=Words"

func (b *Button) place(target string) string {
	position, q, asked := strings.Cut(target, "?")
	if asked {
		var ok bool
		if q, ok = strings.CutPrefix(q, "q="); !ok {
			return geoForm
		}
		q = strings.TrimSpace(decodeQuery(q))
	}
	latText, longText, _ := strings.Cut(position, ",")
	lat, ok1 := parseNumber(latText)
	long, ok2 := parseNumber(longText)
	if !ok1 || !ok2 {
		return geoForm
	}
	if lat == 0 && long == 0 && q != "" {
		b.Action, b.Query = SearchPlace, Text{q, b.Position}
		return ""
	}
	b.Action = ShowPlace
	b.Latitude, b.Longitude = Value[float64]{lat, b.Position}, Value[float64]{long, b.Position}
	if q != "" {
		b.Pin = Text{q, b.Position}
	}
	return ""
}

// decodeQuery takes the words after q= as people and as programs write them: a
// plus sign is a blank only where no real blank shows that nothing is encoded.
func decodeQuery(q string) string {
	plus := !strings.Contains(q, " ")
	var b strings.Builder
	for i := 0; i < len(q); i++ {
		switch {
		case q[i] == '+' && plus:
			b.WriteByte(' ')
		case q[i] == '%' && i+2 < len(q) && isHex(q[i+1]) && isHex(q[i+2]):
			x, _ := strconv.ParseUint(q[i+1:i+3], 16, 8) // both are hex digits
			b.WriteByte(byte(x))
			i += 2
		default:
			b.WriteByte(q[i])
		}
	}
	return strings.ToValidUTF8(b.String(), "\uFFFD")
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

func (b *Button) calendar(target string) string {
	start, rest, _ := strings.Cut(target, "/")
	end, title, _ := strings.Cut(rest, "/")
	from, ok1 := parseTime(start)
	to, ok2 := parseTime(end)
	if !ok1 || !ok2 {
		return "cal: is followed by start, end and title, as in cal:2026-12-01T10:00Z/2026-12-01T11:00Z/Checkup; the times need Z or an offset"
	}
	b.Action = AddEvent
	b.Event = &Event{
		Position: b.Position,
		Title:    Text{strings.TrimSpace(title), b.Position},
		Start:    Value[time.Time]{from, b.Position},
		End:      Value[time.Time]{to, b.Position},
	}
	if b.Event.Title.Value == "" {
		b.Event.Title = b.Label
	}
	return ""
}
