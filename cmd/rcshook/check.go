package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/diff"

	"github.com/rcshook/rcshook/internal/charset"
	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/doctor"
	"github.com/rcshook/rcshook/internal/optout"
	"github.com/rcshook/rcshook/internal/payload"
	"github.com/rcshook/rcshook/internal/phonenumber"
	"github.com/rcshook/rcshook/internal/prepare"
	"github.com/rcshook/rcshook/internal/source"
	targets "github.com/rcshook/rcshook/internal/target"
	"github.com/rcshook/rcshook/internal/typo"
	"github.com/rcshook/rcshook/rbm"
)

// caseTime returns the time of a case, which does not change: that of its header Date, or
// the start of 2026.
func caseTime(r *source.Request) time.Time {
	if date, err := http.ParseTime(r.Header.Get("Date")); err == nil {
		return date
	}
	return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
}

var checkCommand = command{
	name:    "check",
	summary: "check rcshook.yaml and run the cases of its sources",
	help: `Usage:

	rcshook check [-update] [-env FILE] [-agents] [-secrets] [-generated] [-topics] [-buckets] [rcshook.yaml]

Reports every error in the file, warns of events that no target gets, of sources without a
traffic type and of keys that are easy to guess, and runs the cases of its sources: events in
cases/SOURCE/NAME.json, or with headers in NAME.http, and the messages that they become in
NAME.want.json. It also maps each event without each of its fields, and reports texts in which
a missing value became the word null. The targets of events get a sample of each event that
they want. It reads no secrets and sends nothing. Set RCSHOOK_QUEUE if the function has it, so
that messages can be scheduled.

	-update
		write the result of each event to its .want.json, and name the events that become
		no message
	-env FILE
		check the file together with the settings of a deployment: lines NAME=value, or
		the output of "gcloud run services describe NAME --format=json"; - is standard
		input
	-agents
		list the agents that the file describes, and run no cases; a deployment needs
		RCSHOOK_AGENT_ID if default is not among them
	-secrets
		list the secrets that the function needs access to, and run no cases
	-generated
		list the secrets of webhook_token and opt_out.key, which rcshook webhook set and
		rcshook optouts init fill, and run no cases
	-topics
		list the Pub/Sub topics that it publishes to, and run no cases
	-buckets
		list the Cloud Storage buckets in which it keeps opt-outs, and run no cases
`,
	run: check,
}

