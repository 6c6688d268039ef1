package payload_test

import (
	"fmt"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"github.com/rcshook/rcshook/internal/payload"
)

func TestFields(t *testing.T) {
	t.Parallel()
	for _, level := range []payload.Level{payload.OnMessage, payload.OnCard, payload.OnButton, payload.OnEvent} {
		seen := map[string]string{}
		for _, f := range payload.Fields(level) {
			if f.Meaning == "" || f.Type == "" || (f.Type == payload.TypeWord) != (len(f.Words) > 0) {
				t.Errorf("field %q is not complete: %+v", f.Name, f)
			}
			for _, name := range append([]string{f.Name}, f.Aliases...) {
				bare := strings.ReplaceAll(name, "_", "")
				if other, ok := seen[bare]; ok {
					t.Errorf("%q means both %q and %q", name, other, f.Name)
				}
				seen[bare] = f.Name
			}
		}
	}
}

// sample returns a JSON value that a message-level field takes.
func sample(f payload.Field) string {
	switch f.Type {
	case payload.TypePhones:
		return `"+12025550123"`
	case payload.TypeWord:
		return `"` + f.Words[0][0] + `"`
	case payload.TypeBool:
		return "true"
	case payload.TypeDuration:
		return `"10m"`
	case payload.TypeTime:
		return `"2026-12-01T10:00:00Z"`
	case payload.TypeCard, payload.TypeRaw:
		return `{"title": "a"}`
	case payload.TypeCards:
		return `[{"title": "a"}]`
	}
	switch f.Name {
	case "country":
		return `"US"`
	case "message_id":
		return `"00000000-0000-4000-8000-000000000000"`
	}
	return `"a"`
}

// spellings returns the ways in which people write a name.
func spellings(name string) []string {
	words := strings.Split(name, "_")
	title := make([]string, len(words))
	for i, w := range words {
		title[i] = string(unicode.ToUpper(rune(w[0]))) + w[1:]
	}
	pascal := strings.Join(title, "")
	return []string{
		name, strings.ToUpper(name), strings.Join(words, "-"), strings.Join(words, " "),
		strings.Join(title, " "), strings.Join(title, "-"), pascal, strings.ToLower(pascal[:1]) + pascal[1:], " " + name + " ",
	}
}

// Every name and alias is the same field in every spelling. Beside the name, it conflicts
// only if it has a different value.
func TestDecode_everySpelling(t *testing.T) {
	t.Parallel()
	for _, f := range payload.Fields(payload.OnMessage) {
		for _, name := range append([]string{f.Name}, f.Aliases...) {
			for _, spelling := range spellings(name) {
				value := sample(f)
				for _, line := range problems(t, asJSON, `{"`+spelling+`": `+value+`}`) {
					if !strings.HasPrefix(line, "/to: missing") {
						t.Errorf("%q: %s", spelling, line)
					}
				}
				if spelling == f.Name {
					continue
				}
				for _, line := range problems(t, asJSON, `{"`+f.Name+`": `+value+`, "`+spelling+`": `+value+`}`) {
					if !strings.HasPrefix(line, "/to: missing") {
						t.Errorf("%q twice: %s", spelling, line)
					}
				}
				want := `/` + spelling + `: "` + f.Name + `" and "` + spelling + `" are the same field, with different values; send one of them`
				if got := problems(t, asJSON, `{"`+f.Name+`": `+value+`, "`+spelling+`": "zz"}`); len(got) == 0 || got[0] != want {
					t.Errorf("%q with another value: %q, want %q", spelling, got, want)
				}
			}
		}
	}
}

