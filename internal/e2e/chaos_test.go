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

var chaosFor = flag.Duration("chaos", 0, "how long TestChaos runs, instead of two rounds")

const (
	chaosCallers = 80
	chaosCalls   = 4  // of each caller in a round
	chaosTries   = 80 // of a call before it counts as lost
)

// chaosTimeout returns the RCSHOOK_TIMEOUT of the function. The tests of chaos do not run in
// parallel, because they would need more time for a request, and only measure that.
func chaosTimeout() string { return fmt.Sprintf("%ds", raceFactor) }

// TestChaos runs many callers in parallel while all services fail and the function is
// killed. Every response that a caller gets must be true:
//
//	go test -run 'TestChaos$' -chaos 10m -timeout 15m -v ./internal/e2e
func TestChaos(t *testing.T) {
	if testing.Short() && *chaosFor == 0 {
		t.Skip("takes a few seconds")
	}
	for _, protocol := range []struct {
		name  string
		start func(*httptest.Server)
	}{
		{"HTTP/1.1", (*httptest.Server).Start},
		{"HTTP/2 over TLS", startHTTP2},
	} {
		t.Run(protocol.name, func(t *testing.T) {
			s := newChaos(t, protocol.start)
			start := time.Now()
			for {
				s.round(t)
				if t.Failed() || time.Since(start) >= *chaosFor/2 {
					break
				}
			}
			t.Logf("%s, in %v\nresponses: %v\nfailures: %v", s.total, time.Since(start).Round(time.Second), &s.codes, &s.failed)
		})
	}
}

// chaos is a stage with a failure every few calls.
type chaos struct {
	*stage
	function *process
	upstream *httptest.Server
	caller   *http.Client
	late     atomic.Int64 // number of messages to accept without a response

	mixed bool // connections break and the platform fails without fail, and the function is not killed

	ended  atomic.Int64 // number of calls that ended
	mu     sync.Mutex
	next   int // index in failures
	codes  counter
	failed counter
	total  total
}

type total struct{ calls, requests, lost, duplicated, wrong int }

func (n total) String() string {
	return fmt.Sprintf("%d calls, %d requests, %d lost, %d duplicated, %d false responses", n.calls, n.requests, n.lost, n.duplicated, n.wrong)
}

func newChaos(t *testing.T, start func(*httptest.Server)) *chaos {
	t.Helper()
	s := &chaos{stage: newStage(t), caller: &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: chaosCallers}}}
	s.sim.Now = nil // processes use the real time
	s.upstream = httptest.NewUnstartedServer(http.HandlerFunc(s.platform))
	s.upstream.Config.ErrorLog = log.New(io.Discard, "", 0) // unused connections would be logged
	start(s.upstream)
	t.Cleanup(func() { s.sim.Close(); s.upstream.Close() })
	s.setPlatform(t, s.upstream)
	file := filepath.Join(t.TempDir(), "rcshook.yaml")
	if err := os.WriteFile(file, []byte("sources:\n  shop: {preset: standard-webhooks, secret: "+standardSecret+", map: .}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	maps.Copy(s.env, map[string]string{"RCSHOOK_CONFIG": file, "RCSHOOK_TIMEOUT": chaosTimeout()})
	s.function = s.process(t)
	return s
}

// platform serves the simulator, and sometimes accepts a message without a response.
func (s *chaos) platform(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/agentMessages") && s.late.Add(-1) >= 0 {
		s.sim.ServeHTTP(httptest.NewRecorder(), r)
		_, _ = io.Copy(io.Discard, r.Body) // otherwise the server does not notice a closed connection
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	}
	s.sim.ServeHTTP(w, r)
}

