package compose

import (
	"path"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/rcshook/rcshook/internal/payload"
	"github.com/rcshook/rcshook/rbm"
)

// Warning describes a value that is valid but probably a mistake, or displays badly.
type Warning struct {
	// Pointer is the position in the payload, a JSON Pointer.
	Pointer string `json:"pointer"`

	// Detail describes the effect and a better value.
	Detail string `json:"detail"`
}

// warner collects the warnings about a valid message.
type warner struct {
	payload *payload.Payload
	message *rbm.AgentMessage
	cards   []payload.Card // as composed
	size    int            // of the message as JSON
	now     time.Time
	list    []Warning

	hasFallback bool
	after       time.Duration // to the fallback; zero if only a rejection leads to it
}

func (w *warner) warn(p payload.Position, format string, args ...any) {
	e := p.Errorf(format, args...)
	warning := Warning{Pointer: e.Pointer, Detail: e.Detail}
	if !slices.Contains(w.list, warning) {
		w.list = append(w.list, warning)
	}
}

// unused warns about values that were sent but have no effect.
func (w *warner) unused(why string, at ...payload.Position) {
	for _, p := range at {
		if p.Sent() {
			w.warn(p, "has no effect: %s", why)
		}
	}
}

func (w *warner) all() []Warning {
	w.checkTimes()
	if float64(w.size) >= nearLimit*rbm.MaxMessageBytes {
		w.warn(w.payload.Root, "the message as JSON is near its limit: %d of %d bytes", w.size, rbm.MaxMessageBytes)
	}
	if w.payload.Raw.Sent() {
		return w.list
	}
	p := w.payload
	limit := rbm.MaxText
	if w.message.ContentMessage.RichCard != nil {
		limit = rbm.MaxCardDescription
	}
	w.checkLength(p.Text, "the text", limit)
	for i := range w.cards {
		w.checkCard(&w.cards[i])
	}
	w.checkCarousel()
	w.checkTopFields()
	w.checkButtons(p.Top.Buttons)
	w.checkButtons(p.Chips)
	return w.list
}

// minLifetime is the lifetime below which the platform may report a message both as
// delivered and as revoked.
const minLifetime = 10 * time.Second

// checkTimes warns about a schedule in the past and about lifetimes that are probably wrong.
func (w *warner) checkTimes() {
	m, p := w.message, w.payload
	if p.ScheduleAt.Sent() && p.ScheduleAt.Value.Before(w.now) {
		w.warn(p.ScheduleAt.Position, "the time is in the past, so the message is sent now")
	}
	if m.MessageTrafficType == rbm.TrafficPromotion && m.TTL == 0 && m.ExpireTime.IsZero() && w.after == 0 {
		at := p.Root
		if p.Traffic.Sent() {
			at = p.Traffic.Position
		}
		w.warn(at, "a promotion without ttl or expires_at may be delivered days later")
	}
	if p.TTL.Sent() && p.TTL.Value < minLifetime {
		w.warn(p.TTL.Position, "with less than 10 seconds, a message may be reported both as delivered and as revoked")
	}
	if p.FallbackAfter.Sent() && p.FallbackAfter.Value < minLifetime {
		w.warn(p.FallbackAfter.Position, "many messages take some seconds to be delivered, so with less than 10 seconds the user may get both messages")
	}
	at := p.Root
	if p.FallbackAfter.Sent() {
		at = p.FallbackAfter.Position
	}
	if w.after > 0 && m.MessageTrafficType == "" {
		w.warn(at, "without a traffic type, the fallback gets the message at most once, as a promotion, and never if in doubt; set traffic, or otp for a password")
	}
	if w.after > otpTTL && m.MessageTrafficType == rbm.TrafficAuthentication {
		w.warn(at, "the fallback of a one-time password is due later than 10 minutes, so RCS may deliver the password that late too")
	}
	if !w.hasFallback {
		w.unused("the message has no fallback", p.FallbackText.Position)
	}
}

// nearLimit is the part of a limit from which a warning is given, because the next order
// number or name in a text may exceed the limit.
const nearLimit = 0.95

func (w *warner) checkLength(t payload.Text, what string, limit int) {
	near := nearLimit * float64(limit)
	if float64(len(t.Value)) < near { // the number of bytes is a cheap bound
		return
	}
	if length := utf8.RuneCountInString(t.Value); float64(length) >= near {
		w.warn(t.Position, "%s is near its limit: %d of %d characters", what, length, limit)
	}
}

// optOutPostbacks are the postbacks with which a tap is an opt-out or opt-in.
var optOutPostbacks = []string{"STOP", "UNSUBSCRIBE", "START"}

