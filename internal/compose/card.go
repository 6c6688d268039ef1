package compose

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/rcshook/rcshook/internal/payload"
	"github.com/rcshook/rcshook/rbm"
)

// topCard composes the card from the fields at the top of the payload.
func (c *composer) topCard() *rbm.AgentContentMessage {
	card := c.payload.Top
	card.Text = c.payload.Text
	return c.standalone(card)
}

// card composes the one card of the payload.
func (c *composer) card() *rbm.AgentContentMessage { return c.complete(*c.payload.Card) }

// complete composes one card, completed with the card fields at the top of the payload.
func (c *composer) complete(card payload.Card) *rbm.AgentContentMessage {
	p := c.payload
	switch {
	case !p.Text.Sent():
	case firstSent(card.Text, card.Description).Sent():
		c.errorf(p.Text.Position, "the card has its own text; send only one of them")
	default:
		card.Text = p.Text
	}
	switch {
	case !p.Top.Buttons.Sent():
	case card.Buttons.Sent():
		c.errorf(p.Top.Buttons.Position, "the card has its own buttons; send only one of them, or send chips to put buttons under the card")
	default:
		card.Buttons = p.Top.Buttons
	}
	inherit(&card, &p.Top)
	return c.standalone(card)
}

// inherit sets the missing height, layout and align of a card to those of the message.
func inherit(card, top *payload.Card) {
	if !card.Height.Sent() {
		card.Height = top.Height
	}
	if !card.Layout.Sent() {
		card.Layout = top.Layout
	}
	if !card.Align.Sent() {
		card.Align = top.Align
	}
}

// cards composes a carousel, or a standalone card if there is only one.
func (c *composer) cards() *rbm.AgentContentMessage {
	p := c.payload
	switch len(p.Cards) {
	case 0:
		return new(rbm.AgentContentMessage) // an error was reported already
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
			c.errorf(card.Layout.Position, "cards in a carousel must be vertical")
		}
		at := "/contentMessage/richCard/carouselCard/cardContents/" + strconv.Itoa(i)
		carousel.CardContents[i] = c.cardContent(at, card, true)
	}
	c.from("/contentMessage/richCard/carouselCard/cardContents", p.CardsAt, "cards")
	return &rbm.AgentContentMessage{
		RichCard:    &rbm.RichCard{CarouselCard: carousel},
		Suggestions: c.chips(p.Top.Buttons, p.Chips), // the buttons of a carousel are chips
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

// cardContent composes the content of the card at a pointer of the message.
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
			c.errorf(card.Description.Position, "%q and %q both set the description of the card; send one of them",
				card.Text.Name(), card.Description.Name())
		}
		content.Description = card.Text.Value
	}
	if file.Sent() {
		if card.Image.Sent() && card.Video.Sent() && card.Image.Value != card.Video.Value {
			c.errorf(card.Video.Position, "a card has one media file; send either %q or %q", card.Image.Name(), card.Video.Name())
		}
		info, uploaded := c.source(file, card.Thumbnail, card.ForceRefresh.Value)
		content.Media = &rbm.Media{ContentDescription: card.Alt.Value, UploadedRBMFile: uploaded, ContentInfo: info}
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
