package e2e

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/google"
	gcp "github.com/rcshook/rcshook/internal/google/platform"
	"github.com/rcshook/rcshook/internal/optout"
	"github.com/rcshook/rcshook/internal/source"
)

// signIn is a sign-in system with a recipe.
type signIn struct {
	name    string
	timeout time.Duration // of a request

	// event returns the event with a code. A sender without voice calls has no voice.
	event func(id, to, code, channel string) string
	voice string
	text  string

	// verdict returns how the sender understands a response: sent, retry, or error.
	verdict func(status int, retryAfter string, body map[string]any) string
}

var signIns = []signIn{
	{
		name: "supabase", timeout: 5 * time.Second,
		event: func(id, to, code, _ string) string {
			return fmt.Sprintf(`{"metadata": {"uuid": %q, "name": "send-sms"}, "user": {"phone": "12025550177"}, "sms": {"otp": %q, "phone": %q}}`, id, code, strings.TrimPrefix(to, "+"))
		},
		verdict: func(status int, retryAfter string, body map[string]any) string {
			failed, _ := body["error"].(map[string]any)
			message, _ := failed["message"].(string)
			switch {
			case status == http.StatusNoContent, (status == http.StatusOK || status == http.StatusAccepted) && body != nil && message == "":
				return "sent"
			case status == http.StatusOK && message != "":
				return "error"
			case (status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable) && retryAfter != "":
				return "retry"
			}
			return "general error"
		},
	},
	{
		name: "okta", timeout: 3 * time.Second, text: "SMS", voice: "VOICE CALL",
		event: func(id, to, code, channel string) string {
			return fmt.Sprintf(`{"eventId": %q, "data": {"messageProfile": {"phoneNumber": %q, "otpCode": %q, "deliveryChannel": %q}}}`, id, to, code, channel)
		},
		verdict: func(status int, _ string, body map[string]any) string {
			commands, _ := json.Marshal(body["commands"])
			failed, _ := body["error"].(map[string]any)
			summary, _ := failed["errorSummary"].(string)
			switch {
			case status == http.StatusOK && strings.Contains(string(commands), `"type":"com.okta.telephony.action","value":[{`) &&
				strings.Contains(string(commands), `"status":"SUCCESSFUL"`) && failed == nil:
				return "sent"
			case status == http.StatusOK && summary != "" && body["commands"] == nil:
				return "error"
			}
			return "invalid response"
		},
	},
	{
		name: "auth0", timeout: 20 * time.Second, text: "text", voice: "voice",
		event: func(_, to, code, channel string) string {
			return fmt.Sprintf(`{"recipient": %q, "code": %q, "as_text": "%[2]s is your code.", "delivery_method": %q}`, to, code, channel)
		},
		verdict: func(status int, _ string, body map[string]any) string { // that of the Action in the recipe
			switch {
			case status/100 == 2:
				return "sent"
			case body["retry"] == "never":
				return "error"
			}
			return "retry"
		},
	},
}

// otpWorld is a world with the rcshook.yaml of a recipe.
type otpWorld struct {
	*world
	signIn
	from *source.Source
	key  []byte // of the sender

	hang struct{ rbm, queue atomic.Bool }

	smsStatus atomic.Int32
	mu        sync.Mutex
	sms       []string // the bodies
}

func newOTPWorld(t *testing.T, s signIn, queue bool) *otpWorld {
	t.Helper()
	o := &otpWorld{signIn: s}
	o.smsStatus.Store(http.StatusCreated)
	unless := func(hang *atomic.Bool) func(http.Handler) http.Handler {
		return func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if hang.Load() && r.Method == http.MethodPost {
					readBody(r)
					<-r.Context().Done()
					return
				}
				next.ServeHTTP(w, r)
			})
		}
	}
	same := func(t http.RoundTripper) http.RoundTripper { return t }
	onlyMessages := func(next http.Handler) http.Handler {
		hanging := unless(&o.hang.rbm)(next)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/agentMessages") {
				hanging.ServeHTTP(w, r)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
	o.world = newWorld(t, chaosQueue, onlyMessages, unless(&o.hang.queue), same, same)
	o.net.host("sms").serve(t, worldSMS, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		o.mu.Lock()
		defer o.mu.Unlock()
		o.sms = append(o.sms, string(body))
		w.WriteHeader(int(o.smsStatus.Load()))
	}))
	o.net.host("crm").serve(t, worldCRM, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	o.configure(queue)
	o.start()
	o.connect()
	return o
}

