package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rcshook/rcshook/internal/events"
	"github.com/rcshook/rcshook/internal/googletest/platform"
	"github.com/rcshook/rcshook/internal/server"
	"github.com/rcshook/rcshook/rbm"
	"github.com/rcshook/rcshook/rbm/rbmtest"
)

// benchPromotion is checked against the store of opt-outs, if there is one.
var benchPromotion = strings.Replace(benchBody, `"transaction"`, `"promotion"`, 1)

const benchBody = `{"to": "+12025550123", "title": "Order shipped", "text": "Arrives Friday before 18:00.",
	"image": "https://cdn.example.com/box.jpg", "height": "medium",
	"buttons": ["Track|https://example.com/t/1042", "Call us|tel:+12025550199", "Thanks"],
	"ttl": "4h", "traffic": "transaction", "idempotency_key": "order-1042-shipped"}`

// BenchmarkSend sends a card: it is decoded, checked, composed, and sent over HTTP to a
// platform in this process. Compare it with the minimum, [BenchmarkBare].
//
//	go test -run '^$' -bench 'Send|Bare' -benchmem -count 10 ./internal/e2e
func BenchmarkSend(b *testing.B) {
	handler := benchHandler(b, false)
	b.Run("1", func(b *testing.B) { benchServe(b, handler, benchBody, 1) })
	b.Run("80", func(b *testing.B) { benchServe(b, handler, benchBody, 80) })
}

// BenchmarkPromotion sends the card as a promotion, with and without a store of opt-outs,
// which is over HTTP in this process, and in which the recipient has no record.
//
//	go test -run '^$' -bench Promotion -benchmem -count 10 ./internal/e2e
func BenchmarkPromotion(b *testing.B) {
	for name, store := range map[string]bool{"none": false, "store": true} {
		handler := benchHandler(b, store)
		b.Run(name+"/1", func(b *testing.B) { benchServe(b, handler, benchPromotion, 1) })
		b.Run(name+"/80", func(b *testing.B) { benchServe(b, handler, benchPromotion, 80) })
	}
}

// BenchmarkBare decodes a body, posts it, and copies the response.
func BenchmarkBare(b *testing.B) {
	platform := benchPlatform(b)
	transport := rbm.NewTransport()
	transport.MaxConnsPerHost = 0
	client := &http.Client{Transport: transport}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var message map[string]any
		if err := json.NewDecoder(r.Body).Decode(&message); err != nil {
			b.Error(err)
		}
		body, err := json.Marshal(message)
		if err != nil {
			b.Error(err)
		}
		req, err := http.NewRequestWithContext(r.Context(), http.MethodPost, platform+"/v1/phones/+12025550123/agentMessages", bytes.NewReader(body))
		if err != nil {
			b.Error(err)
		}
		req.Header.Set("Authorization", "Bearer static")
		req.Header.Set("Content-Type", "application/json")
		res, err := client.Do(req)
		if err != nil {
			b.Error(err)
			return
		}
		defer res.Body.Close()
		w.Header().Set("Content-Type", "application/json")
		if _, err := io.Copy(w, res.Body); err != nil {
			b.Error(err)
		}
	})
	b.Run("1", func(b *testing.B) { benchServe(b, handler, benchBody, 1) })
	b.Run("80", func(b *testing.B) { benchServe(b, handler, benchBody, 80) })
}

