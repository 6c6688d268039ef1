package source_test

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/rcshook/rcshook/internal/compose"
	"github.com/rcshook/rcshook/internal/payload"
	"github.com/rcshook/rcshook/internal/racetest"
	"github.com/rcshook/rcshook/internal/source"
)

// sloppy is the trace of a missing value in a text or a link.
var sloppy = regexp.MustCompile(`\bnull\b|  | [,.:!]|^[ ,:]|\(\s*\)|#\)|[a-z]/$|\|$`)

// TestPresets_missingFields maps the sample of each preset without each of its fields, and
// with null and an empty string in its place. The result is a sensible message, or none.
func TestPresets_missingFields(t *testing.T) {
	t.Parallel()
	racetest.Skip(t)
	variants, messages := 0, 0
	for _, name := range source.Presets() {
		s, _ := rehearsal(t, name)
		sample := s.Sample("0001")
		for v := range source.Variants(sample.Header.Get("Content-Type"), sample.Body) {
			variants++
			what := v.Field + " " + v.Change
			r := *sample
			r.Body = v.Body
			received, err := s.Map(t.Context(), &r, now)
			if err != nil {
				t.Errorf("%s, %s: %v", name, what, err)
				continue
			}
			for _, m := range received.Messages {
				messages++
				if s.Config.Map.Text == "" { // the sender's own payload, in which fields are required
					continue
				}
				p, err := payload.Decode(m.ContentType, m.Body, payload.Options{})
				if err == nil {
					_, err = compose.Message(p, compose.Defaults{}, now)
				}
				if err != nil {
					t.Errorf("%s, %s: %s\n%s", name, what, explain(err), m.Body)
				}
				if len(m.Warnings) > 0 {
					t.Errorf("%s, %s: %v", name, what, m.Warnings)
				}
				for _, text := range texts(m.Body) {
					if sloppy.MatchString(text) {
						t.Errorf("%s, %s: %q", name, what, text)
					}
				}
			}
		}
	}
	if t.Logf("%d variants, %d messages", variants, messages); variants < 500 || messages < 300 {
		t.Errorf("%d variants with %d messages, want more", variants, messages)
	}
}

// TestVariants_sameFields checks that the number of variants does not grow with the items of
// an array, and that a form has variants too.
func TestVariants_sameFields(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ contentType, body, want string }{
		{
			"application/json", `{"items":[{"a":1},{"a":2,"b":[]},{"a":3}]}`,
			"/items missing, /items null, /items/0 null, /items/0/a missing, /items/0/a null, /items/0/a empty, /items/1/b missing, /items/1/b null",
		},
		{"application/x-www-form-urlencoded", "From=%2B1&a%2Fb=x", "/From missing, /From empty, /a~1b missing, /a~1b empty"},
		{"text/plain", "hello", ""},
	} {
		var got []string
		for v := range source.Variants(test.contentType, []byte(test.body)) {
			got = append(got, v.Field+" "+v.Change)
		}
		if got := strings.Join(got, ", "); got != test.want {
			t.Errorf("%s:\n got %s\nwant %s", test.body, got, test.want)
		}
	}
}

// texts returns the strings of a JSON value.
func texts(body []byte) (all []string) {
	var v any
	_ = json.Unmarshal(body, &v) // the payload was valid before
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case string:
			all = append(all, v)
		case []any:
			for _, item := range v {
				walk(item)
			}
		case map[string]any:
			for _, item := range v {
				walk(item)
			}
		}
	}
	walk(v)
	return all
}
