package e2e

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"log"
	"maps"
	"math/rand/v2"
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

	"github.com/google/uuid"

	"github.com/rcshook/rcshook/internal/code"
	"github.com/rcshook/rcshook/internal/response"
	"github.com/rcshook/rcshook/internal/server"
	"github.com/rcshook/rcshook/internal/standardwebhook"
	"github.com/rcshook/rcshook/rbm"
)

// TestChaos_foreign runs callers while something between the function and all of Google's
// services responds in place of them, before or after they got the request. The callers do
// what the responses advise. No message may be lost or arrive twice, no advice may be
// wrong, and no credential may reach another host:
//
//	go test -run TestChaos_foreign -chaos 10m -timeout 15m -v ./internal/e2e
func TestChaos_foreign(t *testing.T) {
	if testing.Short() && *chaosFor == 0 {
		t.Skip("takes a few seconds")
	}
	f := newForeign(t)
	start := time.Now()
	for round := 1; ; round++ {
		f.round(t)
		if t.Failed() || time.Since(start) >= *chaosFor {
			t.Logf("%s, in %d rounds and %v\nresponses: %v\nforeign responses: %v", f.total, round, time.Since(start).Round(time.Second), &f.codes, &f.foreign)
			return
		}
	}
}

const (
	foreignCallers = 24
	foreignCalls   = 5 // of each caller in a round
)

// foreign stands in for RBM, for the token endpoint, Secret Manager, Cloud Tasks and
// Google's public keys, and for a fallback. It often responds in place of them.
type foreign struct {
	*stage
	url     string // of the services
	thief   string // URL of another host
	secrets map[string][]byte
	handler atomic.Pointer[server.Server]
	web     *httptest.Server // the function
	tasks   sync.WaitGroup   // that were not acknowledged

	codes, foreign counter

	mu       sync.Mutex
	random   *rand.Rand
	total    total
	tokens   map[string]bool       // that are valid
	messages map[string]*delivered // by message ID
	queued   map[string]bool       // names of tasks
	posted   map[string]int        // by number and text: messages that reached the fallback
	previous map[string]reply      // by service
}

// delivered is a message that RBM has.
type delivered struct {
	to, trace string
	content   json.RawMessage
}

// reply is a response.
type reply struct {
	status int
	body   string
}

// googleError returns an error response of Google's APIs.
func googleError(status int, word string) reply {
	return reply{status, fmt.Sprintf(`{"error": {"code": %d, "status": %q, "message": "no"}}`, status, word)}
}

func newForeign(t *testing.T) *foreign {
	t.Helper()
	f := &foreign{
		stage: newStage(t), random: rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 0)),
		tokens: map[string]bool{}, messages: map[string]*delivered{}, queued: map[string]bool{}, posted: map[string]int{}, previous: map[string]reply{},
	}
	start := func(h http.HandlerFunc) *httptest.Server {
		web := httptest.NewUnstartedServer(h)
		web.Config.ErrorLog = log.New(io.Discard, "", 0)
		web.Start()
		t.Cleanup(web.Close)
		return web
	}
	f.thief = start(func(w http.ResponseWriter, r *http.Request) {
		t.Errorf("a redirect was followed: %s %s, Authorization %q", r.Method, r.URL.Path, r.Header.Get("Authorization"))
		io.WriteString(w, `{"access_token": "stolen", "token_type": "Bearer", "expires_in": 3600}`)
	}).URL
	f.url = start(f.serve).URL
	f.web = start(func(w http.ResponseWriter, r *http.Request) { f.handler.Load().ServeHTTP(w, r) })
	f.adc = f.sim.Provision(f.url).Credentials
	f.secrets = map[string][]byte{"agent": []byte("brand_agent"), "key": f.sim.KeyFile(f.url), "callers": []byte("dev"), "fallback": []byte(standardSecret)}
	file := filepath.Join(t.TempDir(), "rcshook.yaml")
	if err := os.WriteFile(file, fmt.Appendf(nil, `
agents:
  sms: {id: projects/p/secrets/agent, credentials: projects/p/secrets/key, fallback: {url: %q, secret: projects/p/secrets/fallback}}
sources:
  shop: {preset: standard-webhooks, secret: %[2]s, map: .}
  later: {preset: standard-webhooks, secret: %[2]s, map: ., queue: %s}
`, f.url+"/fallback", standardSecret, stageQueue), 0o600); err != nil {
		t.Fatal(err)
	}
	f.env = map[string]string{
		"RCSHOOK_CONFIG": file, "RCSHOOK_TIMEOUT": chaosTimeout(), "RCSHOOK_URL": f.web.URL, "RCSHOOK_QUEUE_ACCOUNT": stageAccount,
		"RCSHOOK_AGENT_ID": "projects/p/secrets/agent", "RCSHOOK_CREDENTIALS": "projects/p/secrets/key", "RCSHOOK_API_KEYS": "projects/p/secrets/callers",
	}
	for _, endpoint := range []string{"RBM", "SECRETMANAGER", "OIDC", "TASKS"} {
		f.env["RCSHOOK_"+endpoint+"_ENDPOINT"] = f.url
	}
	return f
}

