package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rogpeppe/go-internal/diff"

	"github.com/rcshook/rcshook/internal/charset"
	"github.com/rcshook/rcshook/internal/check"
	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/doctor"
	"github.com/rcshook/rcshook/internal/source"
	"github.com/rcshook/rcshook/internal/typo"
)

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
	run: runCheck,
}

// checkLists are the flags that list names of a file.
var checkLists = []struct {
	flag  string
	names func(config.File) []string
}{
	{"agents", func(f config.File) []string { return slices.Sorted(maps.Keys(f.Agents)) }},
	{"secrets", config.File.Secrets},
	{"generated", config.File.Generated},
	{"topics", config.File.Topics},
	{"buckets", config.File.Stores},
}

func runCheck(ctx context.Context, args []string, std stdio) error {
	flags := newFlags("check")
	update := flags.Bool("update", false, "")
	env := flags.String("env", "", "")
	listed := make([]bool, len(checkLists))
	for i, list := range checkLists {
		flags.BoolVar(&listed[i], list.flag, false, "")
	}
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
	settings := fileSettings()
	if *env != "" {
		environ, _, err := (&settingsFlags{env: *env}).environ(ctx, std.in)
		if err != nil {
			return err
		}
		settings.Environ = append([]string{}, environ...)
	}
	file, err := check.Open(name, data, settings)
	if e, ok := errors.AsType[*config.Error](err); ok {
		for _, p := range e.Problems {
			fmt.Fprintln(std.out, p)
		}
		return fmt.Errorf("%s has %s", name, count(len(e.Problems), "error"))
	}
	if err != nil {
		return err
	}
	for i, list := range checkLists {
		for _, name := range list.names(file.File) {
			if listed[i] {
				fmt.Fprintln(std.out, name)
			}
		}
	}
	if slices.Contains(listed, true) {
		return nil
	}
	for _, warning := range file.Warnings() {
		fmt.Fprintf(std.out, "warning: %s\n", warning)
	}
	c := checker{file: file, dir: filepath.Dir(name), update: *update, out: std.out}
	for _, s := range file.Sources {
		if err := c.source(ctx, s); err != nil {
			return err
		}
	}
	problems, failedTargets := file.Targets(ctx)
	for _, problem := range problems {
		fmt.Fprintln(std.out, "FAIL", problem.Detail)
	}
	summary := doctor.Contents(file.File)
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
		first := file.Sources[0]
		fmt.Fprintf(std.out, "To test a mapping, save an event as %s, and run rcshook check -update %s\n",
			filepath.Join(caseFolder(c.dir, first.Name, first.Config), "NAME.json"), name)
	}
	return nil
}

// fileSettings returns the settings of the environment for a file that is not deployed.
func fileSettings() check.Settings {
	return check.Settings{
		Country: strings.ToUpper(os.Getenv("RCSHOOK_COUNTRY")), Queue: os.Getenv("RCSHOOK_QUEUE"),
		AllowPremiumNumbers: allowsPremiumNumbers(), Traffic: os.Getenv("RCSHOOK_TRAFFIC"),
	}
}

// checker runs the cases of sources.
type checker struct {
	file   *check.File
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
	got, err := c.file.Messages(ctx, s, event, kind)
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
	if difference := diff.Diff(wantFile, check.Indent(want), "result", got); difference != nil {
		return fail("unexpected messages\n%s", bytes.TrimSpace(difference))
	}
	lines := ""
	for _, text := range check.NullTexts(ctx, s, event, kind) {
		lines += fmt.Sprintf("\n  %s, without %s", text.Pointer, strings.Join(text.Without, " or "))
	}
	if lines != "" {
		return fail("a value that an event may lack becomes the word null%s\n  Write another value for it, as in \\(.name | present // \"there\").", lines)
	}
	fmt.Fprintf(c.out, "ok   %s/%s\n", s.Name, name)
	return nil
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
	own(c.file.File.Sources)
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
		switch near := typo.Nearest(e.Name(), slices.Sorted(maps.Keys(c.file.File.Sources)), 3); {
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
