package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/rcshook/rcshook/internal/google"
	gcp "github.com/rcshook/rcshook/internal/google/platform"
	simulated "github.com/rcshook/rcshook/internal/googletest/platform"
	"github.com/rcshook/rcshook/internal/googletest/tasks"
	"github.com/rcshook/rcshook/internal/googletest/token"
	"github.com/rcshook/rcshook/internal/optout"
)

const (
	clientToken  = "bench-client-token" // with which RBM signs events
	lateAgent    = "late_agent"         // has a fallback
	slowAgent    = "slow_agent"         // has three slow targets
	slowTime     = 10 * time.Second
	messageQueue = "projects/rcshook-dev/locations/us-central1/queues/messages"
	eventQueue   = "projects/rcshook-dev/locations/us-central1/queues/events"
	queueAccount = "tasks@rcshook-dev.iam.gserviceaccount.com"
	storeBucket  = "rcshook-bench"
	store        = "gs://" + storeBucket + "/rcs-opt-outs"
	storeKey     = "projects/rcshook-dev/secrets/opt-out-key"
	signingKey   = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
)

// services are the parts of the platform that messages do not need: Cloud Storage, Cloud
// Tasks and the targets of events.
type services struct {
	storage  http.Handler
	issuer   *token.Issuer
	queue    tasks.Server // dispatches the tasks for slow targets; the others are dropped
	lastTask sync.Map     // of each job, such as send
}

// A taskRequest is the HTTP request of a task.
type taskRequest struct {
	URL  string
	Body []byte
}

// serve serves a request for one of the services, and reports whether it is one.
func (s *services) serve(w http.ResponseWriter, r *http.Request) bool {
	switch path := r.URL.Path; {
	case strings.HasPrefix(path, "/storage/"):
		s.storage.ServeHTTP(w, r)
	case strings.HasPrefix(path, "/target/"):
		_, _ = io.Copy(io.Discard, r.Body) // the function sees an error
		if path == "/target/slow" {
			time.Sleep(slowTime)
		}
	case strings.HasPrefix(path, "/v2/"):
		s.serveTask(w, r)
	default:
		return false
	}
	return true
}

// serveTask adds or deletes a task.
func (s *services) serveTask(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the function sees an error
	}
	var create struct {
		Task struct {
			Name        string
			HTTPRequest taskRequest
		}
	}
	_ = json.Unmarshal(body, &create) // the body of a deletion is empty
	request := create.Task.HTTPRequest
	if bytes.Contains(request.Body, []byte(`"target":"slow`)) {
		r.Body = io.NopCloser(bytes.NewReader(body))
		s.queue.ServeHTTP(w, r)
		return
	}
	s.lastTask.Store(path.Base(path.Dir(request.URL)), request)
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	_, _ = fmt.Fprintf(w, `{"name": %q}`, create.Task.Name) // the function sees an error
}

// taken returns a server that reports what the platform has taken.
func (p *leanPlatform) taken() *http.ServeMux {
	mux := http.NewServeMux()
	reply := func(w http.ResponseWriter, v any) { _ = json.NewEncoder(w).Encode(v) } // the caller sees an error
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { reply(w, p.arrivals.Load()) })
	mux.HandleFunc("GET /task/{job}", func(w http.ResponseWriter, r *http.Request) {
		task, _ := p.services.lastTask.Load(r.PathValue("job"))
		reply(w, task)
	})
	mux.HandleFunc("GET /token", func(w http.ResponseWriter, r *http.Request) {
		reply(w, p.services.issuer.Token(r.URL.Query().Get("audience"), queueAccount, time.Now()))
	})
	return mux
}

// newServices starts the services at a URL, and adds the settings for them to the stage.
func newServices(dir, url string, sim *simulated.Platform, env simulated.Environment, s *stage) (*services, error) {
	issuer, err := token.NewIssuer()
	if err != nil {
		return nil, err
	}
	out := &services{storage: sim, issuer: issuer}
	out.queue.Issuer = issuer
	out.queue.AddQueue(eventQueue, tasks.Settings{})
	key := []byte(strings.Repeat("k", optout.MinKey))
	sim.Storage.AddBucket(storeBucket)
	sim.Secrets.AddVersion(storeKey, key)
	background := google.NewBackground()
	defer background.Close()
	api := gcp.New(gcp.Options{
		Transport: http.DefaultTransport, Now: time.Now, Background: background, Log: slog.New(slog.DiscardHandler), Credentials: env.Credentials,
	})
	err = optout.NewBucket(optout.BucketOptions{
		API: api, Endpoint: env.RBMEndpoint, Location: store, Now: time.Now,
		Key: func(context.Context) ([]byte, error) { return key, nil }, RereadKey: func(context.Context) error { return nil },
	}).Init(context.Background(), "default")
	if err != nil {
		return nil, err
	}
	config := fmt.Sprintf(`agents:
  late: {id: %[1]s, credentials: %[3]s, fallback: {url: "%[4]s/target/sms"}}
  slow: {id: %[2]s, credentials: %[3]s}
events:
  crm: {url: "%[4]s/target/crm", secret: %[5]s, agents: [late]}
  slow1: {url: "%[4]s/target/slow", timeout: 15s, agents: [slow]}
  slow2: {url: "%[4]s/target/slow", timeout: 15s, agents: [slow]}
  slow3: {url: "%[4]s/target/slow", timeout: 15s, agents: [slow]}
`, lateAgent, slowAgent, env.KeySecret, url, signingKey)
	file := filepath.Join(dir, "rcshook.yaml")
	s.Agent = env.AgentID
	s.Direct = []string{
		"RCSHOOK_WEBHOOK_TOKEN=" + clientToken, "RCSHOOK_EVENTS_URL=" + url + "/target/crm", "RCSHOOK_EVENTS_SECRET=" + signingKey,
		"RCSHOOK_STORAGE_ENDPOINT=" + url, "RCSHOOK_OPT_OUT_STORE=" + store, "RCSHOOK_OPT_OUT_KEY=" + storeKey,
	}
	s.Queued = []string{
		"RCSHOOK_WEBHOOK_TOKEN=" + clientToken, "RCSHOOK_CONFIG=" + file, "RCSHOOK_QUEUE=" + messageQueue, "RCSHOOK_EVENTS_QUEUE=" + eventQueue,
		"RCSHOOK_QUEUE_ACCOUNT=" + queueAccount, "RCSHOOK_TASKS_ENDPOINT=" + url, "RCSHOOK_OIDC_ENDPOINT=" + httptest.NewServer(issuer).URL,
	}
	return out, os.WriteFile(file, []byte(config), 0o600)
}
