package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/google"
	client "github.com/rcshook/rcshook/internal/google/platform"
	"github.com/rcshook/rcshook/internal/googletest"
	"github.com/rcshook/rcshook/internal/googletest/platform"
	"github.com/rcshook/rcshook/internal/googletest/pubsub"
	"github.com/rcshook/rcshook/internal/googletest/tasks"
	"github.com/rcshook/rcshook/internal/googletest/token"
	"github.com/rcshook/rcshook/internal/phone"
	"github.com/rcshook/rcshook/internal/queue"
	"github.com/rcshook/rcshook/internal/server"
	"github.com/rcshook/rcshook/internal/source"
	"github.com/rcshook/rcshook/internal/standardwebhook"
	"github.com/rcshook/rcshook/rbm/rbmtest"
)

const (
	devQueue       = "projects/rcshook-dev/locations/local/queues/messages"
	devEventsQueue = "projects/rcshook-dev/locations/local/queues/events"
	devQueuePath   = "/_dev/queue"   // lists the tasks
	devTargetsPath = "/_dev/targets" // lists what targets got

	devOptOuts   = "gs://rcshook-dev-opt-outs/rcs-opt-outs"
	devOptOutKey = "projects/rcshook-dev/secrets/rcshook-opt-out-key"
)

// smsFile is the rcshook.yaml of dev -queue without one: a fallback whose requests stay in
// dev.
const smsFile = `
agents:
  default:
    id: %s
    credentials: %s
    fallback: {url: "https://sms.invalid/messages", map: "{to: .phone, text}", after: auto}
`

// devFunction is the function in dev, with all that it needs on this machine.
type devFunction struct {
	*devOptions
	std     stdio
	sim     *platform.Platform
	baseURL string // of the simulator
	agentID string // of the agent without a file

	settings     map[string]string // without those of the file
	credentials  []byte
	eventsSecret string // generated, signs the events for -events

	google    *token.Issuer
	tasks     *tasks.Server
	queues    map[string]bool // the names in tasks
	topics    *pubsub.Server
	targets   *devTargets
	secrets   map[config.Secret][]byte // what the other side of each secret uses
	receivers map[config.Secret][]byte // the contents of the secrets

	api       *client.Client // calls sim
	buckets   []string       // with opt-outs
	optOutKey string

	connected chan struct{}              // closed when the function gets all events
	outcomes  *lru.Cache[string, []byte] // of webhooks, by the IDs of their requests
	requests  server.Requests
	current   atomic.Pointer[devVersion]
}

// devVersion is the function with one version of rcshook.yaml.
type devVersion struct {
	*devFile
	environ  []string
	server   *server.Server
	requests server.Requests
}

