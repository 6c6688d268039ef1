package compose

import (
	"slices"
	"time"
	"unicode/utf8"

	"github.com/rcshook/rcshook/internal/payload"
	"github.com/rcshook/rcshook/rbm"
)

// Warning is about something that is allowed but hardly meant, or shown badly.
type Warning struct {
	// Pointer is the place in the payload, a JSON Pointer.
	Pointer string `json:"pointer"`

	// Detail says what will happen and what would be better.
	Detail string `json:"detail"`
}

// warner looks at a message that keeps all rules.
type warner struct {
	payload *payload.Payload
	message *rbm.AgentMessage
	cards   []payload.Card // as composed
	size    int            // of the message as JSON
	now     time.Time
	list    []Warning
}

func (w *warner) warn(p payload.Position, format string, args ...any) {
	f := p.Errorf(format, args...)
	warning := Warning{Pointer: f.Pointer, Detail: f.Detail}
	if !slices.Contains(w.list, warning) {
		w.list = append(w.list, warning)
	}
}

// useless warns about values that were sent although they have no effect.
func (w *warner) useless(why string, places ...payload.Position) {
	for _, p := range places {
		if p.Sent() {
			w.warn(p, "has no effect: %s", why)
		}
	}
}

func (w *warner) all() []Warning {
	w.lifetime()
	w.length(w.payload.Root, "the whole message as JSON, in bytes,", w.size, rbm.MaxMessageBytes)
	if w.payload.Raw.Sent() {
		return w.list
	}
	p := w.payload
	w.text(p.Text, "the text", textLimit(w.message))
	for i := range w.cards {
		w.card(&w.cards[i])
	}
	w.carousel()
	w.unused()
	w.buttons(p.Top.Buttons)
	w.buttons(p.Chips)
	return w.list
}

// shortLife is the lifetime below which the platform may report both that a
// message was delivered and that it was revoked.
const shortLife = 10 * time.Second

// lifetime warns about messages that arrive when nobody wants them any more.
func (w *warner) lifetime() {
	m, p := w.message, w.payload
	if p.ScheduleAt.Sent() && p.ScheduleAt.Value.Before(w.now) {
		w.warn(p.ScheduleAt.Position, "this is in the past, so the message is sent at once")
	}
	if m.MessageTrafficType == rbm.TrafficPromotion && m.TTL == 0 && m.ExpireTime.IsZero() {
		at := p.Root
		if p.Traffic.Sent() {
			at = p.Traffic.Position
		}
		w.warn(at, "a promotion without ttl or expires_at may be delivered days later")
	}
	if p.TTL.Sent() && p.TTL.Value < shortLife {
		w.warn(p.TTL.Position, "with less than 10 seconds a message may be reported both as delivered and as revoked")
	}
}

// A text that has reached this part of its limit may pass it with the next order
// number or name in it.
const nearly = 0.95

func (w *warner) length(p payload.Position, what string, length, limit int) {
	if float64(length) >= nearly*float64(limit) {
		w.warn(p, "%s is near its limit: %d of %d", what, length, limit)
	}
}

func (w *warner) text(t payload.Text, what string, limit int) {
	if float64(len(t.Value)) >= nearly*float64(limit) { // bytes: a cheap bound of the characters
		w.length(t.Position, what, utf8.RuneCountInString(t.Value), limit)
	}
}

// textLimit is the limit of the text of the payload, which is the description
// where the message is a card.
func textLimit(m *rbm.AgentMessage) int {
	if m.ContentMessage.RichCard != nil {
		return rbm.MaxCardDescription
	}
	return rbm.MaxText
}

// buttons warns about buttons that users cannot tell apart, and about those that
// only some devices know.
func (w *warner) buttons(buttons payload.Buttons) {
	for i := range buttons.Items {
		b := &buttons.Items[i]
		if slices.ContainsFunc(buttons.Items[:i], func(other payload.Button) bool { return other.Label.Value == b.Label.Value }) {
			w.warn(b.Label.Position, "another button has the same label")
		}
		if b.Action == payload.Reply {
			w.useless("a reply opens nothing that could fail", b.FallbackURL.Position)
		}
		if b.Action == payload.SearchPlace {
			w.warn(b.Query.Position, "only Google Messages on Android searches the map; coordinates work everywhere")
		}
	}
}
