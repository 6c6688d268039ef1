package server_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rcshook/rcshook/internal/code"
	"github.com/rcshook/rcshook/internal/response"
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

// TestOpenAPI_examples tests that the function accepts the payloads of the examples.
func TestOpenAPI_examples(t *testing.T) {
	t.Parallel()
	s, err := server.New(t.Context(), server.Options{Environ: []string{"RCSHOOK_AGENT_ID=agent", "RCSHOOK_API_KEYS=key"}, Log: new(bytes.Buffer)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	for name, example := range messageExamples().object {
		text, err := json.Marshal(with(example.(object)["value"].(object), object{"dry_run": true}))
		if err != nil {
			t.Fatal(err)
		}
		w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(text))
		r.Header = http.Header{"Content-Type": {"application/json"}, "X-Api-Key": {"key"}}
		s.ServeHTTP(w, r)
		var got response.Response
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || got.Code != code.DryRun || len(got.Warnings) > 0 {
			t.Errorf("%s: %d %s, want dry_run without warnings", name, w.Code, w.Body)
		}
	}
}
