package payload

import (
	"strings"
	"time"
	"unicode"

	"github.com/rcshook/rcshook/internal/phonenumber"
)

// Action is the action of a button.
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

// Button is one suggestion: a chip under a message or a button of a card. The values of a
// button that was written as one text share its position.
type Button struct {
	Position

	Action   Action
	Label    Text
	Postback Text // never empty; its position is zero if it was derived from the label

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

// maxButtons limits the buttons of one list that are read, to ten times what a message
// allows.
const maxButtons = 100

// checkButtonCount reports a list that is too long to be read.
func (r *reader) checkButtonCount(n *node, count int) bool {
	if count > maxButtons {
		r.errorf(n, "%d buttons are more than any message allows", count)
		return false
	}
	return true
}

// buttons reads a list of buttons, or all of them in one text.
func (r *reader) buttons(n *node) Buttons {
	if n == nil {
		return Buttons{}
	}
	if isPlainText(n) {
		return Buttons{r.buttonTexts(n), n.position()}
	}
	if n = r.structured(n, kindList); n == nil || !r.checkButtonCount(n, len(n.children)) {
		return Buttons{}
	}
	items := make([]Button, 0, len(n.children))
	for _, c := range n.children {
		if c.isEmpty() {
			continue
		}
		if isPlainText(c) {
			items = r.buttonText(items, c.position(), c.text)
		} else if object := r.structured(c, kindObject); object != nil {
			f := r.fold(object, OnButton)
			items = append(items, r.button(&f))
		}
	}
	return Buttons{items, n.position()}
}

func isPlainText(n *node) bool {
	return (n.kind == kindString || n.kind == kindNumber) && !holdsJSON(n.text)
}

// holdsJSON reports whether a text is meant as JSON. A label may start with a bracket, but
// then it hardly continues like JSON.
func holdsJSON(text string) bool {
	text = strings.TrimSpace(text)
	if rest, ok := strings.CutPrefix(text, "["); ok {
		rest = strings.TrimSpace(rest)
		return rest != "" && strings.ContainsRune(`"{]`, rune(rest[0]))
	}
	return strings.HasPrefix(text, "{")
}

// button reads the object form of a button.
func (r *reader) button(f *record) Button {
	b := Button{
		Position:    f.node.position(),
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
	r.readWebview(&b, f)
	r.readEvent(&b, f.get(fEvent))
	r.checkComplete(&b, f)
	b.Action = r.action(&b, f)
	if b.Phone.Sent() {
		number, err := phonenumber.Dial(b.Phone.node.text, r.phone)
		if err != nil {
			r.errorf(b.Phone.node, "%s", err)
		}
		b.Phone.Value = number
	}
	if f.lacks(fLabel) {
		r.missing(b.Position, "label", "missing: the text on the button")
	}
	b.setDefaultPostback()
	return b
}

// readWebview reads the mode of the web view. The field may also hold the URL itself.
func (r *reader) readWebview(b *Button, f *record) {
	n := f.get(fWebview)
	if n != nil && n.kind == kindString && strings.Contains(n.text, "://") {
		if b.URL.Sent() && b.URL.Value != strings.TrimSpace(n.text) {
			r.conflict(b.URL.node, n)
			return
		}
		b.URL = r.line(n)
		b.Webview = Text{"full", n.position()}
		return
	}
	b.Webview = r.word(f, fWebview)
	if b.Webview.Sent() && b.Webview.Value != "browser" && f.lacks(fURL) {
		r.missing(b.Position, "url", "missing: the URL for the web view")
	}
}

// readEvent reads a calendar event. Its default title is the label.
func (r *reader) readEvent(b *Button, n *node) {
	if n = r.structured(n, kindObject); n == nil {
		return
	}
	f := r.fold(n, OnEvent)
	b.Event = &Event{
		Position:    n.position(),
		Title:       r.line(f.get(fEventTitle)),
		Description: r.text(f.get(fEventDescription)),
		Start:       r.time(f.get(fEventStart)),
		End:         r.time(f.get(fEventEnd)),
	}
	if !b.Event.Title.Sent() {
		b.Event.Title = b.Label
	}
	if f.lacks(fEventStart) {
		r.missing(b.Event.Position, "start", "missing: the start time of the event")
	}
	if f.lacks(fEventEnd) {
		r.missing(b.Event.Position, "end", "missing: the end time of the event")
	}
}

// action returns the one action of a button and reports all others.
func (r *reader) action(b *Button, f *record) Action {
	share := r.bool(f.get(fShareLocation))
	if !share.Value {
		share.Position = Position{}
	}
	place := b.Latitude.Position
	if !place.Sent() {
		place = b.Longitude.Position
	}
	var event Position
	if b.Event != nil {
		event = b.Event.Position
	}
	chosen, at := Reply, Position{}
	for _, candidate := range [...]struct {
		action Action
		at     Position
	}{
		{OpenURL, b.URL.Position},
		{Dial, b.Phone.Position},
		{ShowPlace, place},
		{SearchPlace, b.Query.Position},
		{AddEvent, event},
		{ShareLocation, share.Position},
		{Reply, r.readReply(b, f.get(fReply))},
	} {
		switch {
		case !candidate.at.Sent():
		case at.Sent():
			r.errorf(candidate.at.node, "a button has one action; send either %q or %q", at.Name(), candidate.at.Name())
		default:
			chosen, at = candidate.action, candidate.at
		}
	}
	return chosen
}

// checkComplete reports values that have no meaning without another one.
func (r *reader) checkComplete(b *Button, f *record) {
	const bothNeeded = "missing: a place needs both latitude and longitude"
	if b.Latitude.Sent() && f.lacks(fLongitude) {
		r.missing(b.Position, "longitude", bothNeeded)
	}
	if b.Longitude.Sent() && f.lacks(fLatitude) {
		r.missing(b.Position, "latitude", bothNeeded)
	}
	if b.Pin.Sent() && f.lacks(fLatitude) && f.lacks(fLongitude) {
		r.errorf(b.Pin.node, "place is the label of a pin at latitude and longitude, which are missing; to search the map, send query")
	}
	if b.Description.Sent() && f.lacks(fURL) && !b.URL.Sent() {
		r.errorf(b.Description.node, "description belongs to a url, which is missing")
	}
}

// readReply reads the field reply, which is the postback or true. It returns its position.
func (r *reader) readReply(b *Button, n *node) Position {
	if n == nil {
		return Position{}
	}
	switch strings.ToLower(strings.TrimSpace(n.scalar())) {
	case "true":
		return n.position()
	case "false":
		return Position{}
	}
	reply := r.line(n)
	if b.Postback.Sent() && b.Postback.Value != reply.Value {
		r.errorf(n, "%q and %q both set the postback; send one of them", b.Postback.Name(), reply.Name())
	} else {
		b.Postback = reply
	}
	return n.position()
}

// setDefaultPostback sets a missing postback: the label for a reply, a slug of the label
// for an action.
func (b *Button) setDefaultPostback() {
	if b.Postback.Value != "" {
		return
	}
	if b.Postback.Value = b.Label.Value; b.Action != Reply {
		b.Postback.Value = slug(b.Label.Value)
	}
}

// slug returns the words of a label in lower case, joined by hyphens. It returns a label
// without words unchanged.
func slug(label string) string {
	words := strings.FieldsFunc(label, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsNumber(r) && !unicode.IsMark(r)
	})
	if len(words) == 0 {
		return label
	}
	return strings.ToLower(strings.Join(words, "-"))
}
