package e2e

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rcshook/rcshook/internal/events"
	"github.com/rcshook/rcshook/internal/optout"
	"github.com/rcshook/rcshook/rbm"
)

var sequences = flag.Int("sequences", 200, "number of people in TestOptOut_order")

const stageAgent = "rcshook_demo_k3x9a1bc_agent"

// fleet is a function that runs in several instances behind one address. Its clock is
// that of the stage.
type fleet struct {
	*stage
	url       string
	instances []*function
	logs      []*logged
	turn      atomic.Int64
}

// newFleet starts a function with the settings of a stage, changed by override.
func (s *stage) newFleet(t *testing.T, instances int, override map[string]*string) *fleet {
	t.Helper()
	f := &fleet{stage: s}
	web := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.instances[int(f.turn.Add(1))%len(f.instances)].ServeHTTP(w, r)
	}))
	f.url = "http://" + web.Listener.Addr().String()
	s.env["RCSHOOK_URL"], s.env["RCSHOOK_QUEUE_ACCOUNT"] = f.url, stageAccount
	for range instances {
		f.add(t, override)
	}
	web.Start()
	t.Cleanup(web.Close)
	return f
}

// add starts another instance. The others must be idle.
func (f *fleet) add(t *testing.T, override map[string]*string) {
	t.Helper()
	h, log := f.handler(t, override)
	if h.err != nil {
		t.Fatal(h.err)
	}
	h.now = f.clock.now
	f.instances, f.logs = append(f.instances, h), append(f.logs, log)
}

// withStore returns the settings for a file and the store of the stage.
func withStore(t *testing.T, file string) map[string]*string {
	t.Helper()
	settings := targetsFile(t, file)
	settings["RCSHOOK_OPT_OUT_STORE"], settings["RCSHOOK_OPT_OUT_KEY"] = pointer(storeLocation), pointer(storeKey)
	return settings
}

// answer is a response of a function.
type answer struct {
	Status      int
	Code, Cause string
	Event, To   string
	EventType   string `json:"event_type"`
	Results     []answer
}

func (f *fleet) post(t *testing.T, path string, header http.Header, body []byte) (a answer) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, f.url+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header = header
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Error(err)
		return a
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err == nil {
		err = json.Unmarshal(text, &a)
	}
	if err != nil {
		t.Errorf("%s: %v: %s", path, err, text)
	}
	if a.Status = res.StatusCode; bytes.Contains(text, []byte("Half price")) {
		t.Errorf("%s: the response contains the message: %s", path, text)
	}
	return a
}

// call posts a payload as a caller.
func (f *fleet) call(t *testing.T, key, body string) answer {
	t.Helper()
	return f.post(t, "/", http.Header{"Authorization": {"Bearer " + key}}, []byte(body))
}

// expectCode compares the status and the code of a response.
func (a answer) expect(t *testing.T, what string, status int, code string) {
	t.Helper()
	if a.Status != status || a.Code != code {
		t.Errorf("%s: %d %s, want %d %s", what, a.Status, a.Code, status, code)
	}
}

// promotion returns a payload that opted-out people do not get, and oneTime one that they
// get.
func promotion(key string, to ...string) string {
	return fmt.Sprintf(`{"to": "%s", "text": "Half price today", "traffic": "promotion", "ttl": "1d", "idempotency_key": %q}`, strings.Join(to, ", "), key)
}

func oneTime(to string) string {
	return fmt.Sprintf(`{"to": %q, "text": "Your code is 123456", "traffic": "otp", "idempotency_key": "code"}`, to)
}

// signal is an event with which a user opts out or in.
type signal struct {
	phone, agent string
	word         string // typed; empty for the event of the menu
	stop         bool
	at           time.Time
	id           string
}

func (s signal) data() []byte {
	event := map[string]string{
		"senderPhoneNumber": s.phone, "agentId": s.agent + rbm.AgentDomain, "sendTime": s.at.Format(time.RFC3339Nano),
	}
	if s.agent == "" {
		event["agentId"] = stageAgent + rbm.AgentDomain
	}
	switch {
	case s.word != "":
		event["messageId"], event["text"] = s.id, s.word
	case s.stop:
		event["eventId"], event["eventType"] = s.id, "UNSUBSCRIBE"
	default:
		event["eventId"], event["eventType"] = s.id, "SUBSCRIBE"
	}
	data, _ := json.Marshal(event) // strings cannot fail
	return data
}

