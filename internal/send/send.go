// Package send delivers messages to recipients: several recipients at a time, under
// message IDs that make a retry safe, at the configured rate, and with credentials
// that are read again when RBM rejects them.
package send

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/google/uuid"
	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/sync/singleflight"

	"github.com/rcshook/rcshook/internal/code"
	"github.com/rcshook/rcshook/internal/compose"
	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/payload"
	"github.com/rcshook/rcshook/rbm"
)

// maxParallel is the number of recipients of one request that are sent to at a time.
const maxParallel = 10

// Sender sends messages to RBM. It may be used by several goroutines.
type Sender struct {
	options Options

	// calls merges concurrent requests to the fallback for one message, and posted
	// holds the message IDs that the fallback accepted.
	calls  singleflight.Group
	posted *lru.Cache[string, struct{}]
}

// Options configure a [Sender].
type Options struct {
	// Transport makes the requests to RBM.
	Transport http.RoundTripper

	// Endpoint is a base URL to use instead of Google's; it may be empty.
	Endpoint string

	// UserAgent is the User-Agent header of all requests.
	UserAgent string

	// Retry configures the retries of requests to RBM.
	Retry rbm.Retry

	// Now is the clock.
	Now func() time.Time

	// Allow reports whether a message may go to a recipient. It is called before the
	// message is added to its queue, and again before it is sent.
	Allow func(ctx context.Context, m *Message, to string) error

	// Enqueue adds a message for one recipient to its queue.
	Enqueue func(ctx context.Context, m *Message, to, id string) (*Task, error)

	// Fallback gives a message to its fallback, because RCS cannot deliver it for the
	// given reason. The message ID identifies it, so that duplicates can be discarded.
	Fallback func(ctx context.Context, m *Message, to, id string, reason code.Code) error

	// Observe is called after each attempt of each request to RBM, with the context
	// of [Sender.Send]. Nil means that nothing observes them.
	Observe func(context.Context, rbm.Attempt)
}

// New returns a sender.
func New(o Options) *Sender {
	posted, err := lru.New[string, struct{}](maxPosted)
	if err != nil {
		panic("send: " + err.Error()) // only a size below one is an error
	}
	return &Sender{options: o, posted: posted}
}

// Agent is the agent that sends a message.
type Agent struct {
	Name   string // its name in the configuration
	ID     string // its agent ID, without "@rbm.goog"
	Region rbm.Region

	// Limit is the rate limiter of the agent; nil means that it has none.
	Limit *RateLimiter

	// Token returns an access token.
	Token func(context.Context) (string, error)

	// Renew reads the secrets of the agent again, after RBM rejected its credentials.
	Renew func(context.Context) (*Agent, error)
}

// Message is one message and its recipients.
type Message struct {
	// AgentName is the configured name of the agent. Agent is the agent itself; a
	// message is prepared without it.
	AgentName string
	Agent     *Agent

	Message *compose.Composed
	To      []payload.Recipient

	// ID is the message ID that the caller chose. Otherwise each recipient gets an ID
	// that is derived from Key, or a random one without a key.
	ID, Key string

	// Queue is the queue that the message waits in; empty means that it is sent
	// immediately. A dry run is never queued.
	Queue string

	// DryRun returns the requests and does not send them.
	DryRun bool

	// Required means that the message is sent without asking whether it is allowed, and
	// without waiting for the rate limit of the agent: it confirms an opt-out.
	Required bool

	// Fallback receives the message if RCS cannot deliver it; nil means that there is
	// no fallback. Payload is the body that the caller sent, for the fallback.
	Fallback *config.Target
	Payload  []byte

	// Source is the name of the source whose webhook this is; empty for direct calls.
	Source string

	// Caller is the name of the direct caller; empty for one without limits. Limit is its
	// rate limiter; nil means that it has none.
	Caller string
	Limit  *RateLimiter
}

