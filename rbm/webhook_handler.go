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
// answers the handshake, refuses what is not signed, and hands over the rest. Both
// fields are required.
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
}

// ServeHTTP answers a call of the platform: 200 for events that were handled and
// for those that this package does not know, 500 for those that were not, 403 for
// what does not come from the platform.
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
	event, err := ParseWebhook(body)
	if err == nil {
		err = h.Handle(r.Context(), event)
	}
	if err != nil && !errors.Is(err, ErrUnknownEvent) {
		http.Error(w, "not handled", http.StatusInternalServerError)
	}
}
