package server

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/rcshook/rcshook/internal/code"
	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/payload"
	"github.com/rcshook/rcshook/internal/phonenumber"
	"github.com/rcshook/rcshook/internal/response"
	"github.com/rcshook/rcshook/internal/send"
	"github.com/rcshook/rcshook/internal/source"
	"github.com/rcshook/rcshook/rbm"
)

// caller is a direct caller and its limits. Without a name it is the caller of the
// environment, which has none.
type caller struct {
	config.Caller

	keys  []*keySecret
	limit *send.RateLimiter
}

// keySecret is a setting that contains API keys, and those of its last version.
type keySecret struct {
	setting config.Secret
	parsed  atomic.Pointer[parsedKeys]
}

type parsedKeys struct {
	text []byte
	keys source.Keys
}

// newCallers returns the caller of the environment and those of the file.
func newCallers(cfg *config.Config) []*caller {
	callers := []*caller{{}}
	if cfg.APIKeys != "" {
		callers[0].keys = []*keySecret{{setting: cfg.APIKeys}}
	}
	for _, name := range slices.Sorted(maps.Keys(cfg.Callers)) {
		c := &caller{Caller: cfg.Callers[name], limit: send.NewRateLimiter(cfg.Callers[name].MessagesPerSecond)}
		for _, setting := range c.Keys {
			c.keys = append(c.keys, &keySecret{setting: setting})
		}
		callers = append(callers, c)
	}
	return callers
}

// findCaller returns the caller of that name, or nil.
func (s *Server) findCaller(name string) *caller {
	if i := slices.IndexFunc(s.callers, func(c *caller) bool { return c.Name == name }); i >= 0 {
		return s.callers[i]
	}
	return nil
}

// authenticate returns the caller with the API key or the ID token of a request.
func (s *Server) authenticate(r *http.Request) (*caller, error) {
	if s.cfg.AllowUnauthenticated {
		return s.callers[0], nil
	}
	hasKeys := slices.ContainsFunc(s.callers, func(c *caller) bool { return len(c.keys) > 0 })
	if s.idTokens != nil && (!hasKeys || source.IsIDToken(r.Header)) {
		email, err := s.idTokens.Account(r.Context(), r.Header, s.now())
		if err != nil {
			return nil, err
		}
		// Other accounts are those of the environment.
		i := slices.IndexFunc(s.callers, func(c *caller) bool { return slices.Contains(c.Emails, email) })
		return s.callers[max(i, 0)], nil
	}
	s.prefetchKeys()
	var found *caller
	var unread error
	rejected := error(source.ErrNoKey)
	for _, c := range s.callers {
		for _, k := range c.keys {
			keys, err := s.readKeys(r.Context(), c, k)
			if err != nil {
				unread = err
				continue
			}
			if err = keys.Verify(r.Header); err != nil {
				rejected = err
				continue
			}
			if found != nil && found != c {
				return nil, sharedKey(found, c)
			}
			found = c
		}
	}
	switch {
	case found != nil:
		return found, nil
	case unread != nil: // perhaps it contains the key
		return nil, unread
	case errors.Is(rejected, source.ErrNoKey) && keyInQuery(r):
		return nil, source.ErrKeyInURL
	}
	return nil, rejected
}

// prefetchKeys starts to read all keys that are not cached, so that the secrets of many
// callers take the time of one.
func (s *Server) prefetchKeys() {
	for _, c := range s.callers[1:] {
		for _, k := range c.keys {
			s.agents.PrefetchSecret(k.setting)
		}
	}
}

// readKeys returns the keys in a secret of a caller. It logs the warnings about each
// version once. The error is for callers that are not authenticated.
func (s *Server) readKeys(ctx context.Context, c *caller, k *keySecret) (source.Keys, error) {
	text, err := s.agents.Secret(ctx, k.setting)
	if err != nil {
		return source.Keys{}, response.Redact(err, "the API keys of this function cannot be read")
	}
	parsed := k.parsed.Load()
	if parsed == nil || !bytes.Equal(parsed.text, text) {
		next := &parsedKeys{text, source.ParseKeys(text)}
		if k.parsed.CompareAndSwap(parsed, next) && !config.IsLoopback(s.cfg.RBMEndpoint) { // the simulator needs no good keys
			for _, warning := range next.keys.Warnings() {
				s.log.LogAttrs(context.Background(), slog.LevelWarn, "weak API key",
					slog.String("detail", warning), slog.String("caller", cmp.Or(c.Name, config.DefaultCaller)))
			}
		}
		parsed = next
	}
	if parsed.keys.Empty() {
		return source.Keys{}, &response.Problem{Code: code.SecretInvalid, Detail: "the secret of the API keys does not contain a key"}
	}
	return parsed.keys, nil
}

