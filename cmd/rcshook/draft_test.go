package main

import (
	"strings"
	"testing"

	"github.com/rcshook/rcshook/internal/payload"
)

func TestDraft(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, file string
		set        []string
		want       string
	}{
		{"only fields", "", []string{"to=+12025550123", "text=a=b & <c>"}, `{"to": "+12025550123", "text": "a=b & <c>"}`},
		{"a file with errors", "{\"text\": 1,\n \"text\": 2}", nil, "{\"text\": 1,\n \"text\": 2}"},
		{"a byte order mark", "\uFEFF{}", nil, "{}"},
		{"UTF-16", "\xff\xfe{\x00}\x00", nil, "{}"},
		{"an added field", `{"text": "Hi", "ttl": 60}`, []string{"to=+12025550123"}, `{"text": "Hi", "ttl": 60, "to": "+12025550123"}`},
		{"another value", `{"to": "+12025550100", "text": "Hi"}`, []string{"to=+12025550123"}, `{"text": "Hi", "to": "+12025550123"}`},
		{"by another name", `{"Phone Number": "+12025550100", "text": "Hi"}`, []string{"to=+12025550123"}, `{"text": "Hi", "to": "+12025550123"}`},
		{"flat in the file", `{"button1": "Yes", "button2": "No"}`, []string{"buttons=OK"}, `{"buttons": "OK"}`},
		{"flat on the command line", `{"cards": []}`, []string{"card1_title=A", "card2_title=B"}, `{"card1_title": "A", "card2_title": "B"}`},
		{"flat on both", `{"card1_title": "A", "Card 2 Title": "B"}`, []string{"card2_title=C"}, `{"card1_title": "A", "card2_title": "C"}`},
		{"several values", `{"buttons": ["Yes"]}`, []string{"buttons=A", "buttons=B", "to=1", "to=2"}, `{"buttons": ["A","B"], "to": ["1","2"]}`},
		{"an unknown field is kept", `{"txt": "a"}`, []string{"txt=b"}, `{"txt": "b"}`},
		{"a long number is kept", `{"ttl": 1e2, "x": 12345678901234567890}`, []string{"to=1"}, `{"ttl": 1e2, "x": 12345678901234567890, "to": "1"}`},
	} {
		d := new(draft)
		if tt.file != "" {
			var err error
			if d, err = parseDraft([]byte(tt.file)); err != nil {
				t.Errorf("%s: %v", tt.name, err)
				continue
			}
		}
		for _, field := range tt.set {
			key, value, _ := strings.Cut(field, "=")
			if err := d.set(key, value); err != nil {
				t.Errorf("%s: %v", tt.name, err)
			}
		}
		if got := string(d.json()); got != tt.want {
			t.Errorf("%s:\n got %s\nwant %s", tt.name, got, tt.want)
		}
	}
}

func TestDraft_remove(t *testing.T) {
	t.Parallel()
	d, err := parseDraft([]byte(`{"from": "news", "to": "", "text": "Hi"}`))
	if err != nil {
		t.Fatal(err)
	}
	if !d.has("agent") || d.has("to") || d.has("ttl") {
		t.Error("has is wrong about a field")
	}
	d.remove("agent")
	if got, want := string(d.json()), `{"to": "", "text": "Hi"}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestDraft_errors(t *testing.T) {
	t.Parallel()
	const noObject = `expected one JSON object, such as {"to": "+12025550123", "text": "Hello"}`
	for text, want := range map[string]string{
		"":                         "it is empty",
		"[]":                       noObject,
		`"a"`:                      noObject,
		"{} {}":                    "unexpected data after the end of the JSON at line 1, column 4",
		`{"a": 1`:                  "unexpected end of the JSON at line 1, column 8",
		"{\n\"a\": 1,\n\"b\" 2\n}": "invalid JSON at line 3, column 5",
		"{\"a\": 1,\n b: 2}":       "invalid JSON at line 2, column 2: missing quote, or an unescaped quote in a string; write it as \\\"",
		"to=1":                     "invalid JSON at line 1, column 2: the text looks like a form; send it as application/x-www-form-urlencoded",
	} {
		if _, err := parseDraft([]byte(text)); err == nil || err.Error() != want {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
	d := new(draft)
	for _, key := range []string{"text", "card1_buttons", "nonsense"} {
		d.set(key, "a")
		if err := d.set(key, "b"); err == nil || err.Error() != "duplicate field "+key {
			t.Errorf("%s: %v", key, err)
		}
	}
}

// FuzzParseDraft checks that the function reads a field that was added to a file.
func FuzzParseDraft(f *testing.F) {
	f.Add([]byte(`{"text": "a", "Phone": ["1"], "raw": {"a": [1, {}]}}`))
	f.Add([]byte("{\"a\": 1, \"a\": \"\\ud800\"}"))
	f.Fuzz(func(t *testing.T, text []byte) {
		d, err := parseDraft(text)
		if err != nil {
			return
		}
		d.remove("to")
		if d.set("to", "+12025550123") != nil || !d.has("to") {
			t.Error("to is not set")
		}
		p, err := payload.Decode("application/json", d.json(), payload.Options{})
		if err == nil && (len(p.To) != 1 || p.To[0].E164 != "+12025550123") {
			t.Errorf("%s has the recipients %v", d.json(), p.To)
		}
	})
}