// newDevFunction returns the function, which serves requests after load. Its settings are
// those of a deployment, with the secrets and the credentials of the simulator.
func newDevFunction(o *devOptions, sim *platform.Platform, baseURL, dir string, std stdio) (*devFunction, error) {
	env := sim.Provision(baseURL)
	adc := filepath.Join(dir, "application-default-credentials.json")
	if err := os.WriteFile(adc, env.Credentials, 0o600); err != nil {
		return nil, err
	}
	issuer, err := token.NewIssuer()
	if err != nil {
		return nil, err
	}
	outcomes, err := lru.New[string, []byte](100)
	if err != nil {
		return nil, err
	}
	authorize := func(token string) error {
		_, err := sim.Tokens.Check(token, "https://www.googleapis.com/auth/cloud-platform")
		return err
	}
	f := &devFunction{
		devOptions: o, std: std, sim: sim, baseURL: baseURL, agentID: env.AgentID, credentials: env.Credentials,
		google: issuer, tasks: &tasks.Server{Issuer: issuer, Authorize: authorize}, topics: &pubsub.Server{Authorize: authorize},
		queues: make(map[string]bool), targets: newDevTargets(o.events, std.out, sim.Note),
		secrets: make(map[config.Secret][]byte), receivers: make(map[config.Secret][]byte), connected: make(chan struct{}), outcomes: outcomes, optOutKey: rand.Text() + rand.Text(),
		api: client.New(client.Options{
			Transport: googletest.Transport{Handler: sim}, Now: time.Now, Background: google.NewBackground(),
			Log: slog.New(slog.DiscardHandler), Credentials: env.Credentials,
		}),
	}
	f.tasks.Observe = f.queued
	f.settings = map[string]string{
		"GOOGLE_APPLICATION_CREDENTIALS": adc,
		"RCSHOOK_AGENT_ID":               env.AgentIDSecret,
		"RCSHOOK_CREDENTIALS":            env.KeySecret,
		"RCSHOOK_API_KEYS":               devKey,
		"RCSHOOK_RBM_ENDPOINT":           baseURL,
		"RCSHOOK_SECRETMANAGER_ENDPOINT": baseURL,
		"RCSHOOK_OIDC_ENDPOINT":          baseURL,
		"RCSHOOK_TASKS_ENDPOINT":         baseURL,
		"RCSHOOK_PUBSUB_ENDPOINT":        baseURL,
		"RCSHOOK_STORAGE_ENDPOINT":       baseURL,
		"RCSHOOK_OPT_OUT_STORE":          devOptOuts,
		"RCSHOOK_OPT_OUT_KEY":            devOptOutKey,
		"RCSHOOK_QUEUE_ACCOUNT":          "rcshook-queue@rcshook-dev.iam.gserviceaccount.com",
		"RCSHOOK_URL":                    fmt.Sprintf("http://localhost:%d", o.port),
		"RCSHOOK_WEBHOOK_TOKEN":          o.webhookToken,
	}
	// Settings of a deployment would interfere. An empty variable counts as not set.
	for _, name := range []string{
		"ALLOW_UNAUTHENTICATED", "CONFIG", "OIDC_AUDIENCE", "OIDC_EMAILS", "QUEUE", "EVENTS_QUEUE", "EVENTS_URL", "EVENTS_SECRET",
	} {
		f.settings["RCSHOOK_"+name] = ""
	}
	if o.queue {
		f.settings["RCSHOOK_QUEUE"], f.settings["RCSHOOK_EVENTS_QUEUE"] = devQueue, devEventsQueue
		f.addQueue(devQueue)
		f.addQueue(devEventsQueue)
	}
	if o.queue && o.config == "" {
		file := filepath.Join(dir, "rcshook.yaml")
		if err := os.WriteFile(file, fmt.Appendf(nil, smsFile, env.AgentIDSecret, env.KeySecret), 0o600); err != nil {
			return nil, err
		}
		f.settings["RCSHOOK_CONFIG"], f.settings["RCSHOOK_AGENT_ID"], f.settings["RCSHOOK_CREDENTIALS"] = file, "", ""
	}
	if o.events != "" {
		secret := config.Secret(os.Getenv("RCSHOOK_EVENTS_SECRET")).Literal()
		if secret == "" {
			f.eventsSecret = string(standardwebhook.NewSecret())
		}
		f.settings["RCSHOOK_EVENTS_URL"], f.settings["RCSHOOK_EVENTS_SECRET"] = o.events, cmp.Or(secret, f.eventsSecret)
	}
	return f, nil
}

// addQueue adds a simulated queue, unless it exists.
func (f *devFunction) addQueue(name string) {
	if !f.queues[name] {
		f.queues[name] = true
		// A queue for events keeps its tasks longer than the function tries to deliver them.
		f.tasks.AddQueue(name, tasks.Settings{MinBackoff: 2 * time.Second, Attempts: -1, MaxDuration: 8 * 24 * time.Hour})
	}
}

// load puts the current rcshook.yaml into use. After an error, the version before stays in
// use.
func (f *devFunction) load(ctx context.Context) error {
	file, err := f.readFile(ctx)
	if err != nil {
		return err
	}
	settings := maps.Clone(f.settings)
	maps.Copy(settings, file.settings)
	environ := slices.DeleteFunc(os.Environ(), func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		_, replaced := settings[name]
		return replaced || strings.HasPrefix(name, secretVariable(""))
	})
	for name, value := range settings {
		environ = append(environ, name+"="+value)
	}
	handler, err := server.New(ctx, server.Options{
		Environ: environ, Log: f.std.err, Transport: f.targets.transport(), DefaultCredentials: f.credentials, Delivered: f.delivered,
		Outcome: func(requestID string, outcome []byte) { f.outcomes.Add(requestID, outcome) },
	})
	if err != nil {
		return err
	}
	f.sim.SetAgents(file.agents)
	if old := f.current.Swap(&devVersion{devFile: file, environ: environ, server: handler}); old != nil {
		go func() {
			_ = old.requests.Wait(context.WithoutCancel(ctx)) // the rest is aborted
			old.server.Close()
		}()
	}
	return nil
}

// Close stops the background work.
func (f *devFunction) Close() {
	f.tasks.Close()
	f.targets.Close()
	f.api.Background.Close()
	if v := f.current.Load(); v != nil {
		v.server.Close()
	}
}

// ServeHTTP serves the function. Messages wait until the simulator can push their events.
func (f *devFunction) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.requests.Serve(w, r, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/events" {
			<-f.connected
		}
		v := f.current.Load()
		v.requests.Serve(w, r, v.server.ServeHTTP)
	})
}

