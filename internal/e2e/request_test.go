package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
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
		head, body := cutHead(strings.TrimPrefix(text, "\n"))
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

// cutHead splits a request at the first empty line. Lines of the head may end in CR LF; the
// body is not changed.
func cutHead(text string) (head, body string) {
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
			t.Errorf("two responses to the same request:\n%s\n%s", responses[0], response)
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

// constant are the headers of every response.
var constant = map[string]string{
	"Cache-Control":          "no-store",
	"X-Content-Type-Options": "nosniff",
}

func render(t *testing.T, res *http.Response, body []byte) string {
	t.Helper()
	var text strings.Builder
	fmt.Fprintf(&text, "HTTP/1.1 %s\n", res.Status)
	for name, value := range constant {
		if got := res.Header.Get(name); got != value {
			t.Errorf("header %s = %q, want %q", name, got, value)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(res.Header)) {
		switch name {
		case "Cache-Control", "X-Content-Type-Options", "X-Request-Id", "Date", "Content-Length":
		default:
			fmt.Fprintf(&text, "%s: %s\n", name, res.Header.Get(name))
		}
	}
	if len(body) == 0 {
		return text.String()
	}
	var response struct {
		RequestID string `json:"request_id"`
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

var anyUUID = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)

// hide replaces the variable parts with names: the address of the simulator, and random
// message IDs, which are UUIDs of version 4 that are not in a request.
func (v variable) hide(text string) string {
	text = strings.ReplaceAll(text, v.simulator, "[simulator]")
	return anyUUID.ReplaceAllStringFunc(text, func(s string) string {
		id, err := uuid.Parse(s)
		for _, r := range v.requests {
			if bytes.Contains(r.body, []byte(s)) || strings.Contains(r.path, s) {
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