// tell posts a signal as RBM does.
func (f *fleet) tell(t *testing.T, s signal) answer {
	t.Helper()
	r := request{header: http.Header{}, body: s.data()}
	r.sealEvent("token")
	return f.post(t, "/events", r.header, r.body)
}

// stopped returns the two signals of a tap on Unsubscribe.
func stopped(phone string, at time.Time) (text, menu signal) {
	return signal{phone: phone, word: "STOP", stop: true, at: at, id: "MxT" + phone + at.String()},
		signal{phone: phone, stop: true, at: at.Add(360 * time.Millisecond), id: "MxE" + phone + at.String()}
}

// texts returns the texts that a person got, in order.
func (s *stage) texts(t *testing.T, phone string) (texts []string) {
	t.Helper()
	for _, m := range s.sim.Messages() {
		var content rbm.AgentMessage
		if err := json.Unmarshal(m.AgentMessage, &content); err != nil {
			t.Fatal(err)
		}
		if m.To == phone {
			texts = append(texts, content.ContentMessage.Text)
		}
	}
	return texts
}

// The default texts for a number of the US.
const (
	goodbye     = "You are unsubscribed and will not get promotional messages from us anymore. Reply START to get them again."
	welcomeBack = "Thank you. You are now subscribed to our messages. Reply STOP to unsubscribe at any time."
)

// expectTexts compares the texts that a person got.
func (s *stage) expectTexts(t *testing.T, phone string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, s.texts(t, phone)); diff != "" {
		t.Errorf("messages to %s (-want +got):\n%s", phone, diff)
	}
}

// expectState compares the record of a person.
func (s *stage) expectState(t *testing.T, brand, phone string, want optout.State) *optout.Record {
	t.Helper()
	found, err := s.bucket(t, stageKey).Find(t.Context(), brand, phone)
	if err != nil {
		t.Error(err)
		return nil
	}
	if found == nil && want != "" || found != nil && found.State != want {
		t.Errorf("state of %s is %+v, want %q", phone, found, want)
	}
	return found
}

// inbox is a target that keeps its events, by path.
type inbox struct {
	t      *testing.T
	mu     sync.Mutex
	events map[string][]events.Event
}

func newInbox(t *testing.T) (i *inbox, url string) {
	t.Helper()
	i = &inbox{t: t, events: make(map[string][]events.Event)}
	web := httptest.NewServer(i)
	t.Cleanup(web.Close)
	return i, web.URL
}

func (i *inbox) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err == nil {
		err = verifyStandard(r.Header, body)
	}
	var e events.Event
	if err == nil {
		err = json.Unmarshal(body, &e)
	}
	if err != nil || e.ID != r.Header.Get("Webhook-Id") {
		i.t.Errorf("event %s as webhook %s: %v", e.ID, r.Header.Get("Webhook-Id"), err)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.events[r.URL.Path] = append(i.events[r.URL.Path], e)
}

// about returns the events about a person at a path without repetitions, in order.
func (i *inbox) about(path, phone string) (all []events.Event) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, e := range i.events[path] {
		if e.Phone == phone && !slices.ContainsFunc(all, func(other events.Event) bool { return other.ID == e.ID }) {
			all = append(all, e)
		}
	}
	return all
}

// expectTypes compares the types of the events about a person.
func (i *inbox) expectTypes(path, phone string, want ...string) {
	i.t.Helper()
	var got []string
	for _, e := range i.about(path, phone) {
		got = append(got, e.Type)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		i.t.Errorf("%s: events about %s (-want +got):\n%s", path, phone, diff)
	}
}

// checkPrivate checks that no log contains a number or a text.
func (f *fleet) checkPrivate(t *testing.T) {
	t.Helper()
	for _, log := range f.logs {
		for _, private := range []string{"2025550", "Half price", "123456", stageKey} {
			if strings.Contains(log.String(), private) {
				t.Errorf("the log contains %q:\n%s", private, log)
			}
		}
	}
}