// connect connects the simulator's webhooks of all agents to the function. It disconnects
// those that old had.
func (f *devFunction) connect(ctx context.Context, old []rbmtest.WebhookConfig) {
	hooks := f.current.Load().hooks
	for _, hook := range old {
		if !slices.Contains(hooks, hook) {
			f.sim.Disconnect(hook.AgentID)
		}
	}
	for _, hook := range hooks {
		hook.URL = fmt.Sprintf("http://localhost:%d/events", f.port)
		if _, err := f.sim.Connect(ctx, hook); err != nil {
			fmt.Fprintf(f.std.out, "\nThe function gets no events of agent %s.\n  %v\n", hook.AgentID, err)
		}
	}
}

// fileState changes with the content of a file.
type fileState struct {
	modified time.Time
	size     int64
}

// fileState returns the state of rcshook.yaml; the zero value if it is missing, as while an
// editor replaces it.
func (o *devOptions) fileState() fileState {
	info, err := os.Stat(o.config)
	if err != nil {
		return fileState{}
	}
	return fileState{info.ModTime(), info.Size()}
}

// watch loads rcshook.yaml again when it changes.
func (f *devFunction) watch(ctx context.Context, last fileState) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	missing := false // at the last tick
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := f.fileState()
		wasMissing := missing
		missing = now == fileState{}
		if now == last || missing && !wasMissing { // an editor may be replacing it
			continue
		}
		last = now
		old := f.current.Load()
		note := phone.Reload{File: filepath.Base(f.config), Problems: []string{}}
		if err := f.load(ctx); missing && err != nil {
			note.Problems = []string{"the file is missing; dev reads it again when it is back"}
			fmt.Fprintf(f.std.out, "\n%s is missing. The version before stays in use. dev reads the file again when it is back.\n", f.config)
		} else if err != nil {
			note.Problems = problemsOf(err)
			fmt.Fprintf(f.std.out, "\n%s changed, but has problems. The version before stays in use.\n\n  %s\n", f.config, strings.Join(note.Problems, "\n  "))
		} else {
			if f.webhook == "" {
				f.connect(ctx, old.hooks)
			}
			fmt.Fprintf(f.std.out, "\n%s changed, and the new version is in use.\n", f.config)
			if contents := f.current.Load().contents(f.simPort); contents != old.contents(f.simPort) {
				fmt.Fprint(f.std.out, contents)
			}
		}
		f.sim.Note(phone.Note{Reload: &note})
	}
}

// problemsOf returns the problems in an error of load.
func problemsOf(err error) (problems []string) {
	invalid, ok := errors.AsType[*config.Error](err)
	if !ok {
		return []string{err.Error()}
	}
	for _, p := range invalid.Problems {
		problems = append(problems, p.String())
	}
	return problems
}

// delivered shows an attempt to deliver an event.
func (f *devFunction) delivered(d server.Delivery) {
	f.sim.Note(phone.NewDelivery(d.Target, d.Event, d.Result))
}

// queued shows a task that has changed, if it is for a message with a fallback.
func (f *devFunction) queued(t tasks.Waiting, ended *tasks.Ended) {
	if note, ok := phone.NewTask(t, ended != nil); ok {
		f.sim.Note(note)
	}
}

// phoneSources returns the sources whose events the phone can send.
func (f *devFunction) phoneSources() []phone.Source { return f.current.Load().phoneSources() }

// outcomeOf returns the function's own response to a webhook, as JSON, if the sender gets
// another one. It is empty otherwise.
func (f *devFunction) outcomeOf(h http.Header, body []byte) []byte {
	outcome, _ := f.outcomes.Get(h.Get("X-Request-Id"))
	if bytes.Equal(outcome, body) {
		return nil
	}
	return outcome
}

// simulatorMux serves the simulator, Google's services, and the pages of dev.
func (f *devFunction) simulatorMux() http.Handler {
	mux := http.NewServeMux()
	page := func(pattern string, h http.HandlerFunc) { mux.Handle(pattern, f.sim.LocalOnly(h)) }
	list := func(path string, value func() any) {
		page("GET "+path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			e := json.NewEncoder(w)
			e.SetIndent("", "  ")
			_ = e.Encode(value()) // the client may be gone
		})
	}
	mux.Handle("/", f.sim)
	mux.Handle("/v2/", f.tasks)
	mux.Handle("POST /v1/projects/{project}/topics/{topic}", f.topics)
	mux.Handle("GET "+f.google.Path(), f.google)
	page("GET "+envPath, f.serveSettings)
	page("POST /_sim/reset", func(w http.ResponseWriter, r *http.Request) {
		f.clearOptOuts()
		f.sim.ServeHTTP(w, r)
	})
	list(devQueuePath, f.listTasks)
	list(devTargetsPath, func() any {
		topics := make(map[string][]pubsub.Message)
		for _, name := range f.current.Load().topics {
			topics[name] = f.topics.Messages(name)
		}
		return map[string]any{"requests": f.targets.requests(), "topics": topics}
	})
	return mux
}

