package compose

import (
	"fmt"
	"strings"

	"github.com/rcshook/rcshook/internal/payload"
	"github.com/rcshook/rcshook/rbm"
)

// origin says that a part of the message came from a place of the payload.
type origin struct {
	pointer string // in the message
	place   payload.Position
	what    string // the part in the sender's words
}

// explain adds a fault for every violation, at the place where the sender wrote
// what breaks the rule and in the words of the payload.
func (c *composer) explain(violations []rbm.Violation) {
	if len(violations) == 0 {
		return
	}
	origins := c.origins()
	for _, v := range violations {
		o := locate(origins, v.Pointer)
		if o.place.IsInvalid() && isMissing(v.Rule) {
			continue // what is missing was sent, and is at fault itself
		}
		place := o.place
		switch {
		case v.Rule == rbm.RuleTooMany:
			place = place.Excess(v.Limit)
		case v.Rule == rbm.RuleOnlyMedia:
			place = c.shown[0].Layout.Position
		}
		f := place.Errorf("%s", detail(o, v))
		f.Limit, f.Actual = v.Limit, v.Actual
		c.faults = append(c.faults, f)
	}
}

func isMissing(r rbm.Rule) bool {
	return r == rbm.RuleRequired || r == rbm.RuleOnlyMedia || r == rbm.RuleTooFew || r == rbm.RuleUnion
}

// detail puts a violation into words.
func detail(o origin, v rbm.Violation) string {
	switch {
	case v.Rule == rbm.RuleTooMany:
		return fmt.Sprintf("%d %s, at most %d are allowed", v.Actual, o.what, v.Limit)
	case v.Rule == rbm.RuleTooLong && v.Pointer == "":
		return fmt.Sprintf("the whole message has %d bytes as JSON, at most %d are allowed", v.Actual, v.Limit)
	case v.Rule == rbm.RuleTooLong:
		return fmt.Sprintf("%s has %d characters, at most %d are allowed", o.what, v.Actual, v.Limit)
	case v.Rule == rbm.RuleTallMedia:
		return "tall media do not fit small cards: choose short or medium height, or card_width medium"
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

// locate returns the origin of the smallest part that holds the pointer.
func locate(origins []origin, pointer string) origin {
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

// origins composes the content once more, this time to record where its parts
// came from. Messages without a fault, which are nearly all, need no record.
func (c *composer) origins() []origin {
	p := c.payload
	again := composer{payload: p, record: true}
	if p.Raw.Sent() {
		again.from("", p.Raw.Position, "the message")
	} else {
		again.from("", p.Root, "the message")
		again.content()
	}
	again.from("/ttl", p.TTL.Position, "the ttl")
	again.from("/expireTime", p.ExpiresAt.Position, "the time")
	return again.parts
}

// from records, if records are kept, that a part of the message came from a place.
func (c *composer) from(pointer string, p payload.Position, what string) {
	if c.record && p.Sent() {
		c.parts = append(c.parts, origin{pointer, p, what})
	}
}

// fromCard records the parts of a card.
func (c *composer) fromCard(at string, card *payload.Card, file payload.Text) {
	if !c.record {
		return
	}
	c.from(at, card.Position, "the card")
	c.from(at+"/title", card.Title.Position, "the title")
	if card.Text.Sent() {
		c.from(at+"/description", card.Text.Position, "the text")
	} else {
		c.from(at+"/description", card.Description.Position, "the description")
	}
	c.from(at+"/media", file.Position, "the media")
	c.from(at+"/media/height", card.Height.Position, "the height")
	c.from(at+"/media/contentDescription", card.Alt.Position, "the description")
	c.fromSource(at+"/media", file, card.Thumbnail)
}

// fromSource records the parts of a file.
func (c *composer) fromSource(at string, file, thumbnail payload.Text) {
	if !c.record {
		return
	}
	c.from(at+"/contentInfo/fileUrl", file.Position, "the URL")
	c.from(at+"/contentInfo/thumbnailUrl", thumbnail.Position, "the URL")
	c.from(at+"/uploadedRbmFile/fileName", file.Position, "this")
	c.from(at+"/uploadedRbmFile/thumbnailName", thumbnail.Position, "this")
}

// fromButton records the parts of a button.
func (c *composer) fromButton(at string, b *payload.Button) {
	if !c.record {
		return
	}
	c.from(at, b.Position, "the button")
	for _, part := range []struct {
		pointer string
		place   payload.Position
		what    string
	}{
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
	} {
		c.from(at+part.pointer, part.place, part.what)
	}
	if e := b.Event; e != nil {
		at += "/action/createCalendarEventAction"
		c.from(at, e.Position, "the event")
		c.from(at+"/title", e.Title.Position, "the title of the event")
		c.from(at+"/description", e.Description.Position, "the description of the event")
		c.from(at+"/startTime", e.Start.Position, "the start of the event")
		c.from(at+"/endTime", e.End.Position, "the end of the event")
	}
}