// TestOptOut_atOnce sends the two signals of a tap on Unsubscribe in both orders and at
// once, repeated, to three instances. Each person gets one confirmation, each target one
// event, and no promotion passes any door.
func TestOptOut_atOnce(t *testing.T) {
	t.Parallel()
	for name, queue := range map[string]*string{"direct": nil, "queue": pointer(eventsQueue)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			s.openStore(t)
			in, url := newInbox(t)
			settings := withStore(t, fmt.Sprintf(`sources: {shop: {preset: bearer, secret: s3cret, map: '{to: .phone, text: "Half price today", traffic: "promotion", ttl: "1d"}'}}
events:
  crm: {url: "%[1]s/crm", secret: %[2]s}
  log: {url: "%[1]s/log", secret: %[2]s, only: [unsubscribed, failed]}
  bot: {send: 'select(.type == "reply") | {text: "Half price today", traffic: "promotion", ttl: "1d"}'}
`, url, standardSecret))
			settings["RCSHOOK_EVENTS_QUEUE"] = queue
			f := s.newFleet(t, 3, settings)
			var people []string
			var all sync.WaitGroup
			at := caseTime.Add(-time.Minute)
			for i := range 25 {
				phone := fmt.Sprintf("+12025550%d", 200+i)
				people = append(people, phone)
				text, menu := stopped(phone, at)
				tell := func(signals ...signal) {
					for _, s := range signals {
						f.tell(t, s).expect(t, "signal", http.StatusOK, "received")
					}
				}
				switch i % 3 {
				case 0:
					all.Go(func() { tell(text, menu) })
					all.Go(func() { tell(text, menu) })
				case 1:
					all.Go(func() { tell(menu, text) })
					all.Go(func() { tell(menu, text) })
				default:
					for _, s := range []signal{text, menu, text, menu} {
						all.Go(func() { tell(s) })
					}
				}
			}
			all.Wait()
			if err := s.tasks.Settle(t.Context()); err != nil {
				t.Fatal(err)
			}
			for _, phone := range people {
				s.expectTexts(t, phone, goodbye)
				in.expectTypes("/crm", phone, "unsubscribed")
				in.expectTypes("/log", phone, "unsubscribed")
				r := s.expectState(t, "default", phone, optout.OptedOut)
				if r != nil && (!r.At.Equal(at.Add(360*time.Millisecond)) || r.Since.Before(at) || r.Since.After(r.At)) {
					t.Errorf("the record of %s is from %v to %v", phone, r.Since, r.At)
				}
				all.Go(func() {
					f.call(t, "dev", promotion("direct", phone)).expect(t, "direct", http.StatusUnprocessableEntity, "recipient_opted_out")
				})
				all.Go(func() {
					hook := fmt.Sprintf(`{"phone": %q}`, phone)
					f.post(t, "/hooks/shop", http.Header{"Authorization": {"Bearer s3cret"}}, []byte(hook)).expect(t, "hook", http.StatusOK, "recipient_opted_out")
				})
				all.Go(func() {
					f.tell(t, signal{phone: phone, word: "Any offers?", at: caseTime, id: "MxR" + phone}).expect(t, "reply", http.StatusOK, "received")
				})
				all.Go(func() { f.call(t, "dev", oneTime(phone)).expect(t, "OTP", http.StatusOK, "accepted") })
			}
			all.Wait()
			results := f.call(t, "dev", promotion("several", append(people, "+12025550123")...)).Results
			for _, r := range results {
				want := map[bool]string{true: "accepted", false: "recipient_opted_out"}[r.To == "+12025550123"]
				if r.Code != want {
					t.Errorf("several: %s, want %s", r.Code, want)
				}
			}
			if err := s.tasks.Settle(t.Context()); err != nil || len(results) != 26 {
				t.Fatalf("%d results, %v", len(results), err)
			}
			for _, phone := range people {
				s.expectTexts(t, phone, goodbye, "Your code is 123456")
				got := in.about("/log", phone)
				if len(got) != 2 || got[1].Type != "failed" || got[1].Reason != "recipient_opted_out" {
					t.Errorf("events about %s: %+v, want that the target bot failed", phone, got)
				}
			}
			f.checkPrivate(t)
		})
	}
}

