package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"maps"
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

	"github.com/rcshook/rcshook/internal/code"
	"github.com/rcshook/rcshook/internal/response"
	"github.com/rcshook/rcshook/internal/standardwebhook"
	"github.com/rcshook/rcshook/rbm/rbmtest"
)

var chaosFor = flag.Duration("chaos", 0, "go on with TestChaos for so long, instead of two rounds")

const (
	chaosCallers = 80
	chaosCalls   = 4  // of each caller in a round
	chaosTries   = 80 // who is not through by then was forgotten
)

// TestChaos has many callers at once, while everything around the function fails
// and the function itself is killed. Whatever they were told must be true:
//
//	go test -run TestChaos -chaos 10m -timeout 15m -v .
func TestChaos(t *testing.T) {
	if testing.Short() && *chaosFor == 0 {
		t.Skip("takes a few seconds")
	}
	for _, over := range []struct {
		name  string
		begin func(*httptest.Server)
	}{
		{"HTTP/1.1", (*httptest.Server).Start},
		{"HTTP/2 over TLS", startHTTP2},
	} {
		t.Run(over.name, func(t *testing.T) {
			s := newStorm(t, over.begin)
			began := time.Now()
			for {
				s.round(t)
				if t.Failed() || time.Since(began) >= *chaosFor/2 {
					break
				}
			}
			t.Logf("%s, in %v\nanswers: %v\nhappened: %v", s.total, time.Since(began).Round(time.Second), &s.codes, &s.happened)
			if !t.Failed() {
				s.settle(t)
			}
		})
	}
}

// settle lets the function that is left live through a round to get warm, and through
// another, and waits until it has no more goroutines than after the first. Its memory
// is compared too. Nothing but the platform fails meanwhile.
func (s *storm) settle(t *testing.T) {
	s.calm = true
	s.round(t)
	s.caller.CloseIdleConnections()
	first := s.function.vitals(t)
	s.round(t)
	s.caller.CloseIdleConnections()
	var now vitals
	for range 1000 {
		if now = s.function.vitals(t); now.Goroutines <= first.Goroutines {
			break
		}
		<-time.After(10 * time.Millisecond) // the ends of connections travel
	}
	t.Logf("afterwards %d goroutines and %d KB of memory in use, then %d and %d", first.Goroutines, first.Heap>>10, now.Goroutines, now.Heap>>10)
	if now.Goroutines > first.Goroutines || now.Heap > first.Heap+8<<20 {
		t.Errorf("the function began with %+v and has now %+v", first, now)
	}
}

// A storm is a stage where everything fails now and then.
type storm struct {
	*stage
	function *process
	upstream *httptest.Server
	caller   *http.Client
	late     atomic.Int64 // messages that are taken without an answer

	calm bool // only the platform fails

	ended    atomic.Int64 // calls
	mu       sync.Mutex   // of those who let things happen
	next     int          // of the faults
	codes    tally
	happened tally
	total    total
}

type total struct{ calls, requests, lost, doubled, untrue int }

func (n total) String() string {
	return fmt.Sprintf("%d calls, %d requests, %d lost, %d sent twice, %d told something untrue", n.calls, n.requests, n.lost, n.doubled, n.untrue)
}

const stormSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

func newStorm(t *testing.T, begin func(*httptest.Server)) *storm {
	t.Helper()
	s := &storm{stage: newStage(t), caller: &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: chaosCallers}}}
	s.sim.Now = nil // processes go by the real time
	s.upstream = httptest.NewUnstartedServer(http.HandlerFunc(s.platform))
	s.upstream.Config.ErrorLog = log.New(io.Discard, "", 0) // of connections that nobody needed in the end
	begin(s.upstream)
	t.Cleanup(func() { s.sim.Close(); s.upstream.Close() })
	s.move(t, s.upstream)
	file := filepath.Join(t.TempDir(), "rcshook.yaml")
	if err := os.WriteFile(file, []byte("sources:\n  shop: {preset: standard-webhooks, secret: "+stormSecret+", map: .}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	maps.Copy(s.env, map[string]string{"RCSHOOK_CONFIG": file, "RCSHOOK_TIMEOUT": "1s"})
	s.function = s.process(t)
	return s
}

// platform is the simulator, and sometimes takes a message and never says so.
func (s *storm) platform(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/agentMessages") && s.late.Add(-1) >= 0 {
		s.sim.ServeHTTP(httptest.NewRecorder(), r)
		_, _ = io.Copy(io.Discard, r.Body) // or the server would not notice that the caller leaves
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	}
	s.sim.ServeHTTP(w, r)
}

// faults happen one after the other, each to a few requests.
var faults = []rbmtest.Failure{
	{Status: http.StatusTooManyRequests},
	{Break: rbmtest.BreakAfter},
	{Status: http.StatusServiceUnavailable},
	{Delay: 30 * time.Millisecond},
	{Break: rbmtest.BreakAfter},
	{Status: http.StatusTooManyRequests, RetryAfter: 30 * time.Second},
	{Truncate: true},
	{Status: http.StatusInternalServerError},
	{Break: rbmtest.BreakBefore},
}

