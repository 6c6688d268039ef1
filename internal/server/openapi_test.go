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

var update = flag.Bool("update", false, "write the OpenAPI descriptions")

// TestOpenAPI checks that the descriptions agree with the tables of the code.
func TestOpenAPI(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		file      string
		want      object
		published []byte
	}{
		{"openapi.json", describe(), server.OpenAPI},
		{"openapi-3.0.json", describeNarrow(), server.OpenAPINarrow},
	} {
		var want bytes.Buffer
		e := json.NewEncoder(&want)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		if err := e.Encode(test.want); err != nil {
			t.Fatal(err)
		}
		if *update {
			if err := os.WriteFile(test.file, want.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if diff := cmp.Diff(want.String(), string(test.published)); diff != "" {
			t.Errorf("%s is out of date; run go test ./internal/server -run OpenAPI -update (-want +got):\n%s", test.file, diff)
		}
	}
}
