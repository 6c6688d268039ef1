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

// asFunction is the variable that makes the test binary serve the function.
const asFunction = "TEST_AS_FUNCTION"

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
	function := &server.Function{Environ: os.Environ, Log: os.Stderr, Transport: transport}
	mux.Handle("/", function)
	mux.HandleFunc("/_vitals", serveVitals)
	panic(http.Serve(listener, mux))
}

// vitals are numbers that must not grow with the number of requests.
type vitals struct {
	Goroutines int
	Heap       uint64 // bytes in use after a collection
}

func serveVitals(w http.ResponseWriter, _ *http.Request) {
	transport.CloseIdleConnections()
	runtime.GC()
	runtime.GC() // the second run empties pools
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	_ = json.NewEncoder(w).Encode(vitals{runtime.NumGoroutine(), m.HeapAlloc})
}

// A process runs the function outside of the test process. The listener stays open after
// a kill, so requests wait until the next start.
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
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	p := &process{url: "http://" + listener.Addr().String(), environ: append(environWithout("RCSHOOK_"), asFunction+"=1")}
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

// move changes the address of the platform to that of upstream.
func (s *stage) move(t *testing.T, upstream *httptest.Server) {
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

// vitals returns the vitals of the process.
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

// tail is a writer that keeps the last bytes.
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
