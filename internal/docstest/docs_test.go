package docstest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rcshook/rcshook/internal/compose"
	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/events"
	"github.com/rcshook/rcshook/internal/payload"
	"github.com/rcshook/rcshook/internal/target"
	"github.com/rcshook/rcshook/rbm"
)

// page is the text of a Markdown file, or of a section of one.
type page string

func readPage(t *testing.T, file string) page {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return page(data)
}

// section returns the text between a heading and the next heading of any level.
func (p page) section(t *testing.T, heading string) page {
	t.Helper()
	_, after, ok := strings.Cut(string(p), "\n"+heading+"\n")
	if !ok {
		t.Fatalf("missing heading %s", heading)
	}
	section, _, _ := strings.Cut(after, "\n#")
	return page(section)
}

// blocks returns the fenced code blocks of a language.
func (p page) blocks(language string) []string {
	var blocks []string
	for _, match := range regexp.MustCompile("(?ms)^```"+language+"\n(.*?)^```$").FindAllStringSubmatch(string(p), -1) {
		blocks = append(blocks, match[1])
	}
	return blocks
}

var bar = regexp.MustCompile(`([^\\])\|`)

// rows returns the cells of all tables, without the header rows.
func (p page) rows() [][]string {
	var rows [][]string
	body := false
	for line := range strings.Lines(string(p)) {
		line = strings.TrimSpace(line)
		switch {
		case !strings.HasPrefix(line, "|"):
			body = false
		case strings.HasPrefix(line, "| ---"):
			body = true
		case body:
			cells := strings.Split(bar.ReplaceAllString(line, "$1\x00"), "\x00")
			for i := range cells {
				cells[i] = strings.ReplaceAll(strings.Trim(cells[i], "| "), `\|`, "|")
			}
			rows = append(rows, cells)
		}
	}
	return rows
}

var codeSpan = regexp.MustCompile("`([^`]+)`")

// quoted returns the texts in backticks.
func quoted(text string) []string {
	var all []string
	for _, match := range codeSpan.FindAllStringSubmatch(text, -1) {
		all = append(all, match[1])
	}
	return all
}

// composed returns the message of a valid body, for a function with a queue.
func composed(t *testing.T, contentType, body string) string {
	t.Helper()
	p, err := payload.Decode(contentType, []byte(body), payload.Options{})
	if err != nil {
		t.Errorf("%s: %v", body, err)
		return ""
	}
	c, err := compose.Message(p, compose.Defaults{MaxDelay: 30 * 24 * time.Hour, Fallback: &compose.Fallback{MaxDelay: 30 * 24 * time.Hour}}, exampleTime)
	if err != nil {
		t.Errorf("%s: %+v", body, err)
		return ""
	}
	return string(c.Encoded)
}

// TestPayloads composes the payloads of all documents.
func TestPayloads(t *testing.T) {
	t.Parallel()
	block := regexp.MustCompile("(?ms)^ *```([^\n]*)\n(.*?)^ *```$")
	found := map[string]int{}
	for _, pattern := range []string{"*.md", "docs/*.md", "deploy/*/*.md"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			for _, match := range block.FindAllStringSubmatch(string(readPage(t, file)), -1) {
				for _, body := range Payloads(match[1], match[2]) {
					found[file]++
					composed(t, "application/json", body)
				}
			}
		}
	}
	if found["README.md"] < 2 || found["docs/payload.md"] < 10 || found["docs/first-message.md"] < 2 {
		t.Errorf("found the payloads %v", found)
	}
}

// TestReadmeTargets passes samples on to the targets of the README.
func TestReadmeTargets(t *testing.T) {
	k := newKitchen(t)
	k.file(readPage(t, "README.md").section(t, "## Receive").blocks("yaml")[0])
	k.body("button", `{"text": "+12025550123: Confirm"}`)
	if messages := k.sim.Messages(); len(messages) != 1 || !strings.Contains(string(messages[0].AgentMessage), "Thank you") {
		t.Errorf("got %d messages, want one", len(messages))
	}
}

