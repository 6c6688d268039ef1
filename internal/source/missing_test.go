package source_test

import (
	"encoding/json"
	"maps"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/rcshook/rcshook/internal/compose"
	"github.com/rcshook/rcshook/internal/payload"
	"github.com/rcshook/rcshook/internal/source"
)

// sloppy is the trace of a missing value in a text or a link.
var sloppy = regexp.MustCompile(`\bnull\b|  | [,.:!]|^[ ,:]|\(\s*\)|#\)|[a-z]/$|\|$`)

// TestPresets_missingFields maps the sample of each preset without each of its fields, and
// with null and an empty string in its place. The result is a sensible message, or none.
func TestPresets_missingFields(t *testing.T) {
	t.Parallel()
	variants, messages := 0, 0
	for _, name := range source.Presets() {
		s, _ := rehearsal(t, name)
		sample := s.Sample("0001")
		all := source.Variants(sample.Body)
		if strings.HasPrefix(sample.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
			all = formVariants(t, sample.Body)
		}
		for _, v := range all {
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

// formVariants is [source.Variants] for a form.
func formVariants(t *testing.T, body []byte) (all []source.Variant) {
	t.Helper()
	form, err := url.ParseQuery(string(body))
	if err != nil {
		t.Fatal(err)
	}
	for name := range form {
		without := maps.Clone(form)
		delete(without, name)
		all = append(all, source.Variant{Field: name, Change: "missing", Body: []byte(without.Encode())})
		without.Set(name, "")
		all = append(all, source.Variant{Field: name, Change: "empty", Body: []byte(without.Encode())})
	}
	return all
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
