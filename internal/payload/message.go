package payload

import (
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"
)

// MaxIdempotencyKey is the length of an idempotency key in characters.
const MaxIdempotencyKey = 256

// payload reads the whole payload.
func (r *reader) payload(root *node) *Payload {
	p := &Payload{Root: root.place()}
	f := r.fold(root, OnMessage)

	r.addressing(p, &f)
	r.delivery(p, &f)
	r.content(p, &f)

	p.Errors = r.faults
	return p
}

// addressing reads who gets the message from whom, and how it is recognised
// when it is sent again.
func (r *reader) addressing(p *Payload, f *record) {
	p.To = r.recipients(f)
	agent := r.line(f.get(fAgent))
	p.Agent, p.AgentPointer = agent.Value, agent.Pointer()

	key := r.line(f.get(fIdempotencyKey))
	if length := utf8.RuneCountInString(key.Value); length > MaxIdempotencyKey {
		r.tooLong(key.Position, MaxIdempotencyKey, length)
	}
	p.IdempotencyKey = key.Value

	id := r.line(f.get(fMessageID))
	switch {
	case !id.Sent():
	case !IsMessageID(id.Value):
		r.fault(id.node, "this must be a UUID in its usual form of 36 characters; for any other key use idempotency_key")
	case len(p.To) > 1:
		r.fault(id.node, "a message_id is for one recipient, and there are %d; use idempotency_key", len(p.To))
	default:
		p.MessageID = id.Value
	}
	p.DryRun = r.flag(f.get(fDryRun)).Value
}

func (r *reader) tooLong(p Position, limit, actual int) {
	fault := p.Errorf("%d characters, at most %d are allowed", actual, limit)
	fault.Limit, fault.Actual = limit, actual
	r.report(p, fault)
}

// delivery reads why and for how long a message is sent.
func (r *reader) delivery(p *Payload, f *record) {
	p.Traffic = r.word(f, fTraffic)
	p.OTP = r.flag(f.get(fOTP))
	p.TTL = r.duration(f.get(fTTL))
	p.ExpiresAt = r.moment(f.get(fExpiresAt))
	p.ScheduleAt = r.moment(f.get(fScheduleAt))
	if ttl, at := f.get(fTTL), f.get(fExpiresAt); ttl != nil && at != nil {
		r.fault(at, "%q and %q both say when to give up; send one of them", ttl.place().Name(), at.place().Name())
	}
	if p.TTL.Sent() && p.TTL.Value == 0 {
		r.fault(p.TTL.node, "this must be more than zero; leave it out to try without a limit")
	}
	if p.OTP.Value && p.Traffic.Sent() && p.Traffic.Value != "otp" {
		r.fault(p.Traffic.node, "%q already makes this an otp message; send one of them", p.OTP.Name())
	}
}

// content reads what the user is to see.
func (r *reader) content(p *Payload, f *record) {
	before := len(r.faults)
	p.Text = r.text(f.get(fText))
	p.File = r.line(f.get(fFile))
	p.Top = r.card(f)
	p.Top.Text = Text{}
	if n := r.structured(f.get(fCard), kindObject); n != nil {
		inner := r.fold(n, OnCard)
		card := r.card(&inner)
		p.Card = &card
	}
	p.Cards, p.CardsAt = r.cards(f.get(fCards))
	p.CardWidth = r.word(f, fCardWidth)
	p.Chips = r.buttons(f.get(fChips))
	p.Raw = r.raw(f.get(fRaw))
	p.ContentExplained = len(r.faults) > before
	for id := range fields {
		p.ContentExplained = p.ContentExplained || f.meant[id] && fields[id].Content
	}
}

// maxCards bounds the cards that are read of one list. No message has a tenth of them.
const maxCards = 100

