package e2e

import (
	"bytes"
	"encoding/json"
	"encoding/pem"
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

	"github.com/rcshook/rcshook/internal/server"
	"github.com/rcshook/rcshook/rbm"
)

// asFunction tells the test binary to be the function, in a process of its own.
const asFunction = "TEST_AS_FUNCTION"

func TestMain(m *testing.M) {
	if os.Getenv(asFunction) != "" {
		serveFunction()
		return
	}
	os.Exit(m.Run())
}

// transport makes the requests of the function in its own process. It can have idle
// connections to a simulator of HTTP/1 for a whole burst.
var transport = func() *http.Transport {
	t := rbm.NewTransport()
	t.MaxConnsPerHost, t.MaxIdleConns, t.MaxIdleConnsPerHost = 0, 0, 512
	return t
}()

// serveFunction serves the function with the settings of the environment, on the listener
// that it was given, as long as the test lives.
func serveFunction() {
	listener, err := net.FileListener(os.NewFile(3, "listener"))
	if err != nil {
		panic(err)
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // ends with the test, however that ends
		os.Exit(0)
	}()
	mux := http.NewServeMux()
	function := &server.Function{Environ: os.Environ, Log: os.Stderr, Transport: transport}
	mux.Handle("/", function)
	mux.HandleFunc("/_vitals", serveVitals)
	panic(http.Serve(listener, mux)) //nolint:gosec // for a test
}

// vitals are what a process must not gain by working.
type vitals struct {
	Goroutines int
	Heap       uint64 // bytes in use after a collection
}

func serveVitals(w http.ResponseWriter, _ *http.Request) {
	transport.CloseIdleConnections()
	runtime.GC()
	runtime.GC() // what pools keep goes with the second one
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	_ = json.NewEncoder(w).Encode(vitals{runtime.NumGoroutine(), m.HeapAlloc})
}

// A process runs the function apart from the test. Its address outlives it: who
// calls while it is down waits until it is up again.
type process struct {
	url      string
	listener *os.File
	environ  []string
	log      tail

	cmd   *exec.Cmd
	stdin io.Closer
}

// process starts the function as a process with the settings of the stage.
func (s *stage) process(t *testing.T) *process {
	t.Helper()
	if s.adc != nil {
		s.exportCredentials(t)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	p := &process{url: "http://" + listener.Addr().String(), environ: append(environWithout("RCSHOOK_"), asFunction+"=1")}
	if p.listener, err = listener.(*net.TCPListener).File(); err != nil {
		t.Fatal(err)
	}
	for name, value := range s.env {
		p.environ = append(p.environ, name+"="+value)
	}
	p.start(t)
	t.Cleanup(func() {
		p.kill()
		p.listener.Close()
		if t.Failed() {
			t.Logf("the function has logged at last:\n%s", p.log.String())
		}
	})
	return p
}

// move makes upstream the platform.
func (s *stage) move(t *testing.T, upstream *httptest.Server) {
	s.adc = nil
	t.Helper()
	env := s.sim.Provision(upstream.URL)
	dir := t.TempDir()
	files := map[string][]byte{"adc.json": env.Credentials}
	if c := upstream.Certificate(); c != nil {
		files["cert.pem"] = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
		t.Setenv("SSL_CERT_FILE", filepath.Join(dir, "cert.pem"))
	}
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", filepath.Join(dir, "adc.json"))
	maps.Copy(s.env, map[string]string{"RCSHOOK_RBM_ENDPOINT": upstream.URL, "RCSHOOK_SECRETMANAGER_ENDPOINT": upstream.URL})
}

// startHTTP2 starts a server that speaks as Google's do.
func startHTTP2(s *httptest.Server) { s.EnableHTTP2 = true; s.StartTLS() }

// environWithout is the environment of the test without names of that prefix.
func environWithout(prefix string) []string {
	return slices.DeleteFunc(os.Environ(), func(setting string) bool { return strings.HasPrefix(setting, prefix) })
}

// start starts the process, again after kill.
func (p *process) start(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Error(err)
		return
	}
	p.cmd = exec.Command(self) //nolint:gosec // this very program
	p.cmd.Env, p.cmd.ExtraFiles, p.cmd.Stderr = p.environ, []*os.File{p.listener}, &p.log
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		t.Error(err)
		return
	}
	if err := p.cmd.Start(); err != nil {
		t.Error(err)
	}
}

// kill ends the process with SIGKILL: it has no time for anything.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait() // says that it was killed
	p.stdin.Close()
}

// vitals asks the process for its vitals.
func (p *process) vitals(t *testing.T) vitals {
	t.Helper()
	res, err := http.Get(p.url + "/_vitals")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var v vitals
	if err := json.NewDecoder(res.Body).Decode(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

// tail keeps the end of what is written to it.
type tail struct {
	mu  sync.Mutex
	end []byte
}

const tailBytes = 16 << 10

func (l *tail) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.end = append(l.end, p...)
	if over := len(l.end) - tailBytes; over > 0 {
		l.end = bytes.Clone(l.end[over:])
	}
	return len(p), nil
}

func (l *tail) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.end)
}

func (l *tail) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.end = nil
}