// blow lets something happen after the n-th call has ended. It goes by calls, not
// by time, so that a slow machine sees the same weather.
func (s *storm) blow(t *testing.T, n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n%6 == 0 {
		f := faults[s.next%len(faults)]
		s.next++
		what, _ := json.Marshal(f) // has no way to fail
		f.Method, f.Count = "phones.agentMessages.create", 4
		s.happened.add(string(what), f.Count)
		s.sim.Fail(f)
	}
	if s.calm {
		return
	}
	happen := func(what string) { s.happened.add(what, 1) }
	switch n % 240 {
	case 170, 230: // long before the next end of the process
		happen("taken without an answer")
		s.late.Store(2)
	case 20, 140: // with all that is on its way
		happen("all connections break")
		s.upstream.CloseClientConnections()
	case 40:
		happen("the key is replaced")
		s.rotate(t, false)
	case 80:
		happen("killed")
		s.function.kill()
		s.function.start(t)
	case 120:
		happen("the key is replaced and the old one ends, while Secret Manager is away")
		s.sim.Secrets.Fail(http.StatusServiceUnavailable, 3)
		s.rotate(t, true)
	case 160:
		happen("killed, while Secret Manager and the token endpoint are away")
		s.sim.Secrets.Fail(http.StatusServiceUnavailable, 3)
		s.sim.Tokens.Fail(http.StatusServiceUnavailable, 3)
		s.function.kill()
		s.function.start(t)
	case 200:
		happen("all tokens end, while the token endpoint is away")
		s.sim.Tokens.Fail(http.StatusServiceUnavailable, 2)
		s.sim.Tokens.RevokeTokens()
	}
}

func (s *storm) rotate(t *testing.T, revoke bool) {
	if err := s.sim.Rotate(revoke); err != nil {
		t.Error(err)
	}
}

// round makes all callers call, and holds what they were told against what
// arrived.
func (s *storm) round(t *testing.T) {
	calls := make([][]*call, chaosCallers)
	var wg sync.WaitGroup
	for i := range calls {
		wg.Go(func() {
			for j := range chaosCalls {
				c := newCall(i, j)
				s.make(t, c)
				calls[i] = append(calls[i], c)
				s.blow(t, s.ended.Add(1))
			}
		})
	}
	wg.Wait()
	s.late.Store(0)
	arrived := map[string]int{}
	for _, m := range s.sim.Messages() {
		var message struct {
			ContentMessage struct{ Text string }
		}
		if err := json.Unmarshal(m.AgentMessage, &message); err != nil {
			t.Fatal(err)
		}
		arrived[m.To+" "+message.ContentMessage.Text]++
	}
	for _, c := range slices.Concat(calls...) {
		s.total.calls++
		s.total.requests += len(c.told)
		s.judge(t, c, arrived)
	}
	s.sim.Reset()
}

func (s *storm) judge(t *testing.T, c *call, arrived map[string]int) {
	for _, to := range c.to {
		n := arrived[to+" "+c.text]
		switch {
		case n > 1:
			s.total.doubled++
			t.Errorf("%s arrived %d times: %s", to, n, c)
		case c.belief[to] == sent && n == 0:
			s.total.lost++
			t.Errorf("%s did not arrive: %s", to, c)
		case c.belief[to] == refused && n != 0:
			s.total.untrue++
			t.Errorf("%s arrived although it was refused: %s", to, c)
		case c.belief[to] == unknown && !c.kind.mayGiveUp:
			s.total.untrue++
			t.Errorf("nobody said what became of %s: %s", to, c)
		}
	}
}

// A kind of caller, by what it does with an answer.
type kind struct {
	name string

	// mayGiveUp: not every kind gets through everything.
	mayGiveUp bool

	// again says whether the caller tries again after an answer; after none if it
	// is nil.
	again func(c *call, a *response.Response) bool
}

// kinds of callers, as they are found.
var kinds = []*kind{
	{name: "program with a key", again: func(_ *call, a *response.Response) bool {
		return a == nil || a.Status == http.StatusTooManyRequests || a.Status >= 500 ||
			slices.ContainsFunc(a.Results, func(r *response.Response) bool { return r.Retry == code.RetryLater || r.Retry == code.RetryNow })
	}},
	{name: "webhook", again: func(_ *call, a *response.Response) bool { return a == nil || a.Status/100 != 2 }},
	{name: "without a key", mayGiveUp: true, again: func(c *call, a *response.Response) bool {
		if a == nil {
			return false // nobody can know
		}
		if a.DuplicateRisk {
			c.id = a.MessageID
		}
		return a.Status == http.StatusTooManyRequests || a.Status >= 500
	}},
	{name: "once", mayGiveUp: true, again: func(*call, *response.Response) bool { return false }},
	{name: "list with a key"},
}