// cards reads the cards of a carousel. Empty ones are left out: a sheet has the
// columns of ten cards in every row.
func (r *reader) cards(n *node) ([]Card, Position) {
	if n = r.structured(n, kindList); n == nil {
		return nil, Position{}
	}
	count := 0
	for c := n.first; c != nil; c = c.next {
		if !c.blank() {
			count++
		}
	}
	if count > maxCards {
		r.fault(n, "%d cards are far more than any message has", count)
		return nil, n.place()
	}
	cards := make([]Card, 0, count)
	for c := n.first; c != nil; c = c.next {
		if c.blank() {
			continue
		}
		if object := r.structured(c, kindObject); object != nil {
			f := r.fold(object, OnCard)
			cards = append(cards, r.card(&f))
		}
	}
	return cards, n.place()
}

// card reads the card fields of a folded object.
func (r *reader) card(f *record) Card {
	return Card{
		Position:     f.node.place(),
		Title:        r.text(f.get(fTitle)),
		Text:         r.cardText(f),
		Description:  r.text(f.get(fDescription)),
		Image:        r.line(f.get(fImage)),
		Video:        r.line(f.get(fVideo)),
		Thumbnail:    r.line(f.get(fThumbnail)),
		Alt:          r.text(f.get(fAlt)),
		ForceRefresh: r.flag(f.get(fForceRefresh)),
		Height:       r.word(f, fHeight),
		Layout:       r.word(f, fLayout),
		Align:        r.word(f, fAlign),
		Buttons:      r.buttons(f.get(fButtons)),
	}
}

// cardText reads the text of a card. That of the payload itself is read once,
// as the text of the message.
func (r *reader) cardText(f *record) Text {
	if f.level == OnMessage {
		return Text{}
	}
	return r.text(f.get(fText))
}

// raw keeps an AgentMessage as it was sent; the rules of the API are for others
// to check.
func (r *reader) raw(n *node) Raw {
	if n == nil {
		return Raw{}
	}
	sentAs := fold(n.key)
	if n = r.structured(n, kindObject); n == nil {
		return Raw{}
	}
	if n.made {
		r.fault(n, "send this as one JSON object or as one text that holds it")
		return Raw{}
	}
	content := sentAs == "contentmessage" && !n.has("contentmessage")
	return Raw{JSON: n.src, Content: content, Position: n.place()}
}

// structured returns the list or object that n is or, as JSON, holds as a text.
func (r *reader) structured(n *node, want kind) *node {
	if n == nil || n.kind == want {
		return n
	}
	if n.kind == kindObject && want == kindList {
		return r.only(n)
	}
	text := strings.TrimSpace(n.text)
	if n.kind != kindString || !strings.HasPrefix(text, "{") && !strings.HasPrefix(text, "[") {
		r.want(n, kindNames[want]+", or a text that holds one as JSON")
		return nil
	}
	inner, ok := r.embedded(n, text)
	if !ok {
		return nil
	}
	if inner.kind != want && (inner.kind != kindObject || want != kindList) {
		r.want(inner, kindNames[want])
		return nil
	}
	if inner.kind != want {
		return r.only(inner)
	}
	return inner
}

// only makes a list of a single object that stands where a list is wanted.
func (r *reader) only(n *node) *node {
	list := r.tree.make(kindList)
	list.made, list.up = true, n.up
	list.add(n)
	return list
}

// embedded reads JSON that was sent inside the text n.
func (r *reader) embedded(n *node, text string) (*node, bool) {
	inner, err := r.tree.parseJSON([]byte(text))
	if err != nil {
		detail := "the text holds broken JSON"
		if body, ok := err.(*BodyError); ok {
			detail = "the text holds JSON that cannot be read: " + body.Detail
		}
		r.fault(n, "%s", detail)
		return nil, false
	}
	inner.home, inner.up, inner.inText = n, n, true
	return inner, true
}

// IsMessageID reports whether s is a UUID in its usual form of 36 characters.
func IsMessageID(s string) bool { return len(s) == 36 && uuid.Validate(s) == nil }
