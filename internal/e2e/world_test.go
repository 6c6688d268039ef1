package e2e

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rcshook/rcshook/internal/googletest/platform"
	"github.com/rcshook/rcshook/internal/googletest/tasks"
	"github.com/rcshook/rcshook/internal/server"
	"github.com/rcshook/rcshook/rbm"
	"github.com/rcshook/rcshook/rbm/rbmtest"
)

// The addresses in a [world].
const (
	worldPlatform = "127.0.0.1:8001"
	worldTasks    = "127.0.0.1:8002"
	worldKeys     = "127.0.0.1:8003"
	worldFunction = "127.0.0.1:8004" // of all instances
	worldSMS      = "127.0.0.1:8005"
	worldCRM      = "127.0.0.1:8006"
)

// network carries connections between goroutines. In a bubble of synctest, connections of
// the operating system would stop the clock.
type network struct {
	mu    sync.Mutex
	hosts map[string][]*host // by address; connections go to them in turn
	turn  int
}

// host is a machine: it can listen, dial, and lose its power.
type host struct {
	name  string
	net   *network
	conns chan net.Conn

	mu   sync.Mutex
	off  chan struct{} // closed when the power is lost
	open map[*wire]bool
}

// wire is one end of a connection. Its address is the name of the other end.
type wire struct {
	net.Conn
	owner *host
	peer  string
}

func (w *wire) RemoteAddr() net.Addr { return &net.UnixAddr{Net: "memory", Name: w.peer} }

func (w *wire) Close() error {
	w.owner.mu.Lock()
	delete(w.owner.open, w)
	w.owner.mu.Unlock()
	return w.Conn.Close()
}

func (n *network) host(name string) *host {
	return &host{name: name, net: n, conns: make(chan net.Conn), off: make(chan struct{}), open: map[*wire]bool{}}
}

// serve makes a host listen at an address until it loses its power or the test ends.
func (h *host) serve(t *testing.T, address string, handler http.Handler) {
	h.net.mu.Lock()
	if h.net.hosts == nil {
		h.net.hosts = map[string][]*host{}
	}
	h.net.hosts[address] = append(h.net.hosts[address], h)
	h.net.mu.Unlock()
	web := &http.Server{Handler: handler}
	go func() { _ = web.Serve(h) }()
	t.Cleanup(func() { h.shutDown(); web.Close() })
}

// Accept, Close and Addr are a [net.Listener].
func (h *host) Accept() (net.Conn, error) {
	select {
	case c := <-h.conns:
		return c, nil
	case <-h.off:
		return nil, net.ErrClosed
	}
}

func (h *host) Close() error   { return nil }
func (h *host) Addr() net.Addr { return &net.UnixAddr{Net: "memory", Name: h.name} }

// isOff reports whether the host has lost its power.
func (h *host) isOff() bool {
	select {
	case <-h.off:
		return true
	default:
		return false
	}
}

// shutDown breaks all connections of a host, and makes no new ones. What still runs on it
// cannot be noticed by others.
func (h *host) shutDown() {
	h.mu.Lock()
	if !h.isOff() {
		close(h.off)
	}
	open := h.open
	h.open = map[*wire]bool{}
	h.mu.Unlock()
	for c := range open {
		c.Conn.Close()
	}
}

func (h *host) end(c net.Conn, peer string) (*wire, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.isOff() {
		return nil, net.ErrClosed
	}
	w := &wire{c, h, peer}
	h.open[w] = true
	return w, nil
}

var errNoHost = errors.New("connection refused")

// dial connects a host to an address.
func (h *host) dial(ctx context.Context, _, address string) (net.Conn, error) {
	h.net.mu.Lock()
	var to *host
	for range h.net.hosts[address] {
		h.net.turn++
		if to = h.net.hosts[address][h.net.turn%len(h.net.hosts[address])]; !to.isOff() {
			break
		}
	}
	h.net.mu.Unlock()
	if to == nil || to.isOff() {
		return nil, errNoHost
	}
	near, far := net.Pipe()
	client, err := h.end(near, to.name)
	if err != nil {
		return nil, err
	}
	accepted, err := to.end(far, h.name)
	if err != nil {
		client.Close()
		return nil, errNoHost
	}
	select {
	case to.conns <- accepted:
		return client, nil
	case <-to.off:
		err = errNoHost
	case <-ctx.Done():
		err = ctx.Err()
	}
	client.Close()
	accepted.Close()
	return nil, err
}

// transport returns a transport whose connections start at the host.
func (h *host) transport(t *testing.T) *http.Transport {
	transport := rbm.NewTransport()
	transport.Proxy, transport.DialContext = nil, h.dial
	transport.MaxConnsPerHost, transport.MaxIdleConns, transport.MaxIdleConnsPerHost = 0, 0, 512
	t.Cleanup(transport.CloseIdleConnections)
	return transport
}

