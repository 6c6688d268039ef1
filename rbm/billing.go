package rbm

// Billing is how a message to a number of the United States is billed, as far as the
// message itself decides it.
//
// RBM docs: https://developers.google.com/business-communications/carriers/billing/us-billing-model
type Billing struct {
	// Class is the billing class of the message.
	Class BillingClass `json:"class"`

	// Segments is the number of 160-byte segments of UTF-8 text in a [BillingRich]
	// message, rounded up; 0 for the other classes.
	Segments int `json:"segments,omitempty"`
}

// BillingClass is a billing class for the United States.
//
// RBM docs: https://developers.google.com/business-communications/carriers/billing/us-billing-model
type BillingClass string

// The billing classes.
const (
	// BillingBasic is text of at most 160 bytes without suggestions.
	BillingBasic BillingClass = "basic"

	// BillingRich is longer text, or text whose suggestions are replies, numbers to
	// dial and links that open in the browser.
	BillingRich BillingClass = "rich"

	// BillingRichMedia is everything else: files, cards, web views, other actions.
	BillingRichMedia BillingClass = "rich_media"
)

// Billing returns how m is billed if it goes to a number of the United States.
//
// RBM docs: https://developers.google.com/business-communications/carriers/billing/us-billing-model
func (m *AgentMessage) Billing() Billing {
	const segment = 160 // bytes
	c := m.ContentMessage
	if c == nil || c.Text == "" {
		return Billing{Class: BillingRichMedia}
	}
	for _, s := range c.Suggestions {
		if a := s.Action; a != nil && a.DialAction == nil && (a.OpenURLAction == nil || a.OpenURLAction.Application == ApplicationWebview) {
			return Billing{Class: BillingRichMedia}
		}
	}
	if len(c.Suggestions) == 0 && len(c.Text) <= segment {
		return Billing{Class: BillingBasic}
	}
	return Billing{Class: BillingRich, Segments: (len(c.Text) + segment - 1) / segment}
}
