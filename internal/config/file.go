package config

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"
)

// File is rcshook.yaml: the agents that the environment does not describe, and
// the third parties whose webhooks become messages.
type File struct {
	Agents  map[string]Agent
	Sources map[string]Source
}

// Source is a third party: how it proves who it is, and what its events become.
type Source struct {
	// Preset joins what is known of a sender; see package source. Empty is a
	// sender that Scheme describes.
	Preset string `yaml:"preset"`

	// Secrets are what the sender signs with or shows. Each is valid, so that
	// one can be replaced without a gap.
	Secrets []Secret `yaml:"secret"`

	// Scheme overrides that of the preset, field by field.
	Scheme Scheme `yaml:"scheme"`

	// URL is the public address of this source as the sender knows it, for
	// senders that sign it.
	URL string `yaml:"url"`

	// Audience and Emails are what the ID tokens of Google must say.
	Audience []string `yaml:"audience"`
	Emails   []string `yaml:"emails"`

	// Map is a jq program that makes payloads of an event.
	Map Program `yaml:"map"`

	// EventID is a jq program that finds what identifies an event, instead of
	// that of the preset.
	EventID Program `yaml:"event_id"`

	// Agent is the name of the agent that sends, unless the payload names one.
	Agent string `yaml:"agent"`

	// Country is the default country of national numbers.
	Country string `yaml:"country"`

	// Countries are the only ones whose numbers may be sent to; empty means all.
	Countries []string `yaml:"countries"`

	// Profile is strict or soft; empty means soft.
	Profile string `yaml:"profile"`

	// Timeout is the budget of a request; zero means what suits the sender.
	Timeout time.Duration `yaml:"timeout"`

	// Fallback is who gets what RCS cannot deliver.
	Fallback *Fallback `yaml:"fallback"`

	// Queue is the queue of Cloud Tasks for messages of this source, or [NoQueue];
	// empty means that of the function.
	Queue string `yaml:"queue"`

	// Cases is a folder of sample events and the messages they become, beside
	// the file, for "rcshook check".
	Cases string `yaml:"cases"`

	// Name is the key of the source in the file.
	Name string

	// At tells where each field was written.
	At Positions
}

// Scheme says how requests prove who sent them; package source explains the types.
type Scheme struct {
	Type            string        `yaml:"type"`
	Header          []string      `yaml:"header"`
	Prefix          string        `yaml:"prefix"`
	Separator       string        `yaml:"separator"`
	Algorithm       string        `yaml:"algorithm"`
	Encoding        string        `yaml:"encoding"`
	Key             string        `yaml:"key"`
	Content         string        `yaml:"content"`
	TimestampHeader string        `yaml:"timestamp_header"`
	TimestampPrefix string        `yaml:"timestamp_prefix"`
	TimestampUnit   string        `yaml:"timestamp_unit"`
	Tolerance       time.Duration `yaml:"tolerance"`

	At Positions
}

// Fallback is a target for messages that RCS cannot deliver: an SMS provider, or
// a catch hook of a no-code tool.
type Fallback struct {
	URL    string `yaml:"url"`
	Secret Secret `yaml:"secret"` // of Standard Webhooks: whsec_ and base64

	At Positions
}

// file is what [File] looks like in YAML.
type file struct {
	Agents  map[string]agentEntry `yaml:"agents"`
	Sources map[string]Source     `yaml:"sources"`
}

type agentEntry struct {
	ID          Secret    `yaml:"id"`
	Credentials Secret    `yaml:"credentials"`
	Region      string    `yaml:"region"`
	Traffic     string    `yaml:"traffic"`
	TTL         string    `yaml:"ttl"`
	Pace        string    `yaml:"messages_per_second"`
	Countries   []string  `yaml:"countries"`
	Fallback    *Fallback `yaml:"fallback"`

	At Positions
}

// ParseFile reads rcshook.yaml. Name is how its problems call it.
//
// The error is an [*Error] with every fault that can be told without knowing the
// presets and the mapping language; package source finds the others. What could be
// read is returned all the same, so that both can be reported at once.
func ParseFile(name string, data []byte) (File, error) {
	var raw file
	r := fileReader{problems: DecodeYAML(name, data, &raw)}
	f := File{Agents: make(map[string]Agent), Sources: make(map[string]Source)}
	for _, key := range slices.Sorted(maps.Keys(raw.Agents)) {
		a := raw.Agents[key]
		a.At = a.At.orAt(name, "agents."+key)
		f.Agents[key] = r.agent(a)
	}
	for _, key := range slices.Sorted(maps.Keys(raw.Sources)) {
		s := raw.Sources[key]
		s.Name, s.At = key, s.At.orAt(name, "sources."+key)
		f.Sources[key] = r.source(s)
	}
	if len(r.problems) > 0 {
		return f, &Error{r.problems}
	}
	return f, nil
}

// With returns c with what the file says. The error is an [*Error].
func (c Config) With(name string, f File) (Config, error) {
	var problems []Problem
	agents := maps.Clone(c.Agents)
	for key, a := range f.Agents {
		if _, ok := agents[key]; ok {
			problems = append(problems, Position{File: name, Path: "agents." + key}.Problemf("is described by %s too: keep one of the two", envAgentID))
		}
		agents[key] = a
	}
	if _, ok := agents[DefaultAgent]; !ok {
		problems = append(problems, Position{File: name, Path: "agents"}.Problemf("has no agent called %s: describe it here, or set %s", DefaultAgent, envAgentID))
	}
	for _, key := range slices.Sorted(maps.Keys(f.Sources)) {
		if s := f.Sources[key]; s.Queue != "" && s.Queue != NoQueue && c.QueueAccount == "" {
			problems = append(problems, s.At.Of("queue").Problemf("names a queue, and %s and %s are not set: the queue has to know where to send its tasks, and as whom", envURL, envQueueAccount))
		}
	}
	if len(problems) > 0 {
		return c, &Error{problems}
	}
	c.Agents, c.Sources = agents, f.Sources
	return c, nil
}

