package tasks

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rcshook/rcshook/internal/source"
)

const (
	queueA = "projects/p/locations/l/queues/a"
	target = "http://function.example/tasks/1"
)

// A function responds to tasks with the given statuses in order, then with 200.
type function struct {
	mu       sync.Mutex
	statuses []int
	after    string        // Retry-After
	takes    time.Duration // for each response
	began    time.Time
	at       []time.Duration
	headers  []http.Header
}

func (f *function) RoundTrip(r *http.Request) (*http.Response, error) {
	time.Sleep(f.takes)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.at = append(f.at, time.Since(f.began))
	f.headers = append(f.headers, r.Header)
	status := http.StatusOK
	if len(f.statuses) > 0 {
		status, f.statuses = f.statuses[0], f.statuses[1:]
	}
	if status == 0 {
		return nil, http.ErrServerClosed
	}
	return &http.Response{StatusCode: status, Body: http.NoBody, Header: http.Header{"Retry-After": {f.after}}}, nil
}

func (s *Server) call(method, path, body string) (status int, response string) {
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequest(method, "/v2/"+path, strings.NewReader(body)))
	return w.Code, w.Body.String()
}

func (s *Server) mustAdd(t *testing.T, id, more string) {
	t.Helper()
	body := fmt.Sprintf(`{"parent": %q, "task": {"name": "%s/tasks/%s", "httpRequest": {"url": %q} %s}}`, queueA, queueA, id, target, more)
	if status, response := s.call("POST", queueA+"/tasks", body); status != http.StatusOK {
		t.Fatalf("create: %d %s", status, response)
	}
}

// A task is retried with growing pauses until it succeeds or runs out of attempts.
func TestRetries(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name     string
		set      Settings
		statuses []int
		after    string
		want     []time.Duration
		done     bool
	}{
		{"done", Settings{}, nil, "", []time.Duration{0}, true},
		{"again", Settings{MinBackoff: time.Second}, []int{500, 0, 429}, "", []time.Duration{0, time.Second, 3 * time.Second, 7 * time.Second}, true},
		{"a redirect is none", Settings{MinBackoff: time.Second}, []int{302, 404}, "", []time.Duration{0, time.Second, 3 * time.Second}, true},
		{
			"doubled, then grown, then at most",
			Settings{MinBackoff: 10 * time.Second, MaxBackoff: 300 * time.Second, Doublings: 3},
			[]int{500, 500, 500, 500, 500, 500, 500, 500},
			"",
			sums(0, 10, 20, 40, 80, 160, 240, 300, 300), true,
		},
		{"as asked", Settings{MinBackoff: time.Second}, []int{429, 503}, "30", []time.Duration{0, 30 * time.Second, time.Minute}, true},
		{"given up", Settings{MinBackoff: time.Second, Attempts: 2}, []int{500, 500, 500}, "", []time.Duration{0, time.Second}, false},
		{
			"given up after the time and the attempts",
			Settings{MinBackoff: time.Second, Attempts: 2, MaxDuration: 5 * time.Second},
			[]int{500, 500, 500, 500, 500, 500},
			"",
			[]time.Duration{0, time.Second, 3 * time.Second, 7 * time.Second},
			false,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := &function{statuses: test.statuses, after: test.after, began: time.Now()}
				s := &Server{Client: &http.Client{Transport: f}}
				defer s.Close()
				s.AddQueue(queueA, test.set)
				s.mustAdd(t, "1", "")
				if err := s.Settle(t.Context()); err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(test.want, f.at); diff != "" {
					t.Errorf("attempts (-want +got):\n%s", diff)
				}
				if ended := s.Ended(); len(ended) != 1 || ended[0].Done != test.done || len(ended[0].Statuses) != len(test.want) {
					t.Errorf("ended: %+v, want one task, done %t", ended, test.done)
				}
			})
		})
	}
}

func sums(seconds ...int) []time.Duration {
	var at []time.Duration
	sum := 0
	for _, s := range seconds {
		sum += s
		at = append(at, time.Duration(sum)*time.Second)
	}
	return at
}

