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
	"github.com/rcshook/rcshook/rbm/rbmtest"
)

var sequences = flag.Int("sequences", 120, "number of people in TestOptOut_order")

const stageAgent = "rcshook_demo_k3x9a1bc_agent"

// fleet is a function that runs in several instances behind one address. Its clock is
// that of the stage.
type fleet struct {
	*stage
	url       string
	instances []*function
	logs      []*logged
	turn      atomic.Int64
	store     *optout.Bucket
}

// newFleet starts a function with the settings of a stage, changed by override.
func (s *stage) newFleet(t *testing.T, instances int, override map[string]*string) *fleet {
	t.Helper()
	f := &fleet{stage: s, store: s.bucket(t, stageKey)}
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

// result is a response of a function.
type result struct {
	Status      int
	Code, Cause string
	Event, To   string
	EventType   string `json:"event_type"`
	Results     []result
}

func (f *fleet) post(t *testing.T, path string, header http.Header, body []byte) (a result) {
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
	a.Status = res.StatusCode
	return a
}

// call posts a payload as a caller.
func (f *fleet) call(t *testing.T, key, body string) result {
	t.Helper()
	return f.post(t, "/", http.Header{"Authorization": {"Bearer " + key}}, []byte(body))
}

// expect compares the status and the code of a response.
func (a result) expect(t *testing.T, what string, status int, code string) {
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
func (f *fleet) tell(t *testing.T, s signal) result {
	t.Helper()
	r := request{header: http.Header{}, body: s.data()}
	r.sealEvent("token")
	return f.post(t, "/events", r.header, r.body)
}

// again makes a request until its response is not 503 or 504: on a busy machine, the checks of
// many requests at once can take longer than they may.
func again(request func() result) result {
	for range 50 {
		got := request()
		if got.Status != http.StatusServiceUnavailable && got.Status != http.StatusGatewayTimeout && !slices.ContainsFunc(got.Results, func(r result) bool { return r.Code == "opt_out_unavailable" }) {
			return got
		}
	}
	return request()
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
		if m.To != phone {
			continue
		}
		var content rbm.AgentMessage
		if err := json.Unmarshal(m.AgentMessage, &content); err != nil {
			t.Fatal(err)
		}
		texts = append(texts, content.ContentMessage.Text)
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
func (f *fleet) expectState(t *testing.T, brand, phone string, want optout.State) *optout.Record {
	t.Helper()
	found, err := f.store.Find(t.Context(), brand, phone)
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
		for _, private := range []string{"2025550", "Half price", "Your code", stageKey} {
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
						again(func() result { return f.tell(t, s) }).expect(t, "signal", http.StatusOK, "received")
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
				r := f.expectState(t, "default", phone, optout.OptedOut)
				if r != nil && (!r.At.Equal(at.Add(360*time.Millisecond)) || r.Since.Before(at) || r.Since.After(r.At)) {
					t.Errorf("the record of %s is from %v to %v", phone, r.Since, r.At)
				}
				all.Go(func() {
					again(func() result { return f.call(t, "dev", promotion("direct", phone)) }).expect(t, "direct", http.StatusUnprocessableEntity, "recipient_opted_out")
				})
				all.Go(func() {
					hook := fmt.Sprintf(`{"phone": %q}`, phone)
					again(func() result {
						return f.post(t, "/hooks/shop", http.Header{"Authorization": {"Bearer s3cret"}}, []byte(hook))
					}).expect(t, "hook", http.StatusOK, "recipient_opted_out")
				})
				all.Go(func() {
					reply := signal{phone: phone, word: "Any offers?", at: caseTime, id: "MxR" + phone}
					again(func() result { return f.tell(t, reply) }).expect(t, "reply", http.StatusOK, "received")
				})
				all.Go(func() { f.call(t, "dev", oneTime(phone)).expect(t, "OTP", http.StatusOK, "accepted") })
			}
			all.Wait()
			several := promotion("several", append(people, "+12025550123")...)
			results := again(func() result { return f.call(t, "dev", several) }).Results
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
	f.expectState(t, "default", phone, optout.OptedOut)
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
				got := again(func() result { return f.tell(t, sent) })
				if got.expect(t, fmt.Sprintf("sequence %d, signal %d", i, n), http.StatusOK, want); want == "ignored" && got.Cause != "superseded" {
					t.Errorf("sequence %d: ignored because of %q", i, got.Cause)
				}
			}
			want := map[bool]optout.State{true: optout.OptedOut, false: optout.OptedIn}[newest.stop]
			if r := f.expectState(t, "default", phone, want); r != nil && !r.At.Equal(newest.at) {
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

	if n, err := f.store.Rekey(t.Context(), []byte(stageKey), []byte(newKey), 0); n != 1 || err != nil {
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

// TestOptOut_noKey has a store whose key cannot be read.
func TestOptOut_noKey(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.sim.Storage.AddBucket(storeBucket)
	f := s.newFleet(t, 1, withStore(t, "events: {}"))
	const phone = "+12025550101"
	text, _ := stopped(phone, caseTime.Add(-time.Minute))
	f.tell(t, text).expect(t, "STOP", http.StatusServiceUnavailable, "opt_out_unavailable")
	f.call(t, "dev", promotion("1", phone)).expect(t, "promotion", http.StatusServiceUnavailable, "opt_out_unavailable")
	f.call(t, "dev", oneTime(phone)).expect(t, "OTP", http.StatusOK, "accepted")
	if log := f.logs[0].String(); !strings.Contains(log, `"cause":"opt-outs in `+storeLocation+`: key: `+storeKey+`/versions/latest: not found`) {
		t.Errorf("the cause is not in the log:\n%s", log)
	}
	f.checkPrivate(t)
}

// TestOptOut_sameAgent has two names of an agent in two brands: an event counts for both.
func TestOptOut_sameAgent(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.openStore(t)
	f := s.newFleet(t, 1, withStore(t, fmt.Sprintf("agents: {news: {id: %s, credentials: %s}}\nbrands: {harborline: {agents: [news]}}\n", stageAgent, s.env["RCSHOOK_CREDENTIALS"])))
	const phone = "+12025550101"
	asNews := strings.Replace(promotion("1", phone), "{", `{"agent": "news", `, 1)
	stop, menu := stopped(phone, caseTime.Add(-time.Minute))
	f.tell(t, stop).expect(t, "STOP", http.StatusOK, "received")
	f.tell(t, menu).expect(t, "menu", http.StatusOK, "received")
	for _, payload := range []string{promotion("1", phone), asNews} {
		f.call(t, "dev", payload).expect(t, payload, http.StatusUnprocessableEntity, "recipient_opted_out")
	}
	start := signal{phone: phone, word: "START", id: "MxT2", at: caseTime.Add(-time.Second)}
	f.tell(t, start).expect(t, "START", http.StatusOK, "received")
	f.call(t, "dev", asNews).expect(t, asNews, http.StatusOK, "accepted")
	s.expectTexts(t, phone, goodbye, welcomeBack, "Half price today")
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
	f.expectState(t, "harborline", phone, optout.OptedIn)
	f.expectState(t, "bakery", phone, optout.OptedOut)
	f.expectState(t, "default", phone, "")
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
		for _, method := range []string{"key", "metadata", "content", "write", "all"} {
			for _, performed := range map[bool][]bool{false: {false}, true: {false, true}}[method == "write" || method == "all"] {
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
					f.expectState(t, "default", phone, optout.OptedOut)
				} else {
					got.expect(t, what+": STOP", http.StatusServiceUnavailable, "opt_out_unavailable")
					s.expectTexts(t, phone)
				}
				current.Store(nil)
				f.tell(t, stop).expect(t, what+": repeated STOP", http.StatusOK, "received")
				s.expectTexts(t, phone, goodbye)
				f.expectState(t, "default", phone, optout.OptedOut)
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
	s.optOutTimeout = optout.CheckTimeout
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
	settings := withStore(t, "events: {}")
	settings["RCSHOOK_TIMEOUT"] = pointer("2s")
	f := s.newFleet(t, 1, settings)
	var promoted result
	var sending sync.WaitGroup
	sending.Go(func() { promoted = f.call(t, "dev", promotion("1", "+12025550101")) })
	<-waits
	f.call(t, "dev", oneTime("+12025550101")).expect(t, "OTP", http.StatusOK, "accepted")
	f.call(t, "dev", strings.Replace(oneTime("+12025550102"), `"otp"`, `"transaction"`, 1)).expect(t, "transaction", http.StatusOK, "accepted")
	close(delivered)
	sending.Wait()
	promoted.expect(t, "promotion", http.StatusServiceUnavailable, "opt_out_unavailable")
	<-gaveUp // the check ended, and not only its response
	stop, _ := stopped("+12025550101", caseTime.Add(-time.Minute))
	f.tell(t, stop).expect(t, "STOP", http.StatusServiceUnavailable, "opt_out_unavailable")
	s.expectTexts(t, "+12025550101", "Your code is 123456")
}

// TestOptOut_queue tests a message in the queue whose recipient opts out before it is due.
// The store is unavailable at first, so the task is repeated.
func TestOptOut_queue(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, at string }{{"at once", ""}, {"scheduled", `, "schedule_at": "2026-12-01T10:00:00Z"`}} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			s.openStore(t)
			in, url := newInbox(t)
			settings := withStore(t, fmt.Sprintf("agents: {other: {id: %s, credentials: %s, fallback: {url: %q, secret: %s}}}\nevents: {crm: {url: %q, secret: %s}}\n",
				stageAgent, s.env["RCSHOOK_CREDENTIALS"], s.fallback.url, standardSecret, url+"/crm", standardSecret))
			settings["RCSHOOK_QUEUE"] = pointer(stageQueue)
			f := s.newFleet(t, 2, settings)
			const opted, other = "+12025550104", "+12025550102" // RCS cannot reach the first one
			s.api(t, "/v2/"+stageQueue+":pause")
			for _, to := range []string{opted, other} {
				body := strings.Replace(promotion("1", to), "{", `{"agent": "other", `, 1)
				f.call(t, "dev", strings.Replace(body, "}", test.at+"}", 1)).expect(t, "promotion", http.StatusOK, "queued")
			}
			// Not by a message to it, because RCS does not reach it.
			record := optout.Record{Brand: "default", Phone: opted, State: optout.OptedOut, At: caseTime, Via: "operator"}
			if _, err := f.store.Apply(t.Context(), record); err != nil {
				t.Fatal(err)
			}
			s.clock.set(caseTime.Add(time.Hour))
			s.sim.Storage.Fail(http.StatusServiceUnavailable, 6)
			s.api(t, "/v2/"+stageQueue+":resume")
			for _, task := range s.tasks.Waiting() {
				if test.at != "" {
					s.api(t, "/v2/"+task+":run")
				}
			}
			if err := s.tasks.Settle(t.Context()); err != nil {
				t.Fatal(err)
			}
			repeated := 0
			for _, task := range s.tasks.Ended() {
				statuses := task.Statuses
				for _, status := range statuses[:len(statuses)-1] {
					if repeated++; status != http.StatusInternalServerError {
						t.Errorf("a task was repeated after %d, want 500", status)
					}
				}
				if last := statuses[len(statuses)-1]; last != http.StatusOK {
					t.Errorf("the last response to a task is %d, want 200", last)
				}
			}
			if n := len(s.tasks.Ended()); n != 3 || repeated == 0 { // one delivers the event
				t.Errorf("%d tasks, repeated %d times", n, repeated)
			}
			s.expectTexts(t, opted)
			s.expectTexts(t, other, "Half price today")
			got := in.about("/crm", opted)
			if len(got) != 1 || got[0].Type != "failed" || got[0].Reason != "recipient_opted_out" {
				t.Errorf("events: %+v, want one of the type failed", got)
			}
			if got := s.fallback.received(t); got != "" {
				t.Errorf("the fallback got %s", got)
			}
			f.checkPrivate(t)
		})
	}
}

// TestOptOut_fallback tests that the fallback gets no message for a person who opted out,
// and that it gets those of other types.
func TestOptOut_fallback(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.openStore(t)
	f := s.newFleet(t, 1, withStore(t, fmt.Sprintf("agents: {other: {id: %s, credentials: %s, fallback: {url: %q, secret: %s}}}\n",
		stageAgent, s.env["RCSHOOK_CREDENTIALS"], s.fallback.url, standardSecret)))
	const phone = "+12025550104" // RCS cannot reach it
	send := func(body string) result {
		return f.call(t, "dev", strings.Replace(body, "{", `{"agent": "other", `, 1))
	}
	record := optout.Record{Brand: "default", Phone: phone, State: optout.OptedOut, At: caseTime, Via: "operator"}
	if _, err := f.store.Apply(t.Context(), record); err != nil {
		t.Fatal(err)
	}
	send(promotion("1", phone)).expect(t, "promotion", http.StatusUnprocessableEntity, "recipient_opted_out")
	s.sim.Storage.Fail(http.StatusServiceUnavailable, -1)
	send(promotion("1", phone)).expect(t, "store unavailable", http.StatusServiceUnavailable, "opt_out_unavailable")
	if got := s.fallback.received(t); got != "" {
		t.Errorf("the fallback got %s", got)
	}
	send(oneTime(phone)).expect(t, "OTP", http.StatusOK, "fallback")
}

// TestOptOut_lookup asks a target about every person. Anything but a clear response that
// the person did not opt out blocks the message.
func TestOptOut_lookup(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		reply
		code string
	}{
		{"opted out", reply{200, `{"opted_out": true}`}, "recipient_opted_out"},
		{"not opted out", reply{200, `{"opted_out": false, "since": null}`}, "accepted"},
		{"created", reply{201, `{"opted_out": false}`}, "accepted"},
		{"text", reply{200, `{"opted_out": "false"}`}, "opt_out_unavailable"},
		{"number", reply{200, `{"opted_out": 0}`}, "opt_out_unavailable"},
		{"null", reply{200, `{"opted_out": null}`}, "opt_out_unavailable"},
		{"list", reply{200, `[{"opted_out": false}]`}, "opt_out_unavailable"},
		{"two values", reply{200, `{"opted_out": false} {"opted_out": true}`}, "opt_out_unavailable"},
		{"truncated", reply{0, `truncated`}, "opt_out_unavailable"},
		{"slow", reply{0, `slow`}, "opt_out_unavailable"},
		{"error with the response", reply{500, `{"opted_out": false}`}, "opt_out_unavailable"},
		{"missing with the response", reply{404, `{"opted_out": false}`}, "opt_out_unavailable"},
		{"redirect with the response", reply{302, `{"opted_out": false}`}, "opt_out_unavailable"},
		{"empty object", foreignReplies["empty object"], "opt_out_unavailable"},
		{"error with 200", foreignReplies["error with 200"], "opt_out_unavailable"},
		{"page", foreignReplies["page with 200"], "opt_out_unavailable"},
		{"nothing", foreignReplies["nothing with 200"], "opt_out_unavailable"},
		{"no content", foreignReplies["no content"], "opt_out_unavailable"},
		{"broken connection", foreignReplies["broken connection"], "opt_out_unavailable"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			const phone = "+12025550101"
			var elsewhere atomic.Int64
			store := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, err := io.ReadAll(r.Body)
				if err == nil {
					err = verifyStandard(r.Header, body)
				}
				var question map[string]string
				if err == nil {
					err = json.Unmarshal(body, &question)
				}
				if diff := cmp.Diff(map[string]string{"phone": phone, "brand": "default"}, question); err != nil || diff != "" {
					t.Errorf("question: %v (-want +got):\n%s", err, diff)
				}
				switch {
				case r.URL.Path != "/":
					elsewhere.Add(1)
				case test.body == "slow":
					<-r.Context().Done()
				case test.body == "truncated":
					w.Header().Set("Content-Length", "100")
					write(w, reply{200, `{"opted_out": false}`})
				case test.status == 0:
					panic(http.ErrAbortHandler)
				default:
					w.Header().Set("Location", "/elsewhere")
					write(w, test.reply)
				}
			}))
			defer store.Close()
			s := newStage(t)
			if test.body == "slow" {
				s.optOutTimeout = optout.CheckTimeout
			}
			f := s.newFleet(t, 1, targetsFile(t, fmt.Sprintf("opt_out: {store: {url: %q, secret: %s}}", store.URL+"/", standardSecret)))
			status := map[string]int{"accepted": 200, "recipient_opted_out": 422, "opt_out_unavailable": 503}[test.code]
			f.call(t, "dev", promotion("1", phone)).expect(t, "promotion", status, test.code)
			f.call(t, "dev", oneTime("+12025550102")).expect(t, "OTP", http.StatusOK, "accepted")
			s.expectTexts(t, phone, map[string][]string{"accepted": {"Half price today"}}[test.code]...)
			if elsewhere.Load() != 0 {
				t.Error("a redirect was followed")
			}
			if test.code == "opt_out_unavailable" && !strings.Contains(f.logs[0].String(), `"cause":"opt-outs: `) {
				t.Errorf("the log does not name the cause:\n%s", f.logs[0])
			}
			f.checkPrivate(t)
		})
	}
}

