package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rcshook/rcshook/internal/googletest/token"
	"github.com/rcshook/rcshook/rbm/rbmtest"
)

// startEmulator starts the emulator of Cloud Tasks that comes with the Firebase
// command line, without the rest of it. It knows neither times nor ID tokens.
const startEmulator = `
const { TasksEmulator } = require(process.argv[1] + "/node_modules/firebase-tools/lib/emulator/tasksEmulator");
new TasksEmulator({ host: "127.0.0.1", port: Number(process.argv[2]) }).start();
`

// TestQueue_emulator sends through a queue that others wrote, where it is installed:
//
//	npm install --prefix DIR firebase-tools@15 && RCSHOOKTEST_TASKS_EMULATOR=DIR go test -run TestQueue_emulator .
func TestQueue_emulator(t *testing.T) {
	dir := os.Getenv("RCSHOOKTEST_TASKS_EMULATOR")
	if dir == "" {
		t.Skip("RCSHOOKTEST_TASKS_EMULATOR does not say where the emulator is")
	}
	s := newStage(t)
	s.clock.set(time.Now())
	e := s.emulator(t, dir)
	s.env["RCSHOOK_TASKS_ENDPOINT"] = e.url
	h, log, _ := s.queued(t, nil)
	s.sim.Fail(rbmtest.Failure{Status: http.StatusServiceUnavailable, Method: "phones.agentMessages.create", Count: 12})
	const order = `{"to": ["+12025550123", "+12025550124", "+12025550104"], "text": "Hello", "idempotency_key": "order-1"}`
	for _, want := range []string{"queued", "duplicate"} {
		if status, code := sendBody(t, h, order); status != http.StatusOK || code != want {
			t.Fatalf("send = %d %s, want 200 %s", status, code, want)
		}
	}
	// Three tasks end with 200, the one that cannot be delivered among them.
	for e.ended() < 3 {
		select {
		case <-time.After(10 * time.Millisecond):
		case <-t.Context().Done():
			t.Fatalf("only %v\n%s", e.statuses, log)
		}
	}
	if n := len(s.sim.Messages()); n != 2 {
		t.Errorf("%d messages, want two", n)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	again := 0
	for task, statuses := range e.statuses {
		if i := slices.Index(statuses, http.StatusOK); i != len(statuses)-1 {
			t.Errorf("task %s was answered with %v", task, statuses)
		}
		again += len(statuses) - 1
	}
	if again == 0 || len(e.statuses) != 3 {
		t.Errorf("%d tasks, want 3, and %d of them again, want some", len(e.statuses), again)
	}
	t.Logf("answers to the emulator: %v", e.statuses)
}

// emulator speaks the language of the emulator to the official client, and adds to
// its tasks the tokens that it does not have.
type emulator struct {
	url, real string
	google    *token.Issuer
	client    http.Client

	mu       sync.Mutex
	tasks    map[string]emulated
	statuses map[string][]int // answers to tasks, by message ID
}

type emulated struct {
	URL       string
	OIDCToken struct{ ServiceAccountEmail, Audience string }
}

func (s *stage) emulator(t *testing.T, dir string) *emulator {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	e := &emulator{
		real: fmt.Sprintf("http://127.0.0.1:%d", port), google: s.google,
		tasks: make(map[string]emulated), statuses: make(map[string][]int),
	}
	node := exec.CommandContext(t.Context(), "node", "-e", startEmulator, dir, fmt.Sprint(port)) //nolint:gosec // the test's own
	var said tail
	node.Stdout, node.Stderr = &said, &said
	if err := node.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = node.Process.Kill(); _ = node.Wait() }) // says that it was killed
	const settings = `{"retryConfig": {"maxAttempts": 50, "minBackoffSeconds": 0.05, "maxBackoffSeconds": 0.2}}`
	for {
		res, err := http.Post(e.real+"/"+stageQueue, "application/json", strings.NewReader(settings)) //nolint:noctx // ends with the test
		if err == nil {
			res.Body.Close()
			break
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-t.Context().Done():
			t.Fatalf("the emulator does not start: %s", said.String())
		}
	}
	web := httptest.NewServer(e)
	t.Cleanup(web.Close)
	e.url = web.URL
	return e
}

func (e *emulator) ended() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	n := 0
	for _, statuses := range e.statuses {
		if statuses[len(statuses)-1] == http.StatusOK {
			n++
		}
	}
	return n
}

func (e *emulator) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	if id, ok := strings.CutPrefix(r.URL.Path, "/deliver/"); ok {
		e.deliver(w, r, id, body)
		return
	}
	e.create(w, r, body)
}

// create passes on a task that comes back here.
func (e *emulator) create(w http.ResponseWriter, r *http.Request, body []byte) {
	var request struct {
		Task map[string]any `json:"task"`
	}
	var typed struct {
		Task struct {
			Name        string
			HTTPRequest emulated
		}
	}
	if json.Unmarshal(body, &request) != nil || json.Unmarshal(body, &typed) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	id := path.Base(typed.Task.Name)
	request.Task["httpRequest"].(map[string]any)["url"] = e.url + "/deliver/" + id
	e.mu.Lock()
	e.tasks[id] = typed.Task.HTTPRequest
	e.mu.Unlock()
	text, _ := json.Marshal(request) // it was JSON before
	res, err := e.client.Post(e.real+strings.TrimPrefix(r.URL.Path, "/v2"), "application/json", bytes.NewReader(text))
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	res.Body.Close()
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(res.StatusCode)
	switch res.StatusCode {
	case http.StatusOK:
		fmt.Fprintf(w, `{"name": %q}`, typed.Task.Name)
	case http.StatusConflict: // the emulator answers with a sentence
		fmt.Fprint(w, `{"error": {"code": 409, "status": "ALREADY_EXISTS", "message": "a task with this name exists"}}`)
	}
}

// deliver is what the emulator calls.
func (e *emulator) deliver(w http.ResponseWriter, r *http.Request, id string, body []byte) {
	e.mu.Lock()
	task := e.tasks[id]
	e.mu.Unlock()
	req, err := http.NewRequestWithContext(r.Context(), http.MethodPost, task.URL, bytes.NewReader(body))
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	req.Header = r.Header.Clone()
	req.Header.Set("Authorization", "Bearer "+e.google.Token(task.OIDCToken.Audience, task.OIDCToken.ServiceAccountEmail, time.Now()))
	res, err := e.client.Do(req)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	defer res.Body.Close()
	e.mu.Lock()
	e.statuses[id] = append(e.statuses[id], res.StatusCode)
	e.mu.Unlock()
	w.WriteHeader(res.StatusCode)
}