// checkKeys reads the keys of all callers. A key of two callers is an error.
func (s *Server) checkKeys(ctx context.Context) error {
	s.prefetchKeys()
	var read []source.Keys
	var owners []*caller
	for _, c := range s.callers {
		for _, k := range c.keys {
			keys, err := s.readKeys(ctx, c, k)
			if err != nil {
				return fmt.Errorf("caller %s: %w", cmp.Or(c.Name, config.DefaultCaller), err)
			}
			for i, other := range read {
				if owners[i] != c && keys.Overlap(other) {
					return sharedKey(owners[i], c)
				}
			}
			read, owners = append(read, keys), append(owners, c)
		}
	}
	return nil
}

func sharedKey(a, b *caller) error {
	return &response.Problem{
		Code:   code.Misconfigured,
		Detail: fmt.Sprintf("the callers %s and %s have the same key", cmp.Or(a.Name, config.DefaultCaller), b.Name),
		Action: "Give each caller a key of its own: add a new version to the secret of one of them.",
	}
}

// action is what a request wants to do.
type action int

const (
	read   action = iota // readiness, samples
	lookUp               // whether numbers can get RCS
	post                 // a message or a dry run
	remove               // a message
)

// allow returns an error unless the caller may do that at all. The limits of messages are
// checked by allowMessage.
func (c *caller) allow(a action) error {
	switch {
	case c.Name == "" || a == read:
		return nil
	case a == lookUp && !c.Capabilities:
		return c.forbidden("needs capabilities: true to look up numbers")
	case c.Read && a != lookUp:
		return c.forbidden("may only read (read: true)")
	case c.DryRun && a == remove:
		return c.forbidden("may only rehearse (dry_run: true)")
	}
	return nil
}

// allowMessage returns an error with every reason for which the caller may not send a
// message.
func (c *caller) allowMessage(m *send.Message) error {
	if err := c.allow(post); err != nil {
		return err
	}
	problems := c.destination(m.AgentName, m.To)
	if c.DryRun && !m.DryRun {
		problems = append(problems, c.problem("/dry_run", "may only rehearse (dry_run: true): expected dry_run in the payload"))
	}
	if len(c.Traffic) > 0 {
		got := string(m.Message.Message.MessageTrafficType)
		allowed := strings.ToLower(strings.Join(c.Traffic, " or "))
		// Multi-use agents give a message without a type none, so it could be anything.
		switch counts := cmp.Or(got, string(rbm.TrafficPromotion)); {
		case slices.Contains(c.Traffic, counts):
		case got == "":
			problems = append(problems, c.problem("/traffic", "expected the traffic type "+allowed+", got none, which counts as promotion"))
		default:
			problems = append(problems, c.problem("/traffic", "expected the traffic type "+allowed+", got "+strings.ToLower(got)))
		}
	}
	return c.forbidden("", problems...)
}

// allowDestination returns an error unless the caller may use an agent and some numbers.
func (c *caller) allowDestination(agent string, to []payload.Recipient) error {
	return c.forbidden("", c.destination(agent, to)...)
}

func (c *caller) destination(agent string, to []payload.Recipient) (problems payload.Errors) {
	if len(c.Agents) > 0 && !slices.Contains(c.Agents, agent) {
		problems = append(problems, c.problem("/agent", "expected the agent "+strings.Join(c.Agents, " or ")+", got "+agent))
	}
	for _, r := range to {
		if len(c.Countries) > 0 && !slices.Contains(c.Countries, phonenumber.CountryOf(r.E164)) {
			problems = append(problems, c.problem(r.Pointer, "expected a number from the country "+strings.Join(c.Countries, " or ")+", got one from another country"))
		}
	}
	return problems
}

func (c *caller) problem(pointer, detail string) payload.Error {
	return payload.Error{Pointer: pointer, Detail: "caller " + c.Name + ": " + detail}
}

// forbidden returns the error for what the caller may not do; nil without any.
func (c *caller) forbidden(detail string, problems ...payload.Error) error {
	if detail == "" && len(problems) == 0 {
		return nil
	}
	if detail != "" {
		detail = "caller " + c.Name + " " + detail
	}
	return &response.Problem{Code: code.Forbidden, Detail: detail, Errors: problems}
}

// agentNames returns the names that the caller may see.
func (c *caller) agentNames(all []string) []string {
	if len(c.Agents) == 0 {
		return all
	}
	return slices.Sorted(slices.Values(c.Agents))
}
