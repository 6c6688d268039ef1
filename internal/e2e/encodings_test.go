package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rcshook/rcshook/internal/payload"
)

// TestEncodings checks that all ways to write one message send the same: nested, flat, as
// a form, as the fields of curl -F and so on. [TestCases] runs these cases.
func TestEncodings(t *testing.T) {
	t.Parallel()
	for _, same := range []struct {
		pattern string
		first   string   // compared with the others
		needed  []string // required ways
	}{
		{"carousel/as-*", "nested-json", []string{"flat-json", "form", "multipart"}},
		{"button/as-*", "objects", []string{"texts", "lines", "numbered"}},
	} {
		folders, err := filepath.Glob("../../testdata/cases/" + same.pattern)
		if err != nil {
			t.Fatal(err)
		}
		prefix := strings.TrimSuffix(filepath.Base(same.pattern), "*")
		messages := map[string]any{}
		for _, folder := range folders {
			messages[strings.TrimPrefix(filepath.Base(folder), prefix)] = soleMessage(t, folder)
		}
		for _, way := range same.needed {
			if messages[way] == nil {
				t.Errorf("no case %s%s", prefix, way)
			}
		}
		for way, message := range messages {
			if diff := cmp.Diff(messages[same.first], message); diff != "" {
				t.Errorf("%s%s does not send the same as %s (-%s +%s):\n%s", prefix, way, same.first, same.first, way, diff)
			}
		}
	}
}

// soleMessage returns the only message of a case.
func soleMessage(t *testing.T, folder string) any {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(folder, "sent.json"))
	if err != nil {
		t.Fatal(err)
	}
	var sent []struct {
		AgentMessage any `json:"agent_message"`
	}
	if err := json.Unmarshal([]byte(lengthen(string(data))), &sent); err != nil || len(sent) != 1 {
		t.Fatalf("%s sends %d messages, error %v; want 1", folder, len(sent), err)
	}
	return sent[0].AgentMessage
}

// TestEveryName checks that every name of every field, and every keyword of a field, is
// in a case.
func TestEveryName(t *testing.T) {
	t.Parallel()
	written := map[string]bool{} // name, and name=keyword
	files, err := filepath.Glob("../../testdata/cases/*/*/request.http")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range jsonMember.FindAllSubmatch(data, -1) {
			name, word := string(match[1]), strings.Trim(string(match[2]), `"`)
			written[name] = true
			written[name+"="+strings.ToLower(word)] = true
		}
	}
	for _, level := range []payload.Level{payload.OnMessage, payload.OnCard, payload.OnButton, payload.OnEvent} {
		for _, f := range payload.Fields(level) {
			names := append([]string{f.Name}, f.Aliases...)
			for _, name := range names {
				if !written[name] {
					t.Errorf("no case has the name %s of the field %s", name, f.Name)
				}
			}
			for _, word := range slices.Concat(f.Words...) {
				if !slices.ContainsFunc(names, func(name string) bool { return written[name+"="+word] }) {
					t.Errorf("no case has the word %s of the field %s", word, f.Name)
				}
			}
		}
	}
}

// jsonMember matches a name and its value if that is a word.
var jsonMember = regexp.MustCompile(`"([a-z_]+)": *("[A-Za-z0-9_]*"|\w+)?`)
