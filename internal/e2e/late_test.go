package e2e

import (
	"bytes"
	gocmp "cmp"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rcshook/rcshook/internal/googletest"
	"github.com/rcshook/rcshook/internal/googletest/tasks"
	"github.com/rcshook/rcshook/rbm/rbmtest"
)

// The tests of this file and of late_*_test.go are the rows of the table of races in
// docs/fallback.md. The queue is paused, and the tests make the attempts of its tasks, so
// that each race happens in one order.

// lateStage is a function whose messages have a fallback in time.
type lateStage struct {
	*fleet
	t  *testing.T
	in *inbox

	rbm *httptest.Server

	settings map[string]*string
	fill     *strings.Replacer // of the places in a file
	mu       sync.Mutex
	jobs     map[string]string // of tasks, by ID
	calls    []string          // of Cloud Tasks
	hooks    map[string]hook
}

// hook serves a request in place of next, once.
type hook func(w http.ResponseWriter, r *http.Request, next http.Handler)

// lateSetup are the settings of a [lateStage].
type lateSetup struct {
	assume    rbmtest.Assumptions
	instances int    // 0 means one
	deaf      bool   // RBM has no webhook for events
	store     bool   // of opt-outs
	file      string // in place of lateFile
	queueless bool   // without RCSHOOK_QUEUE

	maxBackoff time.Duration // of the queue; 0 means a minute
}

// lateFile is rcshook.yaml. Of the sources, own has a queue of its own, and none has none.
const lateFile = `agents:
  default: {id: [id], credentials: [key], fallback: {url: "[fallback]", secret: [secret]}}
sources:
  own: {preset: bearer, secret: s3cret, queue: [queue]}
  none: {preset: bearer, secret: s3cret, queue: none}
events:
  crm: {url: "[in]/crm", secret: [secret]}
`

// ownQueue is the queue of the source own.
const ownQueue = "projects/example/locations/us-central1/queues/own"

// The people: one is offline, one does not have RCS.
const (
	online      = "+12025550123"
	offline     = "+12025550108"
	unreachable = "+12025550104"
)

// repeatable are the traffic types of which a message may rather arrive twice than never.
// The others arrive at most once.
var (
	repeatable = []string{"authentication", "transaction", "service_request"}
	single     = []string{"promotion", ""}
	traffics   = append(slices.Clip(repeatable), single...)
)

func newLate(t *testing.T, o lateSetup) *lateStage {
	t.Helper()
	s := newStage(t)
	l := &lateStage{t: t, jobs: make(map[string]string), hooks: make(map[string]hook)}
	s.sim.Assume = o.assume
	for _, name := range []string{stageQueue, ownQueue} {
		s.tasks.AddQueue(name, tasks.Settings{MinBackoff: time.Second, MaxBackoff: gocmp.Or(o.maxBackoff, time.Minute), Attempts: -1})
		s.api(t, "/v2/"+name+":pause")
	}
	queue := httptest.NewServer(http.HandlerFunc(l.serveTasks))
	t.Cleanup(queue.Close)
	l.rbm = l.listenRBM("127.0.0.1:" + googletest.FreePort()) // which no other test gets while it is closed
	t.Cleanup(l.rbm.Close)
	s.env["RCSHOOK_TASKS_ENDPOINT"], s.env["RCSHOOK_RBM_ENDPOINT"] = queue.URL, l.rbm.URL
	if !o.queueless {
		s.env["RCSHOOK_QUEUE"] = stageQueue
	}
	var in string
	l.in, in = newInbox(t)
	if o.file == "" {
		o.file = lateFile
	}
	l.fill = strings.NewReplacer("[id]", s.env["RCSHOOK_AGENT_ID"], "[key]", s.env["RCSHOOK_CREDENTIALS"],
		"[fallback]", s.fallback.url, "[secret]", standardSecret, "[queue]", ownQueue, "[in]", in)
	l.settings = targetsFile(t, l.fill.Replace(o.file))
	if s.openStore(t); o.store {
		l.settings = withStore(t, l.fill.Replace(o.file))
	}
	l.settings["RCSHOOK_AGENT_ID"], l.settings["RCSHOOK_CREDENTIALS"] = nil, nil
	l.fleet = s.newFleet(t, max(o.instances, 1), l.settings)
	for _, h := range l.instances {
		l.wrap(h)
	}
	if !o.deaf {
		if _, err := s.sim.Connect(t.Context(), rbmtest.WebhookConfig{URL: l.url + "/events", ClientToken: "token"}); err != nil {
			t.Fatal(err)
		}
	}
	return l
}

