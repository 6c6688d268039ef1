package draft_test

import (
	"strings"
	"testing"

	"github.com/rcshook/rcshook/internal/draft"
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
		{"only a file, faults and all", "{\"text\": 1,\n \"text\": 2}", nil, "{\"text\": 1,\n \"text\": 2}"},
		{"a byte order mark", "\uFEFF{}", nil, "{}"},
		{"added", `{"text": "Hi", "ttl": 60}`, []string{"to=+12025550123"}, `{"text": "Hi", "ttl": 60, "to": "+12025550123"}`},
		{"another value", `{"to": "+12025550100", "text": "Hi"}`, []string{"to=+12025550123"}, `{"text": "Hi", "to": "+12025550123"}`},
		{"by another name", `{"Phone Number": "+12025550100", "text": "Hi"}`, []string{"to=+12025550123"}, `{"text": "Hi", "to": "+12025550123"}`},
		{"flat in the file", `{"button1": "Yes", "button2": "No"}`, []string{"buttons=OK"}, `{"buttons": "OK"}`},
		{"flat on the line", `{"cards": []}`, []string{"card1_title=A", "card2_title=B"}, `{"card1_title": "A", "card2_title": "B"}`},
		{"flat on both", `{"card1_title": "A", "Card 2 Title": "B"}`, []string{"card2_title=C"}, `{"card1_title": "A", "card2_title": "C"}`},
		{"several values", `{"buttons": ["Yes"]}`, []string{"buttons=A", "buttons=B", "to=1", "to=2"}, `{"buttons": ["A","B"], "to": ["1","2"]}`},
		{"an unknown field is kept", `{"txt": "a"}`, []string{"txt=b"}, `{"txt": "b"}`},
		{"a long number is kept", `{"ttl": 1e2, "x": 12345678901234567890}`, []string{"to=1"}, `{"ttl": 1e2, "x": 12345678901234567890, "to": "1"}`},
	} {
		d := new(draft.Draft)
		if tt.file != "" {
			var err error
			if d, err = draft.Parse([]byte(tt.file)); err != nil {
				t.Errorf("%s: %v", tt.name, err)
				continue
			}
		}
		for _, field := range tt.set {
			key, value, _ := strings.Cut(field, "=")
			if err := d.Set(key, value); err != nil {
				t.Errorf("%s: %v", tt.name, err)
			}
		}
		if got := string(d.JSON()); got != tt.want {
			t.Errorf("%s:\n got %s\nwant %s", tt.name, got, tt.want)
		}
	}
}

func TestRemove(t *testing.T) {
	t.Parallel()
	d, err := draft.Parse([]byte(`{"from": "news", "to": "", "text": "Hi"}`))
	if err != nil {
		t.Fatal(err)
	}
	if !d.Has("agent") || d.Has("to") || d.Has("ttl") || d.Empty() || !new(draft.Draft).Empty() {
		t.Error("it does not know what it has")
	}
	d.Remove("agent")
	if got, want := string(d.JSON()), `{"to": "", "text": "Hi"}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()
	const noObject = `it is not one JSON object, such as {"to": "+12025550123", "text": "Hello"}`
	for text, want := range map[string]string{
		"":                         "nothing in it",
		"[]":                       noObject,
		`"a"`:                      noObject,
		"{} {}":                    "more follows after the end of the JSON at line 1, column 4",
		`{"a": 1`:                  "the JSON breaks off at line 1, column 8",
		"{\n\"a\": 1,\n\"b\" 2\n}": "broken JSON at line 3, column 5",
		"{\"a\": 1,\n b: 2}":       "broken JSON at line 2, column 2: a quote is missing, or a quote inside a text is not written \\\"",
		"to=1":                     "broken JSON at line 1, column 2: a quote is missing, or a quote inside a text is not written \\\"",
	} {
		if _, err := draft.Parse([]byte(text)); err == nil || err.Error() != want {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
	d := new(draft.Draft)
	for _, key := range []string{"text", "card1_buttons", "nonsense"} {
		d.Set(key, "a")
		if err := d.Set(key, "b"); err == nil || err.Error() != key+" is given twice" {
			t.Errorf("%s: %v", key, err)
		}
	}
}

// FuzzParse sees that what is added to a file is what the function reads.
func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"text": "a", "Phone": ["1"], "raw": {"a": [1, {}]}}`))
	f.Add([]byte("{\"a\": 1, \"a\": \"\\ud800\"}"))
	f.Fuzz(func(t *testing.T, text []byte) {
		d, err := draft.Parse(text)
		if err != nil {
			return
		}
		d.Remove("to")
		if d.Set("to", "+12025550123") != nil || !d.Has("to") {
			t.Error("to is not set")
		}
		p, err := payload.Decode("application/json", d.JSON(), payload.Options{})
		if err == nil && (len(p.To) != 1 || p.To[0].E164 != "+12025550123") {
			t.Errorf("%s is for %v", d.JSON(), p.To)
		}
	})
}
