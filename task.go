package rcshook

import (
	"cmp"
	"errors"
	"net/http"
	"strings"

	"github.com/rcshook/rcshook/internal/agent"
	"github.com/rcshook/rcshook/internal/code"
	"github.com/rcshook/rcshook/internal/compose"
	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/payload"
	"github.com/rcshook/rcshook/internal/queue"
	"github.com/rcshook/rcshook/internal/response"
	"github.com/rcshook/rcshook/internal/send"
)

// queueOf is the queue for messages of a source, or of nobody in particular; "" is
// none.
func (h *Handler) queueOf(from config.Source) string {
	if from.Queue == config.NoQueue {
		return ""
	}
	return cmp.Or(from.Queue, h.cfg.Queue)
}

// fallbackOf is who gets what RCS cannot deliver; nil is nobody.
func (h *Handler) fallbackOf(from config.Source, a *agent.Agent) *config.Fallback {
	return cmp.Or(from.Fallback, h.cfg.Agents[a.Name].Fallback)
}

// task sends a message that has waited in the queue. The queue repeats a task until
// the answer is 2xx: what can never succeed is acknowledged, what can is not.
func (h *Handler) task(w http.ResponseWriter, r *http.Request, trip *response.Trip) (*response.Answer, error) {
	switch {
	case h.fault != nil:
		return nil, h.fault
	case h.tasks == nil:
		return nil, &response.Problem{Code: code.NotFound, Detail: "this function takes no tasks of a queue"}
	}
	// Where IAM looks at the callers, Cloud Run has seen this token.
	if !h.cfg.AllowUnauthenticated {
		if err := h.tasks.Verify(r.Context(), r.Header, h.now()); err != nil {
			return nil, err
		}
	}
	id := strings.TrimPrefix(r.URL.Path, queue.Path)
	body, err := readAll(w, r, queue.MaxBody)
	if err != nil {
		return nil, err
	}
	t, err := queue.Decode(id, body)
	if err != nil {
		return nil, err
	}
	message, encoded, err := t.Open(h.now())
	if err != nil {
		return nil, err
	}
	a, err := h.agents.Agent(r.Context(), t.Agent)
	if errors.Is(err, agent.ErrUnknownAgent) {
		err = &response.Problem{Code: code.Misconfigured, Detail: "the message waited for an agent that is not configured any more"}
	}
	if err != nil {
		return nil, err
	}
	to, from := []payload.Recipient{{E164: t.To}}, h.cfg.Sources[t.Source]
	if err := h.allowed(to, from, a); err != nil {
		return nil, err // the countries may have changed since
	}
	return h.sender.Send(r.Context(), &send.Parcel{
		Agent:    a,
		Message:  &compose.Composed{Message: message, Encoded: encoded},
		To:       to,
		ID:       t.ID,
		Fallback: h.fallbackOf(from, a),
		Payload:  t.Payload,
		Source:   t.Source,
	}, trip), nil
}
