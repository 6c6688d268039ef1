package rbm

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// hello is what TLS begins with.
const hello = "\x16hello"

// A slowConn takes one write when it is let.
type slowConn struct {
	net.Conn // nil: there is nothing else that may be called
	let      chan error
	writes   []string
	closed   int
	limited  bool // reading has a deadline
}

func (c *slowConn) Write(p []byte) (int, error) {
	if err := <-c.let; err != nil {
		return 0, err
	}
	c.writes = append(c.writes, string(p))
	return len(p), nil
}

func (c *slowConn) Read([]byte) (int, error)         { return 0, io.EOF }
func (c *slowConn) SetReadDeadline(time.Time) error  { c.limited = true; return nil }
func (c *slowConn) SetWriteDeadline(time.Time) error { return nil }
func (c *slowConn) Close() error                     { c.closed++; return nil }

// gathered runs a test with a connection whose first write is on its way.
func gathered(t *testing.T, test func(t *testing.T, c *slowConn, g *gatheringConn)) {
	synctest.Test(t, func(t *testing.T) {
		c := &slowConn{let: make(chan error)}
		g := gather(c)
		write(t, g, hello)
		synctest.Wait()
		test(t, c, g)
	})
}

// next lets the next write end.
func (c *slowConn) next(err error) {
	c.let <- err
	synctest.Wait()
}

func write(t *testing.T, w io.Writer, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if n, err := io.WriteString(w, text); n != len(text) || err != nil {
			t.Errorf("Write(%.20q) = %d, %v", text, n, err)
		}
	}
}

// TestGather sees that what is written while another write takes its time leaves
// together, in order.
func TestGather(t *testing.T) {
	gathered(t, func(t *testing.T, c *slowConn, g *gatheringConn) {
		write(t, g, "b", "c")
		write(t, g, "d")
		c.next(nil)
		c.next(nil)
		write(t, g, "e")
		c.next(nil)
		if got, want := strings.Join(c.writes, " "), hello+" bcd e"; got != want {
			t.Errorf("the writes were %q, want %q", got, want)
		}
	})
}

// TestGather_full sees that memory is bounded: who writes more than the connection takes
// has to wait, however many they are.
func TestGather_full(t *testing.T) {
	gathered(t, func(t *testing.T, c *slowConn, g *gatheringConn) {
		much := strings.Repeat("x", maxGathered)
		write(t, g, much)
		done := 0
		for range 2 {
			go func() { write(t, g, much); done++ }()
		}
		synctest.Wait()
		if done != 0 {
			t.Error("more was taken than there is room for")
		}
		for i, want := range []int{1, 2, 2} {
			c.next(nil)
			if done != want {
				t.Errorf("after write %d, %d had room, want %d", i+1, done, want)
			}
		}
		c.next(nil)
		if got := strings.Join(c.writes, " "); got != strings.Join([]string{hello, much, much, much}, " ") {
			t.Errorf("%d bytes were written, in %d writes", len(got), len(c.writes))
		}
	})
}

// TestGather_error sees that the error of a write is told to all who write or read later,
// and to who waits.
func TestGather_error(t *testing.T) {
	gathered(t, func(t *testing.T, c *slowConn, g *gatheringConn) {
		write(t, g, strings.Repeat("x", maxGathered))
		var waited error
		go func() { _, waited = g.Write([]byte("waits")) }()
		synctest.Wait()
		c.next(syscall.EPIPE)
		n, later := g.Write([]byte("later"))
		if n != 0 {
			t.Errorf("%d bytes were taken after the error", n)
		}
		_, read := g.Read(nil)
		if err := g.Close(); err != nil || c.closed != 1 {
			t.Errorf("Close() = %v, closed %d times", err, c.closed)
		}
		_, last := g.Write([]byte("last"))
		for who, err := range map[string]error{"who waited": waited, "who wrote later": later, "who read": read, "who wrote after the end": last} {
			if err != syscall.EPIPE { //nolint:errorlint // the very error
				t.Errorf("%s was told: %v, want %v", who, err, syscall.EPIPE)
			}
		}
		if !c.limited || len(c.writes) != 0 {
			t.Errorf("a limit for reading: %t; written: %q", c.limited, c.writes)
		}
	})
}

