package source

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/itchyny/gojq"
	"golang.org/x/sync/semaphore"

	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/mapping"
)

// DefaultTimeout is the budget of a webhook whose sender is not known to need
// another: the most impatient usual senders give up after five seconds.
const DefaultTimeout = 4 * time.Second

const (
	// maxMessages is how many messages one webhook may become.
	maxMessages = 100

	// maxPayload is the size of one payload that a mapping makes.
	maxPayload = 256 << 10
)

// Options are what a [Directory] works with.
type Options struct {
	// Secrets reads secrets.
	Secrets func(context.Context, config.Secret) ([]byte, error)

	// Agents are the names that sources may send as.
	Agents []string

	// GoogleEndpoint is another base URL for Google's keys; empty means Google's.
	GoogleEndpoint string

	// Transport fetches Google's keys; nil means [http.DefaultTransport].
	Transport http.RoundTripper
}

// Directory knows the configured sources. It may be used by several goroutines.
type Directory struct {
	sources map[string]*Source
}

// Source is one third party, ready to receive.
type Source struct {
	// Name is the key in the file, and the end of the address.
	Name string

	// Config is what the file says of the source.
	Config config.Source

	// Timeout is the budget of a request.
	Timeout time.Duration

	// Status replaces statuses that the sender would take the wrong way.
	Status map[int]int

	preset  preset
	ping    *regexp.Regexp
	scheme  scheme
	secrets func(context.Context, config.Secret) ([]byte, error)
	running *semaphore.Weighted // programs, of all sources

	events, eventID, reply, mapper *mapping.Program // nil where there is none
}

// Open compiles the sources of the file. The error is a [*config.Error] with every
// fault in them.
func Open(sources map[string]config.Source, o Options) (*Directory, error) {
	d := &Directory{sources: make(map[string]*Source)}
	keys := sync.OnceValue(func() *googleKeys { return newGoogleKeys(o.GoogleEndpoint, o.Transport) })
	shared := semaphore.NewWeighted(int64(runtime.GOMAXPROCS(0)))
	var faults []config.Problem
	for _, name := range slices.Sorted(maps.Keys(sources)) {
		s, wrong := open(sources[name], o, keys)
		faults = append(faults, wrong...)
		s.running = shared
		d.sources[name] = s
	}
	if len(faults) > 0 {
		return nil, &config.Error{Problems: faults}
	}
	return d, nil
}

// ErrUnknown means that no source has that name.
var ErrUnknown = errors.New("there is no such source")

// Find returns the source of that name, or [ErrUnknown].
func (d *Directory) Find(name string) (*Source, error) {
	if d == nil || d.sources[name] == nil {
		return nil, ErrUnknown
	}
	return d.sources[name], nil
}

// All returns the sources, sorted by name.
func (d *Directory) All() []*Source {
	all := make([]*Source, 0, len(d.sources))
	for _, name := range slices.Sorted(maps.Keys(d.sources)) {
		all = append(all, d.sources[name])
	}
	return all
}

func open(c config.Source, o Options, keys func() *googleKeys) (*Source, []config.Problem) {
	s := &Source{Name: c.Name, Config: c, secrets: o.Secrets, Timeout: c.Timeout}
	var faults []config.Problem
	fault := func(field, format string, args ...any) {
		faults = append(faults, c.At.Of(field).Problemf(format, args...))
	}
	var err error
	switch s.preset, err = loadPreset(c.Preset); {
	case errors.Is(err, errNoPreset):
		near := config.Closest(c.Preset, Presets())
		if near != "" {
			fault("preset", "is not known: did you mean %s?", near)
		} else {
			fault("preset", "is not known: the presets are %s; any other sender is one with a scheme of its own, see preset hmac", strings.Join(Presets(), ", "))
		}
		// The rest is judged as if the advice had been taken.
		if s.preset, err = loadPreset(cmp.Or(near, "hmac")); err != nil {
			return s, faults
		}
	case err != nil:
		fault("preset", "cannot be used: %v", err)
		return s, faults
	}
	if s.Timeout == 0 {
		s.Timeout = s.preset.Answer.Timeout
	}
	if s.Timeout == 0 {
		s.Timeout = DefaultTimeout
	}
	if s.Status, err = s.preset.Answer.statuses(); err != nil {
		fault("preset", "cannot be used: %v", err)
	}
	if s.preset.Ping != "" {
		s.ping = regexp.MustCompile(s.preset.Ping)
	}
	faults = append(faults, s.openScheme(keys)...)
	faults = append(faults, s.openPrograms()...)
	if c.Agent != "" && !slices.Contains(o.Agents, c.Agent) {
		fault("agent", "is not the name of an agent in this file or the environment")
	}
	return s, faults
}

