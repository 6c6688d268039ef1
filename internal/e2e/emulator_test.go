package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
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

	"github.com/rcshook/rcshook/internal/googletest"
	"github.com/rcshook/rcshook/internal/googletest/token"
	"github.com/rcshook/rcshook/rbm/rbmtest"
)

// startEmulator starts the Cloud Tasks emulator of the Firebase command line. It supports
// neither schedule times nor ID tokens.
const startEmulator = `
const { TasksEmulator } = require(process.argv[1] + "/node_modules/firebase-tools/lib/emulator/tasksEmulator");
new TasksEmulator({ host: "127.0.0.1", port: Number(process.argv[2]) }).start();
`

// TestQueue_emulator sends through an independent implementation of the queue:
//
//	npm install --prefix DIR firebase-tools@15 && RCSHOOKTEST_TASKS_EMULATOR=DIR go test -run TestQueue_emulator ./internal/e2e
func TestQueue_emulator(t *testing.T) {
	dir := os.Getenv("RCSHOOKTEST_TASKS_EMULATOR")
	if dir == "" {
		t.Skip("RCSHOOKTEST_TASKS_EMULATOR, the folder of the emulator, is not set")
	}
	s := newStage(t)
	s.clock.set(time.Now())
	e := s.emulator(t, dir)
	s.env["RCSHOOK_TASKS_ENDPOINT"] = e.url
	h, log, _ := s.queueHandler(t, nil)
	s.sim.Fail(rbmtest.Failure{Status: http.StatusServiceUnavailable, Method: "phones.agentMessages.create", Count: 12})
	const order = `{"to": ["+12025550123", "+12025550124", "+12025550104"], "text": "Hello", "idempotency_key": "order-1"}`
	for _, want := range []string{"queued", "duplicate"} {
		if status, code := sendBody(t, h, order); status != http.StatusOK || code != want {
			t.Fatalf("send = %d %s, want 200 %s", status, code, want)
		}
	}
	// Three tasks end with 200, including the undeliverable one.
	for e.ended() < 3 {
		select {
		case <-time.After(10 * time.Millisecond):
		case <-t.Context().Done():
			t.Fatalf("statuses %v\n%s", e.statuses, log)
		}
	}
	if n := len(s.sim.Messages()); n != 2 {
		t.Errorf("%d messages, want 2", n)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	retries := 0
	for task, statuses := range e.statuses {
		if i := slices.Index(statuses, http.StatusOK); i != len(statuses)-1 {
			t.Errorf("task %s got the statuses %v", task, statuses)
		}
		retries += len(statuses) - 1
	}
	if retries == 0 || len(e.statuses) != 3 {
		t.Errorf("%d tasks, want 3; %d retries, want at least 1", len(e.statuses), retries)
	}
	t.Logf("statuses of the tasks: %v", e.statuses)
}

// emulator is a proxy between the function and the emulator. It translates requests and
// adds ID tokens to the tasks.
type emulator struct {
	url, real string
	google    *token.Issuer
	client    http.Client

	mu       sync.Mutex
	tasks    map[string]emulatorTask
	statuses map[string][]int // of the tasks, by message ID
}

type emulatorTask struct {
	URL       string
	OIDCToken struct{ ServiceAccountEmail, Audience string }
}

func (s *stage) emulator(t *testing.T, dir string) *emulator {
	t.Helper()
	port := googletest.FreePort()
	e := &emulator{
		real: fmt.Sprintf("http://127.0.0.1:%s", port), google: s.google,
		tasks: make(map[string]emulatorTask), statuses: make(map[string][]int),
	}
	node := exec.CommandContext(t.Context(), "node", "-e", startEmulator, dir, port)
	var output tailWriter
	node.Stdout, node.Stderr = &output, &output
	if err := node.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = node.Process.Kill(); _ = node.Wait() })
	const settings = `{"retryConfig": {"maxAttempts": 50, "minBackoffSeconds": 0.05, "maxBackoffSeconds": 0.2}}`
	for {
		res, err := http.Post(e.real+"/"+stageQueue, "application/json", strings.NewReader(settings))
		if err == nil {
			res.Body.Close()
			break
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-t.Context().Done():
			t.Fatalf("the emulator did not start: %s", output.String())
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

// create forwards a task with this proxy as its target.
func (e *emulator) create(w http.ResponseWriter, r *http.Request, body []byte) {
	var request struct {
		Task map[string]any `json:"task"`
	}
	var typed struct {
		Task struct {
			Name        string
			HTTPRequest emulatorTask
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
	text, _ := json.Marshal(request) // decoded from JSON above
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
	case http.StatusConflict: // the emulator responds with plain text
		fmt.Fprint(w, `{"error": {"code": 409, "status": "ALREADY_EXISTS", "message": "a task with this name exists"}}`)
	}
}

// deliver forwards a task of the emulator to the function.
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