// foreignReplies are responses in place of a service. Most are those of a proxy. A reply
// without a status breaks the connection.
var foreignReplies = map[string]reply{
	"empty object":                {200, `{}`},
	"error with 200":              {200, `{"error": {"code": 503, "status": "UNAVAILABLE"}}`},
	"page with 200":               {200, `<html>`},
	"nothing with 200":            {200, ``},
	"no content":                  {204, ``},
	"partial content":             {206, `{}`},
	"page with 400":               {400, `<html>`},
	"nothing with 400":            {400, ``},
	"empty error with 400":        {400, `{"error": {}}`},
	"page with 401":               {401, `<html>`},
	"page with 403":               {403, `<html>`},
	"page with 404":               {404, `<html>`},
	"nothing with 404":            {404, ``},
	"page with 408":               {408, `<html>`},
	"page with 409":               {409, `<html>`},
	"page with 429":               {429, `<html>`},
	"internal error":              googleError(500, "INTERNAL"),
	"nothing with 500":            {500, ``},
	"page with 502":               {502, `<html>`},
	"unavailable":                 googleError(503, "UNAVAILABLE"),
	"broken connection":           {0, ``},
	"temporary redirect":          {307, ``},
	"redirect":                    {302, ``},
	"permanent redirect":          {308, ``},
	"no response":                 {0, `slow`},
	"truncated":                   {0, `truncated`},
	"response to another request": {0, `previous`},
}

// serve serves a request to one of the services, or responds in place of it.
func (f *foreign) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	service, act := f.service(r, body)
	f.mu.Lock()
	names := slices.Sorted(maps.Keys(foreignReplies))
	name := names[f.random.IntN(len(names))]
	genuine, acts := f.random.IntN(10) < 6, f.random.IntN(2) == 0
	previous := f.previous[service]
	f.mu.Unlock()
	replaced := foreignReplies[name]
	// Any 2xx means that a fallback accepted the message, so only the fallback sends one.
	if genuine || service == "fallback" && (replaced.status/100 == 2 || replaced.status == 0 && replaced.body != "slow") || replaced.body == "previous" && previous.status == 0 {
		write(w, act())
		return
	}
	f.foreign.add(service+": "+name, 1)
	var own reply
	rejects := service == "fallback" && replaced.status/100 == 4 // a fallback that rejects a message does not send it
	if acts && !rejects || replaced.body == "truncated" {
		own = act()
	}
	switch {
	case replaced.status/100 == 3:
		w.Header().Set("Location", f.thief+r.URL.RequestURI())
	case replaced.body == "previous":
		replaced = previous
	case replaced.body == "slow":
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	case replaced.body == "truncated":
		w.Header().Set("Content-Length", fmt.Sprint(len(own.body)+1))
		replaced = own
	case replaced.status == 0:
		panic(http.ErrAbortHandler)
	}
	write(w, replaced)
}