// openScheme finds out how the sender proves who it is. A source without anything
// to check against does not start.
func (s *Source) openScheme(keys func() *googleKeys) (faults []config.Problem) {
	c := s.Config
	fault := func(field, format string, args ...any) {
		faults = append(faults, c.At.Of(field).Problemf(format, args...))
	}
	described := over(s.preset.Scheme, c.Scheme)
	env := environment{url: c.URL, audience: c.Audience, emails: c.Emails}
	if described.Type == "google-oidc" {
		env.keys = keys()
		if len(c.Secrets) > 0 {
			fault("secret", "has no meaning for this sender: Google signs with keys of its own")
		}
		if len(c.Audience) == 0 {
			fault("audience", "is missing: write the audience of the tokens, which is the address of this source unless it was set to something else")
		}
		if len(c.Emails) == 0 {
			fault("emails", "is missing: write the email of the service account that calls; the audience alone proves nothing")
		}
	} else {
		if len(c.Secrets) == 0 {
			fault("secret", "is missing, so nobody could be let in: write it here, or the name of a secret, projects/PROJECT/secrets/SECRET")
		}
		if len(c.Audience)+len(c.Emails) > 0 {
			fault("audience", "and emails are for senders with Google's ID tokens, such as the presets google-oidc and pubsub")
		}
	}
	var wrong []config.Problem
	s.scheme, wrong = newScheme(described, env)
	if described.Type == "twilio" && c.URL == "" {
		fault("url", "is missing: this sender signs the public address of the source, so the source must know it")
	}
	judged := s.scheme != nil
	for _, f := range wrong {
		if f.Name() == "url" { // of the source, not of its scheme
			f.Position = c.At.Of("url")
		} else {
			judged = false
		}
		faults = append(faults, f)
	}
	if !judged { // nor is it known what a secret looks like
		return faults
	}
	for _, secret := range c.Secrets {
		if literal := secret.Literal(); literal != "" {
			if err := s.scheme.usable([]byte(literal)); err != nil {
				fault("secret", "%v", err)
			}
		}
	}
	return faults
}

// missing reports whether a program was not written; one may be written and empty.
func missing(p config.Program) bool { return p.Line == 0 && p.Text == "" }

func (s *Source) openPrograms() (faults []config.Problem) {
	one := func(p config.Program) *mapping.Program {
		if missing(p) {
			return nil
		}
		compiled, wrong := mapping.Compile(p, s.Config.Country, "$headers", "$query", "$digest")
		faults = append(faults, wrong...)
		return compiled
	}
	s.events, s.reply = one(s.preset.Events), one(s.preset.Reply)
	text := s.Config.Map
	if missing(text) {
		text = s.preset.Map
	}
	s.mapper = one(text)
	id := s.Config.EventID
	if id.Text == "" {
		id = s.preset.EventID
	}
	s.eventID = one(id)
	if missing(text) && !s.preset.Payload {
		faults = append(faults, s.Config.At.Of("map").Problemf("is missing: this sender has events of its own, and a jq program must make payloads of them, such as {to: .phone, text: \"Thank you\"}"))
	}
	return faults
}

// Received is what a webhook means.
type Received struct {
	// Messages are the payloads to send; none means that there is nothing to say.
	Messages []Message

	// Reply is the body that the sender wants, as JSON; nil if it takes any.
	Reply []byte
}