func check(ctx context.Context, args []string, std stdio) error {
	flags := newFlags("check")
	update := flags.Bool("update", false, "")
	env := flags.String("env", "", "")
	agents := flags.Bool("agents", false, "")
	secrets := flags.Bool("secrets", false, "")
	generated := flags.Bool("generated", false, "")
	topics := flags.Bool("topics", false, "")
	buckets := flags.Bool("buckets", false, "")
	if err := parse(flags, args); err != nil {
		return err
	}
	name := "rcshook.yaml"
	switch flags.NArg() {
	case 0:
	case 1:
		name = flags.Arg(0)
	default:
		return usageError(fmt.Sprintf("expected one file, got %d", flags.NArg()))
	}
	data, err := readFile(name)
	if errors.Is(err, os.ErrNotExist) && flags.NArg() == 0 {
		return errors.New("rcshook.yaml does not exist in this folder: change to its folder, or name it, as in rcshook check path/to/rcshook.yaml")
	}
	if err != nil {
		return err
	}
	file, err := config.ParseFile(name, data)
	cfg := caseConfig(file)
	var deployErr error
	if *env != "" {
		environ, _, err := (&settingsFlags{env: *env}).environ(ctx, std.in)
		if err != nil {
			return err
		}
		if cfg, deployErr = config.FromEnviron(environ); deployErr == nil {
			cfg, deployErr = cfg.With(name, file)
		}
		cfg.Sources = file.Sources
	}
	completeConfig(&cfg, file)
	sources, wrong := source.Open(file.Sources, source.Options{
		Agents: slices.Sorted(maps.Keys(cfg.Agents)),
		Phone:  phonenumber.Options{Country: cfg.Country, Countries: cfg.AllCountries()},
	})
	var brandErr error
	if cfg.Brands == nil { // not deployed
		brandErr = cfg.SetBrands(file)
	}
	_, optOutErr := optout.Open(optout.Options{Brands: cfg.Brands})
	opened, invalid := targets.Open(file.Events, file.Fallbacks(), cfg.Lookups(), targets.Options{
		Transport: rbm.NewTransport(), Now: time.Now, Strict: true,
		Phone: phonenumber.Options{Country: cfg.Country, Countries: cfg.AllCountries()},
	})
	if err := config.Join(err, deployErr, wrong, invalid, brandErr, optOutErr); err != nil {
		if e, ok := errors.AsType[*config.Error](err); ok {
			for _, p := range e.Problems {
				fmt.Fprintln(std.out, p)
			}
			return fmt.Errorf("%s has %s", name, count(len(e.Problems), "error"))
		}
		return err
	}
	var needed []string
	if *agents {
		needed = slices.Sorted(maps.Keys(file.Agents))
	}
	if *secrets {
		needed = append(needed, file.Secrets()...)
	}
	if *generated {
		needed = append(needed, file.Generated()...)
	}
	if *topics {
		needed = append(needed, file.Topics()...)
	}
	if *buckets {
		needed = append(needed, file.Stores()...)
	}
	for _, name := range needed {
		fmt.Fprintln(std.out, name)
	}
	if *agents || *secrets || *generated || *topics || *buckets {
		return nil
	}
	hasToken := func(a config.Agent) bool { return len(a.WebhookTokens) > 0 }
	if *env != "" && len(file.Events) > 0 && cfg.WebhookToken == "" && !slices.ContainsFunc(slices.Collect(maps.Values(cfg.Agents)), hasToken) {
		fmt.Fprintln(std.out, "warning: the targets of events get nothing, because no agent has a client token; use deploy.sh --events, or set RCSHOOK_WEBHOOK_TOKEN or webhook_token")
	}
	cfg.Events = file.Events
	for _, warning := range cfg.EventWarnings(literalIDs(cfg.Agents)) {
		fmt.Fprintf(std.out, "warning: %s\n", warning)
	}
	for _, t := range file.Fallbacks() {
		if t.After.Duration > 0 && t.After.Duration < 10*time.Second {
			fmt.Fprintf(std.out, "warning: %s: many messages take some seconds to be delivered, so with less than 10 seconds the user may get both messages\n", t.At.Of("after"))
		}
		if word := exampleWord.FindString(t.URL.Literal()); word != "" {
			fmt.Fprintf(std.out, "warning: %s: %s looks like a word of an example; replace it by your own value\n", t.At.Of("url"), word)
		}
	}
	for _, s := range sources.All() {
		agent := cmp.Or(s.Config.Agent, config.DefaultAgent)
		traffic := cmp.Or(s.Config.Traffic, cfg.Agents[agent].Traffic, cfg.Traffic, os.Getenv("RCSHOOK_TRAFFIC"))
		if traffic == "" && !setsTraffic.MatchString(s.Config.Map.Text) {
			fmt.Fprintf(std.out, "warning: %s: messages without a traffic type count as promotions, which people who replied STOP do not get; set traffic here or for the agent\n", s.Config.At.Of(""))
		}
	}
	for _, caller := range slices.Sorted(maps.Keys(file.Callers)) {
		var keys []byte // one per line; the name of a secret is long enough to be a key
		for _, key := range file.Callers[caller].Keys {
			keys = append(append(keys, key...), '\n')
		}
		for _, warning := range source.ParseKeys(keys).Warnings() {
			fmt.Fprintf(std.out, "warning: %s: %s\n", file.Callers[caller].At.Of("key"), warning)
		}
	}
	c := checker{file: file, cfg: cfg, dir: filepath.Dir(name), update: *update, out: std.out}
	for _, s := range sources.All() {
		if err := c.source(ctx, s); err != nil {
			return err
		}
	}
	failedTargets := c.targets(ctx, opened)
	summary := doctor.Contents(file)
	if len(file.Sources) > 0 {
		summary += ", " + count(c.cases, "case")
	}
	fmt.Fprintf(std.out, "%s: %s\n", name, summary)
	unused := c.unusedCases()
	for _, problem := range unused {
		fmt.Fprintln(std.out, problem)
	}
	switch {
	case c.failed > 0:
		return fmt.Errorf("%d of %s failed", c.failed, count(c.cases, "case"))
	case failedTargets > 0:
		return fmt.Errorf("%d of %s failed on samples of events", failedTargets, count(len(file.Events)+len(file.Fallbacks()), "target"))
	case len(unused) > 0:
		return fmt.Errorf("some cases do not run: %s without a source", count(len(unused), "path"))
	case c.cases == 0 && len(file.Sources) > 0:
		first := sources.All()[0]
		fmt.Fprintf(std.out, "To test a mapping, save an event as %s, and run rcshook check -update %s\n",
			filepath.Join(caseFolder(c.dir, first.Name, first.Config), "NAME.json"), name)
	}
	return nil
}

