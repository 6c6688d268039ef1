package payload

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rcshook/rcshook/internal/phonenumber"
	"github.com/rcshook/rcshook/internal/typo"
)

// The text form of a button is its label, then optionally "|" and a target, then optionally
// "|=" and a postback:
//
//	Yes
//	Yes|=ORDER_YES
//	Track|https://example.com/t
//	Track|https://example.com/t|=TRACK
//
// A URL may contain bars and commas. A label may not contain a bar.

// buttonTexts reads all the buttons of one text.
func (r *reader) buttonTexts(n *node) []Button {
	texts := splitButtons(n.text)
	if !r.checkButtonCount(n, len(texts)) {
		return nil
	}
	items := make([]Button, 0, len(texts))
	for i, text := range texts {
		at := n.position()
		if len(texts) > 1 {
			at.part = i + 1
		}
		items = r.buttonText(items, at, text)
	}
	return items
}

// splitButtons splits a text at its line breaks, or a single line at commas. If the line
// contains a bar, it splits only at commas with a bar before the next comma, because URLs
// and titles may contain commas.
func splitButtons(text string) []string {
	text = strings.TrimSpace(text)
	var items []string
	switch {
	case strings.ContainsAny(text, "\r\n"):
		items = strings.FieldsFunc(text, func(r rune) bool { return r == '\r' || r == '\n' })
	case !strings.Contains(text, "|"):
		items = strings.Split(text, ",")
	default:
		start, end := 0, 0
		for part := range strings.SplitAfterSeq(text, ",") {
			if strings.Contains(part, "|") {
				items = append(items, strings.TrimSuffix(text[start:end], ","))
				start = end
			}
			end += len(part)
		}
		items = append(items, text[start:])
	}
	return slices.DeleteFunc(items, func(s string) bool { return strings.TrimSpace(s) == "" })
}

// buttonText appends the button that a text describes. It skips an empty text.
func (r *reader) buttonText(items []Button, at Position, text string) []Button {
	if text = strings.TrimSpace(text); text == "" {
		return items
	}
	label, rest, hasBar := strings.Cut(text, "|")
	b := Button{Position: at, Label: Text{strings.TrimSpace(label), at}}
	problem := ""
	switch {
	case b.Label.Value == "":
		problem = `missing label before "|"`
	case strings.ContainsAny(text, "\r\n"):
		problem = "unexpected line break; write one button per item of the list"
	case hasBar:
		problem = r.parseAfterLabel(&b, strings.TrimSpace(rest))
	}
	if problem != "" {
		r.errorAt(at, "%s", problem)
		return items
	}
	b.setDefaultPostback()
	return append(items, b)
}

// parseAfterLabel parses the text after the label and its bar.
func (r *reader) parseAfterLabel(b *Button, rest string) (problem string) {
	target := rest
	if postback, ok := strings.CutPrefix(rest, "="); ok {
		target, b.Postback = "", Text{strings.TrimSpace(postback), b.Position}
	} else if i := strings.LastIndex(rest, "|="); i >= 0 {
		target, b.Postback = strings.TrimSpace(rest[:i]), Text{strings.TrimSpace(rest[i+2:]), b.Position}
	}
	switch {
	case target != "":
		return r.parseTarget(b, target)
	case b.Postback.Sent():
		return ""
	default:
		return `nothing follows "|"; omit it for a reply`
	}
}

