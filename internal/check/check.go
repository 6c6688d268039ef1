// Package check checks rcshook.yaml without a deployment: its settings and programs, the
// messages that its sources make of events, and its targets on samples of events. It reads
// no files and no secrets, and makes no requests.
package check

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/events"
	"github.com/rcshook/rcshook/internal/optout"
	"github.com/rcshook/rcshook/internal/phonenumber"
	"github.com/rcshook/rcshook/internal/prepare"
	"github.com/rcshook/rcshook/internal/source"
	"github.com/rcshook/rcshook/internal/target"
)

// Settings are those of a function besides its file.
type Settings struct {
	// Environ has the settings of a deployment. Without one, it is nil.
	Environ []string

	// Country, Queue and AllowPremiumNumbers are those of a function without a deployment;
	// see [config.Config].
	Country, Queue      string
	AllowPremiumNumbers bool

	// Traffic is the traffic type of messages that get none from the file, for warnings only.
	Traffic string
}

// File is rcshook.yaml together with the settings of the function.
type File struct {
	config.File

	// Sources are sorted by name.
	Sources []*source.Source

	settings Settings
	config   config.Config
	targets  *target.Directory
}

// New returns a file that is already parsed, without its sources and targets, so that their
// messages can be checked.
func New(parsed config.File, s Settings) *File {
	f := &File{File: parsed, settings: s, config: config.Config{
		Agents: parsed.Agents, Sources: parsed.Sources, Country: s.Country, Queue: s.Queue, AllowPremiumNumbers: s.AllowPremiumNumbers,
	}}
	f.complete()
	return f
}

// complete adds what a deployment has without a setting.
func (f *File) complete() {
	if f.NeedsQueue() {
		f.config.Queue = cmp.Or(f.config.Queue, "unknown")
	}
	agents := map[string]config.Agent{config.DefaultAgent: {}} // that of the environment
	maps.Copy(agents, f.config.Agents)
	f.config.Agents = agents
}

// Phone returns the options of phone numbers.
func (f *File) Phone() phonenumber.Options {
	return phonenumber.Options{Country: f.config.Country, Countries: f.config.AllCountries()}
}

// Open parses a file and compiles its programs. Problems refer to the file by name. The error
// is a [*config.Error] with every problem.
func Open(name string, data []byte, s Settings) (*File, error) {
	parsed, err := config.ParseFile(name, data)
	f := New(parsed, s)
	var deployErr, brandErr error
	if s.Environ != nil {
		if f.config, deployErr = config.FromEnviron(s.Environ); deployErr == nil {
			f.config, deployErr = f.config.With(name, parsed)
		}
		f.config.Sources = parsed.Sources
		f.complete()
	}
	if f.config.Brands == nil { // not deployed
		brandErr = f.config.SetBrands(parsed)
	}
	sources, sourceErr := source.Open(parsed.Sources, source.Options{Agents: slices.Sorted(maps.Keys(f.config.Agents)), Phone: f.Phone()})
	_, optOutErr := optout.Open(optout.Options{Brands: f.config.Brands})
	var targetErr error
	f.targets, targetErr = target.Open(parsed.Events, parsed.Fallbacks(), f.config.Lookups(), target.Options{Now: time.Now, Strict: true, Phone: f.Phone()})
	if err := config.Join(err, deployErr, sourceErr, targetErr, brandErr, optOutErr); err != nil {
		return nil, err
	}
	f.Sources = sources.All()
	return f, nil
}

// Finding is a problem of a file that is valid. At is the zero value if it has no place in the file.
type Finding struct {
	At     config.Position
	Detail string
}

func (f Finding) String() string {
	if at := f.At.String(); at != "" {
		return at + ": " + f.Detail
	}
	return f.Detail
}

// exampleWord matches a word in the URL of a fallback that a recipe leaves to the user, such as
// ACCOUNT_SID.
var exampleWord = regexp.MustCompile(`\b[A-Z]+(?:_[A-Z]+)+\b`)

// setsTraffic matches a map that probably sets the traffic type: by its name, or by otp.
var setsTraffic = regexp.MustCompile(`traffic|\botp["']?\s*:`)