// A task waits for its time, its queue and its turn.
func TestWaiting(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &function{began: time.Now()}
		s := &Server{Client: &http.Client{Transport: f}}
		defer s.Close()
		s.AddQueue(queueA, Settings{Rate: 1})
		s.call("POST", queueA+":pause", "")
		s.mustAdd(t, "1", "")
		s.mustAdd(t, "2", "")
		s.mustAdd(t, "3", `, "scheduleTime": "`+time.Now().Add(time.Hour).Format(time.RFC3339)+`"`)
		s.mustAdd(t, "4", `, "scheduleTime": "`+time.Now().Add(24*time.Hour).Format(time.RFC3339)+`"`)
		time.Sleep(time.Minute)
		if synctest.Wait(); len(f.at) > 0 {
			t.Errorf("a paused queue sent tasks at %v", f.at)
		}
		s.call("POST", queueA+":resume", "")
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		if diff := cmp.Diff([]time.Duration{time.Minute, time.Minute + time.Second, time.Hour}, f.at); diff != "" {
			t.Errorf("attempts (-want +got):\n%s", diff)
		}
		if got := s.Waiting(); len(got) != 1 || got[0] != queueA+"/tasks/4" {
			t.Errorf("waiting: %v, want the fourth", got)
		}
		if status, _ := s.call("DELETE", queueA+"/tasks/4", ""); status != http.StatusOK || len(s.Waiting()) > 0 {
			t.Errorf("delete: %d, and %v wait", status, s.Waiting())
		}
	})
}

// A name stays reserved for a day after its task has ended.
func TestNames(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &Server{Client: &http.Client{Transport: &function{}}}
		defer s.Close()
		s.AddQueue(queueA, Settings{})
		body := fmt.Sprintf(`{"task": {"name": "%s/tasks/1", "httpRequest": {"url": %q}}}`, queueA, target)
		for _, want := range []int{200, 409} {
			if status, response := s.call("POST", queueA+"/tasks", body); status != want {
				t.Errorf("create: %d %s, want %d", status, response, want)
			}
		}
		time.Sleep(23 * time.Hour)
		if status, response := s.call("POST", queueA+"/tasks", body); status != http.StatusConflict || !strings.Contains(response, "ALREADY_EXISTS") {
			t.Errorf("create after 23 hours: %d %s, want ALREADY_EXISTS", status, response)
		}
		time.Sleep(2 * time.Hour)
		if status, _ := s.call("POST", queueA+"/tasks", body); status != http.StatusOK {
			t.Errorf("create after 25 hours: %d, want 200", status)
		}
	})
}

// An attempt describes the ones before it.
//
// Google docs: https://docs.cloud.google.com/tasks/docs/creating-http-target-tasks#handler
func TestHeaders(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &function{statuses: []int{503, 404, 0, 302, 500}}
		s := &Server{Client: &http.Client{Transport: f}}
		defer s.Close()
		s.AddQueue(queueA, Settings{})
		s.mustAdd(t, "1", "")
		if err := s.Settle(t.Context()); err != nil {
			t.Fatal(err)
		}
		var got [][]string
		for _, h := range f.headers {
			got = append(got, []string{h.Get("X-CloudTasks-TaskRetryCount"), h.Get("X-CloudTasks-TaskExecutionCount"), strings.Join(h["X-Cloudtasks-Taskpreviousresponse"], ",")})
		}
		want := [][]string{{"0", "0", ""}, {"1", "0", "503"}, {"2", "1", "404"}, {"3", "1", ""}, {"4", "2", "302"}, {"5", "2", "500"}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("headers (-want +got):\n%s", diff)
		}
	})
}

