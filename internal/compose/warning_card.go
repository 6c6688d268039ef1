package compose

import (
	"path"
	"slices"
	"strings"

	"github.com/rcshook/rcshook/internal/payload"
	"github.com/rcshook/rcshook/rbm"
)

// card warns about one card.
func (w *warner) card(card *payload.Card) {
	w.text(card.Title, "the title", rbm.MaxCardTitle)
	w.text(card.Description, "the description", rbm.MaxCardDescription)
	w.text(card.Text, "the text", rbm.MaxCardDescription)
	w.buttons(card.Buttons)

	horizontal := card.Layout.Value == "horizontal"
	if !horizontal {
		w.useless("only a horizontal card has its media at a side", card.Align.Position)
	}
	switch file := mediaOf(card); {
	case file.Sent():
		w.media(file, card.Thumbnail, card.ForceRefresh)
		if horizontal {
			w.useless("the media of a horizontal card have one height only", card.Height.Position)
		}
	default:
		w.useless("the card has no media", card.Thumbnail.Position, card.Alt.Position, card.ForceRefresh.Position)
		if shared := len(w.cards) > 1 && card.Height.Position == w.payload.Top.Height.Position; !shared {
			w.useless("the card has no media", card.Height.Position)
		}
	}
}

// media warns about media that a card may not be able to show.
func (w *warner) media(file, thumbnail payload.Text, refresh payload.Value[bool]) {
	switch extension(file.Value) {
	case ".pdf":
		w.warn(file.Position, "only networks in India show a PDF on a card; send it as file")
	case ".mp3", ".m4a", ".aac", ".ogg", ".oga", ".wav", ".amr":
		w.warn(file.Position, "a card cannot show audio; send it as file")
	}
	w.file(file, thumbnail, refresh)
}

// file warns about a file that the platform may not be able to fetch.
func (w *warner) file(file, thumbnail payload.Text, refresh payload.Value[bool]) {
	w.link(file)
	w.link(thumbnail)
	if isUpload(file) {
		w.useless("an upload is never fetched again", refresh.Position)
	}
}

// shorteners are hosts that answer with a redirect, which the platform does not
// follow for files.
var shorteners = []string{"bit.ly", "tinyurl.com", "t.co", "goo.gl", "is.gd", "ow.ly", "rb.gy", "cutt.ly"}

// link warns about the URL of a file.
func (w *warner) link(t payload.Text) {
	scheme, rest, ok := strings.Cut(t.Value, "://")
	if !ok {
		return
	}
	if strings.EqualFold(scheme, "http") {
		w.warn(t.Position, "http: instead of https: devices may refuse to load it")
	}
	if host := rest[:hostLength(rest)]; slices.Contains(shorteners, strings.ToLower(host)) {
		w.warn(t.Position, "a short link redirects, and redirects to files are not followed")
	}
}

func hostLength(rest string) int {
	if i := strings.IndexAny(rest, "/?#:"); i >= 0 {
		return i
	}
	return len(rest)
}

// extension returns the ending of the file in a URL, in lower case.
func extension(link string) string {
	if i := strings.IndexAny(link, "?#"); i >= 0 {
		link = link[:i]
	}
	return strings.ToLower(path.Ext(link))
}

// carousel warns about cards of different shapes, which all get the height of the
// tallest one.
func (w *warner) carousel() {
	card := w.message.ContentMessage.RichCard
	if card == nil || card.CarouselCard == nil {
		w.useless("there is no carousel", w.payload.CardWidth.Position)
		return
	}
	cards := card.CarouselCard.CardContents
	for i := range cards {
		if shapeOf(&cards[i]) != shapeOf(&cards[0]) {
			w.warn(w.payload.CardsAt, "the cards differ in what they have (media and its height, title, description, number of buttons): all get the height of the tallest")
			return
		}
	}
}

// shape is what decides the height of a card.
type shape struct {
	height             rbm.MediaHeight
	title, description bool
	buttons            int
}

func shapeOf(c *rbm.CardContent) shape {
	s := shape{title: c.Title != "", description: c.Description != "", buttons: len(c.Suggestions)}
	if c.Media != nil {
		s.height = c.Media.Height
	}
	return s
}

// unused warns about card fields beside a message that takes nothing from them.
func (w *warner) unused() {
	p, top := w.payload, &w.payload.Top
	switch {
	case w.message.ContentMessage.RichCard == nil:
		w.useless("there is no card", top.Height.Position, top.Layout.Position, top.Align.Position, top.Alt.Position)
		if p.File.Sent() {
			w.file(p.File, top.Thumbnail, top.ForceRefresh)
		} else {
			w.useless("there is no media or file", top.Thumbnail.Position, top.ForceRefresh.Position)
		}
	case p.Card != nil || p.CardsAt.Sent():
		w.useless("it belongs into the card", top.Thumbnail.Position, top.Alt.Position, top.ForceRefresh.Position)
	}
}