// TestOptOut_again walks through a launch video: STOP, START and STOP within a minute,
// each delivered several times, also after the next.
func TestOptOut_again(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.openStore(t)
	in, url := newInbox(t)
	f := s.newFleet(t, 3, withStore(t, fmt.Sprintf("events: {crm: {url: %q, secret: %s}}", url+"/crm", standardSecret)))
	const phone = "+12025550101"
	at := caseTime.Add(-time.Minute)
	var all []signal
	for i, stop := range []bool{true, false, true} {
		text, menu := stopped(phone, at.Add(time.Duration(i)*15*time.Second))
		if !stop {
			text.word, text.stop, menu.stop = "START", false, false
		}
		all = append(all, text, menu)
		for _, s := range []signal{text, menu, text, menu} {
			f.tell(t, s).expect(t, "signal", http.StatusOK, "received")
		}
		want := map[bool]string{true: "recipient_opted_out", false: "accepted"}[stop]
		if got := f.call(t, "dev", promotion(fmt.Sprint(i), phone)).Code; got != want {
			t.Errorf("promotion %d: %s, want %s", i, got, want)
		}
	}
	for _, s := range slices.Concat(all, all) {
		want := "received"
		if !s.stop {
			want = "ignored"
		}
		f.tell(t, s).expect(t, "late repetition", http.StatusOK, want)
	}
	s.expectTexts(t, phone, goodbye, welcomeBack, "Half price today", goodbye)
	in.expectTypes("/crm", phone, "unsubscribed", "subscribed", "unsubscribed")
	s.expectState(t, "default", phone, optout.OptedOut)
}

// TestOptOut_order delivers signals in any order. The newest decides, and opting out does
// at the same time; targets do not get a signal after a newer one for the other state:
//
//	go test -run TestOptOut_order -sequences 10000 ./internal/e2e
func TestOptOut_order(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.openStore(t)
	in, url := newInbox(t)
	f := s.newFleet(t, 3, withStore(t, fmt.Sprintf("events: {crm: {url: %q, secret: %s}}", url+"/crm", standardSecret)))
	slots := make(chan struct{}, 16)
	var all sync.WaitGroup
	for i := range *sequences {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			random := rand.New(rand.NewPCG(uint64(i), 0))
			phone := fmt.Sprintf("+1202556%04d", i%10000)
			var newest *signal
			var types []string
			for n := range 2 + random.IntN(5) {
				sent := signal{phone: phone, stop: random.IntN(2) == 0, at: caseTime.Add(-time.Duration(random.IntN(8)) * 20 * time.Second), id: fmt.Sprint("Mx", i, ".", n)}
				if random.IntN(2) == 0 {
					sent.word = map[bool]string{true: "stop", false: "start"}[sent.stop]
				}
				want := "received"
				switch {
				case newest == nil || sent.at.After(newest.at) || sent.at.Equal(newest.at) && sent.stop:
					if newest == nil || sent.stop != newest.stop {
						types = append(types, map[bool]string{true: "unsubscribed", false: "subscribed"}[sent.stop])
					}
					newest = &sent
				case sent.stop != newest.stop:
					want = "ignored"
				}
				got := f.tell(t, sent)
				if got.expect(t, fmt.Sprintf("sequence %d, signal %d", i, n), http.StatusOK, want); want == "ignored" && got.Cause != "superseded" {
					t.Errorf("sequence %d: ignored because of %q", i, got.Cause)
				}
			}
			want := map[bool]optout.State{true: optout.OptedOut, false: optout.OptedIn}[newest.stop]
			if r := s.expectState(t, "default", phone, want); r != nil && !r.At.Equal(newest.at) {
				t.Errorf("sequence %d: the record is of %v, want %v", i, r.At, newest.at)
			}
			in.expectTypes("/crm", phone, types...)
		})
	}
	all.Wait()
}