// exampleWord matches a word in the URL of a fallback that a recipe leaves to the user, such as
// ACCOUNT_SID.
var exampleWord = regexp.MustCompile(`\b[A-Z]+(?:_[A-Z]+)+\b`)

// setsTraffic matches a map that probably sets the traffic type: by its name, or by otp.
var setsTraffic = regexp.MustCompile(`traffic|\botp["']?\s*:`)

// caseConfig returns the settings of a file that is not deployed.
func caseConfig(file config.File) config.Config {
	return config.Config{
		Agents: maps.Clone(file.Agents), Sources: file.Sources, Country: strings.ToUpper(os.Getenv("RCSHOOK_COUNTRY")), Queue: os.Getenv("RCSHOOK_QUEUE"),
		AllowPremiumNumbers: allowsPremiumNumbers(),
	}
}

// completeConfig adds what a deployment has without a setting.
func completeConfig(cfg *config.Config, file config.File) {
	if file.NeedsQueue() {
		cfg.Queue = cmp.Or(cfg.Queue, "unknown")
	}
	if _, ok := cfg.Agents[config.DefaultAgent]; !ok {
		if cfg.Agents == nil {
			cfg.Agents = map[string]config.Agent{}
		}
		cfg.Agents[config.DefaultAgent] = config.Agent{} // that of the environment
	}
}

// checker runs the cases of sources.
type checker struct {
	file   config.File
	cfg    config.Config
	dir    string // of the file
	update bool
	out    io.Writer

	cases, failed int
}

func (c *checker) source(ctx context.Context, s *source.Source) error {
	folder, configured := caseFolder(c.dir, s.Name, s.Config), s.Config.Cases != ""
	entries, err := os.ReadDir(folder)
	if errors.Is(err, os.ErrNotExist) && !configured {
		return nil
	}
	if err != nil {
		return err
	}
	before := c.cases
	for _, e := range entries {
		name, kind, _ := strings.Cut(e.Name(), ".")
		switch kind {
		case "json", "http":
			if err := c.runCase(ctx, s, folder, name, kind); err != nil {
				return err
			}
		case "want.json":
		default:
			return fmt.Errorf("%s: expected an event, NAME.json or NAME.http, or its messages, NAME.want.json", filepath.Join(folder, e.Name()))
		}
	}
	if configured && c.cases == before {
		return fmt.Errorf("%s contains no event: add one as NAME.json, or with headers as NAME.http", folder)
	}
	return nil
}

func (c *checker) runCase(ctx context.Context, s *source.Source, folder, name, kind string) error {
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
	if event, err = charset.FromUTF16(event); err != nil { // the body may have another charset
		return fail("%v; save it as UTF-8", err)
	}
	got, err := c.messages(ctx, s, event, kind)
	if err != nil {
		return fail("%v", err)
	}
	wantFile := name + ".want.json"
	if c.update {
		if err := replaceFile(filepath.Join(folder, wantFile), got); err != nil {
			return err
		}
		if bytes.Equal(got, []byte("[]\n")) {
			fmt.Fprintf(c.out, "note %s/%s: no message: the mapping ignores this event; change the map if it should not\n", s.Name, name)
		}
	}
	want, err := os.ReadFile(filepath.Join(folder, wantFile))
	switch {
	case errors.Is(err, os.ErrNotExist):
		return fail("%s does not exist; -update writes it:\n%s", wantFile, got)
	case err != nil:
		return err
	}
	if want, err = charset.FromUTF16(want); err != nil {
		return fail("%s: %v; save it as UTF-8", wantFile, err)
	}
	if difference := diff.Diff(wantFile, indent(want), "result", got); difference != nil {
		return fail("unexpected messages\n%s", bytes.TrimSpace(difference))
	}
	if problems := nullTexts(ctx, s, event, kind); len(problems) > 0 {
		return fail("a value that an event may lack becomes the word null\n%s", strings.Join(problems, "\n"))
	}
	fmt.Fprintf(c.out, "ok   %s/%s\n", s.Name, name)
	return nil
}

