package source

import (
	"cmp"
	"embed"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/rcshook/rcshook/internal/config"
)

// embedded holds a folder for each preset:
//
//	preset.yaml  the facts about the sender, see [preset]
//	sample.*     the body of an event in its documented shape, with our own values
//	map.jq       a mapping of that event; without it the sender sends our payloads
//
//go:embed presets
var embedded embed.FS

// preset holds the facts about a sender.
type preset struct {
	// Group is one of [Groups]. About and Docs are for people.
	Group string `yaml:"group"`
	About string `yaml:"about"`
	Docs  string `yaml:"docs"`

	Scheme config.Scheme `yaml:"scheme"`

	// Ping is a regular expression for unsigned bodies that the sender posts to test the
	// address. The response to them is 200. Named groups are the members of its body.
	Ping string `yaml:"ping"`

	// Challenge is in a GET request that the sender makes to test the address.
	Challenge config.Challenge `yaml:"challenge"`

	// Events is a program that returns the events of a body: several of a batch, none of a
	// ping. Without it the body is the event.
	Events config.Program `yaml:"events"`

	// EventID is a program that returns the same ID when an event is delivered again.
	EventID config.Program `yaml:"event_id"`

	// Reply is a program that returns the response body for requests that are not events.
	// Its variable $secret is the argument of hmac_sha256_hex.
	Reply config.Program `yaml:"reply"`

	// Respond is a program that returns the response after the send; see [Source.Respond].
	Respond config.Program `yaml:"respond"`

	// Phone is the path of the phone number in an event; empty if the event has none, or if
	// the user decides what the sender posts.
	Phone string `yaml:"phone"`

	// Payload means that the user decides what the sender posts, so that no mapping is
	// needed. Map is the default mapping, for payloads in an envelope. A preset with Events
	// or Reply always has a mapping.
	Payload bool           `yaml:"payload"`
	Map     config.Program `yaml:"map"`

	// MinorDigits are the currencies whose amounts the sender writes with other digits than
	// ISO 4217; see [mapping.Options].
	MinorDigits map[string]int `yaml:"minor_digits"`

	Response responseRules `yaml:"response"`
	Sample   sample        `yaml:"sample"`

	name string
}

// responseRules are the requirements of a sender for responses.
type responseRules struct {
	// Timeout is the time budget of a request, below the timeout of the sender.
	Timeout time.Duration `yaml:"timeout"`

	// Status maps statuses that the sender misinterprets to others.
	Status map[string]int `yaml:"status"`

	// Profile is the profile of a source that sets none; soft by default. With strict, the
	// sender learns that a message was refused.
	Profile string `yaml:"profile"`

	// Empty means that a 200 has no body, because the sender would show it.
	Empty bool `yaml:"empty"`

	// Handshake accepts OPTIONS requests of the abuse protection of CloudEvents.
	Handshake bool `yaml:"handshake"`
}

// sample is the rest of the request with the sample event.
type sample struct {
	Header map[string]string `yaml:"header"`
	Query  string            `yaml:"query"`
}

// Groups are the groups of presets, in the order of lists.
var Groups = []string{"sign-in", "shop", "payment", "calendar", "form", "delivery", "alert", "support", "developer", "google", "any"}

// Description describes a preset for lists.
type Description struct {
	Name  string `json:"name"`
	Group string `json:"group"`
	About string `json:"about"`
}

// Describe returns the descriptions of the presets, sorted by name.
func Describe() (all []Description) {
	for _, name := range Presets() {
		p, _ := loadPreset(name)
		all = append(all, Description{name, p.Group, p.About})
	}
	return all
}

// Grouped returns the names of the presets of each group.
func Grouped() map[string][]string {
	grouped := make(map[string][]string)
	for _, d := range Describe() {
		grouped[d.Group] = append(grouped[d.Group], d.Name)
	}
	return grouped
}