// Result is what happened to a message for one recipient. Err is nil after success: of
// what Receipt, Task, Duplicate, Preview or Fallback reports, or else of a revocation.
type Result struct {
	Agent     string // its name in the configuration
	To        string
	MessageID string
	Warnings  []compose.Warning

	Receipt   *rbm.Receipt // RBM accepted the message
	Task      *Task        // the queue has the message
	Duplicate bool         // this process sent the message before
	Preview   *Preview     // dry run

	// OtherContent reports that another message was sent with this ID, and this one was
	// not. The receipt is that of the other message.
	OtherContent bool

	// Fallback reports that the fallback was called because of Err, an error of RBM.
	// FallbackErr is nil if the fallback accepted the message.
	Fallback    bool
	FallbackErr error

	Err error

	// Random reports that MessageID is a random one. MaybeSent reports that an attempt
	// may have succeeded although the result is an error.
	Random, MaybeSent bool
}

// Task is a message in the queue.
type Task struct {
	Name string
	At   time.Time // when it is sent; zero means as soon as possible

	// FallbackAt is when the message goes to its fallback unless it was delivered; zero
	// means only if RCS cannot deliver it.
	FallbackAt time.Time

	// Duplicate reports that the queue has a task for this message already, or had
	// one within the last day.
	Duplicate bool
}

// Preview is the request that a dry run did not send.
type Preview struct {
	URL      string
	Message  *compose.Composed
	Fallback bool // the message has a fallback
}

// Send sends the messages to all of their recipients and returns one result for each
// recipient, in order.
func (s *Sender) Send(ctx context.Context, messages ...*Message) []Result {
	var results []Result
	for _, m := range messages {
		results = append(results, make([]Result, len(m.To))...)
	}
	if len(results) == 1 { // the usual case needs no goroutine
		for _, m := range messages {
			for _, to := range m.To {
				results[0] = s.sendTo(ctx, m, to.E164)
			}
		}
		return results
	}
	next := 0
	slots := make(chan struct{}, maxParallel)
	var wg sync.WaitGroup
	for _, m := range messages {
		for _, to := range m.To {
			result := &results[next]
			next++
			slots <- struct{}{}
			wg.Go(func() {
				defer func() { <-slots }()
				*result = s.sendTo(ctx, m, to.E164)
			})
		}
	}
	wg.Wait()
	return results
}

// sendTo sends m to one recipient. A panic becomes an error of this recipient only.
func (s *Sender) sendTo(ctx context.Context, m *Message, to string) (r Result) {
	defer func() {
		if v := recover(); v != nil {
			r.Err = code.PanicError(v)
		}
	}()
	r = Result{Agent: m.Agent.Name, To: to, MessageID: m.ID, Warnings: m.Message.Warnings}
	switch {
	case m.ID != "":
	case m.Key != "":
		r.MessageID = rbm.MessageID(m.Agent.ID, to, m.Key)
	default:
		r.MessageID, r.Random = uuid.NewString(), true
	}
	if !m.DryRun && !m.Required {
		if r.Err = s.options.Allow(ctx, m, to); r.Err != nil {
			return r
		}
	}
	if !m.DryRun {
		if r.Err = m.Limit.takeOnce(ctx, to, r.MessageID); r.Err != nil {
			if limit, ok := errors.AsType[*LimitError](r.Err); ok {
				limit.Caller = m.Caller
			}
			return r
		}
	}
	if m.Queue != "" && !m.DryRun {
		r.Task, r.Err = s.options.Enqueue(ctx, m, to, r.MessageID)
		return r
	}
	limit := m.Agent.Limit
	wait := limit.Wait
	if m.Required {
		wait = nil
	}
	if due := m.Message.FallbackAt; !due.IsZero() {
		wait = func(ctx context.Context) error {
			if !s.options.Now().Before(due) {
				return context.DeadlineExceeded // the watch may already have revoked the message
			}
			return limit.Wait(ctx)
		}
	}
	r.Err = s.call(ctx, m.Agent, &r, wait, func(c *rbm.Client) error {
		if m.DryRun {
			r.Preview = &Preview{c.MessageURL(to, r.MessageID), m.Message, m.Fallback != nil}
			return nil
		}
		content := limit.content(m)
		if known, ok := limit.sent(to, r.MessageID); ok {
			r.Duplicate, r.OtherContent = true, known != 0 && known != content
			return nil
		}
		receipt, err := c.SendEncoded(ctx, to, r.MessageID, m.Message.Encoded)
		if errors.Is(err, rbm.ErrAlreadyExists) {
			limit.remember(to, r.MessageID, 0)
		}
		if err != nil {
			return err
		}
		r.Receipt = receipt
		if r.OtherContent = receipt.OtherContent && !r.Random; !r.OtherContent {
			limit.remember(to, r.MessageID, content)
		}
		return nil
	})
	if refused, ok := errors.AsType[*rbm.Error](r.Err); ok && r.MaybeSent && isVerdict(refused) {
		r.Err = &RefusedError{refused}
	}
	if reason := undeliverable(r.Err); reason != "" && m.Fallback != nil {
		r.FallbackErr = s.fallBack(ctx, m, to, r.MessageID, reason)
		r.Fallback = true
	}
	return r
}