// TestOptOut_newKey adds a version of the secret with the key. Instances with the new
// version send no promotion, and lose no signal, until the objects are renamed.
func TestOptOut_newKey(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.openStore(t)
	settings := withStore(t, "events: {}")
	f := s.newFleet(t, 1, settings)
	const opted, other, late = "+12025550101", "+12025550102", "+12025550105"
	text, _ := stopped(opted, caseTime.Add(-time.Minute))
	f.tell(t, text).expect(t, "STOP", http.StatusOK, "received")

	newKey := strings.Repeat("n", optout.MinKey)
	s.sim.Secrets.AddVersion(storeKey, []byte(newKey))
	f.add(t, settings)
	former, current := f.instances[:1], f.instances[1:]
	f.instances = current
	lateStop, _ := stopped(late, caseTime.Add(-time.Second))
	for range 2 {
		f.call(t, "dev", promotion("1", opted)).expect(t, "opted out", http.StatusServiceUnavailable, "opt_out_unavailable")
		f.call(t, "dev", promotion("1", other)).expect(t, "without a record", http.StatusServiceUnavailable, "opt_out_unavailable")
		f.tell(t, lateStop).expect(t, "STOP", http.StatusServiceUnavailable, "opt_out_unavailable")
		f.call(t, "dev", oneTime(other)).expect(t, "OTP", http.StatusOK, "accepted")
	}
	if log := f.logs[1].String(); !strings.Contains(log, `"severity":"ERROR"`) || !strings.Contains(log, "run rcshook optouts rekey with the old key and the new one") {
		t.Errorf("no error with the fix in the log:\n%s", log)
	}
	f.instances = former
	f.call(t, "dev", promotion("1", opted)).expect(t, "former instance", http.StatusUnprocessableEntity, "recipient_opted_out")

	if n, err := s.bucket(t, stageKey).Rekey(t.Context(), []byte(stageKey), []byte(newKey), 0); n != 1 || err != nil {
		t.Fatalf("Rekey = %d, %v", n, err)
	}
	s.clock.set(caseTime.Add(optout.RekeyPause)) // the former instance does not trust its key so long
	for _, f.instances = range [][]*function{former, current} {
		f.call(t, "dev", promotion("2", opted)).expect(t, "opted out, after rekey", http.StatusUnprocessableEntity, "recipient_opted_out")
		f.call(t, "dev", promotion("2", other)).expect(t, "without a record, after rekey", http.StatusOK, "accepted")
		f.tell(t, lateStop).expect(t, "STOP, after rekey", http.StatusOK, "received")
	}
	s.expectTexts(t, late, goodbye)
	s.expectTexts(t, opted, goodbye)
	f.checkPrivate(t)
}

// TestOptOut_brands opts out of one of two brands.
func TestOptOut_brands(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.openStore(t)
	in, url := newInbox(t)
	f := s.newFleet(t, 2, withStore(t, fmt.Sprintf(`agents: {news: {id: news_agent, credentials: %[3]q}, care: {id: care_agent, credentials: %[3]q}}
brands: {harborline: {agents: [default, news]}, bakery: {agents: care}}
events:
  ours: {url: "%[1]s/ours", secret: %[2]s, agents: [default, news]}
  theirs: {url: "%[1]s/theirs", secret: %[2]s, agents: care}
`, url, standardSecret, s.env["RCSHOOK_CREDENTIALS"])))
	const phone = "+12025550101"
	send := func(agent string) string {
		t.Helper()
		return f.call(t, "dev", strings.Replace(promotion(agent, phone), "{", fmt.Sprintf(`{"agent": %q, `, agent), 1)).Code
	}
	at := caseTime.Add(-time.Minute)
	f.tell(t, signal{phone: phone, agent: "news_agent", word: "stop", stop: true, at: at, id: "MxA"}).expect(t, "STOP", http.StatusOK, "received")
	got := []string{send("default"), send("news"), send("care")}
	if want := []string{"recipient_opted_out", "recipient_opted_out", "accepted"}; !slices.Equal(got, want) {
		t.Errorf("after a STOP to news: %v, want %v", got, want)
	}
	f.tell(t, signal{phone: phone, agent: "care_agent", word: "stop", stop: true, at: at, id: "MxB"}).expect(t, "STOP", http.StatusOK, "received")
	f.tell(t, signal{phone: phone, agent: stageAgent, word: "start", at: caseTime, id: "MxC"}).expect(t, "START", http.StatusOK, "received")
	got = []string{send("default"), send("news"), send("care")}
	if want := []string{"accepted", "accepted", "recipient_opted_out"}; !slices.Equal(got, want) {
		t.Errorf("after a START to default: %v, want %v", got, want)
	}
	in.expectTypes("/ours", phone, "unsubscribed", "subscribed")
	in.expectTypes("/theirs", phone, "unsubscribed")
	s.expectState(t, "harborline", phone, optout.OptedIn)
	s.expectState(t, "bakery", phone, optout.OptedOut)
	s.expectState(t, "default", phone, "")
}

