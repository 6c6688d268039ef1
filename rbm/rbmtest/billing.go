package rbmtest

import (
	"strconv"
	"strings"

	"github.com/rcshook/rcshook/rbm"
)

// Billing is the class of a message by the rules for the United States.
//
// RBM docs: https://developers.google.com/business-communications/carriers/billing/us-billing-model
type Billing struct {
	// Class is one of the classes below.
	Class BillingClass `json:"class"`

	// Segments is the number of segments of 160 bytes of the text, rounded up,
	// of a rich message; 0 for the other classes.
	Segments int `json:"segments,omitempty"`
}

// BillingClass is what a message is billed as.
type BillingClass string

// The classes.
const (
	// BillingBasic is plain text of at most 160 bytes.
	BillingBasic BillingClass = "basic"

	// BillingRich is longer text, or text with replies and with actions that
	// dial or open the browser.
	BillingRich BillingClass = "rich"

	// BillingRichMedia is everything else.
	BillingRichMedia BillingClass = "rich_media"
)

// segmentBytes is the length of a segment in UTF-8.
const segmentBytes = 160

func billing(m *rbm.AgentMessage) Billing {
	content := m.ContentMessage
	if content.Text == "" {
		return Billing{Class: BillingRichMedia}
	}
	for _, sug := range content.Suggestions {
		if !plainSuggestion(sug) {
			return Billing{Class: BillingRichMedia}
		}
	}
	if len(content.Suggestions) == 0 && len(content.Text) <= segmentBytes {
		return Billing{Class: BillingBasic}
	}
	return Billing{BillingRich, (len(content.Text) + segmentBytes - 1) / segmentBytes}
}

// plainSuggestion reports whether a suggestion leaves the class of a text alone.
func plainSuggestion(sug rbm.Suggestion) bool {
	action := sug.Action
	switch {
	case action == nil, action.DialAction != nil:
		return true
	case action.OpenURLAction != nil:
		return action.OpenURLAction.Application != rbm.Webview
	default:
		return false
	}
}

// isUS reports whether a number gets the fields that the platform fills in for the
// United States. The simulator takes all of +1 for it.
func isUS(phone string) bool { return strings.HasPrefix(phone, "+1") }

// addUSFields adds the fields that only numbers of the United States get. s.mu is
// held.
//
// Assumption: the names of the classes, that a basic message has none, and the
// name of the carrier.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/phones.agentMessages#RichMessageClassification
func (s *Simulator) addUSFields(out *node, m *message) {
	if class := m.Detail.Billing.classification(); class != nil {
		out.set("richMessageClassification", class)
	}
	if size := s.attachedBytes(m.content); size > 0 {
		out.set("totalPayloadSizeBytes", stringOf(strconv.FormatInt(size, 10)))
	}
	out.set("carrier", stringOf(s.carrier(m.To)))
}

func (b Billing) classification() *node {
	name := map[BillingClass]string{BillingRich: "RICH_MESSAGE", BillingRichMedia: "RICH_MEDIA_MESSAGE"}[b.Class]
	if name == "" {
		return nil
	}
	out := &node{kind: objectNode}
	out.set("classificationType", stringOf(name))
	if b.Segments > 0 {
		out.set("segmentCount", &node{kind: numberNode, text: strconv.Itoa(b.Segments)})
	}
	return out
}

// carrier returns the network of a number. s.mu is held.
func (s *Simulator) carrier(phone string) string {
	if c := s.behaviors[phone].Carrier; c != "" {
		return c
	}
	return "example-us"
}
