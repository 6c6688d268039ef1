package rcshook

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/rcshook/rcshook/internal/queue/queuetest"
	"github.com/rcshook/rcshook/internal/source"
	"github.com/rcshook/rcshook/rbm"
	"github.com/rcshook/rcshook/rbm/rbmtest"
)

var update = flag.Bool("update", false, "write what came of each case into its folder")

// caseTime is when the cases take place, unless they say otherwise.
var caseTime = time.Date(2026, 12, 1, 9, 0, 0, 0, time.UTC)

// TestCases runs the folders of testdata/cases; testdata/README.md describes them.
func TestCases(t *testing.T) {
	folders, err := filepath.Glob("testdata/cases/*")
	if err != nil || len(folders) == 0 {
		t.Fatalf("no case in testdata/cases: %v", err)
	}
	s := newStage(t)
	for _, folder := range folders {
		t.Run(filepath.Base(folder), func(t *testing.T) { s.play(t, folder) })
	}
}

// A setup is what a case needs besides its request.
type setup struct {
	// About says why the case is there, to people.
	About string `json:"about"`

	// Time is the moment of the case.
	Time time.Time `json:"time"`

	// Environment overrides settings of the function; null removes one.
	Environment map[string]*string `json:"environment"`

	// Simulator are requests to the simulator before the case.
	Simulator []struct {
		Post string          `json:"post"`
		Body json.RawMessage `json:"body"`
	} `json:"simulator"`

	// Times is how often each request is made, at once; its answers must be alike.
	Times int `json:"times"`

	// Fallback are the statuses with which the fallback of a source answers, one
	// after the other; then it answers 200.
	Fallback []int `json:"fallback"`
}

func readSetup(t *testing.T, folder string) setup {
	t.Helper()
	s := setup{Time: caseTime, Times: 1}
	data, err := os.ReadFile(filepath.Join(folder, "setup.json"))
	if os.IsNotExist(err) {
		return s
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&s); err != nil {
		t.Fatalf("setup.json: %v", err)
	}
	return s
}

// A stage is a simulator with everything that a function needs to run against it.
type stage struct {
	sim      *rbmtest.Simulator
	url      string
	env      map[string]string
	clock    clock
	google   *source.Issuer
	tasks    *queuetest.Server
	fallback *fallback
}

// The queue of the stage, which is not used unless RCSHOOK_QUEUE names it, and whose
// its tasks are.
const (
	stageQueue   = "projects/example/locations/us-central1/queues/messages"
	stageAccount = "tasks@example.iam.gserviceaccount.com"
)

func newStage(t *testing.T) *stage {
	t.Helper()
	s := new(stage)
	s.clock.set(caseTime)
	s.sim = &rbmtest.Simulator{Now: s.clock.now}
	server := httptest.NewServer(s.sim)
	t.Cleanup(func() { s.sim.Close(); server.Close() })
	s.url = server.URL
	var err error
	if s.google, err = source.NewIssuer(); err != nil {
		t.Fatal(err)
	}
	google := httptest.NewServer(s.google)
	t.Cleanup(google.Close)
	s.fallback = newFallback(t)
	s.tasks = &queuetest.Server{Issuer: s.google, Now: s.clock.now}
	s.tasks.AddQueue(stageQueue, queuetest.Settings{MinBackoff: time.Millisecond})
	queue := httptest.NewServer(s.tasks)
	t.Cleanup(func() { queue.Close(); s.tasks.Close() })
	env := s.sim.Provision(s.url)
	adc := filepath.Join(t.TempDir(), "adc.json")
	if err := os.WriteFile(adc, env.Credentials, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", adc)
	s.env = map[string]string{
		"RCSHOOK_AGENT_ID":               env.AgentIDSecret,
		"RCSHOOK_CREDENTIALS":            env.KeySecret,
		"RCSHOOK_API_KEYS":               "dev",
		"RCSHOOK_RBM_ENDPOINT":           s.url,
		"RCSHOOK_SECRETMANAGER_ENDPOINT": s.url,
		"RCSHOOK_OIDC_ENDPOINT":          google.URL,
		"RCSHOOK_TASKS_ENDPOINT":         queue.URL,
	}
	return s
}

// environ are the settings of the stage and those in override, where null removes one.
func (s *stage) environ(override map[string]*string) []string {
	env := maps.Clone(s.env)
	for name, value := range override {
		if delete(env, name); value != nil {
			env[name] = *value
		}
	}
	var environ []string
	for name, value := range env {
		environ = append(environ, name+"="+value)
	}
	return environ
}

// handler returns a function with the settings of the stage and those in override.
// Its retries do not wait.
func (s *stage) handler(t *testing.T, override map[string]*string) (*Handler, *logged) {
	t.Helper()
	log := new(logged)
	h, err := New(s.environ(override), log)
	if err != nil && h.fault == nil {
		t.Fatal(err)
	}
	clock := s.clock.now()
	h.now = func() time.Time { return clock }
	if h.sender != nil {
		h.sender.Retry = rbm.Retry{BaseDelay: time.Nanosecond, MaxDelay: time.Nanosecond}
	}
	t.Cleanup(func() { h.Close() })
	return h, log
}

// clock is the time of a stage, which the queue reads while a test sets it.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) set(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = at
}

