package compose

import "github.com/rcshook/rcshook/rbm"

// Billing is how a message to a US number is billed, as far as its form decides.
type Billing struct {
	// Class is basic, rich or rich_media.
	Class string `json:"class"`

	// Segments is the number of 160-byte segments of the text of a basic or
	// rich message.
	Segments int `json:"segments,omitempty"`
}

// segmentBytes is the size of a segment of text in UTF-8.
const segmentBytes = 160

// billingOf classifies a message: text of one segment with nothing else is
// basic; text with replies, numbers to dial and links is rich; all else, web
// views included, is rich media.
//
// RBM docs: https://developers.google.com/business-communications/carriers/billing/us-billing-model
func billingOf(m *rbm.AgentMessage) Billing {
	c := m.ContentMessage
	if c == nil || c.Text == "" {
		return Billing{Class: "rich_media"}
	}
	for i := range c.Suggestions {
		if !isRich(&c.Suggestions[i]) {
			return Billing{Class: "rich_media"}
		}
	}
	segments := (len(c.Text) + segmentBytes - 1) / segmentBytes
	if segments == 1 && len(c.Suggestions) == 0 {
		return Billing{Class: "basic", Segments: 1}
	}
	return Billing{Class: "rich", Segments: segments}
}

// isRich reports whether a suggestion leaves a text message a rich one.
func isRich(s *rbm.Suggestion) bool {
	if s.Action == nil {
		return true
	}
	link := s.Action.OpenURLAction
	return s.Action.DialAction != nil || link != nil && link.Application != rbm.Webview
}