func TestDecode_keys(t *testing.T) {
	t.Parallel()
	const to = `{"to": "+12025550123", `
	for _, tt := range []struct {
		name, body string
		want       []string
	}{
		{"typo", to + `"txt": "a"}`, []string{`/txt: unknown field; did you mean "text"?`}},
		{"typo of an alias", to + `"mesage": "a"}`, []string{`/mesage: unknown field; did you mean "message"?`}},
		{"swapped letters", to + `"titel": "a"}`, []string{`/titel: unknown field; did you mean "title"?`}},
		{"typo in camel case", to + `"imgeURL": "a"}`, []string{`/imgeURL: unknown field; did you mean "image_url"?`}},
		{"missing to, explained", `{"phnoe": "+12025550123", "text": "a"}`, []string{`/phnoe: unknown field; did you mean "phone"?`}},
		{"typo and missing to", `{"txt": "a"}`, []string{
			`/txt: unknown field; did you mean "text"?`,
			`/to: missing: expected a phone number such as +12025550123`,
		}},
		{"typo in a card", to + `"card": {"titl": "a"}}`, []string{`/card/titl: unknown field; did you mean "title"?`}},
		{"typo in a flat card", to + `"card2_titl": "a"}`, []string{`/card2_titl: unknown field; did you mean "card2_title"?`}},
		{"typo in brackets", to + `"cards[0][titl]": "a"}`, []string{`/cards[0][titl]: unknown field; did you mean "cards[0][title]"?`}},
		{"typo in a single flat card", to + `"card_titl": "a"}`, []string{`/card_titl: unknown field; did you mean "card_title"?`}},
		{"typo in a button", to + `"buttons": [{"lable": "a", "url": "b"}]}`, []string{`/buttons/0/lable: unknown field; did you mean "label"?`}},
		{"nothing near in an event", to + `"buttons": [{"label": "a", "event": {"start": "2026-12-01T10:00Z", "end": "2026-12-01T10:00Z", "guests": 2}}]}`, []string{
			`/buttons/0/event/guests: unknown field; expected one of title, description, start, end`,
		}},
		{"message field in a card", to + `"card": {"ttl": "5m"}}`, []string{`/card/ttl: unknown field here; it belongs to the message`}},
		{"button field in a message", to + `"fallback_url": "a"}`, []string{`/fallback_url: unknown field here; it belongs to a button`}},
		{"long name", to + `"` + strings.Repeat("t", 41) + `": 1}`, []string{
			"/" + strings.Repeat("t", 41) + ": unknown field; expected one of " + fieldNames(payload.OnMessage),
		}},
		{"name of nothing", to + `"": 1}`, []string{"/: unknown field; expected one of " + fieldNames(payload.OnMessage)}},
		{"slash and tilde in a name", to + `"a/b~c": 1}`, []string{"/a~1b~0c: unknown field; expected one of " + fieldNames(payload.OnMessage)}},

		{"name twice", to + `"text": "a", "text": "a"}`, []string{"/text: duplicate name in one object; send it once"}},
		{"name twice, once empty", to + `"text": "", "text": "a"}`, []string{"/text: duplicate name in one object; send it once"}},
		{"name twice in a card", to + `"cards": [{"title": "a", "title": "b"}]}`, []string{"/cards/0/title: duplicate name in one object; send it once"}},
		{"flat name twice", to + `"card1_title": "a", "card1_title": "b"}`, []string{"/card1_title: duplicate name in one object; send it once"}},
		{"whole card twice", to + `"button1": "a", "button1": "b"}`, []string{"/button1: duplicate name in one object; send it once"}},
		{"aliases agree", to + `"text": "5", "body": 5}`, nil},
		{"alias beside an empty value", to + `"text": "", "body": "a"}`, nil},
		{"empty alias", to + `"text": "a", "body": "", "msg": null}`, nil},
		{"aliases disagree", to + `"text": "a", "Body": "b"}`, []string{`/Body: "text" and "Body" are the same field, with different values; send one of them`}},
		{"aliases of lists agree", to + `"buttons": ["a", "b"], "actions": ["a", "b"]}`, nil},
		{"aliases of lists disagree", to + `"buttons": ["a", "b"], "actions": ["b", "a"]}`, []string{`/actions: "buttons" and "actions" are the same field, with different values; send one of them`}},

		{"list and flat", to + `"cards": [{"title": "a"}], "card2_title": "b"}`, []string{`/card2_title: conflicts with "cards"; send only one of them`}},
		{"flat and list", to + `"card2_title": "b", "cards": [{"title": "a"}]}`, []string{`/cards: "card2_title" and "cards" are the same field, with different values; send one of them`}},
		{"empty list and flat", to + `"cards": "", "card1_title": "b"}`, nil},
		{"list and empty flat", to + `"cards": [{"title": "a"}], "card1_title": " "}`, nil},
		{"item and its fields", to + `"card1": {"title": "a"}, "card1_text": "b"}`, []string{`/card1_text: conflicts with "card1"; send only one of them`}},
		{"fields and their item", to + `"card1_text": "b", "card1": {"title": "a"}}`, []string{`/card1: "card1_text" and "card1" are the same field, with different values; send one of them`}},
		{"same item twice", to + `"button1": "a", "button_1": "a"}`, nil},
		{"different items of one number", to + `"button1": "a", "suggestion1": "b"}`, []string{`/suggestion1: "button1" and "suggestion1" are the same field, with different values; send one of them`}},
		{"raw flat", to + `"raw.contentMessage.text": "b"}`, []string{
			"/raw.contentMessage.text: raw has no flat form; send it as one JSON object, or as text that contains one",
		}},
		{"number out of bounds", to + `"card1000_title": "b"}`, []string{
			"/card1000_title: unknown field; expected one of " + fieldNames(payload.OnMessage),
		}},
		{"resembles a flat key", to + `"cardholder": "b"}`, []string{
			"/cardholder: unknown field; expected one of " + fieldNames(payload.OnMessage),
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, problems(t, asJSON, tt.body)); diff != "" {
				t.Errorf("errors of %s (-want +got):\n%s", tt.body, diff)
			}
		})
	}
}

func fieldNames(level payload.Level) string {
	var names []string
	for _, f := range payload.Fields(level) {
		names = append(names, f.Name)
	}
	return strings.Join(names, ", ")
}