// TestOptOut_targetAway tests that a failure of a target delays the confirmation only if
// the target has to tell a store of the operator's own.
func TestOptOut_targetAway(t *testing.T) {
	t.Parallel()
	for _, ownStore := range []bool{false, true} {
		s := newStage(t)
		s.openStore(t)
		var recovered atomic.Bool
		crm := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if !recovered.Load() {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
		}))
		defer crm.Close()
		file := fmt.Sprintf("events: {crm: {url: %q, secret: %s}}\n", crm.URL, standardSecret)
		settings := withStore(t, file)
		var early []string
		if ownStore {
			settings = targetsFile(t, file+fmt.Sprintf("opt_out: {store: {url: %q, secret: %s}}", crm.URL, standardSecret))
		} else {
			early = []string{goodbye}
		}
		f := s.newFleet(t, 1, settings)
		const phone = "+12025550101"
		stop, _ := stopped(phone, caseTime.Add(-time.Minute))
		f.tell(t, stop).expect(t, "target away", http.StatusServiceUnavailable, "target_unavailable")
		s.expectTexts(t, phone, early...)
		recovered.Store(true)
		f.tell(t, stop).expect(t, "repeated", http.StatusOK, "received")
		s.expectTexts(t, phone, goodbye)
	}
}

// TestOptOut_withoutStore tests the reply of an operator without a store: one for each
// change, on one instance, in all orders and with repetitions.
func TestOptOut_withoutStore(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	in, url := newInbox(t)
	f := s.newFleet(t, 1, targetsFile(t, fmt.Sprintf("opt_out: {reply: Bye., welcome_back: Hello again.}\nevents: {crm: {url: %q, secret: %s}}\n", url+"/crm", standardSecret)))
	at := caseTime.Add(-time.Minute).Add(-200 * time.Millisecond) // the two signals of a tap are in two minutes
	var all sync.WaitGroup
	var people []string
	for i := range 25 {
		phone := fmt.Sprintf("+12025550%d", 200+i)
		people = append(people, phone)
		text, menu := stopped(phone, at)
		for _, s := range []signal{text, menu, text, menu} {
			all.Go(func() {
				again(func() result { return f.tell(t, s) }).expect(t, "signal", http.StatusOK, "received")
			})
		}
	}
	all.Wait()
	for _, phone := range people {
		s.expectTexts(t, phone, "Bye.")
		in.expectTypes("/crm", phone, "unsubscribed")
		f.call(t, "dev", promotion("1", phone)).expect(t, "promotion", http.StatusOK, "accepted")
	}
	const phone = "+12025550101"
	var sent []signal
	for i, stop := range []bool{true, false, true} {
		text, menu := stopped(phone, at.Add(time.Duration(i)*15*time.Second))
		if !stop {
			text.word, text.stop, menu.stop = "START", false, false
		}
		sent = append(sent, text, menu)
		for _, s := range []signal{text, menu, menu, text} {
			f.tell(t, s).expect(t, "signal", http.StatusOK, "received")
		}
	}
	for _, s := range slices.Concat(sent, sent) {
		want := map[bool]string{true: "received", false: "ignored"}[s.stop]
		f.tell(t, s).expect(t, "late repetition", http.StatusOK, want)
	}
	s.expectTexts(t, phone, "Bye.", "Hello again.", "Bye.")
	in.expectTypes("/crm", phone, "unsubscribed", "subscribed", "unsubscribed")
}