// restart replaces all instances by one, with another file unless it is empty.
func (l *lateStage) restart(file string) {
	l.t.Helper()
	if file != "" {
		l.settings["RCSHOOK_CONFIG"] = targetsFile(l.t, l.fill.Replace(file))["RCSHOOK_CONFIG"]
	}
	l.instances = nil
	l.add(l.t, l.settings)
	l.wrap(l.instances[0])
}

// wrap lets hooks serve the requests of an instance.
func (l *lateStage) wrap(h *function) {
	next := h.Handler
	h.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { l.serve("POST "+path.Dir(r.URL.Path), w, r, next) })
}

// on lets a hook serve the next request with that name.
func (l *lateStage) on(name string, f hook) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.hooks[name] = f
}

// before makes f happen before the next request with that name, and after makes it happen
// after that, before the response.
func (l *lateStage) before(name string, f func()) {
	l.on(name, func(w http.ResponseWriter, r *http.Request, next http.Handler) { f(); next.ServeHTTP(w, r) })
}

func (l *lateStage) after(name string, f func()) {
	l.on(name, func(w http.ResponseWriter, r *http.Request, next http.Handler) { next.ServeHTTP(w, r); f() })
}

// lose loses the response of the next request with that name.
func (l *lateStage) lose(name string) {
	l.on(name, func(_ http.ResponseWriter, r *http.Request, next http.Handler) {
		next.ServeHTTP(httptest.NewRecorder(), r)
		panic(http.ErrAbortHandler)
	})
}

// replace replaces the next request with that name by a response.
func (l *lateStage) replace(name string, status int) {
	l.on(name, func(w http.ResponseWriter, _ *http.Request, _ http.Handler) { w.WriteHeader(status) })
}

// respond makes the next request with that name, and replaces its response.
func (l *lateStage) respond(name string, status int) {
	l.on(name, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		next.ServeHTTP(httptest.NewRecorder(), r)
		w.WriteHeader(status)
	})
}

// replaceN is like replace for several requests.
func (l *lateStage) replaceN(name string, status, n int) {
	l.on(name, func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		if n > 1 {
			l.replaceN(name, status, n-1)
		}
		w.WriteHeader(status)
	})
}

// refuse makes connections to RBM fail before anything is sent, until accept.
func (l *lateStage) refuse() {
	l.rbm.CloseClientConnections()
	l.rbm.Listener.Close()
}

func (l *lateStage) accept() {
	l.t.Helper()
	l.t.Cleanup(l.listenRBM(l.rbm.Listener.Addr().String()).Close)
}

// listenRBM serves RBM at an address.
func (l *lateStage) listenRBM(address string) *httptest.Server {
	l.t.Helper()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		l.t.Fatal(err)
	}
	web := &httptest.Server{Listener: listener, Config: &http.Server{Handler: http.HandlerFunc(l.serveRBM)}}
	web.Start()
	return web
}

// copyOf returns the only task for a job.
func (l *lateStage) copyOf(job string) tasks.Waiting {
	l.t.Helper()
	all := l.waiting(job)
	if len(all) != 1 {
		l.t.Fatalf("%d tasks for the job %s, want 1", len(all), job)
	}
	return all[0]
}

// dispatch makes the first attempt of a task once more, as Cloud Tasks may, and compares the
// status. The retry count is 0, unless the header changes it.
func (l *lateStage) dispatch(w tasks.Waiting, want int, header ...string) lateReply {
	l.t.Helper()
	h := http.Header{
		"Authorization":               {"Bearer " + l.google.Token(l.url, stageAccount, l.clock.now())},
		"X-Cloudtasks-Taskretrycount": {"0"},
	}
	for i := 0; i < len(header); i += 2 {
		h.Set(header[i], header[i+1])
	}
	got := l.do(http.MethodPost, w.Path, string(w.Body), h)
	if got.Status != want {
		l.t.Errorf("status %d %s of %s, want %d", got.Status, got.Code, w.Path, want)
	}
	return got
}

func (l *lateStage) serve(name string, w http.ResponseWriter, r *http.Request, next http.Handler) {
	l.mu.Lock()
	f := l.hooks[name]
	delete(l.hooks, name)
	l.mu.Unlock()
	if f != nil {
		f(w, r, next)
		return
	}
	next.ServeHTTP(w, r)
}

// serveRBM serves RBM. Names of requests are rbm create and rbm delete.
func (l *lateStage) serveRBM(w http.ResponseWriter, r *http.Request) {
	name := "rbm create"
	if r.Method == http.MethodDelete {
		name = "rbm delete"
	}
	l.serve(name, w, r, l.sim)
}

