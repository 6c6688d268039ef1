package compose

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/rcshook/rcshook/internal/payload"
	"github.com/rcshook/rcshook/rbm"
)

// topCard composes the card of the fields at the top of the payload.
func (c *composer) topCard() *rbm.AgentContentMessage {
	card := c.payload.Top
	card.Text = c.payload.Text
	return c.standalone(card)
}

// card composes the one card of an object. Fields at the top of the payload that
// a card has too, complete it.
func (c *composer) card() *rbm.AgentContentMessage {
	return c.complete(*c.payload.Card)
}

func (c *composer) complete(card payload.Card) *rbm.AgentContentMessage {
	p := c.payload
	switch {
	case !p.Text.Sent():
	case firstSent(card.Text, card.Description).Sent():
		c.fault(p.Text.Position, "the card has a text of its own; send either")
	default:
		card.Text = p.Text
	}
	switch {
	case !p.Top.Buttons.Sent():
	case card.Buttons.Sent():
		c.fault(p.Top.Buttons.Position, "the card has buttons of its own; send either, or chips for what stands under the card")
	default:
		card.Buttons = p.Top.Buttons
	}
	inherit(&card, &p.Top)
	return c.standalone(card)
}

// inherit gives a card the looks that were set for the whole message.
func inherit(card, top *payload.Card) {
	for _, look := range []struct{ of, from *payload.Text }{
		{&card.Height, &top.Height},
		{&card.Layout, &top.Layout},
		{&card.Align, &top.Align},
	} {
		if !look.of.Sent() {
			*look.of = *look.from
		}
	}
}

// cards composes a carousel, or a standalone card of a single one.
func (c *composer) cards() *rbm.AgentContentMessage {
	p := c.payload
	switch len(p.Cards) {
	case 0:
		return new(rbm.AgentContentMessage) // there is a fault already
	case 1:
		return c.complete(p.Cards[0])
	}
	carousel := &rbm.CarouselCard{
		CardWidth:    rbm.CardWidth(cmp.Or(strings.ToUpper(p.CardWidth.Value), string(rbm.WidthMedium))),
		CardContents: make([]rbm.CardContent, len(p.Cards)),
	}
	c.shown = slices.Clone(p.Cards)
	for i := range c.shown {
		card := &c.shown[i]
		inherit(card, &p.Top)
		if card.Layout.Value == "horizontal" {
			c.fault(card.Layout.Position, "the cards of a carousel are vertical")
		}
		at := "/contentMessage/richCard/carouselCard/cardContents/" + strconv.Itoa(i)
		carousel.CardContents[i] = c.cardContent(at, card, true)
	}
	c.from("/contentMessage/richCard/carouselCard/cardContents", p.CardsAt, "cards")
	return &rbm.AgentContentMessage{
		RichCard:    &rbm.RichCard{CarouselCard: carousel},
		Suggestions: c.chips(p.Top.Buttons, p.Chips), // a carousel as a whole has no buttons
	}
}

func (c *composer) standalone(shown payload.Card) *rbm.AgentContentMessage {
	c.shown = []payload.Card{shown}
	card := &c.shown[0]
	s := &rbm.StandaloneCard{CardOrientation: rbm.OrientationVertical}
	if card.Layout.Value == "horizontal" {
		s.CardOrientation = rbm.OrientationHorizontal
		s.ThumbnailImageAlignment = rbm.ThumbnailImageAlignment(cmp.Or(strings.ToUpper(card.Align.Value), string(rbm.AlignLeft)))
	}
	content := c.cardContent("/contentMessage/richCard/standaloneCard/cardContent", card, s.CardOrientation == rbm.OrientationVertical)
	s.CardContent = &content
	return &rbm.AgentContentMessage{
		RichCard:    &rbm.RichCard{StandaloneCard: s},
		Suggestions: c.chips(c.payload.Chips),
	}
}

// cardContent composes what stands on a card, which is at a pointer of the message.
func (c *composer) cardContent(at string, card *payload.Card, vertical bool) rbm.CardContent {
	file := mediaOf(card)
	c.fromCard(at, card, file)
	content := rbm.CardContent{
		Title:       card.Title.Value,
		Description: card.Description.Value,
		Suggestions: c.suggestions(at, "buttons", card.Buttons),
	}
	if card.Text.Sent() {
		if card.Description.Sent() && card.Description.Value != card.Text.Value {
			c.fault(card.Description.Position, "%q and %q are both the description of the card; send one of them",
				card.Text.Name(), card.Description.Name())
		}
		content.Description = card.Text.Value
	}
	if file.Sent() {
		if card.Image.Sent() && card.Video.Sent() && card.Image.Value != card.Video.Value {
			c.fault(card.Video.Position, "a card has one media; send either %q or %q", card.Image.Name(), card.Video.Name())
		}
		content.Media = c.media(card, file)
		if height := strings.ToUpper(card.Height.Value); vertical || height != "" {
			content.Media.Height = rbm.MediaHeight(cmp.Or(height, string(rbm.HeightMedium)))
		}
	}
	return content
}

func mediaOf(card *payload.Card) payload.Text {
	if card.Image.Sent() {
		return card.Image
	}
	return card.Video
}
