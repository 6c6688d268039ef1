package rbm

import (
	"crypto/hmac"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"reflect"
)

// Headers of the calls that the platform makes to a webhook.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/guides/integrate/webhooks
const (
	// SignatureHeader holds what [VerifySignature] checks.
	SignatureHeader = "X-Goog-Signature"

	// WebhookTypeHeader tells without a look at the body what a call is about.
	// Its values are not documented.
	WebhookTypeHeader = "X-Goog-Webhook-Type"
)

// What can be wrong with a call to a webhook.
var (
	// ErrSignature means that a call was not signed with the client token.
	ErrSignature = errors.New("rbm: the signature of the webhook call is wrong")

	// ErrHandshake means that a handshake does not know the client token.
	ErrHandshake = errors.New("rbm: the client token of the handshake is wrong")

	// ErrUnknownEvent means that a call holds nothing that this package knows. It
	// should be answered with 200: the platform would repeat it for days.
	ErrUnknownEvent = errors.New("rbm: the webhook call holds no known event")
)

// push is the envelope of what the platform posts.
type push struct {
	Message struct {
		Data string `json:"data"`
	} `json:"message"`
}

// payload returns what was signed, and what it is about: the decoded data.
func payload(body []byte) ([]byte, error) {
	var p push
	if err := json.Unmarshal(body, &p); err != nil || p.Message.Data == "" {
		return nil, ErrUnknownEvent
	}
	data, err := base64.StdEncoding.DecodeString(p.Message.Data)
	if err != nil {
		return nil, ErrUnknownEvent
	}
	return data, nil
}

// VerifySignature returns nil if body, the whole body of a call to the webhook,
// was signed with clientToken, and [ErrSignature] if not. signature is the header
// [SignatureHeader]. An empty clientToken verifies nothing.
//
// Signed is the data inside the envelope and nothing else: the attributes beside
// it are not to be trusted.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/guides/integrate/webhooks
func VerifySignature(clientToken, signature string, body []byte) error {
	sent, err := base64.StdEncoding.DecodeString(signature)
	if err != nil || clientToken == "" {
		return ErrSignature
	}
	data, err := payload(body)
	if err != nil {
		return ErrSignature
	}
	mac := hmac.New(sha512.New, []byte(clientToken))
	mac.Write(data)
	if !hmac.Equal(mac.Sum(nil), sent) {
		return ErrSignature
	}
	return nil
}

// Handshake recognises the call with which the platform asks whether a webhook is
// the agent's. If body is that call, ok is true, and the webhook has to answer 200
// with secret as its body, in plain text. With another token than clientToken, or if
// that is empty, the error is [ErrHandshake] and the answer should be 403.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/guides/integrate/webhooks
func Handshake(clientToken string, body []byte) (secret string, ok bool, err error) {
	var call struct {
		ClientToken string `json:"clientToken"`
		Secret      string `json:"secret"`
	}
	if json.Unmarshal(body, &call) != nil || call.ClientToken == "" || call.Secret == "" {
		return "", false, nil
	}
	if clientToken == "" || subtle.ConstantTimeCompare([]byte(call.ClientToken), []byte(clientToken)) != 1 {
		return "", true, ErrHandshake
	}
	return call.Secret, true, nil
}

// ParseWebhook reads the body of a call to the webhook: a [*UserMessage], a
// [*UserEvent], a [*ServerEvent] or an [*AgentLaunchEvent]. Anything else is
// [ErrUnknownEvent]. It believes what it reads: [VerifySignature] comes first.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/guides/build/events/receive-events
func ParseWebhook(body []byte) (Event, error) {
	data, err := payload(body)
	if err != nil {
		return nil, err
	}
	v, _ := scan(data)
	event := eventOf(v)
	if event == nil {
		return nil, ErrUnknownEvent
	}
	d := decoder{lenient: true}
	d.object(new(path), v, reflect.ValueOf(event).Elem())
	if m, ok := event.(*UserMessage); ok && m.MessageID == "" {
		m.MessageID = v.member("eventId").text // as some examples of the guides have it
	}
	return event, nil
}

// eventOf tells the kinds of events by the fields that only they have.
func eventOf(v value) Event {
	has := func(name string) bool { return v.member(name).kind != kindNull }
	switch {
	case has("text"), has("userFile"), has("location"), has("suggestionResponse"):
		return new(UserMessage)
	case has("newLaunchState"):
		return new(AgentLaunchEvent)
	case has("eventType") && has("phoneNumber"):
		return new(ServerEvent)
	case has("eventType"):
		return new(UserEvent)
	}
	return nil
}
