package send

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/rcshook/rcshook/internal/code"
	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/response"
	"github.com/rcshook/rcshook/internal/standardwebhook"
	"github.com/rcshook/rcshook/rbm"
)

// undeliverable are the outcomes after which a message goes to the fallback: this
// number cannot get it by RCS, now or later.
var undeliverable = map[code.Code]bool{
	code.RecipientUnreachable: true,
	code.FeatureUnsupported:   true,
	code.AgentNotLaunched:     true,
}

// Undelivered is the body of a request to a fallback, signed by Standard Webhooks.
type Undelivered struct {
	Type      string          `json:"type"` // message.undeliverable
	Timestamp time.Time       `json:"timestamp"`
	Data      UndeliveredData `json:"data"`
}

// UndeliveredData is what a fallback has to know.
type UndeliveredData struct {
	Reason    code.Code `json:"reason"`
	To        string    `json:"to"`
	MessageID string    `json:"message_id"`
	Agent     string    `json:"agent"`
	Source    string    `json:"source,omitempty"`

	// Text is what the message says without pictures and buttons, as for an SMS.
	Text string `json:"text,omitempty"`

	// Payload is what the sender asked for: as JSON, or as one text if it was a
	// form.
	Payload json.RawMessage `json:"payload"`
}

// fallBack gives an undeliverable message to the fallback and says what came of
// it. The target tells repetitions by the header webhook-id, which is the message
// ID; those that meet in this process it does not even get to see.
func (s *Sender) fallBack(ctx context.Context, p *Parcel, phone, id string, because *response.Answer) *response.Answer {
	err := s.given.once(ctx, id, func() error { return s.post(ctx, p, phone, id, because.Code) })
	answer := response.New(code.Fallback)
	if err != nil {
		answer = response.Of(&response.Problem{Code: code.FallbackUnavailable, Err: err})
	}
	answer.Reason, answer.Upstream = string(because.Code), because.Upstream
	return answer
}

func (s *Sender) post(ctx context.Context, p *Parcel, phone, id string, reason code.Code) error {
	secret, err := s.Agents.Secret(ctx, p.Fallback.Secret)
	if err != nil {
		return err
	}
	body, err := json.Marshal(Undelivered{"message.undeliverable", s.now().UTC().Truncate(time.Second), UndeliveredData{
		Reason: reason, To: phone, MessageID: id, Agent: p.Agent.Name, Source: p.Source,
		Text: plainText(p.Message.Message), Payload: asJSON(p.Payload),
	}})
	if err != nil {
		return err
	}
	header := http.Header{"Webhook-Id": {id}}
	if err := standardwebhook.Sign(header, body, []byte(config.Trim(string(secret))), s.now()); err != nil {
		return fmt.Errorf("the secret of the fallback %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.Fallback.URL, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header = header
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Idempotency-Key", id)
	req.Header.Set("User-Agent", s.UserAgent)
	client := *s.HTTP
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	res, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("fallback: no answer")
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 1<<16)) // so that the connection is used again
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("fallback: HTTP %d", res.StatusCode)
	}
	return nil
}

func asJSON(payload []byte) json.RawMessage {
	if json.Valid(payload) {
		return payload
	}
	text, err := json.Marshal(string(payload))
	if err != nil {
		panic("deliver: " + err.Error()) // a string
	}
	return text
}

// plainText is what a message says in words.
func plainText(m *rbm.AgentMessage) string {
	c := m.ContentMessage
	if c == nil {
		return ""
	}
	lines := []string{c.Text}
	add := func(card *rbm.CardContent) {
		if card != nil {
			lines = append(lines, card.Title, card.Description)
		}
	}
	if c.RichCard != nil && c.RichCard.StandaloneCard != nil {
		add(c.RichCard.StandaloneCard.CardContent)
	}
	if c.RichCard != nil && c.RichCard.CarouselCard != nil {
		for i := range c.RichCard.CarouselCard.CardContents {
			add(&c.RichCard.CarouselCard.CardContents[i])
		}
	}
	var said []string
	for _, line := range lines {
		if line != "" {
			said = append(said, line)
		}
	}
	return strings.Join(said, "\n")
}

// given remembers which messages the fallback has taken, as far back as memory
// allows.
type given struct {
	mu    sync.Mutex
	calls map[string]*call
	taken []string // in order
}

type call struct {
	done chan struct{}
	err  error
}

const maxTaken = 4096

// once runs f unless it succeeded before for this ID. While it runs others with
// the ID wait for it.
func (g *given) once(ctx context.Context, id string, f func() error) error {
	g.mu.Lock()
	if c := g.calls[id]; c != nil {
		g.mu.Unlock()
		select {
		case <-c.done:
			return c.err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if g.calls == nil {
		g.calls = make(map[string]*call)
	}
	c := &call{done: make(chan struct{}), err: context.Canceled} // should f panic
	g.calls[id] = c
	g.mu.Unlock()
	defer func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		if close(c.done); c.err != nil {
			delete(g.calls, id)
			return
		}
		if g.taken = append(g.taken, id); len(g.taken) > maxTaken {
			delete(g.calls, g.taken[0])
			g.taken = g.taken[1:]
		}
	}()
	c.err = f()
	return c.err
}