// nullTexts maps an event without each of its fields, and reports the texts in which the
// mapping then writes null.
func nullTexts(ctx context.Context, s *source.Source, event []byte, kind string) (problems []string) {
	r, err := parseEvent(event, kind)
	if err != nil {
		return nil // reported before
	}
	fields := make(map[string][]string) // by the text
	try := func(v source.Variant) {
		variant := *r
		variant.Body = v.Body
		received, err := s.Map(ctx, &variant, caseTime(r))
		if err != nil {
			return // the mapping needs this field
		}
		for _, m := range received.Messages {
			for _, w := range m.Warnings {
				if !slices.Contains(fields[w.Pointer], v.Field) {
					fields[w.Pointer] = append(fields[w.Pointer], v.Field)
				}
			}
		}
	}
	try(source.Variant{Body: r.Body})
	for v := range source.Variants(source.ContentType(r.Header), r.Body) {
		if ctx.Err() != nil {
			break
		}
		try(v)
	}
	for _, text := range slices.Sorted(maps.Keys(fields)) {
		fields[text] = slices.DeleteFunc(fields[text], func(outer string) bool { // a field in it is enough
			return slices.ContainsFunc(fields[text], func(inner string) bool { return strings.HasPrefix(inner, outer+"/") })
		})
		problems = append(problems, fmt.Sprintf("  %s, without %s", text, strings.Join(fields[text], " or ")))
	}
	if len(problems) > 0 {
		problems = append(problems, `  Write another value for it, as in \(.name | present // "there").`)
	}
	return problems
}

// message is a message in a .want.json.
type message struct {
	To      []string        `json:"to"`
	Agent   string          `json:"agent,omitempty"`
	Message json.RawMessage `json:"message"`
}

// messages returns the messages that an event becomes, as indented JSON.
func (c *checker) messages(ctx context.Context, s *source.Source, event []byte, kind string) ([]byte, error) {
	r, err := parseEvent(event, kind)
	if err != nil {
		return nil, err
	}
	return c.mapped(ctx, s, r, event, caseTime(r))
}

// mapped returns the messages of a request, as indented JSON. Event is the text that has its
// body, for positions in errors.
func (c *checker) mapped(ctx context.Context, s *source.Source, r *source.Request, event []byte, now time.Time) ([]byte, error) {
	received, err := s.Map(ctx, r, now)
	if body, ok := errors.AsType[*payload.BodyError](err); ok {
		return nil, bodyError(event, r.Body, body)
	}
	if mapping, ok := errors.AsType[*source.MappingError](err); ok {
		detail := mapping.Detail
		if mapping.Err != nil { // here it may quote the event
			detail = fmt.Sprintf("the %s fails: %v", mapping.Name, mapping.Err)
		}
		if mapping.At.File != "" {
			detail = fmt.Sprintf("%s:%d:%d: %s", mapping.At.File, mapping.At.Line, mapping.At.Column, detail)
		}
		return nil, errors.New(detail)
	}
	if err != nil {
		return nil, err
	}
	if received.Reply != nil {
		return indent(received.Reply), nil
	}
	all := []message{}
	for _, m := range received.Messages {
		made, err := c.prepare(s, m, now)
		if err != nil {
			return nil, err
		}
		all = append(all, made)
	}
	text, err := json.Marshal(all)
	return indent(text), err
}

func (c *checker) prepare(s *source.Source, m source.Message, now time.Time) (message, error) {
	return c.prepareInput(prepare.Input{ContentType: m.ContentType, Body: m.Body, Key: m.Key, Warnings: m.Warnings}, s.Config, now)
}

func (c *checker) prepareInput(in prepare.Input, from config.Source, now time.Time) (message, error) {
	prepared, err := prepare.Message(in, &c.cfg, from, now)
	if unknown, ok := errors.AsType[*prepare.UnknownAgentError](err); ok {
		return message{}, fmt.Errorf("%s: unknown agent: %w", cmp.Or(unknown.Pointer, "agent"), unknown)
	}
	invalid, ok := errors.AsType[payload.Errors](err)
	if destination, outside := errors.AsType[*prepare.DestinationError](err); outside {
		invalid, ok = destination.Errors, true
	}
	if ok {
		text := "invalid payload:"
		for _, e := range invalid {
			text += "\n  " + e.Pointer + ": " + e.Detail
			if e.Pointer == "/schedule_at" || e.Pointer == "/expires_at" {
				text += "; the time of this case is " + now.Format(time.RFC3339) + ", or that of the header Date in an .http file"
			}
		}
		return message{}, fmt.Errorf("%s\n%s", text, indent(in.Body))
	}
	if err != nil {
		return message{}, err
	}
	made := message{Message: prepared.Message.Encoded}
	if prepared.AgentName != config.DefaultAgent {
		made.Agent = prepared.AgentName
	}
	for _, to := range prepared.To {
		made.To = append(made.To, to.E164)
	}
	return made, nil
}

