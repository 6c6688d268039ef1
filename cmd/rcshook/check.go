package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/rcshook/rcshook/internal/compose"
	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/payload"
	"github.com/rcshook/rcshook/internal/source"
	"github.com/rcshook/rcshook/rbm"
)

// checkTime is the moment of all cases, so that they are the same tomorrow.
var checkTime = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// errDiffers means that some case did not come out as it should.
var errDiffers = errors.New("not all cases are as they should be")

var checkCommand = command{
	name:  "check",
	brief: "find every fault in rcshook.yaml, and run the cases of its sources",
	usage: `Usage:

	rcshook check [-update] [rcshook.yaml]

Finds every fault in the file, and runs the cases of its sources: events in
cases/SOURCE/NAME.json, or with headers in NAME.http, and the messages that they
become in NAME.want.json. No secret is read, and nothing sent.

	-update
		write what comes of each event into its .want.json
`,
	run: check,
}

// check reads rcshook.yaml and runs its cases. No secret is read, and nothing sent.
func check(ctx context.Context, args []string, ends streams) error {
	flags := newFlags("check")
	update := flags.Bool("update", false, "write what comes of each event into its .want.json")
	if err := parse(flags, args); err != nil {
		return err
	}
	name := "rcshook.yaml"
	switch flags.NArg() {
	case 0:
	case 1:
		name = flags.Arg(0)
	default:
		return usageError("check takes one file")
	}
	data, err := os.ReadFile(name)
	if errors.Is(err, os.ErrNotExist) && flags.NArg() == 0 {
		return errors.New("there is no rcshook.yaml in this folder: go to where it is, or name it, as in rcshook check path/to/rcshook.yaml")
	}
	if err != nil {
		return err
	}
	file, err := config.ParseFile(name, data)
	agents := append(slices.Sorted(maps.Keys(file.Agents)), config.DefaultAgent) // that of the environment
	sources, wrong := source.Open(file.Sources, source.Options{Agents: agents})
	if err := config.Join(err, wrong); err != nil {
		if e, ok := errors.AsType[*config.Error](err); ok {
			for _, p := range e.Problems {
				fmt.Fprintln(ends.out, p)
			}
			return fmt.Errorf("%s has %s", name, count(len(e.Problems), "problem"))
		}
		return err
	}
	c := checker{file: file, dir: filepath.Dir(name), update: *update, out: ends.out}
	for _, s := range sources.All() {
		if err := c.source(ctx, s); err != nil {
			return err
		}
	}
	fmt.Fprintf(ends.out, "%s: %s, %s, %s\n", name, count(len(file.Agents), "agent"), count(len(file.Sources), "source"), count(c.cases, "case"))
	stray := strays(c.dir, file.Sources)
	for _, fault := range stray {
		fmt.Fprintln(ends.out, fault)
	}
	switch {
	case c.failed > 0:
		return fmt.Errorf("%w: %d of %d", errDiffers, c.failed, c.cases)
	case len(stray) > 0:
		return fmt.Errorf("not all cases are run: %s without a source", count(len(stray), "place"))
	case c.cases == 0 && len(file.Sources) > 0:
		first := sources.All()[0]
		fmt.Fprintf(ends.out, "To test a mapping, put an event into %s, and run rcshook check -update %s\n",
			filepath.Join(casesOf(c.dir, first.Name, first.Config), "NAME.json"), name)
	}
	return nil
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// checker runs the cases of sources: NAME.json or NAME.http is an event,
// NAME.want.json the messages that it becomes.
type checker struct {
	file   config.File
	dir    string
	update bool
	out    io.Writer

	cases, failed int
}

func (c *checker) source(ctx context.Context, s *source.Source) error {
	folder, chosen := casesOf(c.dir, s.Name, s.Config), s.Config.Cases != ""
	entries, err := os.ReadDir(folder)
	if errors.Is(err, os.ErrNotExist) && !chosen {
		return nil
	}
	if err != nil {
		return err
	}
	ran := 0
	for _, e := range entries {
		name, kind, _ := strings.Cut(e.Name(), ".")
		switch kind {
		case "json", "http":
			ran++
			if err := c.event(ctx, s, folder, name, kind); err != nil {
				return err
			}
		case "want.json":
		default:
			return fmt.Errorf("%s is neither an event, NAME.json or NAME.http, nor what comes of one, NAME.want.json", filepath.Join(folder, e.Name()))
		}
	}
	if chosen && ran == 0 {
		return fmt.Errorf("%s has no event in it: add one as NAME.json, or with headers as NAME.http", folder)
	}
	return nil
}

func (c *checker) event(ctx context.Context, s *source.Source, folder, name, kind string) error {
	c.cases++
	fail := func(format string, args ...any) error {
		c.failed++
		fmt.Fprintf(c.out, "FAIL %s/%s: %s\n", s.Name, name, fmt.Sprintf(format, args...))
		return nil
	}
	event, err := os.ReadFile(filepath.Join(folder, name+"."+kind))
	if err != nil {
		return err
	}
	got, err := c.messages(ctx, s, event, kind)
	if err != nil {
		return fail("%v", err)
	}
	wanted := filepath.Join(folder, name+".want.json")
	if c.update {
		return os.WriteFile(wanted, got, 0o644) //nolint:gosec // not a secret
	}
	want, err := os.ReadFile(wanted)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return fail("there is no %s; -update writes it:\n%s", filepath.Base(wanted), got)
	case err != nil:
		return err
	}
	if difference := diff(indent(want), got); difference != "" {
		return fail("(- wanted, + got)\n%s", difference)
	}
	fmt.Fprintf(c.out, "ok   %s/%s\n", s.Name, name)
	return nil
}

