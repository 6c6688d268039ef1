// Package events receives the events of RBM: receipts, replies, taps on suggestions, and
// the rest of what happens to an agent. [Receiver] verifies a request, and [Event] is the
// flat shape in which targets get all kinds of events.
package events

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
	"time"

	"github.com/rcshook/rcshook/rbm"
)

// Event is one event. Its JSON always has every key, because tools can only map the keys
// that they have seen once; docs/events.md describes them.
type Event struct {
	// ID is the same each time that the event arrives.
	ID   string `json:"id"`
	Type string `json:"type"` // one of [config.EventTypes]

	// Time is when the event happened, or when it arrived if that is earlier or if RBM
	// does not report it.
	Time time.Time `json:"time"`

	// Phone is the user. Agent is the name of the agent in the configuration.
	Phone   string `json:"phone"`
	Agent   string `json:"agent"`
	AgentID string `json:"agent_id"`

	// MessageID is our message that the event is about, and Status its state: delivered,
	// read, expired, unknown or fallback. ReplyID is the message of the user.
	MessageID string `json:"message_id"`
	ReplyID   string `json:"reply_id"`
	Status    string `json:"status"`

	// Text is the message of the user, or the label of the suggestion. ButtonType is
	// reply or action.
	Text       string `json:"text"`
	Postback   string `json:"postback"`
	ButtonType string `json:"button_type"`

	FileURL      string `json:"file_url"`
	FileName     string `json:"file_name"`
	FileType     string `json:"file_type"`
	FileSize     *int64 `json:"file_size"` // in bytes
	ThumbnailURL string `json:"thumbnail_url"`

	Latitude  *float64 `json:"latitude"`
	Longitude *float64 `json:"longitude"`

	// Keyword and Via are the word of an opt-out or of a request for help, and where it
	// came from: text, menu or button.
	Keyword string `json:"keyword"`
	Via     string `json:"via"`

	// Reason is the code of a failure, or why a fallback was used.
	Reason string `json:"reason"`

	// PlatformType and Raw are the type and the JSON of an event of an unknown kind.
	PlatformType string `json:"platform_type"`
	Raw          string `json:"raw"`

	// Billing and Carrier are reported for US numbers only.
	Billing string `json:"billing"`
	Carrier string `json:"carrier"`

	// The others are of launch events.
	Region      string `json:"region"`
	OldState    string `json:"old_state"`
	NewState    string `json:"new_state"`
	Comment     string `json:"comment"`
	ActingParty string `json:"acting_party"`

	// Payload is the body that the caller sent, in an event for a fallback.
	Payload json.RawMessage `json:"payload,omitempty"`
}

// New returns the event for the signed data of a request, which arrived at the given time.
// The name of the agent is still to be set.
func New(data []byte, now time.Time) *Event {
	parsed, err := rbm.ParseEvent(data)
	if err != nil {
		return other(data, now)
	}
	header := parsed.Header()
	e := &Event{Time: now.UTC(), Phone: header.Phone, AgentID: header.AgentID}
	if !header.Time.IsZero() && header.Time.Before(now) {
		e.Time = header.Time.UTC()
	}
	switch from := parsed.(type) {
	case *rbm.UserMessage:
		e.fromMessage(from, data)
	case *rbm.UserEvent:
		e.MessageID = from.MessageID
		switch from.EventType {
		case rbm.UserDelivered:
			e.Type, e.Status = "delivered", "delivered"
		case rbm.UserRead:
			e.Type, e.Status = "read", "read"
		case rbm.UserIsTyping:
			e.Type = "typing"
		case rbm.UserUnsubscribe:
			e.Type, e.Via = "unsubscribed", "menu"
		case rbm.UserSubscribe:
			e.Type, e.Via = "subscribed", "menu"
		default:
			e.Type, e.PlatformType, e.Raw = "other", string(from.EventType), string(data)
		}
	case *rbm.ServerEvent:
		e.MessageID = from.MessageID
		switch from.EventType {
		case rbm.TTLExpirationRevoked:
			e.Type, e.Status, e.Reason = "expired", "expired", "expired"
		case rbm.TTLExpirationRevokeFailed:
			e.Type, e.Status, e.Reason = "expiry_unsure", "unknown", "expired"
		default:
			e.Type, e.PlatformType, e.Raw = "other", string(from.EventType), string(data)
		}
	case *rbm.AgentLaunchEvent:
		e.Type, e.Region, e.OldState, e.NewState = "launch", from.RegionID, from.OldLaunchState, from.NewLaunchState
		e.Comment, e.ActingParty = from.Comment, from.ActingParty
	}
	e.identify(header.ID, data)
	return e
}

