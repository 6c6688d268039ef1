package docstest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rcshook/rcshook/internal/googletest/platform"
	"github.com/rcshook/rcshook/internal/server"
	"github.com/rcshook/rcshook/internal/webhook"
	"github.com/rcshook/rcshook/rbm/rbmtest"
)

// TestOperationsLine compares the log line in docs/operations.md with a real one, and
// checks that the page describes its fields, and that log lines have the fields that the
// metrics of Terraform use.
func TestOperationsLine(t *testing.T) {
	lines := readPage(t, filepath.Join("docs", "operations.md")).blocks("json")
	if len(lines) != 1 {
		t.Fatalf("got %d blocks of JSON, want 1", len(lines))
	}
	file := filepath.Join(t.TempDir(), "rcshook.yaml")
	if err := os.WriteFile(file, []byte("sources: {shop: {preset: bearer, secret: s3cret, map: .}}"), 0o600); err != nil {
		t.Fatal(err)
	}
	sim := platform.New(new(rbmtest.Simulator))
	platform := httptest.NewServer(sim)
	t.Cleanup(func() { sim.Close(); platform.Close() })
	crm := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(crm.Close)
	settings := append(environ(t, sim, platform.URL), "RCSHOOK_CONFIG="+file, "GOOGLE_CLOUD_PROJECT=my-project",
		"RCSHOOK_WEBHOOK_TOKEN=harborline-demo-token", "RCSHOOK_EVENTS_URL="+crm.URL)
	var log bytes.Buffer
	h, err := server.New(t.Context(), server.Options{Environ: settings, Log: &log})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	r := httptest.NewRequest(http.MethodPost, "/hooks/shop", strings.NewReader(`{"to": "+12025550123", "text": "Hi"}`))
	r.Header = http.Header{
		"Content-Type": {"application/json"}, "Authorization": {"Bearer s3cret"},
		"Traceparent": {"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"},
	}
	h.ServeHTTP(httptest.NewRecorder(), r)
	all := strings.Split(strings.TrimSpace(log.String()), "\n")
	got, want := members(t, all[len(all)-1]), members(t, lines[0])
	if !slices.Equal(got, want) {
		t.Errorf("the log line has\n%s\nthe document has\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}

	// An event of two hours ago, whose target is unavailable.
	log.Reset()
	web := httptest.NewServer(h)
	defer web.Close()
	event := fmt.Sprintf(`{"senderPhoneNumber": "+12025550123", "agentId": "rcshook_demo_k3x9a1bc_agent", "sendTime": %q, "eventType": "READ", "eventId": "Mx1", "messageId": "m1"}`,
		time.Now().Add(-2*time.Hour).Format(time.RFC3339))
	response, err := webhook.PostEvent(t.Context(), http.DefaultTransport, webhook.Address{URL: web.URL + "/events", Token: "harborline-demo-token"}, []byte(event))
	if err != nil || response.Status != http.StatusServiceUnavailable {
		t.Fatalf("got HTTP %d, %v", response.Status, err)
	}
	failed := log.String()
	if !regexp.MustCompile(`"logging.googleapis.com/labels":\{[^}]*"target":"events".*"event_age_s":72\d\d,`).MatchString(failed) {
		t.Errorf("the line does not name the target and the age of the event: %s", failed)
	}

	var described []string
	for _, row := range readPage(t, filepath.Join("docs", "operations.md")).section(t, "## The log").rows() {
		described = append(described, quoted(row[0])...)
	}
	for _, line := range append(members(t, lines[0]), members(t, failed)...) {
		name, _, _ := strings.Cut(line, " ")
		if !slices.Contains(append(described, "time", "message"), name) && !strings.HasPrefix(name, "logging.googleapis.com/") {
			t.Errorf("the page does not describe the field %s", name)
		}
	}

	monitoring := readPage(t, filepath.Join("deploy", "terraform", "monitoring.tf"))
	fields := regexp.MustCompile(`(?:EXTRACT\(|"|AND )(labels|jsonPayload)\.([a-z_]+)`).FindAllStringSubmatch(string(monitoring), -1)
	if len(fields) < 5 {
		t.Fatal("found fewer than 5 fields in monitoring.tf")
	}
	inSecrets, err := os.ReadFile(filepath.Join("internal", "agent", "secret.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range fields {
		name := `"` + f[2] + `"`
		if f[1] == "labels" {
			labels := regexp.MustCompile(`"logging.googleapis.com/labels":\{[^}]*\}`).FindAllString(lines[0]+failed, -1)
			if !strings.Contains(strings.Join(labels, ""), name) {
				t.Errorf("Terraform uses %s, which is not in the log", f[0])
			}
		} else if !strings.Contains(lines[0]+failed, name) && !strings.Contains(string(inSecrets), name) {
			t.Errorf("Terraform uses %s, which is not in the log", f[0])
		}
	}
}

// members returns the names and values of a log line in their order, without values that
// differ in each run.
func members(t *testing.T, line string) []string {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(line))
	d.Token()
	var all []string
	for d.More() {
		name, err := d.Token()
		if err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		switch name {
		case "time", "message_id", "upstream_ms", "total_ms":
			value = nil
		}
		all = append(all, name.(string)+" "+string(value))
	}
	return all
}

// TestExampleResponses compares the example responses of the documents with real ones.
func TestExampleResponses(t *testing.T) {
	for _, test := range []struct{ page, section, payload string }{
		{"docs/responses.md", "# Responses", `{"to": "+12025550104", "text": "Hello"}`},
		{"docs/payload.md", "## Errors", `{"to": "+12025550123", "card1_title": "` + strings.Repeat("a", 214) + `", "card1_text": "A",
			"card2_text": "B", "card2_buttons": "Buy|htps://example.com/2"}`},
	} {
		sim := platform.New(new(rbmtest.Simulator))
		platform := httptest.NewServer(sim)
		t.Cleanup(func() { sim.Close(); platform.Close() })
		h, err := server.New(t.Context(), server.Options{Environ: environ(t, sim, platform.URL), Log: new(bytes.Buffer)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { h.Close() })
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(test.payload))
		r.Header = http.Header{"Content-Type": {"application/json"}, "Authorization": {"Bearer " + apiKey}}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		var got, want map[string]json.RawMessage
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		page := "\n" + readPage(t, test.page)
		if err := json.Unmarshal([]byte(page.section(t, test.section).blocks("json")[0]), &want); err != nil {
			t.Fatal(err)
		}
		for name, value := range want {
			if name == "request_id" {
				continue
			}
			var compact bytes.Buffer
			if err := json.Compact(&compact, value); err != nil {
				t.Fatal(err)
			}
			if compact.String() != string(got[name]) {
				t.Errorf("%s: %s is documented as %s, got %s", test.page, name, &compact, got[name])
			}
		}
	}
}
