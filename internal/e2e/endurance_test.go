package e2e

import (
	"context"
	"fmt"
	"io"
	"log"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/time/rate"

	"github.com/rcshook/rcshook/internal/googletest/tasks"
	"github.com/rcshook/rcshook/rbm/rbmtest"
)

const (
	endurancePace    = 20 // items in a second
	enduranceCallers = 40
	apiKeys          = "projects/example/secrets/callers"
)

// TestEndurance does everything at once to one process of the function, at a steady pace:
// messages, webhooks, events, opt-outs and fallbacks in time, while the platform, the queues,
// Secret Manager, the store and the targets fail, and keys are replaced. Between the rounds
// the function is idle, and its memory is measured:
//
//	go test -run TestEndurance -chaos 60m -timeout 90m -v ./internal/e2e
func TestEndurance(t *testing.T) {
	if raceFactor == 1 && *chaosFor == 0 {
		t.Skip("takes half a minute: it runs with -race or -chaos")
	}
	// The messages of a round may take 25 seconds longer to become SMS.
	load, after := 4*time.Second, 2*time.Second
	if *chaosFor > 0 {
		load, after = 40*time.Second, 10*time.Second
	}
	m := newMixed(t, load)
	before := m.function.usage(t, "/_usage")
	m.connect()
	start := time.Now()
	var first, now usage
	for round := 1; ; round++ {
		resident := m.round(t, load, after)
		m.closeIdle()
		now = m.function.settle(t, "/_usage", before.Goroutines)
		if round == 1 {
			first = now
		}
		t.Logf("%6v: %.1f MB resident, %d KB in use, %d goroutines, %d requests, %d messages", time.Since(start).Round(time.Second),
			float64(resident)/1e6, now.Heap>>10, now.Goroutines, m.inbound.requests.Load(), m.messages)
		if now.Goroutines > before.Goroutines {
			t.Errorf("%d goroutines, %d before the first request", now.Goroutines, before.Goroutines)
		}
		if t.Failed() || time.Since(start) >= *chaosFor {
			break
		}
	}
	t.Logf("%s\nresponses: %v\nfailures: %v\nfallbacks: %v\nevents: %+v, statuses %v", m.calls.total, &m.calls.codes, &m.calls.failed, &m.outcomes, m.events.total, &m.events.statuses)
	if now.Heap > first.Heap*3/2 {
		t.Errorf("%d bytes are in use, %d after the first round", now.Heap, first.Heap)
	}
	if end := m.function.settle(t, "/_close", before.Goroutines); end.Goroutines > before.Goroutines {
		t.Errorf("%d goroutines after the shutdown, %d before the first request", end.Goroutines, before.Goroutines)
	}
}

// mixed is one process of the function, and everything that the other tests of chaos have.
// The ledger stands between both.
type mixed struct {
	*ledger
	function *process
	calls    *chaos
	events   *eventChaos
	inbound  countingTransport // to the function
	servers  []*httptest.Server

	sent     atomic.Int64 // messages with a fallback
	outcomes counter      // of those
	messages int          // at the platform
}

// newMixed starts a function. The failures of a round begin and end with its load.
func newMixed(t *testing.T, load time.Duration) *mixed {
	t.Helper()
	s := newStage(t)
	m := new(mixed)
	m.ledger = &ledger{world: &world{t: t, sim: s.sim, tasks: s.tasks}, pause: 250 * time.Millisecond}
	// Far from the timeouts, so that a slow machine does not hide what the client saw.
	m.delay = func() time.Duration { return time.Duration(3+4*rand.N(5)) * time.Second }
	m.fate = func(what, _ string) fate {
		m.mu.Lock()
		since := time.Since(m.start)
		m.mu.Unlock()
		return chaosFate(since*chaosSends/load, what)
	}
	m.inbound.MaxIdleConnsPerHost = 64
	m.inbound.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, strings.TrimPrefix(m.function.url, "http://"))
	}
	s.processLog = &m.log
	s.sim.Now, s.tasks.Now = nil, nil // processes use the real time
	s.sim.Transport, s.tasks.Client = m.pushes(&m.inbound), &http.Client{Transport: m.dispatches(&m.inbound)}
	m.caller = &http.Client{Transport: &m.inbound, Timeout: time.Minute}
	s.tasks.AddQueue(stageQueue, tasks.Settings{MinBackoff: 200 * time.Millisecond, MaxBackoff: 5 * time.Second, Attempts: -1})
	s.tasks.AddQueue(eventsQueue, tasks.Settings{MinBackoff: 200 * time.Millisecond, MaxBackoff: 5 * time.Second, Attempts: -1})
	serve := func(h http.Handler, start func(*httptest.Server)) *httptest.Server {
		web := httptest.NewUnstartedServer(h)
		web.Config.ErrorLog = log.New(io.Discard, "", 0)
		start(web)
		t.Cleanup(web.Close)
		t.Cleanup(web.CloseClientConnections)
		m.servers = append(m.servers, web)
		return web
	}
	plain := (*httptest.Server).Start
	targets := &chaosTargets{got: map[string]map[string]int{}}
	m.calls = &chaos{stage: s, mixed: true, upstream: serve(m.ledger.platform(s.sim), startHTTP2), caller: m.caller}
	m.events = &eventChaos{stage: s, queued: true, targets: targets, platform: m.caller}
	s.openStore(t)
	s.setPlatform(t, m.calls.upstream)
	s.sim.Secrets.AddVersion("projects/example/secrets/sms", []byte("rcshook_sms_k3x9a1bc_agent"))
	file := filepath.Join(t.TempDir(), "rcshook.yaml")
	text := fmt.Sprintf(chaosFile+`  dead: {url: "%[1]s/dead", secret: %[2]s}
  ledger: {url: %[3]q, secret: %[2]s}
agents:
  sms: {id: projects/example/secrets/sms, credentials: %[4]s, fallback: {url: %[5]q, secret: %[2]s}}
sources:
  shop: {preset: standard-webhooks, secret: %[2]s, map: ., queue: none}
`, serve(targets, plain).URL, standardSecret, serve(m.target(func(kind string) string { return "event " + kind }), plain).URL,
		s.env["RCSHOOK_CREDENTIALS"], serve(m.target(func(string) string { return "sms" }), plain).URL)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	maps.Copy(s.env, map[string]string{
		asFunction: closable, "RCSHOOK_CONFIG": file, "RCSHOOK_API_KEYS": apiKeys, "RCSHOOK_WEBHOOK_TOKEN": "token", "RCSHOOK_URL": "http://" + worldFunction,
		"RCSHOOK_QUEUE": stageQueue, "RCSHOOK_EVENTS_QUEUE": eventsQueue, "RCSHOOK_QUEUE_ACCOUNT": stageAccount,
		"RCSHOOK_TASKS_ENDPOINT": serve(m.queue(s.tasks), plain).URL, "RCSHOOK_OPT_OUT_STORE": storeLocation, "RCSHOOK_OPT_OUT_KEY": storeKey,
	})
	m.function = s.process(t)
	m.calls.function, m.events.function = m.function, m.function
	return m
}

