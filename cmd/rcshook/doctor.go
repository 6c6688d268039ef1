package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/doctor"
	"github.com/rcshook/rcshook/internal/payload"
	"github.com/rcshook/rcshook/internal/server"
)

var doctorCommand = command{
	name:  "doctor",
	brief: "find out what is wrong with a set-up, and what to do next",
	usage: `Usage:

	rcshook doctor [-env FILE] [-config rcshook.yaml] [-agent NAME] [-to +12025550123] [-json] [-timeout 10s]

Goes the way of a message, with the code that serves: settings, secrets, credentials,
the platform, the agents, the sources. It says at each station what is well, what is
not, and what to do next. It sends nothing, and shows no secret. It exits with 1 if it
finds a fault.

	-env FILE
		take the settings from FILE instead of the environment: lines NAME=value,
		or what gcloud says of a deployment:
		gcloud run services describe rcshook --region=REGION --format=json >FILE
		FILE may be - for standard input, or a URL on this machine, as dev prints it
	-config rcshook.yaml
		take this file instead of the one in RCSHOOK_CONFIG
	-agent NAME
		look at this agent only
	-to +12025550123
		look whether the agent reaches this number too; its phone notices nothing
	-json
		print one JSON object
	-timeout 10s
		how long one exchange may take
`,
	run: examine,
}

// doctorFlags are the flags of doctor.
type doctorFlags struct {
	env, config, agent, to string
	json                   bool
	timeout                time.Duration
}

func (f *doctorFlags) parse(args []string) error {
	flags := newFlags("doctor")
	flags.StringVar(&f.env, "env", "", "`file` with the settings")
	flags.StringVar(&f.config, "config", "", "`file` with sources and agents, such as rcshook.yaml")
	flags.StringVar(&f.agent, "agent", "", "`name` of the only agent to look at")
	flags.StringVar(&f.to, "to", "", "`number` to look at")
	flags.BoolVar(&f.json, "json", false, "print one JSON object")
	flags.DurationVar(&f.timeout, "timeout", 10*time.Second, "how long one exchange may take")
	if err := parse(flags, args); err != nil {
		return err
	}
	switch {
	case flags.NArg() > 0:
		return usageError("doctor takes no argument, only flags")
	case f.timeout <= 0:
		return usageError("-timeout must be more than zero")
	case f.to == "":
		return nil
	}
	to, err := payload.ParsePhone(f.to, payload.Options{})
	if err != nil {
		return usageError("-to must be a phone number in E.164, such as +12025550123")
	}
	f.to = to
	return nil
}

// examine prints what [doctor.Examine] finds.
func examine(ctx context.Context, args []string, ends streams) error {
	var f doctorFlags
	if err := f.parse(args); err != nil {
		return err
	}
	environ, service, err := f.environ(ctx, ends.in)
	if err != nil {
		return err
	}
	report := doctor.Examine(ctx, doctor.Options{
		Environ: environ, Service: service, Agent: f.agent, To: f.to, Timeout: f.timeout,
		UserAgent: "rcshook/" + server.Version(),
	})
	if f.json {
		encoder := json.NewEncoder(ends.out)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", "  ")
		err = encoder.Encode(report)
	} else {
		_, err = io.WriteString(ends.out, tell(report, colored(ends.out)))
	}
	if err == nil && !report.OK {
		err = &exitError{1}
	}
	return err
}

// environ returns the settings to examine.
func (f *doctorFlags) environ(ctx context.Context, in io.Reader) ([]string, doctor.Service, error) {
	environ, service := os.Environ(), doctor.Service{}
	if f.env != "" {
		data, err := readSettings(ctx, f.env, in)
		if err != nil {
			return nil, service, err
		}
		if environ, service, err = doctor.ParseEnviron(data); err != nil {
			return nil, service, fmt.Errorf("%s: %w", f.env, err)
		}
		if err := adopt(environ); err != nil {
			return nil, service, err
		}
	}
	if f.config != "" {
		environ = append(environ, "RCSHOOK_CONFIG="+f.config)
	}
	return environ, service, nil
}

// adopt takes over the variables of the file that Google's libraries read.
func adopt(environ []string) error {
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		if strings.HasPrefix(name, "GOOGLE_") || name == "GCE_METADATA_HOST" {
			if err := os.Setenv(name, value); err != nil {
				return err
			}
		}
	}
	return nil
}

