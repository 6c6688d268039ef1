package payload

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"
)

// MaxIdempotencyKey is the maximum length of an idempotency key in characters.
const MaxIdempotencyKey = 256

// IsMessageID reports whether s is a UUID in its usual form of 36 characters.
func IsMessageID(s string) bool { return len(s) == 36 && uuid.Validate(s) == nil }

// IsKey reports whether s can be an idempotency key. Control characters separate the parts
// of the keys that the function itself makes.
func IsKey(s string) bool { return !strings.ContainsFunc(s, unicode.IsControl) }

// payload reads the whole payload.
func (r *reader) payload(root *node) *Payload {
	p := &Payload{Root: root.position()}
	f := r.fold(root, OnMessage)
	r.readAddress(p, &f)
	r.readDelivery(p, &f)
	r.readContent(p, &f)
	p.Errors = r.errors
	return p
}

// readAddress reads the recipients, the agent and the fields that identify the message.
func (r *reader) readAddress(p *Payload, f *record) {
	r.readCountry(f.get(fCountry))
	p.To = r.recipients(f, MaxRecipients)
	agent := r.line(f.get(fAgent))
	p.Agent, p.AgentPointer = agent.Value, agent.Pointer()

	key := r.line(f.get(fIdempotencyKey))
	if !IsKey(key.Value) {
		r.errorf(key.node, "must not contain control characters, such as line breaks")
	}
	if length := utf8.RuneCountInString(key.Value); length > MaxIdempotencyKey {
		e := key.Errorf("expected at most %d characters, got %d", MaxIdempotencyKey, length)
		e.Limit, e.Actual = MaxIdempotencyKey, length
		r.report(key.Position, e)
	}
	p.IdempotencyKey = key.Value

	id := r.line(f.get(fMessageID))
	switch {
	case !id.Sent():
	case !IsMessageID(id.Value):
		r.errorf(id.node, "expected a UUID of 36 characters with hyphens; for any other key use idempotency_key")
	case len(p.To) > 1:
		r.errorf(id.node, "a message_id needs exactly one recipient, got %d; use idempotency_key", len(p.To))
	case r.options.OwnKeys && uuid.MustParse(id.Value).Version() == 5:
		r.errorf(id.node, "must not be a version 5 UUID, which could be the ID of another caller's message; use idempotency_key, or a random UUID")
	default:
		p.MessageID = strings.ToLower(id.Value) // RBM may compare IDs byte by byte
	}
	p.DryRun = r.bool(f.get(fDryRun)).Value
}

// readDelivery reads the purpose and the times of the message.
func (r *reader) readDelivery(p *Payload, f *record) {
	p.Traffic = r.word(f, fTraffic)
	p.OTP = r.bool(f.get(fOTP))
	p.TTL = r.duration(f.get(fTTL))
	p.ExpiresAt = r.time(f.get(fExpiresAt))
	p.ScheduleAt = r.time(f.get(fScheduleAt))
	p.FallbackAfter = r.duration(f.get(fFallbackAfter))
	p.FallbackText = r.text(f.get(fFallbackText))
	if ttl, at := f.get(fTTL), f.get(fExpiresAt); ttl != nil && at != nil {
		r.errorf(at, "%q and %q both set the expiration; send one of them", ttl.position().Name(), at.position().Name())
	}
	if p.TTL.Sent() && p.TTL.Value == 0 {
		r.errorf(p.TTL.node, "expected more than zero; omit it for no limit")
	}
	if p.OTP.Value && p.Traffic.Sent() && p.Traffic.Value != "otp" {
		r.errorf(p.Traffic.node, "conflicts with %q, which sets the traffic to otp; send only one of them", p.OTP.Name())
	}
}