func write(w http.ResponseWriter, r reply) {
	if strings.HasPrefix(r.body, "<") {
		w.Header().Set("Content-Type", "text/html")
	} else {
		w.Header().Set("Content-Type", "application/json")
	}
	w.WriteHeader(r.status)
	io.WriteString(w, r.body)
}

// service returns the name of the service that a request is for, and its response.
func (f *foreign) service(r *http.Request, body []byte) (name string, act func() reply) {
	serve, needsToken := f.create, true
	switch p := r.URL.Path; {
	case strings.HasSuffix(p, "/agentMessages"):
		name = "messages"
	case strings.HasSuffix(p, ":access"):
		name, serve = "secrets", f.secret
	case strings.HasSuffix(p, "/tasks"):
		name, serve = "tasks", f.task
	case p == "/token":
		name, serve, needsToken = "token", f.token, false
	case p == "/fallback":
		name, serve, needsToken = "fallback", f.fallBack, false
	default:
		name, serve, needsToken = "keys", f.keys, false
	}
	return name, func() reply {
		f.mu.Lock()
		defer f.mu.Unlock()
		bearer, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if needsToken && !f.tokens[bearer] {
			return googleError(401, "UNAUTHENTICATED")
		}
		own := serve(r, body)
		if own.status == 200 && name != "token" { // an old token may be revoked
			f.previous[name] = own
		}
		return own
	}
}

// isUnreachable reports whether a number has no RCS.
func isUnreachable(to string) bool { return strings.HasSuffix(to, "4") }

// create is phones.agentMessages.create. A message that it has may be refused within the
// same request of a caller.
func (f *foreign) create(r *http.Request, body []byte) reply {
	to := strings.Split(r.URL.Path, "/")[3]
	id, trace := r.URL.Query().Get("messageId"), r.Header.Get("Traceparent")
	if isUnreachable(to) {
		return googleError(404, "NOT_FOUND")
	}
	m := f.messages[id]
	how := f.random.IntN(6)
	switch {
	case m == nil:
		var message struct{ ContentMessage json.RawMessage }
		_ = json.Unmarshal(body, &message)
		m = &delivered{to, trace, message.ContentMessage}
		f.messages[id] = m
	case how == 0:
		return googleError(409, "ALREADY_EXISTS")
	case how == 1 && m.trace == trace:
		return googleError(404, "NOT_FOUND")
	case how == 2 && m.trace == trace:
		return googleError(400, "INVALID_ARGUMENT")
	case how == 3 && uuid.MustParse(id).Version() == 5: // derived from the number
		return reply{200, fmt.Sprintf(`{"name": "phones/+12025550199/agentMessages/%s", "contentMessage": %s}`, id, m.content)}
	}
	return reply{200, fmt.Sprintf(`{"name": "phones/%s/agentMessages/%s", "contentMessage": %s}`, m.to, id, m.content)}
}

func (f *foreign) token(*http.Request, []byte) reply {
	token := uuid.NewString()
	f.tokens[token] = true
	return reply{200, fmt.Sprintf(`{"access_token": %q, "token_type": "Bearer", "expires_in": %d}`, token, 1+f.random.IntN(4))}
}

func (f *foreign) secret(r *http.Request, _ []byte) reply {
	name := strings.Split(r.URL.Path, "/")[5]
	data := f.secrets[name]
	return reply{200, fmt.Sprintf(`{"name": "projects/1/secrets/%s/versions/1", "payload": {"data": %q, "dataCrc32c": "%d"}}`,
		name, base64.StdEncoding.EncodeToString(data), crc32.Checksum(data, crc32.MakeTable(crc32.Castagnoli)))}
}