// failures are injected in this order, each into a few requests.
var failures = []rbmtest.Failure{
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

// fail injects a failure after the n-th call. It depends on calls and not on time, so
// slow machines see the same failures.
func (s *chaos) fail(t *testing.T, n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n%6 == 0 && !s.mixed {
		f := failures[s.next%len(failures)]
		s.next++
		name, _ := json.Marshal(f) // cannot fail
		f.Method, f.Count = "phones.agentMessages.create", 4
		s.failed.add(string(name), f.Count)
		s.sim.Fail(f)
	}
	count := func(failure string) { s.failed.add(failure, 1) }
	switch n % 240 {
	case 170, 230: // long before the next kill
		count("accepted without a response")
		s.late.Store(2)
	case 20, 140:
		if !s.mixed {
			count("all connections break")
			s.upstream.CloseClientConnections()
		}
	case 40:
		count("the key is replaced")
		s.rotate(t, false)
	case 80:
		s.restart(t)
	case 120:
		count("the key is replaced and the old one revoked, while Secret Manager is unavailable")
		s.sim.Secrets.Fail(http.StatusServiceUnavailable, 3)
		s.rotate(t, true)
	case 160:
		count("Secret Manager and the token endpoint are unavailable")
		s.sim.Secrets.Fail(http.StatusServiceUnavailable, 3)
		s.sim.Tokens.Fail(http.StatusServiceUnavailable, 3)
		s.restart(t)
	case 200:
		count("all tokens are revoked, while the token endpoint is unavailable")
		s.sim.Tokens.Fail(http.StatusServiceUnavailable, 2)
		s.sim.Tokens.RevokeTokens()
	}
}

// restart kills the function and starts it again.
func (s *chaos) restart(t *testing.T) {
	if !s.mixed {
		s.failed.add("killed", 1)
		s.function.kill()
		s.function.start(t)
	}
}

// rotate replaces the key of the platform.
func (s *chaos) rotate(t *testing.T, revoke bool) {
	if err := s.sim.Rotate(revoke); err != nil {
		t.Error(err)
	}
}

// round runs all callers and compares their responses with the sent messages.
func (s *chaos) round(t *testing.T) {
	calls := make([][]*call, chaosCallers)
	var wg sync.WaitGroup
	for i := range calls {
		wg.Go(func() {
			for j := range chaosCalls {
				c := newCall(i, j)
				s.run(t, c)
				calls[i] = append(calls[i], c)
				s.fail(t, s.ended.Add(1))
			}
		})
	}
	wg.Wait()
	s.late.Store(0)
	s.compare(t, slices.Concat(calls...))
	s.sim.Reset()
}

// compare compares the calls with the messages at the platform.
func (s *chaos) compare(t *testing.T, calls []*call) {
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
	for _, c := range calls {
		s.total.calls++
		s.total.requests += len(c.codes)
		s.check(t, c, arrived)
	}
}

// check compares the known states of a call with the messages at the platform.
func (s *chaos) check(t *testing.T, c *call, arrived map[string]int) {
	for _, to := range c.to {
		n := arrived[to+" "+c.text]
		switch {
		case n > 1:
			s.total.duplicated++
			t.Errorf("%s arrived %d times: %s", to, n, c)
		case c.known[to] == sent && n == 0:
			s.total.lost++
			t.Errorf("%s did not arrive: %s", to, c)
		case c.known[to] == rejected && n != 0:
			s.total.wrong++
			t.Errorf("%s arrived although it was rejected: %s", to, c)
		case c.known[to] == unknown && !c.kind.mayGiveUp:
			s.total.wrong++
			t.Errorf("no result for %s: %s", to, c)
		case c.want != unknown && c.known[to] != c.want:
			s.total.wrong++
			t.Errorf("wrong result for %s: %s", to, c)
		}
	}
}

// A kind is a kind of caller. Kinds differ in how they use responses.
type kind struct {
	name string

	// mayGiveUp means that some calls of this kind do not succeed.
	mayGiveUp bool

	// retry reports whether the caller retries after a response; nil means that there
	// was none.
	retry func(c *call, a *response.Response) bool
}

// kinds are the kinds of callers.
var kinds = []*kind{
	{name: "program with a key", retry: func(_ *call, a *response.Response) bool {
		return a == nil || a.Status == http.StatusTooManyRequests || a.Status >= 500 ||
			slices.ContainsFunc(a.Results, func(r *response.Response) bool { return r.Retry == code.RetryLater || r.Retry == code.RetryNow })
	}},
	{name: "webhook", retry: func(_ *call, a *response.Response) bool { return a == nil || a.Status/100 != 2 }},
	{name: "without a key", mayGiveUp: true, retry: func(c *call, a *response.Response) bool {
		if a == nil {
			return false // the result is unknown
		}
		if a.DuplicateRisk {
			c.id = a.MessageID
		}
		return a.Status == http.StatusTooManyRequests || a.Status >= 500
	}},
	{name: "without retries", mayGiveUp: true, retry: func(*call, *response.Response) bool { return false }},
	{name: "list with a key"},
}

func init() { kinds[4].retry = kinds[0].retry }

// A state of a message, as far as its caller knows.
type state int

const (
	unknown state = iota
	sent
	rejected
)

// A call is one message and the responses to its caller.
type call struct {
	kind  *kind
	text  string
	to    []string
	id    string           // of the message, for callers without a key
	want  state            // the only right one, if it is known
	codes []string         // of the responses
	known map[string]state // by recipient
}

var callNumber atomic.Int64

func newCall(caller, n int) *call {
	c := &call{kind: kinds[caller%len(kinds)], text: fmt.Sprintf("call %d", callNumber.Add(1)), known: map[string]state{}}
	for i := range 3 {
		c.to = append(c.to, fmt.Sprintf("+120255501%d", 60+(caller+n+i)%40))
	}
	switch n {
	case 1:
		c.to[0] = unreachable
	case 2:
		c.to[0] = "+12025550157" // rejects every message twice
	}
	if c.kind.name != "list with a key" {
		c.to = c.to[:1]
	}
	return c
}

func (c *call) String() string {
	return fmt.Sprintf("%s, %q, responses %s", c.kind.name, c.text, strings.Join(c.codes, ", "))
}

// run makes requests until the caller stops retrying.
func (s *chaos) run(t *testing.T, c *call) {
	for range chaosTries {
		if t.Failed() {
			return
		}
		a, err := s.post(t, c)
		if err != nil {
			c.codes = append(c.codes, "none")
			s.codes.add("no response", 1)
		} else {
			s.record(t, c, a)
		}
		if !c.kind.retry(c, a) {
			return
		}
		if a != nil {
			// A fiftieth of the advised delay, to be fast.
			<-time.After(min(a.RetryAfter, 10*time.Second) / 50)
		}
	}
}

// record updates the known states with a response.
func (s *chaos) record(t *testing.T, c *call, a *response.Response) {
	c.codes = append(c.codes, string(a.Code))
	s.codes.add(string(a.Code), 1)
	results := a.Results
	if len(results) == 0 {
		results = []*response.Response{a}
	}
	for _, r := range results {
		switch r.Code {
		case code.Accepted, code.Duplicate, code.Queued:
			if c.known[r.To] = sent; s.mixed && r.To == unreachable && r.Code != code.Accepted {
				c.known[r.To] = rejected // later
			}
		case code.RecipientUnreachable, code.RecipientOptedOut:
			c.known[r.To] = rejected
		case code.RateLimited, code.UpstreamUnavailable, code.UpstreamTimeout, code.SecretUnavailable, code.UpstreamAuthFailed,
			code.QueueUnavailable, code.OptOutUnavailable,
			code.Overloaded: // on a busy machine
			if r.OK || a.Status < http.StatusMultipleChoices && a.Code != code.Mixed {
				s.reportFalse(t, "%s with status %d", r.Code, a.Status)
			}
		default:
			s.reportFalse(t, "unexpected code %s: %s", r.Code, c)
		}
	}
}

// reportFalse reports a false response.
func (s *chaos) reportFalse(t *testing.T, format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.total.wrong++
	t.Errorf(format, args...)
}

var errNoResponse = errors.New("no complete response")

// post makes one request of a caller. It returns errNoResponse if the response is missing
// or incomplete.
func (s *chaos) post(t *testing.T, c *call) (*response.Response, error) {
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
		if err := standardwebhook.Sign(header, body, []byte(standardSecret), time.Now()); err != nil {
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
		return nil, errNoResponse
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, errNoResponse
	}
	a := new(response.Response)
	if err := json.Unmarshal(text, a); err != nil || a.Status != res.StatusCode {
		s.reportFalse(t, "%s with an invalid body: %v\n%s", res.Status, err, text)
	}
	if seconds, err := time.ParseDuration(res.Header.Get("Retry-After") + "s"); err == nil {
		a.RetryAfter = seconds
	}
	return a, nil
}

// counter counts by name.
type counter struct {
	mu sync.Mutex
	n  map[string]int
}

func (c *counter) add(name string, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n == nil {
		c.n = map[string]int{}
	}
	c.n[name] += n
}

func (c *counter) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []string
	for _, name := range slices.Sorted(maps.Keys(c.n)) {
		all = append(all, fmt.Sprintf("%d %s", c.n[name], name))
	}
	return strings.Join(all, "; ")
}
