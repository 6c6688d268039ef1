package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/events"
	"github.com/rcshook/rcshook/internal/googletest/tasks"
	"github.com/rcshook/rcshook/internal/optout"
	"github.com/rcshook/rcshook/rbm/rbmtest"
)

const (
	chaosPosters = 40
	chaosEvents  = 8 // of each poster in a round
)

// TestChaos_events posts events of all kinds, repeated and out of order, while targets
// fail and hang, and the function is killed. Each event with a 200 must reach each target,
// and each tap gets one reply:
//
//	go test -run TestChaos_events -chaos 10m -timeout 15m -v ./internal/e2e
func TestChaos_events(t *testing.T) {
	if testing.Short() && *chaosFor == 0 {
		t.Skip("takes a few seconds")
	}
	for _, queued := range []bool{true, false} {
		t.Run(map[bool]string{true: "queue", false: "no queue"}[queued], func(t *testing.T) {
			s := newEventChaos(t, queued)
			start := time.Now()
			for {
				s.round(t)
				if t.Failed() || time.Since(start) >= *chaosFor/2 {
					break
				}
			}
			t.Logf("%d events, %d requests, %d deliveries, %d replies, %d confirmations, %d lost, %d replies lost, %d replies duplicated, in %v\nslowest 200 %v; statuses %v",
				s.total.events, s.total.requests, s.total.deliveries, s.total.replies, s.total.confirmations, s.total.lost, s.total.lostReplies, s.total.duplicated,
				time.Since(start).Round(time.Second), time.Duration(s.slowest.Load()).Round(time.Millisecond), &s.statuses)
		})
	}
}

type eventChaos struct {
	*stage
	function *process
	queued   bool
	targets  *chaosTargets
	platform *http.Client

	posted   atomic.Int64 // requests with a 200
	slowest  atomic.Int64 // duration of a request with a 200
	mu       sync.Mutex   // for the failures
	statuses counter
	total    struct{ events, requests, deliveries, replies, confirmations, lost, lostReplies, duplicated int }
}

// chaosFile is a file for the URL of chaosTargets, which may be continued with other targets.
const chaosFile = `opt_out: {reply: unsubscribed, welcome_back: subscribed, help: help}
events:
  crm: {url: "%[1]s/crm", secret: %[2]s}
  log: {url: "%[1]s/log", secret: %[2]s, only: [reply, button, delivered, failed]}
  bot: {send: 'select(.type == "button") | {text: .id}'}
`

func newEventChaos(t *testing.T, queued bool) *eventChaos {
	t.Helper()
	s := &eventChaos{
		stage: newStage(t), queued: queued, targets: &chaosTargets{got: map[string]map[string]int{}},
		platform: &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: chaosPosters}},
	}
	s.sim.Now, s.tasks.Now = nil, nil // processes use the real time
	web := httptest.NewServer(s.targets)
	t.Cleanup(web.Close)
	t.Cleanup(web.CloseClientConnections)
	file := fmt.Sprintf(chaosFile, web.URL, standardSecret)
	if queued {
		file += fmt.Sprintf("  dead: {url: %q, secret: %s}\n", web.URL+"/dead", standardSecret)
	}
	path := filepath.Join(t.TempDir(), "rcshook.yaml")
	if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	s.openStore(t)
	maps.Copy(s.env, map[string]string{"RCSHOOK_OPT_OUT_STORE": storeLocation, "RCSHOOK_OPT_OUT_KEY": storeKey})
	maps.Copy(s.env, map[string]string{"RCSHOOK_CONFIG": path, "RCSHOOK_TIMEOUT": chaosTimeout(), "RCSHOOK_WEBHOOK_TOKEN": "token"})
	if queued {
		s.tasks.AddQueue(eventsQueue, tasks.Settings{MinBackoff: 20 * time.Millisecond, MaxBackoff: 500 * time.Millisecond, Attempts: -1})
		maps.Copy(s.env, map[string]string{"RCSHOOK_EVENTS_QUEUE": eventsQueue, "RCSHOOK_QUEUE_ACCOUNT": stageAccount, "RCSHOOK_URL": "http://127.0.0.1:1"})
	}
	s.function = s.process(t)
	if queued { // the address of the function is known now
		s.function.kill()
		s.function.environ = append(s.function.environ, "RCSHOOK_URL="+s.function.url)
		s.function.start(t)
	}
	return s
}