// TestOptOut_confirmation tests confirmations that RBM does not take at once, or ever. The
// state is stored in every case.
func TestOptOut_confirmation(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.openStore(t)
	in, url := newInbox(t)
	// Neither the countries of the agent nor its rate, which is used up, stop a confirmation.
	settings := withStore(t, fmt.Sprintf("agents: {default: {id: %s, credentials: %s, countries: [US, DE], messages_per_second: 0.0003}}\nevents: {crm: {url: %q, secret: %s}}\n",
		stageAgent, s.env["RCSHOOK_CREDENTIALS"], url+"/crm", standardSecret))
	settings["RCSHOOK_AGENT_ID"], settings["RCSHOOK_CREDENTIALS"] = nil, nil
	f := s.newFleet(t, 1, settings)
	f.call(t, "dev", oneTime("+12025550102")).expect(t, "OTP", http.StatusOK, "accepted")
	f.call(t, "dev", oneTime("+12025550105")).expect(t, "OTP beyond the rate", http.StatusTooManyRequests, "rate_limited")
	at := caseTime.Add(-time.Minute)
	for _, phone := range []string{"+12025550101", "+441632960123", "+88212345678"} { // another country, and one without a plan
		text, menu := stopped(phone, at)
		s.sim.Fail(rbmtest.Failure{Status: http.StatusServiceUnavailable, Method: "phones.agentMessages.create"})
		for range 2 {
			f.tell(t, text).expect(t, phone+": RBM unavailable", http.StatusServiceUnavailable, "upstream_unavailable")
			f.tell(t, menu).expect(t, phone+": RBM unavailable", http.StatusServiceUnavailable, "upstream_unavailable")
		}
		f.expectState(t, "default", phone, optout.OptedOut)
		in.expectTypes("/crm", phone, "unsubscribed")
		s.sim.ClearFailures()
		for _, sent := range []signal{text, menu, text} {
			f.tell(t, sent).expect(t, phone+": repeated", http.StatusOK, "received")
		}
		s.expectTexts(t, phone, goodbye)
		in.expectTypes("/crm", phone, "unsubscribed")
	}
	const unreachable = "+12025550104"
	if log := f.logs[0].String(); strings.Contains(log, `"severity":"ERROR"`) {
		t.Errorf("an error in the log:\n%s", log)
	}
	text, _ := stopped(unreachable, at)
	f.tell(t, text).expect(t, "rejected", http.StatusOK, "received")
	if n := strings.Count(f.logs[0].String(), `"severity":"ERROR"`); n != 1 {
		t.Errorf("%d errors in the log, want one:\n%s", n, f.logs[0])
	}
	f.expectState(t, "default", unreachable, optout.OptedOut)
	in.expectTypes("/crm", unreachable, "unsubscribed")
	f.checkPrivate(t)
}

