package compose

import (
	"fmt"
	"strings"

	"github.com/rcshook/rcshook/internal/payload"
	"github.com/rcshook/rcshook/rbm"
)

// origin is the position in the payload that a part of the message came from.
type origin struct {
	pointer string // of the part, in the message
	at      payload.Position
	what    string // the name of the part in the terms of the payload
}

// explain reports every violation at the position that the invalid part came from, in the
// terms of the payload.
func (c *composer) explain(violations []rbm.Violation) {
	if len(violations) == 0 {
		return
	}
	origins := c.origins()
	for _, v := range violations {
		o := findOrigin(origins, v.Pointer)
		isMissing := v.Rule == rbm.RuleRequired || v.Rule == rbm.RuleOnlyMedia || v.Rule == rbm.RuleTooFew || v.Rule == rbm.RuleUnion
		if isMissing && o.at.IsInvalid() {
			continue // the part was sent, and its error is reported already
		}
		at := o.at
		switch {
		case v.Rule == rbm.RuleTooMany:
			at = at.Excess(v.Limit)
		case v.Rule == rbm.RuleOnlyMedia:
			at = c.shown[0].Layout.Position
		}
		e := at.Errorf("%s", detail(o, v))
		e.Limit, e.Actual = v.Limit, v.Actual
		c.errors = append(c.errors, e)
	}
}

// detail describes a violation.
func detail(o origin, v rbm.Violation) string {
	switch {
	case v.Rule == rbm.RuleTooMany:
		return fmt.Sprintf("too many %s: expected at most %d, got %d", o.what, v.Limit, v.Actual)
	case v.Rule == rbm.RuleTooLong && v.Pointer == "":
		return fmt.Sprintf("the message is too long: expected at most %d bytes of JSON, got %d", v.Limit, v.Actual)
	case v.Rule == rbm.RuleTooLong:
		return fmt.Sprintf("%s is too long: expected at most %d characters, got %d", o.what, v.Limit, v.Actual)
	case v.Rule == rbm.RuleTallMedia:
		return "tall media does not fit on small cards; choose height short or medium, or card_width medium"
	case v.Rule == rbm.RuleRange && strings.HasSuffix(v.Pointer, "/endTime"):
		return "the event must not end before it starts"
	case v.Rule == rbm.RuleOnlyMedia:
		return "a horizontal card needs a title, a text or buttons beside its media"
	case v.Rule == rbm.RuleRequired && o.what == "the card":
		return "a card needs a title, a text, an image or a video"
	default:
		return o.what + " " + v.Detail
	}
}

// findOrigin returns the origin of the smallest part that contains the pointer.
func findOrigin(origins []origin, pointer string) origin {
	for {
		for _, o := range origins {
			if o.pointer == pointer {
				return o
			}
		}
		i := strings.LastIndexByte(pointer, '/')
		if i < 0 {
			return origin{}
		}
		pointer = pointer[:i]
	}
}

// origins composes the content a second time to record the origins of its parts. Valid
// messages, which are nearly all, need no record.
func (c *composer) origins() []origin {
	p := c.payload
	recorder := composer{payload: p, record: true}
	if p.Raw.Sent() {
		recorder.from("", p.Raw.Position, "the message")
	} else {
		recorder.from("", p.Root, "the message")
		recorder.content()
	}
	recorder.from("/ttl", p.TTL.Position, "the ttl")
	recorder.from("/expireTime", p.ExpiresAt.Position, "the time")
	return recorder.parts
}

// from records the origin of a part if c is a recorder and the part was sent.
func (c *composer) from(pointer string, at payload.Position, what string) {
	if c.record && at.Sent() {
		c.parts = append(c.parts, origin{pointer, at, what})
	}
}

// fromCard records the parts of a card at a pointer of the message.
func (c *composer) fromCard(pointer string, card *payload.Card, file payload.Text) {
	if !c.record {
		return
	}
	c.from(pointer, card.Position, "the card")
	c.from(pointer+"/title", card.Title.Position, "the title")
	if card.Text.Sent() {
		c.from(pointer+"/description", card.Text.Position, "the text")
	} else {
		c.from(pointer+"/description", card.Description.Position, "the description")
	}
	c.from(pointer+"/media", file.Position, "the media")
	c.from(pointer+"/media/height", card.Height.Position, "the height")
	c.from(pointer+"/media/contentDescription", card.Alt.Position, "the description")
	c.fromSource(pointer+"/media", file, card.Thumbnail)
}

// fromSource records the parts of a file.
func (c *composer) fromSource(pointer string, file, thumbnail payload.Text) {
	if !c.record {
		return
	}
	c.from(pointer+"/contentInfo/fileUrl", file.Position, "the URL")
	c.from(pointer+"/contentInfo/thumbnailUrl", thumbnail.Position, "the URL")
	c.from(pointer+"/uploadedRbmFile/fileName", file.Position, "this")
	c.from(pointer+"/uploadedRbmFile/thumbnailName", thumbnail.Position, "this")
}

// fromButton records the parts of a button.
func (c *composer) fromButton(pointer string, b *payload.Button) {
	c.from(pointer, b.Position, "the button")
	parts := []origin{
		{"/reply/text", b.Label.Position, "the label"},
		{"/reply/postbackData", b.Postback.Position, "the postback"},
		{"/action/text", b.Label.Position, "the label"},
		{"/action/postbackData", b.Postback.Position, "the postback"},
		{"/action/fallbackUrl", b.FallbackURL.Position, "the fallback URL"},
		{"/action/openUrlAction/url", b.URL.Position, "the URL"},
		{"/action/openUrlAction/description", b.Description.Position, "the description"},
		{"/action/dialAction", b.Phone.Position, "the number to dial"},
		{"/action/viewLocationAction/latLong/latitude", b.Latitude.Position, "the latitude"},
		{"/action/viewLocationAction/latLong/longitude", b.Longitude.Position, "the longitude"},
		{"/action/viewLocationAction/label", b.Pin.Position, "the label of the place"},
		{"/action/viewLocationAction/query", b.Query.Position, "the query"},
	}
	if e := b.Event; e != nil {
		parts = append(parts,
			origin{"/action/createCalendarEventAction", e.Position, "the event"},
			origin{"/action/createCalendarEventAction/title", e.Title.Position, "the title of the event"},
			origin{"/action/createCalendarEventAction/description", e.Description.Position, "the description of the event"},
			origin{"/action/createCalendarEventAction/startTime", e.Start.Position, "the start of the event"},
			origin{"/action/createCalendarEventAction/endTime", e.End.Position, "the end of the event"},
		)
	}
	for _, part := range parts {
		c.from(pointer+part.pointer, part.at, part.what)
	}
}
