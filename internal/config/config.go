// Package config reads the settings of rcshook from the environment and from
// rcshook.yaml into one checked struct, and reports all problems with them at once.
package config

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// DefaultAgent is the name of the agent that the environment describes. It sends
// the messages that do not name an agent.
const DefaultAgent = "default"

// DefaultTimeout is the time budget of a request if RCSHOOK_TIMEOUT is not set.
const DefaultTimeout = 20 * time.Second

// Limits of the durations.
const (
	// MaxTTL is the longest lifetime of a message that the platform accepts.
	MaxTTL = 15 * 24 * time.Hour

	// MaxAfter is the longest time after which a message goes to its fallback.
	MaxAfter = MaxTTL - 5*time.Minute

	// MaxTimeout is the longest request timeout of Cloud Run.
	MaxTimeout = time.Hour
)

// NoQueue is the queue of a source whose messages are sent directly.
const NoQueue = "none"

// Config holds all settings.
type Config struct {
	// Agents are the RCS agents that can send, by name. There is at least one.
	Agents map[string]Agent

	// Sources are the third parties whose webhooks become messages, by name. They
	// are configured in the file.
	Sources map[string]Source

	// Events are the targets of events, by name.
	Events map[string]*Target

	// EventsQueue is the Cloud Tasks queue for deliveries to targets. If it is empty,
	// RBM repeats an event until all targets have it.
	EventsQueue string

	// WebhookToken holds the client tokens of the webhooks of agents that have none of
	// their own, one per line.
	WebhookToken Secret

	// Callers are the direct callers with limits, by name. They are configured in the file.
	Callers map[string]Caller

	// Brands are groups of agents whose opt-outs count together, by name. One is
	// [DefaultBrand]. Each has an OptOut after the settings are read.
	Brands map[string]*Brand

	// File is the path of rcshook.yaml or the secret that contains it; may be empty.
	File Secret

	// APIKeys are the keys of direct callers, or the secret that contains them. It
	// is empty only with AllowUnauthenticated, Audience or Callers.
	APIKeys Secret

	// Audience and Emails are the accepted claims of Google ID tokens, which
	// callers can send in place of a key. Without Callers, either both are set or
	// neither is.
	Audience, Emails []string

	// AllowUnauthenticated lets callers in without a key.
	AllowUnauthenticated bool

	// Region, Traffic and TTL are the defaults for agents; see [Agent].
	Region  string
	Traffic string
	TTL     time.Duration

	// Country is the ISO 3166 alpha-2 code, in upper case, of phone numbers in
	// national format. If it is empty, such numbers are rejected.
	Country string

	// AllowPremiumNumbers lets messages go to premium-rate and shared-cost numbers.
	AllowPremiumNumbers bool

	// Timeout is the time budget of one request.
	Timeout time.Duration

	// Queue is the Cloud Tasks queue for messages,
	// projects/*/locations/*/queues/*. If it is empty, messages are sent directly.
	Queue string

	// QueueAccount is the service account of the tasks' ID tokens.
	QueueAccount string

	// URL is the public address of the function, without a trailing slash. It is
	// the target of the tasks and the audience of their tokens.
	URL string

	// Project is the Google Cloud project of the traces that log lines are linked
	// to. If it is empty, they are not linked.
	Project string

	// The endpoints are base URLs to use instead of Google's, without a trailing
	// slash. OIDCEndpoint serves the public keys of Google's ID tokens.
	RBMEndpoint           string
	SecretManagerEndpoint string
	TasksEndpoint         string
	OIDCEndpoint          string
	PubSubEndpoint        string
	StorageEndpoint       string
}

// Agent is an RCS agent and its defaults for messages.
type Agent struct {
	// ID is the agent ID, or the secret that contains it.
	ID Secret

	// Credentials is a service account key as JSON, or the secret that contains
	// one. If it is empty, Application Default Credentials are used.
	Credentials Secret

	// Region is us, europe or asia. It defaults to the region of [Config], then to
	// the global host.
	Region string

	// Traffic is the messageTrafficType, as the API spells it, of messages that set
	// none. If it is empty, the platform chooses.
	Traffic string

	// TTL is the lifetime of messages that set none. Zero means no limit.
	TTL time.Duration

	// MessagesPerSecond is the rate limit of one process. Zero means no limit.
	MessagesPerSecond float64

	// Countries are the ISO 3166 alpha-2 codes of the countries that messages may
	// be sent to. If it is empty, all are allowed.
	Countries []string

	// Fallback is the target for messages that RCS cannot deliver; may be nil.
	Fallback *Target

	// WebhookTokens are the client tokens of the agent's webhook, one per line. All are
	// valid. If there are none, those of [Config] are.
	WebhookTokens []Secret
}

