package config_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/rcshook/rcshook/internal/config"
)

func TestParseAgentID(t *testing.T) {
	t.Parallel()
	tests := []struct {
		text string
		want string
		err  error
	}{
		{"brand_k3x9a1bc_agent", "brand_k3x9a1bc_agent", nil},
		{"\ufeff brand_agent\r\n", "brand_agent", nil},
		{" \ufeffbrand_agent", "brand_agent", nil},
		{"brand_agent@rbm.goog\n", "brand_agent", nil},
		{"7a41c2", "7a41c2", nil},
		{"", "", config.ErrNoAgentID},
		{" \n", "", config.ErrNoAgentID},
		{"@rbm.goog", "", config.ErrNoAgentID},
		{"two words", "", config.ErrNotAgentID},
		{"two\nlines", "", config.ErrNotAgentID},
		{`"quoted"`, "", config.ErrNotAgentID},
		{"bränd", "", config.ErrNotAgentID},
		{"zero\u200bwidth", "", config.ErrNotAgentID},
		{"projects/p/secrets/s", "", config.ErrNotAgentID},
		{"[redacted]", "", config.ErrNotAgentID},
		{strings.Repeat("a", 200), strings.Repeat("a", 200), nil},
		{strings.Repeat("a", 201), "", config.ErrNotAgentID},
		{`{"type": "service_account"}`, "", config.ErrKeyForAgentID},
		{"-----BEGIN PRIVATE KEY-----", "", config.ErrKeyForAgentID},
	}
	for _, tt := range tests {
		if got, err := config.ParseAgentID(tt.text); got != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("ParseAgentID(%q) = %q, %v, want %q, %v", tt.text, got, err, tt.want, tt.err)
		}
	}
}

func FuzzParseAgentID(f *testing.F) {
	for _, seed := range []string{"brand_agent", "\ufeff a@rbm.goog\n", "{", " "} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		id, err := config.ParseAgentID(text)
		if (id == "") != (err != nil) {
			t.Fatalf("ParseAgentID(%q) = %q, %v", text, id, err)
		}
		if err != nil {
			return
		}
		if strings.ContainsAny(id, " \t\r\n{}\"&") {
			t.Errorf("ParseAgentID(%q) = %q", text, id)
		}
		if !strings.HasSuffix(id, "@rbm.goog") {
			if again, err := config.ParseAgentID(id); again != id || err != nil {
				t.Errorf("ParseAgentID(%q) = %q, %v, want it unchanged", id, again, err)
			}
		}
	})
}
