package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rcshook/rcshook/internal/server"
	"github.com/rcshook/rcshook/rbm"
)

// asFunction is the variable that makes the test binary serve the function.
const asFunction = "TEST_AS_FUNCTION"

// closable is its value for a function that starts with its first request and shuts down
// with one for /_close.
const closable = "closable"

func TestMain(m *testing.M) {
	if os.Getenv(asFunction) != "" {
		serveFunction()
		return
	}
	os.Exit(m.Run())
}

// transport is the transport of the function in its own process. It keeps enough idle
// HTTP/1.1 connections for a burst.
var transport = func() *http.Transport {
	t := rbm.NewTransport()
	t.MaxConnsPerHost, t.MaxIdleConns, t.MaxIdleConnsPerHost = 0, 0, 512
	return t
}()

// serveFunction serves the function on the inherited listener until the test ends. The
// settings are in the environment.
func serveFunction() {
	listener, err := net.FileListener(os.NewFile(3, "listener"))
	if err != nil {
		panic(err)
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // closed when the test ends
		os.Exit(0)
	}()
	mux := http.NewServeMux()
	mux.HandleFunc("/_usage", serveUsage)
	if os.Getenv(asFunction) == closable {
		function := sync.OnceValue(func() *server.Server {
			s, err := server.New(context.Background(), server.Options{Environ: os.Environ(), Log: os.Stderr, Transport: transport})
			if err != nil {
				panic(err)
			}
			return s
		})
		mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { function().ServeHTTP(w, r) })
		mux.HandleFunc("/_close", func(w http.ResponseWriter, r *http.Request) { function().Close(); serveUsage(w, r) })
	} else {
		mux.Handle("/", &server.Function{Environ: os.Environ, Log: os.Stderr, Transport: transport})
	}
	panic(http.Serve(listener, mux))
}

// usage has numbers that must not grow with the number of requests.
type usage struct {
	Goroutines int
	Heap       uint64 // bytes in use after a collection
}

func serveUsage(w http.ResponseWriter, _ *http.Request) {
	transport.CloseIdleConnections()
	runtime.GC()
	runtime.GC() // the second run empties pools
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	_ = json.NewEncoder(w).Encode(usage{runtime.NumGoroutine(), m.HeapAlloc})
}

// A process runs the function outside of the test process. The listener stays open after
// a kill, so requests wait until the next start.
type process struct {
	url      string
	listener *os.File
	environ  []string
	log      tailWriter
	all      io.Writer // gets the whole log in place of log, if it is set

	cmd   *exec.Cmd
	stdin io.Closer
}

// process starts the function as a process with the settings of the stage.
func (s *stage) process(t *testing.T) *process {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	p := &process{url: "http://" + listener.Addr().String(), environ: append(environWithout("RCSHOOK_"), asFunction+"=1"), all: s.processLog}
	if p.listener, err = listener.(*net.TCPListener).File(); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "adc.json")
	if err := os.WriteFile(file, s.adc, 0o600); err != nil {
		t.Fatal(err)
	}
	p.environ = append(p.environ, "GOOGLE_APPLICATION_CREDENTIALS="+file)
	for name, value := range s.env {
		p.environ = append(p.environ, name+"="+value)
	}
	p.start(t)
	t.Cleanup(func() {
		p.kill()
		p.listener.Close()
		if t.Failed() {
			t.Logf("end of the log:\n%s", p.log.String())
		}
	})
	return p
}

// setPlatform makes upstream the platform of the stage.
func (s *stage) setPlatform(t *testing.T, upstream *httptest.Server) {
	t.Helper()
	s.adc = s.sim.Provision(upstream.URL).Credentials
	maps.Copy(s.env, map[string]string{"RCSHOOK_RBM_ENDPOINT": upstream.URL, "RCSHOOK_SECRETMANAGER_ENDPOINT": upstream.URL})
	if c := upstream.Certificate(); c != nil {
		file := filepath.Join(t.TempDir(), "cert.pem")
		if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}), 0o600); err != nil {
			t.Fatal(err)
		}
		s.env["SSL_CERT_FILE"] = file // for functions in their own process
	}
}

// startHTTP2 starts a server with HTTP/2 over TLS, like Google's.
func startHTTP2(s *httptest.Server) { s.EnableHTTP2 = true; s.StartTLS() }

// environWithout returns the environment without variables that have a prefix.
func environWithout(prefix string) []string {
	return slices.DeleteFunc(os.Environ(), func(setting string) bool { return strings.HasPrefix(setting, prefix) })
}

// start starts the process, also after kill.
func (p *process) start(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Error(err)
		return
	}
	p.cmd = exec.Command(self)
	p.cmd.Env, p.cmd.ExtraFiles, p.cmd.Stderr = p.environ, []*os.File{p.listener}, &p.log
	if p.all != nil {
		p.cmd.Stderr = p.all
	}
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		t.Error(err)
		return
	}
	if err := p.cmd.Start(); err != nil {
		t.Error(err)
	}
}

// kill ends the process with SIGKILL.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
	p.stdin.Close()
}

// settle returns the usage of the process, from a path, when it has at most that many
// goroutines, or after ten seconds. Connections close asynchronously.
func (p *process) settle(t *testing.T, path string, goroutines int) (now usage) {
	t.Helper()
	for range 1000 {
		if now = p.usage(t, path); now.Goroutines <= goroutines {
			break
		}
		<-time.After(10 * time.Millisecond)
	}
	return now
}

// usage returns the current usage of the process, from a path.
func (p *process) usage(t *testing.T, path string) usage {
	t.Helper()
	res, err := http.Get(p.url + path)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var v usage
	if err := json.NewDecoder(res.Body).Decode(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

// resident returns the resident memory of the process in bytes. It is known on Linux only,
// and 0 elsewhere.
func (p *process) resident() int {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/statm", p.cmd.Process.Pid)) // missing on other systems
	var size, resident int
	_, _ = fmt.Sscan(string(text), &size, &resident)
	return resident * os.Getpagesize()
}

// tailWriter is a writer that keeps the last bytes.
type tailWriter struct {
	mu  sync.Mutex
	end []byte
}

const tailBytes = 16 << 10

func (l *tailWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.end = append(l.end, p...)
	if over := len(l.end) - tailBytes; over > 0 {
		l.end = bytes.Clone(l.end[over:])
	}
	return len(p), nil
}

func (l *tailWriter) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.end)
}

func (l *tailWriter) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.end = nil
}

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
	// killBefore forwards requests, and kills the function before some responses.
	killBefore := func(h http.Handler, suffix string) string {
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
	s.env["RCSHOOK_RBM_ENDPOINT"] = killBefore(s.sim, "/agentMessages")
	s.env["RCSHOOK_TASKS_ENDPOINT"] = killBefore(s.tasks, "/tasks")
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