// configure adds the source of the recipe to the file of the world, and a store of opt-outs.
func (o *otpWorld) configure(queue bool) {
	o.t.Helper()
	page, err := os.ReadFile("../../deploy/recipes/" + o.name + ".md")
	if err != nil {
		o.t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(page), "```yaml\n")
	text, _, _ = strings.Cut(text, "```\n")
	const provider = "https://api.twilio.com"
	if !strings.Contains(text, provider) || !strings.Contains(text, "      after: auto\n") {
		o.t.Fatalf("the recipe has no fallback in time:\n%s", text)
	}
	text = strings.NewReplacer("PROJECT", "example", provider, "http://"+worldSMS).Replace(text)
	if !queue {
		text = strings.Replace(text, "      after: auto\n", "", 1)
		o.environ = slices.DeleteFunc(o.environ, func(s string) bool { return strings.HasPrefix(s, "RCSHOOK_QUEUE=") })
	}
	parsed, err := config.ParseFile("rcshook.yaml", []byte(text))
	if err != nil {
		o.t.Fatal(err)
	}
	sources, err := source.Open(parsed.Sources, source.Options{})
	if err != nil {
		o.t.Fatal(err)
	}
	if o.from, err = sources.Find(o.name); err != nil {
		o.t.Fatal(err)
	}
	receiver, sender := o.from.NewKeys()
	o.key = sender
	for _, secret := range parsed.Secrets() {
		o.sim.Secrets.AddVersion(secret, []byte("user:password"))
	}
	o.sim.Secrets.AddVersion("projects/example/secrets/"+o.name+"-hook", receiver)
	for _, setting := range o.environ {
		if name, ok := strings.CutPrefix(setting, "RCSHOOK_CONFIG="); ok {
			file, err := os.OpenFile(name, os.O_APPEND|os.O_WRONLY, 0o600)
			if err == nil {
				_, err = file.WriteString(text)
				file.Close()
			}
			if err != nil {
				o.t.Fatal(err)
			}
		}
	}
	o.environ = append(o.environ, "RCSHOOK_OPT_OUT_STORE="+storeLocation, "RCSHOOK_OPT_OUT_KEY="+storeKey, "RCSHOOK_STORAGE_ENDPOINT=http://"+worldPlatform)
	o.sim.Storage.AddBucket(storeBucket)
	o.sim.Secrets.AddVersion(storeKey, []byte(stageKey))
	background := google.NewBackground()
	defer background.Close()
	store := optout.NewBucket(optout.BucketOptions{
		API: gcp.New(gcp.Options{
			Transport: o.net.host("operator").transport(o.t), Now: time.Now, Background: background, Log: slog.New(slog.DiscardHandler), Credentials: o.adc,
		}),
		Endpoint: "http://" + worldPlatform, Location: storeLocation, Now: time.Now,
		Key: func(context.Context) ([]byte, error) { return []byte(stageKey), nil }, RereadKey: func(context.Context) error { return nil },
	})
	if err := store.Init(o.t.Context(), "default"); err != nil {
		o.t.Fatal(err)
	}
}