// serveTasks serves Cloud Tasks and records the calls, such as "create watch".
func (l *lateStage) serveTasks(w http.ResponseWriter, r *http.Request) {
	googletest.Decompress(r)
	body, err := io.ReadAll(r.Body)
	if err != nil {
		l.t.Error(err)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	verb, id := "delete", path.Base(r.URL.Path)
	l.mu.Lock()
	if r.Method == http.MethodPost {
		var request struct {
			Task struct {
				Name        string
				HTTPRequest struct{ URL string }
			}
		}
		if err := json.Unmarshal(body, &request); err != nil {
			l.t.Error(err)
		}
		verb, id = "create", path.Base(request.Task.Name)
		l.jobs[id] = path.Base(path.Dir(request.Task.HTTPRequest.URL))
	}
	job := l.jobs[id]
	if job == "" {
		job = "unknown"
	}
	name := verb + " " + job
	l.calls = append(l.calls, name)
	l.mu.Unlock()
	l.serve(name, w, r, l.tasks)
}

// reply is a response to a caller.
type lateReply struct {
	Status        int
	Code, Cause   string
	Action, Retry string
	MessageID     string    `json:"message_id"`
	DuplicateRisk bool      `json:"duplicate_risk"`
	FallbackAt    time.Time `json:"fallback_at"`
	RetryAfter    string    `json:"-"` // the header
}

func (l *lateStage) do(method, path, body string, header http.Header) (got lateReply) {
	l.t.Helper()
	req, err := http.NewRequestWithContext(l.t.Context(), method, l.url+path, strings.NewReader(body))
	if err != nil {
		l.t.Fatal(err)
	}
	if req.Header = header; header == nil {
		req.Header = http.Header{"Authorization": {"Bearer dev"}}
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		l.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err == nil {
		err = json.Unmarshal(text, &got)
	}
	if err != nil {
		l.t.Fatalf("%s %s: %v: %s", method, path, err, text)
	}
	got.Status, got.RetryAfter = res.StatusCode, res.Header.Get("Retry-After")
	return got
}

// message returns a payload with a fallback after a minute.
func message(to, traffic string, fields ...string) string {
	if traffic != "" {
		fields = append(fields, fmt.Sprintf(`"traffic": %q`, traffic))
	}
	return fmt.Sprintf(`{"to": %q, "text": "Your code is 123456", "idempotency_key": "k", "fallback_after": "60s", %s "fallback_text": "Code 123456"}`,
		to, strings.Join(append(fields, ""), ", "))
}

// send sends a message with a fallback after a minute, and returns its ID.
func (l *lateStage) send(to, traffic string, fields ...string) (id string) {
	l.t.Helper()
	got := l.do(http.MethodPost, "/", message(to, traffic, fields...), nil)
	if got.Status != http.StatusOK || got.Code != "queued" || !got.FallbackAt.Equal(l.clock.now().Add(time.Minute)) {
		l.t.Fatalf("send: %+v, want queued with a fallback after a minute", got)
	}
	return got.MessageID
}

// wait moves the clock. No attempts of tasks are made.
func (l *lateStage) wait(d time.Duration) {
	l.t.Helper()
	l.clock.set(l.clock.now().Add(d))
	l.flush()
}

// flush lets RBM push its events.
func (l *lateStage) flush() {
	l.t.Helper()
	l.sim.Tick()
	if err := l.sim.Flush(l.t.Context()); err != nil {
		l.t.Fatal(err)
	}
}

// waiting returns the tasks for a job, in the order of their times.
func (l *lateStage) waiting(job string) []tasks.Waiting {
	return slices.DeleteFunc(l.tasks.Tasks(), func(w tasks.Waiting) bool { return !strings.HasPrefix(w.Path, "/tasks/"+job) })
}

// run makes an attempt of the only task for a job, now, and returns its status.
func (l *lateStage) run(job string) int {
	l.t.Helper()
	status, err := l.tasks.Run(l.t.Context(), l.copyOf(job).Name)
	if err != nil {
		l.t.Fatal(err)
	}
	l.flush()
	return status
}

// expectRun makes an attempt like run and compares its status.
func (l *lateStage) expectRun(job string, want int) {
	l.t.Helper()
	if got := l.run(job); got != want {
		l.t.Errorf("status of the job %s is %d, want %d", job, got, want)
	}
}

// pass lets a time pass. The queue makes its attempts in time.
func (l *lateStage) pass(d time.Duration) {
	l.t.Helper()
	end := l.clock.now().Add(d)
	for range 2000 {
		all := l.tasks.Tasks()
		if len(all) == 0 || all[0].ScheduleTime.After(end) {
			l.wait(end.Sub(l.clock.now()))
			return
		}
		l.wait(max(all[0].ScheduleTime.Sub(l.clock.now()), 0))
		if i := slices.IndexFunc(l.tasks.Tasks(), func(w tasks.Waiting) bool { return w.Name == all[0].Name }); i < 0 {
			continue // an event deleted it
		}
		if _, err := l.tasks.Run(l.t.Context(), all[0].Name); err != nil {
			l.t.Fatal(err)
		}
		l.flush()
	}
	l.t.Fatal("the tasks do not end")
}

// outcome is what happened to a message: the requests that reached RBM, without those that
// repeat one with the same status, the number of its SMS, and the events.
type outcome struct {
	rbm    string
	sms    int
	events string
}

// expect lets the queue make all its attempts, and compares the outcome.
func (l *lateStage) expect(want outcome) {
	l.t.Helper()
	l.pass(24 * time.Hour)
	if left := l.tasks.Tasks(); len(left) > 0 {
		l.t.Errorf("%d tasks did not end", len(left))
	}
	if got := l.outcome(); got != want {
		l.t.Errorf("got  %+v\nwant %+v", got, want)
	}
	l.checkPrivate(l.t)
}

func (l *lateStage) outcome() (o outcome) {
	l.fallback.received(l.t)
	l.fallback.mu.Lock()
	o.sms = len(l.fallback.requests)
	l.fallback.mu.Unlock()
	var requests, told []string
	for _, r := range l.sim.Requests() {
		requests = append(requests, fmt.Sprintf("%s %d", path.Ext("x" + r.Method)[1:], r.Status))
	}
	l.in.mu.Lock()
	all := slices.Clone(l.in.events["/crm"])
	l.in.mu.Unlock()
	for _, e := range all {
		text := e.Type
		if e.Reason != "" {
			text += " " + e.Reason
		}
		told = append(told, text)
	}
	o.rbm, o.events = strings.Join(slices.Compact(requests), ", "), strings.Join(told, ", ")
	return o
}

// expectCalls compares the calls of Cloud Tasks.
func (l *lateStage) expectCalls(want ...string) {
	l.t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	if diff := cmp.Diff(want, l.calls); diff != "" {
		l.t.Errorf("calls of Cloud Tasks (-want +got):\n%s", diff)
	}
}

// each runs a test for each of some traffic types.
func each(t *testing.T, types []string, f func(t *testing.T, traffic string)) {
	t.Helper()
	for _, traffic := range types {
		t.Run("traffic "+traffic, func(t *testing.T) { t.Parallel(); f(t, traffic) })
	}
}

// A delivery receipt in time deletes the watch: three calls of Cloud Tasks, one of RBM.
func TestLate_inTime(t *testing.T) {
	t.Parallel()
	each(t, traffics, func(t *testing.T, traffic string) {
		l := newLate(t, lateSetup{})
		l.send(online, traffic)
		l.expectRun("send", http.StatusOK)
		l.expectCalls("create send", "create watch", "delete watch")
		l.expect(outcome{"create 200", 0, "delivered"})
	})
}

// A receipt for a message whose fallback has no time costs two calls, because it does not show
// that.
func TestLate_withoutTime(t *testing.T) {
	t.Parallel()
	l := newLate(t, lateSetup{})
	l.expectCode(l.do(http.MethodPost, "/", plain(online, "transaction"), nil), http.StatusOK, "queued")
	l.expectRun("send", http.StatusOK)
	l.expectCalls("create send", "delete unknown", "delete unknown")
	l.expect(outcome{"create 200", 0, "delivered"})
}

// A message that is not delivered in time is revoked, and goes to its fallback once.
func TestLate_offline(t *testing.T) {
	t.Parallel()
	each(t, traffics, func(t *testing.T, traffic string) {
		l := newLate(t, lateSetup{})
		at := l.clock.now()
		l.send(offline, traffic)
		l.pass(59 * time.Second)
		if watch := l.waiting("watch"); len(watch) != 1 || !watch[0].ScheduleTime.Equal(at.Add(time.Minute)) {
			t.Errorf("watch %v, want one after a minute", watch)
		}
		l.pass(time.Second)
		if next := l.waiting("fallback"); len(next) != 1 || !next[0].ScheduleTime.Equal(at.Add(70*time.Second)) {
			t.Errorf("fallback %v, want one 10 s after the watch", next)
		}
		l.expect(outcome{"create 200, delete 200, delete 404", 1, "fallback timeout"})
		var sms struct{ Text, Reason, Phone, Type string }
		if err := json.Unmarshal(l.fallback.requests[0].Body, &sms); err != nil {
			t.Fatal(err)
		}
		if sms.Text != "Code 123456" || sms.Reason != "timeout" || sms.Phone != offline || sms.Type != "fallback" {
			t.Errorf("the fallback got %+v", sms)
		}
		l.sim.SetOnline(offline, true)
		l.flush()
		if got := l.outcome(); got.events != "fallback timeout" {
			t.Errorf("events %s after the phone is online", got.events)
		}
	})
}
