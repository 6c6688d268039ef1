package source_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
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
		for what, body := range withoutFields(t, sample) {
			variants++
			r := *sample
			r.Body = body
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

// withoutFields returns bodies in which one field of the sample is missing, null or empty,
// by a description.
func withoutFields(t *testing.T, sample *source.Request) map[string][]byte {
	t.Helper()
	all := make(map[string][]byte)
	if strings.HasPrefix(sample.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		form, err := url.ParseQuery(string(sample.Body))
		if err != nil {
			t.Fatal(err)
		}
		for name := range form {
			without := maps.Clone(form)
			delete(without, name)
			all["without "+name] = []byte(without.Encode())
			without.Set(name, "")
			all["empty "+name] = []byte(without.Encode())
		}
		return all
	}
	var event any
	if err := json.Unmarshal(sample.Body, &event); err != nil {
		t.Fatal(err)
	}
	save := func(what string) {
		body, err := json.Marshal(event)
		if err != nil {
			t.Fatal(err)
		}
		all[what] = body
	}
	var walk func(path string, v any)
	walk = func(path string, v any) {
		switch v := v.(type) {
		case map[string]any:
			for _, name := range slices.Sorted(maps.Keys(v)) {
				value := v[name]
				at := path + "/" + name
				delete(v, name)
				save("without " + at)
				v[name] = nil
				save("null " + at)
				switch value.(type) {
				case map[string]any, []any:
				default:
					v[name] = ""
					save("empty " + at)
				}
				v[name] = value
				walk(at, value)
			}
		case []any:
			for i, item := range v {
				at := fmt.Sprintf("%s/%d", path, i)
				v[i] = nil
				save("null " + at)
				v[i] = item
				walk(at, item)
			}
		}
	}
	walk("", event)
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
