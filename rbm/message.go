package rbm

import (
	"bytes"
	"encoding/json"
	"time"
)

// AgentMessage is a message from an agent to one user.
//
// Exactly one member of ContentMessage holds the content. At most one of TTL and
// ExpireTime limits how long the platform tries to deliver it. The platform sets the
// fields after those; they must be empty in a message to send.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/phones.agentMessages
type AgentMessage struct {
	// ContentMessage is the visible part.
	ContentMessage *AgentContentMessage `json:"contentMessage,omitempty"`

	// MessageTrafficType is the purpose of the message. An agent with a single use
	// case has a default; a multi-use agent must set it.
	MessageTrafficType TrafficType `json:"messageTrafficType,omitempty"`

	// TTL is how long the platform tries to deliver before it revokes the message:
	// at most [MaxLifetime]; zero means no limit. Below ten seconds the platform may
	// report both a revocation and a delivery.
	TTL Duration `json:"ttl,omitempty"`

	// ExpireTime is when an undelivered message is revoked, at most [MaxLifetime]
	// ahead. The platform also reports it for a message with a TTL.
	ExpireTime time.Time `json:"expireTime,omitzero"`

	// Name is phones/{E.164}/agentMessages/{messageId}. Output only.
	Name string `json:"name,omitempty"`

	// SendTime is when the message was sent to the user. Output only.
	SendTime time.Time `json:"sendTime,omitzero"`

	// RichMessageClassification is how a message to a US number is billed.
	// Output only.
	RichMessageClassification *RichMessageClassification `json:"richMessageClassification,omitempty"`

	// TotalPayloadSizeBytes is the size of the attachments of a message to a US
	// number, without its text and suggestions. Output only.
	TotalPayloadSizeBytes int64 `json:"totalPayloadSizeBytes,omitempty,string"`

	// Carrier is the carrier of a US number in Google's records. Output only.
	Carrier string `json:"carrier,omitempty"`
}

// AgentContentMessage is the visible part of a message: exactly one of Text, FileName,
// UploadedRBMFile, RichCard and ContentInfo, and up to [MaxSuggestions] suggestion chips
// below it.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/phones.agentMessages#AgentContentMessage
type AgentContentMessage struct {
	// Text is plain text of at most [MaxText] characters.
	Text string `json:"text,omitempty"`

	// FileName is the name of an uploaded file, files/{uid}.
	//
	// Deprecated: Google asks for UploadedRBMFile instead.
	FileName string `json:"fileName,omitempty"`

	// UploadedRBMFile is a file that was uploaded to the platform.
	UploadedRBMFile *UploadedRBMFile `json:"uploadedRbmFile,omitempty"`

	// RichCard is a card or a carousel of cards.
	RichCard *RichCard `json:"richCard,omitempty"`

	// ContentInfo is a file that the platform fetches from a public URL.
	ContentInfo *ContentInfo `json:"contentInfo,omitempty"`

	// Suggestions are the chips below the message. The device shows them only while it
	// is the last message of the conversation.
	Suggestions []Suggestion `json:"suggestions,omitempty"`
}

// TrafficType is the purpose of a message. It must fit the use case of the agent.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/phones.agentMessages#MessageTrafficType
type TrafficType string

// The traffic types. Only agents for one-time passwords may send
// [TrafficAuthentication]. Agents of that use case and multi-use agents may send
// [TrafficTransaction] and [TrafficPromotion]. All agents may send the other two.
const (
	TrafficUnspecified     TrafficType = "MESSAGE_TRAFFIC_TYPE_UNSPECIFIED"
	TrafficAuthentication  TrafficType = "AUTHENTICATION"
	TrafficTransaction     TrafficType = "TRANSACTION"
	TrafficPromotion       TrafficType = "PROMOTION"
	TrafficServiceRequest  TrafficType = "SERVICEREQUEST"
	TrafficAcknowledgement TrafficType = "ACKNOWLEDGEMENT"
)

// RichMessageClassification is how the platform bills a message to a US number. Output
// only; [AgentMessage.Billing] predicts it.
//
// RBM docs: https://developers.google.com/business-communications/carriers/billing/us-billing-model
type RichMessageClassification struct {
	// ClassificationType is RICH_MESSAGE or RICH_MEDIA_MESSAGE.
	//
	// Assumption: Google documents the two classes but not their names in the API. Do
	// not depend on them.
	ClassificationType string `json:"classificationType,omitempty"`

	// SegmentCount is the number of 160-byte segments of the text, rounded up.
	SegmentCount int `json:"segmentCount,omitempty"`
}