// intercept lets a handler serve the requests of functions to Cloud Storage. Next is the
// stand-in.
func (s *stage) intercept(t *testing.T, serve func(w http.ResponseWriter, r *http.Request, next http.Handler)) {
	t.Helper()
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { serve(w, r, s.sim) }))
	t.Cleanup(web.Close)
	t.Cleanup(web.CloseClientConnections)
	s.env["RCSHOOK_STORAGE_ENDPOINT"] = web.URL
}

// storageMethod returns the kind of a request to Cloud Storage.
func storageMethod(r *http.Request) string {
	switch {
	case r.Method == http.MethodPost:
		return "write"
	case strings.HasSuffix(r.URL.Path, "/_key"):
		return "key"
	case strings.HasSuffix(r.URL.Path, "/o"):
		return "list"
	case r.URL.Query().Get("alt") == "media":
		return "content"
	}
	return "metadata"
}

// TestOptOut_foreign replaces one kind of response of Cloud Storage, or all, by those of
// other programs. A person who opted out gets no promotion, and no STOP with a 200 is lost.
func TestOptOut_foreign(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.openStore(t)
	const opted, subscriber = "+12025550101", "+12025550102"
	var subscribed string // object of the subscriber
	var current atomic.Pointer[struct {
		method string
		reply
		performed bool // the request is performed too
	}]
	var thief atomic.Int64
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		thief.Add(1)
		w.WriteHeader(http.StatusNotFound)
		io.WriteString(w, `{"error": {"code": 404, "message": "No such object", "errors": [{"reason": "notFound"}]}}`)
	}))
	defer elsewhere.Close()
	s.intercept(t, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		c := current.Load()
		if c == nil || c.method != "all" && c.method != storageMethod(r) {
			next.ServeHTTP(w, r)
			return
		}
		if c.performed {
			next.ServeHTTP(httptest.NewRecorder(), r)
		}
		switch {
		case c.body == "truncated":
			whole := httptest.NewRecorder()
			next.ServeHTTP(whole, r)
			half := whole.Body.String()[:whole.Body.Len()/2]
			w.Header().Set("Content-Length", fmt.Sprint(whole.Body.Len()))
			write(w, reply{whole.Code, half})
		case c.body == "previous":
			other := r.Clone(r.Context())
			other.Method, other.URL.Path, other.URL.RawPath = http.MethodGet, "/storage/v1/b/"+storeBucket+"/o/"+subscribed, ""
			other.URL.RawPath = "/storage/v1/b/" + storeBucket + "/o/" + strings.ReplaceAll(subscribed, "/", "%2F")
			q := other.URL.Query()
			q.Del("generation")
			other.URL.RawQuery = q.Encode()
			next.ServeHTTP(w, other)
		case c.status == 0:
			panic(http.ErrAbortHandler)
		case c.status/100 == 3:
			w.Header().Set("Location", elsewhere.URL+r.URL.RequestURI())
			fallthrough
		default:
			write(w, c.reply)
		}
	})
	f := s.newFleet(t, 1, withStore(t, "events: {}"))
	start := signal{phone: subscriber, word: "START", at: caseTime.Add(-time.Minute), id: "MxS"}
	f.tell(t, start).expect(t, "START", http.StatusOK, "received")
	for _, o := range s.sim.Storage.Objects(storeBucket) {
		if !strings.HasSuffix(o.Name, "/_key") {
			subscribed = o.Name
		}
	}
	stop, _ := stopped(opted, caseTime.Add(-time.Minute))
	f.tell(t, stop).expect(t, "STOP", http.StatusOK, "received")
	people := 0
	for _, name := range slices.Sorted(maps.Keys(foreignReplies)) {
		if foreignReplies[name].body == "slow" {
			continue // TestOptOut_hangs
		}
		for _, method := range []string{"key", "metadata", "content", "write", "list", "all"} {
			for _, performed := range []bool{false, true} {
				what := fmt.Sprintf("%s in place of %s, performed: %t", name, method, performed)
				s.clock.set(s.clock.now().Add(11 * time.Second)) // longer than a verified key is trusted
				current.Store(&struct {
					method string
					reply
					performed bool
				}{method, foreignReplies[name], performed})
				got := f.call(t, "dev", promotion(what, opted))
				if unavailable := got.Status == http.StatusServiceUnavailable && got.Code == "opt_out_unavailable"; !unavailable && got.Code != "recipient_opted_out" {
					t.Errorf("%s: promotion: %d %s", what, got.Status, got.Code)
				}
				if method == "metadata" || method == "all" {
					f.call(t, "dev", promotion(what, "+12025550105")).expect(t, what+": without a record", http.StatusServiceUnavailable, "opt_out_unavailable")
				}
				people++
				phone := fmt.Sprintf("+1202556%04d", people)
				stop, _ := stopped(phone, caseTime)
				got = f.tell(t, stop)
				if got.Status == http.StatusOK {
					s.expectState(t, "default", phone, optout.OptedOut)
				} else {
					got.expect(t, what+": STOP", http.StatusServiceUnavailable, "opt_out_unavailable")
					s.expectTexts(t, phone)
				}
				current.Store(nil)
				f.tell(t, stop).expect(t, what+": repeated STOP", http.StatusOK, "received")
				s.expectTexts(t, phone, goodbye)
				s.expectState(t, "default", phone, optout.OptedOut)
			}
		}
	}
	s.expectTexts(t, opted, goodbye)
	f.call(t, "dev", promotion("last", opted)).expect(t, "opted out", http.StatusUnprocessableEntity, "recipient_opted_out")
	f.call(t, "dev", promotion("last", subscriber)).expect(t, "subscriber", http.StatusOK, "accepted")
	f.call(t, "dev", promotion("last", "+12025550105")).expect(t, "without a record", http.StatusOK, "accepted")
	if n := thief.Load(); n != 0 {
		t.Errorf("%d redirects were followed", n)
	}
	f.checkPrivate(t)
}

