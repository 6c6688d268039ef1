// Package send brings a message to its recipients: under an ID with which it
// arrives once however often it is sent, to many at a time, and with credentials
// that are read anew when the platform does not accept them.
package send

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/rcshook/rcshook/internal/agent"
	"github.com/rcshook/rcshook/internal/code"
	"github.com/rcshook/rcshook/internal/compose"
	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/payload"
	"github.com/rcshook/rcshook/internal/queue"
	"github.com/rcshook/rcshook/internal/response"
	"github.com/rcshook/rcshook/rbm"
)

// maxParallel is how many recipients of one message are sent to at a time.
const maxParallel = 10

// Sender is the way to the platform.
type Sender struct {
	// Agents renews credentials.
	Agents *agent.Directory

	// HTTP carries the requests.
	HTTP *http.Client

	// Queue takes the parcels that are to wait; nil if none are.
	Queue *queue.Client

	// Endpoint is a base URL to use instead of Google's; may be empty.
	Endpoint string

	// UserAgent is what the platform gets to know about us.
	UserAgent string

	// Paces hold back the messages of agents, by their names.
	Paces map[string]*Pace

	// Retry says how requests are repeated.
	Retry rbm.Retry

	// Now is the clock; nil means [time.Now].
	Now func() time.Time

	given given
}

// A Parcel is one message and who gets it.
type Parcel struct {
	Agent   *agent.Agent
	Message *compose.Composed
	To      []payload.Recipient

	// ID is the message ID that the caller chose, Key what the IDs derive from
	// otherwise. With neither the IDs are random.
	ID, Key string

	// Queue is the queue of Cloud Tasks in which the message waits; empty means
	// that it is sent at once. A dry run never waits.
	Queue string

	// DryRun shows what would be sent.
	DryRun bool

	// Fallback gets what RCS cannot deliver; nil means nobody does. Payload is
	// what the sender asked for, Source whose webhook it was, if it was one.
	Fallback *config.Fallback
	Payload  []byte
	Source   string
}

// Send sends p and says what came of it. Trip counts the requests.
func (s *Sender) Send(ctx context.Context, p *Parcel, trip *response.Trip) *response.Answer {
	return s.SendAll(ctx, []*Parcel{p}, nil, trip)
}

// SendAll sends several messages and joins what came of them with what came of
// others before.
func (s *Sender) SendAll(ctx context.Context, parcels []*Parcel, before []*response.Answer, trip *response.Trip) *response.Answer {
	if len(before) == 0 && len(parcels) == 1 && len(parcels[0].To) == 1 { // the usual one
		return s.sendTo(ctx, parcels[0], parcels[0].To[0].E164, trip)
	}
	results := before
	for _, p := range parcels {
		results = append(results, make([]*response.Answer, len(p.To))...)
	}
	next := len(before)
	slots := make(chan struct{}, maxParallel)
	var wg sync.WaitGroup
	for _, p := range parcels {
		for _, to := range p.To {
			at := next
			next++
			slots <- struct{}{}
			wg.Go(func() {
				defer func() { <-slots }()
				results[at] = s.sendTo(ctx, p, to.E164, trip)
			})
		}
	}
	wg.Wait()
	if len(results) == 1 {
		return results[0]
	}
	return response.All(results)
}

// sendTo always has an answer: a bug must not take the other recipients along.
func (s *Sender) sendTo(ctx context.Context, p *Parcel, phone string, trip *response.Trip) (answer *response.Answer) {
	id, random := p.messageID(phone)
	unsure := false
	observe := func(a rbm.Attempt) {
		trip.Attempt(a)
		unsure = unsure || mayHaveArrived(a)
	}
	defer func() {
		if v := recover(); v != nil {
			answer = response.Of(response.Bug(v))
		}
		answer.Agent, answer.To, answer.MessageID = p.Agent.Name, phone, id
		answer.Warnings = p.Message.Warnings
		if random {
			answer.Random(unsure)
		}
	}()
	if p.Queue != "" && !p.DryRun {
		answer, unsure = s.handOver(ctx, p, phone, id, trip)
		return answer
	}
	pace := s.Paces[p.Agent.Name]
	err := s.call(ctx, p.Agent, hooks{pace.wait, observe}, func(c *rbm.Client) error {
		if p.DryRun {
			answer = response.OfDryRun(c.MessageURL(phone, id), phone, p.Message)
			return nil
		}
		if pace.has(phone, id) {
			answer = response.New(code.Duplicate)
			return nil
		}
		sent, err := c.SendEncoded(ctx, phone, id, p.Message.Encoded)
		if err == nil {
			answer = response.OfSent(sent)
		}
		if err == nil || errors.Is(err, rbm.ErrAlreadyExists) {
			pace.note(phone, id)
		}
		return err
	})
	if err != nil {
		answer = response.Of(err)
		if p.Fallback != nil && undeliverable[answer.Code] {
			answer = s.fallBack(ctx, p, phone, id, answer)
		}
	}
	return answer
}

