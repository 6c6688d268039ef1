package compose_test

import (
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/rcshook/rcshook/internal/compose"
	"github.com/rcshook/rcshook/internal/payload"
	"github.com/rcshook/rcshook/internal/racetest"
)

// values are valid and invalid values of fields.
var values = []any{
	"", " ", "a", "5", "Größe 42", "true", "no", 0, 1, 600, 1.5, true, false, nil,
	"+12025550123", "+12025550123, +12025550124", 12025550124, "abc", "0170 1234567",
	[]any{"+12025550123", 5, ""},
	"https://example.com/a.png", "http://bit.ly/a b", "files/a", "ftp://example.com", "example.com",
	"short", "tall", "horizontal", "RIGHT", "small", "promotion", "10m", "16d", "2026-12-01T10:00Z", "2020-01-01T10:00Z", "DE", "ZZ",
	"Yes,No", "Track|https://example.com/t\nCall|tel:+1 202 555 0199", "Go|htps://x", "A|geo:1,2?q=x", "A|location:", "A|cal:2026-12-01T10:00Z/2026-12-01T11:00Z/x",
	[]any{"Yes", "No|=N"},
	[]any{"a", "b", "c", "d", "e"},
	[]any{},
	map[string]any{"title": "a"},
	map[string]any{"label": "a", "url": "https://example.com"},
	map[string]any{"contentMessage": map[string]any{"text": "a"}},
	map[string]any{"text": "a"},
	map[string]any{"buttons": []any{map[string]any{"label": "a", "event": map[string]any{"start": "x"}}}},
	map[string]any{},
	`[{"title": "a"}, {"title": "b", "buttons": "Yes"}]`, `{"title": "a"}`, `{"contentMessage": {"text": "a"}}`, `{"broken`, `["Yes", {"label": "b", "phone": "1"}]`,
	"00000000-0000-4000-8000-000000000000", strings.Repeat("a", 26), strings.Repeat("a", 201),
}

// generator generates payloads of known fields in all spellings.
type generator struct{ *rand.Rand }

func (g generator) key() string {
	level := []payload.Level{payload.OnMessage, payload.OnMessage, payload.OnMessage, payload.OnCard, payload.OnButton, payload.OnEvent}[g.IntN(6)]
	fields := payload.Fields(level)
	f := fields[g.IntN(len(fields))]
	names := append([]string{f.Name}, f.Aliases...)
	name := names[g.IntN(len(names))]
	switch level {
	case payload.OnCard:
		name = []string{"card1_", "card2_", "card[", "cards[0][", "card.", "Card 3 "}[g.IntN(6)] + name
	case payload.OnButton:
		name = []string{"button1_", "card1_button2_", "cards[1][buttons][0]["}[g.IntN(3)] + name
	case payload.OnEvent:
		name = "button1_event_" + name
	}
	switch g.IntN(8) {
	case 0:
		name = strings.ToUpper(name)
	case 1:
		name = strings.ReplaceAll(name, "_", "-")
	case 2:
		name = strings.Replace(name, "t", "", 1) // a typo
	}
	return name
}

func (g generator) value() any {
	if g.IntN(6) == 0 {
		return []any{map[string]any{g.key(): values[g.IntN(len(values))], "title": "a"}, map[string]any{g.key(): values[g.IntN(len(values))], "title": "b"}}
	}
	return values[g.IntN(len(values))]
}

func (g generator) payload() []byte {
	object := map[string]any{}
	if g.IntN(4) > 0 {
		object["to"] = "+12025550123"
	}
	if g.IntN(2) > 0 {
		object[[]string{"text", "title", "file", "card1_title"}[g.IntN(4)]] = "https://example.com/a"
	}
	for range g.IntN(6) {
		object[g.key()] = g.value()
	}
	data, err := json.Marshal(object)
	if err != nil {
		panic(err)
	}
	return data
}

// Generated payloads compose to valid messages, or to errors at the right positions.
func TestMessage_generated(t *testing.T) {
	t.Parallel()
	racetest.Skip(t)
	good, bad := 0, 0
	for seed := range uint64(20_000) {
		body := generator{rand.New(rand.NewPCG(seed, 0))}.payload()
		p, err := payload.Decode(asJSON, body, payload.Options{Country: "DE"})
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if c, err := compose.Message(p, compose.Defaults{}, now); err != nil {
			bad++
			checkErrors(t, string(body), err)
		} else {
			good++
			checkMessage(t, p, c)
		}
		if t.Failed() {
			t.Fatalf("seed %d: %s", seed, body)
		}
	}
	if good < 1000 || bad < 1000 {
		t.Errorf("%d messages and %d payloads with errors: expected more of both", good, bad)
	}
}
