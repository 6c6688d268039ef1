package payload

import (
	"strings"
	"time"
	"unicode"
)

// Action is what a button does.
type Action uint8

// The actions of a button.
const (
	Reply Action = iota
	OpenURL
	Dial
	ShowPlace   // on the map, by its coordinates
	SearchPlace // on the map, by a query
	ShareLocation
	AddEvent // to the calendar
)

// Button is one suggestion: a chip under a message or a button of a card. The
// places of its values are all the same where it was written as one text.
type Button struct {
	Position

	Action   Action
	Label    Text
	Postback Text // never empty; not sent where it was made from the label

	URL         Text
	Webview     Text // full, half, tall, browser, or not sent
	Description Text // of the web view

	Phone Text

	Latitude, Longitude Value[float64]
	Pin                 Text // label of the place
	Query               Text

	Event *Event

	FallbackURL Text
}

// Event is a calendar event.
type Event struct {
	Position

	Title       Text
	Description Text
	Start, End  Value[time.Time]
}

// maxButtons bounds the buttons that are read of one list. No message has a tenth
// of them.
const maxButtons = 100

// tooManyButtons reports a list that is not read at all.
func (r *reader) tooManyButtons(n *node, count int) bool {
	if count <= maxButtons {
		return false
	}
	r.fault(n, "%d buttons are far more than any message has", count)
	return true
}

// buttons reads a list of buttons, or all of them in one text.
func (r *reader) buttons(n *node) Buttons {
	if n == nil {
		return Buttons{}
	}
	if (n.kind == kindString || n.kind == kindNumber) && !holdsJSON(n.text) {
		return Buttons{r.buttonTexts(n), n.place()}
	}
	if n = r.structured(n, kindList); n == nil {
		return Buttons{}
	}
	if r.tooManyButtons(n, int(n.count)) {
		return Buttons{}
	}
	items := make([]Button, 0, n.count)
	for c := n.first; c != nil; c = c.next {
		if !c.blank() {
			items = r.buttonItem(items, c)
		}
	}
	return Buttons{items, n.place()}
}

// holdsJSON reports whether a text is meant as JSON. A label may begin with a
// bracket too, but hardly goes on like JSON.
func holdsJSON(text string) bool {
	text = strings.TrimSpace(text)
	if rest, ok := strings.CutPrefix(text, "["); ok {
		rest = strings.TrimSpace(rest)
		return rest != "" && strings.ContainsRune(`"{]`, rune(rest[0]))
	}
	return strings.HasPrefix(text, "{")
}

// buttonItem adds the button that one item of a list holds.
func (r *reader) buttonItem(items []Button, n *node) []Button {
	if (n.kind == kindString || n.kind == kindNumber) && !holdsJSON(n.text) {
		return r.buttonText(items, n.place(), n.text)
	}
	object := r.structured(n, kindObject)
	if object == nil {
		return items
	}
	f := r.fold(object, OnButton)
	return append(items, r.button(&f))
}

// button reads the object form.
func (r *reader) button(f *record) Button {
	b := Button{
		Position:    f.node.place(),
		Label:       r.line(f.get(fLabel)),
		URL:         r.line(f.get(fURL)),
		Description: r.text(f.get(fViewDescription)),
		Phone:       r.line(f.get(fPhone)),
		Latitude:    r.number(f.get(fLatitude)),
		Longitude:   r.number(f.get(fLongitude)),
		Query:       r.line(f.get(fQuery)),
		Pin:         r.line(f.get(fPin)),
		Postback:    r.line(f.get(fPostback)),
		FallbackURL: r.line(f.get(fFallbackURL)),
	}
	r.webview(&b, f)
	r.event(&b, f.get(fEvent))
	r.incomplete(&b, f)
	b.Action = r.action(&b, f)
	if b.Phone.Sent() {
		r.dialNumber(&b)
	}
	if f.lacks(fLabel) {
		r.missing(b.Position, "label", "missing: what the button says")
	}
	b.completePostback()
	return b
}

// webview reads how a URL opens; the URL may stand there itself.
func (r *reader) webview(b *Button, f *record) {
	n := f.get(fWebview)
	if n != nil && n.kind == kindString && strings.Contains(n.text, "://") {
		if b.URL.Sent() && b.URL.Value != strings.TrimSpace(n.text) {
			r.conflict(b.URL.node, n)
			return
		}
		b.URL = r.line(n)
		b.Webview = Text{"full", n.place()}
		return
	}
	b.Webview = r.word(f, fWebview)
	if b.Webview.Sent() && b.Webview.Value != "browser" && f.lacks(fURL) {
		r.missing(b.Position, "url", "missing: what the web view opens")
	}
}