// readContent reads the content that the user sees.
func (r *reader) readContent(p *Payload, f *record) {
	before := len(r.errors)
	p.Text = r.text(f.get(fText))
	p.File = r.line(f.get(fFile))
	p.Top = r.card(f)
	if n := r.structured(f.get(fCard), kindObject); n != nil {
		inner := r.fold(n, OnCard)
		card := r.card(&inner)
		p.Card = &card
	}
	p.Cards, p.CardsAt = r.cards(f.get(fCards))
	p.CardWidth = r.word(f, fCardWidth)
	p.Chips = r.buttons(f.get(fChips))
	p.Raw = r.raw(f.get(fRaw))
	p.ContentExplained = len(r.errors) > before
	for id := range fields {
		p.ContentExplained = p.ContentExplained || f.meant[id] && fields[id].Content
	}
}

// maxCards limits the cards of one list that are read, to ten times what a message allows.
const maxCards = 100

// cards reads the cards of a carousel. It skips empty cards, because a spreadsheet has the
// columns of ten cards in every row.
func (r *reader) cards(n *node) ([]Card, Position) {
	if n = r.structured(n, kindList); n == nil {
		return nil, Position{}
	}
	items := slices.DeleteFunc(slices.Clone(n.children), (*node).isEmpty)
	if len(items) > maxCards {
		r.errorf(n, "%d cards are more than any message allows", len(items))
		return nil, n.position()
	}
	cards := make([]Card, 0, len(items))
	for _, c := range items {
		if object := r.structured(c, kindObject); object != nil {
			f := r.fold(object, OnCard)
			cards = append(cards, r.card(&f))
		}
	}
	return cards, n.position()
}

// card reads the card fields of a folded object.
func (r *reader) card(f *record) Card {
	c := Card{
		Position:     f.node.position(),
		Title:        r.text(f.get(fTitle)),
		Description:  r.text(f.get(fDescription)),
		Image:        r.line(f.get(fImage)),
		Video:        r.line(f.get(fVideo)),
		Thumbnail:    r.line(f.get(fThumbnail)),
		Alt:          r.text(f.get(fAlt)),
		ForceRefresh: r.bool(f.get(fForceRefresh)),
		Height:       r.word(f, fHeight),
		Layout:       r.word(f, fLayout),
		Align:        r.word(f, fAlign),
		Buttons:      r.buttons(f.get(fButtons)),
	}
	if f.level != OnMessage { // the text of the payload itself is the text of the message
		c.Text = r.text(f.get(fText))
	}
	return c
}

// raw returns an AgentMessage as it was sent, without checking it.
func (r *reader) raw(n *node) Raw {
	if n == nil {
		return Raw{}
	}
	sentAs := FoldName(n.key)
	if n = r.structured(n, kindObject); n == nil {
		return Raw{}
	}
	if n.gathered {
		r.errorf(n, "expected one JSON object, or text that contains one")
		return Raw{}
	}
	isWrapped := slices.ContainsFunc(n.children, func(c *node) bool { return FoldName(c.key) == "contentmessage" })
	return Raw{JSON: n.src, Content: sentAs == "contentmessage" && !isWrapped, Position: n.position()}
}

// structured returns the list or object that n is, or that n holds as JSON in a text. A
// single object counts as a list of one.
func (r *reader) structured(n *node, want kind) *node {
	if n == nil {
		return nil
	}
	got := n
	if text := strings.TrimSpace(n.text); n.kind == kindString && (strings.HasPrefix(text, "{") || strings.HasPrefix(text, "[")) {
		if got = r.embedded(n, text); got == nil {
			return nil
		}
	}
	switch {
	case got.kind == want:
		return got
	case got.kind == kindObject && want == kindList:
		return r.tree.gather(kindList, got)
	case got != n:
		r.wrongType(got, kindNames[want])
	default:
		r.wrongType(n, kindNames[want]+", or text that contains one as JSON")
	}
	return nil
}

// embedded parses JSON that was sent inside the text n.
func (r *reader) embedded(n *node, text string) *node {
	inner, err := r.tree.parseJSON([]byte(text))
	if err != nil {
		detail := err.Error()
		if body, ok := err.(*BodyError); ok {
			detail = body.Detail
		}
		r.errorf(n, "cannot read the JSON in this text: %s", detail)
		return nil
	}
	inner.parent, n.children = n, []*node{inner}
	return inner
}