func init() { kinds[4].again = kinds[0].again }

// belief is what a caller believes of a message.
type belief int

const (
	unknown belief = iota
	sent
	refused
)

// A call is one message to be sent, and what its caller was told.
type call struct {
	kind   *kind
	text   string
	to     []string
	id     string // to send with, for those without a key
	told   []string
	belief map[string]belief
}

var callNumber atomic.Int64

func newCall(caller, n int) *call {
	c := &call{kind: kinds[caller%len(kinds)], text: fmt.Sprintf("call %d", callNumber.Add(1)), belief: map[string]belief{}}
	for i := range 3 {
		c.to = append(c.to, fmt.Sprintf("+120255501%d", 60+(caller+n+i)%40))
	}
	switch n {
	case 1:
		c.to[0] = "+12025550104" // cannot be reached
	case 2:
		c.to[0] = "+12025550157" // refuses every message twice
	}
	if c.kind.name != "list with a key" {
		c.to = c.to[:1]
	}
	return c
}

func (c *call) String() string {
	return fmt.Sprintf("%s, %q, was told %s", c.kind.name, c.text, strings.Join(c.told, ", "))
}

// make calls until the caller is content or gives up.
func (s *storm) make(t *testing.T, c *call) {
	for range chaosTries {
		if t.Failed() {
			return
		}
		a, err := s.post(t, c)
		if err != nil {
			c.told = append(c.told, "nothing")
			s.codes.add("no answer", 1)
		} else {
			s.hear(t, c, a)
		}
		if !c.kind.again(c, a) {
			return
		}
		if a != nil {
			// A fiftieth of the wait that was advised: it is a fast world.
			<-time.After(min(a.RetryAfter, 10*time.Second) / 50)
		}
	}
}

// hear believes an answer.
func (s *storm) hear(t *testing.T, c *call, a *response.Response) {
	c.told = append(c.told, string(a.Code))
	s.codes.add(string(a.Code), 1)
	results := a.Results
	if len(results) == 0 {
		results = []*response.Response{a}
	}
	for _, r := range results {
		switch r.Code {
		case code.Accepted, code.Duplicate:
			c.belief[r.To] = sent
		case code.RecipientUnreachable:
			c.belief[r.To] = refused
		case code.RateLimited, code.UpstreamUnavailable, code.UpstreamTimeout, code.SecretUnavailable, code.UpstreamAuthFailed,
			code.Overloaded: // by what else this machine does
			if r.OK || a.Status < http.StatusMultipleChoices && a.Code != code.Mixed {
				s.untrue(t, "%s with status %d", r.Code, a.Status)
			}
		default:
			s.untrue(t, "code %s is true of nothing that happens here: %s", r.Code, c)
		}
	}
}

func (s *storm) untrue(t *testing.T, format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.total.untrue++
	t.Errorf(format, args...)
}

var errNoAnswer = errors.New("no whole answer")

// post makes one request as the caller would; the error means that no answer came.
func (s *storm) post(t *testing.T, c *call) (*response.Response, error) {
	payload := map[string]any{"to": c.to, "text": c.text}
	if c.id != "" {
		payload["message_id"] = c.id
	}
	path, header := "/", http.Header{"Content-Type": {"application/json"}, "Authorization": {"Bearer dev"}}
	switch c.kind.name {
	case "webhook":
		path = "/hooks/shop"
	case "without a key":
	default:
		payload["idempotency_key"] = c.text
	}
	body, err := json.Marshal(payload)
	if err != nil {
		t.Error(err)
	}
	if path != "/" {
		header = http.Header{"Webhook-Id": {"msg_" + strings.ReplaceAll(c.text, " ", "_")}}
		if err := standardwebhook.Sign(header, body, []byte(stormSecret), time.Now()); err != nil {
			t.Error(err)
		}
		header.Set("Content-Type", "application/json")
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.function.url+path, bytes.NewReader(body))
	if err != nil {
		t.Error(err)
	}
	req.Header = header
	res, err := s.caller.Do(req)
	if err != nil {
		return nil, errNoAnswer
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, errNoAnswer
	}
	a := new(response.Response)
	if err := json.Unmarshal(text, a); err != nil || a.Status != res.StatusCode {
		s.untrue(t, "%s with this answer: %v\n%s", res.Status, err, text)
	}
	if seconds, err := time.ParseDuration(res.Header.Get("Retry-After") + "s"); err == nil {
		a.RetryAfter = seconds
	}
	return a, nil
}

// tally counts by name.
type tally struct {
	mu sync.Mutex
	n  map[string]int
}

func (c *tally) add(name string, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n == nil {
		c.n = map[string]int{}
	}
	c.n[name] += n
}

func (c *tally) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []string
	for _, name := range slices.Sorted(maps.Keys(c.n)) {
		all = append(all, fmt.Sprintf("%d %s", c.n[name], name))
	}
	return strings.Join(all, "; ")
}