// post posts an event, and returns how the sender understands the response.
func (o *otpWorld) post(event string) string {
	o.t.Helper()
	r := &source.Request{Method: http.MethodPost, Header: http.Header{"Content-Type": {"application/json"}}, Body: []byte(event)}
	if o.name == "supabase" {
		r.Header.Set("Webhook-Id", rand.Text()) // another one for each attempt
	}
	if err := o.from.Sign(r, o.key, time.Now()); err != nil {
		o.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(o.t.Context(), http.MethodPost, "http://"+worldFunction+"/hooks/"+o.name, bytes.NewReader(r.Body))
	if err != nil {
		o.t.Fatal(err)
	}
	req.Header = r.Header
	began := time.Now()
	res, err := o.caller.Do(req)
	if err != nil {
		o.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		o.t.Fatal(err)
	}
	if took := time.Since(began); took > o.timeout {
		o.t.Errorf("the response took %s, but the sender waits %s", took, o.timeout)
	}
	var body map[string]any
	if len(text) > 0 {
		if media := res.Header.Get("Content-Type"); !strings.HasSuffix(media, "json") {
			o.t.Errorf("content type %s, want JSON", media)
		}
		if err := json.Unmarshal(text, &body); err != nil {
			o.t.Fatalf("%v in %s", err, text)
		}
	}
	return o.verdict(res.StatusCode, res.Header.Get("Retry-After"), body)
}

// situation is what happens to one code.
type situation struct {
	name     string
	to       string
	voice    bool
	event    string // of Supabase; empty means the usual one
	arrange  func(*otpWorld)
	attempts int // 0 means one
	want     string
	unlike   map[string]string // what other senders want

	rcs int // the messages that RBM has and did not revoke, two minutes later
	sms int // requests to the provider of SMS

	late bool // the SMS goes out after a minute
}

// TestOTP posts codes as the sign-in systems of the recipes do, with the file of the recipe,
// and checks the response, which has to be in time, and the messages.
func TestOTP(t *testing.T) {
	t.Parallel()
	hangRBM, hangQueue := func(o *otpWorld) { o.hang.rbm.Store(true) }, func(o *otpWorld) { o.hang.queue.Store(true) }
	provider := func(status int32) func(*otpWorld) { return func(o *otpWorld) { o.smsStatus.Store(status) } }
	stop := func(o *otpWorld) { // in reply to an earlier code
		o.post(o.event("1c1d8f52-8a77-4d0b-a3b3-5a8f7c0e9d02", online, "234208", o.text))
		time.Sleep(time.Minute)
		if _, err := o.sim.UserSends(online, "STOP"); err != nil {
			o.t.Error(err)
		}
		time.Sleep(time.Minute)
		if o.logOf("unsubscribed") == "" {
			o.t.Error("the opt-out is not stored")
		}
	}
	const limited = "+12025550129"
	const older = `{"user": {"phone": "12025550123"}, "sms": {"otp": "481516"}}`
	const changing = `{"user": {"phone": "12025550123", "new_phone": "12025550177"}, "sms": {"otp": "481516"`
	oktaFails := map[string]string{"okta": "error"} // it never repeats a request
	for queue, situations := range map[string][]situation{
		"with a queue": {
			{name: "online", to: online, want: "sent", rcs: 1},
			{name: "offline", to: offline, want: "sent", sms: 1, late: true},
			{name: "without RCS", to: unreachable, want: "sent", sms: 1},
			{name: "rate limit", to: limited, want: "sent", sms: 1},
			{name: "opted out", to: online, arrange: stop, want: "sent", rcs: 1},
			{name: "invalid number", to: "+12", want: "error"},
			{name: "voice call", to: online, voice: true, want: "error"},
			{name: "again", to: online, attempts: 3, want: "sent", rcs: 1},
			{name: "again, offline", to: offline, attempts: 3, want: "sent", sms: 1, late: true},
			{name: "older version", to: online, event: older, attempts: 3, want: "sent", rcs: 1},
			{name: "older version, change of the number", event: changing + "}}", want: "error"},
			{name: "change of the number", to: "+12025550177", event: changing + `, "phone": "12025550177"}}`, want: "sent", rcs: 1},
			{name: "RBM does not respond", to: online, arrange: hangRBM, want: "sent", sms: 1},
			{name: "the queue does not respond", to: online, arrange: hangQueue, want: "retry", unlike: oktaFails},
		},
		"without a queue": {
			{name: "online", to: online, want: "sent", rcs: 1},
			{name: "offline", to: offline, want: "sent", rcs: 1},
			{name: "without RCS", to: unreachable, want: "sent", sms: 1},
			{name: "without RCS, and the provider rejects the SMS", to: unreachable, arrange: provider(http.StatusBadRequest), want: "error", sms: 1},
			{name: "without RCS, and the provider is down", to: unreachable, arrange: provider(http.StatusServiceUnavailable), want: "retry", unlike: oktaFails, sms: 1},
			{name: "rate limit", to: limited, want: "retry", unlike: oktaFails},
			{name: "opted out", to: online, arrange: stop, want: "sent", rcs: 1},
			{name: "invalid number", to: "+12", want: "error"},
			{name: "voice call", to: online, voice: true, want: "error"},
			{name: "again", to: online, attempts: 3, want: "sent", rcs: 1},
			{name: "RBM does not respond", to: online, arrange: hangRBM, want: "retry", unlike: oktaFails},
		},
	} {
		for _, s := range signIns {
			for _, situation := range situations {
				if situation.voice && s.voice == "" || situation.event != "" && s.name != "supabase" {
					continue
				}
				t.Run(s.name+"/"+queue+"/"+situation.name, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) { situation.run(newOTPWorld(t, s, queue == "with a queue")) })
				})
			}
		}
	}
}

