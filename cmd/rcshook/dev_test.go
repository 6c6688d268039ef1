package main

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	official "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/googletest"
	"github.com/rcshook/rcshook/internal/source"
)

func TestRemoveStale(t *testing.T) {
	t.Parallel()
	parent, now := t.TempDir(), time.Now()
	for name, age := range map[string]time.Duration{"rcshook-dev-old": 25 * time.Hour, "rcshook-dev-new": time.Hour, "other-dev-old": 25 * time.Hour} {
		folder := filepath.Join(parent, name)
		if err := os.Mkdir(folder, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(folder, now, now.Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	removeStale(parent, now.Add(-24*time.Hour))
	left, err := filepath.Glob(filepath.Join(parent, "*"))
	if err != nil || len(left) != 2 || filepath.Base(left[0]) != "other-dev-old" || filepath.Base(left[1]) != "rcshook-dev-new" {
		t.Errorf("left %q, %v", left, err)
	}
}

// TestDev_events runs dev -events: the target gets what becomes of a message, and what the
// user does, flat and signed.
func TestDev_events(t *testing.T) {
	t.Parallel()
	type request struct {
		header http.Header
		body   []byte
	}
	got := make(chan request, 100)
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		got <- request{r.Header, body}
	}))
	defer target.Close()
	d := startDev(t, "-events", target.URL+"/in")
	if !strings.HasPrefix(d.printed.String(), "rcshook is running on this machine.") {
		t.Errorf("dev printed\n%s\nwant the greeting before the log", d.printed)
	}
	verifier, err := official.NewWebhook(regexp.MustCompile(`whsec_\S+`).FindString(d.printed.String()))
	if err != nil {
		t.Fatal(err)
	}
	next := func(want map[string]any) (e map[string]any) {
		t.Helper()
		var r request
		select {
		case r = <-got:
		case <-d.ended:
			t.Fatalf("dev has ended before the event %v:\n%s", want, d.printed)
		}
		if err := verifier.Verify(r.body, r.header); err != nil {
			t.Errorf("the signature is invalid: %v", err)
		}
		if err := json.Unmarshal(r.body, &e); err != nil {
			t.Fatal(err)
		}
		if len(e) < 30 || e["id"] != r.header.Get("Webhook-Id") || e["phone"] != "+12025550123" || e["agent"] != "default" {
			t.Errorf("event = %s, want all keys, with its ID, the user and the agent", r.body)
		}
		for key, value := range want {
			if e[key] != value {
				t.Errorf("%s = %v, want %v, in %s", key, e[key], value, r.body)
			}
		}
		return e
	}
	id := d.send(`"text": "Thursday, 3 pm?", "buttons": ["Confirm|=CONFIRM"]`)
	next(map[string]any{"type": "delivered", "status": "delivered", "message_id": id})
	d.user(`"action": "read"`)
	next(map[string]any{"type": "read", "status": "read", "message_id": id})
	d.user(`"action": "tap", "suggestion": "Confirm", "message_id": "` + id + `"`)
	next(map[string]any{"type": "button", "text": "Confirm", "postback": "CONFIRM", "button_type": "reply"})
	d.user(`"action": "location", "location": {"latitude": 47.5, "longitude": -122.25}`)
	next(map[string]any{"type": "location", "latitude": 47.5, "longitude": -122.25})
	d.user(`"action": "file", "file": {"mime_type": "image/jpeg", "name": "pier.jpg", "uri": "https://storage.googleapis.com/rbm/pier.jpg", "bytes": 5}`)
	next(map[string]any{"type": "file", "file_name": "pier.jpg", "file_size": 5.0})
	d.user(`"action": "typing"`) // which this target does not want

	// The text START and the event SUBSCRIBE are one event, with one confirmation.
	d.user(`"action": "subscribe"`)
	next(map[string]any{"type": "subscribed", "keyword": "START", "via": "text"})
	delivered := next(map[string]any{"type": "delivered"})
	if messages := d.messages(); len(messages) != 2 || messages[0].MessageID != id || messages[1].MessageID != delivered["message_id"] {
		t.Fatalf("messages = %+v, want the first one and a confirmation", messages)
	}
	d.user(`"action": "text", "text": "Thanks"`)
	next(map[string]any{"type": "reply", "text": "Thanks"})
	d.stop()
}

