package target

import (
	"maps"
	"slices"

	"github.com/rcshook/rcshook/internal/config"
)

// Directory holds the targets of a configuration.
type Directory struct {
	// Events are the targets of events, by name.
	Events map[string]*Target

	// Fallbacks are the fallbacks of agents and sources.
	Fallbacks map[*config.Target]*Target

	// Lookups are the targets that know who opted out.
	Lookups map[*config.Target]*Target
}

// Open compiles the targets of events, fallbacks, and lookups. The error is a [*config.Error] with
// every problem in them.
func Open(events map[string]*config.Target, fallbacks, lookups []*config.Target, o Options) (*Directory, error) {
	d := &Directory{Events: make(map[string]*Target), Fallbacks: make(map[*config.Target]*Target), Lookups: make(map[*config.Target]*Target)}
	var problems, more []config.Problem
	for _, name := range slices.Sorted(maps.Keys(events)) {
		d.Events[name], more = New(events[name], o)
		problems = append(problems, more...)
	}
	for _, lookup := range lookups {
		d.Lookups[lookup], more = New(lookup, o)
		problems = append(problems, more...)
	}
	o.Fallback = true
	for _, fallback := range fallbacks {
		d.Fallbacks[fallback], more = New(fallback, o)
		problems = append(problems, more...)
	}
	if len(problems) > 0 {
		return nil, &config.Error{Problems: problems}
	}
	return d, nil
}

// Close closes the idle connections.
func (d *Directory) Close() {
	for _, t := range d.Events {
		t.Close()
	}
	for _, t := range d.Fallbacks {
		t.Close()
	}
	for _, t := range d.Lookups {
		t.Close()
	}
}
