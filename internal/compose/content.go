package compose

import (
	"strings"

	"github.com/rcshook/rcshook/internal/payload"
	"github.com/rcshook/rcshook/rbm"
)

// onlyKind returns a function that composes the kind of message that the payload asks for,
// and reports all further kinds. It returns false if the payload has no content.
func (c *composer) onlyKind() (build func(*composer) *rbm.AgentContentMessage, ok bool) {
	p := c.payload
	var at payload.Position
	add := func(other payload.Position, f func(*composer) *rbm.AgentContentMessage) {
		switch {
		case !other.Sent():
		case at.Sent():
			c.errorf(other, "%q and %q are two kinds of message; send one of them", at.Name(), other.Name())
		default:
			at, build = other, f
		}
	}
	add(p.Raw.Position, nil)
	add(p.CardsAt, (*composer).cards)
	if p.Card != nil {
		add(p.Card.Position, (*composer).card)
	}
	add(firstSent(p.Top.Title, p.Top.Image, p.Top.Video, p.Top.Description), (*composer).topCard)
	add(p.File.Position, (*composer).file)
	switch at {
	case p.Raw.Position, p.File.Position: // or no kind yet
		add(p.Text.Position, (*composer).text)
	case p.CardsAt:
		if len(p.Cards) != 1 {
			add(p.Text.Position, (*composer).text)
		}
	}
	return build, at.Sent()
}

func firstSent(texts ...payload.Text) payload.Position {
	for _, t := range texts {
		if t.Sent() {
			return t.Position
		}
	}
	return payload.Position{}
}

// content composes the content of the message. If the payload has none, chips are checked anyway.
func (c *composer) content() *rbm.AgentContentMessage {
	build, ok := c.onlyKind()
	if ok {
		return build(c)
	}
	c.payload.Root.MarkInvalid()
	if !c.payload.ContentExplained {
		c.errors = append(c.errors, c.payload.Root.Missing("text",
			"missing content: send text, or title or image for a card, or cards, file or raw"))
	}
	return &rbm.AgentContentMessage{Suggestions: c.chips(c.payload.Top.Buttons, c.payload.Chips)}
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
	info, uploaded := c.source(p.File, p.Top.Thumbnail, p.Top.ForceRefresh.Value)
	return &rbm.AgentContentMessage{
		UploadedRBMFile: uploaded,
		ContentInfo:     info,
		Suggestions:     c.chips(p.Top.Buttons, p.Chips),
	}
}

// source composes a file and its thumbnail, which must both be public URLs or both be
// uploads.
func (c *composer) source(file, thumbnail payload.Text, refresh bool) (*rbm.ContentInfo, *rbm.UploadedRBMFile) {
	if thumbnail.Sent() && isUpload(file) != isUpload(thumbnail) {
		c.errorf(thumbnail.Position, "a file and its thumbnail must both be URLs or both be uploads (files/...)")
		thumbnail = payload.Text{}
	}
	if isUpload(file) {
		return nil, &rbm.UploadedRBMFile{FileName: file.Value, ThumbnailName: thumbnail.Value}
	}
	return &rbm.ContentInfo{
		FileURL:      webURL(file.Value),
		ThumbnailURL: webURL(thumbnail.Value),
		ForceRefresh: refresh,
	}, nil
}

func isUpload(t payload.Text) bool { return strings.HasPrefix(t.Value, "files/") }

// webURL percent-encodes the characters that a URL must not contain, as browsers do,
// because templates insert names with spaces into links.
var webURL = strings.NewReplacer(
	" ", "%20", `"`, "%22", "<", "%3C", ">", "%3E", `\`, "%5C", "^", "%5E", "`", "%60", "{", "%7B", "|", "%7C", "}", "%7D",
).Replace
