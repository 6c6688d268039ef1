package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/googletest/platform"
	"github.com/rcshook/rcshook/internal/googletest/tasks"
	"github.com/rcshook/rcshook/internal/googletest/token"
)

// rehearsedQueue is Cloud Tasks in dev. Without one the function sends at once.
type rehearsedQueue struct {
	tasks *tasks.Server
}

// The queue of dev, and whose its tasks are.
const (
	devQueue     = "projects/rcshook-dev/locations/local/queues/messages"
	devAccount   = "rcshook-queue@rcshook-dev.iam.gserviceaccount.com"
	devBackoff   = 2 * time.Second
	cloudScope   = "https://www.googleapis.com/auth/cloud-platform"
	devQueuePath = "/_dev/queue"
)

// rehearseQueue prepares the queue, and those that the file names, and tells the
// function about them.
func (o *devOptions) rehearseQueue(sim *platform.Platform, baseURL string, file *rehearsedFile) (*rehearsedQueue, error) {
	names := map[string]bool{}
	for _, s := range file.sources {
		if name := s.Config.Queue; name != "" && name != config.NoQueue {
			names[name] = true
		}
	}
	settings := map[string]string{
		"RCSHOOK_QUEUE_ACCOUNT": devAccount, "RCSHOOK_URL": fmt.Sprintf("http://localhost:%d", o.port),
		"RCSHOOK_TASKS_ENDPOINT": baseURL, "RCSHOOK_OIDC_ENDPOINT": baseURL,
	}
	if o.queue {
		names[devQueue], settings["RCSHOOK_QUEUE"] = true, devQueue
	}
	if len(names) == 0 {
		return nil, nil
	}
	if file.google == nil {
		var err error
		if file.google, err = token.NewIssuer(); err != nil {
			return nil, err
		}
	}
	q := &rehearsedQueue{&tasks.Server{Issuer: file.google, Authorize: func(token string) error {
		_, err := sim.Tokens.Check(token, cloudScope)
		return err
	}}}
	for name := range names {
		q.tasks.AddQueue(name, tasks.Settings{MinBackoff: devBackoff})
	}
	for name, value := range settings {
		if err := os.Setenv(name, value); err != nil {
			return nil, err
		}
	}
	return q, nil
}

// close drops what waits.
func (q *rehearsedQueue) close() {
	if q != nil {
		q.tasks.Close()
	}
}

// beside serves the API of the queue, and what is in it, beside h.
func (q *rehearsedQueue) beside(h http.Handler) http.Handler {
	if q == nil {
		return h
	}
	mux := http.NewServeMux()
	mux.Handle("/", h)
	mux.Handle("/v2/", q.tasks)
	mux.HandleFunc("GET "+devQueuePath, q.show)
	return mux
}

// show lists the tasks by their names, and the statuses with which the function
// answered those that have ended.
func (q *rehearsedQueue) show(w http.ResponseWriter, _ *http.Request) {
	type ended struct {
		Name     string `json:"name"`
		Statuses []int  `json:"statuses"`
		Done     bool   `json:"done"`
	}
	state := struct {
		Waiting []string `json:"waiting"`
		Ended   []ended  `json:"ended"`
	}{append([]string{}, q.tasks.Waiting()...), []ended{}}
	for _, e := range q.tasks.Ended() {
		state.Ended = append(state.Ended, ended(e))
	}
	w.Header().Set("Content-Type", "application/json")
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	_ = e.Encode(state) // who asked may be gone
}

func (q *rehearsedQueue) greet(out io.Writer, simPort int) {
	if q != nil {
		fmt.Fprintf(out, "\nMessages go through a queue, which sends again what fails. See what waits:\n\n  curl http://localhost:%d%s\n", simPort, devQueuePath)
	}
}
