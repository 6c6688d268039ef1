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
	res, err := load{callers: callers, requests: requests, onStart: func() error { started++; return nil }}.run(t.Context(), at(server))
	if err != nil {
		t.Fatal(err)
	}
	if res.responses != requests || len(res.latencies) != requests-callers || res.elapsed <= 0 || started != 1 {
		t.Errorf("%d responses, %d of them measured, in %v; started %d times", res.responses, len(res.latencies), res.elapsed, started)
	}
	if len(keys) != requests || len(connections) != callers {
		t.Errorf("%d keys on %d connections, want %d and %d", len(keys), len(connections), requests, callers)
	}
}

func TestLoad_refused(t *testing.T) {
	t.Parallel()
	var n atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch n.Add(1) {
		case 2:
			http.Error(w, "yes, but later", http.StatusServiceUnavailable)
		case 3:
			_, _ = io.WriteString(w, "no")
		default:
			_, _ = io.WriteString(w, "yes")
		}
	}))
	defer server.Close()
	_, err := load{callers: 1, requests: 5}.run(t.Context(), at(server))
	const want = "2 of 5 requests were not accepted; the first response was 503: yes, but later\n"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %q", err, want)
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
	return target{address: server.Listener.Addr().String(), payload: []byte(`{"a": 1}`), accepted: []byte("yes")}
}
