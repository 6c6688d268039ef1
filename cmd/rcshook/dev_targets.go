package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/phone"
	"github.com/rcshook/rcshook/rbm"
)

// devTargets receives the requests of the function that would leave this machine.
type devTargets struct {
	allowed string // the host and port that requests may reach
	out     io.Writer
	note    func(any)
	conns   chan net.Conn
	life    context.Context // until Close
	kill    context.CancelFunc

	mu   sync.Mutex
	list []devRequest
}

// devRequest is a received request.
type devRequest struct {
	Time   time.Time         `json:"time"`
	URL    string            `json:"url"`
	Header map[string]string `json:"header"`
	Body   string            `json:"body"`
}

// maxDevRequests is the number of requests that dev keeps.
const maxDevRequests = 1000

// newDevTargets returns a receiver that lets requests to the URL allowed pass.
func newDevTargets(allowed string, out io.Writer, note func(any)) *devTargets {
	t := &devTargets{allowed: hostPort(allowed), out: out, note: note, conns: make(chan net.Conn)}
	t.life, t.kill = context.WithCancel(context.Background())
	go func() { _ = http.Serve(t, t) }() // until Close
	return t
}

// Accept, Close and Addr make t the listener of its connections. They are pipes, so that
// no other program can connect.
func (t *devTargets) Accept() (net.Conn, error) {
	select {
	case conn := <-t.conns:
		return conn, nil
	case <-t.life.Done():
		return nil, net.ErrClosed
	}
}

// Close ends Accept.
func (t *devTargets) Close() error {
	t.kill()
	return nil
}

// Addr returns an address that is not used.
func (t *devTargets) Addr() net.Addr { return &net.UnixAddr{Net: "pipe"} }

// connect returns a connection to t.
func (t *devTargets) connect(ctx context.Context) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case t.conns <- server:
		return client, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-t.life.Done():
		return nil, net.ErrClosed
	}
}

// hostPort returns the host and port of a URL as [net/http] dials them; "" if it has no
// host.
func hostPort(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return ""
	}
	port := cmp.Or(u.Port(), map[string]string{"http": "80", "https": "443"}[u.Scheme])
	return net.JoinHostPort(strings.ToLower(u.Hostname()), port)
}

// transport returns a transport for the function. Connections to other machines end in t,
// without TLS, so that no mistake in a redirected address lets a request pass.
func (t *devTargets) transport() *http.Transport {
	transport := rbm.NewTransport()
	transport.Proxy = nil
	transport.MaxConnsPerHost, transport.MaxIdleConns, transport.MaxIdleConnsPerHost = 0, 0, 512
	dialer := &net.Dialer{Timeout: 30 * time.Second}
	secure := &tls.Dialer{NetDialer: dialer, Config: &tls.Config{NextProtos: []string{"h2", "http/1.1"}}}
	redirect := func(dial func(context.Context, string, string) (net.Conn, error)) func(context.Context, string, string) (net.Conn, error) {
		return func(ctx context.Context, network, address string) (net.Conn, error) {
			if address == t.allowed || config.IsLoopback("http://"+address) {
				return dial(ctx, network, address)
			}
			return t.connect(ctx)
		}
	}
	transport.DialContext, transport.DialTLSContext = redirect(dialer.DialContext), redirect(secure.DialContext)
	return transport
}

// ServeHTTP records a request, shows it, and responds with 200. The ID of a request to a
// store of opt-outs starts with "ask_".
func (t *devTargets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil {
		http.Error(w, "read the body: "+err.Error(), http.StatusBadRequest)
		return
	}
	request := devRequest{Time: time.Now().UTC(), URL: "https://" + r.Host + r.URL.RequestURI(), Header: make(map[string]string), Body: string(body)}
	for name := range r.Header {
		request.Header[name] = r.Header.Get(name)
	}
	t.mu.Lock()
	if len(t.list) == maxDevRequests {
		t.list = slices.Delete(t.list, 0, maxDevRequests/10)
	}
	t.list = append(t.list, request)
	t.mu.Unlock()
	fmt.Fprintf(t.out, "request to %s, received by dev:\n  %s\n", request.URL, body)
	id := r.Header.Get("Webhook-Id")
	t.note(phone.Note{Request: &phone.Request{ID: id, URL: request.URL, Body: request.Body}})
	if strings.HasPrefix(id, "ask_") {
		_, _ = io.WriteString(w, `{"opted_out": false}`) // the function may be gone
	}
}

// requests returns the last requests, oldest first.
func (t *devTargets) requests() []devRequest {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]devRequest{}, t.list...)
}