// parseTarget parses the action of a button.
func (r *reader) parseTarget(b *Button, target string) (problem string) {
	scheme, after, ok := strings.Cut(target, ":")
	if !ok || !isScheme(scheme) {
		return missingScheme(target)
	}
	after = strings.TrimSpace(after)
	switch scheme = strings.ToLower(scheme); scheme {
	case "http", "https":
		b.Action, b.URL = OpenURL, Text{target, b.Position}
	case "webview", "webview-half", "webview-tall":
		inner, _, _ := strings.Cut(after, ":")
		if !strings.EqualFold(inner, "https") && !strings.EqualFold(inner, "http") {
			return scheme + ": expected a URL, as in " + scheme + ":https://example.com"
		}
		mode := "full"
		if _, suffix, ok := strings.Cut(scheme, "-"); ok {
			mode = suffix
		}
		b.Action, b.URL, b.Webview = OpenURL, Text{after, b.Position}, Text{mode, b.Position}
	case "tel":
		number, err := phonenumber.Dial(target[len("tel:"):], r.phone)
		if err != nil {
			return "tel: " + err.Error()
		}
		b.Action, b.Phone = Dial, Text{number, b.Position}
	case "geo":
		return b.parseGeo(after)
	case "location":
		if after != "" {
			return "location: expected nothing after the colon"
		}
		b.Action = ShareLocation
	case "cal":
		return b.parseEvent(after)
	default:
		if near := typo.Nearest(scheme, textSchemes, maxTypos(scheme)); near != "" {
			return `unsupported link scheme "` + scheme + `:"; did you mean "` + near + `:"?`
		}
		return `unsupported link scheme "` + scheme + `:"; expected one of ` + listSchemes()
	}
	return ""
}

// textSchemes are the schemes of a target.
var textSchemes = []string{"https", "http", "webview", "webview-half", "webview-tall", "tel", "geo", "location", "cal"}

func listSchemes() string { return strings.Join(textSchemes, ":, ") + ":" }

// missingScheme describes a target without a scheme.
func missingScheme(target string) string {
	switch {
	case strings.Trim(target, "+0123456789 -()/") == "":
		return `missing "tel:" before the phone number, as in Call us|tel:+12025550199`
	case strings.Contains(target, ".") && !strings.Contains(target, " "):
		return `missing "https://" before the link, as in Track|https://example.com`
	default:
		return `after "|", expected a link that starts with one of ` + listSchemes() + `, or "=" and a postback`
	}
}

// isScheme reports whether s has the form of a URL scheme and is short enough to quote.
func isScheme(s string) bool {
	if s == "" || len(s) > 20 {
		return false
	}
	for i := range len(s) {
		switch c := s[i] | 0x20; {
		case c >= 'a' && c <= 'z':
		case i > 0 && (s[i] >= '0' && s[i] <= '9' || strings.IndexByte("+-.", s[i]) >= 0):
		default:
			return false
		}
	}
	return true
}

const geoForm = "geo: expected latitude and longitude, as in geo:37.42,-122.08 or geo:37.42,-122.08?q=Label, or a search, as in geo:0,0?q=Words"

func (b *Button) parseGeo(target string) (problem string) {
	coordinates, q, hasQuery := strings.Cut(target, "?")
	if hasQuery {
		var ok bool
		if q, ok = strings.CutPrefix(q, "q="); !ok {
			return geoForm
		}
		q = strings.TrimSpace(decodeQuery(q))
	}
	latText, longText, _ := strings.Cut(coordinates, ",")
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

// decodeQuery decodes the text after q= whether it is percent-encoded or not. A plus sign
// means a space unless the text contains a real space, which shows that it is not encoded.
func decodeQuery(q string) string {
	plus := !strings.Contains(q, " ")
	var b strings.Builder
	for i := 0; i < len(q); i++ {
		if q[i] == '+' && plus {
			b.WriteByte(' ')
			continue
		}
		if q[i] == '%' && i+2 < len(q) {
			if x, err := strconv.ParseUint(q[i+1:i+3], 16, 8); err == nil {
				b.WriteByte(byte(x))
				i += 2
				continue
			}
		}
		b.WriteByte(q[i])
	}
	return strings.ToValidUTF8(b.String(), "\uFFFD")
}

func (b *Button) parseEvent(target string) (problem string) {
	start, rest, _ := strings.Cut(target, "/")
	end, title, _ := strings.Cut(rest, "/")
	from, ok1 := parseTime(start)
	to, ok2 := parseTime(end)
	if !ok1 || !ok2 {
		return "cal: expected start, end and title, as in cal:2026-12-01T10:00Z/2026-12-01T11:00Z/Checkup; the times need Z or an offset"
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
