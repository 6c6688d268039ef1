// Package source authenticates callers and turns the webhooks of third parties into
// payloads.
//
// A [Source] is a third party in rcshook.yaml. It verifies the signature or the token of
// a request (scheme.go, signature.go, twilio.go), finds the events in its body and maps
// them with jq (event.go). Presets are data: presets/NAME holds the facts about a
// sender (preset.go).
//
// [Keys] and [GoogleTokens] authenticate direct callers and the function's own tasks.
package source

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/mapping"
	"github.com/rcshook/rcshook/internal/phonenumber"
)

// DefaultTimeout is the time budget of a webhook if neither the file nor the preset sets
// one. Many senders time out after five seconds.
const DefaultTimeout = 4 * time.Second

// Options configure a [Directory].
type Options struct {
	// Secrets reads secrets, decoded by [config.DecodeSecret].
	Secrets func(context.Context, config.Secret) ([]byte, error)

	// Agents are the names of agents that sources may use.
	Agents []string

	// Phone are the options of numbers in sources that set no country.
	Phone phonenumber.Options

	// GoogleEndpoint is the base URL of Google's public keys; empty means Google's own.
	GoogleEndpoint string

	// Transport fetches the public keys of Google and of Amazon SNS; nil means
	// [http.DefaultTransport].
	Transport http.RoundTripper
}

// Directory holds the configured sources. It is safe for concurrent use.
type Directory struct {
	sources map[string]*Source
}

// Source is one third party that sends webhooks.
type Source struct {
	// Name is the key in the file and the last part of the path.
	Name string

	// Config is the entry in the file.
	Config config.Source

	// Timeout is the time budget of a request.
	Timeout time.Duration

	// Profile is strict, soft or all; empty means soft.
	Profile string

	// Status maps statuses that the sender misinterprets to others.
	Status map[int]int

	// Empty means that a 200 has no body, because the sender would show it.
	Empty bool

	preset  preset
	ping    *regexp.Regexp
	scheme  scheme
	secrets func(context.Context, config.Secret) ([]byte, error)
	slots   *slots

	// The jq programs; nil if there is none.
	events, eventID, reply, mapper, respond *mapping.Program

	challenge config.Challenge
}

// Open compiles the sources of the file. The error is a [*config.Error] with every
// problem in them.
func Open(sources map[string]config.Source, o Options) (*Directory, error) {
	d := &Directory{sources: make(map[string]*Source)}
	keys := sync.OnceValue(func() *googleKeys { return newGoogleKeys(o.GoogleEndpoint, o.Transport) })
	amazon := newSNSClient(o.Transport)
	slots := newSlots()
	var problems []config.Problem
	for _, name := range slices.Sorted(maps.Keys(sources)) {
		s := &Source{Config: sources[name], secrets: o.Secrets, slots: slots.another()}
		problems = append(problems, s.open(o, keys, amazon)...)
		d.sources[name] = s
	}
	if len(problems) > 0 {
		return nil, &config.Error{Problems: problems}
	}
	return d, nil
}

// ErrUnknown means that no source has that name.
var ErrUnknown = errors.New("unknown source")

// Find returns the source of that name, or [ErrUnknown].
func (d *Directory) Find(name string) (*Source, error) {
	if d == nil || d.sources[name] == nil {
		return nil, ErrUnknown
	}
	return d.sources[name], nil
}

// FindByToken returns the source of that name whose secret is the token, the last part of
// the path. The error is [ErrUnknown] also for a wrong token, so that strangers do not
// learn the names of such sources, or it is a [*SecretError].
func (d *Directory) FindByToken(ctx context.Context, name, token string) (*Source, error) {
	s, err := d.Find(name)
	if err != nil || !s.HasToken() {
		return nil, ErrUnknown
	}
	secrets, err := s.readSecrets(ctx)
	if err != nil {
		return nil, err
	}
	if !matchSecret([]byte(token), secrets) {
		return nil, ErrUnknown
	}
	return s, nil
}

// All returns the sources, sorted by name.
func (d *Directory) All() []*Source {
	all := make([]*Source, 0, len(d.sources))
	for _, name := range slices.Sorted(maps.Keys(d.sources)) {
		all = append(all, d.sources[name])
	}
	return all
}