// TestEventsPage checks that docs/events.md describes every key of an event and every field
// of a target, and that it has an example of each type of event.
func TestEventsPage(t *testing.T) {
	t.Parallel()
	doc := readPage(t, filepath.Join("docs", "events.md"))
	want := map[string]string{} // by type
	for _, e := range events.Samples("default", "example_agent", "sample", exampleTime) {
		short := fields(t, e)
		if e.Type == "reply" {
			want["every key"] = fmt.Sprint(short)
			checkKeys(t, doc.section(t, "## Events and their keys"), short)
		}
		for name, value := range short {
			if value == nil || value == "" || slices.Contains([]string{"id", "time", "phone", "agent", "agent_id"}, name) {
				delete(short, name)
			}
		}
		want[e.Type] = fmt.Sprint(short)
	}
	got := map[string]string{}
	for i, block := range doc.blocks("json event") {
		example := fields(t, json.RawMessage(block))
		name := fmt.Sprint(example["type"])
		if i == 0 {
			name = "every key"
		}
		got[name] = fmt.Sprint(example)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("examples (-want +got):\n%s", diff)
	}

	var listed, known []string
	for _, row := range doc.section(t, "## Targets").rows() {
		listed = append(listed, quoted(row[0])...)
	}
	for i := range reflect.TypeFor[config.Target]().NumField() {
		if tag := reflect.TypeFor[config.Target]().Field(i).Tag.Get("yaml"); tag != "" {
			known = append(known, tag)
		}
	}
	slices.Sort(listed)
	slices.Sort(known)
	if diff := cmp.Diff(known, listed); diff != "" {
		t.Errorf("fields of a target (-want +got):\n%s", diff)
	}
	for _, program := range doc.blocks("jq") {
		checkTargets(t, map[string]*config.Target{"a": {OK: config.Program{Text: program}}}, nil)
	}
}

// TestFallbackExample checks the example in docs/sources.md.
func TestFallbackExample(t *testing.T) {
	t.Parallel()
	example := readPage(t, filepath.Join("docs", "sources.md")).section(t, "## Fallback").blocks("json")[0]
	about := events.Event{Phone: "+12025550104", Agent: "default", AgentID: "example_agent", MessageID: "5fb86188-edfa-5ea1-9031-97b27015e45d"}
	payload := json.RawMessage(`{"to": "+12025550104", "text": "Order 1001 has shipped"}`)
	want := fields(t, events.Fallback(about, "recipient_unreachable", "Order 1001 has shipped", payload, exampleTime))
	maps.DeleteFunc(want, func(_ string, value any) bool { return value == nil || value == "" })
	if diff := cmp.Diff(want, fields(t, json.RawMessage(example))); diff != "" {
		t.Errorf("example (-want +got):\n%s", diff)
	}
}

// TestFallbackPage checks the example of docs/fallback.md, the time of each traffic type,
// and the costs.
func TestFallbackPage(t *testing.T) {
	t.Parallel()
	doc := readPage(t, filepath.Join("docs", "fallback.md"))
	file, err := config.ParseFile("rcshook.yaml", []byte(doc.blocks("yaml")[0]))
	if err != nil {
		t.Fatal(err)
	}
	fallback := file.Agents["default"].Fallback
	if !fallback.After.Auto {
		t.Error("the example does not have after: auto")
	}
	checkTargets(t, nil, []*config.Target{fallback})

	got, want := map[string]string{}, map[string]string{}
	for _, row := range doc.section(t, "## Settings").rows()[3:] {
		for _, traffic := range quoted(row[0]) {
			got[traffic], _, _ = strings.Cut(row[1], ":")
			p, err := payload.Decode("application/json", fmt.Appendf(nil, `{"to": "+12025550123", "text": "a", "traffic": %q}`, traffic), payload.Options{})
			if err != nil {
				t.Fatal(err)
			}
			c, err := compose.Message(p, compose.Defaults{Fallback: &compose.Fallback{Auto: true, MaxDelay: time.Hour}}, exampleTime)
			if err != nil {
				t.Fatal(err)
			}
			switch after := c.FallbackAt.Sub(exampleTime); {
			case c.FallbackAt.IsZero():
				want[traffic] = "never"
			case after < 2*time.Minute:
				want[traffic] = fmt.Sprint(after.Seconds(), " seconds")
			default:
				want[traffic] = fmt.Sprint(after.Minutes(), " minutes")
			}
		}
	}
	if diff := cmp.Diff(want, got); diff != "" || len(got) != 5 {
		t.Errorf("after: auto of %d traffic types (-want +got):\n%s", len(got), diff)
	}

	// An operation costs $0.40 per million.
	for _, row := range doc.section(t, "## Cost").rows() {
		operations := 0
		for calls := range strings.SplitSeq(row[1], ", ") {
			_, times, _ := strings.Cut(calls, " ")
			operations += map[string]int{"": 1, "twice": 2, "three times": 3}[times]
		}
		if want := fmt.Sprintf("%.2f", 0.4*float64(operations)); row[2] != want {
			t.Errorf("%s: got $%s for %d operations, want $%s", row[0], row[2], operations, want)
		}
	}
}

// fields returns the members of the JSON of a value.
func fields(t *testing.T, v any) (object map[string]any) {
	t.Helper()
	data, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(data, &object)
	}
	if err != nil {
		t.Errorf("%v in\n%s", err, v)
	}
	return object
}

// checkKeys checks that a table lists the keys of an event.
func checkKeys(t *testing.T, section page, event map[string]any) {
	t.Helper()
	var listed []string
	for _, row := range section.rows() {
		listed = append(listed, quoted(row[0])...)
	}
	slices.Sort(listed)
	if diff := cmp.Diff(slices.Sorted(maps.Keys(event)), listed); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
}

