package queue_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rcshook/rcshook/internal/agent"
	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/googletest/tasks"
	"github.com/rcshook/rcshook/internal/googletest/token"
	"github.com/rcshook/rcshook/internal/queue"
	"github.com/rcshook/rcshook/internal/source"
	"github.com/rcshook/rcshook/rbm"
)

const (
	name    = "projects/p-1/locations/europe-west1/queues/messages"
	account = "tasks@p-1.iam.gserviceaccount.com"
	id      = "5a0c2f4e-6a3d-4d0e-9a50-0d7c1f7be001"
	scope   = "https://www.googleapis.com/auth/cloud-platform"
)

// taskID is the hash of send, agent-1, +12025550123 and id. It must not change: two versions
// of the function run while one is deployed.
const taskID = "94f68265b5c3a3a9dff81c32b9f63987ee06872c25ebefb9f65cab022d944447"

// taskName is the name of the task of [task].
const taskName = name + "/tasks/" + taskID

// world is a queue and a function that records its tasks.
type world struct {
	tasks   *tasks.Server
	tokens  token.Server // of the function's own account
	issuer  *token.Issuer
	url     string // of the function
	client  *queue.Client
	foreign http.HandlerFunc // responds in place of Cloud Tasks; may be nil
	got     chan *http.Request
	answer  chan int
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{got: make(chan *http.Request, 10), answer: make(chan int, 10)}
	var err error
	if w.issuer, err = token.NewIssuer(); err != nil {
		t.Fatal(err)
	}
	w.tasks = &tasks.Server{Issuer: w.issuer, Authorize: func(token string) error {
		_, err := w.tokens.Check(token, scope)
		return err
	}}
	w.tasks.AddQueue(name, tasks.Settings{MinBackoff: time.Millisecond, Attempts: 5})
	google := http.NewServeMux()
	google.HandleFunc("/", func(rw http.ResponseWriter, r *http.Request) {
		if w.foreign != nil {
			w.foreign(rw, r)
			return
		}
		w.tasks.ServeHTTP(rw, r)
	})
	google.Handle("/token", &w.tokens)
	api := httptest.NewServer(google)
	function := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.got <- r
		rw.WriteHeader(<-w.answer)
	}))
	t.Cleanup(func() { w.tasks.Close(); api.Close(); function.Close() })
	file := filepath.Join(t.TempDir(), "own.json")
	if err := os.WriteFile(file, w.tokens.KeyFile(token.KeyOptions{TokenURI: api.URL + "/token"}), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", file)
	agents := agent.New(config.Config{TasksEndpoint: api.URL}, agent.Options{})
	t.Cleanup(func() { agents.Close() })
	w.url = function.URL
	w.client = queue.New(queue.Options{
		API: agents.Platform(), Endpoint: api.URL, URL: w.url, Account: account, Timeout: 20 * time.Second,
	})
	return w
}

func task(t *testing.T) queue.Task {
	t.Helper()
	m := &rbm.AgentMessage{ContentMessage: &rbm.AgentContentMessage{Text: "Hello"}, TTL: rbm.Duration(time.Hour)}
	encoded, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	task := queue.NewTask(m, encoded, time.Now())
	task.Agent, task.Message = "default", queue.Message{ID: id, AgentID: "agent-1", To: "+12025550123"}
	return task
}