// TestDev_optOuts runs dev with a file that has stores of opt-outs, in the environment of a
// deployment: the stores are in memory, and their records survive a change of the file.
func TestDev_optOuts(t *testing.T) {
	for _, name := range []string{"OPT_OUT_STORE", "OPT_OUT_KEY", "STORAGE_ENDPOINT", "QUEUE", "EVENTS_URL", "OIDC_EMAILS"} {
		t.Setenv("RCSHOOK_"+name, "not for dev")
	}
	const (
		care = `
agents:
  care: {id: projects/p/secrets/care-agent-id, credentials: projects/p/secrets/care-key}
  news: {id: projects/p/secrets/news-agent-id, credentials: projects/p/secrets/news-key}
brands:
  harborline:
    agents: [care]
    opt_out: {store: gs://harborline/opt-outs, key: projects/p/secrets/key/versions/2}
  other:
    agents: [news]
    opt_out: {store: {url: "https://crm.example.com/opted-out", secret: projects/p/secrets/crm}}
`
		top = care + `
opt_out: {store: gs://harborline, key: projects/p/secrets/other-key, reply: "Goodbye"}
`
	)
	file := filepath.Join(t.TempDir(), "rcshook.yaml")
	write := func(content string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(care)
	d := startDev(t, "-config", file)
	const lookup = `brands.other.opt_out.store   gets the response {"opted_out": false} from dev`
	if !strings.Contains(d.printed.String(), lookup) {
		t.Errorf("dev printed\n%s\nwant %s", d.printed, lookup)
	}
	promotion := func(agent, want string) {
		t.Helper()
		if got := d.post(`"text": "Sale", "traffic": "promotion", "agent": "` + agent + `"`); got.Code != want {
			t.Errorf("a promotion of %s: %s, want %s", agent, got.Code, want)
		}
	}
	// leave writes to the user, who unsubscribes.
	leave := func(agent string) {
		t.Helper()
		before := len(d.messages())
		promotion(agent, "accepted")
		d.user(`"action": "unsubscribe", "text_only": true`) // one signal: another could arrive after the reset
		for len(d.messages()) < before+2 {                   // until the confirmation
			d.pause()
		}
	}
	leave("default")
	promotion("default", "recipient_opted_out")
	leave("care")
	promotion("care", "recipient_opted_out")
	leave("news")
	promotion("news", "accepted") // dev does not know the records of the lookup
	if got := d.post(`"text": "1234", "traffic": "authentication", "agent": "care"`); got.Code != "accepted" {
		t.Errorf("a one-time password: %s, want accepted", got.Code)
	}

	write(top)
	for !strings.Contains(d.printed.String(), "the new version is in use") {
		d.pause()
	}
	promotion("care", "recipient_opted_out")
	leave("default") // now in the store of the file
	promotion("default", "recipient_opted_out")
	if list := d.messages(); !slices.ContainsFunc(list, func(m devMessage) bool { return strings.Contains(string(m.Content), "Goodbye") }) {
		t.Error("the confirmation is not that of the file")
	}

	// Clearing the phone clears the opt-outs too.
	d.request(d.simURL+"_sim/reset", `{}`, nil)
	promotion("care", "accepted")
	promotion("default", "accepted")
	d.stop()
}

// devRun is a running dev.
type devRun struct {
	*testing.T
	url, simURL string
	printed     *syncBuffer
	stop        func() // ends dev, and fails the test after an error of dev
	ended       chan struct{}
}

// devMessage is a message on a phone.
type devMessage struct {
	MessageID string          `json:"message_id"`
	Content   json.RawMessage `json:"agent_message"`
}

// startDev runs dev with delay 0 until stop. It returns when dev has printed its greeting.
func startDev(t *testing.T, args ...string) *devRun {
	t.Helper()
	port, simPort := googletest.FreePort(), googletest.FreePort()
	d := &devRun{
		T: t, url: "http://127.0.0.1:" + port + "/", simURL: "http://127.0.0.1:" + simPort + "/",
		printed: new(syncBuffer), ended: make(chan struct{}),
	}
	ctx, cancel := context.WithCancel(t.Context())
	var failed error
	go func() {
		defer close(d.ended)
		failed = dev(ctx, append([]string{"-port", port, "-sim-port", simPort, "-delay", "0"}, args...), stdio{out: d.printed, err: d.printed})
	}()
	d.stop = func() {
		t.Helper()
		cancel()
		if <-d.ended; failed != nil {
			t.Errorf("dev: %v", failed)
		}
	}
	t.Cleanup(cancel)
	for !strings.Contains(d.printed.String(), "Ctrl-C stops both.") {
		d.pause()
	}
	return d
}

// pause waits a moment. It fails the test if dev has ended.
func (d *devRun) pause() {
	d.Helper()
	select {
	case <-d.ended:
		d.stop()
		d.Fatalf("dev has ended:\n%s", d.printed)
	case <-time.After(10 * time.Millisecond):
	}
}

// request posts JSON, or gets it without a body, and decodes the response into out.
func (d *devRun) request(url, body string, out any) {
	d.Helper()
	method := http.MethodGet
	if body != "" {
		method = http.MethodPost
	}
	r, err := http.NewRequestWithContext(d.Context(), method, url, strings.NewReader(body))
	if err != nil {
		d.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer dev")
	r.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		d.Fatal(err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err == nil && out != nil {
		err = json.Unmarshal(data, out)
	}
	if err != nil || strings.Contains(string(data), `"error"`) {
		d.Fatalf("%s %s: status %d, %v\n%s", method, url, res.StatusCode, err, data)
	}
}

// devResponse is a response of the function.
type devResponse struct {
	Code      string `json:"code"`
	MessageID string `json:"message_id"`
}

// post sends a payload with these fields to the user.
func (d *devRun) post(fields string) (response devResponse) {
	d.Helper()
	d.request(d.url, `{"to": "+12025550123", `+fields+`}`, &response)
	return response
}

// send sends a message, which must be accepted, and returns its ID.
func (d *devRun) send(fields string) (id string) {
	d.Helper()
	response := d.post(fields)
	if response.Code != "accepted" {
		d.Fatalf("code = %s, want accepted", response.Code)
	}
	return response.MessageID
}

// user performs an action of the user.
func (d *devRun) user(action string) {
	d.Helper()
	d.request(d.simURL+"_sim/user", `{"phone": "+12025550123", `+action+`}`, nil)
}

// messages returns the messages that reached the phone.
func (d *devRun) messages() []devMessage {
	d.Helper()
	var list struct{ Messages []devMessage }
	d.request(d.simURL+"_sim/messages", "", &list)
	return list.Messages
}

// syncBuffer is a buffer for several goroutines.
type syncBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// TestIsPortTaken checks the numbers of the error in Unix and in Windows.
func TestIsPortTaken(t *testing.T) {
	t.Parallel()
	for number, want := range map[syscall.Errno]bool{syscall.EADDRINUSE: true, 10048: true, syscall.EACCES: false, 10061: false} {
		if got := isPortTaken(&net.OpError{Op: "listen", Err: os.NewSyscallError("bind", number)}); got != want {
			t.Errorf("%d: got %v, want %v", uintptr(number), got, want)
		}
	}
}

// TestEventRequest checks that an event of one's own has the headers of the sample, unless
// it has its own.
func TestEventRequest(t *testing.T) {
	t.Parallel()
	parsed, err := config.ParseFile("rcshook.yaml", []byte("sources:\n  repo: {preset: github, secret: projects/p/secrets/s, map: '{to: .phone, text: .text}'}"))
	if err != nil {
		t.Fatal(err)
	}
	sources, err := source.Open(parsed.Sources, source.Options{})
	if err != nil {
		t.Fatal(err)
	}
	f := &devFile{port: 8080, keys: map[string][]byte{"repo": []byte("a secret of the sender")}}
	sample := sources.All()[0].Sample("1")
	for text, want := range map[string][2]string{
		"X-GitHub-Event: star\n\n{\"a\": 1}": {"star", `{"a": 1}`},
		` {"a": 2}`:                          {sample.Header.Get("X-GitHub-Event"), ` {"a": 2}`},
	} {
		r, err := f.eventRequest(sources.All()[0], text)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(r.Body)
		if got := [2]string{r.Header.Get("X-GitHub-Event"), string(body)}; err != nil || got != want || r.Header.Get("X-Hub-Signature-256") == "" || r.URL.Path != "/hooks/repo" {
			t.Errorf("%q: %q with %v, want %q", text, got, r.Header, want)
		}
	}
	if _, err := f.eventRequest(sources.All()[0], "star"); err == nil || err.Error() != "the empty line between headers and body is missing" {
		t.Errorf("an event without a body: %v", err)
	}
}
