package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rcshook/rcshook/internal/compose"
	"github.com/rcshook/rcshook/internal/payload"
)

var (
	exampleBodies = regexp.MustCompile(`(?:-d|\$body =) '(\{"to": [^']*"text": [^']*\})'`)
	exampleSends  = regexp.MustCompile("rcshook send (-to [^\n`]*)")
	exampleArgs   = regexp.MustCompile(`"[^"]*"|[^\s"]+`)
)

// TestSend_documents checks that a page that sends a message with curl or PowerShell also
// has the command rcshook send for this message, which works in every shell.
func TestSend_documents(t *testing.T) {
	t.Parallel()
	now := time.Now()
	encode := func(text string) string {
		p, err := payload.Decode("application/json", []byte(text), payload.Options{})
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		m, err := compose.Message(p, compose.Defaults{MaxDelay: time.Hour, Fallback: &compose.Fallback{MaxDelay: time.Hour}}, now)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		return p.To[0].E164 + string(m.Encoded)
	}
	for _, page := range []string{"README.md", "docs/dev.md", "docs/fallback.md", "docs/first-message.md", "docs/opt-out.md"} {
		text, err := os.ReadFile(filepath.Join("..", "..", page))
		if err != nil {
			t.Fatal(err)
		}
		var sent []string
		for _, send := range exampleSends.FindAllStringSubmatch(string(text), -1) {
			args := exampleArgs.FindAllString(send[1], -1)
			for i, arg := range args {
				args[i] = strings.Trim(arg, `"`)
			}
			o, err := parseSendFlags(args, strings.NewReader(""))
			if err != nil {
				t.Fatalf("%s: %s: %v", page, send[0], err)
			}
			sent = append(sent, encode(string(o.message.json())))
		}
		bodies := exampleBodies.FindAllStringSubmatch(string(text), -1)
		if len(bodies) == 0 {
			t.Errorf("%s sends no message with curl", page)
		}
		for _, body := range bodies {
			if !slices.Contains(sent, encode(body[1])) {
				t.Errorf("%s: no rcshook send for %s", page, body[1])
			}
		}
	}
}