// listTasks lists the tasks for people: what each is for, and when it is due.
func (f *devFunction) listTasks() any {
	type about struct {
		To        string `json:"to,omitempty"`
		MessageID string `json:"message_id,omitempty"`
		Target    string `json:"target,omitempty"`
	}
	type waiting struct {
		Job queue.Job `json:"job"`
		Due string    `json:"due"`
		about
		tasks.Waiting
	}
	type ended struct {
		Job queue.Job `json:"job"`
		about
		tasks.Ended
	}
	list := struct {
		Waiting []waiting `json:"waiting"`
		Ended   []ended   `json:"ended"`
	}{[]waiting{}, []ended{}}
	for _, t := range f.tasks.Tasks() {
		w := waiting{Job: phone.JobOf(t.Path), Due: "now", Waiting: t}
		if left := time.Until(t.ScheduleTime).Round(time.Second); left > 0 {
			w.Due = "in " + left.String()
		}
		_ = json.Unmarshal(t.Body, &w.about) // the function encoded it
		list.Waiting = append(list.Waiting, w)
	}
	for _, t := range f.tasks.Ended() {
		e := ended{Job: phone.JobOf(t.Path), Ended: t}
		_ = json.Unmarshal(t.Body, &e.about)
		list.Ended = append(list.Ended, e)
	}
	return list
}

// clearOptOuts deletes the records of all people. The objects that name the keys stay.
func (f *devFunction) clearOptOuts() {
	for _, bucket := range f.current.Load().buckets {
		for _, o := range f.sim.Storage.Objects(bucket) {
			if path.Base(o.Name) != "_key" {
				f.sim.Storage.Delete(bucket, o.Name)
			}
		}
	}
}

// serveSettings serves the settings, which name secrets. They contain only those of dev,
// and those of the environment that dev uses.
func (f *devFunction) serveSettings(w http.ResponseWriter, _ *http.Request) {
	values := make(map[string]string)
	for _, entry := range f.current.Load().environ {
		name, value, _ := strings.Cut(entry, "=")
		values[name] = value
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if values[name] != "" && (strings.HasPrefix(name, "RCSHOOK_") || name == "GOOGLE_APPLICATION_CREDENTIALS") {
			fmt.Fprintf(w, "%s=%s\n", name, values[name])
		}
	}
}

// path returns the path of a source.
func (f *devFile) path(s *source.Source) string {
	if s.HasToken() {
		return hooksPath + s.Name + "/" + string(f.keys[s.Name])
	}
	return hooksPath + s.Name
}

// contents describes the sources, callers and targets of the file.
func (f *devFile) contents(simPort int) string {
	var text strings.Builder
	section := func(title string, lines ...string) {
		if len(lines) > 0 {
			fmt.Fprintf(&text, "\n%s:\n\n  %s\n", title, strings.Join(lines, "\n  "))
		}
	}
	var sources []string
	for _, s := range f.sources {
		sources = append(sources, fmt.Sprintf("http://localhost:%d%s   %s", f.port, f.path(s), s.Description()))
	}
	section("Sources; the phone can send a sample of each, and events of your own", sources...)
	section("Unused environment variables; no source has this name", f.unused...)
	section("Callers; send the key or the token as Authorization: Bearer KEY", f.callers...)
	section("Targets and fallbacks", f.targets...)
	if f.redirected {
		section("List what stays in dev", fmt.Sprintf("%s http://localhost:%d%s", curlName(), simPort, devTargetsPath))
	}
	return text.String()
}

// greet prints what depends on the options and on the file.
func (f *devFunction) greet(out io.Writer) {
	file := f.current.Load()
	fmt.Fprint(out, file.contents(f.simPort))
	if f.events != "" {
		secret := "RCSHOOK_EVENTS_SECRET."
		if f.eventsSecret != "" {
			secret = "this secret:\n\n  " + f.eventsSecret
		}
		fmt.Fprintf(out, "\nEvents go to %s, signed by Standard Webhooks with %s\n", f.events, secret)
	}
	if f.listen != 0 {
		fmt.Fprintf(out, "\nPort %d serves %s only, for a tunnel such as\n\n  cloudflared tunnel --url http://%s:%[1]d\n\n"+
			"dev prints what arrives there. Give each sender the URL of the tunnel with a path:\n\n", f.listen, hooksPath, host)
		for _, s := range file.sources {
			fmt.Fprintf(out, "  %s\n      %s\n", file.path(s), secretOrigin(s))
		}
	}
	if f.queue || len(file.queues) > 0 {
		fmt.Fprintf(out, "\nMessages go through a queue, which retries failed ones. List the tasks:\n\n  %s http://localhost:%d%s\n", curlName(), f.simPort, devQueuePath)
	}
	if f.config != "" {
		fmt.Fprintf(out, "\nChanges of %s are in use a second later.\n", f.config)
	}
}
