package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/rcshook/rcshook/internal/phonenumber"
)

// File is rcshook.yaml: more agents, the third parties whose webhooks become messages,
// targets of events, direct callers with limits, and how people opt out.
type File struct {
	Agents  map[string]Agent
	Sources map[string]Source
	Events  map[string]*Target
	Callers map[string]Caller
	Brands  map[string]*Brand

	// OptOut is that of the agents in no brand; may be nil.
	OptOut *OptOut
}

// Secrets returns the names of the secrets that the function reads because of the file,
// sorted: projects/PROJECT/secrets/SECRET.
func (f File) Secrets() []string {
	names := map[string]bool{}
	add := func(secrets ...Secret) {
		for _, s := range secrets {
			if s.IsResource() {
				name, _, _ := strings.Cut(string(s), "/versions/")
				names[name] = true
			}
		}
	}
	for _, a := range f.Agents {
		add(a.ID, a.Credentials)
		add(a.WebhookTokens...)
		add(a.Fallback.Secrets()...)
	}
	for _, s := range f.Sources {
		add(s.Secrets...)
		add(s.VerifyToken)
		add(s.Fallback.Secrets()...)
	}
	for _, t := range f.Events {
		add(t.Secrets()...)
	}
	for _, c := range f.Callers {
		add(c.Keys...)
	}
	for _, o := range f.optOuts() {
		add(o.Key)
		add(o.Store.Lookup.Secrets()...)
	}
	return slices.Sorted(maps.Keys(names))
}

// Generated returns the names of the client tokens and of the keys of opt-outs, sorted:
// the secrets that commands fill after the deployment.
func (f File) Generated() []string {
	var g File
	g.Agents, g.Brands = map[string]Agent{}, map[string]*Brand{}
	for name, a := range f.Agents {
		g.Agents[name] = Agent{WebhookTokens: a.WebhookTokens}
	}
	for i, o := range f.optOuts() {
		g.Brands[fmt.Sprint(i)] = &Brand{OptOut: &OptOut{Key: o.Key}}
	}
	return g.Secrets()
}