// Message is one payload.
type Message struct {
	ContentType string
	Body        []byte

	// Key derives the ID of the message. It is the same whenever the event is
	// delivered again; empty if the sender gives no sign of that.
	Key string
}

// Receive checks who sent r and makes payloads of it.
//
// The error is a [*SecretError], [ErrUnauthorized], [ErrSignature],
// [ErrStale], [ErrKeys], a [*payload.BodyError], [ErrIdempotencyKey], a
// [*MappingError], or [ErrBusy].
func (s *Source) Receive(ctx context.Context, r *Request, now time.Time) (*Received, error) {
	if s.ping != nil && s.ping.Match(r.Body) {
		return &Received{}, nil
	}
	if err := s.verify(ctx, r, now); err != nil {
		return nil, err
	}
	return s.Map(ctx, r, now)
}

// CheckSecret tells what is wrong with a secret for the way in which the sender
// proves who it is, without it.
func (s *Source) CheckSecret(secret []byte) error {
	return s.scheme.usable([]byte(config.Trim(string(secret))))
}

func (s *Source) verify(ctx context.Context, r *Request, now time.Time) error {
	secrets := make([][]byte, 0, len(s.Config.Secrets))
	for _, setting := range s.Config.Secrets {
		secret, err := s.secrets(ctx, setting)
		if err != nil {
			return &SecretError{s.Name, err}
		}
		secret = []byte(config.Trim(string(secret)))
		if err := s.scheme.usable(secret); err != nil {
			return &SecretError{s.Name, err}
		}
		secrets = append(secrets, secret)
	}
	return s.scheme.verify(ctx, r, secrets, now)
}

// SecretError means that a secret of a source cannot be read, or is not what its
// scheme needs. It is not for the sender to see.
type SecretError struct {
	Source string
	Err    error
}

func (e *SecretError) Error() string {
	return fmt.Sprintf("the secret of source %s: %v", e.Source, e.Err)
}

func (e *SecretError) Unwrap() error { return e.Err }

// Map makes payloads of a request that is taken for authentic.
func (s *Source) Map(ctx context.Context, r *Request, now time.Time) (*Received, error) {
	given, err := IdempotencyKey(r.Header)
	if err != nil {
		return nil, err
	}
	contentType := r.Header.Get("Content-Type")
	if s.mapper == nil && s.events == nil && s.eventID == nil && s.reply == nil {
		return &Received{Messages: []Message{{contentType, r.Body, s.key(given, -1)}}}, nil
	}
	if ctx.Err() != nil || s.running.Acquire(ctx, 1) != nil {
		return nil, busy(ctx)
	}
	defer s.running.Release(1)
	body, err := decodeBody(contentType, r.Body)
	if err != nil {
		return nil, err
	}
	in := &input{now, []any{r.headers(), r.query(), sync.OnceValue(func() any {
		sum := sha256.Sum256(r.Body)
		return hex.EncodeToString(sum[:])
	})}}
	if replies, err := s.run(ctx, "reply", s.reply, body, in); err != nil || len(replies) > 0 {
		if err != nil {
			return nil, err
		}
		reply, err := gojq.Marshal(replies[0])
		return &Received{Reply: reply}, err
	}
	events := []any{body}
	if s.events != nil {
		if events, err = s.run(ctx, "events", s.events, body, in); err != nil {
			return nil, err
		}
	}
	if s.mapper == nil && s.events == nil {
		id, err := s.identify(ctx, body, given, -1, in)
		return &Received{Messages: []Message{{contentType, r.Body, s.key(id, -1)}}}, err
	}
	return s.mapEvents(ctx, events, given, in)
}