// Warnings returns the probable mistakes: events that no target gets, fallbacks that are too
// early, sources without a traffic type, and keys that are easy to guess.
func (f *File) Warnings() (warnings []Finding) {
	warn := func(at config.Position, detail string) { warnings = append(warnings, Finding{at, detail}) }
	hasToken := func(a config.Agent) bool { return len(a.WebhookTokens) > 0 }
	if f.settings.Environ != nil && len(f.Events) > 0 && f.config.WebhookToken == "" && !slices.ContainsFunc(slices.Collect(maps.Values(f.config.Agents)), hasToken) {
		warn(config.Position{}, "the targets of events get nothing, because no agent has a client token; use deploy.sh --events, or set RCSHOOK_WEBHOOK_TOKEN or webhook_token")
	}
	ids := make(map[string]string) // those in the file itself, by name
	for name, a := range f.config.Agents {
		if id, err := config.ParseAgentID(a.ID.Literal()); err == nil {
			ids[name] = id
		}
	}
	cfg := f.config
	cfg.Events = f.Events
	for _, detail := range cfg.EventWarnings(ids) {
		warn(config.Position{}, detail)
	}
	for _, t := range f.Fallbacks() {
		if t.After.Duration > 0 && t.After.Duration < 10*time.Second {
			warn(t.At.Of("after"), "many messages take some seconds to be delivered, so with less than 10 seconds the user may get both messages")
		}
		if word := exampleWord.FindString(t.URL.Literal()); word != "" {
			warn(t.At.Of("url"), word+" looks like a word of an example; replace it by your own value")
		}
	}
	for _, s := range f.Sources {
		agent := f.config.Agents[cmp.Or(s.Config.Agent, config.DefaultAgent)]
		traffic := cmp.Or(s.Config.Traffic, agent.Traffic, f.config.Traffic, f.settings.Traffic)
		if traffic == "" && !setsTraffic.MatchString(s.Config.Map.Text) {
			warn(s.Config.At.Of(""), "messages without a traffic type count as promotions, which people who replied STOP do not get; set traffic here or for the agent")
		}
	}
	for _, caller := range slices.Sorted(maps.Keys(f.Callers)) {
		var keys []byte // one per line; the name of a secret is long enough to be a key
		for _, key := range f.Callers[caller].Keys {
			keys = append(append(keys, key...), '\n')
		}
		for _, detail := range source.ParseKeys(keys).Warnings() {
			warn(f.Callers[caller].At.Of("key"), detail)
		}
	}
	return warnings
}

// Targets runs the programs of the targets on samples of the events that they want. It returns
// the problems, and the number of targets that have some. Nothing is posted.
func (f *File) Targets(ctx context.Context) (problems []Finding, failed int) {
	rehearsal := *f
	rehearsal.config.Agents = maps.Clone(f.config.Agents)
	for name, a := range rehearsal.config.Agents {
		a.Countries = nil // the number of the samples is in the US
		rehearsal.config.Agents[name] = a
	}
	run := func(name string, t *target.Target, settings *config.Target, samples []*events.Event) {
		types, at := make(map[string][]string), settings.At.Of("map") // by the problem
		if settings.Send.Text != "" {
			at = settings.At.Of("send")
		}
		for _, e := range samples {
			if err := rehearsal.target(ctx, t, settings, e); err != nil {
				types[err.Error()] = append(types[err.Error()], e.Type)
			}
		}
		for _, problem := range slices.Sorted(maps.Keys(types)) {
			all := types[problem]
			if len(all) > 4 {
				all = append(all[:3], fmt.Sprintf("%d other types", len(all)-3))
			}
			detail := fmt.Sprintf("%s: a sample of %s: %s", name, strings.Join(all, ", "), strings.TrimSpace(problem))
			problems = append(problems, Finding{at, detail})
		}
		failed += min(len(types), 1)
	}
	now := time.Now()
	for _, name := range slices.Sorted(maps.Keys(f.Events)) {
		settings, agent := f.Events[name], config.DefaultAgent
		if len(settings.Agents) > 0 {
			agent = settings.Agents[0]
		}
		samples := slices.DeleteFunc(events.Samples(agent, "example_agent", "sample", now), func(e *events.Event) bool {
			return e.Type == "fallback" || !settings.Wants(e.Type, agent)
		})
		run(name, f.targets.Events[name], settings, samples)
	}
	for _, t := range f.Fallbacks() {
		sample := events.Sample("fallback", config.DefaultAgent, "example_agent", "sample", now)
		run(t.At.Of("").Path, f.targets.Fallbacks[t], t, []*events.Event{sample})
	}
	return problems, failed
}

// target runs the program of a target on an event.
func (f *File) target(ctx context.Context, t *target.Target, settings *config.Target, e *events.Event) error {
	event, err := json.Marshal(e)
	if err != nil {
		return err
	}
	if settings.Send.Text == "" {
		_, err := t.Body(ctx, event)
		return err
	}
	payloads, err := t.Payloads(ctx, event)
	if err != nil {
		return errors.Unwrap(err) // without the name of the target
	}
	for i, p := range payloads {
		in, from := prepare.Reply(p, settings.Name, e.Agent, e.Phone, e.ID, i)
		if _, err := f.prepare(in, from, time.Now()); err != nil {
			return err
		}
	}
	return nil
}
