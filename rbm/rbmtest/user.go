package rbmtest

import (
	"errors"
	"strconv"
	"strings"

	"github.com/rcshook/rcshook/rbm"
)

// What can be wrong with a [UserAction].
var (
	// ErrNoConversation means that no agent has written to the user, so that
	// there is nobody to answer. Name one in AgentID.
	ErrNoConversation = errors.New("rbmtest: no agent has written to this number")

	// ErrOffline means that the user's device is offline.
	ErrOffline = errors.New("rbmtest: the user is offline")

	// ErrNoMessage means that the user has no such message, because it was never
	// sent or is not delivered.
	ErrNoMessage = errors.New("rbmtest: there is no such message on the user's device")

	// ErrNoSuggestion means that the message has no such suggestion.
	ErrNoSuggestion = errors.New("rbmtest: the message has no such suggestion")

	// ErrAction means that the action lacks something, or that there is no such
	// action.
	ErrAction = errors.New("rbmtest: the action is none of text, tap, location, file, typing, read, subscribe and unsubscribe, or lacks what it is about")
)

// ActionKind is what a user does.
type ActionKind string

// The actions of users.
const (
	ActionText        ActionKind = "text"        // sends Text
	ActionTap         ActionKind = "tap"         // taps Suggestion of MessageID
	ActionLocation    ActionKind = "location"    // shares Location
	ActionFile        ActionKind = "file"        // sends File
	ActionTyping      ActionKind = "typing"      // begins to type
	ActionRead        ActionKind = "read"        // opens MessageID, or the conversation if it is empty
	ActionSubscribe   ActionKind = "subscribe"   // asks for messages again; sends Text, START if empty
	ActionUnsubscribe ActionKind = "unsubscribe" // wants no more; sends Text, STOP if empty
)

// UserAction is something that a user does on the phone.
type UserAction struct {
	Action ActionKind `json:"action"`

	// Phone is the user's number in E.164 form.
	Phone string `json:"phone"`

	// AgentID is the agent of the conversation; empty means the one that wrote
	// last.
	AgentID string `json:"agent_id,omitempty"`

	Text      string `json:"text,omitempty"`
	MessageID string `json:"message_id,omitempty"`

	// Suggestion is the label of a suggestion, the first with it, or its JSON
	// Pointer in the names of the reference, such as /contentMessage/suggestions/0.
	Suggestion string `json:"suggestion,omitempty"`

	Location *rbm.LatLng `json:"location,omitempty"`
	File     *SharedFile `json:"file,omitempty"`
}

// SharedFile is a file that a user sends.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/SharedFile
type SharedFile struct {
	MIMEType string `json:"mime_type"`
	Name     string `json:"name,omitempty"`
	URI      string `json:"uri"`
	Bytes    int64  `json:"bytes,omitempty"`
}

// UserSends makes a user send a text to the agent that wrote last. It returns the
// message ID.
func (s *Simulator) UserSends(phone, text string) (id string, err error) {
	return s.Act(UserAction{Action: ActionText, Phone: phone, Text: text})
}

// Tap makes a user tap a suggestion, named by its label or by its JSON Pointer, of a
// message that was delivered. It returns the ID of the user's message that results.
// For an action the platform reports the tap; what the device does besides, such as
// sharing a location, is another call.
func (s *Simulator) Tap(phone, messageID, suggestion string) (id string, err error) {
	return s.Act(UserAction{Action: ActionTap, Phone: phone, MessageID: messageID, Suggestion: suggestion})
}

// ShareLocation makes a user send a location, in degrees, to the agent that wrote
// last. It returns the message ID.
func (s *Simulator) ShareLocation(phone string, latitude, longitude float64) (id string, err error) {
	return s.Act(UserAction{Action: ActionLocation, Phone: phone, Location: &rbm.LatLng{Latitude: latitude, Longitude: longitude}})
}

// Read makes a user see a message that was delivered, or all of them if messageID is
// empty, so that READ events follow.
func (s *Simulator) Read(phone, messageID string) error {
	_, err := s.Act(UserAction{Action: ActionRead, Phone: phone, MessageID: messageID})
	return err
}

// Act makes a user do something, and pushes what the platform would. It returns the
// ID of the user's message, if the action makes one.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/guides/build/events/receive-events
func (s *Simulator) Act(a UserAction) (id string, err error) {
	s.init()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle()
	if s.behaviors[a.Phone].Offline {
		return "", ErrOffline
	}
	if a.Action == ActionRead {
		return "", s.readMessages(a)
	}
	if a.Action == ActionTap {
		return s.tap(a)
	}
	agent := agentName(a.AgentID)
	if agent == "" {
		agent = s.lastAgent[a.Phone]
	}
	if agent == "" {
		return "", ErrNoConversation
	}
	return s.say(a, agent)
}