func (s *Source) mapEvents(ctx context.Context, events []any, given string, in *input) (*Received, error) {
	received := new(Received)
	large := &MappingError{Source: s.Name, Detail: fmt.Sprintf("the map yields a payload of more than %d KiB", maxPayload>>10)}
	for i, event := range events {
		at := -1
		if len(events) > 1 {
			at = i
		}
		id, err := s.identify(ctx, event, given, at, in)
		if err != nil {
			return nil, err
		}
		results := []any{event}
		if s.mapper != nil {
			if results, err = s.run(ctx, "map", s.mapper, event, in); err != nil {
				return nil, err
			}
		}
		payloads, list := flatten(results)
		for i, p := range payloads {
			m := Message{ContentType: "application/json"}
			if m.Body, err = mapping.Encode(p, maxPayload); err != nil {
				return nil, large
			}
			if !list {
				i = -1
			}
			m.Key = s.key(id, i)
			received.Messages = append(received.Messages, m)
			if len(received.Messages) > maxMessages {
				return nil, &MappingError{Source: s.Name, Detail: fmt.Sprintf("the webhook becomes more than %d messages", maxMessages)}
			}
		}
	}
	return received, nil
}

// flatten returns the payloads that a map yielded, and whether they are a list:
// then each has a number in its key, however many there are.
func flatten(results []any) (payloads []any, list bool) {
	list = len(results) > 1
	for _, v := range results {
		items, ok := v.([]any)
		if !ok {
			payloads = append(payloads, v)
			continue
		}
		list = true
		payloads = append(payloads, slices.DeleteFunc(slices.Clone(items), func(v any) bool { return v == nil })...)
	}
	return payloads, list
}

// identify returns what is the same of an event whenever it is delivered: what the
// preset knows of, else the key that the sender gave the request.
func (s *Source) identify(ctx context.Context, event any, given string, at int, in *input) (string, error) {
	ids, err := s.run(ctx, "event_id", s.eventID, event, in)
	if err != nil {
		return "", err
	}
	if len(ids) > 0 {
		if text, ok := mapping.Text(ids[0]); ok && text != "" {
			return text, nil
		}
		if _, ok := ids[0].(string); !ok {
			return "", &MappingError{Source: s.Name, Detail: "the event_id is neither a text nor a number"}
		}
	}
	if given != "" && at >= 0 {
		given += "\n" + strconv.Itoa(at)
	}
	return given, nil
}

// key is in a name space of the source, so that events of two senders that happen
// to have one ID are two messages.
func (s *Source) key(id string, at int) string {
	switch {
	case id == "":
		return ""
	case at < 0:
		return "hook\n" + s.Name + "\n" + id
	default:
		return "hook\n" + s.Name + "\n" + id + "\n" + strconv.Itoa(at)
	}
}

func (s *Source) run(ctx context.Context, name string, p *mapping.Program, value any, in *input) ([]any, error) {
	if p == nil {
		return nil, nil
	}
	results, err := p.Run(ctx, in.now, value, in.values...)
	if wrong, ok := errors.AsType[*mapping.Error](err); ok {
		if ctx.Err() != nil {
			return nil, busy(ctx)
		}
		return nil, &MappingError{Source: s.Name, Detail: fmt.Sprintf("the %s %s", name, wrong.Detail), Err: wrong.Err}
	}
	return results, err
}

// MappingError means that a program of a source could not make anything of an
// event.
type MappingError struct {
	Source string
	Detail string // quotes nothing of the event
	Err    error  // as jq words it, with values of the event; not for logs
}

func (e *MappingError) Error() string { return fmt.Sprintf("source %s: %s", e.Source, e.Detail) }

// Handshake reports whether the sender asks with OPTIONS before it sends.
func (s *Source) Handshake() bool { return s.preset.Answer.Handshake }

// input is what the programs of a source get besides the event.
type input struct {
	now    time.Time
	values []any // of the variables
}

// ErrBusy means that the time of a request ended before its programs had run to
// their end. Nothing was done, and the same event may well be mapped the next time.
var ErrBusy = errors.New("the webhook was not mapped in the time of the request")

func busy(ctx context.Context) error { return fmt.Errorf("%w: %w", ErrBusy, ctx.Err()) }