// open prepares s from its entry in the file.
func (s *Source) open(o Options, keys func() *googleKeys, amazon *snsClient) (problems []config.Problem) {
	c := s.Config
	s.Name = c.Name
	problem := func(field, format string, args ...any) {
		problems = append(problems, c.At.Of(field).Problemf(format, args...))
	}
	var ok bool
	if s.preset, ok = loadPreset(c.Preset); !ok {
		suggestion := config.Closest(c.Preset, Presets())
		if suggestion != "" {
			problem("preset", "is not a preset; did you mean %s?", suggestion)
		} else {
			problem("preset", "is not a preset; rcshook init lists them; for any other sender, use preset hmac and a scheme")
		}
		// Check the rest with the preset that was suggested.
		s.preset, _ = loadPreset(cmp.Or(suggestion, "hmac"))
	}
	s.Timeout = cmp.Or(c.Timeout, s.preset.Response.Timeout, DefaultTimeout)
	s.Profile = cmp.Or(c.Profile, s.preset.Response.Profile)
	s.Empty = s.preset.Response.Empty
	s.Status = make(map[int]int)
	for from, to := range s.preset.Response.Status {
		n, err := strconv.Atoi(from)
		if err != nil {
			panic("source: " + err.Error()) // the preset is embedded
		}
		s.Status[n] = to
	}
	if s.preset.Ping != "" {
		s.ping = regexp.MustCompile(s.preset.Ping)
	}
	problems = append(problems, s.openScheme(keys, amazon)...)
	problems = append(problems, s.compile(o.Phone)...)
	problems = append(problems, s.openChallenge()...)
	if c.Agent != "" && !slices.Contains(o.Agents, c.Agent) {
		hint := ""
		if near := config.Closest(c.Agent, o.Agents); near != "" {
			hint = "; did you mean " + near + "?"
		}
		problem("agent", "is not the name of an agent in this file or the environment%s", hint)
	}
	return problems
}

// openScheme prepares the authentication of the sender. A source without secrets or
// accounts to check against is an error.
func (s *Source) openScheme(keys func() *googleKeys, amazon *snsClient) (problems []config.Problem) {
	c := s.Config
	problem := func(field, format string, args ...any) {
		problems = append(problems, c.At.Of(field).Problemf(format, args...))
	}
	described := override(s.preset.Scheme, c.Scheme)
	if described.At == nil {
		described.At = config.Positions{"": c.At.Of("scheme")}
	}
	if described.Type == "" {
		problem("preset", "is missing; name the sender, such as stripe, or use bearer for a token in a header")
		return problems
	}
	tokens := &GoogleTokens{audience: c.Audience, emails: c.Emails}
	sns := snsScheme{c.Topics, cmp.Or(described.Tolerance, snsTolerance), amazon}
	for i, topic := range c.Topics {
		if !topicARN.MatchString(topic) {
			problem("topic", "must be the ARN of a topic of Amazon SNS, such as arn:aws:sns:us-east-1:123456789012:alerts (value %d)", i+1)
		}
	}
	if described.Type != "sns" && len(c.Topics) > 0 {
		problem("topic", "is only for messages of Amazon SNS: preset sns")
	}
	switch described.Type {
	case "sns":
		if len(c.Secrets) > 0 {
			problem("secret", "is not used by this sender: Amazon signs with its own keys")
		}
		if len(c.Topics) == 0 {
			problem("topic", "is required: the ARN of the topic, because Amazon SNS signs for any AWS account")
		}
	case "google-oidc":
		tokens.keys = keys()
		if len(c.Secrets) > 0 {
			problem("secret", "is not used by this sender: Google signs with its own keys")
		}
		if len(c.Audience) == 0 {
			problem("audience", "is required: the audience of the tokens, which is the address of this source by default")
		}
		if len(c.Emails) == 0 {
			problem("emails", "is required: the email of the service account that calls; an audience does not identify the caller")
		}
	default:
		if len(c.Secrets) == 0 {
			problem("secret", "is required: a secret, or the name of one in Secret Manager, projects/PROJECT/secrets/SECRET")
		}
	}
	if described.Type != "google-oidc" && len(c.Audience)+len(c.Emails) > 0 {
		problem("audience", "and emails are only for senders with Google's ID tokens, such as the presets google-oidc and pubsub")
	}
	if c.URL == "" && signsURL(described) {
		problem("url", "is required: this sender signs the public address of the source")
	}
	if len(c.Recipients) == 0 && !coversBody(described) {
		problem("recipients", "is required: the phone numbers that messages may go to; the signature of this sender does not cover the event, which anyone could change")
	}
	if c.EventID.Text == "" && s.preset.EventID.Text == "" && !coversBody(described) {
		problem("event_id", "is required: a jq program that returns the ID of an event from the signed fields, so that a captured request sends nothing again")
	}
	var invalid []config.Problem
	s.scheme, invalid = newScheme(described, c.URL, tokens, sns)
	if len(invalid) > 0 { // secrets cannot be checked
		return append(problems, invalid...)
	}
	for _, secret := range c.Secrets {
		if literal := secret.Literal(); literal != "" {
			if err := s.scheme.checkSecret([]byte(literal)); err != nil {
				problem("secret", "%v", err)
			}
		}
	}
	return problems
}

// signsURL reports whether a sender signs the public address of the source.
func signsURL(s config.Scheme) bool {
	return s.Type == "twilio" || strings.Contains(s.Content, "{url}")
}

// coversBody reports whether a signature covers the body of a request, and not only some of
// its fields.
func coversBody(s config.Scheme) bool {
	return s.Type != "signature" || !signedField.MatchString(s.Content)
}

