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

	"github.com/google/go-cmp/cmp"

	"github.com/rcshook/rcshook/internal/googletest"
	"github.com/rcshook/rcshook/internal/googletest/tasks"
	"github.com/rcshook/rcshook/internal/googletest/token"
	"github.com/rcshook/rcshook/rbm/rbmtest"
)

// emulatorProgram starts the Cloud Tasks emulator of the Firebase command line. It supports
// names of tasks, deletes and the headers about attempts, but neither schedule times nor ID
// tokens. It responds with 200 to deletes of tasks that are in flight or have ended, has no
// effect on those in flight, and may drop another task then. After an attempt without a
// response, TaskPreviousResponse is that of an earlier one.
const emulatorProgram = `
const { TasksEmulator } = require(process.argv[1] + "/node_modules/firebase-tools/lib/emulator/tasksEmulator");
new TasksEmulator({ host: "127.0.0.1", port: Number(process.argv[2]) }).start();
`

// startEmulator starts the emulator with a queue, and returns its URL.
func startEmulator(t *testing.T, queue, settings string) string {
	t.Helper()
	dir := os.Getenv("RCSHOOKTEST_TASKS_EMULATOR")
	if dir == "" {
		t.Skip("RCSHOOKTEST_TASKS_EMULATOR, the folder of the emulator, is not set")
	}
	port := googletest.FreePort()
	node := exec.CommandContext(t.Context(), "node", "-e", emulatorProgram, dir, port)
	var output tailWriter
	node.Stdout, node.Stderr = &output, &output
	if err := node.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = node.Process.Kill(); _ = node.Wait() })
	url := "http://127.0.0.1:" + port
	for {
		res, err := http.Post(url+"/"+queue, "application/json", strings.NewReader(settings))
		if err == nil {
			res.Body.Close()
			return url
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-t.Context().Done():
			t.Fatalf("the emulator did not start: %s", output.String())
		}
	}
}

// TestTasks_emulator makes the same requests to the emulator and to the stand-in for Cloud
// Tasks that the other tests use. Both must respond alike, and make the same attempts.
func TestTasks_emulator(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func(t *testing.T) string{
		"emulator": func(t *testing.T) string {
			return startEmulator(t, stageQueue, `{"retryConfig": {"maxAttempts": 50, "minBackoffSeconds": 0.05}, "rateLimits": {"maxConcurrentDispatches": 1}}`)
		},
		"stand-in": func(t *testing.T) string {
			s := new(tasks.Server)
			s.AddQueue(stageQueue, tasks.Settings{Concurrent: 1, MinBackoff: 50 * time.Millisecond})
			server := httptest.NewServer(s)
			t.Cleanup(func() { s.Close(); server.Close() })
			return server.URL + "/v2"
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testTasks(t, start(t))
		})
	}
}

// testTasks checks names, deletes and headers of the service at a URL.
func testTasks(t *testing.T, service string) {
	type attempt struct{ task, retries, executions, previous string }
	attempts, release := make(chan attempt, 10), make(chan struct{})
	function := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		get := func(name string) string { return r.Header.Get("X-CloudTasks-Task" + name) }
		a := attempt{get("Name"), get("RetryCount"), get("ExecutionCount"), get("PreviousResponse")}
		attempts <- a
		switch a {
		case attempt{"first", "0", "0", ""}:
			select {
			case <-release: // until then, no other task is dispatched
			case <-t.Context().Done():
			}
			w.WriteHeader(http.StatusInternalServerError)
		case attempt{"first", "1", "0", "500"}:
			w.WriteHeader(http.StatusConflict)
		}
	}))
	t.Cleanup(function.Close)
	request := func(method, path string, want int) {
		t.Helper()
		id := ""
		if method == http.MethodPost {
			path, id, _ = strings.Cut(path, "/tasks/")
			path += "/tasks"
		}
		body := fmt.Sprintf(`{"task": {"name": %q, "httpRequest": {"url": %q, "httpMethod": "POST", "body": "e30="}}}`, stageQueue+"/tasks/"+id, function.URL)
		if method == http.MethodDelete {
			body = ""
		}
		req, err := http.NewRequestWithContext(t.Context(), method, service+"/"+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("%s %s %s = %d, want %d", method, path, id, res.StatusCode, want)
		}
	}
	request("POST", stageQueue+"/tasks/first", http.StatusOK)
	got := []attempt{<-attempts}
	request("POST", stageQueue+"/tasks/first", http.StatusConflict)
	request("POST", stageQueue+"/tasks/second", http.StatusOK)
	request("POST", stageQueue+"/tasks/second", http.StatusConflict)
	request("DELETE", stageQueue+"/tasks/second", http.StatusOK)
	request("DELETE", stageQueue+"/tasks/second", http.StatusNotFound)
	request("POST", stageQueue+"/tasks/second", http.StatusConflict)
	request("DELETE", stageQueue+"/tasks/none", http.StatusNotFound)
	request("POST", stageQueue+"-none/tasks/first", http.StatusNotFound)
	request("DELETE", stageQueue+"-none/tasks/first", http.StatusNotFound)
	request("POST", stageQueue+"/tasks/third", http.StatusOK)
	close(release)
	for len(got) < 4 {
		got = append(got, <-attempts)
	}
	slices.SortFunc(got, func(a, b attempt) int { return strings.Compare(a.task+a.retries, b.task+b.retries) })
	want := []attempt{{"first", "0", "0", ""}, {"first", "1", "0", "500"}, {"first", "2", "1", "409"}, {"third", "0", "0", ""}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(attempt{})); diff != "" {
		t.Errorf("attempts (-want +got):\n%s", diff)
	}
}

// TestQueue_emulator sends through an independent implementation of the queue:
//
//	npm install --prefix DIR firebase-tools@15 && RCSHOOKTEST_TASKS_EMULATOR=DIR go test -run _emulator ./internal/e2e
func TestQueue_emulator(t *testing.T) {
	real := startEmulator(t, stageQueue, `{"retryConfig": {"maxAttempts": 50, "minBackoffSeconds": 0.05, "maxBackoffSeconds": 0.2}}`)
	s := newStage(t)
	s.clock.set(time.Now())
	e := &emulator{real: real, google: s.google, tasks: make(map[string]emulatorTask), statuses: make(map[string][]int)}
	web := httptest.NewServer(e)
	t.Cleanup(web.Close)
	e.url = web.URL
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
