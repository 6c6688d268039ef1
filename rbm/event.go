package rbm

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"
)

// Event is an event that the platform sends to a webhook: a [*UserMessage], a
// [*UserEvent], a [*ServerEvent] or an [*AgentLaunchEvent].
//
// Events may come more than once, and out of order, such as READ before DELIVERED.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/guides/build/events/receive-events
type Event interface {
	// Header returns the fields that all kinds of events have.
	Header() EventHeader
}

// EventHeader holds the fields that all kinds of events have.
type EventHeader struct {
	// ID is the event ID, for a [*UserMessage] its message ID. It is the same each
	// time that the platform sends the event.
	ID string

	// AgentID is the ID of the agent, without [AgentDomain].
	AgentID string

	// Phone is the phone number of the user in E.164 form; empty for an
	// [*AgentLaunchEvent].
	Phone string

	// MessageID is the ID of the message that the event is about: the agent's message
	// for receipts and expiries, the message itself for a [*UserMessage], otherwise empty.
	MessageID string

	// Time is when the event happened; zero if the platform does not report it.
	Time time.Time
}

// UserMessage is a message from a user: exactly one of Text, UserFile, Location and
// SuggestionResponse. Text may be empty.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/UserMessage
type UserMessage struct {
	SenderPhoneNumber string    `json:"senderPhoneNumber,omitempty"`
	MessageID         string    `json:"messageId,omitempty"`
	SendTime          time.Time `json:"sendTime,omitzero"`

	// AgentID ends in [AgentDomain].
	AgentID string `json:"agentId,omitempty"`

	Text               string              `json:"text,omitempty"`
	UserFile           *UserFile           `json:"userFile,omitempty"`
	Location           *LatLng             `json:"location,omitempty"` // may be any place that the user chose
	SuggestionResponse *SuggestionResponse `json:"suggestionResponse,omitempty"`

	// RichMessageClassification and Carrier are set for US numbers only.
	RichMessageClassification *RichMessageClassification `json:"richMessageClassification,omitempty"`
	Carrier                   string                     `json:"carrier,omitempty"`
}

// UserFile is a file that a user sent.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/UserFile
type UserFile struct {
	Payload   *FileInfo `json:"payload,omitempty"`
	Thumbnail *FileInfo `json:"thumbnail,omitempty"` // usual for images and videos
}

// FileInfo describes a file. All of it comes from the user's device, unchecked.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/UserFile#FileInfo
type FileInfo struct {
	MimeType      string `json:"mimeType,omitempty"`
	FileSizeBytes int64  `json:"fileSizeBytes,omitempty,string"`
	FileName      string `json:"fileName,omitempty"`

	// FileURI is the public URL of the file.
	FileURI string `json:"fileUri,omitempty"`
}

// UnmarshalJSON reads the JSON of the platform, where FileSizeBytes is a string or a
// number.
func (f *FileInfo) UnmarshalJSON(data []byte) error {
	type plain FileInfo // without this method
	v := struct {
		*plain
		FileSizeBytes json.Number `json:"fileSizeBytes"`
	}{plain: (*plain)(f)}
	if err := json.Unmarshal(data, &v); err != nil {
		return err
	}
	f.FileSizeBytes, _ = strconv.ParseInt(v.FileSizeBytes.String(), 10, 64)
	return nil
}

// SuggestionResponse is the tap of a user on a reply or an action.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/SuggestionResponse
type SuggestionResponse struct {
	// PostbackData is that of the suggestion, byte for byte.
	PostbackData string `json:"postbackData,omitempty"`

	// Text is the label of the suggestion.
	Text string `json:"text,omitempty"`

	// Type is REPLY or ACTION.
	//
	// Assumption: the documents do not list the values; these two were observed.
	Type string `json:"type,omitempty"`
}

