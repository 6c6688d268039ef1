package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"os"
	pathpkg "path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/rcshook/rcshook/internal/server"
)

// A request of a case.
type request struct {
	method, path string
	header       http.Header
	body         []byte
}

// readRequests reads requests separated by lines of ###.
func readRequests(t *testing.T, file string) []request {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var requests []request
	for text := range strings.SplitSeq(lengthen(string(data)), "\n###\n") {
		head, body := splitHead(strings.TrimPrefix(text, "\n"))
		lines := strings.Split(strings.TrimSuffix(head, "\n"), "\n")
		method, path, ok := strings.Cut(lines[0], " ")
		if !ok {
			t.Fatalf("%s: %q is not a request line, such as POST /", file, lines[0])
		}
		r := request{method, path, http.Header{}, []byte(strings.TrimSuffix(body, "\n"))}
		for _, line := range lines[1:] {
			name, value, ok := strings.Cut(line, ":")
			if !ok || strings.ContainsAny(name, " {\"") {
				t.Fatalf("%s: %q is not a header; write an empty line before the body", file, line)
			}
			r.header.Add(name, strings.TrimSpace(value))
		}
		requests = append(requests, r)
	}
	return requests
}

// splitHead splits a request at the first empty line. Lines of the head may end in CR LF; the
// body is not changed.
func splitHead(text string) (head, body string) {
	head, body, _ = strings.Cut(text, "\n\n")
	if h, b, ok := strings.Cut(text, "\n\r\n"); ok && len(h) < len(head) {
		head, body = h, b
	}
	return strings.ReplaceAll(head, "\r", ""), body
}

// do makes the request several times in parallel and formats the response, which must be
// the same each time.
func (r request) do(t *testing.T, url string, times int) string {
	t.Helper()
	responses := make([]string, times)
	var wg sync.WaitGroup
	for i := range responses {
		wg.Go(func() { responses[i] = r.doOnce(t, url) })
	}
	wg.Wait()
	for _, response := range responses[1:] {
		if response != responses[0] {
			t.Errorf("different responses to the same request:\n%s\n%s", responses[0], response)
		}
	}
	return responses[0]
}

func (r request) doOnce(t *testing.T, url string) string {
	req, err := http.NewRequestWithContext(t.Context(), r.method, url+r.path, bytes.NewReader(r.body))
	if err != nil {
		t.Error(err)
		return ""
	}
	req.Header = r.header.Clone()
	res, err := http.DefaultTransport.RoundTrip(req) // no redirects
	if err != nil {
		t.Error(err)
		return ""
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Error(err)
	}
	checkDescribed(t, req, r.body, res, body)
	return render(t, res, body)
}

// constantHeaders are the headers of every response.
var constantHeaders = map[string]string{
	"Cache-Control":          "no-store",
	"X-Content-Type-Options": "nosniff",
}

func render(t *testing.T, res *http.Response, body []byte) string {
	t.Helper()
	var text strings.Builder
	fmt.Fprintf(&text, "HTTP/1.1 %s\n", res.Status)
	for name, value := range constantHeaders {
		if got := res.Header.Get(name); got != value {
			t.Errorf("header %s = %q, want %q", name, got, value)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(res.Header)) {
		switch name {
		case "Cache-Control", "X-Content-Type-Options", "X-Request-Id", "Date", "Content-Length":
		default:
			for _, value := range res.Header[name] {
				fmt.Fprintf(&text, "%s: %s\n", name, value)
			}
		}
	}
	if len(body) == 0 {
		return text.String()
	}
	var response struct {
		RequestID string `json:"request_id"`
	}
	if strings.HasPrefix(res.Header.Get("Content-Type"), "text/plain") {
		fmt.Fprintf(&text, "\n%s\n", body)
		return text.String()
	}
	var indented bytes.Buffer
	if err := json.Indent(&indented, bytes.TrimSpace(body), "", "  "); err != nil {
		t.Errorf("the response is not JSON: %v\n%s", err, body)
	}
	if err := json.Unmarshal(body, &response); err == nil && response.RequestID != "" {
		if id := res.Header.Get("X-Request-Id"); id != response.RequestID {
			t.Errorf("X-Request-Id is %q, and request_id %q", id, response.RequestID)
		}
		indented = *bytes.NewBufferString(strings.ReplaceAll(indented.String(), response.RequestID, "[request_id]"))
	}
	fmt.Fprintf(&text, "\n%s\n", shorten(indented.String()))
	return text.String()
}

// variable holds the parts of a result that differ every time.
type variable struct {
	simulator string // its address
	requests  []request
}

var uuidPattern = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)

