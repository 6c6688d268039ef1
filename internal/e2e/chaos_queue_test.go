package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestQueue_killed kills the function while it queues messages and while it sends them:
// after the other side accepted a request and before its response. Every message
// arrives exactly once.
func TestQueue_killed(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes a few seconds")
	}
	const messages, every, maxKills = 60, 11, 8
	s := newStage(t)
	s.sim.Now, s.tasks.Now = nil, nil // processes use the real time
	var function *process
	var mu sync.Mutex
	requests, kills := 0, 0
	// deadly forwards requests, and kills the function before some responses.
	deadly := func(h http.Handler, suffix string) string {
		web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodPost || !strings.HasSuffix(r.URL.Path, suffix) {
				h.ServeHTTP(w, r)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			if requests++; requests%every != 0 || kills == maxKills {
				h.ServeHTTP(w, r)
				return
			}
			h.ServeHTTP(httptest.NewRecorder(), r)
			kills++
			function.kill()
			function.start(t)
			panic(http.ErrAbortHandler)
		}))
		t.Cleanup(web.Close)
		return web.URL
	}
	s.env["RCSHOOK_RBM_ENDPOINT"] = deadly(s.sim, "/agentMessages")
	s.env["RCSHOOK_TASKS_ENDPOINT"] = deadly(s.tasks, "/tasks")
	s.env["RCSHOOK_QUEUE"], s.env["RCSHOOK_QUEUE_ACCOUNT"], s.env["RCSHOOK_URL"] = stageQueue, stageAccount, "http://localhost"
	mu.Lock()
	function = s.process(t)
	function.environ = append(function.environ, "RCSHOOK_URL="+function.url) // the last value wins
	function.kill()
	function.start(t)
	mu.Unlock()

	var wg sync.WaitGroup
	for caller := range 6 {
		wg.Go(func() {
			for i := caller; i < messages; i += 6 {
				s.postUntilQueued(t, function.url, fmt.Sprintf(`{"to": "+12025550%d", "text": "Hello", "idempotency_key": "order-%d"}`, 160+i%30, i))
			}
		})
	}
	wg.Wait()
	if err := s.tasks.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	arrived := map[string]int{}
	for _, m := range s.sim.Messages() {
		arrived[m.MessageID]++
	}
	for id, n := range arrived {
		if n != 1 {
			t.Errorf("message %s arrived %d times", id, n)
		}
	}
	retries := 0
	for _, e := range s.tasks.Ended() {
		if retries += len(e.Statuses) - 1; !e.Done {
			t.Errorf("the queue gave up: %+v", e)
		}
	}
	if len(arrived) != messages || kills < maxKills || retries == 0 {
		t.Errorf("%d messages arrived, want %d; %d kills, want %d; %d retries, want at least 1", len(arrived), messages, kills, maxKills, retries)
	}
	t.Logf("%d messages, %d kills, %d retries of tasks", len(arrived), kills, retries)
}

// postUntilQueued posts a payload until the function confirms that it is queued.
func (s *stage) postUntilQueued(t *testing.T, url, body string) {
	for range chaosTries {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, bytes.NewReader([]byte(body)))
		if err != nil {
			t.Error(err)
			return
		}
		req.Header = http.Header{"Content-Type": {"application/json"}, "Authorization": {"Bearer dev"}}
		if res, err := http.DefaultClient.Do(req); err == nil {
			var response struct{ OK bool }
			text, err := io.ReadAll(res.Body)
			res.Body.Close()
			if err == nil && json.Unmarshal(text, &response) == nil && response.OK {
				return
			}
		}
		<-time.After(time.Millisecond) // the function is restarting
	}
	t.Errorf("not queued: %s", body)
}