// message is one message in a .want.json.
type message struct {
	To      []string        `json:"to"`
	Agent   string          `json:"agent,omitempty"`
	Message json.RawMessage `json:"message"`
}

// messages returns what comes of an event, as indented JSON.
func (c *checker) messages(ctx context.Context, s *source.Source, event []byte, kind string) ([]byte, error) {
	r, err := parseEvent(event, kind)
	if err != nil {
		return nil, err
	}
	received, err := s.Map(ctx, r, checkTime)
	if body := (*payload.BodyError)(nil); errors.As(err, &body) {
		return nil, unreadable(event, r.Body, body)
	}
	if mapping := (*source.MappingError)(nil); errors.As(err, &mapping) && mapping.Err != nil {
		return nil, fmt.Errorf("%s: %w", mapping.Detail, mapping.Err)
	}
	if err != nil {
		return nil, err
	}
	if received.Reply != nil {
		return indent(received.Reply), nil
	}
	all := []message{}
	for _, m := range received.Messages {
		made, err := c.compose(s, m)
		if err != nil {
			return nil, err
		}
		all = append(all, made)
	}
	text, err := json.Marshal(all)
	return indent(text), err
}

func (c *checker) compose(s *source.Source, m source.Message) (message, error) {
	p, err := payload.Decode(m.ContentType, m.Body, payload.Options{Country: s.Config.Country})
	if err != nil {
		return message{}, err
	}
	if p.Agent == "" {
		p.Agent = s.Config.Agent
	}
	name := p.Agent
	if name == "" {
		name = config.DefaultAgent
	}
	agent := c.file.Agents[name]
	composed, err := compose.Message(p, compose.Defaults{Traffic: rbm.TrafficType(agent.Traffic), TTL: agent.TTL}, checkTime)
	faults := payload.Errors(nil)
	for _, countries := range [][]string{s.Config.Countries, agent.Countries} {
		if len(countries) > 0 {
			faults = append(faults, payload.OutsideCountries(p.To, countries)...)
		}
	}
	if more := payload.Errors(nil); errors.As(err, &more) {
		faults = append(faults, more...)
	} else if err != nil {
		return message{}, err
	}
	if len(faults) > 0 {
		text := "the payload has faults:"
		for _, f := range faults {
			text += "\n  " + f.Pointer + ": " + f.Detail
		}
		return message{}, fmt.Errorf("%s\n%s", text, indent(m.Body))
	}
	made := message{Agent: p.Agent, Message: composed.Encoded}
	for _, to := range p.To {
		made.To = append(made.To, to.E164)
	}
	return made, nil
}

// indent makes JSON comparable, and leaves what is none.
func indent(text []byte) []byte {
	var v any
	d := json.NewDecoder(bytes.NewReader(text))
	if d.UseNumber(); d.Decode(&v) != nil {
		return text
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if e.Encode(v) != nil {
		return text
	}
	return b.Bytes()
}