// hide replaces the variable parts with placeholders: the address of the simulator, and random
// message IDs, which are UUIDs of version 4 that are not in a request.
func (v variable) hide(text string) string {
	text = strings.ReplaceAll(text, v.simulator, "[simulator]")
	return uuidPattern.ReplaceAllStringFunc(text, func(s string) string {
		id, err := uuid.Parse(s)
		for _, r := range v.requests {
			if bytes.Contains(bytes.ToLower(r.body), []byte(s)) || strings.Contains(r.path, s) {
				return s
			}
		}
		if err == nil && id.Version() == 4 {
			return "[random]"
		}
		return s
	})
}

var repetition = regexp.MustCompile(`\[\[(.+?)\*([0-9]+)\]\]`)

// lengthen expands [[x*300]] to three hundred x.
func lengthen(text string) string {
	return repetition.ReplaceAllStringFunc(text, func(s string) string {
		parts := repetition.FindStringSubmatch(s)
		n, _ := strconv.Atoi(parts[2])
		return strings.Repeat(parts[1], n)
	})
}

// shorten reverses lengthen for repeated characters.
func shorten(text string) string {
	var short strings.Builder
	runes := []rune(text)
	for i := 0; i < len(runes); {
		n := 1
		for i+n < len(runes) && runes[i+n] == runes[i] {
			n++
		}
		if n > 40 {
			fmt.Fprintf(&short, "[[%c*%d]]", runes[i], n)
		} else {
			short.WriteString(string(runes[i : i+n]))
		}
		i += n
	}
	return short.String()
}

// openAPI is the OpenAPI description, with its schemas compiled.
type openAPI struct {
	Paths map[string]map[string]struct {
		RequestBody struct {
			Content map[string]any
		}
		Responses map[string]describedResponse
	}
	Components struct {
		Responses map[string]describedResponse
	}

	mu       sync.Mutex
	compiler *jsonschema.Compiler
}

// describedResponse is a response, or a reference to the component for its status.
type describedResponse struct {
	Ref     string `json:"$ref"`
	Content map[string]any
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
	if req.Method == http.MethodHead {
		return // GET is described
	}
	switch res.StatusCode {
	case http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNoContent:
		return // paths and methods that are not described
	}
	path, method := describedPath(pathpkg.Clean(req.URL.Path)), strings.ToLower(req.Method)
	operation, ok := d.Paths[path][method]
	if !ok {
		t.Errorf("%s %s is not described, and the status is %d", req.Method, req.URL.Path, res.StatusCode)
		return
	}
	status := fmt.Sprint(res.StatusCode)
	if len(response) == 0 && method == "post" {
		return // to a sender that would show a body
	}
	media, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type"))
	described, place := operation.Responses[status], []string{"paths", path, method, "responses", status}
	if described.Ref != "" {
		described, place = d.Components.Responses[status], []string{"components", "responses", status}
	}
	if _, ok := described.Content[media]; !ok {
		t.Errorf("%s %s: status %s with %q is not described", req.Method, path, status, media)
		return
	}
	if media == "text/plain" {
		return
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(response))
	if err == nil {
		err = d.validate(value, append(place, "content", media, "schema")...)
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
	if strings.HasPrefix(path, "/tasks/event/") {
		return "/tasks/event/{task}"
	}
	for prefix, template := range map[string]string{"/hooks/": "/hooks/{source}", "/messages/": "/messages/{message_id}", "/tasks/": "/tasks/{message_id}"} {
		if strings.HasPrefix(path, prefix) {
			return template
		}
	}
	return path
}
