package events

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"golang.org/x/time/rate"

	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/rbm"
)

// MaxBody is the largest body of a request. Files are sent as links.
const MaxBody = 256 << 10

// MaxAge is the age at which an event is too old for targets. RBM gives up after 7 days.
const MaxAge = 8 * 24 * time.Hour

// rereadPause is the time between two reads of the tokens because of invalid signatures.
const rereadPause = 10 * time.Second

// Errors of [Receiver.Receive].
var (
	// ErrNoToken means that no agent has a webhook token.
	ErrNoToken = errors.New("no agent of this function has a webhook token")

	// ErrSignature means that no token of the agent signed the request.
	ErrSignature = errors.New("no webhook token of the agent matches the signature of the event")

	// ErrHandshake means that the client token of a handshake is not one of the tokens.
	ErrHandshake = errors.New("the client token of the handshake is not one of the webhook tokens")

	// ErrEnvelope means that a body is neither a handshake nor an event.
	ErrEnvelope = errors.New("the body is not a request of RBM: expected message.data in base64")
)

// SettingsError means that the settings for an event cannot be read.
type SettingsError struct{ Err error }

func (e *SettingsError) Error() string { return "the settings for the event: " + e.Err.Error() }

func (e *SettingsError) Unwrap() error { return e.Err }

// Options configure a [Receiver].
type Options struct {
	// Agents are the agents, and Token the tokens of those that have none.
	Agents map[string]config.Agent
	Token  config.Secret

	// AgentID returns the ID of an agent. Prefetch starts to read an ID and tokens that
	// are not cached; nil means that nothing does.
	AgentID  func(ctx context.Context, name string) (string, error)
	Prefetch func(agent string, tokens []config.Secret)

	// Secret returns the value of a setting that may name a secret. Reread reads it again.
	Secret func(context.Context, config.Secret) ([]byte, error)
	Reread func(context.Context, config.Secret) error
}

// Receiver verifies the requests of RBM. It is safe for concurrent use.
type Receiver struct {
	options Options
	names   []string // of the agents, the default first
	rereads *rate.Limiter
}

// NewReceiver returns a receiver.
func NewReceiver(o Options) *Receiver {
	r := &Receiver{options: o, rereads: rate.NewLimiter(rate.Every(rereadPause), 1)}
	for name := range o.Agents {
		r.names = append(r.names, name)
	}
	slices.SortFunc(r.names, func(a, b string) int {
		if a == config.DefaultAgent || b == config.DefaultAgent {
			return map[bool]int{true: -1, false: 1}[a == config.DefaultAgent]
		}
		return strings.Compare(a, b)
	})
	return r
}

// Received is a verified request.
type Received struct {
	// Secret is the response to a handshake, if it was one.
	Secret string

	// Event is the event. It is nil if it belongs to another agent, whose ID is AgentID.
	Event   *Event
	AgentID string

	// Agents are the names of all agents with this ID. The event belongs to the first.
	Agents []string
}

// Receive verifies a request: signature is the header [rbm.SignatureHeader]. RBM repeats
// a request for seven days until it gets a 200.
//
// The error is [ErrNoToken], [ErrSignature], [ErrHandshake], [ErrEnvelope], a
// [*SettingsError], or that of ctx.
func (r *Receiver) Receive(ctx context.Context, signature string, body []byte, now time.Time) (*Received, error) {
	all := r.tokens(r.names...)
	if len(all) == 0 {
		return nil, ErrNoToken
	}
	if _, ok, _ := rbm.Handshake("", body); ok {
		secret := ""
		err := r.try(ctx, all, ErrHandshake, func(token string) (err error) {
			secret, _, err = rbm.Handshake(token, body)
			return err
		})
		return &Received{Secret: secret}, err
	}
	data, err := rbm.WebhookData(body)
	if err != nil {
		return nil, ErrEnvelope
	}
	for _, name := range r.names { // otherwise they would be read one after another
		if r.options.Prefetch != nil {
			r.options.Prefetch(name, r.tokens(name))
		}
	}
	// Parsing takes many times the memory of the data, so some token has to fit before.
	verify := func(token string) error { return rbm.VerifyData(token, signature, data) }
	if err := r.try(ctx, all, ErrSignature, verify); err != nil {
		return nil, err
	}
	e := New(data, now)
	names, err := r.agents(ctx, e.AgentID)
	if err != nil {
		return nil, err
	}
	if len(names) == 0 { // a partner's webhook has the events of all of its agents
		return &Received{AgentID: e.AgentID}, nil
	}
	if err := r.try(ctx, r.tokens(names...), ErrSignature, verify); err != nil {
		return nil, err
	}
	e.Agent = names[0]
	return &Received{Event: e, AgentID: e.AgentID, Agents: names}, nil
}

// agents returns the names of the agents with that ID, the default first. The event
// belongs to the first one, and the tokens of all are valid.
func (r *Receiver) agents(ctx context.Context, id string) (names []string, err error) {
	for _, name := range r.names {
		own, failed := r.options.AgentID(ctx, name)
		switch {
		case failed != nil:
			err = &SettingsError{failed}
		case own == id:
			names = append(names, name)
		}
	}
	if len(names) > 0 {
		return names, nil
	}
	return nil, err
}

// tokens returns the settings with the tokens of agents.
func (r *Receiver) tokens(names ...string) (settings []config.Secret) {
	for _, name := range names {
		own := r.options.Agents[name].WebhookTokens
		if len(own) == 0 && r.options.Token != "" {
			own = []config.Secret{r.options.Token}
		}
		for _, s := range own {
			if !slices.Contains(settings, s) {
				settings = append(settings, s)
			}
		}
	}
	return settings
}

// try calls verify with each token until one succeeds. If none does, it reads the tokens
// again, and tries once more. Strangers cannot cause more than one read in rereadPause.
func (r *Receiver) try(ctx context.Context, settings []config.Secret, mismatch error, verify func(token string) error) error {
	for again := false; ; again = true {
		var failed error
		for _, setting := range settings {
			text, err := r.options.Secret(ctx, setting)
			if err != nil {
				failed = &SettingsError{err}
				continue
			}
			for token := range strings.Lines(string(text)) {
				if token = strings.TrimSpace(token); token != "" && verify(token) == nil {
					return nil
				}
			}
		}
		switch {
		case failed != nil:
			return failed
		case again || !r.rereads.Allow():
			return mismatch
		}
		for _, setting := range settings {
			if setting.IsResource() {
				_ = r.options.Reread(ctx, setting) // the last value stays in use
			}
		}
	}
}

// IsOld reports whether an event is too old for targets.
func (e *Event) IsOld(now time.Time) bool { return now.Sub(e.Time) > MaxAge }