// TestGather_close sees that the end lets what waits be written, that nothing is accepted
// after it, and that nobody waits for ever.
func TestGather_close(t *testing.T) {
	gathered(t, func(t *testing.T, c *slowConn, g *gatheringConn) {
		much := strings.Repeat("x", maxGathered)
		write(t, g, much)
		var waited error
		go func() { _, waited = g.Write([]byte("waits")) }()
		synctest.Wait()
		go g.Close()
		synctest.Wait()
		if _, err := g.Write([]byte("later")); !errors.Is(err, net.ErrClosed) || !errors.Is(waited, net.ErrClosed) {
			t.Errorf("the errors are %v and, of who waited, %v; want that it is closed", err, waited)
		}
		if c.closed != 0 {
			t.Error("closed although a write is on its way")
		}
		c.next(nil)
		c.next(nil)
		if got := strings.Join(c.writes, " "); got != hello+" "+much || c.closed != 1 {
			t.Errorf("%d bytes were written, closed %d times", len(got), c.closed)
		}
	})
}

// TestGather_closeBroken sees that the end does not wait for a write that fails.
func TestGather_closeBroken(t *testing.T) {
	gathered(t, func(t *testing.T, c *slowConn, g *gatheringConn) {
		write(t, g, "waits")
		go g.Close()
		synctest.Wait()
		c.next(syscall.ETIMEDOUT)
		if c.closed != 1 || len(c.writes) != 0 {
			t.Errorf("closed %d times, written: %q", c.closed, c.writes)
		}
		if _, err := g.Write([]byte("later")); err != net.ErrClosed { //nolint:errorlint // the very error
			t.Errorf("the error after the end is %v, want that it is closed", err)
		}
	})
}

// TestGather_plain sees that without TLS each write is made, and fails, at once.
func TestGather_plain(t *testing.T) {
	c := &slowConn{let: make(chan error, 2)}
	g := gather(c)
	c.let <- nil
	write(t, g, "POST / HTTP/1.1\r\n\r\n")
	c.let <- syscall.ECONNRESET
	if _, err := g.Write([]byte(hello)); err != syscall.ECONNRESET || len(c.writes) != 1 { //nolint:errorlint // the very error
		t.Errorf("the error is %v after %d writes, want that of the second", err, len(c.writes))
	}
}

// TestGathering_none sees that what a dialer says is passed on.
func TestGathering_none(t *testing.T) {
	refused := errors.New("refused")
	for _, want := range []error{refused, nil} {
		c, err := gathering(func(context.Context, string, string) (net.Conn, error) { return nil, want })(t.Context(), "tcp", "localhost:1")
		if c != nil || err != want { //nolint:errorlint // the very error
			t.Errorf("dialed %v, %v, want %v", c, err, want)
		}
	}
}

// TestGather_many sees that what each of many writes arrives whole and in its order.
func TestGather_many(t *testing.T) {
	const writers, each = 20, 200
	near, far := net.Pipe()
	g := gather(near)
	write(t, g, hello)
	var all sync.WaitGroup
	for who := range writers {
		all.Go(func() {
			for n := range each {
				write(t, g, fmt.Sprintf("%02d says %03d\n", who, n))
			}
		})
	}
	arrived := make([]byte, len(hello)+writers*each*len("00 says 000\n"))
	if _, err := io.ReadFull(far, arrived); err != nil {
		t.Fatal(err)
	}
	all.Wait()
	next := map[string]int{}
	for line := range bytes.Lines(arrived[len(hello):]) {
		who, n, _ := strings.Cut(string(line), " says ")
		if want := fmt.Sprintf("%03d\n", next[who]); n != want {
			t.Fatalf("%s says %q, want %q", who, n, want)
		}
		next[who]++
	}
	if len(next) != writers || g.Close() != nil {
		t.Errorf("%d have written, want %d", len(next), writers)
	}
}

