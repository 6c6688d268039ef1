package rbmtest

import (
	"crypto/rand"
	"errors"
	"strconv"
	"strings"

	"github.com/rcshook/rcshook/rbm"
)

// Errors of [Simulator.Act].
var (
	// ErrNoConversation means that no agent has written to the user. Set AgentID.
	ErrNoConversation = errors.New("rbmtest: no agent has written to this number")

	// ErrOffline means that the user's device is offline.
	ErrOffline = errors.New("rbmtest: the user is offline; use SetOnline, or post {\"phone\": NUMBER, \"online\": true} to /_sim/online")

	// ErrNoMessage means that the message is not on the user's device: it was never sent
	// or is not delivered.
	ErrNoMessage = errors.New("rbmtest: the message is not on the user's device")

	// ErrNoSuggestion means that the message does not have the suggestion.
	ErrNoSuggestion = errors.New("rbmtest: the message does not have this suggestion")

	// ErrAction means that the action is unknown or incomplete.
	ErrAction = errors.New("rbmtest: action: expected text, tap, location, file, typing, read, subscribe or unsubscribe, with its fields")
)

// ActionKind is the kind of a [UserAction].
type ActionKind string

// The actions of users.
const (
	ActionText        ActionKind = "text"        // sends Text
	ActionTap         ActionKind = "tap"         // taps Suggestion of MessageID
	ActionLocation    ActionKind = "location"    // shares Location
	ActionFile        ActionKind = "file"        // sends File
	ActionTyping      ActionKind = "typing"      // starts to type
	ActionRead        ActionKind = "read"        // opens MessageID, or the conversation if it is empty
	ActionSubscribe   ActionKind = "subscribe"   // subscribes again in the chat menu
	ActionUnsubscribe ActionKind = "unsubscribe" // unsubscribes in the chat menu
)

// UserAction is an action of a user on the phone.
type UserAction struct {
	Action ActionKind `json:"action"`

	// Phone is the user's number in E.164 form.
	Phone string `json:"phone"`

	// AgentID is the agent of the conversation; empty means the one that wrote last.
	AgentID string `json:"agent_id,omitempty"`

	// Text is what the user writes. For ActionSubscribe and ActionUnsubscribe, the default
	// is the keyword of the number's country; without one, only the event is pushed.
	Text string `json:"text,omitempty"`

	// TextOnly makes ActionSubscribe and ActionUnsubscribe push the text without the event,
	// as for a user whose device has no such menu. The default text in countries without a
	// keyword is then START or STOP.
	TextOnly bool `json:"text_only,omitempty"`

	MessageID string `json:"message_id,omitempty"`

	// Suggestion is the label of a suggestion, of which the first one is tapped, or its
	// JSON Pointer with the names of the reference, such as /contentMessage/suggestions/0.
	Suggestion string `json:"suggestion,omitempty"`

	Location *rbm.LatLng `json:"location,omitempty"`
	File     *SharedFile `json:"file,omitempty"`
}

// SharedFile is a file that a user sends.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/UserFile
type SharedFile struct {
	MIMEType string `json:"mime_type"`
	Name     string `json:"name,omitempty"`
	URI      string `json:"uri"`
	Bytes    int64  `json:"bytes,omitempty"`
}

// UserSends makes a user send a text to the agent that wrote last. It returns the ID of
// the user's message.
func (s *Simulator) UserSends(phone, text string) (id string, err error) {
	return s.Act(UserAction{Action: ActionText, Phone: phone, Text: text})
}

// Tap makes a user tap a suggestion of a delivered message, named by its label or its JSON
// Pointer. It returns the ID of the user's message. The platform only reports the tap; other
// effects on the device, such as sharing a location, need another call.
func (s *Simulator) Tap(phone, messageID, suggestion string) (id string, err error) {
	return s.Act(UserAction{Action: ActionTap, Phone: phone, MessageID: messageID, Suggestion: suggestion})
}

// ShareLocation makes a user send a location, in degrees, to the agent that wrote last. It
// returns the ID of the user's message.
func (s *Simulator) ShareLocation(phone string, latitude, longitude float64) (id string, err error) {
	return s.Act(UserAction{Action: ActionLocation, Phone: phone, Location: &rbm.LatLng{Latitude: latitude, Longitude: longitude}})
}