// task creates a task, and dispatches it until the function acknowledges it.
func (f *foreign) task(_ *http.Request, body []byte) reply {
	var request struct {
		Task struct {
			Name        string
			HTTPRequest struct {
				URL  string
				Body []byte
			}
		}
	}
	if err := json.Unmarshal(body, &request); err != nil {
		return googleError(400, "INVALID_ARGUMENT")
	}
	task := request.Task
	if f.queued[task.Name] {
		return googleError(409, "ALREADY_EXISTS")
	}
	f.queued[task.Name] = true
	f.tasks.Go(func() {
		for range 20 * chaosTries {
			res, err := f.post(task.HTTPRequest.URL, http.Header{
				"Content-Type": {"application/json"}, "Authorization": {"Bearer " + f.google.Token(f.web.URL, stageAccount, time.Now())},
			}, task.HTTPRequest.Body)
			if err == nil && res.Status/100 == 2 {
				return
			}
			<-time.After(20 * time.Millisecond)
		}
	})
	return reply{200, fmt.Sprintf(`{"name": %q}`, task.Name)}
}

func (f *foreign) keys(r *http.Request, _ []byte) reply {
	w := httptest.NewRecorder()
	f.google.ServeHTTP(w, r)
	return reply{w.Code, w.Body.String()}
}

func (f *foreign) fallBack(_ *http.Request, body []byte) reply {
	var event struct{ Phone, Text string }
	_ = json.Unmarshal(body, &event)
	f.posted[event.Phone+" "+event.Text] = 1
	return reply{200, `{}`}
}