// TestGather_burst sees that what many write in the same moment leaves together, also if
// no write takes any time.
func TestGather_burst(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // so that they take turns
	const writers = 40
	c := &slowConn{let: make(chan error, writers)}
	for range writers {
		c.let <- nil
	}
	g := gather(c)
	synctest.Test(t, func(t *testing.T) {
		begin := make(chan struct{})
		for range writers {
			go func() { <-begin; write(t, g, hello) }()
		}
		synctest.Wait()
		close(begin)
	})
	if n := len(strings.Join(c.writes, "")); n != writers*len(hello) || len(c.writes) > writers/4 {
		t.Errorf("%d bytes left in %d writes, want %d in one or a few", n, len(c.writes), writers*len(hello))
	}
}

// A testedConn counts writes, and fails them from some time on.
type testedConn struct {
	net.Conn
	writes *atomic.Int64
	broken *atomic.Bool
}

func (c testedConn) Write(p []byte) (int, error) {
	if c.broken.Load() {
		return 0, &net.OpError{Op: "write", Net: "tcp", Err: syscall.ECONNRESET}
	}
	c.writes.Add(1)
	return c.Conn.Write(p)
}

// tested returns a transport of ours that reaches a server over HTTP/2 by such
// connections.
func tested(t *testing.T, h http.HandlerFunc) (url string, transport *http.Transport, c testedConn) {
	t.Helper()
	server := httptest.NewUnstartedServer(h)
	server.EnableHTTP2 = true
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	c = testedConn{writes: new(atomic.Int64), broken: new(atomic.Bool)}
	before := http.DefaultTransport
	defer func() { http.DefaultTransport = before }()
	http.DefaultTransport = &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		return testedConn{conn, c.writes, c.broken}, err
	}}
	transport = NewTransport()
	t.Cleanup(transport.CloseIdleConnections)
	transport.TLSClientConfig = &tls.Config{RootCAs: server.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs}
	return server.URL, transport, c
}

func post(t *testing.T, transport http.RoundTripper, url string) (string, error) {
	t.Helper()
	res, err := (&http.Client{Transport: transport}).Post(url, "text/plain", strings.NewReader("x"))
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return string(body), err
}

// TestNewTransport_gathers sees that the headers and the body of a request leave
// together.
func TestNewTransport_gathers(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // or another processor might be very quick
	url, transport, c := tested(t, func(http.ResponseWriter, *http.Request) {})
	const requests = 50
	for range requests {
		if _, err := post(t, transport, url); err != nil {
			t.Fatal(err)
		}
	}
	if n := c.writes.Load(); n < requests || n > requests*3/2 {
		t.Errorf("%d requests took %d writes, want little more than one each", requests, n)
	}
}

// TestNewTransport_writeFails sees that a caller gets to know why, and that an answer
// which is on its way is read nevertheless.
func TestNewTransport_writeFails(t *testing.T) {
	long := strings.Repeat("an answer that needs more than one window of HTTP/2, so that more is written meanwhile ", 2000)
	var c testedConn
	url, transport, c := tested(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		c.broken.Store(true)
		_, _ = io.WriteString(w, long)
	})
	if body, err := post(t, transport, url); err != nil || body != long {
		t.Errorf("the answer has %d bytes, %v, want %d", len(body), err, len(long))
	}
	_, err := post(t, transport, url)
	if !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the error is %v, want %v", err, syscall.ECONNRESET)
	}
}

// TestNewTransport_alert sees that a server gets to know why it is not trusted.
func TestNewTransport_alert(t *testing.T) {
	server := httptest.NewUnstartedServer(nil)
	server.StartTLS()
	server.Close() // only its certificate is of use
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	heard := make(chan error, 1)
	go func() {
		conn, err := listener.Accept()
		if err == nil {
			_, err = tls.Server(conn, &tls.Config{Certificates: server.TLS.Certificates}).Read(make([]byte, 1)) //nolint:gosec // for a test
			conn.Close()
		}
		heard <- err
	}()
	if _, err := post(t, NewTransport(), "https://"+listener.Addr().String()); err == nil {
		t.Error("an unknown certificate is trusted")
	}
	if err := <-heard; err == nil || !strings.Contains(err.Error(), "bad certificate") {
		t.Errorf("the server heard %v, want that the certificate is bad", err)
	}
}
