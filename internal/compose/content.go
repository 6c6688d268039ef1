package compose

import (
	"github.com/rcshook/rcshook/internal/payload"
	"github.com/rcshook/rcshook/rbm"
)

// kind is a kind of message and where the payload asks for it.
type kind struct {
	at    payload.Position
	build func(*composer) *rbm.AgentContentMessage
}

// kinds lists the kinds that the payload asks for; the first one is composed.
func (c *composer) kinds() []kind {
	p := c.payload
	var kinds []kind
	add := func(at payload.Position, build func(*composer) *rbm.AgentContentMessage) {
		if at.Sent() {
			kinds = append(kinds, kind{at, build})
		}
	}
	add(p.Raw.Position, nil)
	add(p.CardsAt, (*composer).cards)
	if p.Card != nil {
		add(p.Card.Position, (*composer).card)
	}
	add(firstSent(p.Top.Title, p.Top.Image, p.Top.Video, p.Top.Description), (*composer).topCard)
	add(p.File.Position, (*composer).file)
	if len(kinds) == 0 || !c.takesText(kinds[0].at) {
		add(p.Text.Position, (*composer).text)
	}
	return kinds
}

// takesText reports whether the text of the payload describes the one card of
// the message instead of being a kind of its own.
func (c *composer) takesText(at payload.Position) bool {
	p := c.payload
	switch at {
	case p.Raw.Position, p.File.Position:
		return false
	case p.CardsAt:
		return len(p.Cards) == 1
	default:
		return true
	}
}

func firstSent(texts ...payload.Text) payload.Position {
	for _, t := range texts {
		if t.Sent() {
			return t.Position
		}
	}
	return payload.Position{}
}

// single reports all kinds but the first: a message is of one kind.
func (c *composer) single() []kind {
	kinds := c.kinds()
	for _, k := range kinds[min(1, len(kinds)):] {
		c.fault(k.at, "%q and %q are two kinds of message; send one of them", kinds[0].at.Name(), k.at.Name())
	}
	return kinds
}

// content composes what the user sees, or nil if there is nothing.
func (c *composer) content() *rbm.AgentContentMessage {
	kinds := c.single()
	if len(kinds) == 0 {
		c.payload.Root.MarkInvalid()
		if !c.payload.ContentExplained {
			c.faults = append(c.faults, c.payload.Root.Missing("text",
				"nothing to show: send text, or title or image for a card, or cards, file or raw"))
		}
		return nil
	}
	return kinds[0].build(c)
}

func (c *composer) text() *rbm.AgentContentMessage {
	p := c.payload
	c.from("/contentMessage/text", p.Text.Position, "the text")
	return &rbm.AgentContentMessage{
		Text:        p.Text.Value,
		Suggestions: c.chips(p.Top.Buttons, p.Chips),
	}
}

func (c *composer) file() *rbm.AgentContentMessage {
	p := c.payload
	c.fromSource("/contentMessage", p.File, p.Top.Thumbnail)
	f := c.source(p.File, p.Top.Thumbnail, p.Top.ForceRefresh.Value)
	return &rbm.AgentContentMessage{
		UploadedRBMFile: f.uploaded,
		ContentInfo:     f.info,
		Suggestions:     c.chips(p.Top.Buttons, p.Chips),
	}
}
