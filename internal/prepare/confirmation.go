package prepare

import (
	"encoding/json"
	"time"

	"github.com/rcshook/rcshook/internal/compose"
	"github.com/rcshook/rcshook/internal/payload"
	"github.com/rcshook/rcshook/internal/send"
)

// Confirmation returns the message that confirms an opt-out or opt-in, or that is the
// response to a request for help. It goes to every country, because the user wrote first.
// A chip has the postback START; it is left out without a label. The agent and the key of
// the message are still to be set. The error is [payload.Errors].
func Confirmation(agent, phone, text, chip string, now time.Time) (*send.Message, error) {
	content := map[string]any{"to": phone, "text": text, "traffic": "acknowledgement", "ttl": "1h"}
	if chip != "" {
		content["buttons"] = []any{map[string]string{"label": chip, "reply": "START"}}
	}
	body, err := json.Marshal(content)
	if err != nil {
		return nil, err
	}
	p, err := payload.Decode("application/json", body, payload.Options{})
	if err != nil {
		return nil, err
	}
	composed, err := compose.Message(p, compose.Defaults{}, now)
	if err != nil {
		return nil, err
	}
	return &send.Message{AgentName: agent, Message: composed, To: p.To, Required: true}, nil
}