// handOver lets the message wait in the queue. Unsure says that it may do so although
// the answer says otherwise.
func (s *Sender) handOver(ctx context.Context, p *Parcel, phone, id string, trip *response.Trip) (answer *response.Answer, unsure bool) {
	at := p.Message.At
	from := at
	if from.IsZero() {
		from = s.now()
	}
	t := queue.NewTask(p.Message.Message, p.Message.Encoded, from)
	t.ID, t.Agent, t.To, t.Source = id, p.Agent.Name, phone, p.Source
	if p.Fallback != nil {
		t.Payload = p.Payload
	}
	name, repeated, err := s.Queue.Add(ctx, t, queue.Place{Queue: p.Queue, At: at, Header: trip.Trace.Header()})
	if failed := (*queue.Error)(nil); errors.As(err, &failed) {
		return response.Of(err), failed.Unsure
	}
	return response.OfQueued(name, at, repeated), false
}

func (s *Sender) now() time.Time {
	if s.Now != nil {
		return s.Now()
	}
	return time.Now()
}

// mayHaveArrived reports whether the platform may have taken the message although
// the attempt failed: whatever comes of later attempts, that remains.
func mayHaveArrived(a rbm.Attempt) bool {
	if a.Err == nil || a.Unsent {
		return false
	}
	return a.Resent || a.StatusCode < 300 || a.StatusCode == http.StatusRequestTimeout || a.StatusCode >= 500
}

func (p *Parcel) messageID(phone string) (id string, random bool) {
	switch {
	case p.ID != "":
		return p.ID, false
	case p.Key != "":
		return rbm.MessageID(p.Agent.ID, phone, p.Key), false
	default:
		return uuid.NewString(), true
	}
}

// Revoke takes back a message that is not delivered yet.
func (s *Sender) Revoke(ctx context.Context, a *agent.Agent, phone, id string, trip *response.Trip) *response.Answer {
	answer, unsure := response.New(code.Revoked), false
	observe := func(a rbm.Attempt) {
		trip.Attempt(a)
		unsure = unsure || mayHaveArrived(a)
	}
	if err := s.call(ctx, a, hooks{observe: observe}, func(c *rbm.Client) error { return c.RevokeMessage(ctx, phone, id) }); err != nil {
		answer = response.Of(err)
	}
	if unsure && answer.Code == code.AlreadyDelivered { // the platform says the same of what is revoked
		answer.Detail = "or it is revoked: an attempt before the last was left without an answer"
	}
	answer.Agent, answer.To, answer.MessageID = a.Name, phone, id
	return answer
}

// hooks are what happens before and after each request to the platform.
type hooks struct {
	wait    func(context.Context) error // nil if nothing holds it back
	observe func(rbm.Attempt)
}

// call runs f with a client of the agent, and once more with the secrets read anew
// where the platform does not accept the credentials: they may have been replaced.
func (s *Sender) call(ctx context.Context, a *agent.Agent, around hooks, f func(*rbm.Client) error) error {
	for renewed := false; ; renewed = true {
		client, err := rbm.New(rbm.Config{
			AgentID:    a.ID,
			Token:      a.Token,
			HTTPClient: s.HTTP,
			Region:     rbm.Region(a.Region),
			Endpoint:   s.Endpoint,
			Retry:      s.Retry,
			UserAgent:  s.UserAgent,
			Wait:       around.wait,
			Observe:    around.observe,
		})
		if err == nil {
			err = f(client)
		}
		if renewed || !errors.Is(err, rbm.ErrUnauthenticated) {
			return err
		}
		if a, err = s.Agents.Renew(ctx, a); err != nil {
			return err
		}
	}
}