// A task is sent to the function with an ID token until the function responds with 2xx.
// Adding it again has no effect.
func TestAdd(t *testing.T) {
	w := newWorld(t)
	place := queue.Place{Queue: name, Header: map[string]string{"Traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}}
	if got, repeated, err := w.client.Add(t.Context(), task(t), place); got != taskName || repeated || err != nil {
		t.Fatalf("Add = %q, %t, %v", got, repeated, err)
	}
	w.answer <- http.StatusServiceUnavailable
	w.answer <- http.StatusOK
	for retries := range 2 {
		r := <-w.got
		tokens := source.NewGoogleTokens(w.keys(t), nil, []string{w.url}, []string{account})
		if err := tokens.Verify(t.Context(), r.Header, time.Now()); err != nil {
			t.Errorf("the token of the task: %v", err)
		}
		if got, want := r.URL.Path, queue.Path+"send/"+taskID; got != want || r.Method != http.MethodPost {
			t.Errorf("%s %s, want POST %s", r.Method, got, want)
		}
		got := map[string]string{}
		for _, h := range []string{"Content-Type", "Traceparent", "X-Cloudtasks-Queuename", "X-Cloudtasks-Taskname", "X-Cloudtasks-Taskretrycount"} {
			got[h] = r.Header.Get(h)
		}
		want := map[string]string{
			"Content-Type": "application/json", "Traceparent": place.Header["Traceparent"],
			"X-Cloudtasks-Queuename": "messages", "X-Cloudtasks-Taskname": path.Base(taskName), "X-Cloudtasks-Taskretrycount": string(rune('0' + retries)),
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("headers (-want +got):\n%s", diff)
		}
	}
	if err := w.tasks.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := []tasks.Ended{{Name: taskName, Path: queue.Path + "send/" + taskID, Statuses: []int{503, 200}, Done: true}}
	if diff := cmp.Diff(want, w.tasks.Ended(), cmpopts.IgnoreFields(tasks.Ended{}, "Body")); diff != "" {
		t.Errorf("ended (-want +got):\n%s", diff)
	}
	if _, repeated, err := w.client.Add(t.Context(), task(t), place); !repeated || err != nil {
		t.Errorf("Add again = %t, %v, want repeated", repeated, err)
	}
	// The same message ID for another number is another message.
	other := task(t)
	other.To = "+12025550124"
	w.answer <- http.StatusOK
	if _, repeated, err := w.client.Add(t.Context(), other, place); repeated || err != nil {
		t.Errorf("Add for another number = %t, %v, want neither", repeated, err)
	}
}

// keys serves the public key of Google.
func (w *world) keys(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(w.issuer)
	t.Cleanup(server.Close)
	return server.URL
}

// Errors are classified, and transient ones are retried once.
func TestAdd_errors(t *testing.T) {
	type want struct {
		kind   queue.Kind
		reason string
		unsure bool
	}
	for _, test := range []struct {
		name    string
		arrange func(*world)
		queue   string
		added   bool
		want    want // if added is false
	}{
		{"no queue", func(*world) {}, "projects/p-1/locations/europe-west1/queues/none", false, want{
			queue.NotFound, "not_found", false,
		}},
		{"denied", fault(tasks.Failure{Status: "PERMISSION_DENIED", Message: "The principal lacks cloudtasks.tasks.create"}), name, false, want{
			queue.Denied, "permission_denied", false,
		}},
		{"no act as", func(w *world) { w.tasks.Issuer = nil }, name, false, want{
			queue.Denied, "act_as", false,
		}},
		{"API disabled", fault(tasks.Failure{Status: "PERMISSION_DENIED", Reason: "SERVICE_DISABLED"}), name, false, want{
			queue.Denied, "api_disabled", false,
		}},
		{"scope", fault(tasks.Failure{Status: "PERMISSION_DENIED", Reason: "ACCESS_TOKEN_SCOPE_INSUFFICIENT"}), name, false, want{
			queue.Denied, "scope", false,
		}},
		{"credentials rejected", fault(tasks.Failure{Status: "UNAUTHENTICATED", Count: -1}), name, false, want{
			queue.Denied, "unauthenticated", false,
		}},
		{"invalid", fault(tasks.Failure{Status: "INVALID_ARGUMENT", Message: "Invalid body: Hello to +12025550123", Count: -1}), name, false, want{
			queue.Rejected, "invalid", false,
		}},
		{"being deleted", fault(tasks.Failure{Status: "FAILED_PRECONDITION"}), name, false, want{
			queue.Rejected, "not_ready", false,
		}},
		{"rate limited", fault(tasks.Failure{Status: "RESOURCE_EXHAUSTED"}), name, false, want{
			queue.Unavailable, "rate_limited", false,
		}},
		{"unavailable", fault(tasks.Failure{Status: "UNAVAILABLE", Count: -1}), name, false, want{
			queue.Unavailable, "unavailable", true,
		}},
		{"cut off", fault(tasks.Failure{Break: true, Count: -1}), name, false, want{
			queue.Unavailable, "unreachable", true,
		}},
		{"no response", fault(tasks.Failure{Hang: true, Count: -1}), name, false, want{
			queue.Unavailable, "timeout", true,
		}},
		{"no token", func(w *world) { w.tokens.Fail(http.StatusBadRequest, -1) }, name, false, want{
			queue.Denied, "invalid_grant", false,
		}},
		{"token endpoint unavailable", func(w *world) { w.tokens.Fail(http.StatusServiceUnavailable, -1) }, name, false, want{
			queue.Unavailable, "adc_unavailable", false,
		}},
		{"another server", foreign(http.StatusOK, "{}"), name, false, want{
			queue.Unavailable, "unreachable", true,
		}},
		{"another task", foreign(http.StatusOK, `{"name": "`+name+`/tasks/1"}`), name, false, want{
			queue.Unavailable, "unreachable", true,
		}},
		{"redirect", foreign(http.StatusTemporaryRedirect, ""), name, false, want{
			queue.Unavailable, "unavailable", true,
		}},
		{"unavailable once", fault(tasks.Failure{Status: "UNAVAILABLE", Count: 1}), name, true, want{}},
		{"cut off once", fault(tasks.Failure{Break: true, Count: 1}), name, true, want{}},
		{"created, then cut off", fault(tasks.Failure{After: true, Break: true, Count: 1}), name, true, want{}},
		{"created, then an error", fault(tasks.Failure{After: true, Status: "INTERNAL", Count: 1}), name, true, want{}},
		{"token revoked", fault(tasks.Failure{Status: "UNAUTHENTICATED", Count: 1}), name, true, want{}},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			test.arrange(w)
			w.answer <- http.StatusOK
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			_, repeated, err := w.client.Add(ctx, task(t), queue.Place{Queue: test.queue})
			if test.added {
				if repeated || err != nil {
					t.Errorf("Add = repeated %t, %v, want neither", repeated, err)
				}
				return
			}
			e, ok := errors.AsType[*queue.Error](err)
			if !ok {
				t.Fatalf("Add = %v, want an Error", err)
			}
			if diff := cmp.Diff(test.want, want{e.Kind, e.Reason, e.MaybeDone}, cmp.AllowUnexported(want{})); diff != "" {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
			if e.Queue != test.queue || e.Account != account {
				t.Errorf("queue %q, account %q, want %q and %q", e.Queue, e.Account, test.queue, account)
			}
			for _, private := range []string{"Hello", "2025550123"} {
				if strings.Contains(err.Error(), private) {
					t.Errorf("the error contains %q: %v", private, err)
				}
			}
		})
	}
}

// foreign is a response of a server that is not Cloud Tasks. A redirect leads to a server
// that accepts everything.
func foreign(status int, body string) func(*world) {
	return func(w *world) {
		w.foreign = func(rw http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/elsewhere" {
				io.WriteString(rw, `{"name": "`+taskName+`"}`)
				return
			}
			rw.Header().Set("Location", "/elsewhere")
			rw.WriteHeader(status)
			io.WriteString(rw, body)
		}
	}
}