// A deleted task ends, and an attempt in flight is its last.
func TestDelete(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &function{statuses: []int{500}, takes: time.Minute, began: time.Now()}
		s := &Server{Client: &http.Client{Transport: f}}
		defer s.Close()
		s.AddQueue(queueA, Settings{MinBackoff: time.Second})
		observed := map[string]int{} // by name; an ended task counts 10
		s.Observe = func(w Waiting, ended *Ended) {
			observed[path.Base(w.Name)]++
			if ended != nil {
				observed[path.Base(ended.Name)] += 9
			}
		}
		call := func(method, id string, want int, text string) {
			t.Helper()
			if status, response := s.call(method, queueA+"/tasks/"+id, ""); status != want || !strings.Contains(response, text) {
				t.Errorf("%s %s: %d %s, want %d %q", method, id, status, response, want, text)
			}
		}
		later := time.Now().Add(time.Hour).Truncate(time.Second)
		s.mustAdd(t, "later", `, "scheduleTime": "`+later.Format(time.RFC3339)+`"`)
		s.mustAdd(t, "in-flight", "")
		synctest.Wait()
		want := []Waiting{
			{Name: queueA + "/tasks/in-flight", Path: "/tasks/1", ScheduleTime: time.Now()},
			{Name: queueA + "/tasks/later", Path: "/tasks/1", ScheduleTime: later},
		}
		if diff := cmp.Diff(want, s.Tasks()); diff != "" {
			t.Errorf("tasks (-want +got):\n%s", diff)
		}
		call("DELETE", "in-flight", 200, "{}")
		call("DELETE", "in-flight", 404, "though a task with this name existed recently")
		call("DELETE", "later", 200, "{}")
		call("DELETE", "other", 404, "Requested entity was not found.")
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		if diff := cmp.Diff([]time.Duration{time.Minute}, f.at); diff != "" {
			t.Errorf("attempts (-want +got):\n%s", diff)
		}
		ended := []Ended{
			{Name: queueA + "/tasks/in-flight", Path: "/tasks/1", Deleted: true},
			{Name: queueA + "/tasks/later", Path: "/tasks/1", Deleted: true},
		}
		if diff := cmp.Diff(ended, s.Ended()); diff != "" || len(s.Tasks()) > 0 {
			t.Errorf("ended (-want +got):\n%s\nwaiting: %v", diff, s.Tasks())
		}
		if diff := cmp.Diff(map[string]int{"in-flight": 11, "later": 11}, observed); diff != "" {
			t.Errorf("observed (-want +got):\n%s", diff)
		}
	})
}

// Creating and deleting fail as asked, each on its own.
func TestFail(t *testing.T) {
	t.Parallel()
	s := new(Server)
	defer s.Close()
	s.AddQueue(queueA, Settings{})
	s.call("POST", queueA+":pause", "")
	s.Fail(Failure{Method: "delete", Status: "UNAVAILABLE", Message: "Try later.", Count: 2})
	s.Fail(Failure{Method: "delete", Status: "INTERNAL", After: true, Count: 1})
	s.Fail(Failure{Status: "RESOURCE_EXHAUSTED", Count: 1})
	const create = `{"task": {"name": "` + queueA + `/tasks/1", "httpRequest": {"url": "` + target + `"}}}`
	for i, test := range []struct {
		method, path, text string
		want               int
	}{
		{"POST", "/tasks", "RESOURCE_EXHAUSTED", 429},
		{"POST", "/tasks", queueA + "/tasks/1", 200},
		{"DELETE", "/tasks/1", "Try later.", 503},
		{"DELETE", "/tasks/1", "UNAVAILABLE", 503},
		{"GET", "/tasks/1", queueA + "/tasks/1", 200},
		{"DELETE", "/tasks/1", "INTERNAL", 500},
		{"DELETE", "/tasks/1", "NOT_FOUND", 404},
	} {
		if status, response := s.call(test.method, queueA+test.path, create); status != test.want || !strings.Contains(response, test.text) {
			t.Errorf("request %d: %s %s: %d %s, want %d %s", i+1, test.method, test.path, status, response, test.want, test.text)
		}
	}
	s.Denied = []string{"cloudtasks.tasks.create", "cloudtasks.tasks.delete"}
	for method, path := range map[string]string{"POST": "/tasks", "DELETE": "/tasks/1"} {
		if status, response := s.call(method, queueA+path, create); status != 403 || !strings.Contains(response, `lacks IAM permission`) {
			t.Errorf("%s without the permission: %d %s, want 403", method, status, response)
		}
	}
	web := httptest.NewServer(s)
	defer web.Close()
	s.Fail(Failure{Method: "delete", Break: true, Count: 1})
	req, err := http.NewRequestWithContext(t.Context(), "DELETE", web.URL+"/v2/"+queueA+"/tasks/1", nil)
	if err != nil {
		t.Fatal(err)
	}
	if res, err := web.Client().Do(req); err == nil {
		res.Body.Close()
		t.Errorf("a broken connection: %s, want no response", res.Status)
	}
}