func (s situation) run(o *otpWorld) {
	const code = "481516"
	if s.arrange != nil {
		s.arrange(o)
	}
	channel := o.text
	if s.voice {
		channel = o.voice
	}
	want := s.want
	if other := s.unlike[o.name]; other != "" {
		want = other
	}
	before := len(o.sim.Messages()) // a confirmation of STOP
	event := cmp.Or(s.event, o.event("0b9c7c1e-5a0f-4a59-9d0e-2f6f8f1f0a01", s.to, code, channel))
	for range max(s.attempts, 1) {
		if got := o.post(event); got != want {
			o.t.Errorf("the sender understands: %s, want %s", got, want)
		}
	}
	warned := false
	for line := range strings.Lines(o.logOf(`"code":"ignored"`)) {
		// A task of the queue ignores a message that was delivered.
		if strings.Contains(line, `"path":"/hooks/`) {
			if warned = strings.Contains(line, `"severity":"WARNING"`); !warned {
				o.t.Errorf("a code that is not sent is logged as %q, want a warning", line)
			}
		}
	}
	if s.voice && !warned {
		o.t.Error("a code that is not sent is not logged as a warning")
	}
	o.hang.queue.Store(false)
	if s.late {
		time.Sleep(59 * time.Second)
		o.mu.Lock()
		if len(o.sms) > 0 {
			o.t.Error("the SMS is early")
		}
		o.mu.Unlock()
	}
	time.Sleep(2 * time.Minute)
	rcs := 0
	for _, m := range o.sim.Messages()[before:] {
		if m.State != "revoked" {
			rcs++
			if m.To != s.to {
				o.t.Errorf("a message to %s, want %s", m.To, s.to)
			}
			if text := string(m.AgentMessage); !strings.Contains(text, code) || !strings.Contains(text, `"AUTHENTICATION"`) {
				o.t.Errorf("message %s, want the code as AUTHENTICATION", text)
			}
		}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if rcs != s.rcs || len(o.sms) != s.sms {
		o.t.Errorf("%d messages and %d SMS, want %d and %d", rcs, len(o.sms), s.rcs, s.sms)
	}
	for _, sms := range o.sms {
		if !strings.Contains(sms, code) || !strings.Contains(sms, "ValidityPeriod=600") {
			o.t.Errorf("SMS %s, want the code", sms)
		}
	}
	containsNone(o.t, "the log", o.log.String(), []string{code, numberMark})
}