// world is a function that runs in several instances, and everything that it depends on, in
// a bubble of synctest: a day takes as long as the work of that day.
type world struct {
	t     *testing.T
	net   *network
	sim   *platform.Platform
	tasks *tasks.Server

	environ []string
	adc     []byte
	caller  *http.Client

	mu        sync.Mutex
	instances map[string]*host
	started   int
	log       logged
}

// newWorld builds a world without instances. The wrappers see the requests for the platform
// and for Cloud Tasks, and the transports those of events and of tasks.
func newWorld(t *testing.T, queue tasks.Settings, wrapPlatform, wrapTasks func(http.Handler) http.Handler, push, dispatch func(http.RoundTripper) http.RoundTripper) *world {
	t.Helper()
	w := &world{t: t, net: new(network), instances: map[string]*host{}}
	// A new connection for each request goes to another instance.
	fresh := func(name string) *http.Transport {
		transport := w.net.host(name).transport(t)
		transport.DisableKeepAlives = true
		return transport
	}
	w.caller = &http.Client{Transport: fresh("caller"), Timeout: time.Minute}
	w.sim = platform.New(&rbmtest.Simulator{Transport: push(fresh("platform"))})
	issuer, err := stageIssuer()
	if err != nil {
		t.Fatal(err)
	}
	w.tasks = &tasks.Server{Issuer: issuer, Client: &http.Client{Transport: dispatch(fresh("tasks"))}}
	w.tasks.AddQueue(stageQueue, queue)
	w.tasks.AddQueue(eventsQueue, queue)
	w.net.host("platform").serve(t, worldPlatform, wrapPlatform(w.sim))
	w.net.host("tasks").serve(t, worldTasks, wrapTasks(w.tasks))
	w.net.host("keys").serve(t, worldKeys, issuer)
	t.Cleanup(func() { w.sim.Close(); w.tasks.Close() })
	env := w.sim.Provision("http://" + worldPlatform)
	w.adc = env.Credentials
	file := filepath.Join(t.TempDir(), "rcshook.yaml")
	text := fmt.Sprintf("events:\n  crm: {url: %q, secret: %s}\nagents:\n  default: {id: %s, credentials: %s, fallback: {url: %q, secret: %[2]s}}\n",
		"http://"+worldCRM, standardSecret, env.AgentIDSecret, env.KeySecret, "http://"+worldSMS)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	w.environ = []string{
		"RCSHOOK_API_KEYS=dev", "RCSHOOK_CONFIG=" + file, "RCSHOOK_WEBHOOK_TOKEN=token", "RCSHOOK_URL=http://" + worldFunction,
		"RCSHOOK_QUEUE=" + stageQueue, "RCSHOOK_EVENTS_QUEUE=" + eventsQueue, "RCSHOOK_QUEUE_ACCOUNT=" + stageAccount,
		"RCSHOOK_RBM_ENDPOINT=http://" + worldPlatform, "RCSHOOK_SECRETMANAGER_ENDPOINT=http://" + worldPlatform,
		"RCSHOOK_OIDC_ENDPOINT=http://" + worldKeys, "RCSHOOK_TASKS_ENDPOINT=http://" + worldTasks,
	}
	return w
}

// start starts another instance.
func (w *world) start() {
	w.mu.Lock()
	w.started++
	h := w.net.host(fmt.Sprintf("instance-%d", w.started))
	w.instances[h.name] = h
	w.mu.Unlock()
	f, err := server.New(w.t.Context(), server.Options{Environ: w.environ, DefaultCredentials: w.adc, Log: &w.log, Transport: h.transport(w.t)})
	if err != nil {
		w.t.Error(err)
		return
	}
	h.serve(w.t, worldFunction, f)
	w.t.Cleanup(func() { f.Close() })
}

// kill ends an instance, and starts another one after a time.
func (w *world) kill(name string, pause time.Duration) {
	w.mu.Lock()
	h := w.instances[name]
	delete(w.instances, name)
	w.mu.Unlock()
	if h != nil {
		h.shutDown()
		time.AfterFunc(pause, w.start)
	}
}

// connect makes the platform push events to the function.
func (w *world) connect() {
	if _, err := w.sim.Connect(w.t.Context(), rbmtest.WebhookConfig{URL: "http://" + worldFunction + "/events", ClientToken: "token"}); err != nil {
		w.t.Fatal(err)
	}
}

// logOf returns the lines of the log with a text.
func (w *world) logOf(text string) string {
	var lines []string
	for line := range strings.Lines(w.log.String()) {
		if strings.Contains(line, text) {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}

// perform serves a request without a connection.
func perform(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	full := httptest.NewRecorder()
	h.ServeHTTP(full, r)
	return full
}