// RefusedError reports that RBM refused a message after an earlier attempt that may have
// succeeded. Only a retry with the same message ID shows whether RBM has the message.
type RefusedError struct {
	Refusal *rbm.Error // of the last attempt; it is not wrapped, because it is not a verdict
}

func (e *RefusedError) Error() string {
	return "an earlier attempt may have succeeded; the last one failed: " + e.Refusal.Error()
}

// isVerdict reports whether an error means that RBM will never send the message.
func isVerdict(err error) bool {
	for _, kind := range []error{
		rbm.ErrUnreachable, rbm.ErrNotTester, rbm.ErrNotLaunched, rbm.ErrFeatureUnsupported, rbm.ErrInvalidArgument,
	} {
		if errors.Is(err, kind) {
			return true
		}
	}
	return false
}

// Revoke revokes a message that is not delivered yet.
func (s *Sender) Revoke(ctx context.Context, a *Agent, to, id string) Result {
	r := Result{Agent: a.Name, To: to, MessageID: id}
	r.Err = s.call(ctx, a, &r, nil, func(c *rbm.Client) error { return c.RevokeMessage(ctx, to, id) })
	return r
}

// call runs f with a client of the agent. If RBM rejects the credentials, it reads
// the secrets again and runs f a second time: they may have been rotated.
func (s *Sender) call(ctx context.Context, a *Agent, r *Result, wait func(context.Context) error, f func(*rbm.Client) error) error {
	region := a.Region
	for renewed := false; ; renewed = true {
		client, err := rbm.New(rbm.Config{
			AgentID:    a.ID,
			Token:      a.Token,
			HTTPClient: &http.Client{Transport: s.options.Transport},
			Region:     region,
			Endpoint:   s.options.Endpoint,
			Retry:      s.options.Retry,
			UserAgent:  s.options.UserAgent,
			Wait:       wait,
			Observe: func(attempt rbm.Attempt) {
				if s.options.Observe != nil {
					s.options.Observe(ctx, attempt)
				}
				r.MaybeSent = r.MaybeSent || mayHaveArrived(attempt)
			},
		})
		if err == nil {
			err = f(client)
		}
		if renewed || !errors.Is(err, rbm.ErrUnauthenticated) {
			return err
		}
		if a, err = a.Renew(ctx); err != nil {
			return err
		}
	}
}

// mayHaveArrived reports whether RBM may have accepted the message although the
// attempt failed. The result of a later attempt does not change that, and the response of
// a proxy does not tell whether RBM got the request.
func mayHaveArrived(a rbm.Attempt) bool {
	if a.Err == nil || a.Unsent {
		return false
	}
	failed, ok := errors.AsType[*rbm.Error](a.Err)
	const canceled = 499 // CANCELLED, which net/http does not define
	return a.Resent || ok && failed.NotFromAPI || a.StatusCode < 300 || a.StatusCode == http.StatusRequestTimeout || a.StatusCode >= canceled
}
