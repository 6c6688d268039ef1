package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rcshook/rcshook/internal/googletest/platform"
	"github.com/rcshook/rcshook/internal/server"
	"github.com/rcshook/rcshook/rbm/rbmtest"
)

// deployment returns a function and its simulator.
func deployment(t *testing.T, settings ...string) (sim *platform.Platform, h *server.Server) {
	t.Helper()
	sim = platform.New(new(rbmtest.Simulator))
	t.Cleanup(sim.Close)
	google := httptest.NewServer(sim)
	t.Cleanup(google.Close)
	env := sim.Provision(google.URL)
	h, err := server.New(t.Context(), server.Options{Environ: append([]string{
		"RCSHOOK_AGENT_ID=" + env.AgentID, "RCSHOOK_CREDENTIALS=" + string(sim.KeyFile(google.URL)), "RCSHOOK_API_KEYS=" + devKey,
		"RCSHOOK_RBM_ENDPOINT=" + google.URL,
	}, settings...)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	return sim, h
}

var (
	codeBlock = regexp.MustCompile("(?ms)^```(csv|json|sh|text)\n(.*?)^```$")
	timing    = regexp.MustCompile(`in [0-9.]+m?s, [0-9.]+ per second`)
)

// TestBulkPage runs the commands of docs/bulk.md, and compares the output.
func TestBulkPage(t *testing.T) {
	page, err := os.ReadFile("../../docs/bulk.md")
	if err != nil {
		t.Fatal(err)
	}
	sim, h := deployment(t)
	server := httptest.NewServer(h)
	defer server.Close()
	t.Setenv(envURL, server.URL+"/")
	t.Chdir(t.TempDir())
	var got string
	commands := 0
	for _, box := range codeBlock.FindAllStringSubmatch(string(page), -1) {
		switch kind, text := box[1], box[2]; kind {
		case "csv":
			text = "\xef\xbb\xbf" + strings.ReplaceAll(text, "\n", "\r\n") // as it is exported
			write(t, "recipients.csv", text)
		case "json":
			write(t, "message.json", text)
		case "sh":
			commands++
			var out bytes.Buffer
			run(t.Context(), strings.Fields(text)[1:], stdio{nil, &out, &out})
			got = strings.ReplaceAll(out.String(), server.URL, "http://localhost:8080")
		case "text":
			if diff := cmp.Diff(timing.ReplaceAllString(text, "in TIME"), timing.ReplaceAllString(got, "in TIME")); diff != "" {
				t.Errorf("output (-want +got):\n%s", diff)
			}
		}
	}
	if commands != 3 || len(sim.Messages()) != 2 {
		t.Errorf("%d commands, %d messages", commands, len(sim.Messages()))
	}
}

// TestBulkRetry checks that the reason of retries is printed once.
func TestBulkRetry(t *testing.T) {
	t.Parallel()
	_, h := deployment(t)
	var calls atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if calls.Add(1) <= 2 {
			http.Error(w, "no instance", http.StatusServiceUnavailable)
			return
		}
		h.ServeHTTP(w, r)
	}))
	defer server.Close()
	dir := t.TempDir()
	write(t, dir+"/recipients.csv", "to\n+12025550110\n+12025550111\n")
	write(t, dir+"/message.json", `{"text": "Hi"}`)
	var out, errs bytes.Buffer
	args := []string{"bulk", dir + "/recipients.csv", "-message", dir + "/message.json", "-campaign", "c", "-url", server.URL, "-key", devKey}
	if code := run(t.Context(), args, stdio{nil, &out, &errs}); code != 0 {
		t.Errorf("exit code %d", code)
	}
	const want = "retrying rows that cannot be sent now, for up to 15m0s each: a server in front of the function responded 503 Service Unavailable\n"
	if diff := cmp.Diff(want, errs.String()); diff != "" {
		t.Errorf("errors (-want +got):\n%s\n%s", diff, &out)
	}
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.FromSlash(name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