// Tasks that Cloud Tasks would reject are rejected.
func TestCreate_invalid(t *testing.T) {
	t.Parallel()
	s := new(Server)
	defer s.Close()
	s.AddQueue(queueA, Settings{})
	good := func() map[string]any {
		return map[string]any{"name": queueA + "/tasks/1", "httpRequest": map[string]any{"url": target, "httpMethod": "POST"}}
	}
	request := func(key string, value any) func(map[string]any) {
		return func(t map[string]any) { t["httpRequest"].(map[string]any)[key] = value }
	}
	field := func(key string, value any) func(map[string]any) { return func(t map[string]any) { t[key] = value } }
	for _, test := range []struct {
		name   string
		change func(map[string]any)
		want   string
	}{
		{"no name", field("name", ""), "INVALID_ARGUMENT"},
		{"name elsewhere", field("name", "projects/p/locations/l/queues/b/tasks/1"), "INVALID_ARGUMENT"},
		{"odd name", field("name", queueA+"/tasks/a.b"), "INVALID_ARGUMENT"},
		{"unknown member", field("color", "red"), "INVALID_ARGUMENT"},
		{"too far", field("scheduleTime", time.Now().Add(31*24*time.Hour).Format(time.RFC3339)), "INVALID_ARGUMENT"},
		{"short deadline", field("dispatchDeadline", "14s"), "INVALID_ARGUMENT"},
		{"long deadline", field("dispatchDeadline", "1801s"), "INVALID_ARGUMENT"},
		{"output only", field("dispatchCount", 1), "INVALID_ARGUMENT"},
		{"no target", field("httpRequest", nil), "INVALID_ARGUMENT"},
		{"other target", func(t map[string]any) {
			delete(t, "httpRequest")
			t["appEngineHttpRequest"] = map[string]any{}
		}, "INVALID_ARGUMENT"},
		{"no URL", request("url", "function"), "INVALID_ARGUMENT"},
		{"another method", request("httpMethod", "GET"), "INVALID_ARGUMENT"},
		{"too large", request("body", make([]byte, 1<<20)), "INVALID_ARGUMENT"},
		{"header of Google", request("headers", map[string]string{"X-Google-Thing": "1"}), "INVALID_ARGUMENT"},
		{"large header", request("headers", map[string]string{"X": strings.Repeat("x", 81<<10)}), "INVALID_ARGUMENT"},
		{"no account", request("oidcToken", map[string]string{"serviceAccountEmail": "x"}), "INVALID_ARGUMENT"},
		{"no issuer", request("oidcToken", map[string]string{"serviceAccountEmail": "a@b"}), "PERMISSION_DENIED"},
		{"other token", request("oauthToken", map[string]string{"serviceAccountEmail": "a@b"}), "INVALID_ARGUMENT"},
	} {
		task := good()
		test.change(task)
		body, err := json.Marshal(map[string]any{"task": task})
		if err != nil {
			t.Fatal(err)
		}
		if status, response := s.call("POST", queueA+"/tasks", string(body)); status == http.StatusOK || !strings.Contains(response, test.want) {
			t.Errorf("%s: %d %s, want %s", test.name, status, response, test.want)
		}
	}
	for _, test := range []struct{ method, path, want string }{
		{"POST", "projects/p/locations/l/queues/b/tasks", "Queue does not exist"},
		{"GET", "projects/p/locations/l/queues/b", "Queue does not exist"},
		{"GET", queueA + "/tasks/2", "Requested entity was not found"},
		{"PUT", queueA + "/tasks", "Method not found"},
		{"GET", "projects/p", "Method not found"},
	} {
		if status, response := s.call(test.method, test.path, `{"task": {}}`); status != http.StatusNotFound || !strings.Contains(response, test.want) {
			t.Errorf("%s %s: %d %s, want %s", test.method, test.path, status, response, test.want)
		}
	}
	s.Authorize = func(string) error { return source.ErrUnauthorized }
	if status, response := s.call("GET", queueA, ""); status != http.StatusUnauthorized || !strings.Contains(response, "UNAUTHENTICATED") {
		t.Errorf("a stranger: %d %s, want 401", status, response)
	}
}