// logged keeps what a function logs. It may be read while the function, which
// fetches secrets in the background, goes on.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (s *stage) play(t *testing.T, folder string) {
	checkFiles(t, folder)
	setup := readSetup(t, folder)
	s.clock.set(setup.Time)
	s.sim.Reset()
	s.tasks.Reset()
	for _, step := range setup.Simulator {
		s.arrange(t, step.Post, step.Body)
	}
	s.fallback.begin(setup.Fallback)
	server := httptest.NewUnstartedServer(nil)
	s.env["RCSHOOK_URL"], s.env["RCSHOOK_QUEUE_ACCOUNT"] = "http://"+server.Listener.Addr().String(), stageAccount
	h, log := s.handler(t, s.withFile(t, folder, setup.Environment))
	server.Config.Handler = h
	server.Start()
	defer server.Close()

	requests := readRequests(t, filepath.Join(folder, "request.http"))
	var answers []string
	for _, request := range requests {
		s.sign(t, h, &request)
		answers = append(answers, request.make(t, server.URL, setup.Times))
	}
	if err := s.tasks.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	checkLog(t, []byte(log.String()), len(requests)*setup.Times)
	v := variable{s.url, requests}
	compare(t, filepath.Join(folder, "response.http"), v.hide(strings.Join(answers, "\n###\n\n")))
	compare(t, filepath.Join(folder, "sent.json"), v.hide(s.sent(t)))
	compare(t, filepath.Join(folder, "fallback.json"), v.hide(s.fallback.received(t)))
}

// checkLog sees that the log has one line for each request, and nothing in it that
// is nobody's business. The numbers of all cases have the same middle.
func checkLog(t *testing.T, log []byte, requests int) {
	t.Helper()
	answered := 0
	for line := range bytes.Lines(log) {
		var entry struct {
			Severity, Message, Path string

			RequestID string `json:"request_id"`
		}
		if err := json.Unmarshal(line, &entry); err != nil || entry.Severity == "" || entry.Message == "" {
			t.Errorf("this line of the log is not as Cloud Logging wants it: %v\n%s", err, line)
		}
		if entry.RequestID != "" && entry.Path != "/tasks/*" {
			answered++
		}
		for _, private := range []string{"2025550", "Hello", "order", "PRIVATE KEY", "Bearer", "ya29."} {
			if bytes.Contains(line, []byte(private)) {
				t.Errorf("this line of the log has %q in it: %s", private, line)
			}
		}
	}
	if answered != requests {
		t.Errorf("the log has %d lines about %d requests:\n%s", answered, requests, log)
	}
}

// checkFiles refuses files that no case has: a typo must not pass for a test.
func checkFiles(t *testing.T, folder string) {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if !slices.Contains([]string{"request.http", "sent.json", "response.http", "setup.json", "rcshook.yaml", "fallback.json"}, entry.Name()) {
			t.Errorf("%s is no file of a case", filepath.Join(folder, entry.Name()))
		}
	}
}

func (s *stage) arrange(t *testing.T, path string, body []byte) {
	t.Helper()
	res, err := http.Post(s.url+path, "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if text, _ := io.ReadAll(res.Body); res.StatusCode != http.StatusOK {
		t.Fatalf("POST %s: %s\n%s", path, res.Status, text)
	}
}