// Read makes a user read a delivered message, or all of them if messageID is empty. READ
// events follow.
func (s *Simulator) Read(phone, messageID string) error {
	_, err := s.Act(UserAction{Action: ActionRead, Phone: phone, MessageID: messageID})
	return err
}

// Act performs an action of a user, and pushes the events that the platform would push. It
// returns the ID of the user's message, if the action makes one.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/guides/build/events/receive-events
func (s *Simulator) Act(a UserAction) (id string, err error) {
	s.lock()
	defer s.mu.Unlock()
	s.advance()
	if s.behaviors[a.Phone].Offline {
		return "", ErrOffline
	}
	switch a.Action {
	case ActionRead:
		return "", s.readMessages(a)
	case ActionTap:
		return s.tap(a)
	}
	agent := agentName(a.AgentID)
	if agent == "" {
		agent = s.lastAgent[a.Phone]
	}
	switch {
	case agent == "":
		return "", ErrNoConversation
	case a.Action == ActionTyping:
		s.userEvent(a.Phone, agent, "", rbm.UserIsTyping)
		return "", nil
	case a.Action == ActionText && a.Text != "":
		return s.userMessage(a.Phone, agent, "TEXT", &rbm.UserMessage{Text: a.Text}), nil
	case a.Action == ActionLocation && a.Location != nil:
		return s.userMessage(a.Phone, agent, "LOCATION", &rbm.UserMessage{Location: a.Location}), nil
	case a.Action == ActionFile && a.File != nil && a.File.MIMEType != "" && a.File.URI != "":
		return s.userMessage(a.Phone, agent, "USER_FILE", &rbm.UserMessage{UserFile: &rbm.UserFile{Payload: &rbm.FileInfo{
			MimeType: a.File.MIMEType, FileSizeBytes: a.File.Bytes, FileName: a.File.Name, FileURI: a.File.URI,
		}}}), nil
	case a.Action == ActionSubscribe:
		return s.choose(a, agent, rbm.UserSubscribe, "START"), nil
	case a.Action == ActionUnsubscribe:
		return s.choose(a, agent, rbm.UserUnsubscribe, "STOP"), nil
	}
	return "", ErrAction
}

// keywords are the texts that the chat menu sends, by the calling code of the number.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/guides/build/events/receive-events
var keywords = map[string]map[rbm.UserEventType]string{
	"+1":  {rbm.UserUnsubscribe: "STOP", rbm.UserSubscribe: "START"},
	"+33": {rbm.UserUnsubscribe: "STOP", rbm.UserSubscribe: "Démarrer"},
	"+34": {rbm.UserUnsubscribe: "BAJA", rbm.UserSubscribe: "ALTA"},
	"+44": {rbm.UserUnsubscribe: "STOP", rbm.UserSubscribe: "START"},
	"+49": {rbm.UserUnsubscribe: "STOP", rbm.UserSubscribe: "START"},
	"+52": {rbm.UserUnsubscribe: "BAJA", rbm.UserSubscribe: "ALTA"},
	"+55": {rbm.UserUnsubscribe: "parar", rbm.UserSubscribe: "começar"},
	"+91": {rbm.UserUnsubscribe: "STOP", rbm.UserSubscribe: "START"},
}

// choose performs [ActionSubscribe] and [ActionUnsubscribe]. s.mu must be held.
func (s *Simulator) choose(a UserAction, agent string, event rbm.UserEventType, english string) (id string) {
	text := a.Text
	for code, words := range keywords {
		if text == "" && strings.HasPrefix(a.Phone, code) {
			text = words[event]
		}
	}
	if text == "" && a.TextOnly {
		text = english
	}
	if text != "" {
		id = s.userMessage(a.Phone, agent, "TEXT", &rbm.UserMessage{Text: text})
	}
	if !a.TextOnly {
		s.userEvent(a.Phone, agent, "", event)
	}
	return id
}

// readMessages performs [ActionRead]. s.mu must be held.
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

