package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/events"
	"github.com/rcshook/rcshook/internal/prepare"
	targets "github.com/rcshook/rcshook/internal/target"
)

// literalIDs returns the agent IDs that are in the file itself, by name.
func literalIDs(agents map[string]config.Agent) map[string]string {
	ids := make(map[string]string)
	for name, a := range agents {
		if id, err := config.ParseAgentID(a.ID.Literal()); err == nil {
			ids[name] = id
		}
	}
	return ids
}

// targets runs the programs of the targets on samples of the events that they want, and
// returns the number of targets with problems. Nothing is posted.
func (c *checker) targets(ctx context.Context, d *targets.Directory) (failed int) {
	report := func(name string, problems map[string][]string) {
		for _, problem := range slices.Sorted(maps.Keys(problems)) {
			types := problems[problem]
			if len(types) > 4 {
				types = append(slices.Clone(types[:3]), fmt.Sprintf("%d other types", len(types)-3))
			}
			fmt.Fprintf(c.out, "FAIL %s: a sample of %s: %s\n", name, strings.Join(types, ", "), strings.TrimSpace(problem))
		}
		if len(problems) > 0 {
			failed++
		}
	}
	rehearsal := *c
	rehearsal.cfg.Agents = maps.Clone(c.cfg.Agents)
	for name, a := range rehearsal.cfg.Agents {
		a.Countries = nil // the number of the samples is in the US
		rehearsal.cfg.Agents[name] = a
	}
	now := time.Now()
	for _, name := range slices.Sorted(maps.Keys(d.Events)) {
		agent := config.DefaultAgent
		if only := c.file.Events[name].Agents; len(only) > 0 {
			agent = only[0]
		}
		problems := make(map[string][]string) // the types, by the problem
		for _, e := range events.Samples(agent, "example_agent", "sample", now) {
			if e.Type == "fallback" || !c.file.Events[name].Wants(e.Type, agent) {
				continue
			}
			if err := rehearsal.target(ctx, d.Events[name], c.file.Events[name], e); err != nil {
				problems[err.Error()] = append(problems[err.Error()], e.Type)
			}
		}
		report(name, problems)
	}
	for _, t := range c.file.Fallbacks() {
		problems := make(map[string][]string)
		e := events.Sample("fallback", config.DefaultAgent, "example_agent", "sample", now)
		if err := rehearsal.target(ctx, d.Fallbacks[t], t, e); err != nil {
			problems[err.Error()] = []string{e.Type}
		}
		report(t.At.Of("").Path, problems)
	}
	return failed
}

// target runs the program of a target on an event.
func (c *checker) target(ctx context.Context, t *targets.Target, settings *config.Target, e *events.Event) error {
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
		if _, err := c.prepareInput(in, from, time.Now()); err != nil {
			return err
		}
	}
	return nil
}
