package rbm

import (
	"context"
	"crypto/hmac"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
)

// Headers of the requests that the platform sends to a webhook.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/guides/integrate/webhooks
const (
	// SignatureHeader holds the signature that [VerifySignature] checks.
	SignatureHeader = "X-Goog-Signature"

	// WebhookTypeHeader holds the kind of a request. Its values are not documented.
	WebhookTypeHeader = "X-Goog-Webhook-Type"
)

// Errors in requests to a webhook.
var (
	// ErrSignature reports that a request is not signed with the client token.
	ErrSignature = errors.New("rbm: invalid signature of the webhook request")

	// ErrHandshake reports that a handshake has another client token.
	ErrHandshake = errors.New("rbm: invalid client token in the webhook handshake")

	// ErrUnknownEvent reports that this package does not know the event of a request.
	// Respond with 200, because the platform would repeat the request for days.
	ErrUnknownEvent = errors.New("rbm: unknown event in the webhook request")
)

// Webhook is the webhook of an agent or of a partner: an [http.Handler] that responds to
// the handshake, rejects requests without a valid signature, and passes events on.
// ClientToken and Handle are required.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/guides/integrate/webhooks
type Webhook struct {
	// ClientToken is the secret that was set with the webhook in the console. If it is
	// empty, every request is rejected.
	ClientToken string

	// Handle is called for each event, concurrently. After an error the platform
	// repeats the request, with pauses of up to ten minutes, for seven days. An event
	// may also come twice without an error; see [Event]. The events of all agents of
	// a partner wait in one queue, so Handle should store the event and return.
	Handle func(ctx context.Context, e Event) error

	// Unknown is called for each signed request that [ParseWebhook] does not
	// understand, such as a kind of event that Google has added, with the signed
	// data: the event as JSON. Its error has the same effect as one of Handle. If
	// Unknown is nil, such events are dropped.
	Unknown func(ctx context.Context, raw []byte) error
}

// ServeHTTP responds to a request of the platform with 200 if the event was handled or
// dropped, with 500 if handling failed or Handle is nil, and with 403 if the request is
// not signed with ClientToken.
func (h *Webhook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "send a POST request", http.StatusMethodNotAllowed)
		return
	}
	const maxBody = 1 << 20 // files are sent as links
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		http.Error(w, "cannot read the body", http.StatusBadRequest)
		return
	}
	if secret, ok, err := Handshake(h.ClientToken, body); ok {
		if err != nil {
			http.Error(w, "invalid client token", http.StatusForbidden)
			return
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		io.WriteString(w, secret)
		return
	}
	if VerifySignature(h.ClientToken, r.Header.Get(SignatureHeader), body) != nil {
		http.Error(w, "invalid signature", http.StatusForbidden)
		return
	}
	if err := h.handle(r.Context(), body); err != nil {
		http.Error(w, "handling the event failed", http.StatusInternalServerError)
	}
}

func (h *Webhook) handle(ctx context.Context, body []byte) error {
	switch event, err := ParseWebhook(body); {
	case err == nil && h.Handle == nil:
		return errors.New("rbm: Webhook.Handle is nil")
	case err == nil:
		return h.Handle(ctx, event)
	case h.Unknown == nil:
		return nil
	}
	raw, err := WebhookData(body)
	if err != nil {
		return err
	}
	return h.Unknown(ctx, raw)
}

// WebhookData returns the signed data in the body of a request: an event as JSON. The
// error is [ErrUnknownEvent].
func WebhookData(body []byte) ([]byte, error) {
	var envelope struct {
		Message struct {
			Data string `json:"data"`
		} `json:"message"`
	}
	if err := json.Unmarshal(body, &envelope); err != nil || envelope.Message.Data == "" {
		return nil, ErrUnknownEvent
	}
	data, err := base64.StdEncoding.DecodeString(envelope.Message.Data)
	if err != nil {
		return nil, ErrUnknownEvent
	}
	return data, nil
}

// VerifySignature returns nil if body, the whole body of a request to the webhook, is
// signed with clientToken, and [ErrSignature] otherwise. signature is the header
// [SignatureHeader]. With an empty clientToken every request is rejected.
//
// The signature covers only the data inside the envelope: do not trust the attributes
// beside it.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/guides/integrate/webhooks
func VerifySignature(clientToken, signature string, body []byte) error {
	data, err := WebhookData(body)
	if err != nil {
		return ErrSignature
	}
	return VerifyData(clientToken, signature, data)
}

// VerifyData is like [VerifySignature] for the data that [WebhookData] returns.
func VerifyData(clientToken, signature string, data []byte) error {
	if clientToken == "" || !hmac.Equal([]byte(SignData(clientToken, data)), []byte(signature)) {
		return ErrSignature
	}
	return nil
}

// SignData returns the header [SignatureHeader] of a request with that data, for tests of
// a webhook.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/guides/integrate/webhooks
func SignData(clientToken string, data []byte) string {
	mac := hmac.New(sha512.New, []byte(clientToken))
	mac.Write(data)
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// Handshake parses the request by which the platform checks that a webhook belongs to the
// agent. ok reports whether body is that request. The webhook must respond to it with 200
// and secret as plain text. If its client token is not clientToken, or clientToken is
// empty, the error is [ErrHandshake]; respond with 403.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/guides/integrate/webhooks
func Handshake(clientToken string, body []byte) (secret string, ok bool, err error) {
	var request struct {
		ClientToken string `json:"clientToken"`
		Secret      string `json:"secret"`
	}
	if json.Unmarshal(body, &request) != nil || request.ClientToken == "" || request.Secret == "" {
		return "", false, nil
	}
	if clientToken == "" || subtle.ConstantTimeCompare([]byte(request.ClientToken), []byte(clientToken)) != 1 {
		return "", true, ErrHandshake
	}
	return request.Secret, true, nil
}

// ParseWebhook parses the body of a request to the webhook: a [*UserMessage], a
// [*UserEvent], a [*ServerEvent] or an [*AgentLaunchEvent]. Any other body returns
// [ErrUnknownEvent]. Unknown fields and mismatched types are ignored. Call
// [VerifySignature] first: ParseWebhook does not authenticate the request.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/guides/build/events/receive-events
func ParseWebhook(body []byte) (Event, error) {
	data, err := WebhookData(body)
	if err != nil {
		return nil, err
	}
	return ParseEvent(data)
}

// ParseEvent is like [ParseWebhook] for the data that [WebhookData] returns.
func ParseEvent(data []byte) (Event, error) {
	v, _ := scan(data)
	has := func(name string) bool { return v.member(name).kind != kindNull }
	var event Event
	switch {
	case has("text"), has("userFile"), has("location"), has("suggestionResponse"):
		event = new(UserMessage)
	case has("newLaunchState"):
		event = new(AgentLaunchEvent)
	case has("eventType") && has("phoneNumber"):
		event = new(ServerEvent)
	case has("eventType"):
		event = new(UserEvent)
	default:
		return nil, ErrUnknownEvent
	}
	v.fill(event)
	if m, ok := event.(*UserMessage); ok && m.MessageID == "" {
		m.MessageID = v.member("eventId").text // in some examples of the guides
	}
	return event, nil
}
