package rbm

import (
	"context"
	"errors"
	"io"
	"net/http"
)

// maxPush bounds the body of a call to a webhook. Files travel as links.
const maxPush = 1 << 20

// Webhook is the webhook of an agent or of a partner: an [http.Handler] that
// answers the handshake, refuses what is not signed, and hands over the rest.
// ClientToken and Handle are required.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/guides/integrate/webhooks
type Webhook struct {
	// ClientToken is the secret that was set with the webhook in the console.
	// While it is empty every call is refused.
	ClientToken string

	// Handle is called for each event, concurrently. Nil means done; after an
	// error the platform repeats the call, with pauses of up to ten minutes, for
	// seven days. Since events may come twice anyway, see [Event]. All agents
	// of a partner wait in one queue, so Handle should take the event and leave
	// the work to others.
	Handle func(ctx context.Context, e Event) error

	// Unknown is called for each signed call that [ParseWebhook] does not
	// understand, such as a kind of event that Google has added, with the signed
	// data: the event as JSON. Its error counts as that of Handle. If Unknown is
	// nil, such events are dropped, because the platform would repeat them for days.
	Unknown func(ctx context.Context, raw []byte) error
}

// ServeHTTP responds to a call of the platform with 200 if the event was handled or
// dropped, 500 if handling failed or Handle is nil, and 403 if the call is not signed
// with ClientToken.
func (h *Webhook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "the webhook takes POST", http.StatusMethodNotAllowed)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxPush))
	if err != nil {
		http.Error(w, "the body cannot be read", http.StatusBadRequest)
		return
	}
	if secret, ok, err := Handshake(h.ClientToken, body); ok {
		if err != nil {
			http.Error(w, "wrong client token", http.StatusForbidden)
			return
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		io.WriteString(w, secret)
		return
	}
	if VerifySignature(h.ClientToken, r.Header.Get(SignatureHeader), body) != nil {
		http.Error(w, "wrong signature", http.StatusForbidden)
		return
	}
	if err := h.handle(r.Context(), body); err != nil {
		http.Error(w, "not handled", http.StatusInternalServerError)
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
	raw, err := payload(body)
	if err != nil {
		return err
	}
	return h.Unknown(ctx, raw)
}
