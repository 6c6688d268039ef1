package source

import (
	"bytes"
	"flag"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the list of presets to docs/sources.md")

// TestPresets_docs compares the list of presets in docs/sources.md with the presets.
func TestPresets_docs(t *testing.T) {
	t.Parallel()
	const file = "../../docs/sources.md"
	const start, end = "<!-- The list of presets is generated: go test ./internal/source -run Presets_docs -update -->\n", "<!-- End of the list. -->\n"
	page, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := bytes.Cut(page, []byte(start))
	old, after, ended := bytes.Cut(rest, []byte(end))
	if !found || !ended {
		t.Fatalf("%s has no list of presets", file)
	}
	var list strings.Builder
	grouped := Grouped()
	for _, group := range Groups {
		fmt.Fprintf(&list, "\n### %s\n\n| preset | sender | proof | event ID | phone number |\n| --- | --- | --- | --- | --- |\n", strings.ToUpper(group[:1])+group[1:])
		for _, name := range grouped[group] {
			p, _ := loadPreset(name)
			fmt.Fprintf(&list, "| `%s` | %s | %s | %s | %s |\n", name, p.sender(), p.proof(), p.identity(), p.number())
		}
	}
	list.WriteByte('\n')
	if *update {
		text := bytes.Join([][]byte{before, []byte(start), []byte(list.String()), []byte(end), after}, nil)
		if err := os.WriteFile(file, text, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(strings.Split(string(old), "\n"), strings.Split(list.String(), "\n")); diff != "" {
		t.Errorf("the list of presets is not that of the presets; run with -update (-want +got):\n%s", diff)
	}
}

// TestPresets_groups checks that every preset has one of the groups, and every group a preset.
func TestPresets_groups(t *testing.T) {
	t.Parallel()
	want, got := slices.Sorted(slices.Values(Groups)), slices.Sorted(maps.Keys(Grouped()))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("groups (-want +got):\n%s", diff)
	}
}

// TestPresets_facts checks that every preset has either a phone number in its
// sample or a map with a fixed recipient, and that one with events or a reply has a map.
func TestPresets_facts(t *testing.T) {
	t.Parallel()
	for _, name := range Presets() {
		p, _ := loadPreset(name)
		ownPayload := p.Payload || p.Map.Text != ""
		if fixed := bytes.Contains(p.file("map"), []byte(`"+12025550123"`)); p.Phone == "" && !ownPayload && !fixed {
			t.Errorf("%s: the event has no phone number, but the map has no fixed recipient", name)
		} else if p.Phone != "" && (ownPayload || fixed) {
			t.Errorf("%s: the event has the phone number %s, but the map does not use it", name, p.Phone)
		}
		if p.Payload && p.Map.Text == "" && p.Events.Text+p.Reply.Text != "" {
			t.Errorf("%s: has events or a reply, but needs no map", name)
		}
	}
}

// sender returns the name of the sender, with a link to its documentation.
func (p preset) sender() string {
	if p.Docs == "" {
		return p.About
	}
	name, note, found := strings.Cut(p.About, ";")
	if found {
		note = ";" + strings.Replace(note, "our payload", "our [payload](payload.md)", 1)
	}
	return fmt.Sprintf("[%s](%s)%s", name, strings.Replace(p.Docs, "https://github.com/rcshook/rcshook/blob/main/", "../", 1), note)
}

// proof describes how the sender proves itself.
func (p preset) proof() string {
	s := p.Scheme
	header := "`" + strings.Join(s.Header, "`, `") + "`"
	if len(s.Header) > 2 {
		header = "`" + s.Header[0] + "` and others"
	}
	switch s.Type {
	case "token":
		if len(s.Header) == 0 {
			return "token in `Authorization: Bearer`"
		}
		return "token in " + header
	case "basic":
		return "user name and password"
	case "signature":
		algorithm := map[string]string{"": "HMAC-SHA256", "sha1": "HMAC-SHA1", "sha512": "HMAC-SHA512", "ecdsa-p256": "ECDSA", "ed25519": "Ed25519"}[s.Algorithm]
		signed := "body"
		if !coversBody(s) {
			signed = "[a few fields](#fixed-recipients)"
		}
		if signsURL(s) {
			signed = "address (`url`) and " + signed
		}
		if s.TimestampHeader != "" || s.TimestampPrefix != "" {
			signed += " and time"
		}
		return fmt.Sprintf("%s of %s in %s", algorithm, signed, header)
	case "standard-webhooks":
		return "[Standard Webhooks](https://www.standardwebhooks.com/)"
	case "twilio":
		return "HMAC-SHA1 of address (`url`) and form in `X-Twilio-Signature`"
	case "path":
		return "the weakest: a [token in the path](#a-token-in-the-path)"
	case "sns":
		return "signature of Amazon in the message (`topic`)"
	case "google-oidc":
		return "Google ID token (`audience`, `emails`)"
	}
	return "`" + s.Type + "`"
}

// headerValue is the value of a header in a program.
var headerValue = regexp.MustCompile(`^\$headers\["(.+)"\]$`)

// identity returns the place of the event ID, or a link to the program that computes it.
func (p preset) identity() string {
	if p.EventID.Text == "" {
		return "header `Idempotency-Key`"
	}
	if strings.ContainsAny(p.EventID.Text, "|(=") {
		return fmt.Sprintf("[several fields](../internal/source/presets/%s/preset.yaml)", p.name)
	}
	places := strings.Split(strings.TrimSpace(p.EventID.Text), " // ")
	for i, place := range places {
		if name := headerValue.FindStringSubmatch(place); name != nil {
			places[i] = "header `" + name[1] + "`"
		} else if place == "$digest" {
			places[i] = "the body"
		} else {
			places[i] = "`" + strings.TrimSuffix(place, "?") + "`"
		}
	}
	return strings.Join(places, ", or ")
}

// number returns the place of the phone number in an event.
func (p preset) number() string {
	switch {
	case p.Phone != "":
		return "`" + strings.ReplaceAll(p.Phone, "|", `\|`) + "`"
	case p.Payload || p.Map.Text != "":
		return "in your [payload](payload.md)"
	case p.Scheme.Type == "signature" && !coversBody(p.Scheme):
		return "none: [`recipients`](#fixed-recipients)"
	default:
		return "none: write one into the map"
	}
}