// parseEvent parses an event: JSON, or headers, an empty line and a body of any type.
func parseEvent(event []byte, kind string) (*source.Request, error) {
	r := &source.Request{Method: http.MethodPost, Header: http.Header{"Content-Type": {"application/json"}}, Body: event}
	if kind == "json" {
		return r, nil
	}
	head, body, ok := strings.Cut(strings.ReplaceAll(string(event), "\r\n", "\n"), "\n\n")
	if !ok {
		return nil, errors.New("the empty line between headers and body is missing")
	}
	for line := range strings.SplitSeq(head, "\n") {
		name, value, ok := strings.Cut(line, ":")
		if !ok {
			return nil, fmt.Errorf("expected a header such as Content-Type: application/json, got %q", line)
		}
		r.Header.Set(strings.TrimSpace(name), strings.TrimSpace(value))
	}
	if strings.HasPrefix(source.ContentType(r.Header), "application/x-www-form-urlencoded") {
		body = strings.TrimRight(body, "\n") // editors end a file with a line break, senders do not end a form with it
	}
	r.Body = []byte(body)
	return r, nil
}

// bodyError reports invalid JSON at its position in the file, which may have headers
// before the body.
func bodyError(event, body []byte, err *payload.BodyError) error {
	syntax := func(text []byte) string {
		if e, ok := errors.AsType[*payload.BodyError](payload.CheckSyntax(text)); ok {
			return e.Detail
		}
		return ""
	}
	detail := err.Detail
	if syntax(body) == detail {
		headers := bytes.Count(event, []byte("\n")) - bytes.Count(body, []byte("\n"))
		detail = syntax(append(bytes.Repeat([]byte("\n"), headers), body...))
	}
	return errors.New("invalid event: " + detail)
}

// indent formats JSON for comparison. Other text is returned unchanged.
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

// caseFolder returns the folder with the cases of a source of a file in dir.
func caseFolder(dir, name string, s config.Source) string {
	folder := cmp.Or(s.Cases, filepath.Join("cases", name))
	if filepath.IsAbs(folder) {
		return filepath.Clean(folder)
	}
	return filepath.Join(dir, folder)
}

// unusedCases reports the files and folders in cases that belong to no source: a case that
// does not run looks like one that succeeds. Other files in the same folder, such as the
// configuration of a second deployment, may own some of them.
func (c *checker) unusedCases() (problems []string) {
	cases := filepath.Join(c.dir, "cases")
	entries, _ := os.ReadDir(cases) // it is optional
	if len(entries) == 0 {
		return nil
	}
	var owned []string
	own := func(sources map[string]config.Source) {
		for name, s := range sources {
			owned = append(owned, caseFolder(c.dir, name, s)+string(filepath.Separator))
		}
	}
	own(c.file.Sources)
	files, _ := os.ReadDir(c.dir) // it was readable before
	for _, f := range files {
		if ext := filepath.Ext(f.Name()); f.IsDir() || ext != ".yaml" && ext != ".yml" {
			continue
		}
		if data, err := os.ReadFile(filepath.Join(c.dir, f.Name())); err == nil {
			file, _ := config.ParseFile(f.Name(), data) // errors are reported when that file is checked
			own(file.Sources)
		}
	}
	for _, e := range entries {
		path := filepath.Join(cases, e.Name())
		inside := path + string(filepath.Separator)
		if slices.ContainsFunc(owned, func(o string) bool { return strings.HasPrefix(inside, o) || strings.HasPrefix(o, inside) }) {
			continue
		}
		switch near := typo.Nearest(e.Name(), slices.Sorted(maps.Keys(c.file.Sources)), 3); {
		case !e.IsDir() && (strings.HasSuffix(path, ".json") || strings.HasSuffix(path, ".http")):
			problems = append(problems, fmt.Sprintf("%s belongs to no source: move it to %s", path, filepath.Join(cases, "SOURCE", e.Name())))
		case !e.IsDir():
		case near != "":
			problems = append(problems, fmt.Sprintf("%s belongs to no source; did you mean %s?", path, near))
		default:
			problems = append(problems, path+" belongs to no source")
		}
	}
	return problems
}
