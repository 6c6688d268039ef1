package send

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/rcshook/rcshook/internal/code"
	"github.com/rcshook/rcshook/internal/standardwebhook"
	"github.com/rcshook/rcshook/rbm"
)

// maxPosted is the number of message IDs of which the sender remembers that the
// fallback accepted them.
const maxPosted = 4096

// Undelivered is the body of a request to a fallback. The request is signed with
// Standard Webhooks.
type Undelivered struct {
	Type      string          `json:"type"` // message.undeliverable
	Timestamp time.Time       `json:"timestamp"`
	Data      UndeliveredData `json:"data"`
}

// UndeliveredData describes a message that RCS cannot deliver.
type UndeliveredData struct {
	Reason    code.Code `json:"reason"`
	To        string    `json:"to"`
	MessageID string    `json:"message_id"`
	Agent     string    `json:"agent"`
	Source    string    `json:"source,omitempty"`

	// Text is the message without media and suggestions, as for an SMS.
	Text string `json:"text,omitempty"`

	// Payload is the body that the caller sent: JSON, or a string if it was a form.
	Payload json.RawMessage `json:"payload"`
}

// undeliverable returns the code of an error after which a message goes to its
// fallback, because RCS cannot deliver it to this number now or later. It returns ""
// for other errors.
func undeliverable(err error) code.Code {
	switch {
	case errors.Is(err, rbm.ErrNotLaunched):
		return code.AgentNotLaunched
	case errors.Is(err, rbm.ErrNotTester):
		return ""
	case errors.Is(err, rbm.ErrUnreachable):
		return code.RecipientUnreachable
	case errors.Is(err, rbm.ErrFeatureUnsupported):
		return code.FeatureUnsupported
	default:
		return ""
	}
}

// fallBack posts an undeliverable message to its fallback, once. The webhook-id header
// is the message ID, by which the receiver can discard duplicates; duplicates within
// this process are not posted at all.
func (s *Sender) fallBack(ctx context.Context, m *Message, to, id string, reason code.Code) error {
	key := m.AgentName + " " + to + " " + id // several messages can have the same ID
	done := s.calls.DoChan(key, func() (_ any, err error) {
		defer func() {
			if v := recover(); v != nil {
				err = code.PanicError(v) // singleflight would end the process
			}
		}()
		if s.posted.Contains(key) {
			return nil, nil
		}
		if err = s.post(ctx, m, to, id, reason); err == nil {
			s.posted.Add(key, struct{}{})
		}
		return nil, err
	})
	select {
	case r := <-done:
		return r.Err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *Sender) post(ctx context.Context, m *Message, to, id string, reason code.Code) error {
	address, err := s.options.Secret(ctx, m.Fallback.URL)
	if err != nil {
		return err
	}
	payload := json.RawMessage(m.Payload)
	if !json.Valid(payload) {
		if payload, err = json.Marshal(string(m.Payload)); err != nil {
			return err
		}
	}
	now := s.options.Now()
	body, err := json.Marshal(Undelivered{"message.undeliverable", now.UTC().Truncate(time.Second), UndeliveredData{
		Reason: reason, To: to, MessageID: id, Agent: m.Agent.Name, Source: m.Source,
		Text: plainText(m.Message.Message), Payload: payload,
	}})
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, string(address), bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Webhook-Id", id)
	if m.Fallback.Secret != "" {
		secret, err := s.options.Secret(ctx, m.Fallback.Secret)
		if err != nil {
			return err
		}
		if err := standardwebhook.Sign(req.Header, body, secret, now); err != nil {
			return fmt.Errorf("secret of the fallback: %w", err)
		}
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Idempotency-Key", id)
	req.Header.Set("User-Agent", s.options.UserAgent)
	client := *s.options.Fallbacks
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	res, err := client.Do(req)
	if err != nil {
		return errors.New("fallback: no response") // the error would contain the URL, which may be secret
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 1<<16)) // reading it lets the connection be reused
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("fallback: HTTP %d", res.StatusCode)
	}
	return nil
}

// plainText returns the text of a message, or the titles and descriptions of its cards.
func plainText(m *rbm.AgentMessage) string {
	c := m.ContentMessage
	if c == nil {
		return ""
	}
	lines := []string{c.Text}
	if c.RichCard != nil {
		if card := c.RichCard.StandaloneCard; card != nil && card.CardContent != nil {
			lines = append(lines, card.CardContent.Title, card.CardContent.Description)
		}
		if carousel := c.RichCard.CarouselCard; carousel != nil {
			for _, card := range carousel.CardContents {
				lines = append(lines, card.Title, card.Description)
			}
		}
	}
	var text strings.Builder
	for _, line := range lines {
		if line != "" {
			if text.Len() > 0 {
				text.WriteByte('\n')
			}
			text.WriteString(line)
		}
	}
	return text.String()
}
