package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rcshook/rcshook/internal/server"
)

// TestServe_finishes stops the server while a request is in flight.
func TestServe_finishes(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	arrived, proceed := make(chan struct{}), make(chan struct{})
	h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(arrived)
		<-proceed
		io.WriteString(w, "finished")
	})
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- serveOn(ctx, l, limitRequests(h, 1, time.Minute), gracefulShutdown(time.Minute), slog.New(slog.DiscardHandler))
	}()
	got := make(chan string, 1)
	go func() {
		res, err := http.Get("http://" + l.Addr().String())
		if err != nil {
			got <- err.Error()
			return
		}
		defer res.Body.Close()
		body, _ := io.ReadAll(res.Body)
		got <- string(body)
	}()
	<-arrived
	stop()
	for { // until the listener is closed, at the start of the shutdown
		conn, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			break
		}
		conn.Close()
	}
	select {
	case err := <-ended:
		t.Fatalf("the server ended with a request in flight: %v", err)
	default:
	}
	close(proceed)
	if body := <-got; body != "finished" {
		t.Errorf("the request in flight got %q", body)
	}
	if err := <-ended; err != nil {
		t.Errorf("the server ended with %v", err)
	}
}

// TestServe_cloudRun stops the server on Cloud Run while a request is in flight. If that one
// ignores its context, another one waits for its slot, and would for 11 seconds.
func TestServe_cloudRun(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name     string
		stubborn bool
		err      error
		limit    time.Duration
		want     []int // the statuses of the responses
	}{
		{"a request that ends with its context", false, nil, 8500 * time.Millisecond, []int{http.StatusGatewayTimeout}},
		{"a request that ignores its context", true, context.DeadlineExceeded, 9500 * time.Millisecond, []int{0, http.StatusServiceUnavailable}},
	} {
		synctest.Test(t, func(t *testing.T) {
			l := pipes{make(chan net.Conn), make(chan struct{})}
			release := make(chan struct{})
			h, finish := cloudRunShutdown(limitRequests(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if <-r.Context().Done(); test.stubborn {
					<-release
				}
				w.WriteHeader(http.StatusGatewayTimeout)
			}), 1, time.Minute))
			ctx, stop := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- serveOn(ctx, l, h, finish, slog.New(slog.DiscardHandler)) }()
			responses := make(chan int, 2)
			request := func() {
				client := http.Client{Transport: &http.Transport{DialContext: l.dial, DisableKeepAlives: true}}
				res, err := client.Get("http://rcshook/")
				if err != nil {
					responses <- 0
					return
				}
				res.Body.Close()
				responses <- res.StatusCode
			}
			go request()
			synctest.Wait()
			time.Sleep(time.Second)
			start := time.Now()
			stop()
			synctest.Wait()
			time.Sleep(6 * time.Second)
			if test.stubborn {
				go request() // the listener is still open
			}
			err := <-ended
			if took := time.Since(start); !errors.Is(err, test.err) || took > test.limit {
				t.Errorf("%s: the server ended with %v after %v, want %v within %v", test.name, err, took, test.err, test.limit)
			}
			var got []int
			for range test.want {
				got = append(got, <-responses)
			}
			close(release)
			if slices.Sort(got); !slices.Equal(got, test.want) {
				t.Errorf("%s: the responses are %v, want %v", test.name, got, test.want)
			}
		})
	}
}

// pipes is a listener for connections within the process.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (p pipes) dial(context.Context, string, string) (net.Conn, error) {
	near, far := net.Pipe()
	select {
	case p.conns <- far:
		return near, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p pipes) Close() error   { close(p.closed); return nil }
func (p pipes) Addr() net.Addr { return &net.TCPAddr{} }