// UserEvent is an event of a user or of the user's device.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/UserEvent
type UserEvent struct {
	SenderPhoneNumber string        `json:"senderPhoneNumber,omitempty"`
	EventType         UserEventType `json:"eventType,omitempty"`
	EventID           string        `json:"eventId,omitempty"`

	// MessageID is the agent's message, for [UserDelivered] and [UserRead].
	MessageID string `json:"messageId,omitempty"`

	SendTime time.Time `json:"sendTime,omitzero"`
	AgentID  string    `json:"agentId,omitempty"`
}

// UserEventType is the type of a [UserEvent]. Google may add values.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/UserEvent.EventType
type UserEventType string

// The events of users.
const (
	UserDelivered   UserEventType = "DELIVERED" // the device has the message
	UserRead        UserEventType = "READ"      // the user has opened it
	UserIsTyping    UserEventType = "IS_TYPING"
	UserUnsubscribe UserEventType = "UNSUBSCRIBE" // the user opted out
	UserSubscribe   UserEventType = "SUBSCRIBE"   // the user opted in again
)

// ServerEvent is the expiry of a message.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/ServerEvent
type ServerEvent struct {
	PhoneNumber string          `json:"phoneNumber,omitempty"`
	AgentID     string          `json:"agentId,omitempty"`
	MessageID   string          `json:"messageId,omitempty"`
	EventType   ServerEventType `json:"eventType,omitempty"`
	EventID     string          `json:"eventId,omitempty"`
	SendTime    time.Time       `json:"sendTime,omitzero"`
}

// ServerEventType is the result of the expiry of a message. Google may add values.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/ServerEvent.EventType
type ServerEventType string

// The results of an expiry.
const (
	// TTLExpirationRevoked means that the message was not delivered and will not
	// be: it is safe to use another channel. In rare cases a [UserDelivered] comes too;
	// then the message was delivered.
	TTLExpirationRevoked ServerEventType = "TTL_EXPIRATION_REVOKED"

	// TTLExpirationRevokeFailed means that the message may still be delivered.
	TTLExpirationRevokeFailed ServerEventType = "TTL_EXPIRATION_REVOKE_FAILED"
)

// AgentLaunchEvent is a change in the launch of an agent.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/guides/build/events/receive-events
type AgentLaunchEvent struct {
	EventID          string `json:"eventId,omitempty"`
	AgentID          string `json:"agentId,omitempty"`
	BotDisplayName   string `json:"botDisplayName,omitempty"`
	BrandID          string `json:"brandId,omitempty"`
	BrandDisplayName string `json:"brandDisplayName,omitempty"`

	// RegionID is the network, for example of a carrier.
	RegionID string `json:"regionId,omitempty"`

	// OldLaunchState and NewLaunchState are PENDING, LAUNCHED, REJECTED, SUSPENDED or
	// UNLAUNCHED. Google may add values.
	OldLaunchState string `json:"oldLaunchState,omitempty"`
	NewLaunchState string `json:"newLaunchState,omitempty"`

	ActingParty string    `json:"actingParty,omitempty"`
	Comment     string    `json:"comment,omitempty"`
	SendTime    time.Time `json:"sendTime,omitzero"`
}

// Header implements [Event].
func (m *UserMessage) Header() EventHeader {
	return EventHeader{m.MessageID, strings.TrimSuffix(m.AgentID, AgentDomain), m.SenderPhoneNumber, m.MessageID, m.SendTime}
}

// Header implements [Event].
func (e *UserEvent) Header() EventHeader {
	return EventHeader{e.EventID, strings.TrimSuffix(e.AgentID, AgentDomain), e.SenderPhoneNumber, e.MessageID, e.SendTime}
}

// Header implements [Event].
func (e *ServerEvent) Header() EventHeader {
	return EventHeader{e.EventID, strings.TrimSuffix(e.AgentID, AgentDomain), e.PhoneNumber, e.MessageID, e.SendTime}
}

// Header implements [Event].
func (e *AgentLaunchEvent) Header() EventHeader {
	return EventHeader{ID: e.EventID, AgentID: strings.TrimSuffix(e.AgentID, AgentDomain), Time: e.SendTime}
}
