package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
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
	"github.com/rcshook/rcshook/internal/phonenumber"
	"github.com/rcshook/rcshook/internal/server"
)

var doctorCommand = command{
	name:    "doctor",
	summary: "check a setup, and print the next steps",
	help: `Usage:

	rcshook doctor [-env FILE] [-config rcshook.yaml] [-agent NAME] [-to +12025550123]
		[-number +12025550123 [-wait 30s]] [-json] [-timeout 10s]

Checks settings, secrets, credentials, the platform, agents, webhooks, stores of opt-outs,
sources and targets with the code that serves, and prints the next step for each problem.
It sends no message without -number, and prints no secrets. The exit code is 1 if there
is an error.

	-env FILE
		read the settings from FILE instead of the environment: lines NAME=value,
		or the description of a deployment:
		gcloud run services describe rcshook --region=REGION --format=json >FILE
		FILE may be - for standard input, or a URL on this machine, as dev prints
	-config rcshook.yaml
		use this file instead of RCSHOOK_CONFIG
	-agent NAME
		check only this agent
	-to +12025550123
		also check whether the agent reaches this number; the phone does not notice
	-number +12025550123
		also check that a delivered message cannot be revoked, as a fallback in time
		needs: send a visible message to this number, wait until it is on the phone,
		and revoke it
	-wait 30s
		with -number, wait for this time, at most 1h; without it, press Enter when
		the message is on the phone
	-json
		print one JSON object
	-timeout 10s
		the time limit of each exchange
`,
	run: runDoctor,
}

// settingsFlags name the settings of a function.
type settingsFlags struct{ env, config string }

func (f *settingsFlags) flags(flags *flag.FlagSet) {
	flags.StringVar(&f.env, "env", "", "")
	flags.StringVar(&f.config, "config", "", "")
}

// doctorFlags are the flags of doctor.
type doctorFlags struct {
	settingsFlags
	agent, to, number string
	json              bool
	wait, timeout     time.Duration
}

func (f *doctorFlags) parse(args []string) error {
	flags := newFlags("doctor")
	f.flags(flags)
	flags.StringVar(&f.agent, "agent", "", "")
	flags.StringVar(&f.to, "to", "", "")
	flags.StringVar(&f.number, "number", "", "")
	flags.DurationVar(&f.wait, "wait", 0, "")
	flags.BoolVar(&f.json, "json", false, "")
	flags.DurationVar(&f.timeout, "timeout", 10*time.Second, "")
	if err := parse(flags, args); err != nil {
		return err
	}
	switch {
	case flags.NArg() > 0:
		return usageError(fmt.Sprintf("unexpected argument %q", flags.Arg(0)))
	case f.timeout <= 0:
		return usageError("-timeout must be positive")
	case f.wait < 0 || f.wait > time.Hour:
		return usageError("-wait must be positive, and at most 1h")
	case f.wait > 0 && f.number == "":
		return usageError("-wait has no effect without -number: remove it")
	}
	for _, number := range []struct {
		flag  string
		value *string
	}{{"-to", &f.to}, {"-number", &f.number}} {
		if *number.value == "" {
			continue
		}
		read, err := phonenumber.Read(*number.value, phonenumber.Options{})
		if err != nil {
			return usageError(number.flag + ": expected a phone number in E.164 format, such as +12025550123")
		}
		*number.value = read
	}
	return nil
}

// arrived waits until the message should be on the phone, and reports whether a person has
// seen it there.
func (f *doctorFlags) arrived(ctx context.Context, std stdio, subject string) bool {
	fmt.Fprintf(std.err, "Sent a message to %s. ", subject)
	if f.wait > 0 {
		fmt.Fprintf(std.err, "Waiting %v.\n", f.wait)
		select {
		case <-time.After(f.wait):
		case <-ctx.Done():
		}
		return false
	}
	fmt.Fprint(std.err, "Press Enter when it is on the phone, or type no if it does not arrive: ")
	line := make(chan string, 1)
	go func() {
		text, _ := bufio.NewReader(std.in).ReadString('\n') // without the end of a line after an error
		line <- text
	}()
	select {
	case text := <-line:
		return strings.HasSuffix(text, "\n") && strings.TrimSpace(text) == ""
	case <-ctx.Done():
		return false
	}
}