// TestLimitRequests makes more concurrent requests than allowed.
func TestLimitRequests(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		proceed := make(chan struct{})
		served := 0
		h := limitRequests(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			served++
			<-proceed
		}), 1, time.Minute)
		request := func() *httptest.ResponseRecorder {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", nil))
			return w
		}
		go request()
		synctest.Wait()

		start := time.Now()
		w := request()
		if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" || !strings.Contains(w.Body.String(), `"code":"overloaded"`) {
			t.Errorf("a request above the limit got %d %s", w.Code, w.Body)
		}
		if waited := time.Since(start); waited != slotTimeout {
			t.Errorf("it waited %v for a slot, want %v", waited, slotTimeout)
		}

		done := make(chan int)
		go func() { done <- request().Code }()
		synctest.Wait()
		if served != 1 {
			t.Errorf("%d requests were served concurrently, want 1", served)
		}
		close(proceed)
		if code := <-done; code != http.StatusOK {
			t.Errorf("a request that waited for a slot got %d", code)
		}
	})
}

// TestServe_errors checks the errors of flags and of the listener.
func TestServe_errors(t *testing.T) {
	t.Parallel()
	var stderr strings.Builder
	if got := run(t.Context(), []string{"serve", "-max-requests", "0"}, stdio{out: io.Discard, err: &stderr}); got != 2 {
		t.Errorf("no requests: exit code %d, want 2\n%s", got, &stderr)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if err := serveOn(t.Context(), l, nil, gracefulShutdown(time.Second), slog.New(slog.DiscardHandler)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("serving on a closed listener: %v, want %v", err, net.ErrClosed)
	}
}

// TestServe_strangers holds more requests than are served at once, by bodies that never
// arrive. Callers with a key and sources are served nevertheless.
func TestServe_strangers(t *testing.T) {
	t.Parallel()
	const maxRequests = 8
	file := filepath.Join(t.TempDir(), "rcshook.yaml")
	if err := os.WriteFile(file, []byte("sources: {shop: {preset: bearer, secret: s3cret, map: empty, timeout: 1m}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	handler, err := server.New(t.Context(), server.Options{
		Environ:      []string{"RCSHOOK_AGENT_ID=brand_agent", "RCSHOOK_API_KEYS=dev", "RCSHOOK_TIMEOUT=1m", "RCSHOOK_CONFIG=" + file},
		MaxStrangers: maxRequests / 2,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { handler.Close() })
	web := httptest.NewServer(limitRequests(handler, maxRequests, time.Minute))
	t.Cleanup(web.Close)
	type reply struct {
		status int
		code   string
	}
	post := func(path, key, body string) reply {
		conn, err := net.Dial("tcp", web.Listener.Addr().String())
		if err != nil {
			return reply{}
		}
		t.Cleanup(func() { conn.Close() })
		fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n%s", path, key, body)
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			return reply{}
		}
		defer res.Body.Close()
		var got struct{ Code string }
		_ = json.NewDecoder(res.Body).Decode(&got)
		return reply{res.StatusCode, got.Code}
	}
	const held, rejected = 3 * maxRequests, 3 * maxRequests
	ended := make(chan reply, held+rejected)
	for range held {
		go func() { ended <- post("/hooks/shop", "", "{") }()
	}
	for range held - maxRequests/2 {
		if got := <-ended; got.code != "overloaded" {
			t.Errorf("a body that did not arrive: %v, want overloaded", got)
		}
	}
	for range rejected {
		go func() { ended <- post("/", "wrong", "{") }()
	}
	for range rejected {
		if got := <-ended; got.code != "unauthorized" {
			t.Errorf("a body after a wrong key: %v, want unauthorized", got)
		}
	}
	if got, want := post("/", "dev", "{}"), (reply{422, "invalid_payload"}); got != want {
		t.Errorf("a caller with a key: %v, want %v", got, want)
	}
	if got, want := post("/hooks/shop", "s3cret", "{}"), (reply{200, "ignored"}); got != want {
		t.Errorf("a source: %v, want %v", got, want)
	}
}