// post makes a request to the function, with a trace of its own.
func (f *foreign) post(url string, header http.Header, body []byte) (*response.Response, error) {
	req, err := http.NewRequest(http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header = header
	req.Header.Set("Traceparent", fmt.Sprintf("00-%s-00f067aa0ba902b7-01", strings.ReplaceAll(uuid.NewString(), "-", "")))
	req.Close = true // a stalled machine makes the function close connections at its deadline
	res, err := f.web.Client().Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	a := new(response.Response)
	if err := json.NewDecoder(res.Body).Decode(a); err != nil {
		return nil, err
	}
	if seconds, err := time.ParseDuration(res.Header.Get("Retry-After") + "s"); err == nil {
		a.RetryAfter = seconds
	}
	return a, nil
}

// round runs all callers with a function that has just started, and compares their
// responses with what arrived.
func (f *foreign) round(t *testing.T) {
	h, err := server.New(t.Context(), server.Options{
		Environ: f.environ(nil), DefaultCredentials: f.adc,
		Retry: rbm.Retry{BaseDelay: time.Millisecond, MaxDelay: time.Millisecond, AttemptTimeout: 100 * time.Millisecond},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	f.handler.Store(h)
	var calls [foreignCallers][]*foreignCall
	var wg sync.WaitGroup
	for i := range calls {
		wg.Go(func() {
			for j := range foreignCalls {
				c := newForeignCall(i, j)
				f.run(t, c)
				calls[i] = append(calls[i], c)
			}
			if i == 0 {
				f.mu.Lock()
				clear(f.tokens) // all are revoked
				f.mu.Unlock()
			}
		})
	}
	wg.Wait()
	f.tasks.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	arrived := map[string]int{}
	for _, m := range f.messages {
		var content struct{ Text string }
		if err := json.Unmarshal(m.content, &content); err != nil {
			t.Fatal(err)
		}
		arrived[m.to+" "+content.Text]++
	}
	for _, c := range slices.Concat(calls[:]...) {
		if !c.ended {
			continue // because of the failure of another one
		}
		f.total.calls++
		f.total.requests += len(c.codes)
		for to, got := range c.results {
			n, sms := arrived[to+" "+c.text], f.posted[to+" "+c.text]
			want := slices.Contains([]code.Code{code.Accepted, code.Duplicate, code.Fallback, code.Queued}, got)
			if isUnreachable(to) && got != code.Fallback {
				want = false // the queue had it
			}
			if got == code.FallbackUnavailable && c.payload["traffic"] == nil {
				want = sms > 0 // the function does not know
			}
			switch {
			case n+sms > 1:
				f.total.duplicated++
				t.Errorf("%s arrived %d times, and %d times by the fallback: %s", to, n, sms, c)
			case got == "" || want != (n+sms > 0):
				f.total.lost++
				t.Errorf("%s: %q, but arrived %d times, and %d times by the fallback: %s", to, got, n, sms, c)
			}
		}
	}
	clear(f.messages)
	clear(f.queued)
	clear(f.posted)
}

// foreignCall is one message of a caller, and what the caller knows about it.
type foreignCall struct {
	path    string
	payload map[string]any
	random  bool // whether the message ID is random
	text    string
	pending []string             // the recipients without a result
	results map[string]code.Code // the last of each recipient
	codes   []string             // of the responses
	ended   bool                 // whether all recipients have a result, or too many tries were made
}

func newForeignCall(caller, n int) *foreignCall {
	c := &foreignCall{path: "/", text: fmt.Sprintf("call %d", callNumber.Add(1)), payload: map[string]any{}, results: map[string]code.Code{}}
	for i := range 3 {
		c.pending = append(c.pending, fmt.Sprintf("+1202555%04d", 100+(7*caller+n+i)%90))
	}
	kind := caller % 8
	if kind < 5 {
		c.pending = c.pending[:1]
	}
	switch kind {
	case 0:
		c.path = "/hooks/shop"
	case 1:
		c.path = "/hooks/later"
	case 2, 5:
		c.random = true
	case 3, 6:
		c.payload["agent"] = "sms" // which has a fallback
		if kind == 6 {
			c.payload["traffic"] = "transaction" // such messages are repeated
		}
		fallthrough
	default:
		c.payload["idempotency_key"] = c.text
	}
	c.payload["text"] = c.text
	for _, to := range c.pending {
		c.results[to] = ""
	}
	return c
}

func (c *foreignCall) String() string {
	return fmt.Sprintf("%s %v, responses %s", c.path, c.payload, strings.Join(slices.Compact(slices.Clone(c.codes)), ", "))
}

// run makes requests as long as the responses advise it.
func (f *foreign) run(t *testing.T, c *foreignCall) {
	ids := map[string]string{} // of messages that may have arrived
	for range chaosTries {
		if c.ended = len(c.pending) == 0; c.ended || t.Failed() {
			return
		}
		to := c.pending
		if c.random {
			to = to[:1] // each retry has the message ID of its result
			if delete(c.payload, "message_id"); ids[to[0]] != "" {
				c.payload["message_id"] = ids[to[0]]
			} else if len(ids) == 0 {
				to = c.pending
			}
		}
		c.payload["to"] = to
		body, err := json.Marshal(c.payload)
		if err != nil {
			t.Error(err)
		}
		header := http.Header{"Authorization": {"Bearer dev"}}
		if c.path != "/" {
			header = http.Header{"Webhook-Id": {"msg_" + strings.ReplaceAll(c.text, " ", "_")}}
			if err := standardwebhook.Sign(header, body, []byte(standardSecret), time.Now()); err != nil {
				t.Error(err)
			}
		}
		header.Set("Content-Type", "application/json")
		a, err := f.post(f.web.URL+c.path, header, body)
		if err != nil {
			t.Errorf("no response: %v: %s", err, c)
			return
		}
		c.codes = append(c.codes, string(a.Code))
		results := a.Results
		if len(results) == 0 {
			for _, number := range to {
				r := *a
				r.To = number
				results = append(results, &r)
			}
		}
		for _, r := range results {
			f.codes.add(string(r.Code), 1)
			again := r.Retry == code.RetryLater || r.Retry == code.RetryNow
			switch {
			case again && (r.OK || c.path != "/" && a.Status/100 == 2),
				!again && !r.OK && !(isUnreachable(r.To) && (r.Code == code.RecipientUnreachable || r.Code == code.FallbackUnavailable && c.payload["traffic"] == nil)):
				f.mu.Lock()
				f.total.wrong++
				f.mu.Unlock()
				t.Errorf("%s %q with status %d for %s: %s", r.Code, r.Retry, a.Status, r.To, c)
			case again:
				if r.DuplicateRisk {
					ids[r.To] = r.MessageID
				}
			default:
				c.results[r.To] = r.Code
				c.pending = slices.DeleteFunc(slices.Clone(c.pending), func(number string) bool { return number == r.To })
			}
		}
		<-time.After(min(a.RetryAfter, 10*time.Second) / 100)
	}
	c.ended = true
}
