package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/rcshook/rcshook/internal/server"
)

// openAPI is the OpenAPI description, with its schemas compiled.
type openAPI struct {
	Paths map[string]map[string]struct {
		RequestBody struct {
			Content map[string]any
		}
		Responses map[string]struct {
			Content map[string]any
		}
	}

	mu       sync.Mutex
	compiler *jsonschema.Compiler
}

var description = sync.OnceValues(func() (*openAPI, error) {
	d := &openAPI{compiler: jsonschema.NewCompiler()}
	if err := json.Unmarshal(server.OpenAPI, d); err != nil {
		return nil, err
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(server.OpenAPI))
	if err != nil {
		return nil, err
	}
	d.compiler.DefaultDraft(jsonschema.Draft2020) // as OpenAPI 3.1 prescribes
	return d, d.compiler.AddResource("https://rcshook.test/openapi.json", doc)
})

// schema returns the schema at a path of the description.
func (d *openAPI) schema(path ...string) (*jsonschema.Schema, error) {
	pointer := "https://rcshook.test/openapi.json#"
	for _, p := range path {
		pointer += "/" + url.PathEscape(strings.NewReplacer("~", "~0", "/", "~1").Replace(p))
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.compiler.Compile(pointer)
}

// validate validates a JSON value against the schema at a path of the description.
func (d *openAPI) validate(value any, path ...string) error {
	schema, err := d.schema(path...)
	if err != nil {
		return err
	}
	return schema.Validate(value)
}

// TestDescription tests that every schema of the description is valid.
func TestDescription(t *testing.T) {
	t.Parallel()
	d, err := description()
	if err != nil {
		t.Fatal(err)
	}
	schemas := 0
	for path, operations := range d.Paths {
		for method, o := range operations {
			for media := range o.RequestBody.Content {
				if media == "*/*" { // any body, which has no schema
					continue
				}
				schemas++
				if _, err := d.schema("paths", path, method, "requestBody", "content", media, "schema"); err != nil {
					t.Errorf("%s %s: %v", method, path, err)
				}
			}
			if len(o.Responses) == 0 {
				t.Errorf("%s %s: no responses", method, path)
			}
		}
	}
	if schemas == 0 {
		t.Error("no schema of a request")
	}
}

// checkDescribed checks an exchange against the OpenAPI description: every response of a
// described path, and every request that was accepted.
func checkDescribed(t *testing.T, req *http.Request, body []byte, res *http.Response, response []byte) {
	t.Helper()
	d, err := description()
	if err != nil {
		t.Error(err)
		return
	}
	switch res.StatusCode {
	case http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNoContent:
		return // paths and methods that are not described
	}
	path, method := describedPath(req.URL.Path), strings.ToLower(req.Method)
	operation, ok := d.Paths[path][method]
	if !ok {
		t.Errorf("%s %s is not described, and the status is %d", req.Method, req.URL.Path, res.StatusCode)
		return
	}
	status := fmt.Sprint(res.StatusCode)
	media, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type"))
	if _, ok := operation.Responses[status].Content[media]; !ok {
		t.Errorf("%s %s: status %s with %q is not described", req.Method, path, status, media)
		return
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(response))
	if err == nil {
		err = d.validate(value, "paths", path, method, "responses", status, "content", media, "schema")
	}
	if err != nil {
		t.Errorf("%s %s: the response %s is not as described: %v\n%s", req.Method, path, status, err, response)
	}
	if res.StatusCode != http.StatusOK || len(operation.RequestBody.Content) == 0 {
		return
	}
	// JSON is accepted with more content types than the description has.
	if value, err = jsonschema.UnmarshalJSON(bytes.NewReader(bytes.TrimPrefix(body, []byte("\ufeff")))); err != nil {
		return // a form
	}
	if _, ok := operation.RequestBody.Content["application/json"]; !ok {
		return
	}
	if err := d.validate(value, "paths", path, method, "requestBody", "content", "application/json", "schema"); err != nil {
		t.Errorf("%s %s: the request was accepted, and is not as described: %v", req.Method, path, err)
	}
}

// describedPath returns the path template of a path.
func describedPath(path string) string {
	for prefix, template := range map[string]string{"/hooks/": "/hooks/{source}", "/messages/": "/messages/{message_id}", "/tasks/": "/tasks/{message_id}"} {
		if strings.HasPrefix(path, prefix) {
			return template
		}
	}
	return path
}