// maxSettings is far more than settings are large.
const maxSettings = 4 << 20

// readSettings reads a file, standard input, or a URL on this machine.
func readSettings(ctx context.Context, name string, in io.Reader) ([]byte, error) {
	if name == "-" {
		return io.ReadAll(io.LimitReader(in, maxSettings))
	}
	u, err := url.Parse(name)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" {
		return os.ReadFile(name)
	}
	if !config.IsLoopback(name) {
		return nil, usageError("-env takes a URL of this machine only, such as http://localhost:8081/_dev/env")
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, name, nil)
	if err != nil {
		return nil, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, errors.New("nobody answers at " + u.Host + ": is rcshook dev running?")
	}
	defer res.Body.Close()
	media, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type")) // "" is none of those below
	switch {
	case res.StatusCode == http.StatusNotFound || media == "text/html" || media == "application/json" && strings.Trim(u.Path, "/") == "":
		return nil, fmt.Errorf("%s has no settings (HTTP %d): those of rcshook dev are at %s on the port of the simulator, 8081 by default", name, res.StatusCode, envPath)
	case res.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("%s: HTTP %d", name, res.StatusCode)
	}
	return io.ReadAll(io.LimitReader(res.Body, maxSettings))
}

// tell puts a report into lines for people. What was skipped comes last, together
// with what it waits for.
func tell(r doctor.Report, color bool) string {
	var b strings.Builder
	var causes []string
	skipped := make(map[string][]string)
	steps := make(adviceGiven)
	for i, c := range r.Checks {
		said := c.Detail
		switch {
		case c.State == doctor.Skipped:
			if !slices.Contains(causes, c.Needs) {
				causes = append(causes, c.Needs)
			}
			skipped[c.Needs] = append(skipped[c.Needs], strings.TrimSpace(c.Name+" "+c.Subject))
			continue
		case c.Subject != "" && !strings.HasPrefix(said+" ", c.Subject+" "):
			said = c.Subject + ": " + said
		}
		fmt.Fprintf(&b, "%s %-15s %s\n", mark(c.State, color), c.Name, said)
		if i+1 == len(r.Checks) || !slices.Equal(c.Next, r.Checks[i+1].Next) { // else the next one tells
			for _, next := range steps.of(c) {
				fmt.Fprintf(&b, "%8s > %s\n", "", next)
			}
		}
	}
	for _, cause := range causes {
		fmt.Fprintf(&b, "%s not judged without %s:\n", mark(doctor.Skipped, color), cause)
		for _, name := range skipped[cause] {
			fmt.Fprintf(&b, "%8s - %s\n", "", name)
		}
	}
	fmt.Fprintf(&b, "\n%s\n", sum(r.Summary))
	return b.String()
}

// adviceGiven are the steps that were told already: many faults have one remedy.
type adviceGiven map[string]bool

// of returns the steps of a check that are new.
func (t adviceGiven) of(c doctor.Check) []string {
	var fresh []string
	for _, next := range c.Next {
		if !t[next] {
			fresh = append(fresh, next)
		}
		t[next] = true
	}
	switch len(fresh) {
	case len(c.Next):
		return fresh
	case 0:
		return []string{"As above"}
	default:
		return append(fresh, "And as above")
	}
}

// sum is the closing line.
func sum(s doctor.Summary) string {
	parts := []string{count(s.OK, "check") + " ok"}
	if s.Warning > 0 {
		parts = append(parts, count(s.Warning, "warning"))
	}
	if s.Fault > 0 {
		parts = append(parts, count(s.Fault, "fault"))
	}
	if s.Skipped > 0 {
		parts = append(parts, fmt.Sprintf("%d skipped", s.Skipped))
	}
	return strings.Join(parts, ", ")
}

// colors are those of a terminal: green, yellow, red, grey.
var colors = map[doctor.State]string{doctor.OK: "32", doctor.Warning: "33", doctor.Fault: "31", doctor.Skipped: "90"}

func mark(s doctor.State, color bool) string {
	text := fmt.Sprintf("%-8s", s)
	if color {
		return "\x1b[" + colors[s] + "m" + text + "\x1b[0m"
	}
	return text
}

// colored reports whether out is a terminal that may be colored.
//
// https://no-color.org
func colored(out io.Writer) bool {
	return isTerminal(out) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}