func (e *Event) fromMessage(m *rbm.UserMessage, data []byte) {
	e.ReplyID, e.Carrier = m.MessageID, m.Carrier
	if m.RichMessageClassification != nil {
		e.Billing = m.RichMessageClassification.ClassificationType
	}
	switch {
	case m.SuggestionResponse != nil:
		tap := m.SuggestionResponse
		e.Type, e.Text, e.Postback, e.ButtonType = "button", tap.Text, tap.PostbackData, strings.ToLower(tap.Type)
	case m.Location != nil:
		e.Type, e.Latitude, e.Longitude = "location", &m.Location.Latitude, &m.Location.Longitude
	case m.UserFile != nil:
		e.Type = "file"
		if file := m.UserFile.Payload; file != nil {
			e.FileURL, e.FileName, e.FileType = file.FileURI, file.FileName, file.MimeType
			if file.FileSizeBytes > 0 {
				e.FileSize = &file.FileSizeBytes
			}
		}
		if m.UserFile.Thumbnail != nil {
			e.ThumbnailURL = m.UserFile.Thumbnail.FileURI
		}
	case m.Text != "":
		e.Type, e.Text = "reply", m.Text
	default:
		e.Type, e.Raw = "other", string(data)
	}
}

// other returns the event for data of an unknown kind.
func other(data []byte, now time.Time) *Event {
	var known struct {
		EventType string `json:"eventType"`
		EventID   string `json:"eventId"`
		MessageID string `json:"messageId"`
		Sender    string `json:"senderPhoneNumber"`
		Phone     string `json:"phoneNumber"`
		AgentID   string `json:"agentId"`
	}
	_ = json.Unmarshal(data, &known) // the fields that have another type stay empty
	e := &Event{
		Type: "other", Time: now.UTC(), PlatformType: known.EventType, Raw: string(data),
		Phone: known.Sender, AgentID: strings.TrimSuffix(known.AgentID, rbm.AgentDomain),
	}
	if e.Phone == "" {
		e.Phone = known.Phone
	}
	id := known.EventID
	if id == "" {
		id = known.MessageID
	}
	e.identify(id, data)
	return e
}

// SetType changes the type of an event: the user opted out or in, or asked for help. All
// signals of one change of the state have the same change, and so the same event ID.
func (e *Event) SetType(eventType, change string) {
	e.Type = eventType
	e.identify(change, nil)
}

// Failed returns the event for a message that the function gave up, or for a delivery to a
// target: reason is the code of the last error.
func Failed(about Event, target, reason string, now time.Time) *Event {
	e := &Event{
		Type: "failed", Time: now.UTC(), Reason: reason, Phone: about.Phone, Agent: about.Agent, AgentID: about.AgentID,
		MessageID: about.MessageID, ReplyID: about.ReplyID,
	}
	e.identify(about.ID+"\n"+about.MessageID+"\n"+target+"\n"+reason, nil)
	return e
}

// Fallback returns the event for a message that RCS cannot deliver: reason is the code of
// the error, text the message as text, and payload the body that the caller sent.
func Fallback(about Event, reason, text string, payload json.RawMessage, now time.Time) *Event {
	e := &Event{
		Type: "fallback", Time: now.UTC(), Status: "fallback", Reason: reason, Text: text, Payload: payload,
		Phone: about.Phone, Agent: about.Agent, AgentID: about.AgentID, MessageID: about.MessageID,
	}
	e.identify(about.MessageID, nil)
	return e
}

// identify sets the ID of the event from the ID that RBM gave it. If it gave none, the data
// identifies the event.
func (e *Event) identify(platformID string, data []byte) {
	h := sha256.New()
	h.Write([]byte(e.Type + "\n" + e.AgentID + "\n" + e.Phone + "\n" + platformID))
	if platformID == "" {
		h.Write(data)
	}
	e.ID = "evt_" + hex.EncodeToString(h.Sum(nil)[:16])
}