// TestOptOut_callers tests that callers without permission to send learn of no opt-out, and
// that a dry run does not ask the store.
func TestOptOut_callers(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.openStore(t)
	var requests atomic.Int64
	s.intercept(t, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		requests.Add(1)
		next.ServeHTTP(w, r)
	})
	f := s.newFleet(t, 1, withStore(t, "callers:\n  rehearse: {key: key-of-the-caller-1, dry_run: true}\n  look: {key: key-of-the-caller-2, read: true}\n  all: {key: key-of-the-caller-3}\n"))
	const opted, other = "+12025550101", "+12025550102"
	text, _ := stopped(opted, caseTime.Add(-time.Minute))
	f.tell(t, text).expect(t, "STOP", http.StatusOK, "received")
	requests.Store(0)
	for _, key := range []string{"key-of-the-caller-1", "key-of-the-caller-2", "key-of-the-caller-3", "dev"} {
		for _, body := range []string{promotion("1", opted), strings.Replace(promotion("1", opted), "{", `{"dry_run": true, `, 1)} {
			if strings.HasPrefix(body, `{"to"`) && (key == "key-of-the-caller-3" || key == "dev") {
				continue // may send
			}
			got, same := f.call(t, key, body), f.call(t, key, strings.Replace(body, opted, other, 1))
			if got.Code == "recipient_opted_out" || got.Code != same.Code || got.Status != same.Status {
				t.Errorf("%s: %d %s for a person who opted out, %d %s for another", key, got.Status, got.Code, same.Status, same.Code)
			}
		}
	}
	if n := requests.Load(); n != 0 {
		t.Errorf("%d requests to the store, want none", n)
	}
	f.call(t, "key-of-the-caller-3", promotion("2", other)).expect(t, "promotion", http.StatusOK, "accepted")
	if n := requests.Load(); n != 1 {
		t.Errorf("%d requests to the store for a person without a record, want one", n)
	}
	f.call(t, "key-of-the-caller-3", promotion("2", opted)).expect(t, "promotion", http.StatusUnprocessableEntity, "recipient_opted_out")
	f.call(t, "key-of-the-caller-3", oneTime(opted)).expect(t, "OTP", http.StatusOK, "accepted")
	if n := requests.Load(); n != 3 {
		t.Errorf("%d requests to the store, want two more for a record, and none for an OTP", n)
	}
	f.checkPrivate(t)
}