func runDoctor(ctx context.Context, args []string, std stdio) error {
	var f doctorFlags
	if err := f.parse(args); err != nil {
		return err
	}
	if f.number != "" && f.wait == 0 && !isTerminal(std.in) {
		return usageError("-number: the input is not a terminal; set -wait to more than zero, such as 30s: the time that the message needs to arrive")
	}
	environ, service, err := f.environ(ctx, std.in)
	if err != nil {
		return err
	}
	report := doctor.Examine(ctx, doctor.Options{
		Environ: environ, Service: service, Agent: f.agent, To: f.to, Number: f.number, Timeout: f.timeout,
		Arrived:   func(ctx context.Context, subject string) bool { return f.arrived(ctx, std, subject) },
		UserAgent: "rcshook/" + server.Version(),
	})
	if f.json {
		encoder := json.NewEncoder(std.out)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", "  ")
		err = encoder.Encode(report)
	} else {
		// https://no-color.org
		printReport(std.out, report, os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb")
	}
	if err == nil && !report.OK {
		err = exitError(1)
	}
	return err
}

// environ returns the settings, and their deployment.
func (f *settingsFlags) environ(ctx context.Context, in io.Reader) ([]string, doctor.Service, error) {
	environ, service := os.Environ(), doctor.Service{}
	if f.env != "" {
		data, err := readSettings(ctx, f.env, in)
		if err != nil {
			return nil, service, err
		}
		if environ, service, err = doctor.ParseEnviron(data); err != nil {
			return nil, service, fmt.Errorf("%s: %w", f.env, err)
		}
		for _, entry := range environ {
			// Google's libraries read these from the environment.
			name, value, _ := strings.Cut(entry, "=")
			if strings.HasPrefix(name, "GOOGLE_") || name == "GCE_METADATA_HOST" {
				if err := os.Setenv(name, value); err != nil {
					return nil, service, err
				}
			}
		}
	}
	if f.config != "" {
		environ = append(environ, "RCSHOOK_CONFIG="+f.config)
	}
	return environ, service, nil
}

// readSettings reads a file, standard input, or a URL on this machine.
func readSettings(ctx context.Context, name string, in io.Reader) ([]byte, error) {
	if name == "-" {
		return readAll(in)
	}
	u, err := url.Parse(name)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" {
		return readFile(name)
	}
	if !config.IsLoopback(name) {
		return nil, usageError("-env: expected a URL on this machine, such as http://localhost:8081/_dev/env")
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, name, nil)
	if err != nil {
		return nil, err
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(req)
	if err != nil {
		return nil, errors.New("cannot connect to " + u.Host + ": is rcshook dev running?")
	}
	defer res.Body.Close()
	media, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type")) // "" if it is invalid
	switch {
	case res.StatusCode == http.StatusNotFound || media == "text/html" || media == "application/json" && strings.Trim(u.Path, "/") == "":
		return nil, fmt.Errorf("%s has no settings (HTTP %d): those of rcshook dev are at %s on the port of the simulator, 8081 by default", name, res.StatusCode, envPath)
	case res.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("%s: HTTP %d", name, res.StatusCode)
	}
	return readAll(res.Body)
}

// printReport prints a report as text. Skipped checks come last, grouped by the check that
// they need.
func printReport(out io.Writer, r doctor.Report, color bool) {
	// The colors are those of a terminal: green, yellow, red, gray.
	colors := map[doctor.State]string{doctor.OK: "32", doctor.Warning: "33", doctor.Error: "31", doctor.Skipped: "90"}
	printState := func(s doctor.State) {
		if color {
			control(out, "\x1b["+colors[s]+"m")
			defer control(out, "\x1b[0m")
		}
		fmt.Fprintf(out, "%-8s", s)
	}
	var causes []string
	skipped := make(map[string][]string)
	printed := make(map[string]bool) // next steps
	for i, c := range r.Checks {
		if c.State == doctor.Skipped {
			if !slices.Contains(causes, c.Needs) {
				causes = append(causes, c.Needs)
			}
			skipped[c.Needs] = append(skipped[c.Needs], strings.TrimSpace(c.Name+" "+c.Subject))
			continue
		}
		detail := c.Detail
		if c.Subject != "" && !strings.HasPrefix(detail+" ", c.Subject+" ") {
			detail = c.Subject + ": " + detail
		}
		printState(c.State)
		fmt.Fprintf(out, " %-15s %s\n", c.Name, detail)
		if i+1 < len(r.Checks) && slices.Equal(c.Next, r.Checks[i+1].Next) {
			continue // the next check has the same steps
		}
		var steps []string
		for _, next := range c.Next {
			if !printed[next] {
				steps = append(steps, next)
			}
			printed[next] = true
		}
		switch len(steps) {
		case len(c.Next):
		case 0:
			steps = []string{"See above"}
		default:
			steps = append(steps, "And see above")
		}
		for _, step := range steps {
			fmt.Fprintf(out, "%8s > %s\n", "", step)
		}
	}
	for _, cause := range causes {
		printState(doctor.Skipped)
		fmt.Fprintf(out, " because of %s:\n", cause)
		for _, name := range skipped[cause] {
			fmt.Fprintf(out, "%8s - %s\n", "", name)
		}
	}
	parts := []string{count(r.Summary.OK, "check") + " ok"}
	if n := r.Summary.Warning; n > 0 {
		parts = append(parts, count(n, "warning"))
	}
	if n := r.Summary.Error; n > 0 {
		parts = append(parts, count(n, "error"))
	}
	if n := r.Summary.Skipped; n > 0 {
		parts = append(parts, fmt.Sprintf("%d skipped", n))
	}
	fmt.Fprintf(out, "\n%s\n", strings.Join(parts, ", "))
}

// count returns a number with a noun, such as "2 checks".
var count = doctor.Count