// Presets returns the names of the presets, sorted.
func Presets() []string {
	entries, err := fs.ReadDir(embedded, "presets")
	if err != nil {
		panic("source: " + err.Error()) // the folder is embedded
	}
	var names []string
	for _, e := range entries {
		if e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names
}

// loadPreset reads a preset. The preset with an empty name has no facts.
func loadPreset(name string) (p preset, ok bool) {
	if name == "" {
		return preset{Payload: true}, true
	}
	file := path.Join("presets", name, "preset.yaml")
	data, err := fs.ReadFile(embedded, file)
	if err != nil || strings.ContainsAny(name, "./") {
		return preset{}, false
	}
	if problems := config.DecodeYAML(file, data, &p); len(problems) > 0 {
		panic("source: " + problems[0].String()) // the file is embedded
	}
	p.name = name
	return p, true
}

// file returns the file of a preset with that name before the extension, or nil.
func (p preset) file(stem string) []byte {
	matches, err := fs.Glob(embedded, path.Join("presets", p.name, stem+".*"))
	if err != nil || len(matches) != 1 {
		return nil
	}
	data, err := fs.ReadFile(embedded, matches[0])
	if err != nil {
		panic("source: " + err.Error()) // Glob found it
	}
	return data
}

// override returns base with the fields that s sets. A scheme of another type replaces
// base.
func override(base, s config.Scheme) config.Scheme {
	if s.Type != "" && s.Type != base.Type {
		return s
	}
	if s.At != nil {
		base.At = s.At
	}
	base.Prefix = cmp.Or(s.Prefix, base.Prefix)
	base.Separator = cmp.Or(s.Separator, base.Separator)
	base.Algorithm = cmp.Or(s.Algorithm, base.Algorithm)
	base.Encoding = cmp.Or(s.Encoding, base.Encoding)
	base.Key = cmp.Or(s.Key, base.Key)
	base.Content = cmp.Or(s.Content, base.Content)
	base.TimestampHeader = cmp.Or(s.TimestampHeader, base.TimestampHeader)
	base.TimestampPrefix = cmp.Or(s.TimestampPrefix, base.TimestampPrefix)
	base.TimestampUnit = cmp.Or(s.TimestampUnit, base.TimestampUnit)
	base.Tolerance = cmp.Or(s.Tolerance, base.Tolerance)
	base.Items = cmp.Or(s.Items, base.Items)
	if s.Header != nil {
		base.Header = s.Header
	}
	return base
}

// Sample returns the unsigned request of the sender with its sample event, or nil if there
// is none. The ID makes the event unique.
func (s *Source) Sample(id string) *Request {
	body := s.preset.file("sample")
	if body == nil {
		return nil
	}
	setID := strings.NewReplacer("{{id}}", id).Replace
	r := &Request{
		Method: http.MethodPost, Query: s.preset.Sample.Query, Body: []byte(setID(string(body))),
		Header: http.Header{"Content-Type": {"application/json"}},
	}
	for name, value := range s.preset.Sample.Header {
		r.Header.Set(name, setID(value))
	}
	return r
}

// Example returns an entry of rcshook.yaml for a preset: its sample mapping, and examples
// of the other settings that its sender requires.
func Example(name, project string) (config.Source, error) {
	p, ok := loadPreset(name)
	if !ok || name == "" {
		return config.Source{}, fmt.Errorf("unknown preset %q", name)
	}
	c := config.Source{Name: name, Preset: name, Map: config.Program{Text: string(p.file("map"))}}
	const address = "https://rcshook.example.com/hooks/"
	if signsURL(p.Scheme) {
		c.URL = address + name
	}
	if !coversBody(p.Scheme) {
		c.Recipients = []string{"+12025550123"}
	}
	if p.Challenge.Token != "" {
		c.VerifyToken = config.Secret("projects/" + project + "/secrets/" + name + "-verify-token")
	}
	switch p.Scheme.Type {
	case "sns":
		c.Topics = []string{"arn:aws:sns:us-east-1:123456789012:alerts"}
	case "google-oidc":
		c.Audience, c.Emails = []string{address + name}, []string{"caller@" + project + ".iam.gserviceaccount.com"}
	default:
		c.Secrets = []config.Secret{config.Secret("projects/" + project + "/secrets/" + name + "-hook")}
	}
	return c, nil
}
