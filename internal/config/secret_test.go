package config_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/rcshook/rcshook/internal/config"
)

func TestSecret_hidden(t *testing.T) {
	t.Parallel()
	const marker = "hunter2-marker"
	s := config.Secret(marker)
	holder := config.Config{APIKeys: s, Agents: map[string]config.Agent{"a": {ID: s, Credentials: s}}}

	var printed []string
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%10s", "%c"} {
		printed = append(printed, fmt.Sprintf(verb, s), fmt.Sprintf(verb, &s), fmt.Sprintf(verb, holder))
	}
	encoded, err := json.Marshal(holder)
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "secret", s, "config", holder)
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "secret", s, "config", holder)
	printed = append(printed, s.String(), s.GoString(), string(encoded), log.String(), fmt.Sprint(fmt.Errorf("x: %v", s)))
	for _, text := range printed {
		// A literal in hexadecimal is still readable.
		if strings.Contains(text, marker) || strings.Contains(strings.ToLower(text), fmt.Sprintf("%x", marker)) {
			t.Errorf("printed: %s", text)
		}
	}
	if got, want := fmt.Sprintf("%v %s %q %#v", s, s, s, s), `[redacted] [redacted] "[redacted]" config.Secret("[redacted]")`; got != want {
		t.Errorf("printed %s, want %s", got, want)
	}
	if got, want := string(encoded), `"APIKeys":"[redacted]"`; !strings.Contains(got, want) {
		t.Errorf("encoded %s, want it to have %s", got, want)
	}
}

func TestSecret(t *testing.T) {
	t.Parallel()
	tests := []struct {
		secret   config.Secret
		resource string // "" if it is not a resource
		literal  string
		printed  string
	}{
		{"", "", "", ""},
		{"value", "", "value", "[redacted]"},
		{"projects/p/secrets/s", "projects/p/secrets/s/versions/latest", "", "projects/p/secrets/s"},
		{"projects/p/secrets/s/versions/7", "projects/p/secrets/s/versions/7", "", "projects/p/secrets/s/versions/7"},
	}
	for _, tt := range tests {
		name, ok := tt.secret.Resource()
		if name != tt.resource || ok != (tt.resource != "") {
			t.Errorf("Resource() of %q = %q, %v, want %q", string(tt.secret), name, ok, tt.resource)
		}
		if got := tt.secret.Literal(); got != tt.literal {
			t.Errorf("Literal() of %q = %q, want %q", string(tt.secret), got, tt.literal)
		}
		if got := fmt.Sprint(tt.secret); got != tt.printed {
			t.Errorf("%q prints as %q, want %q", string(tt.secret), got, tt.printed)
		}
	}
}
