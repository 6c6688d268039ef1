package main

import (
	"bytes"
	"io"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rcshook/rcshook"
	"github.com/rcshook/rcshook/rbm/rbmtest"
)

// deployment is a function against a simulator, and its address.
func deployment(t *testing.T, settings ...string) (sim *rbmtest.Simulator, h *rcshook.Handler) {
	t.Helper()
	sim = new(rbmtest.Simulator)
	t.Cleanup(sim.Close)
	platform := httptest.NewServer(sim)
	t.Cleanup(platform.Close)
	env := sim.Provision(platform.URL)
	h, err := rcshook.New(append([]string{
		"RCSHOOK_AGENT_ID=" + env.AgentID, "RCSHOOK_CREDENTIALS=" + string(sim.KeyFile(platform.URL)), "RCSHOOK_API_KEYS=" + devKey,
		"RCSHOOK_RBM_ENDPOINT=" + platform.URL,
	}, settings...), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	return sim, h
}

var (
	boxOfPage = regexp.MustCompile("(?ms)^```(csv|json|sh|text)\n(.*?)^```$")
	timing    = regexp.MustCompile(`in [0-9.]+m?s, [0-9.]+ a second`)
)

// TestBulkPage does what deploy/bulk.md shows, and gets what it says.
func TestBulkPage(t *testing.T) {
	page, err := os.ReadFile("../../deploy/bulk.md")
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
	for _, box := range boxOfPage.FindAllStringSubmatch(string(page), -1) {
		switch kind, text := box[1], box[2]; kind {
		case "csv":
			text = "\xef\xbb\xbf" + strings.ReplaceAll(text, "\n", "\r\n") // as it is exported
			write(t, "recipients.csv", text)
		case "json":
			write(t, "message.json", text)
		case "sh":
			commands++
			var out bytes.Buffer
			run(t.Context(), strings.Fields(text)[1:], streams{nil, &out, &out})
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

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.FromSlash(name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