// benchPlatform starts a platform that accepts every request.
func benchPlatform(b *testing.B) string {
	b.Helper()
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"name": "`+strings.TrimPrefix(r.URL.Path, "/v1/")+"/"+r.URL.Query().Get("messageId")+`", "sendTime": "2026-12-01T09:00:00.123456Z"}`)
	}))
	b.Cleanup(web.Close)
	return web.URL
}

func benchHandler(b *testing.B, store bool, more ...string) http.Handler {
	b.Helper()
	sim := platform.New(new(rbmtest.Simulator))
	web := httptest.NewServer(sim)
	b.Cleanup(func() { sim.Close(); web.Close() })
	env := sim.Provision(web.URL)
	adc := filepath.Join(b.TempDir(), "adc.json")
	if err := os.WriteFile(adc, env.Credentials, 0o600); err != nil {
		b.Fatal(err)
	}
	b.Setenv("GOOGLE_APPLICATION_CREDENTIALS", adc)
	environ := []string{
		"RCSHOOK_AGENT_ID=" + env.AgentIDSecret,
		"RCSHOOK_CREDENTIALS=" + env.KeySecret,
		"RCSHOOK_API_KEYS=dev",
		"RCSHOOK_SECRETMANAGER_ENDPOINT=" + web.URL,
		"RCSHOOK_RBM_ENDPOINT=" + benchPlatform(b),
	}
	environ = append(environ, more...)
	if store {
		s := &stage{sim: sim, url: web.URL, adc: env.Credentials}
		s.clock.set(time.Now())
		s.openStore(b)
		people := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if storageMethod(r) == "key" {
				sim.ServeHTTP(w, r)
				return
			}
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, `{"error": {"code": 404, "message": "No such object", "errors": [{"message": "No such object", "domain": "global", "reason": "notFound"}]}}`)
		}))
		b.Cleanup(people.Close)
		environ = append(environ, "RCSHOOK_STORAGE_ENDPOINT="+people.URL, "RCSHOOK_OPT_OUT_STORE="+storeLocation, "RCSHOOK_OPT_OUT_KEY="+storeKey)
	}
	h, err := server.New(b.Context(), server.Options{Environ: environ, Log: io.Discard})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { h.Close() })
	return h
}

// BenchmarkFallback sends the card without a time for its fallback; with one, for which the
// caller waits until the queue has two tasks; and with one that is delivered: the first task
// is dispatched, and the receipt deletes the second.
//
//	go test -run '^$' -bench Fallback -benchmem -count 10 ./internal/e2e
func BenchmarkFallback(b *testing.B) {
	var sends atomic.Pointer[[]byte] // the last request to create a task that sends
	queue := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Content-Type", "application/json")
		if r.Method == http.MethodDelete {
			_, _ = io.WriteString(w, "{}")
			return
		}
		name, _, _ := bytes.Cut(body[bytes.Index(body, []byte(stageQueue)):], []byte(`"`))
		fmt.Fprintf(w, `{"name": %q}`, name)
		if bytes.Contains(body, []byte("/tasks/send/")) {
			sends.Store(&body)
		}
	}))
	b.Cleanup(queue.Close)
	issuer, err := stageIssuer()
	if err != nil {
		b.Fatal(err)
	}
	keys := httptest.NewServer(issuer)
	b.Cleanup(keys.Close)
	const function = "https://rcshook.example.com"
	file := filepath.Join(b.TempDir(), "rcshook.yaml")
	text := fmt.Sprintf("agents:\n  late: {id: %s, credentials: %s, fallback: {url: https://sms.example.com}}\n", platform.AgentIDSecret, platform.KeySecret)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
	handler := benchHandler(b, false, "RCSHOOK_CONFIG="+file, "RCSHOOK_QUEUE="+stageQueue, "RCSHOOK_QUEUE_ACCOUNT="+stageAccount,
		"RCSHOOK_URL="+function, "RCSHOOK_TASKS_ENDPOINT="+queue.URL, "RCSHOOK_OIDC_ENDPOINT="+keys.URL, "RCSHOOK_WEBHOOK_TOKEN=token")
	post := func(path string, header http.Header, body []byte) {
		r := httptest.NewRequest(http.MethodPost, path, bytes.NewReader(body))
		r.Header = header
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		if handler.ServeHTTP(w, r); w.Code != http.StatusOK {
			b.Fatalf("%s: %d: %s", path, w.Code, w.Body)
		}
	}
	without := strings.Replace(benchBody, "{", `{"agent": "late", `, 1)
	with := strings.Replace(without, "{", `{"fallback_after": "60s", `, 1)
	b.Run("without", func(b *testing.B) { benchServe(b, handler, without, 1) })
	b.Run("with", func(b *testing.B) { benchServe(b, handler, with, 1) })
	b.Run("delivered", func(b *testing.B) {
		b.ReportAllocs()
		data, _ := events.SampleData("delivered", stageAgent, "1", time.Now())
		event := request{header: http.Header{}, body: data}
		event.sealEvent("token")
		task := http.Header{"Authorization": {"Bearer " + issuer.Token(function, stageAccount, time.Now())}, "X-Cloudtasks-Taskretrycount": {"0"}}
		for b.Loop() {
			post("/", http.Header{"Authorization": {"Bearer dev"}}, []byte(with))
			var created struct {
				Task struct {
					HTTPRequest struct {
						URL  string
						Body []byte
					}
				}
			}
			if err := json.Unmarshal(*sends.Load(), &created); err != nil {
				b.Fatal(err)
			}
			post(strings.TrimPrefix(created.Task.HTTPRequest.URL, function), task, created.Task.HTTPRequest.Body)
			post("/events", event.header, event.body)
		}
	})
}

// BenchmarkEvent receives an event and delivers it to one target, signed. Compare it with
// [BenchmarkSend].
func BenchmarkEvent(b *testing.B) {
	target := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }))
	b.Cleanup(target.Close)
	h, err := server.New(b.Context(), server.Options{Environ: []string{
		"RCSHOOK_AGENT_ID=example_agent", "RCSHOOK_API_KEYS=dev", "RCSHOOK_WEBHOOK_TOKEN=token",
		"RCSHOOK_EVENTS_URL=" + target.URL, "RCSHOOK_EVENTS_SECRET=" + standardSecret,
	}})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { h.Close() })
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		b.StopTimer()
		data, _ := events.SampleData("button", "example_agent", strconv.Itoa(n), time.Now())
		event := request{header: http.Header{}, body: data}
		event.sealEvent("token")
		r := httptest.NewRequest(http.MethodPost, "/events", bytes.NewReader(event.body))
		r.Header = event.header
		w := httptest.NewRecorder()
		b.StartTimer()
		if h.ServeHTTP(w, r); w.Code != http.StatusOK {
			b.Fatalf("%d: %s", w.Code, w.Body)
		}
	}
}

// benchServe calls h from several callers in parallel.
func benchServe(b *testing.B, h http.Handler, body string, callers int) {
	b.ReportAllocs()
	b.SetParallelism((callers + runtime.GOMAXPROCS(0) - 1) / runtime.GOMAXPROCS(0))
	call := func() {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer dev")
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		if h.ServeHTTP(w, r); w.Code != http.StatusOK {
			b.Errorf("%d: %s", w.Code, w.Body)
		}
	}
	if callers == 1 {
		for b.Loop() {
			call()
		}
		return
	}
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			call()
		}
	})
}