// checkTargets compiles targets.
func checkTargets(t *testing.T, targets map[string]*config.Target, fallbacks []*config.Target) {
	t.Helper()
	d, err := target.Open(targets, fallbacks, nil, target.Options{Transport: new(http.Transport)})
	if err != nil {
		t.Error(err)
		return
	}
	d.Close()
}

// TestPayloadPage checks that docs/payload.md lists all fields with their aliases and the
// limits of the code.
func TestPayloadPage(t *testing.T) {
	t.Parallel()
	doc := readPage(t, filepath.Join("docs", "payload.md"))
	for heading, level := range map[string]payload.Level{
		"## Fields of the message": payload.OnMessage,
		"## Fields of a card":      payload.OnCard,
		"### Fields of a button":   payload.OnButton,
		"### Fields of an event":   payload.OnEvent,
	} {
		var got, want []string
		for _, row := range doc.section(t, heading).rows() {
			got = append(got, fmt.Sprint(quoted(row[0]), quoted(row[1])))
		}
		for _, f := range payload.Fields(level) {
			want = append(want, fmt.Sprint([]string{f.Name}, f.Aliases))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", heading, diff)
		}
	}
	checkButtons(t, doc.section(t, "## Buttons"))
	checkForms(t, doc.section(t, "## Flat payloads"))
	checkLimits(t, doc.section(t, "## Limits"))
}

// checkButtons composes the button strings of a table.
func checkButtons(t *testing.T, section page) {
	t.Helper()
	rows := section.rows()
	if len(rows) < 10 {
		t.Errorf("got %d button strings, want at least 10", len(rows))
	}
	for _, row := range rows {
		composed(t, "application/json", fmt.Sprintf(`{"to": "+12025550123", "text": "a", "chips": [%q]}`, quoted(row[0])[0]))
	}
}

var curlField = regexp.MustCompile(`-F '(\w+)=([^']*)'`)

// sendField matches an argument FIELD=VALUE of rcshook send, with or without quotes.
var sendField = regexp.MustCompile(`"(\w+)=([^"]*)"| (\w+)=([^\s"]+)`)

// checkForms checks that the flat carousel is the same message in JSON, as a form and as
// fields of curl.
func checkForms(t *testing.T, section page) {
	t.Helper()
	var forms []string
	for _, block := range section.blocks("http") {
		_, body, _ := strings.Cut(strings.TrimSpace(block), "\n\n")
		forms = append(forms, composed(t, "application/x-www-form-urlencoded", body))
	}
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	for _, field := range curlField.FindAllStringSubmatch(section.blocks("sh")[0], -1) {
		if err := w.WriteField(field[1], field[2]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	flat := composed(t, "application/json", section.blocks("json")[0])
	if len(forms) == 0 || forms[0] != flat {
		t.Errorf("the form is composed to %v, the JSON to %s", forms, flat)
	}
	if got := composed(t, w.FormDataContentType(), body.String()); got != flat {
		t.Errorf("the curl fields are composed to %s, the JSON to %s", got, flat)
	}
	fields := map[string]string{}
	for _, field := range sendField.FindAllStringSubmatch(section.blocks("sh")[1], -1) {
		fields[field[1]+field[3]] = field[2] + field[4]
	}
	body.Reset()
	if err := json.NewEncoder(&body).Encode(fields); err != nil {
		t.Fatal(err)
	}
	if got := composed(t, "application/json", body.String()); got != flat {
		t.Errorf("the fields of rcshook send are composed to %s, the JSON to %s", got, flat)
	}
}

// checkLimits compares the table of limits with the constants of the code.
func checkLimits(t *testing.T, section page) {
	t.Helper()
	want := map[string]int{
		"`text` of a message, `fallback_text`": rbm.MaxText,
		"title of a card":                      rbm.MaxCardTitle,
		"description of a card":                rbm.MaxCardDescription,
		"label of a button":                    rbm.MaxSuggestionText,
		"postback":                             rbm.MaxPostback,
		"URL of a button, `fallback_url`":      rbm.MaxURL,
		"title of an event":                    rbm.MaxCalendarTitle,
		"description of an event":              rbm.MaxCalendarDescription,
		"chips under a message":                rbm.MaxSuggestions,
		"buttons of a card":                    rbm.MaxCardSuggestions,
		"cards of a carousel":                  rbm.MaxCarouselCards,
		"recipients":                           payload.MaxRecipients,
		"`idempotency_key`":                    payload.MaxIdempotencyKey,
		"the whole message as JSON":            rbm.MaxMessageBytes,
		"`ttl`":                                int(rbm.MaxLifetime.Seconds()),
		"`fallback_after`":                     int(config.MaxAfter.Seconds()),
	}
	got := map[string]int{}
	for _, row := range section.rows() {
		var n int
		if _, err := fmt.Sscan(row[1], &n); err != nil {
			t.Errorf("%s: %v", row[0], err)
		}
		got[row[0]] = n
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("limits (-want +got):\n%s", diff)
	}
}