// TestOptOut_hangs tests that a store that does not respond blocks promotions only. The
// one-time password arrives while the check of a promotion waits.
func TestOptOut_hangs(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.openStore(t)
	waits, delivered, gaveUp := make(chan struct{}), make(chan struct{}), make(chan struct{})
	var once, end sync.Once
	s.intercept(t, func(_ http.ResponseWriter, r *http.Request, _ http.Handler) {
		_, _ = io.Copy(io.Discard, r.Body) // otherwise the server does not notice a closed connection
		once.Do(func() { close(waits) })
		<-r.Context().Done()
		<-delivered
		end.Do(func() { close(gaveUp) })
	})
	f := s.newFleet(t, 1, withStore(t, "events: {}"))
	var result answer
	var promoted sync.WaitGroup
	promoted.Go(func() { result = f.call(t, "dev", promotion("1", "+12025550101")) })
	<-waits
	f.call(t, "dev", oneTime("+12025550101")).expect(t, "OTP", http.StatusOK, "accepted")
	f.call(t, "dev", strings.Replace(oneTime("+12025550102"), `"otp"`, `"transaction"`, 1)).expect(t, "transaction", http.StatusOK, "accepted")
	close(delivered)
	promoted.Wait()
	result.expect(t, "promotion", http.StatusServiceUnavailable, "opt_out_unavailable")
	<-gaveUp // the check ended, and not only its response
	stop, _ := stopped("+12025550101", caseTime.Add(-time.Minute))
	f.tell(t, stop).expect(t, "STOP", http.StatusServiceUnavailable, "opt_out_unavailable")
	s.expectTexts(t, "+12025550101", "Your code is 123456")
}
