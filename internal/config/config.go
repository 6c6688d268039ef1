// Package config reads the settings of rcshook from the environment into one
// checked struct, and reports everything that is wrong with them at once.
package config

import (
	"fmt"
	"strings"
	"time"
)

// DefaultAgent is the name of the agent that the environment describes, and of
// the one that sends when a request names none.
const DefaultAgent = "default"

// DefaultTimeout is the budget of a request when RCSHOOK_TIMEOUT says nothing.
const DefaultTimeout = 20 * time.Second

// Limits of the durations.
const (
	// MaxTTL is the longest lifetime of a message that the platform accepts.
	MaxTTL = 15 * 24 * time.Hour

	// MaxTimeout is the longest time that Cloud Run gives a request.
	MaxTimeout = time.Hour
)

// Config is what rcshook is told by the people who run it.
type Config struct {
	// Agents are the RCS agents that can send, by name; at least one.
	Agents map[string]Agent

	// Sources are the third parties whose webhooks become messages, by name; they
	// come from the file.
	Sources map[string]Source

	// File is the path of rcshook.yaml, or the secret that holds it; may be empty.
	File Secret

	// APIKeys are the keys of direct callers, or the secret that holds them.
	// Empty only with AllowUnauthenticated, or where tokens are taken.
	APIKeys Secret

	// Audience and Emails are what ID tokens of Google must say to be as good as a
	// key; both empty or neither.
	Audience, Emails []string

	// AllowUnauthenticated lets callers in without a key.
	AllowUnauthenticated bool

	// Region, Traffic and TTL hold for agents that do not say otherwise; see [Agent].
	Region  string
	Traffic string
	TTL     time.Duration

	// Country is the ISO 3166 alpha-2 code, in upper case, of numbers in
	// national form; empty means that such numbers are refused.
	Country string

	// Timeout is the budget of one request.
	Timeout time.Duration

	// Queue is the queue of Cloud Tasks through which messages are sent,
	// projects/*/locations/*/queues/*; empty means that they are sent at once.
	Queue string

	// QueueAccount is the service account whose ID tokens the tasks carry.
	QueueAccount string

	// URL is the function's own public address, without a slash at the end. Tasks
	// are sent to it, and their tokens are made for it.
	URL string

	// Project is the Google Cloud project that log lines are joined to traces in;
	// empty means that they are not.
	Project string

	// RBMEndpoint and SecretManagerEndpoint are base URLs to use instead of
	// Google's, without a slash at the end; empty means Google's.
	RBMEndpoint           string
	SecretManagerEndpoint string

	// TasksEndpoint is the same for Cloud Tasks.
	TasksEndpoint string

	// OIDCEndpoint is the same for the public keys of Google's tokens.
	OIDCEndpoint string
}

// Agent is an RCS agent and how it sends by default.
type Agent struct {
	// ID is the agent ID, or the secret that holds it.
	ID Secret

	// Credentials is a service account key as JSON, or the secret that holds
	// one; empty means Application Default Credentials.
	Credentials Secret

	// Region is us, europe or asia; empty means the region of [Config], and the
	// global host if that is empty too.
	Region string

	// Traffic is the messageTrafficType of messages that name none, as the API
	// spells it; empty everywhere leaves it to the platform.
	Traffic string

	// TTL is the lifetime of messages that name none; zero everywhere means no
	// limit.
	TTL time.Duration

	// MessagesPerSecond is the pace at which one process sends; zero means that
	// nothing holds messages back.
	MessagesPerSecond float64

	// Countries are the ISO 3166 alpha-2 codes of the only countries whose
	// numbers may be sent to; empty means all.
	Countries []string

	// Fallback is who gets what RCS cannot deliver; nil means nobody.
	Fallback *Fallback
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
}

func (p Problem) String() string { return p.Position.String() + " " + p.Detail }
