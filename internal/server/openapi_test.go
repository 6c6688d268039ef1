package server_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rcshook/rcshook/internal/server"
)

var update = flag.Bool("update", false, "write openapi.json")

// TestOpenAPI checks that openapi.json agrees with the tables of the code.
func TestOpenAPI(t *testing.T) {
	t.Parallel()
	var want bytes.Buffer
	e := json.NewEncoder(&want)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(describe()); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile("openapi.json", want.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want.String(), string(server.OpenAPI)); diff != "" {
		t.Errorf("openapi.json is out of date; run go test ./internal/server -update (-want +got):\n%s", diff)
	}
}