// tap performs [ActionTap]. s.mu must be held.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/SuggestionResponse
func (s *Simulator) tap(a UserAction) (id string, err error) {
	m := s.onDevice(a)
	if m == nil {
		return "", ErrNoMessage
	}
	for _, sug := range suggestions(m.content.ContentMessage) {
		response := &rbm.SuggestionResponse{Type: "REPLY"}
		switch {
		case sug.Reply != nil:
			response.Text, response.PostbackData = sug.Reply.Text, sug.Reply.PostbackData
		case sug.Action != nil:
			response.Text, response.PostbackData, response.Type = sug.Action.Text, sug.Action.PostbackData, "ACTION"
		}
		if a.Suggestion == response.Text || a.Suggestion == sug.pointer {
			return s.userMessage(a.Phone, m.AgentID, "SUGGESTION_RESPONSE", &rbm.UserMessage{SuggestionResponse: response}), nil
		}
	}
	return "", ErrNoSuggestion
}

// onDevice returns a message that is on the user's device. s.mu must be held.
func (s *Simulator) onDevice(a UserAction) *message {
	for _, m := range s.messages {
		if m.MessageID == a.MessageID && m.To == a.Phone && (a.AgentID == "" || m.AgentID == agentName(a.AgentID)) &&
			(m.State == StateDelivered || m.State == StateRead) {
			return m
		}
	}
	return nil
}

// suggestionAt is a suggestion and its JSON Pointer in the message.
type suggestionAt struct {
	rbm.Suggestion
	pointer string
}

// suggestions returns all suggestions of a message, those of cards first.
func suggestions(content *rbm.AgentContentMessage) []suggestionAt {
	var out []suggestionAt
	add := func(prefix string, list []rbm.Suggestion) {
		for i, sug := range list {
			out = append(out, suggestionAt{sug, prefix + "/suggestions/" + strconv.Itoa(i)})
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

// cards returns the cards of a message.
func cards(content *rbm.AgentContentMessage) []rbm.CardContent {
	switch rich := content.RichCard; {
	case rich == nil:
		return nil
	case rich.CarouselCard != nil:
		return rich.CarouselCard.CardContents
	case rich.StandaloneCard != nil && rich.StandaloneCard.CardContent != nil:
		return []rbm.CardContent{*rich.StandaloneCard.CardContent}
	}
	return nil
}

// newID returns an ID in the form of the platform and of the users' devices.
func newID() string { return "Mx" + rand.Text()[:22] }

// userMessage completes and publishes a message of a user and returns its ID. s.mu must be
// held.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/UserMessage
func (s *Simulator) userMessage(phone, agent, messageType string, m *rbm.UserMessage) (id string) {
	m.SenderPhoneNumber, m.MessageID, m.SendTime, m.AgentID = phone, newID(), s.timestamp(), agent+rbm.AgentDomain
	if isUS(phone) {
		m.Carrier = s.carrier(phone)
	}
	s.publish(LogUserMessage, phone, agent, m.MessageID, messageType, m)
	return m.MessageID
}

// userEvent publishes an event of a user. s.mu must be held.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/UserEvent
func (s *Simulator) userEvent(phone, agent, messageID string, eventType rbm.UserEventType) {
	s.publish(LogUserEvent, phone, agent, messageID, string(eventType), &rbm.UserEvent{
		SenderPhoneNumber: phone, EventType: eventType, EventID: newID(), MessageID: messageID,
		SendTime: s.timestamp(), AgentID: agent + rbm.AgentDomain,
	})
}

// serverEvent publishes the expiry of a message. s.mu must be held.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/ServerEvent
func (s *Simulator) serverEvent(m *message, eventType rbm.ServerEventType) {
	s.publish(LogServerEvent, m.To, m.AgentID, m.MessageID, string(eventType), &rbm.ServerEvent{
		PhoneNumber: m.To, AgentID: m.AgentID + rbm.AgentDomain, MessageID: m.MessageID,
		EventType: eventType, EventID: newID(), SendTime: s.timestamp(),
	})
}

// publish logs an event for an agent and queues it for the agent's webhook. s.mu must be
// held.
func (s *Simulator) publish(kind LogKind, phone, agent, messageID, eventType string, payload any) {
	data := encodeJSON(payload)
	_, ok := s.hook(agent)
	id := s.log(LogEntry{Kind: kind, Phone: phone, AgentID: agent, MessageID: messageID, Payload: data, NoWebhook: !ok})
	s.enqueue(&push{entry: id, agent: agent, kind: kind, eventType: eventType, data: data})
}