// checkButtons warns about duplicate labels and about actions with limited support.
func (w *warner) checkButtons(buttons payload.Buttons) {
	for i := range buttons.Items {
		b := &buttons.Items[i]
		if slices.ContainsFunc(buttons.Items[:i], func(other payload.Button) bool { return other.Label.Value == b.Label.Value }) {
			w.warn(b.Label.Position, "another button has the same label")
		}
		if slices.Contains(optOutPostbacks, b.Postback.Value) {
			w.warn(b.Label.Position, "the postback is a word that unsubscribes or subscribes the user, so targets get no button event for a tap")
		}
		if b.Action == payload.Reply {
			w.unused("a reply does not open anything", b.FallbackURL.Position)
		}
		if b.Action == payload.SearchPlace {
			w.warn(b.Query.Position, "only Google Messages on Android searches the map; coordinates work everywhere")
		}
	}
}

func (w *warner) checkCard(card *payload.Card) {
	w.checkLength(card.Title, "the title", rbm.MaxCardTitle)
	w.checkLength(card.Description, "the description", rbm.MaxCardDescription)
	w.checkLength(card.Text, "the text", rbm.MaxCardDescription)
	w.checkButtons(card.Buttons)

	horizontal := card.Layout.Value == "horizontal"
	if !horizontal {
		w.unused("only a horizontal card has its media at one side", card.Align.Position)
	}
	file := mediaOf(card)
	if !file.Sent() {
		const why = "the card has no media"
		w.unused(why, card.Thumbnail.Position, card.Alt.Position, card.ForceRefresh.Position)
		if inherited := len(w.cards) > 1 && card.Height.Position == w.payload.Top.Height.Position; !inherited {
			w.unused(why, card.Height.Position)
		}
		return
	}
	switch extension(file.Value) {
	case ".pdf":
		w.warn(file.Position, "only networks in India show a PDF on a card; send it as file")
	case ".mp3", ".m4a", ".aac", ".ogg", ".oga", ".wav", ".amr":
		w.warn(file.Position, "a card cannot show audio; send it as file")
	}
	w.checkFile(file, card.Thumbnail, card.ForceRefresh)
	if horizontal {
		w.unused("media on a horizontal card has a fixed height", card.Height.Position)
	}
}

// extension returns the file name extension in a URL, in lower case.
func extension(link string) string {
	link, _, _ = strings.Cut(link, "#")
	link, _, _ = strings.Cut(link, "?")
	return strings.ToLower(path.Ext(link))
}

// checkFile warns about a file that the platform may fail to fetch.
func (w *warner) checkFile(file, thumbnail payload.Text, refresh payload.Value[bool]) {
	w.checkLink(file)
	w.checkLink(thumbnail)
	if isUpload(file) {
		w.unused("an upload is never fetched again", refresh.Position)
	}
}

// shorteners are hosts that redirect. The platform does not follow redirects to files.
var shorteners = []string{"bit.ly", "tinyurl.com", "t.co", "goo.gl", "is.gd", "ow.ly", "rb.gy", "cutt.ly"}

func (w *warner) checkLink(t payload.Text) {
	scheme, rest, ok := strings.Cut(t.Value, "://")
	if !ok {
		return
	}
	if strings.EqualFold(scheme, "http") {
		w.warn(t.Position, "devices may refuse to load http links; use https")
	}
	host := rest[:strings.IndexAny(rest+"/", "/?#:")]
	if slices.Contains(shorteners, strings.ToLower(host)) {
		w.warn(t.Position, "short links redirect, and the platform does not follow redirects to files; use the final URL")
	}
}

// checkCarousel warns about cards of different shapes, which all get the height of the
// tallest one.
func (w *warner) checkCarousel() {
	card := w.message.ContentMessage.RichCard
	if card == nil || card.CarouselCard == nil {
		w.unused("the message has no carousel", w.payload.CardWidth.Position)
		return
	}
	// shape holds the properties that determine the height of a card.
	type shape struct {
		height             rbm.MediaHeight
		title, description bool
		buttons            int
	}
	var first shape
	for i, c := range card.CarouselCard.CardContents {
		s := shape{title: c.Title != "", description: c.Description != "", buttons: len(c.Suggestions)}
		if c.Media != nil {
			s.height = c.Media.Height
		}
		if i == 0 {
			first = s
		}
		if s != first {
			w.warn(w.payload.CardsAt, "the cards have different parts (media and its height, title, description, number of buttons), so all get the height of the tallest")
			return
		}
	}
}

// checkTopFields warns about card fields of the payload that the message does not use.
func (w *warner) checkTopFields() {
	p, top := w.payload, &w.payload.Top
	switch {
	case w.message.ContentMessage.RichCard == nil:
		w.unused("the message has no card", top.Height.Position, top.Layout.Position, top.Align.Position, top.Alt.Position)
		if p.File.Sent() {
			w.checkFile(p.File, top.Thumbnail, top.ForceRefresh)
		} else {
			w.unused("the message has no media or file", top.Thumbnail.Position, top.ForceRefresh.Position)
		}
	case p.Card != nil || p.CardsAt.Sent():
		w.unused("it belongs inside the card", top.Thumbnail.Position, top.Alt.Position, top.ForceRefresh.Position)
	}
}