// UploadedRBMFile names a file that was uploaded with [Client.UploadFile] or
// [Client.CreateFile]. The platform keeps uploads for 60 days.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/phones.agentMessages#UploadedRbmFile
type UploadedRBMFile struct {
	// FileName is the name that the upload returned, files/{uid}.
	FileName string `json:"fileName,omitempty"`

	// ThumbnailName is the name of an uploaded thumbnail; empty means the thumbnail of
	// the upload of the file, if it has one.
	ThumbnailName string `json:"thumbnailName,omitempty"`
}

// ContentInfo is a file that the platform fetches from a public URL. The server must
// respond without a redirect and with the correct Content-Type.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/phones.agentMessages#ContentInfo
type ContentInfo struct {
	// FileURL is the public URL of the file, of at most 100 MiB.
	FileURL string `json:"fileUrl,omitempty"`

	// ThumbnailURL is the public URL of an image of at most 100 kB. Without it the
	// device shows a placeholder until it has loaded the file.
	ThumbnailURL string `json:"thumbnailUrl,omitempty"`

	// ForceRefresh makes the platform fetch the file again even if it is in its cache.
	ForceRefresh bool `json:"forceRefresh,omitempty"`
}

// Text returns a text message with the given chips below it.
func Text(text string, chips ...Suggestion) *AgentMessage {
	return &AgentMessage{ContentMessage: &AgentContentMessage{Text: text, Suggestions: chips}}
}

// FileAt returns a message with the file at a public URL and the given chips below it;
// see [ContentInfo] for the requirements on the URL.
func FileAt(url string, chips ...Suggestion) *AgentMessage {
	return &AgentMessage{ContentMessage: &AgentContentMessage{ContentInfo: &ContentInfo{FileURL: url}, Suggestions: chips}}
}

// Card returns a message with one vertical card and the given chips below it.
func Card(card CardContent, chips ...Suggestion) *AgentMessage {
	return &AgentMessage{ContentMessage: &AgentContentMessage{
		RichCard:    &RichCard{StandaloneCard: &StandaloneCard{CardOrientation: OrientationVertical, CardContent: &card}},
		Suggestions: chips,
	}}
}

// Carousel returns a message with [MinCarouselCards] to [MaxCarouselCards] cards of
// medium width and the given chips below them.
func Carousel(cards []CardContent, chips ...Suggestion) *AgentMessage {
	return &AgentMessage{ContentMessage: &AgentContentMessage{
		RichCard:    &RichCard{CarouselCard: &CarouselCard{CardWidth: WidthMedium, CardContents: cards}},
		Suggestions: chips,
	}}
}

// MediaAt returns the image or video at a public URL, of medium height.
func MediaAt(url string) *Media {
	return &Media{Height: HeightMedium, ContentInfo: &ContentInfo{FileURL: url}}
}

// Reply returns a suggested reply with the label as its postback data.
func Reply(label string) Suggestion { return ReplyWith(label, label) }

// ReplyWith returns a suggested reply whose tap sends postback to the webhook; see
// [SuggestionResponse].
func ReplyWith(label, postback string) Suggestion {
	return Suggestion{Reply: &SuggestedReply{Text: label, PostbackData: postback}}
}

// OpenURL returns a suggestion that opens a web page, with the label as its postback
// data.
func OpenURL(label, url string) Suggestion {
	return Suggestion{Action: &SuggestedAction{Text: label, PostbackData: label, OpenURLAction: &OpenURLAction{URL: url}}}
}

// Dial returns a suggestion that opens the dialer, with the label as its postback data.
func Dial(label, phoneNumber string) Suggestion {
	return Suggestion{Action: &SuggestedAction{Text: label, PostbackData: label, DialAction: &DialAction{PhoneNumber: phoneNumber}}}
}

// Encode returns m as the JSON that is sent: names in lower camel case, without empty
// fields and without HTML escapes. The limit [MaxMessageBytes] applies to this form.
//
// It fails if JSON cannot express a value, such as a latitude that is not a number.
// [AgentMessage.Check] reports those too.
func (m *AgentMessage) Encode() ([]byte, error) { return encode(m) }

func encode(v any) ([]byte, error) {
	var buf bytes.Buffer
	e := json.NewEncoder(&buf)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), nil
}

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