// compile compiles the jq programs of the preset and of the file, which wins.
func (s *Source) compile(phone phonenumber.Options) (problems []config.Problem) {
	phone.Country = cmp.Or(s.Config.Country, phone.Country)
	isSet := func(p config.Program) bool { return p.Line > 0 || p.Text != "" }
	options := mapping.Options{Phone: phone, MinorDigits: s.preset.MinorDigits}
	compile := func(p config.Program, variables ...string) *mapping.Program {
		if !isSet(p) {
			return nil
		}
		program, invalid := mapping.Compile(p, options, append([]string{"$headers", "$query", "$digest"}, variables...)...)
		problems = append(problems, invalid...)
		return program
	}
	text, id, respond := s.Config.Map, s.Config.EventID, s.Config.Respond
	if !isSet(text) {
		text = s.preset.Map
	}
	if id.Text == "" {
		id = s.preset.EventID
	}
	if !isSet(respond) {
		respond = s.preset.Respond
	}
	s.events, s.mapper, s.eventID, s.respond = compile(s.preset.Events), compile(text), compile(id), compile(respond, "$event")
	options.Keyed = true
	s.reply = compile(s.preset.Reply, "$secret")
	if !isSet(text) && !s.preset.Payload {
		problems = append(problems, s.Config.At.Of("map").Problemf("is required: a jq program that turns the events of this sender into payloads, such as {to: .phone, text: \"Thank you\"}"))
	}
	return problems
}

// CheckSecret reports why a secret does not suit the scheme of the source, without
// quoting it.
func (s *Source) CheckSecret(secret []byte) error {
	return s.scheme.checkSecret(secret)
}

// readSecrets returns the secrets of the source. The error is a [*SecretError].
func (s *Source) readSecrets(ctx context.Context) ([][]byte, error) {
	secrets := make([][]byte, 0, len(s.Config.Secrets))
	for _, setting := range s.Config.Secrets {
		secret, err := s.secrets(ctx, setting)
		if err == nil {
			err = s.scheme.checkSecret(secret)
		}
		if err != nil {
			return nil, &SecretError{s.Name, err}
		}
		secrets = append(secrets, secret)
	}
	return secrets, nil
}

func (s *Source) verify(ctx context.Context, r *Request, secrets [][]byte, now time.Time) error {
	if s.UsesGoogleTokens() { // they do not depend on the body, and their keys may have to be fetched
		return s.scheme.verify(ctx, r, secrets, now)
	}
	err := s.verifyInSlot(ctx, r, secrets, now)
	if missing, ok := errors.AsType[*missingCertificate](err); ok {
		if err = s.scheme.(snsScheme).client.fetch(ctx, missing.address); err == nil {
			err = s.verifyInSlot(ctx, r, secrets, now)
		}
	}
	return err
}

func (s *Source) verifyInSlot(ctx context.Context, r *Request, secrets [][]byte, now time.Time) error {
	if ctx.Err() != nil || s.slots.verifying.Acquire(ctx, 1) != nil {
		return fmt.Errorf("%w: %w", ErrBusy, ctx.Err())
	}
	defer s.slots.verifying.Release(1)
	return s.scheme.verify(ctx, r, secrets, now)
}

// SecretError means that a secret of a source cannot be read or does not suit its
// scheme. The sender must not see it.
type SecretError struct {
	Source string
	Err    error
}

func (e *SecretError) Error() string {
	return fmt.Sprintf("the secret of source %s: %v", e.Source, e.Err)
}

func (e *SecretError) Unwrap() error { return e.Err }

// Handshake reports whether the sender asks for permission with OPTIONS before it sends.
func (s *Source) Handshake() bool { return s.preset.Response.Handshake }

// UsesGoogleTokens reports whether the sender authenticates with Google's ID tokens.
func (s *Source) UsesGoogleTokens() bool {
	_, ok := s.scheme.(googleScheme)
	return ok
}

// HasToken reports whether the path of the source ends with its secret.
func (s *Source) HasToken() bool {
	_, ok := s.scheme.(pathScheme)
	return ok
}

// AuthScheme is the scheme of the header Authorization with which the sender authenticates:
// Basic, Bearer, or none.
func (s *Source) AuthScheme() string {
	switch t := s.scheme.(type) {
	case basicScheme:
		return "Basic"
	case googleScheme:
		return "Bearer"
	case tokenScheme:
		if slices.ContainsFunc(t.headers, func(name string) bool { return strings.EqualFold(name, "Authorization") }) {
			return "Bearer"
		}
	}
	return ""
}

// Sign signs r as the sender with that secret does. It cannot sign for senders with
// Google's ID tokens.
func (s *Source) Sign(r *Request, secret []byte, now time.Time) error {
	return s.scheme.sign(r, secret, now)
}

// NewKeys returns random secrets for tests: one for the source and one for its sender.
// They are equal unless the sender signs with a private key.
func (s *Source) NewKeys() (receiver, sender []byte) { return s.scheme.newKeys() }

// Group is the group of the sender, one of [Groups].
func (s *Source) Group() string { return s.preset.Group }

// SchemeType is the type of the scheme, such as basic.
func (s *Source) SchemeType() string { return override(s.preset.Scheme, s.Config.Scheme).Type }

// Description names the sender.
func (s *Source) Description() string { return s.preset.About }

// Docs is the address of the sender's documentation; may be empty.
func (s *Source) Docs() string { return s.preset.Docs }
