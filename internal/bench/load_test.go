package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestLoad checks that all callers call at once, that the number of requests is right, and
// that each request has its own key.
func TestLoad(t *testing.T) {
	t.Parallel()
	const callers, requests = 4, 100
	var mu sync.Mutex
	keys, connections := map[string]int{}, map[string]bool{}
	together := make(chan struct{})
	var here atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || string(body) != `{"a": 1}` || r.Header.Get("Authorization") != "Bearer "+apiKey {
			t.Errorf("got %s, %v, %v", body, err, r.Header)
		}
		mu.Lock()
		keys[r.Header.Get("Idempotency-Key")]++
		connections[r.RemoteAddr] = true
		mu.Unlock()
		if here.Add(1) == callers {
			close(together)
		}
		<-together
		_, _ = io.WriteString(w, "yes")
	}))
	defer server.Close()
	started := 0
	res, err := load{callers: callers, requests: requests, onStart: func() { started++ }}.run(t.Context(), at(server))
	if err != nil {
		t.Fatal(err)
	}
	if res.requests != requests-callers || res.elapsed <= 0 || started != 1 {
		t.Errorf("%d requests in %v; started %d times", res.requests, res.elapsed, started)
	}
	if len(keys) != requests || len(connections) != callers {
		t.Errorf("%d keys on %d connections, want %d and %d", len(keys), len(connections), requests, callers)
	}
}

// TestLoad_refused checks that a response with an error, or without the text of a good one,
// ends the load.
func TestLoad_refused(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		status     int
		body, want string
	}{
		{http.StatusServiceUnavailable, "yes, but later", "a request was not accepted; the response was 503: yes, but later"},
		{http.StatusOK, "no", "a request was not accepted; the response was 200: no"},
	} {
		var n atomic.Int32
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if n.Add(1) == 3 {
				w.WriteHeader(test.status)
				_, _ = io.WriteString(w, test.body)
				return
			}
			_, _ = io.WriteString(w, "yes")
		}))
		defer server.Close()
		_, err := load{callers: 1, duration: time.Minute}.run(t.Context(), at(server))
		if err == nil || err.Error() != test.want {
			t.Errorf("got %v, want %q", err, test.want)
		}
	}
}

// TestLoad_broken checks that a broken connection ends the load.
func TestLoad_broken(t *testing.T) {
	t.Parallel()
	var n atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if n.Add(1) == 3 {
			panic(http.ErrAbortHandler)
		}
		_, _ = io.WriteString(w, "yes")
	}))
	defer server.Close()
	_, err := load{callers: 1, duration: time.Minute}.run(t.Context(), at(server))
	if err == nil || !strings.HasPrefix(err.Error(), "read response: ") {
		t.Errorf("got %v, want a read error", err)
	}
}

func at(server *httptest.Server) target {
	return target{address: server.Listener.Addr().String(), request: message(`{"a": 1}`), accepted: "yes"}
}