// AllCountries returns the countries that the settings of agents, sources and callers name.
func (c *Config) AllCountries() []string {
	var all []string
	for _, a := range c.Agents {
		all = append(all, a.Countries...)
	}
	for _, s := range c.Sources {
		all = append(append(all, s.Countries...), s.Country)
	}
	for _, caller := range c.Callers {
		all = append(all, caller.Countries...)
	}
	return all
}

// TokenAudience returns the accepted audiences of ID tokens of callers.
func (c *Config) TokenAudience() []string {
	if len(c.Audience) == 0 && c.URL != "" {
		return []string{c.URL}
	}
	return c.Audience
}

// FindAgent returns the configured name of an agent. The argument is that name, or the
// agent ID if the configuration contains the ID itself; "" means the agent default.
func (c *Config) FindAgent(nameOrID string) (name string, ok bool) {
	if nameOrID == "" {
		nameOrID = DefaultAgent
	}
	if _, ok := c.Agents[nameOrID]; ok {
		return nameOrID, true
	}
	id, err := ParseAgentID(nameOrID)
	if err != nil {
		return "", false
	}
	for _, name := range slices.Sorted(maps.Keys(c.Agents)) {
		if literal, err := ParseAgentID(c.Agents[name].ID.Literal()); err == nil && literal == id {
			return name, true
		}
	}
	return "", false
}

// Error lists every problem with the settings.
type Error struct {
	Problems []Problem // never empty
}

func (e *Error) Error() string {
	texts := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		texts[i] = p.String()
	}
	if len(texts) == 1 {
		return "config: " + texts[0]
	}
	return fmt.Sprintf("config: %d problems: %s", len(texts), strings.Join(texts, "; "))
}

// Problem is a missing, invalid or unknown setting.
type Problem struct {
	// Position is where the setting is. Its Path is the setting: an environment
	// variable, or a path in the file.
	Position

	// Detail is the problem and its fix. It never contains the value, which may be
	// a secret in the wrong place.
	Detail string

	// Missing means that a required setting is not set, Unknown that the setting
	// does not exist. Suggestion is the setting that was probably meant by an
	// unknown one; it may be empty.
	Missing, Unknown bool
	Suggestion       string

	placeholder bool
	misplaced   bool // keys at the wrong level, so that others seem to be missing
}

func (p Problem) String() string {
	if p.Path == "" && p.File != "" {
		return p.Position.String() + ": " + p.Detail
	}
	return p.Position.String() + " " + p.Detail
}

// Position is where a setting was written.
type Position struct {
	File         string // empty for the environment
	Line, Column int    // from 1; zero if the setting was not written
	Path         string // of the setting in the file, such as sources.shop.map

	unset bool // the setting is not in the file
}

func (p Position) String() string {
	at := p.File
	if p.Line > 0 {
		at = fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
	}
	if at == "" || p.Path == "" {
		return at + p.Path
	}
	return at + " " + p.Path
}

// Name returns the last element of the path, such as map.
func (p Position) Name() string { return p.Path[strings.LastIndexByte(p.Path, '.')+1:] }

// Problemf returns a problem at p. Its text must not contain the value of the
// setting, which may be a secret in the wrong place.
func (p Position) Problemf(format string, args ...any) Problem {
	return Problem{Position: p, Detail: fmt.Sprintf(format, args...)}
}

// Join returns one [*Error] with the problems of all errs, in the order of the file. If
// none has problems, it is [errors.Join].
func Join(errs ...error) error {
	var problems []Problem
	for _, err := range errs {
		if e, ok := errors.AsType[*Error](err); ok {
			problems = append(problems, e.Problems...)
		}
	}
	if len(problems) > 0 {
		slices.SortStableFunc(problems, func(a, b Problem) int {
			return cmp.Or(cmp.Compare(a.File, b.File), a.Line-b.Line, a.Column-b.Column)
		})
		return &Error{onlyCauses(problems)}
	}
	return errors.Join(errs...)
}