// TestOptOut_numbers tests numbers in events that are not in the form of those of messages,
// or that this program does not know. RBM must not repeat such an event forever.
func TestOptOut_numbers(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.openStore(t)
	in, url := newInbox(t)
	f := s.newFleet(t, 1, withStore(t, fmt.Sprintf("events: {crm: {url: %q, secret: %s}}", url+"/crm", standardSecret)))
	for _, test := range []struct {
		event, phone string
		texts        []string
		errors       int
		eventType    string
	}{
		{"12025550101", "+12025550101", []string{goodbye}, 0, "unsubscribed"},
		{"tel:+1-202-555-0102", "+12025550102", []string{goodbye}, 0, "unsubscribed"},
		{"+19005550123", "+19005550123", []string{goodbye}, 0, "unsubscribed"}, // messages need a setting
		{"+99912345678", "+99912345678", nil, 2, "unsubscribed"},               // for both signals
		{"", "", nil, 0, "reply"},
	} {
		before := strings.Count(f.logs[0].String(), `"severity":"ERROR"`)
		text, menu := stopped(test.event, caseTime.Add(-time.Minute))
		f.tell(t, text).expect(t, test.event, http.StatusOK, "received")
		f.tell(t, menu).expect(t, test.event, http.StatusOK, "received")
		s.expectTexts(t, test.phone, test.texts...)
		if n := strings.Count(f.logs[0].String(), `"severity":"ERROR"`) - before; n != test.errors {
			t.Errorf("%s: %d errors in the log, want %d:\n%s", test.event, n, test.errors, f.logs[0])
		}
		if got := in.about("/crm", test.event); len(got) == 0 || got[0].Type != test.eventType {
			t.Errorf("%s: events %+v, want %s", test.event, got, test.eventType)
		}
		if test.phone != "" {
			f.expectState(t, "default", test.phone, optout.OptedOut)
		}
	}
	f.call(t, "dev", promotion("1", "+12025550101")).expect(t, "promotion", http.StatusUnprocessableEntity, "recipient_opted_out")
	f.checkPrivate(t)
	if log := f.logs[0].String(); strings.Contains(log, "99912345678") {
		t.Errorf("the log contains a number:\n%s", log)
	}
}
