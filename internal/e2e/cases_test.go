package e2e

import (
	"bytes"
	"encoding/json"
	"flag"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rcshook/rcshook/internal/payload"
)

var update = flag.Bool("update", false, "write the result of each case to its folder")

// caseTime is the default time of a case.
var caseTime = time.Date(2026, 12, 1, 9, 0, 0, 0, time.UTC)

// TestCases runs the folders of testdata/cases; testdata/README.md describes them.
func TestCases(t *testing.T) {
	t.Parallel()
	areas, err := filepath.Glob("../../testdata/cases/*")
	if err != nil || len(areas) == 0 {
		t.Fatalf("no cases in testdata/cases: %v", err)
	}
	for _, area := range areas {
		t.Run(filepath.Base(area), func(t *testing.T) {
			t.Parallel()
			folders, err := filepath.Glob(filepath.Join(area, "*"))
			if err != nil || len(folders) == 0 {
				t.Fatalf("no cases in %s: %v", area, err)
			}
			for _, folder := range folders {
				t.Run(filepath.Base(folder), func(t *testing.T) {
					t.Parallel()
					newStage(t).play(t, folder)
				})
			}
		})
	}
}

// A setup is the content of setup.json.
type setup struct {
	// About is the reason for the case.
	About string `json:"about"`

	// Time is the time of the case.
	Time time.Time `json:"time"`

	// Environment overrides settings of the function; null removes one.
	Environment map[string]*string `json:"environment"`

	// Simulator are requests to the simulator before the case.
	Simulator []struct {
		Post string          `json:"post"`
		Body json.RawMessage `json:"body"`
	} `json:"simulator"`

	// Times is the number of times that each request is made in parallel. The responses
	// must be equal.
	Times int `json:"times"`

	// Fallback are the statuses of the first responses of the fallback; then it responds
	// with 200.
	Fallback []int `json:"fallback"`
}

func readSetup(t *testing.T, folder string) setup {
	t.Helper()
	s := setup{Time: caseTime, Times: 1}
	data, err := os.ReadFile(filepath.Join(folder, "setup.json"))
	if os.IsNotExist(err) {
		return s
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&s); err != nil {
		t.Fatalf("setup.json: %v", err)
	}
	return s
}

// play runs a case: it makes the requests of a folder and compares the results.
func (s *stage) play(t *testing.T, folder string) {
	checkFiles(t, folder)
	setup := readSetup(t, folder)
	s.clock.set(setup.Time)
	s.sim.Reset()
	s.tasks.Reset()
	s.fallback.reset(setup.Fallback)
	for name, value := range setup.Environment {
		switch {
		case value == nil:
		case *value == "[fallback]":
			setup.Environment[name] = &s.fallback.url
		case *value == "[store]":
			s.openStore(t)
			location, key := storeLocation, storeKey
			setup.Environment[name], setup.Environment["RCSHOOK_OPT_OUT_KEY"] = &location, &key
		}
	}
	for _, step := range setup.Simulator {
		s.callSimulator(t, step.Post, step.Body)
	}
	web := httptest.NewUnstartedServer(nil)
	s.env["RCSHOOK_URL"], s.env["RCSHOOK_QUEUE_ACCOUNT"] = "http://"+web.Listener.Addr().String(), stageAccount
	h, log := s.handler(t, s.withFile(t, folder, setup.Environment))
	web.Config.Handler = h
	web.Start()
	defer web.Close()

	requests := readRequests(t, filepath.Join(folder, "request.http"))
	var responses []string
	for _, request := range requests {
		s.sign(t, h, &request)
		responses = append(responses, request.do(t, web.URL, setup.Times))
	}
	if err := s.tasks.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	web.Close() // a large response may arrive before its log line
	checkLog(t, []byte(log.String()), len(requests)*setup.Times)
	v := variable{s.url, requests}
	compare(t, filepath.Join(folder, "response.http"), v.hide(strings.Join(responses, "\n###\n\n")))
	compare(t, filepath.Join(folder, "sent.json"), v.hide(s.sent(t)))
	compare(t, filepath.Join(folder, "fallback.json"), v.hide(s.fallback.received(t)))
}

// checkLog checks that the log has one line for each request, and no private data. All
// phone numbers in the cases have the same middle.
func checkLog(t *testing.T, log []byte, requests int) {
	t.Helper()
	lines := 0
	for line := range bytes.Lines(log) {
		var entry struct {
			Severity, Message, Path string

			RequestID string `json:"request_id"`
		}
		if err := json.Unmarshal(line, &entry); err != nil || entry.Severity == "" || entry.Message == "" {
			t.Errorf("invalid line for Cloud Logging: %v\n%s", err, line)
		}
		if entry.RequestID != "" && !strings.HasPrefix(entry.Path, "/tasks/") {
			lines++
		}
		for _, private := range []string{"2025550", "Hello", "order", "PRIVATE KEY", "Bearer", "ya29."} {
			if bytes.Contains(line, []byte(private)) {
				t.Errorf("the line contains %q: %s", private, line)
			}
		}
	}
	if lines != requests {
		t.Errorf("the log has %d lines for %d requests:\n%s", lines, requests, log)
	}
}