// sent renders what reached the simulator; nothing if nothing did.
func (s *stage) sent(t *testing.T) string {
	t.Helper()
	type message struct {
		To           string          `json:"to"`
		MessageID    string          `json:"message_id"`
		AgentID      string          `json:"agent_id"`
		State        string          `json:"state"`
		AgentMessage json.RawMessage `json:"agent_message"`
	}
	var all []message
	for _, m := range s.sim.Messages() {
		all = append(all, message{m.To, m.MessageID, m.AgentID, string(m.State), m.AgentMessage})
	}
	if len(all) == 0 {
		return ""
	}
	// Recipients of one request are sent to at once: their order says nothing.
	slices.SortStableFunc(all, func(a, b message) int { return strings.Compare(a.To, b.To) })
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(all); err != nil {
		t.Fatal(err)
	}
	return shorten(text.String())
}

// compare holds what came of a case against its file, or writes the file.
func compare(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.Remove(file); err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		if got != "" {
			if err := os.WriteFile(file, []byte(got), 0o644); err != nil { //nolint:gosec // not a secret
				t.Fatal(err)
			}
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

// A request of a case, as its sender would make it.
type request struct {
	method, path string
	header       http.Header
	body         []byte
}

// readRequests reads requests that are separated by lines of ###.
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
			t.Fatalf("%s: %q is no request line, such as POST /", file, lines[0])
		}
		r := request{method, path, http.Header{}, []byte(strings.TrimSuffix(body, "\n"))}
		for _, line := range lines[1:] {
			name, value, ok := strings.Cut(line, ":")
			if !ok || strings.ContainsAny(name, " {\"") {
				t.Fatalf("%s: %q is no header; an empty line stands before the body", file, line)
			}
			r.header.Add(name, strings.TrimSpace(value))
		}
		requests = append(requests, r)
	}
	return requests
}

// cutHead separates the head of a request from its body at the first empty line.
// In the head, line ends may be those of Windows; the body is taken as it is.
func cutHead(text string) (head, body string) {
	head, body, _ = strings.Cut(text, "\n\n")
	if h, b, ok := strings.Cut(text, "\n\r\n"); ok && len(h) < len(head) {
		head, body = h, b
	}
	return strings.ReplaceAll(head, "\r", ""), body
}

// make makes the request several times at once and renders the answer, which must
// be the same each time.
func (r request) make(t *testing.T, url string, times int) string {
	t.Helper()
	answers := make([]string, times)
	var wg sync.WaitGroup
	for i := range answers {
		wg.Go(func() { answers[i] = r.makeOnce(t, url) })
	}
	wg.Wait()
	for _, answer := range answers[1:] {
		if answer != answers[0] {
			t.Errorf("the same request was answered in two ways:\n%s\n%s", answers[0], answer)
		}
	}
	return answers[0]
}

func (r request) makeOnce(t *testing.T, url string) string {
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
	describedAs(t, req, r.body, res, body)
	return render(t, res, body)
}

// constant headers are on every answer; the rest of them tells something.
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
			t.Errorf("the header %s is %q, want %q", name, got, value)
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
	var answer struct {
		RequestID string `json:"request_id"`
	}
	var indented bytes.Buffer
	if err := json.Indent(&indented, bytes.TrimSpace(body), "", "  "); err != nil {
		t.Errorf("the answer is no JSON: %v\n%s", err, body)
	}
	if err := json.Unmarshal(body, &answer); err == nil && answer.RequestID != "" {
		if id := res.Header.Get("X-Request-Id"); id != answer.RequestID {
			t.Errorf("X-Request-Id is %q, and request_id %q", id, answer.RequestID)
		}
		indented = *bytes.NewBufferString(strings.ReplaceAll(indented.String(), answer.RequestID, "[request_id]"))
	}
	fmt.Fprintf(&text, "\n%s\n", shorten(indented.String()))
	return text.String()
}

// variable is what differs each time in what comes of a case.
type variable struct {
	simulator string // its address
	requests  []request
}

var anyUUID = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)

// hide puts a name in the place of what differs: the address of the simulator, and
// random message IDs, which are the UUIDs of version 4 that the sender did not
// choose.
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

// lengthen turns [[x*300]] into three hundred x.
func lengthen(text string) string {
	return repetition.ReplaceAllStringFunc(text, func(s string) string {
		parts := repetition.FindStringSubmatch(s)
		n, _ := strconv.Atoi(parts[2])
		return strings.Repeat(parts[1], n)
	})
}

// shorten is the reverse of lengthen, for one character.
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