func fault(f tasks.Failure) func(*world) {
	if f.Count == 0 {
		f.Count = -1
	}
	return func(w *world) { w.tasks.Fail(f) }
}

// A scheduled task is not dispatched before its time.
func TestAdd_schedule(t *testing.T) {
	w := newWorld(t)
	at := time.Now().Add(time.Hour).Truncate(time.Second)
	if _, _, err := w.client.Add(t.Context(), task(t), queue.Place{Queue: name, At: at}); err != nil {
		t.Fatal(err)
	}
	var shown struct {
		ScheduleTime     time.Time
		DispatchDeadline string
		HTTPRequest      struct {
			URL       string
			OIDCToken struct{ ServiceAccountEmail, Audience string }
		}
	}
	show := httptest.NewRecorder()
	w.tasks.Authorize = nil
	w.tasks.ServeHTTP(show, httptest.NewRequest(http.MethodGet, "/v2/"+taskName, nil))
	if err := json.Unmarshal(show.Body.Bytes(), &shown); err != nil {
		t.Fatal(err)
	}
	want := shown
	want.ScheduleTime, want.DispatchDeadline, want.HTTPRequest.URL = at, "30s", w.url+queue.Path+"send/"+taskID
	want.HTTPRequest.OIDCToken.ServiceAccountEmail, want.HTTPRequest.OIDCToken.Audience = account, w.url
	if diff := cmp.Diff(want, shown, cmpopts.EquateApproxTime(0)); diff != "" {
		t.Errorf("the task (-want +got):\n%s", diff)
	}
	if len(w.got) != 0 {
		t.Error("the task was dispatched before its time")
	}
	w.answer <- http.StatusOK
	w.tasks.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/v2/"+taskName+":run", nil))
	<-w.got
}
