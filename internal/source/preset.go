package source

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rcshook/rcshook/internal/config"
)

// Presets are data: a folder for each sender.
//
//	preset.yaml  what is known of it, see [preset]
//	sample.*     the body of an event in its documented shape, in our words
//	map.jq       a mapping of that event; without it the sender sends payloads of ours
//
//go:embed presets
var embedded embed.FS

// preset is what is known of a sender.
type preset struct {
	// About and Docs are for people.
	About string `yaml:"about"`
	Docs  string `yaml:"docs"`

	// Scheme is how the sender proves who it is.
	Scheme config.Scheme `yaml:"scheme"`

	// Ping is a regular expression for bodies that the sender posts unsigned to
	// see whether anybody is there. They are answered with 200 and nothing more.
	Ping string `yaml:"ping"`

	// Events makes events of a body: several of a batch, none of a ping. Without
	// it the body is the event.
	Events config.Program `yaml:"events"`

	// EventID finds in an event what is the same when it is delivered again.
	EventID config.Program `yaml:"event_id"`

	// Reply makes the answer to requests that want a certain one.
	Reply config.Program `yaml:"reply"`

	// Payload says that the sender can be told what to send, so that a mapping
	// is not needed. Map is the mapping of those who have none, where the payload
	// travels in an envelope.
	Payload bool           `yaml:"payload"`
	Map     config.Program `yaml:"map"`

	Answer answer `yaml:"answer"`
	Sample sample `yaml:"sample"`

	name string
}

// answer is what a sender needs of answers.
type answer struct {
	// Timeout is the budget of a request, below the sender's own.
	Timeout time.Duration `yaml:"timeout"`

	// Status replaces statuses that the sender takes the wrong way.
	Status map[string]int `yaml:"status"`

	// Handshake answers OPTIONS by the abuse protection of CloudEvents.
	Handshake bool `yaml:"handshake"`
}

// sample is how a sample event travels.
type sample struct {
	Header map[string]string `yaml:"header"`
	Query  string            `yaml:"query"`
}

// Presets returns the names of the presets, sorted.
func Presets() []string {
	entries, err := fs.ReadDir(embedded, "presets")
	if err != nil {
		panic("source: " + err.Error()) // decided at build time
	}
	var names []string
	for _, e := range entries {
		if e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names
}

// errNoPreset means that no preset has that name.
var errNoPreset = errors.New("no such preset")

// loadPreset reads a preset. An empty name is one that knows nothing.
func loadPreset(name string) (preset, error) {
	if name == "" {
		return preset{Payload: true}, nil
	}
	if !slices.Contains(Presets(), name) {
		return preset{}, errNoPreset
	}
	p := preset{name: name}
	file := path.Join("presets", name, "preset.yaml")
	data, err := fs.ReadFile(embedded, file)
	if err != nil {
		return p, err
	}
	if faults := config.DecodeYAML(file, data, &p); len(faults) > 0 {
		return p, &config.Error{Problems: faults}
	}
	return p, nil
}

// statuses returns the replacements of statuses.
func (a answer) statuses() (map[int]int, error) {
	m := make(map[int]int, len(a.Status))
	for from, to := range a.Status {
		n, err := strconv.Atoi(from)
		if err != nil {
			return nil, fmt.Errorf("%q is no status", from)
		}
		m[n] = to
	}
	return m, nil
}

// file returns the file of a preset that has the given stem, or nothing.
func (p preset) file(stem string) []byte {
	matches, err := fs.Glob(embedded, path.Join("presets", p.name, stem+".*"))
	if err != nil || len(matches) != 1 {
		return nil
	}
	data, err := fs.ReadFile(embedded, matches[0])
	if err != nil {
		panic("source: " + err.Error()) // it was there a moment ago
	}
	return data
}

// over returns the preset's scheme with the fields that s sets.
func over(base, s config.Scheme) config.Scheme {
	if s.Type != "" && s.Type != base.Type {
		return s // another scheme has nothing of this one
	}
	if s.At == nil {
		s.At = base.At
	}
	base.At = s.At
	for _, f := range []struct{ to, from *string }{
		{&base.Prefix, &s.Prefix},
		{&base.Separator, &s.Separator},
		{&base.Algorithm, &s.Algorithm},
		{&base.Encoding, &s.Encoding},
		{&base.Key, &s.Key},
		{&base.Content, &s.Content},
		{&base.TimestampHeader, &s.TimestampHeader},
		{&base.TimestampPrefix, &s.TimestampPrefix},
		{&base.TimestampUnit, &s.TimestampUnit},
	} {
		if *f.from != "" {
			*f.to = *f.from
		}
	}
	if s.Header != nil {
		base.Header = s.Header
	}
	if s.Tolerance != 0 {
		base.Tolerance = s.Tolerance
	}
	return base
}

// fill puts an ID in the place of {{id}} in a sample.
func fill(text, id string) string { return strings.ReplaceAll(text, "{{id}}", id) }