// checkFiles rejects unknown files, so that a typo does not disable a check.
func checkFiles(t *testing.T, folder string) {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if !slices.Contains([]string{"request.http", "sent.json", "response.http", "setup.json", "rcshook.yaml", "fallback.json"}, entry.Name()) {
			t.Errorf("%s: unknown file", filepath.Join(folder, entry.Name()))
		}
	}
}

// callSimulator posts to the administrative API of the simulator.
func (s *stage) callSimulator(t *testing.T, path string, body []byte) {
	t.Helper()
	res, err := http.Post(s.url+path, "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if text, _ := io.ReadAll(res.Body); res.StatusCode != http.StatusOK {
		t.Fatalf("POST %s: %s\n%s", path, res.Status, text)
	}
}

// sent formats the messages at the simulator. Without messages it returns "".
func (s *stage) sent(t *testing.T) string {
	t.Helper()
	type message struct {
		To           string          `json:"to"`
		MessageID    string          `json:"message_id"`
		AgentID      string          `json:"agent_id"`
		State        string          `json:"state"`
		AgentMessage json.RawMessage `json:"agent_message"`
	}
	var all []message
	for _, m := range s.sim.Messages() {
		all = append(all, message{m.To, m.MessageID, m.AgentID, string(m.State), m.AgentMessage})
	}
	if len(all) == 0 {
		return ""
	}
	// The messages of one request are sent in parallel, in any order.
	slices.SortStableFunc(all, func(a, b message) int {
		return strings.Compare(a.To+string(a.AgentMessage), b.To+string(b.AgentMessage))
	})
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(all); err != nil {
		t.Fatal(err)
	}
	return shorten(text.String())
}

// compare compares a result with its file, or writes the file.
func compare(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.Remove(file); err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		if got != "" {
			if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

// TestEncodings checks that all ways to write one message send the same: nested, flat, as
// a form, as the fields of curl -F and so on. [TestCases] runs these cases.
func TestEncodings(t *testing.T) {
	t.Parallel()
	for _, same := range []struct {
		pattern string
		first   string   // compared with the others
		needed  []string // required ways
	}{
		{"carousel/as-*", "nested-json", []string{"flat-json", "form", "multipart"}},
		{"button/as-*", "objects", []string{"texts", "lines", "numbered"}},
	} {
		folders, err := filepath.Glob("../../testdata/cases/" + same.pattern)
		if err != nil {
			t.Fatal(err)
		}
		prefix := strings.TrimSuffix(filepath.Base(same.pattern), "*")
		messages := map[string]any{}
		for _, folder := range folders {
			messages[strings.TrimPrefix(filepath.Base(folder), prefix)] = soleMessage(t, folder)
		}
		for _, way := range same.needed {
			if messages[way] == nil {
				t.Errorf("no case %s%s", prefix, way)
			}
		}
		for way, message := range messages {
			if diff := cmp.Diff(messages[same.first], message); diff != "" {
				t.Errorf("%s%s does not send the same as %s (-%s +%s):\n%s", prefix, way, same.first, same.first, way, diff)
			}
		}
	}
}

// soleMessage returns the only message of a case.
func soleMessage(t *testing.T, folder string) any {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(folder, "sent.json"))
	if err != nil {
		t.Fatal(err)
	}
	var sent []struct {
		AgentMessage any `json:"agent_message"`
	}
	if err := json.Unmarshal([]byte(lengthen(string(data))), &sent); err != nil || len(sent) != 1 {
		t.Fatalf("%s sends %d messages, error %v; want 1", folder, len(sent), err)
	}
	return sent[0].AgentMessage
}

// TestEveryName checks that every name of every field, and every keyword of a field, is
// in a case.
func TestEveryName(t *testing.T) {
	t.Parallel()
	written := map[string]bool{} // name, and name=keyword
	files, err := filepath.Glob("../../testdata/cases/*/*/request.http")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range jsonMember.FindAllSubmatch(data, -1) {
			name, word := string(match[1]), strings.Trim(string(match[2]), `"`)
			written[name] = true
			written[name+"="+strings.ToLower(word)] = true
		}
	}
	for _, level := range []payload.Level{payload.OnMessage, payload.OnCard, payload.OnButton, payload.OnEvent} {
		for _, f := range payload.Fields(level) {
			names := append([]string{f.Name}, f.Aliases...)
			for _, name := range names {
				if !written[name] {
					t.Errorf("no case has the name %s of the field %s", name, f.Name)
				}
			}
			for _, word := range slices.Concat(f.Words...) {
				if !slices.ContainsFunc(names, func(name string) bool { return written[name+"="+word] }) {
					t.Errorf("no case has the word %s of the field %s", word, f.Name)
				}
			}
		}
	}
}

// jsonMember matches a name and its value if that is a word.
var jsonMember = regexp.MustCompile(`"([a-z_]+)": *("[A-Za-z0-9_]*"|\w+)?`)
