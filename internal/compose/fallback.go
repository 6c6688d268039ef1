package compose

import (
	"encoding/json"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/rcshook/rcshook/rbm"
)

const (
	// margin is how far the lifetime of a message reaches beyond the time of its fallback.
	// minMargin is the least that a caller can ask for: RBM must still have the message
	// when it is revoked.
	margin    = 5 * time.Minute
	minMargin = 15 * time.Second

	// maxAfter is the longest time to a fallback.
	maxAfter = rbm.MaxLifetime - margin
)

// autoAfter is how long messages of a traffic type may take if the fallback has after: auto.
// Other messages go to it only if RCS cannot deliver them.
var autoAfter = map[rbm.TrafficType]time.Duration{
	rbm.TrafficAuthentication: time.Minute,
	rbm.TrafficTransaction:    5 * time.Minute,
	rbm.TrafficServiceRequest: 5 * time.Minute,
}

// checkFallback checks the fields of the fallback.
func (c *composer) checkFallback(f *Fallback) {
	after, text := c.payload.FallbackAfter, c.payload.FallbackText
	switch {
	case !after.Sent():
	case f == nil:
		c.errorf(after.Position, "neither the agent nor the source has a fallback; remove %s or set fallback in rcshook.yaml (rcshook dev -queue without -config has one)", after.Name())
	case f.MaxDelay == 0:
		c.errorf(after.Position, "%[1]s needs a queue, and none is configured; remove %[1]s or set RCSHOOK_QUEUE (in rcshook dev: -queue)", after.Name())
	case after.Value < time.Second:
		c.errorf(after.Position, "expected at least 1 second")
	case after.Value > maxAfter:
		c.errorf(after.Position, "expected at most 14 days, 23 hours and 55 minutes, which is 5 minutes less than RCS keeps a message")
	}
	if length := utf8.RuneCountInString(text.Value); length > rbm.MaxText {
		c.tooMuch(text.Position, "the text is too long: expected at most %d characters, got %d", rbm.MaxText, length)
	}
}

// setAfter sets the time to the fallback of a message, whose traffic type is known.
func (c *composer) setAfter(m *rbm.AgentMessage, d Defaults) {
	after, schedule, f := c.payload.FallbackAfter, c.payload.ScheduleAt, d.Fallback
	switch {
	case f == nil || f.MaxDelay == 0 || after.IsInvalid():
	case after.Sent():
		c.after = after.Value
	case f.Auto:
		c.after = autoAfter[m.MessageTrafficType]
	default:
		c.after = f.After
	}
	if c.after == 0 {
		if schedule.Sent() && d.MaxDelay == 0 {
			c.cannotSchedule()
		}
		return
	}
	if delay := c.now.Add(c.after).Sub(c.received); delay > f.MaxDelay && !schedule.IsInvalid() {
		at, fix := after.Position, "send an earlier schedule_at or a shorter fallback_after"
		if !after.Sent() {
			at = schedule.Position
		}
		c.tooMuch(at, "the fallback would be too late: expected at most %d days ahead, got %d; "+fix, days(f.MaxDelay), days(delay))
	}
}

// checkReach checks that a lifetime that the caller sent reaches beyond the time of the
// fallback.
func (c *composer) checkReach(m *rbm.AgentMessage) {
	if c.after == 0 {
		return
	}
	p, least := c.payload, c.after+minMargin
	end, what := c.now.Add(least), "after of the fallback in rcshook.yaml"
	if p.FallbackAfter.Sent() {
		what = p.FallbackAfter.Name()
	}
	if m.TTL > 0 && time.Duration(m.TTL) < least {
		const format = "expected at least %s, which is 15s more than %s"
		if p.TTL.Sent() {
			c.errorf(p.TTL.Position, format, least, what)
		} else {
			c.errors = append(c.errors, p.Raw.ErrorBelow("/ttl", format, least, what))
		}
	}
	if m.ExpireTime.After(c.now) && m.ExpireTime.Before(end) {
		const format = "expected %s or later, which is 15s after the time that %s sets"
		until := end.Add(time.Second).UTC().Format(time.RFC3339) // rounded up
		if p.ExpiresAt.Sent() {
			c.errorf(p.ExpiresAt.Position, format, until, what)
			return
		}
		name := "/expireTime"
		var sent map[string]json.RawMessage
		if json.Unmarshal([]byte(p.Raw.JSON), &sent) == nil && sent["expire_time"] != nil {
			name = "/expire_time"
		}
		c.errors = append(c.errors, p.Raw.ErrorBelow(name, format, until, what))
	}
}

// PlainText returns the message as text, for an SMS: its text, the titles and descriptions
// of its cards, or the URL of its file. A button with a link or a number is a line.
func PlainText(m *rbm.AgentMessage) string {
	c := m.ContentMessage
	if c == nil {
		return ""
	}
	lines := []string{c.Text}
	if c.ContentInfo != nil {
		lines = append(lines, c.ContentInfo.FileURL)
	}
	var cards []rbm.CardContent
	if c.RichCard != nil {
		if card := c.RichCard.StandaloneCard; card != nil && card.CardContent != nil {
			cards = append(cards, *card.CardContent)
		}
		if carousel := c.RichCard.CarouselCard; carousel != nil {
			cards = append(cards, carousel.CardContents...)
		}
	}
	for _, card := range cards {
		lines = append(append(lines, card.Title, card.Description), buttonLines(card.Suggestions)...)
	}
	lines = append(lines, buttonLines(c.Suggestions)...)
	return strings.Join(slices.DeleteFunc(lines, func(line string) bool { return line == "" }), "\n")
}

func buttonLines(suggestions []rbm.Suggestion) (lines []string) {
	for _, s := range suggestions {
		if s.Action == nil {
			continue
		}
		to := s.Action.FallbackURL
		switch a := s.Action; {
		case a.OpenURLAction != nil:
			to = a.OpenURLAction.URL
		case a.DialAction != nil:
			to = a.DialAction.PhoneNumber
		}
		if to != "" {
			lines = append(lines, s.Action.Text+": "+to)
		}
	}
	return lines
}
