package compose

import (
	"strings"

	"github.com/rcshook/rcshook/internal/payload"
	"github.com/rcshook/rcshook/rbm"
)

// kind is a kind of message with the position of the field that asks for it.
type kind struct {
	at    payload.Position
	build func(*composer) *rbm.AgentContentMessage
}

// kinds returns the kinds that the payload asks for. The first one is composed.
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
		add(p.Card.Position, func(c *composer) *rbm.AgentContentMessage { return c.complete(*c.payload.Card) })
	}
	add(firstSent(p.Top.Title, p.Top.Image, p.Top.Video, p.Top.Description), (*composer).topCard)
	add(p.File.Position, (*composer).file)
	if len(kinds) == 0 || !c.takesText(kinds[0].at) {
		add(p.Text.Position, (*composer).text)
	}
	return kinds
}

// takesText reports whether the text of the payload is the description of the only card,
// and not a kind of its own.
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

// onlyKind returns the kind of the message, if any, and reports all others.
func (c *composer) onlyKind() []kind {
	kinds := c.kinds()
	for _, k := range kinds[min(1, len(kinds)):] {
		c.errorf(k.at, "%q and %q are two kinds of message; send one of them", kinds[0].at.Name(), k.at.Name())
	}
	return kinds
}

// content composes the content of the message. It returns nil if the payload has none.
func (c *composer) content() *rbm.AgentContentMessage {
	kinds := c.onlyKind()
	if len(kinds) == 0 {
		c.payload.Root.MarkInvalid()
		if !c.payload.ContentExplained {
			c.errors = append(c.errors, c.payload.Root.Missing("text",
				"missing content: send text, or title or image for a card, or cards, file or raw"))
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

// source is the source of a file: a public URL or an upload.
type source struct {
	info     *rbm.ContentInfo
	uploaded *rbm.UploadedRBMFile
}

const uploadPrefix = "files/"

func isUpload(t payload.Text) bool { return strings.HasPrefix(t.Value, uploadPrefix) }

// source composes a file and its thumbnail, which must have the same kind of source.
func (c *composer) source(file, thumbnail payload.Text, refresh bool) source {
	if thumbnail.Sent() && isUpload(file) != isUpload(thumbnail) {
		c.errorf(thumbnail.Position, "a file and its thumbnail must both be URLs or both be uploads (files/...)")
		thumbnail = payload.Text{}
	}
	if isUpload(file) {
		return source{uploaded: &rbm.UploadedRBMFile{FileName: file.Value, ThumbnailName: thumbnail.Value}}
	}
	return source{info: &rbm.ContentInfo{
		FileURL:      webURL(file.Value),
		ThumbnailURL: webURL(thumbnail.Value),
		ForceRefresh: refresh,
	}}
}

// webURL percent-encodes the characters that a URL must not contain, as browsers do,
// because templates insert names with spaces into links.
func webURL(s string) string {
	if !strings.ContainsAny(s, invalidInURL) {
		return s
	}
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; strings.IndexByte(invalidInURL, c) >= 0 {
			b.Write([]byte{'%', hex[c>>4], hex[c&15]})
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

const invalidInURL = " \"<>\\^`{|}"