func TestDecode_formKeys(t *testing.T) {
	t.Parallel()
	const to = "to=%2B12025550123&"
	for _, tt := range []struct {
		name, body string
		want       []string
	}{
		{"repeated list field", to + "buttons=a&buttons=b&buttons=c", nil},
		{"repeated with brackets", to + "buttons[]=a&buttons[]=b", nil},
		{"repeated text, same", to + "text=a&text=a", nil},
		{"repeated text", to + "text=a&text=b", []string{"/text: sent twice with different values"}},
		{"repeated name in JSON in a field", to + `card={"title":"a","title":"b"}`, []string{
			"/card: in the JSON text, at /title: duplicate name in one object; send it once",
		}},
		{"typo", to + "card1%5Btitl%5D=a", []string{`/card1[titl]: unknown field; did you mean "card1[title]"?`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, problems(t, asForm, tt.body)); diff != "" {
				t.Errorf("errors of %s (-want +got):\n%s", tt.body, diff)
			}
		})
	}
}

// All flat forms of a card decode to the same card.
func TestDecode_unflatten(t *testing.T) {
	t.Parallel()
	for _, key := range []string{
		"card1_title", "card1.title", "card1[title]", "card1__title", "card1-title", "Card 1 Title", "card1Title", "CARD1TITLE",
		"card_1_title", "card[1][title]", "cards[0][title]", "cards.0.title", "cards__0__title", "cards[0].title", "cards_7_title", "carousel1_title", "card 1 heading",
	} {
		p := decode(t, asJSON, `{"to": "+12025550123", "`+key+`": "a"}`)
		if len(p.Errors) > 0 || len(p.Cards) != 1 || p.Cards[0].Title.Value != "a" || p.Cards[0].Title.Pointer() != "/"+key || p.Cards[0].Pointer() != "/"+key {
			t.Errorf("%s: cards %+v, errors %v", key, p.Cards, p.Errors)
		}
	}
	for _, key := range []string{"card_title", "card.title", "card[title]", "card__title", "Card Title", "cardTitle", "richCard.title", "rich_card_heading"} {
		p := decode(t, asJSON, `{"to": "+12025550123", "`+key+`": "a"}`)
		if len(p.Errors) > 0 || p.Card == nil || p.Card.Title.Value != "a" {
			t.Errorf("%s: card %+v, errors %v", key, p.Card, p.Errors)
		}
	}
	for _, key := range []string{"button1", "button_1", "buttons[0]", "buttons.0", "Button 1", "suggestion1", "action1", "buttons[]", "card_1"} {
		p := decode(t, asForm, "to=%2B12025550123&"+key+"=%7B%22title%22%3A%22a%22%7D")
		if len(p.Errors) > 0 || len(p.Top.Buttons.Items)+len(p.Cards) != 1 {
			t.Errorf("%s: buttons %+v, cards %+v, errors %v", key, p.Top.Buttons, p.Cards, p.Errors)
		}
	}
}

// Flat cards are sorted by their numbers.
func TestDecode_numbersOrder(t *testing.T) {
	t.Parallel()
	p := decode(t, asJSON, `{"card10_title": "j", "card2_title": "b", "card1_title": "a", "card3_title": "", "card3_text": " ", "card4_text": "d", "card2_buttons": "x"}`)
	var titles []string
	for _, c := range p.Cards {
		titles = append(titles, c.Title.Value+c.Text.Value+c.Pointer())
	}
	if diff := cmp.Diff([]string{"a/card1_title", "b/card2_title", "d/card4_text", "j/card10_title"}, titles); diff != "" {
		t.Errorf("cards (-want +got):\n%s", diff)
	}
}

// Errors are sorted by position and limited to 100.
func TestFaults_Sorted(t *testing.T) {
	t.Parallel()
	got := problems(t, asJSON, `{"ttl": "x", "zz": 1, "otp": "x", "text": [], "alt": {"a": 1}, "cards": [{"title": {"a": 1}}], "height": 5}`)
	var pointers []string
	for _, line := range got {
		pointer, _, _ := strings.Cut(line, ":")
		pointers = append(pointers, pointer)
	}
	if diff := cmp.Diff([]string{"/ttl", "/zz", "/otp", "/alt", "/cards/0/title", "/height", "/to"}, pointers); diff != "" {
		t.Errorf("pointers (-want +got):\n%s", diff)
	}
	want := []string{
		"/card: in the JSON text, at /titl: unknown field; did you mean \"title\"?",
		"/heigth: unknown field; did you mean \"height\"?",
	}
	if diff := cmp.Diff(want, problems(t, asJSON, `{"to": "+12025550123", "card": "{\"titl\": 1}", "heigth": 1}`)); diff != "" {
		t.Errorf("errors in JSON in a text (-want +got):\n%s", diff)
	}
	many := `{"to": "x"`
	for i := range 5000 {
		many += fmt.Sprintf(`, "zz%d": 1`, i)
	}
	if got := decode(t, asJSON, many+"}").Errors; len(got) != 100 {
		t.Errorf("%d errors, want 100", len(got))
	}
}
