package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rcshook/rcshook/internal/playground/demo"
	"github.com/rcshook/rcshook/internal/source"
)

// TestCheck_playground checks the files that the playground offers for each preset.
func TestCheck_playground(t *testing.T) {
	t.Parallel()
	f, err := demo.New(demo.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	download := func(body string) string {
		w := httptest.NewRecorder()
		f.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/_play/map", strings.NewReader(body)))
		var trial struct {
			Files []struct{ Name, Text string }
		}
		if err := json.Unmarshal(w.Body.Bytes(), &trial); err != nil || len(trial.Files) != 3 {
			t.Fatalf("%s: %v, want three files\n%s", body, err, w.Body)
		}
		dir := t.TempDir()
		for _, file := range trial.Files {
			if err := createFile(filepath.Join(dir, filepath.FromSlash(file.Name)), []byte(file.Text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		var out bytes.Buffer
		if err := runCheck(t.Context(), []string{filepath.Join(dir, "rcshook.yaml")}, stdio{out: &out, err: &out}); err != nil {
			t.Errorf("%s: %v\n%s", body, err, &out)
		}
		return out.String()
	}
	for _, preset := range source.Presets() {
		if out := download(`{"preset": "` + preset + `", "download": true}`); !strings.Contains(out, "ok   "+preset+"/sample\n") || strings.Contains(out, "warning") {
			t.Errorf("%s: got %q, want one successful case", preset, out)
		}
	}
	edited := `  {to: .phone,\n   text: \"Paid: \\(.name | present // \"your order\")\"}\n\n`
	if out := download(`{"preset": "shopify", "map": "` + edited + `", "download": true}`); !strings.Contains(out, "ok   shopify/sample\n") {
		t.Errorf("edited map: got %q", out)
	}
}