// chaosTargets are all targets. Each request counts, and some fail: before or after the
// target has stored the event.
type chaosTargets struct {
	requests atomic.Int64
	alive    atomic.Bool // whether the target dead responds

	mu  sync.Mutex
	got map[string]map[string]int // path -> webhook-id -> times
}

func (c *chaosTargets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err == nil {
		err = verifyStandard(r.Header, body)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusUnauthorized)
		return
	}
	n := c.requests.Add(1)
	switch {
	case r.URL.Path == "/dead" && !c.alive.Load():
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	case n%7 == 0:
		w.WriteHeader([]int{500, 503, 429, 404, 302}[n/7%5])
		return
	case n%97 == 0: // hangs
		<-r.Context().Done()
		return
	case n%31 == 0:
		panic(http.ErrAbortHandler)
	}
	c.mu.Lock()
	if c.got[r.URL.Path] == nil {
		c.got[r.URL.Path] = map[string]int{}
	}
	c.got[r.URL.Path][r.Header.Get("Webhook-Id")]++
	c.mu.Unlock()
	if n%37 == 0 {
		panic(http.ErrAbortHandler) // stored, without a response
	}
}

func (c *chaosTargets) reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.got)
}

// has reports whether a target has an event.
func (c *chaosTargets) has(path, id string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.got[path][id] > 0
}

// chaosEvent is one event of the platform.
type chaosEvent struct {
	data []byte
	*events.Event
}

var eventNumber atomic.Int64

// chaosTypes are the types of events that the platform sends.
var chaosTypes = slices.DeleteFunc(slices.Clone(config.EventTypes), func(eventType string) bool { return eventType == "failed" || eventType == "fallback" })

// newChaosEvent returns the next event, which is of the next type.
func newChaosEvent(t *testing.T) chaosEvent {
	n := eventNumber.Add(1)
	return chaosEventOf(t, n, chaosTypes[n%int64(len(chaosTypes))], fmt.Sprintf("+1202%d", 5600000+n%300000))
}

func chaosEventOf(t *testing.T, n int64, eventType, phone string) chaosEvent {
	data, ok := events.SampleData(eventType, stageAgent, fmt.Sprint(n), time.Now())
	if !ok {
		t.Errorf("no sample of %s", eventType)
	}
	data = bytes.ReplaceAll(data, []byte("+12025550123"), []byte(phone))
	e := events.New(data, time.Now())
	at := "\n" + e.Time.Truncate(time.Microsecond).Format(time.RFC3339Nano)
	switch {
	case e.Type == string(optout.Stop):
		e.SetType(e.Type, string(optout.OptedOut)+at)
	case e.Type == string(optout.Start):
		e.SetType(e.Type, string(optout.OptedIn)+at)
	case e.Text == "Help":
		e.SetType(string(optout.Help), string(optout.Help)+"\n"+e.ID)
	}
	return chaosEvent{data, e}
}

// round posts events and checks that each reached its targets.
func (s *eventChaos) round(t *testing.T) {
	all := make([][]chaosEvent, chaosPosters)
	var wg sync.WaitGroup
	s.targets.alive.Store(false)
	for i := range all {
		for range chaosEvents {
			all[i] = append(all[i], newChaosEvent(t))
		}
		wg.Go(func() {
			queue := slices.Clone(all[i])
			queue = append(queue, all[i][:chaosEvents/3]...) // repeated after a success
			rand.Shuffle(len(queue), func(a, b int) { queue[a], queue[b] = queue[b], queue[a] })
			for _, e := range queue {
				s.post(t, e)
				s.fail(t, s.posted.Add(1))
			}
		})
	}
	wg.Wait()
	s.targets.alive.Store(true)
	if err := s.tasks.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.compare(t, slices.Concat(all...))
	s.sim.Reset()
	s.tasks.Reset()
}

