package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rcshook/rcshook/internal/doctor"
	"github.com/rcshook/rcshook/internal/googletest/platform"
	"github.com/rcshook/rcshook/rbm/rbmtest"
)

var update = flag.Bool("update", false, "write the output of doctor and init to testdata")

// TestDoctor checks that doctor reports exactly the cause of each broken setup.
func TestDoctor(t *testing.T) {
	for i := range doctorCases {
		p := &doctorCases[i]
		t.Run(p.name, func(t *testing.T) {
			sim := platform.New(&p.sim)
			sim.Tokens.Now = p.sim.Now
			c := newSetup(t, sim)
			p.change(c)
			text, code := c.doctor()
			sameAsFile(t, filepath.Join("testdata", "doctor", p.name+".txt"), text)
			if want := min(len(p.errors), 1); code != want {
				t.Errorf("exit code %d, want %d", code, want)
			}
			asJSON, _ := c.doctor("-json")
			var report doctor.Report
			if err := json.Unmarshal([]byte(asJSON), &report); err != nil {
				t.Fatalf("%v in %s", err, asJSON)
			}
			checkReport(t, report, p.errors, p.warnings)
			c.checkPrivacy(text + asJSON)
			for _, r := range c.sim.Requests() {
				isTest := r.UserAgent == ""
				if !isTest && r.Method != getCapabilities && r.Method != "brands.agents.list" && r.Method != "brands.agents.integrations.list" {
					t.Errorf("doctor called %s", r.Method)
				}
			}
		})
	}
}

// checkReport compares the errors and warnings of a report with the expected ones.
func checkReport(t *testing.T, r doctor.Report, errors, warnings []string) {
	t.Helper()
	got := map[doctor.State][]string{}
	for _, c := range r.Checks {
		got[c.State] = append(got[c.State], strings.TrimSpace(c.Name+" "+c.Subject))
		if !slices.Contains(doctor.Names, c.Name) {
			t.Errorf("%s is missing in doctor.Names", c.Name)
		}
		if needsSteps := c.State == doctor.Error || c.State == doctor.Warning; needsSteps != (len(c.Next) > 0) {
			t.Errorf("%s %s is %s and has %d next steps", c.Name, c.Subject, c.State, len(c.Next))
		}
		if (c.State == doctor.Skipped) != (c.Needs != "") {
			t.Errorf("%s %s is %s and needs %q", c.Name, c.Subject, c.State, c.Needs)
		}
	}
	if diff := cmp.Diff(errors, got[doctor.Error]); diff != "" {
		t.Errorf("errors (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(warnings, got[doctor.Warning]); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
	want := doctor.Summary{OK: len(got[doctor.OK]), Warning: len(got[doctor.Warning]), Error: len(got[doctor.Error]), Skipped: len(got[doctor.Skipped])}
	if r.Summary != want || r.OK != (want.Error == 0) {
		t.Errorf("summary %+v, ok %v, want %+v", r.Summary, r.OK, want)
	}
}

// sameAsFile compares a text with a file of testdata.
func sameAsFile(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

// TestDoctorPage compares docs/doctor.md with the output, the names of checks, and the
// commands that a script runs.
func TestDoctorPage(t *testing.T) {
	c := newSetup(t, platform.New(new(rbmtest.Simulator)))
	c.sim.Secrets.Deny(keySecret)
	page := "../../docs/doctor.md"
	data, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)

	output, _ := c.doctor()
	asJSON, _ := c.doctor("-json")
	var report doctor.Report
	if err := json.Unmarshal([]byte(asJSON), &report); err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(report.Checks, func(c doctor.Check) bool { return c.State == doctor.Error })
	var one bytes.Buffer
	encoder := json.NewEncoder(&one)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(report.Checks[i]); err != nil {
		t.Fatal(err)
	}
	for language, want := range map[string]string{"text": output, "json": one.String()} {
		block := regexp.MustCompile("(?s)```" + language + "\n(.*?)```")
		if *update {
			text = block.ReplaceAllLiteralString(text, "```"+language+"\n"+want+"```")
		}
		if match := block.FindStringSubmatch(text); match == nil || match[1] != want {
			t.Errorf("the %s in %s (-want +got):\n%s", language, page, cmp.Diff(want, match))
		}
	}
	if *update {
		if err := os.WriteFile(page, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}

	_, table, _ := strings.Cut(text, "\n## Checks\n")
	table, _, _ = strings.Cut(table, "\n## ")
	var names []string
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\|").FindAllStringSubmatch(table, -1) {
		names = append(names, row[1])
	}
	if diff := cmp.Diff(doctor.Names, names); diff != "" {
		t.Errorf("names of checks in %s (-want +got):\n%s", page, diff)
	}

	script, err := os.ReadFile("testdata/doctor.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, block := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(text, -1) {
		for line := range strings.Lines(block[1]) {
			command := strings.ReplaceAll(strings.TrimSpace(line), "localhost:8081", "127.0.0.1:$SIM")
			if !strings.HasSuffix(command, "# needs a Google account") && !strings.Contains(string(script), "exec "+command+"\n") {
				t.Errorf("testdata/doctor.txtar does not run: %s", command)
			}
		}
	}
}