// event reads a calendar event. Its title is the label where it has none.
func (r *reader) event(b *Button, n *node) {
	if n = r.structured(n, kindObject); n == nil {
		return
	}
	f := r.fold(n, OnEvent)
	b.Event = &Event{
		Position:    n.place(),
		Title:       r.line(f.get(fEventTitle)),
		Description: r.text(f.get(fEventDescription)),
		Start:       r.moment(f.get(fEventStart)),
		End:         r.moment(f.get(fEventEnd)),
	}
	if !b.Event.Title.Sent() {
		b.Event.Title = b.Label
	}
	if f.lacks(fEventStart) {
		r.missing(b.Event.Position, "start", "missing: when the event begins")
	}
	if f.lacks(fEventEnd) {
		r.missing(b.Event.Position, "end", "missing: when the event ends")
	}
}

// action decides what the button does, which is one thing only.
func (r *reader) action(b *Button, f *record) Action {
	share := r.flag(f.get(fShareLocation))
	if !share.Value {
		share.Position = Position{}
	}
	position := b.Latitude.Position
	if !position.Sent() {
		position = b.Longitude.Position
	}
	chosen, at := Reply, Position{}
	for _, candidate := range [...]struct {
		action Action
		place  Position
	}{
		{OpenURL, b.URL.Position},
		{Dial, b.Phone.Position},
		{ShowPlace, position},
		{SearchPlace, b.Query.Position},
		{AddEvent, b.eventPlace()},
		{ShareLocation, share.Position},
		{Reply, r.replyPostback(b, f.get(fReply))},
	} {
		switch {
		case !candidate.place.Sent():
		case at.Sent():
			r.fault(candidate.place.node, "a button does one thing: send either %q or %q", at.Name(), candidate.place.Name())
		default:
			chosen, at = candidate.action, candidate.place
		}
	}
	return chosen
}

// incomplete reports values that need another one to mean something.
func (r *reader) incomplete(b *Button, f *record) {
	const bothNeeded = "missing: a place has a latitude and a longitude"
	if b.Latitude.Sent() && f.lacks(fLongitude) {
		r.missing(b.Position, "longitude", bothNeeded)
	}
	if b.Longitude.Sent() && f.lacks(fLatitude) {
		r.missing(b.Position, "latitude", bothNeeded)
	}
	if b.Pin.Sent() && f.lacks(fLatitude) && f.lacks(fLongitude) {
		r.fault(b.Pin.node, "this is the label of a pin at latitude and longitude; to search the map send query")
	}
	if b.Description.Sent() && f.lacks(fURL) && !b.URL.Sent() {
		r.fault(b.Description.node, "this describes what a url opens, and there is none")
	}
}

func (b *Button) eventPlace() Position {
	if b.Event == nil {
		return Position{}
	}
	return b.Event.Position
}

// replyPostback reads the field reply: the postback, or just true. It returns
// where it was sent.
func (r *reader) replyPostback(b *Button, n *node) Position {
	if n == nil {
		return Position{}
	}
	switch strings.ToLower(strings.TrimSpace(n.scalar())) {
	case "true":
		return n.place()
	case "false":
		return Position{}
	}
	reply := r.line(n)
	if b.Postback.Sent() && b.Postback.Value != reply.Value {
		r.fault(n, "%q and %q both give the postback; send one of them", b.Postback.Name(), reply.Name())
	} else {
		b.Postback = reply
	}
	return n.place()
}

// dialNumber drops the separators of the number to dial, which the API does not
// take. It may be a short code.
func (r *reader) dialNumber(b *Button) {
	number, ok := dialable(b.Phone.Value, r.tree.plus)
	if !ok {
		r.fault(b.Phone.node, "this must be a phone number: digits, *, # and a leading +")
	}
	b.Phone.Value = number
}

// dialable returns the signs of a number that can be dialled. In an urlencoded
// form a leading blank may have been a plus sign.
func dialable(text string, plus bool) (string, bool) {
	s := strings.TrimSpace(text)
	if plus && strings.HasPrefix(text, " ") && len(s) > 6 && s[0] >= '1' && s[0] <= '9' {
		s = "+" + s
	}
	if len(s) >= 4 && strings.EqualFold(s[:4], "tel:") {
		s = s[4:]
	}
	var b strings.Builder
	for _, r := range s {
		switch {
		case r >= '0' && r <= '9', r == '*', r == '#', r == '+' && b.Len() == 0:
			b.WriteRune(r)
		case isNoise(r):
		default:
			return "", false
		}
	}
	return b.String(), strings.ContainsAny(b.String(), "0123456789")
}

// completePostback gives a button without a postback the default: its label for
// a reply, a slug of it for an action.
func (b *Button) completePostback() {
	if b.Postback.Value != "" {
		return
	}
	if b.Postback.Value = b.Label.Value; b.Action != Reply {
		b.Postback.Value = slug(b.Label.Value)
	}
}

// slug returns the words of a label in lower case, joined by hyphens, or the
// label itself if it has none.
func slug(label string) string {
	var b strings.Builder
	gap := false
	for _, r := range label {
		if !unicode.IsLetter(r) && !unicode.IsNumber(r) && !unicode.IsMark(r) {
			gap = b.Len() > 0
			continue
		}
		if gap {
			b.WriteByte('-')
			gap = false
		}
		b.WriteRune(unicode.ToLower(r))
	}
	if b.Len() == 0 {
		return label
	}
	return b.String()
}