// say carries out what needs no message to be about. s.mu is held.
func (s *Simulator) say(a UserAction, agent string) (id string, err error) {
	text := a.Text
	switch {
	case a.Action == ActionTyping:
		s.pushUserEvent(a.Phone, agent, "", "IS_TYPING")
		return "", nil
	case a.Action == ActionText && text != "":
		return s.userMessage(a.Phone, agent, "TEXT", member{"text", stringOf(text)}), nil
	case a.Action == ActionLocation && a.Location != nil:
		return s.userMessage(a.Phone, agent, "LOCATION", member{"location", location(*a.Location)}), nil
	case a.Action == ActionFile && a.File != nil && a.File.MIMEType != "" && a.File.URI != "":
		return s.userMessage(a.Phone, agent, "USER_FILE", member{"userFile", a.File.node()}), nil
	case a.Action == ActionSubscribe || a.Action == ActionUnsubscribe:
		word := map[ActionKind]string{ActionSubscribe: "START", ActionUnsubscribe: "STOP"}[a.Action]
		if text == "" {
			text = word
		}
		id = s.userMessage(a.Phone, agent, "TEXT", member{"text", stringOf(text)})
		s.pushUserEvent(a.Phone, agent, "", strings.ToUpper(string(a.Action)))
		return id, nil
	default:
		return "", ErrAction
	}
}

// userMessage publishes a message of a user and returns its ID. s.mu is held.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/UserMessage
func (s *Simulator) userMessage(phone, agent, about string, content member) (id string) {
	id = newID()
	p := &node{kind: objectNode}
	p.set("senderPhoneNumber", stringOf(phone))
	p.set("messageId", stringOf(id))
	p.set("sendTime", timestamp(s.now().Truncate(1e6)))
	p.set("agentId", stringOf(agent+rbm.AgentDomain))
	p.members = append(p.members, content)
	if isUS(phone) {
		p.set("carrier", stringOf(s.carrier(phone)))
	}
	s.publish(LogUserMessage, phone, agent, id, p, about)
	return id
}

func location(l rbm.LatLng) *node {
	number := func(x float64) *node {
		return &node{kind: numberNode, text: strconv.FormatFloat(x, 'f', -1, 64)}
	}
	return &node{kind: objectNode, members: []member{
		{"latitude", number(l.Latitude)}, {"longitude", number(l.Longitude)},
	}}
}

func (f *SharedFile) node() *node {
	payload := &node{kind: objectNode}
	payload.set("mimeType", stringOf(f.MIMEType))
	payload.set("fileSizeBytes", &node{kind: numberNode, text: strconv.FormatInt(f.Bytes, 10)})
	if f.Name != "" {
		payload.set("fileName", stringOf(f.Name))
	}
	payload.set("fileUri", stringOf(f.URI))
	return &node{kind: objectNode, members: []member{{"payload", payload}}}
}

// talked notes with whom a user talks. s.mu is held.
func (s *Simulator) talked(phone string, a *AgentConfig) { s.lastAgent[phone] = agentName(a.ID) }

// onDevice returns a message that a user has. s.mu is held.
func (s *Simulator) onDevice(a UserAction) *message {
	for _, m := range s.messages {
		if m.MessageID == a.MessageID && m.To == a.Phone && (a.AgentID == "" || m.AgentID == agentName(a.AgentID)) &&
			(m.State == StateDelivered || m.State == StateRead) {
			return m
		}
	}
	return nil
}

// readMessages is [ActionRead]. s.mu is held.
func (s *Simulator) readMessages(a UserAction) error {
	if a.MessageID == "" {
		for _, m := range s.messages {
			if m.To == a.Phone && m.State == StateDelivered && (a.AgentID == "" || m.AgentID == agentName(a.AgentID)) {
				s.markRead(m)
			}
		}
		return nil
	}
	m := s.onDevice(a)
	if m == nil {
		return ErrNoMessage
	}
	if m.State == StateDelivered {
		s.markRead(m)
	}
	return nil
}

// tap is [ActionTap]. s.mu is held.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/SuggestionResponse
func (s *Simulator) tap(a UserAction) (id string, err error) {
	m := s.onDevice(a)
	if m == nil {
		return "", ErrNoMessage
	}
	for _, sug := range suggestions(m.content.ContentMessage) {
		text, postback, kind := "", "", "REPLY"
		switch {
		case sug.Reply != nil:
			text, postback = sug.Reply.Text, sug.Reply.PostbackData
		case sug.Action != nil:
			text, postback, kind = sug.Action.Text, sug.Action.PostbackData, "ACTION"
		}
		if a.Suggestion != text && a.Suggestion != sug.pointer {
			continue
		}
		response := &node{kind: objectNode}
		response.set("postbackData", stringOf(postback))
		response.set("text", stringOf(text))
		response.set("type", stringOf(kind))
		return s.userMessage(a.Phone, m.AgentID, "SUGGESTION_RESPONSE", member{"suggestionResponse", response}), nil
	}
	return "", ErrNoSuggestion
}

// placed is a suggestion and where it stands in the message.
type placed struct {
	rbm.Suggestion
	pointer string
}

// suggestions returns all suggestions of a message, those of cards first.
func suggestions(content *rbm.AgentContentMessage) []placed {
	var out []placed
	add := func(prefix string, list []rbm.Suggestion) {
		for i, sug := range list {
			out = append(out, placed{sug, prefix + "/suggestions/" + strconv.Itoa(i)})
		}
	}
	for i, card := range cards(content) {
		prefix := "/contentMessage/richCard/standaloneCard/cardContent"
		if content.RichCard.CarouselCard != nil {
			prefix = "/contentMessage/richCard/carouselCard/cardContents/" + strconv.Itoa(i)
		}
		add(prefix, card.Suggestions)
	}
	add("/contentMessage", content.Suggestions)
	return out
}
