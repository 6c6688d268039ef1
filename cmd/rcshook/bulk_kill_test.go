package main

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rcshook/rcshook/rbm/rbmtest"
)

var (
	bulkRows  = flag.Int("rows", 400, "rows of TestBulkKilled")
	checkRows = flag.Int("check-rows", 2000, "rows of TestBulkMemory")
)

// A flakyProxy makes some requests for the function fail, in every possible way.
type flakyProxy struct {
	function http.Handler
	n        atomic.Int64
}

func (w *flakyProxy) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	respond := func(status int, body string) {
		rw.Header().Set("Retry-After", "1")
		rw.WriteHeader(status)
		io.WriteString(rw, body)
	}
	switch w.n.Add(1) % 1000 {
	case 100, 600:
		respond(http.StatusTooManyRequests, `{"ok": false, "status": 429, "code": "rate_limited", "retry": "later"}`)
	case 200, 700:
		respond(http.StatusServiceUnavailable, "no instance")
	case 300, 800: // the message is sent, but the response is lost
		w.function.ServeHTTP(httptest.NewRecorder(), r)
		panic(http.ErrAbortHandler)
	case 400:
		panic(http.ErrAbortHandler)
	default:
		w.function.ServeHTTP(rw, r)
	}
}

// TestBulkKilled kills the command twice, while the platform and the function reject some
// requests. In the end each number has one message:
//
//	go test ./cmd/rcshook -run TestBulkKilled -rows 100000 -timeout 30m -v
func TestBulkKilled(t *testing.T) {
	t.Parallel()
	rows := *bulkRows
	sim, h := deployment(t, "RCSHOOK_TIMEOUT=2s")
	for range 1 + rows/1000 {
		sim.Fail(rbmtest.Failure{Method: "phones.agentMessages.create", Status: http.StatusTooManyRequests, Count: 2})
		sim.Fail(rbmtest.Failure{Method: "phones.agentMessages.create", Status: http.StatusServiceUnavailable, Count: 2})
	}
	sim.Fail(rbmtest.Failure{Method: "phones.agentMessages.create", Status: http.StatusTooManyRequests, RetryAfter: 3 * time.Second, Count: 8})
	around := &flakyProxy{function: h}
	server := httptest.NewServer(around)
	t.Cleanup(server.Close)
	dir := t.TempDir()
	writeTable(t, dir+"/recipients.csv", rows)
	write(t, dir+"/message.json", `{"text": "Hi {{name|there}}, your order {{order}} has shipped", "buttons": ["Track|https://example.com/t/{{order}}"]}`)
	start := func() *watched {
		return watch(t, dir, []string{envURL + "=" + server.URL, envKey + "=" + devKey},
			"bulk", "recipients.csv", "-message", "message.json", "-campaign", "killed", "-rate", "20000", "-concurrency", "64")
	}

	began := time.Now()
	for part := 1; part <= 2; part++ {
		p := start()
		for around.n.Load() < int64(part*rows/3) {
			select {
			case err := <-p.exited:
				t.Fatalf("run %d ended early: %v\n%s", part, err, &p.out)
			case <-time.After(time.Millisecond):
			}
		}
		if err := p.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		<-p.exited
		t.Logf("killed after %d requests and %v; peak %d MB", around.n.Load(), time.Since(began).Round(time.Millisecond), p.peak)
	}
	p := start()
	if err := <-p.exited; err != nil {
		t.Fatalf("the last run: %v\n%s", err, &p.out)
	}
	took := time.Since(began)
	messages := sim.Messages()
	arrived := make(map[string]bool, len(messages))
	for _, m := range messages {
		arrived[m.To] = true
	}
	if len(messages) != rows || len(arrived) != rows {
		t.Errorf("%d messages to %d numbers, want %d", len(messages), len(arrived), rows)
	}
	t.Logf("%d messages to %d numbers by %d requests in %v, %.0f a second; peak of the last run %d MB\n%s",
		len(messages), len(arrived), around.n.Load(), took.Round(time.Millisecond), float64(rows)/took.Seconds(), p.peak, &p.out)
}

// TestBulkMemory checks a table in limited memory:
//
//	go test ./cmd/rcshook -run TestBulkMemory -check-rows 1000000 -v
func TestBulkMemory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	writeTable(t, dir+"/recipients.csv", *checkRows)
	write(t, dir+"/message.json", `{"text": "Hi {{name|there}}, your order {{order}} has shipped", "buttons": ["Track|https://example.com/t/{{order}}"]}`)
	began := time.Now()
	p := watch(t, dir, nil, "bulk", "recipients.csv", "-message", "message.json", "-dry-run")
	if err := <-p.exited; err != nil || !strings.Contains(p.out.String(), fmt.Sprintf(" %d valid, 0 invalid", *checkRows)) {
		t.Fatalf("%v\n%s", err, &p.out)
	}
	t.Logf("%d rows in %v, peak %d MB\n%s", *checkRows, time.Since(began).Round(time.Millisecond), p.peak, &p.out)
	limit := 64
	if info, _ := debug.ReadBuildInfo(); slices.ContainsFunc(info.Settings, func(s debug.BuildSetting) bool { return s.Key == "-race" }) {
		limit *= 3
	}
	if p.peak > limit {
		t.Errorf("%d MB at the peak, want at most %d", p.peak, limit)
	}
}

// writeTable writes a table of fictional numbers.
func writeTable(t *testing.T, path string, rows int) {
	t.Helper()
	var b bytes.Buffer
	b.WriteString("to;name;order\r\n")
	for i := range rows {
		fmt.Fprintf(&b, "+1303%07d;\"Ada \"\"%d\"\"\";%s\r\n", 2_000_000+i, i, strconv.Itoa(100_000+i))
	}
	write(t, path, b.String())
}

// A watched process, and its peak memory.
type watched struct {
	*exec.Cmd
	out    bytes.Buffer
	exited chan error
	peak   int // MB, 0 without /proc
}

// watch starts rcshook. The system's own figure would include the memory of this process
// before the fork.
func watch(t *testing.T, dir string, environ []string, args ...string) *watched {
	t.Helper()
	p := &watched{Cmd: exec.Command("rcshook", args...), exited: make(chan error, 1)}
	p.Dir, p.Env = dir, append(os.Environ(), environ...)
	p.Stdout, p.Stderr = &p.out, &p.out
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- p.Wait() }()
	go func() {
		for {
			select {
			case err := <-ended:
				p.exited <- err
				return
			case <-time.After(10 * time.Millisecond):
				if status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.Process.Pid)); err == nil {
					if _, rest, ok := strings.Cut(string(status), "VmHWM:"); ok {
						kb, _ := strconv.Atoi(strings.Fields(rest)[0])
						p.peak = max(p.peak, kb>>10)
					}
				}
			}
		}
	}()
	return p
}
