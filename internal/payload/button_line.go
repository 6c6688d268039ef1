package payload

import (
	"strconv"
	"strings"
	"time"
)

// Line returns the text form of a button, which reads as the same button, and
// whether there is one. What only the object form can say has none: a label
// with a bar, a description, a fallback URL.
func (b *Button) Line() (line string, ok bool) {
	target, ok := b.targetLine()
	if !ok || b.FallbackURL.Sent() || !isPlain(b.Label.Value) || strings.Contains(b.Label.Value, "|") {
		return "", false
	}
	line = b.Label.Value
	standard := Button{Action: b.Action, Label: b.Label}
	standard.completePostback()
	if target != "" {
		line += "|" + target
	}
	if b.Postback.Value != standard.Postback.Value || strings.Contains(target, "|=") {
		mark := "|=" + b.Postback.Value
		if !isPlain(b.Postback.Value) || target != "" && strings.LastIndex(mark, "|=") > 0 {
			return "", false
		}
		line += mark
	}
	return line, !holdsJSON(line)
}

// isPlain reports whether a text survives in a line: it is not empty, without
// blanks at the ends and without line breaks.
func isPlain(s string) bool {
	return s != "" && s == strings.TrimSpace(s) && !strings.ContainsAny(s, "\r\n")
}

// targetLine returns what stands between the bars: nothing for a reply.
func (b *Button) targetLine() (target string, ok bool) {
	switch b.Action {
	case Reply:
		return "", true
	case OpenURL:
		return b.urlLine()
	case Dial:
		return "tel:" + b.Phone.Value, true
	case ShowPlace:
		return b.placeLine()
	case SearchPlace:
		return "geo:0,0?q=" + encodeQuery(b.Query.Value), true
	case ShareLocation:
		return "location:", true
	default:
		return b.eventLine()
	}
}

func (b *Button) urlLine() (string, bool) {
	scheme, _, _ := strings.Cut(b.URL.Value, ":")
	isWeb := strings.EqualFold(scheme, "https") || strings.EqualFold(scheme, "http")
	if !isWeb || !isPlain(b.URL.Value) || b.Description.Sent() {
		return "", false
	}
	switch b.Webview.Value {
	case "":
		return b.URL.Value, true
	case "full":
		return "webview:" + b.URL.Value, true
	case "half", "tall":
		return "webview-" + b.Webview.Value + ":" + b.URL.Value, true
	default:
		return "", false
	}
}

func (b *Button) placeLine() (string, bool) {
	lat, long := b.Latitude.Value, b.Longitude.Value
	line := "geo:" + decimal(lat) + "," + decimal(long)
	if !b.Pin.Sent() {
		return line, true
	}
	return line + "?q=" + encodeQuery(b.Pin.Value), lat != 0 || long != 0
}

func (b *Button) eventLine() (string, bool) {
	e := b.Event
	if e == nil || e.Description.Sent() || !isPlain(e.Title.Value) {
		return "", false
	}
	return "cal:" + e.Start.Value.Format(time.RFC3339Nano) + "/" + e.End.Value.Format(time.RFC3339Nano) + "/" + e.Title.Value, true
}

func decimal(x float64) string { return strconv.FormatFloat(x, 'f', -1, 64) }

// encodeQuery escapes what [decodeQuery] would not leave as it is.
func encodeQuery(q string) string {
	var b strings.Builder
	for i := range len(q) {
		if c := q[i]; strings.IndexByte("%+|\r\n", c) >= 0 {
			b.WriteString("%" + strings.ToUpper(strconv.FormatUint(uint64(c)|0x100, 16)[1:]))
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}