// compare compares the events with what the targets and the users got.
func (s *eventChaos) compare(t *testing.T, all []chaosEvent) {
	replies := map[string]int{} // by event ID; confirmations by number and type
	for _, m := range s.sim.Messages() {
		var message struct {
			ContentMessage     struct{ Text string }
			MessageTrafficType string
		}
		if err := json.Unmarshal(m.AgentMessage, &message); err != nil {
			t.Fatal(err)
		}
		if message.MessageTrafficType == "ACKNOWLEDGEMENT" {
			replies[m.To+" "+message.ContentMessage.Text]++
		} else {
			replies[message.ContentMessage.Text]++
		}
	}
	for _, e := range all {
		s.total.events++
		for _, path := range s.wanted(e) {
			s.total.deliveries++
			if !s.targets.has(path, e.ID) {
				s.total.lost++
				t.Errorf("%s did not get the event %s (%s)", path, e.ID, e.Type)
			}
		}
		reply := e.ID
		switch e.Type {
		case "button":
			s.total.replies++
		case "unsubscribed", "subscribed", "help":
			s.total.confirmations++
			reply = e.Phone + " " + e.Type
		default:
			continue
		}
		switch n := replies[reply]; {
		case n == 0:
			s.total.lostReplies++
			t.Errorf("no reply to %s", e.ID)
		case n > 1:
			s.total.duplicated++
			t.Errorf("%d replies to %s", n, e.ID)
		}
	}
}

// wanted returns the paths of the targets that want an event.
func (s *eventChaos) wanted(e chaosEvent) (paths []string) {
	if e.Type != "typing" {
		paths = append(paths, "/crm")
		if s.queued {
			paths = append(paths, "/dead")
		}
	}
	if slices.Contains([]string{"reply", "button", "delivered"}, e.Type) {
		paths = append(paths, "/log")
	}
	return paths
}

// post posts an event until the response is 200, as the platform does. Without a queue,
// every target must have the event then.
func (s *eventChaos) post(t *testing.T, e chaosEvent) {
	for range 400 {
		if t.Failed() {
			return
		}
		r := request{header: http.Header{}, body: e.data}
		r.sealEvent("token")
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.function.url+"/events", bytes.NewReader(r.body))
		if err != nil {
			t.Error(err)
			return
		}
		req.Header = r.header
		start := time.Now()
		res, err := s.platform.Do(req)
		s.mu.Lock()
		s.total.requests++
		s.mu.Unlock()
		if err != nil {
			s.statuses.add("none", 1)
			continue
		}
		_, _ = io.Copy(io.Discard, res.Body)
		res.Body.Close()
		s.statuses.add(fmt.Sprint(res.StatusCode), 1)
		if res.StatusCode != http.StatusOK {
			if res.StatusCode < 500 && res.StatusCode != http.StatusTooManyRequests { // of a confirmation
				t.Errorf("status %d", res.StatusCode)
			}
			<-time.After(20 * time.Millisecond)
			continue
		}
		if took := int64(time.Since(start)); took > s.slowest.Load() {
			s.slowest.Store(took)
		}
		for _, path := range s.wanted(e) {
			if !s.queued && !s.targets.has(path, e.ID) {
				t.Errorf("200 before %s had the event %s", path, e.ID)
			}
		}
		return
	}
	t.Errorf("no 200 for %s (%s)", e.ID, e.Type)
}

// fail injects a failure after the n-th response.
func (s *eventChaos) fail(t *testing.T, n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n%12 == 0 {
		f := failures[n/12%int64(len(failures))]
		f.Method, f.Count = "phones.agentMessages.create", 2
		s.sim.Fail(f)
	}
	switch n % 200 {
	case 20:
		f := failures[n/20%int64(len(failures))]
		f.Method, f.Count = "storage", 2
		s.sim.Fail(f)
	case 60:
		s.function.kill()
		s.function.start(t)
	case 100:
		s.tasks.Fail(tasks.Failure{Status: "UNAVAILABLE", Count: 3, After: n%400 == 100})
	case 140:
		s.sim.Fail(rbmtest.Failure{Method: "phones.agentMessages.create", Count: 2, Break: rbmtest.BreakAfter})
	}
}
