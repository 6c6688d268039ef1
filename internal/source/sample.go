package source

import (
	"errors"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/rcshook/rcshook/internal/config"
)

// Sample returns the sample event of the preset as its sender would post it, not
// yet signed. The ID tells it from others like it. Without a sample it is nil.
func (s *Source) Sample(id string) *Request {
	body := s.preset.file("sample")
	if body == nil {
		return nil
	}
	r := &Request{
		Method: http.MethodPost, Query: s.preset.Sample.Query, Header: make(http.Header),
		Body: []byte(fill(string(body), id)),
	}
	r.Header.Set("Content-Type", "application/json")
	for _, name := range slices.Sorted(maps.Keys(s.preset.Sample.Header)) {
		r.Header.Set(name, fill(s.preset.Sample.Header[name], id))
	}
	return r
}

// Sign signs r as the sender would that has the secret. The senders with Google's
// tokens cannot be stood in for: see [Issuer].
func (s *Source) Sign(r *Request, secret []byte, now time.Time) error {
	return s.scheme.sign(r, secret, now)
}

// Google reports whether the sender has ID tokens of Google.
func (s *Source) Google() bool {
	_, ok := s.scheme.(*google)
	return ok
}

// Pair makes secrets for a rehearsal: what the source has, and what its sender has.
// They are the same but for public keys.
func (s *Source) Pair() (receiver, sender []byte) { return s.scheme.pair() }

// About says in a few words who the sender is.
func (s *Source) About() string { return s.preset.About }

// Example is an entry of the file for a preset, with its sample mapping.
func Example(name string) (config.Source, error) {
	p, err := loadPreset(name)
	if err != nil {
		return config.Source{}, err
	}
	if p.name == "" {
		return config.Source{}, errors.New("a preset has a name")
	}
	return config.Source{Name: name, Preset: name, Map: config.Program{Text: string(p.file("map"))}}, nil
}

// PairOf makes keys for an algorithm of signatures: the public one and the private one,
// or the same secret twice.
func PairOf(name string) (receiver, sender []byte) {
	a, ok := newAlgorithm(name, false)
	if !ok {
		panic("source: there is no algorithm " + name)
	}
	return a.pair()
}