// Topics returns the names of the topics that the function publishes to because of the
// file, sorted: projects/PROJECT/topics/TOPIC.
func (f File) Topics() []string {
	names := map[string]bool{}
	for _, t := range slices.Concat(slices.Collect(maps.Values(f.Events)), f.Fallbacks()) {
		if t.Topic != "" {
			names[t.Topic] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// optOuts returns the opt-out settings of all brands.
func (f File) optOuts() []*OptOut {
	all := []*OptOut{f.OptOut}
	for _, b := range f.Brands {
		all = append(all, b.OptOut)
	}
	return slices.DeleteFunc(all, func(o *OptOut) bool { return o == nil })
}

// Stores returns the buckets in which the function keeps opt-outs because of the file,
// sorted: gs://BUCKET.
func (f File) Stores() []string {
	names := map[string]bool{}
	for _, o := range f.optOuts() {
		if bucket, ok := strings.CutPrefix(o.Store.Location, "gs://"); ok {
			bucket, _, _ = strings.Cut(bucket, "/")
			names["gs://"+bucket] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// Fallbacks returns the fallbacks of agents and sources.
func (f File) Fallbacks() []*Target {
	var all []*Target
	for _, name := range slices.Sorted(maps.Keys(f.Agents)) {
		all = append(all, f.Agents[name].Fallback)
	}
	for _, name := range slices.Sorted(maps.Keys(f.Sources)) {
		all = append(all, f.Sources[name].Fallback)
	}
	return slices.DeleteFunc(all, func(t *Target) bool { return t == nil })
}

// NeedsQueue reports whether a fallback has after, which needs a queue for messages.
func (f File) NeedsQueue() bool {
	return slices.ContainsFunc(f.Fallbacks(), func(t *Target) bool { return t.After != (After{}) })
}

// Source is a third party: how its requests are authenticated, and how its events
// become messages.
type Source struct {
	// Preset is the name of a known sender; see package source. If it is empty,
	// Scheme describes the sender.
	Preset string `yaml:"preset"`

	// Secrets are the sender's signing keys or tokens. All are valid, so that one
	// can be replaced without downtime.
	Secrets []Secret `yaml:"secret"`

	// Scheme overrides fields of the preset's scheme.
	Scheme Scheme `yaml:"scheme"`

	// URL is the public address of this source, for senders that sign it.
	URL string `yaml:"url"`

	// Audience and Emails are the required claims of Google ID tokens.
	Audience []string `yaml:"audience"`
	Emails   []string `yaml:"emails"`

	// Topics are the ARNs of the topics whose messages Amazon SNS may deliver.
	Topics []string `yaml:"topic"`

	// Map is a jq program that turns an event into payloads.
	Map Program `yaml:"map"`

	// EventID is a jq program that returns the ID of an event. It replaces that of
	// the preset.
	EventID Program `yaml:"event_id"`

	// Agent is the name of the agent for payloads that do not name one.
	Agent string `yaml:"agent"`

	// Traffic is the messageTrafficType of payloads that set none. If it is empty, it is
	// that of the agent.
	Traffic string `yaml:"traffic"`

	// Respond is a jq program that returns the response after the send. It replaces that of
	// the preset.
	Respond Program `yaml:"respond"`

	// Challenge replaces the challenge of the preset, and VerifyToken is the token in it.
	Challenge   Challenge `yaml:"challenge"`
	VerifyToken Secret    `yaml:"verify_token"`

	// Country is the default country of phone numbers in national format.
	Country string `yaml:"country"`

	// Countries are the countries that messages may be sent to. If it is empty, all
	// are allowed.
	Countries []string `yaml:"countries"`

	// Recipients are the phone numbers that messages may be sent to, in E.164. If it is
	// empty, all are allowed. Payloads without a recipient go to all of them.
	Recipients []string `yaml:"recipients"`

	// Profile is strict or soft; it defaults to soft.
	Profile string `yaml:"profile"`

	// Timeout is the time budget of a request. Zero means the default of the preset.
	Timeout time.Duration `yaml:"timeout"`

	// Fallback is the target for messages that RCS cannot deliver; may be nil.
	Fallback *Target `yaml:"fallback"`

	// Queue is the Cloud Tasks queue for messages of this source, or [NoQueue]. It
	// defaults to the queue of the function.
	Queue string `yaml:"queue"`

	// Cases is a folder, relative to the file, of sample events and the expected
	// messages. The command "rcshook check" runs them.
	Cases string `yaml:"cases"`

	// Name is the key of the source in the file. For a target that sends, it is events/
	// and the name of the target.
	Name string

	// At holds the position of each field.
	At Positions
}

// Challenge is the text in a GET request that a sender expects as the response, before it
// sends events.
type Challenge struct {
	Query string `yaml:"query"` // the query parameter with the text
	Token string `yaml:"token"` // the query parameter with the verify token; empty if there is none

	At Positions
}

// String returns the name only, so that printing a source shows no secret.
func (s Source) String() string { return fmt.Sprintf("source %s", s.Name) }

// Key returns the key of a message from an ID of the sender. It contains the name of the
// source, so that equal IDs of two senders give two messages. Direct calls, which have no
// source, use their keys as they are.
func (s Source) Key(id string) string {
	if s.Name == "" || id == "" {
		return id
	}
	return "hook\n" + s.Name + "\n" + id
}

// Scheme describes how requests are authenticated; package source documents the
// types.
type Scheme struct {
	Type            string        `yaml:"type"`
	Header          []string      `yaml:"header"`
	Prefix          string        `yaml:"prefix"`
	Separator       string        `yaml:"separator"`
	Algorithm       string        `yaml:"algorithm"`
	Encoding        string        `yaml:"encoding"`
	Key             string        `yaml:"key"`
	Content         string        `yaml:"content"`
	Items           string        `yaml:"items"`
	TimestampHeader string        `yaml:"timestamp_header"`
	TimestampPrefix string        `yaml:"timestamp_prefix"`
	TimestampUnit   string        `yaml:"timestamp_unit"`
	Tolerance       time.Duration `yaml:"tolerance"`

	At Positions
}

// agentEntry is an [Agent] in YAML.
type agentEntry struct {
	ID          Secret   `yaml:"id"`
	Credentials Secret   `yaml:"credentials"`
	Region      string   `yaml:"region"`
	Traffic     string   `yaml:"traffic"`
	TTL         string   `yaml:"ttl"`
	Rate        string   `yaml:"messages_per_second"`
	Countries   []string `yaml:"countries"`
	Fallback    *Target  `yaml:"fallback"`
	Tokens      []Secret `yaml:"webhook_token"`

	At Positions
}

// ParseFile parses rcshook.yaml. Problems refer to the file by name.
//
// The error is an [*Error] with every problem that can be found without the presets
// and jq; package source finds the others. The valid part of the file is returned
// together with an error, so that both packages can report at once.
func ParseFile(name string, data []byte) (File, error) {
	var raw struct {
		Agents  map[string]agentEntry `yaml:"agents"`
		Sources map[string]Source     `yaml:"sources"`
		Events  map[string]*Target    `yaml:"events"`
		Callers map[string]Caller     `yaml:"callers"`
		Brands  map[string]*Brand     `yaml:"brands"`
		OptOut  *OptOut               `yaml:"opt_out"`
	}
	r := fileReader{problems: DecodeYAML(name, data, &raw)}
	f := File{
		Agents: make(map[string]Agent), Sources: make(map[string]Source),
		Events: make(map[string]*Target), Callers: make(map[string]Caller), Brands: make(map[string]*Brand),
	}
	agents := slices.Sorted(maps.Keys(raw.Agents))
	if _, ok := raw.Agents[DefaultAgent]; !ok {
		agents = append(agents, DefaultAgent) // that of the environment
	}
	for _, key := range slices.Sorted(maps.Keys(raw.Agents)) {
		f.Agents[key] = r.agent(raw.Agents[key])
	}
	for _, key := range slices.Sorted(maps.Keys(raw.Sources)) {
		s := raw.Sources[key]
		s.Name = key
		f.Sources[key] = r.source(s)
	}
	for _, key := range slices.Sorted(maps.Keys(raw.Events)) {
		t := raw.Events[key]
		t.Name = key
		r.name(key, t.At[""], "")
		r.target(t, false)
		r.agents(t.At.Of("agents"), t.Agents, agents)
		f.Events[key] = t
	}
	for key, c := range raw.Callers {
		c.Name = key
		f.Callers[key] = c
	}
	for key, b := range raw.Brands {
		b.Name = key
		f.Brands[key] = b
	}
	r.brands(f.Brands)
	f.OptOut = r.optOut(raw.OptOut)
	r.callers(f.Callers, agents)
	if len(r.problems) > 0 {
		return f, &Error{onlyCauses(r.problems)}
	}
	return f, nil
}

// With returns c with the agents, sources, targets, callers and brands of f. The error is an [*Error].
func (c Config) With(name string, f File) (Config, error) {
	var r fileReader
	agents := maps.Clone(c.Agents)
	for key, a := range f.Agents {
		if _, ok := agents[key]; ok {
			r.problem(Position{File: name, Path: "agents." + key}, "is also described by %s; remove one of the two", envAgentID)
		}
		agents[key] = a
	}
	if _, ok := agents[DefaultAgent]; !ok {
		r.problem(Position{File: name, Path: "agents"}, "must include an agent named %s; add it, or set %s", DefaultAgent, envAgentID)
	}
	for _, key := range slices.Sorted(maps.Keys(f.Sources)) {
		if s := f.Sources[key]; s.Queue != "" && s.Queue != NoQueue && c.QueueAccount == "" {
			r.problem(s.At.Of("queue"), "needs %s and %s, which are not set: the address and the service account of the queue's tasks", envURL, envQueueAccount)
		}
	}
	for _, t := range f.Fallbacks() {
		if t.After != (After{}) && c.Queue == "" {
			r.problem(t.At.Of("after"), "needs %s, which is not set: the queue that keeps messages until then", envQueue)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(f.Agents)) {
		if len(f.Agents[key].WebhookTokens) > 0 && c.AllowUnauthenticated {
			r.problem(Position{File: name, Path: "agents." + key + ".webhook_token"}, tokenBehindIAM)
		}
	}
	events := make(map[string]*Target)
	maps.Copy(events, c.Events)
	for _, key := range slices.Sorted(maps.Keys(f.Events)) {
		t := f.Events[key]
		if _, ok := events[key]; ok {
			r.problem(t.At[""], "is also described by %s; rename it", envEventsURL)
		}
		events[key] = t
	}
	r.withCallers(&c, f.Callers)
	c.Agents = agents
	brandErr := c.SetBrands(f)
	if len(r.problems) > 0 || brandErr != nil {
		return c, Join(&Error{r.problems}, brandErr)
	}
	c.Sources, c.Events, c.Callers = f.Sources, events, f.Callers
	return c, nil
}

// fileReader checks the entries of a file and collects the problems with them.
type fileReader struct{ problems []Problem }

func (r *fileReader) problem(at Position, format string, args ...any) {
	r.problems = append(r.problems, at.Problemf(format, args...))
}

// agents checks that a list contains names of agents.
func (r *fileReader) agents(at Position, list, known []string) {
	for i, name := range list {
		if !slices.Contains(known, name) {
			r.problems = append(r.problems, unknown(at, Closest(name, known), fmt.Sprintf("contains an agent that is not configured (value %d)", i+1), "the agents are "+strings.Join(known, ", ")))
		}
	}
}

// agent checks an agent by the rules of the environment, where the same settings
// have longer names.
func (r *fileReader) agent(e agentEntry) Agent {
	names := map[string]string{
		envAgentID: "id", envCredentials: "credentials", envRegion: "region", envTraffic: "traffic", envTTL: "ttl",
		envRate: "messages_per_second",
	}
	settings := reader{values: map[string]string{
		envAgentID: string(e.ID), envCredentials: string(e.Credentials), envRegion: e.Region, envTraffic: e.Traffic, envTTL: e.TTL,
		envRate: e.Rate,
	}}
	a := Agent{
		ID:                settings.agentID(),
		Credentials:       settings.credentials(),
		Region:            settings.region(),
		Traffic:           settings.traffic(),
		TTL:               settings.ttl(),
		MessagesPerSecond: settings.rate(),
	}
	for _, p := range settings.problems {
		for long, short := range names {
			p.Detail = strings.ReplaceAll(p.Detail, long, short)
		}
		p.Position = e.At.Of(names[p.Path])
		r.problems = append(r.problems, p)
	}
	a.Countries = r.countries(e.Countries, e.At.Of("countries"))
	a.Fallback = r.fallback(e.Fallback, e.At)
	a.WebhookTokens = e.Tokens
	if e.Tokens != nil && len(e.Tokens) == 0 {
		r.problem(e.At.Of("webhook_token"), "is empty; set it to the client token, or remove it")
	}
	for i, token := range e.Tokens {
		if token == "" {
			r.problem(e.At.Of("webhook_token"), "is empty (value %d)", i+1)
		}
	}
	return a
}

// name checks the name of a source, a target or a caller.
func (r *fileReader) name(name string, at Position, purpose string) {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	if name == "" || len(name) > 64 || !strings.Contains(letters, name[:1]) || strings.Trim(name, letters+"-_") != "" {
		r.problem(at, "is not a valid name%s; use at most 64 letters, digits, - and _", purpose)
	}
}

func (r *fileReader) source(s Source) Source {
	r.name(s.Name, s.At[""], " for the path /hooks/NAME")
	for i, secret := range s.Secrets {
		if secret == "" {
			r.problem(s.At.Of("secret"), "is empty (value %d)", i+1)
		}
	}
	if s.Profile != "" && s.Profile != "soft" && s.Profile != "strict" && s.Profile != "all" {
		r.problem(s.At.Of("profile"), "must be soft, strict or all")
	}
	if s.URL != "" {
		if detail := checkURL(s.URL); detail != "" {
			r.problem(s.At.Of("url"), "%s", detail)
		}
	}
	if s.Traffic != "" {
		s.Traffic = r.trafficType(s.Traffic, s.At.Of("traffic"))
	}
	s.Country = r.country(s.Country, s.At.Of("country"))
	s.Countries = r.countries(s.Countries, s.At.Of("countries"))
	if s.Recipients != nil && len(s.Recipients) == 0 {
		r.problem(s.At.Of("recipients"), "is empty; list the phone numbers that messages may be sent to, or remove it to allow all")
	}
	for i, text := range s.Recipients {
		number, err := phonenumber.Read(text, phonenumber.Options{Country: s.Country})
		if err != nil {
			r.problem(s.At.Of("recipients"), "contains a value that is not a phone number in international format, such as +12025550123 (value %d)", i+1)
		}
		s.Recipients[i] = number
	}
	s.Fallback = r.fallback(s.Fallback, s.At)
	switch s.Queue {
	case "":
	case NoQueue, "false", "no", "off":
		s.Queue = NoQueue
	default:
		if !IsQueue(s.Queue) {
			r.problem(s.At.Of("queue"), "%s, or none to send directly", badQueue)
		}
	}
	return s
}

// countries checks an allowlist. An empty one is ambiguous: it could allow no country
// or all.
func (r *fileReader) countries(list []string, at Position) []string {
	if list != nil && len(list) == 0 {
		r.problem(at, "is empty; list the countries that messages may be sent to, or remove it to allow all")
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
	r.move(settings.problems, at)
	return country
}
