package rbm

import "time"

// AgentMessage is a message from an agent to one user.
//
// Exactly one member of ContentMessage says what is shown. At most one of TTL
// and ExpireTime says when the platform gives up on delivering it. The fields
// after those are filled in by the platform and must be left empty when sending.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/phones.agentMessages
type AgentMessage struct {
	// ContentMessage is what the user sees.
	ContentMessage *AgentContentMessage `json:"contentMessage,omitempty"`

	// MessageTrafficType is why the message is sent. Agents with a single use
	// case have a default; a multi-use agent must set it.
	MessageTrafficType TrafficType `json:"messageTrafficType,omitempty"`

	// TTL is how long the platform tries to deliver before it revokes the
	// message by itself: at most [MaxLifetime]; zero means no limit. Below ten
	// seconds both a revocation and a delivery may be reported.
	TTL Duration `json:"ttl,omitempty"`

	// ExpireTime is the moment at which an undelivered message is revoked, at
	// most [MaxLifetime] ahead. The platform also reports it for a message sent
	// with a TTL.
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

	// Carrier is the carrier of a US number by Google's records. Output only.
	Carrier string `json:"carrier,omitempty"`
}

// AgentContentMessage is the visible part of a message: exactly one of Text,
// FileName, UploadedRBMFile, RichCard and ContentInfo, and up to
// [MaxSuggestions] suggestion chips below it.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/phones.agentMessages#AgentContentMessage
type AgentContentMessage struct {
	// Text is plain text of at most [MaxText] characters.
	Text string `json:"text,omitempty"`

	// FileName is the name of an uploaded file, files/{uid}.
	//
	// Deprecated: the platform asks for UploadedRBMFile instead.
	FileName string `json:"fileName,omitempty"`

	// UploadedRBMFile is a file uploaded to the platform before.
	UploadedRBMFile *UploadedRBMFile `json:"uploadedRbmFile,omitempty"`

	// RichCard is a card or a carousel of cards.
	RichCard *RichCard `json:"richCard,omitempty"`

	// ContentInfo is a file that the platform fetches from a public URL.
	ContentInfo *ContentInfo `json:"contentInfo,omitempty"`

	// Suggestions are the chips under the message. They are shown only while
	// it is the last message of the conversation.
	Suggestions []Suggestion `json:"suggestions,omitempty"`
}

// TrafficType is why a message is sent. It must fit the agent's use case.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/phones.agentMessages#MessageTrafficType
type TrafficType string

// The traffic types. Only agents for one-time passwords may send
// [TrafficAuthentication]; [TrafficTransaction] and [TrafficPromotion] belong to
// agents of that use case and to multi-use agents; the other two are open to all.
const (
	TrafficUnspecified     TrafficType = "MESSAGE_TRAFFIC_TYPE_UNSPECIFIED"
	TrafficAuthentication  TrafficType = "AUTHENTICATION"
	TrafficTransaction     TrafficType = "TRANSACTION"
	TrafficPromotion       TrafficType = "PROMOTION"
	TrafficServiceRequest  TrafficType = "SERVICEREQUEST"
	TrafficAcknowledgement TrafficType = "ACKNOWLEDGEMENT"
)

// RichMessageClassification is how a message to a US number is billed. The
// platform reports it; it is never sent.
//
// RBM docs: https://developers.google.com/business-communications/carriers/billing/us-billing-model
type RichMessageClassification struct {
	// ClassificationType is RICH_MESSAGE or RICH_MEDIA_MESSAGE.
	//
	// Assumption: Google documents the two classes but not their exact names
	// in the API, so code must not depend on the set being closed.
	ClassificationType string `json:"classificationType,omitempty"`

	// SegmentCount is the number of 160-byte segments of the text, rounded up.
	SegmentCount int `json:"segmentCount,omitempty"`
}
