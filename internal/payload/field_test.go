package payload

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestFindField(t *testing.T) {
	t.Parallel()
	for key, want := range map[string][2]string{
		"text": {"text"}, "Body": {"text"}, "phone-number": {"to"}, "to[]": {"to"}, "Quick Replies": {"chips"}, "idempotencyKey": {"idempotency_key"},
		"button2": {"buttons", "2"}, "card1_title": {"cards", "1title"}, "cards[0][title]": {"cards", "0title"},
		"card.title":    {"card", "title"},
		"card999_title": {"cards", "999title"}, "card1000_title": {},
		"text" + strings.Repeat("_", 252): {"text"}, "text" + strings.Repeat("_", 253): {},
		"txt": {}, "": {}, "cardholder": {}, "label": {},
	} {
		if f, part, ok := FindField(key); f.Name != want[0] || part != want[1] || ok != (want[0] != "") {
			t.Errorf("%q = %q, part %q, want %q", key, f.Name, part, want)
		}
	}
}

func TestIsScheme(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]bool{
		"a": true, "z": true, "A": true, "Z": true, "a0": true, "a9": true, "a+": true, "a-.": true,
		strings.Repeat("a", 20): true, strings.Repeat("a", 21): false,
		"": false, "0a": false, "+a": false, "a/": false, "a:": false, "[": false, "@": false,
	} {
		if got := isScheme(s); got != want {
			t.Errorf("isScheme(%q) = %t", s, got)
		}
	}
}

func TestErrors_Error(t *testing.T) {
	t.Parallel()
	for want, e := range map[string]Errors{"payload: 1 error": {{Detail: "a"}}, "payload: 2 errors": {{Detail: "a"}, {Detail: "b"}}} {
		if got := e.Error(); got != want {
			t.Errorf("%d errors: %q", len(e), got)
		}
	}
}

// TestSorted_same tests which errors are the same.
func TestSorted_same(t *testing.T) {
	t.Parallel()
	e := Errors{{Pointer: "/a", Detail: "1"}, {Pointer: "/a", Detail: "1"}, {Pointer: "/a", Detail: "2"}, {Pointer: "/b", Detail: "2"}}
	want := Errors{{Pointer: "/a", Detail: "1"}, {Pointer: "/a", Detail: "2"}, {Pointer: "/b", Detail: "2"}}
	if diff := cmp.Diff(want, e.Sorted(), cmpopts.IgnoreUnexported(Error{})); diff != "" {
		t.Errorf("sorted (-want +got):\n%s", diff)
	}
}

func TestDecodeQuery(t *testing.T) {
	t.Parallel()
	for q, want := range map[string]string{
		"a+b": "a b", "a+b c": "a+b c", "a%20b": "a b", "%41": "A", "a%4": "a%4", "%zz": "%zz", "a%": "a%", "%ff": "\uFFFD", "": "",
	} {
		if got := decodeQuery(q); got != want {
			t.Errorf("decodeQuery(%q) = %q, want %q", q, got, want)
		}
	}
}

// TestHint tests which characters of broken JSON get an explanation.
func TestHint(t *testing.T) {
	t.Parallel()
	const quote = `: missing quote, or an unescaped quote in a string; write it as \"`
	for text, want := range map[string]string{
		"a": quote, "z": quote, "A": quote, "Z": quote, "@": "", "[": `: missing comma, or an unescaped quote in a string; write it as \"`, "`": "", "|": "",
		"": "", ",}": ": trailing comma before a closing bracket", ", ]": ": trailing comma before a closing bracket", ",": "", "{{": ": a template placeholder was not filled in",
	} {
		if got := hint(text, 0); got != want {
			t.Errorf("hint(%q) = %q, want %q", text, got, want)
		}
	}
	for text, offset := range map[string]int{"{{a": 1, " {{": 2, "{{": 2, "a": -1} {
		if got, want := hint(text, offset), map[bool]string{true: ": a template placeholder was not filled in"}[offset >= 0 && offset < len(text)]; got != want {
			t.Errorf("hint(%q, %d) = %q, want %q", text, offset, got, want)
		}
	}
}