type fileReader struct{ problems []Problem }

func (r *fileReader) fault(at Position, format string, args ...any) {
	r.problems = append(r.problems, at.Problemf(format, args...))
}

// agent reads an agent by the rules of the environment, where the same settings
// have longer names.
func (r *fileReader) agent(e agentEntry) Agent {
	names := map[string]string{
		envAgentID: "id", envCredentials: "credentials", envRegion: "region", envTraffic: "traffic", envTTL: "ttl",
		envPace: "messages_per_second",
	}
	settings := reader{values: map[string]string{
		envAgentID: string(e.ID), envCredentials: string(e.Credentials), envRegion: e.Region, envTraffic: e.Traffic, envTTL: e.TTL,
		envPace: e.Pace,
	}}
	a := Agent{
		ID:          settings.agentID(),
		Credentials: settings.credentials(),
		Region:      settings.region(),
		Traffic:     settings.traffic(),
		TTL:         settings.duration(envTTL, MaxTTL, "RCS keeps a message for at most 15 days"),

		MessagesPerSecond: settings.pace(),
	}
	for _, f := range settings.problems {
		for long, short := range names {
			f.Detail = strings.ReplaceAll(f.Detail, long, short)
		}
		f.Position = e.At.Of(names[f.Path])
		r.problems = append(r.problems, f)
	}
	a.Countries = r.countries(e.Countries, e.At.Of("countries"))
	a.Fallback = r.fallback(e.Fallback)
	return a
}

// sourceName reports whether a name may stand in a path and in a log.
func sourceName(name string) bool {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	return name != "" && len(name) <= 64 && strings.Contains(letters, name[:1]) && strings.Trim(name, letters+"-_") == ""
}

func (r *fileReader) source(s Source) Source {
	if !sourceName(s.Name) {
		r.fault(s.At[""], "is the end of an address, /hooks/NAME: use at most 64 letters, digits, - and _")
	}
	if s.Preset == "" && s.Scheme.Type == "" {
		r.fault(s.At.Of("preset"), "is missing: name the sender, such as stripe, or bearer for a token in a header")
	}
	for i, secret := range s.Secrets {
		if secret == "" {
			r.fault(s.At.Of("secret"), "is empty (the value number %d)", i+1)
		}
	}
	switch s.Profile {
	case "", "soft", "strict":
	default:
		r.fault(s.At.Of("profile"), "must be soft or strict")
	}
	if s.URL != "" {
		if problem := checkURL(s.URL); problem != "" {
			r.fault(s.At.Of("url"), "%s", problem)
		}
	}
	s.Country = r.country(s.Country, s.At.Of("country"))
	s.Countries = r.countries(s.Countries, s.At.Of("countries"))
	s.Fallback = r.fallback(s.Fallback)
	switch s.Queue {
	case "":
	case NoQueue, "false", "no", "off":
		s.Queue = NoQueue
	default:
		if problem := checkQueue(s.Queue); problem != "" {
			r.fault(s.At.Of("queue"), "%s; or none, to send at once", problem)
		}
	}
	return s
}

// countries reads an allow-list. One that is there and empty would allow nothing
// or everything, depending on who reads it.
func (r *fileReader) countries(list []string, at Position) []string {
	if list != nil && len(list) == 0 {
		r.fault(at, "is empty: name the countries that may be sent to, or leave it out to allow all")
	}
	var checked []string
	for _, c := range list {
		checked = append(checked, r.country(c, at))
	}
	return checked
}

func (r *fileReader) country(text string, at Position) string {
	settings := reader{values: map[string]string{envCountry: text}}
	country := settings.country()
	for _, f := range settings.problems {
		r.fault(at, "%s", f.Detail)
	}
	return country
}

func (r *fileReader) fallback(f *Fallback) *Fallback {
	if f == nil {
		return nil
	}
	switch problem := checkURL(f.URL); {
	case f.URL == "":
		r.fault(f.At.Of("url"), "is missing: it gets what RCS cannot deliver")
	case problem != "":
		r.fault(f.At.Of("url"), "%s", problem)
	}
	if f.Secret == "" {
		r.fault(f.At.Of("secret"), "is missing: the target proves with it that a request is ours; make one with %s", secretRecipe)
	}
	return f
}

// secretRecipe makes a secret of Standard Webhooks.
const secretRecipe = `echo "whsec_$(openssl rand -base64 32)"`

// checkURL tells what is wrong with an address that requests go to or come from.
func checkURL(text string) string {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https":
		return "must be a URL such as https://example.com/path"
	case u.User != nil || u.Fragment != "":
		return "must be a URL without a user and a fragment"
	case u.Scheme == "http" && !IsLoopback(text):
		return "must begin with https:// unless it is on this machine (localhost)"
	}
	return ""
}

// String names the source, and no more: printing it shows no secret.
func (s Source) String() string { return fmt.Sprintf("source %s", s.Name) }

// Join makes one error of several: of the problems of all, where they have any, and
// else of the errors themselves.
func Join(errs ...error) error {
	var problems []Problem
	var collect func(error)
	collect = func(err error) {
		switch e := err.(type) { //nolint:errorlint // each is unwrapped below
		case nil:
		case *Error:
			problems = append(problems, e.Problems...)
		case interface{ Unwrap() []error }:
			for _, inner := range e.Unwrap() {
				collect(inner)
			}
		}
	}
	joined := errors.Join(errs...)
	if collect(joined); len(problems) > 0 {
		return &Error{problems}
	}
	return joined
}