// countingTransport counts requests.
type countingTransport struct {
	http.Transport
	requests atomic.Int64
}

func (c *countingTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	c.requests.Add(1)
	return c.Transport.RoundTrip(r)
}

// closeIdle closes all connections, which have goroutines in the function.
func (m *mixed) closeIdle() {
	for _, web := range m.servers {
		web.CloseClientConnections()
	}
	m.inbound.CloseIdleConnections()
}

// round does everything at a pace, compares what everyone got, and returns the resident memory
// at the end of the load. Messages become SMS some time after that.
func (m *mixed) round(t *testing.T, load, after time.Duration) (resident int) {
	m.reset()
	m.log.reset()
	m.sim.Secrets.AddVersion(apiKeys, fmt.Appendf(nil, "dev\nanother key of round %v", m.start)) // replaces the other one
	pace := rate.Limit(endurancePace) / rate.Limit(raceFactor)
	total := int64(float64(pace) * load.Seconds())
	var (
		mu     sync.Mutex
		calls  []*call
		events []chaosEvent
		late   []chaosMessage
		next   atomic.Int64
		wg     sync.WaitGroup
	)
	post := func(e chaosEvent) {
		mu.Lock()
		events = append(events, e)
		mu.Unlock()
		m.events.post(t, e)
	}
	run := func(c *call) {
		mu.Lock()
		calls = append(calls, c)
		mu.Unlock()
		m.calls.run(t, c)
	}
	one := func(n int64) {
		switch {
		case n%4 == 0 && n <= total/2: // early, because they take longer
			sent := m.sendMessage(int(m.sent.Add(1)), "sms", after+rand.N(3*time.Second))
			mu.Lock()
			late = append(late, sent)
			mu.Unlock()
		case n%4 == 1:
			post(newChaosEvent(t))
		case n%8 == 2: // opts out and in again
			for i, eventType := range []string{"unsubscribed", "subscribed"} {
				e := chaosEventOf(t, eventNumber.Add(1), eventType, fmt.Sprintf("+1202558%04d", n))
				post(e)
				c := newCall(int(n/8%2), 0) // through the queue, or directly
				c.to[0], c.want = e.Phone, []state{rejected, sent}[i]
				run(c)
			}
		default:
			run(newCall(int(n), int(n/5%8)))
		}
		if step := max(1, total/24); n%step == 0 {
			m.calls.fail(t, 20*n/step)
			m.events.targets.alive.Store(n/step%12 < 8)
			if n/step%6 == 3 {
				m.sim.Fail(rbmtest.Failure{Method: "storage", Status: http.StatusServiceUnavailable, Count: 4})
			}
		}
	}
	limiter := rate.NewLimiter(pace, 1)
	for range enduranceCallers {
		wg.Go(func() {
			for n := next.Add(1); n <= total && limiter.Wait(t.Context()) == nil; n = next.Add(1) {
				one(n)
			}
		})
	}
	wg.Wait()
	resident = m.function.resident()
	m.events.targets.alive.Store(true)
	m.compare(late, &m.outcomes)
	m.calls.compare(t, calls)
	m.events.compare(t, events)
	has := func(id, what string) bool {
		return slices.ContainsFunc(m.all(id, what), func(f fact) bool { return f.done })
	}
	for _, message := range m.sim.Messages() {
		m.messages++
		if id := message.MessageID; !message.Detail.Delivered.IsZero() && !has(id, "event delivered") && !has(id, "lose push DELIVERED") {
			m.report(id, "no event delivered")
		}
	}
	m.sim.Reset()
	m.tasks.Reset()
	m.events.targets.reset()
	return resident
}
