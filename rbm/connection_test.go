package rbm_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/rcshook/rcshook/internal/googletest"
	"github.com/rcshook/rcshook/rbm"
	"github.com/rcshook/rcshook/rbm/rbmtest"
)

// TestSendMessage_brokenConnection checks that a connection that breaks before or within
// the response is retried.
func TestSendMessage_brokenConnection(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, raw string }{
		{"closed at once", ""},
		{"closed in the header", "HTTP/1.1 200 OK\r\nContent-"},
		{"closed in the body", "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{\"name\":"},
		{"closed in a chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n{"},
		{"not HTTP", "SSH-2.0-OpenSSH_9.9\r\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var requests atomic.Int32
			unsent := func(a rbm.Attempt) {
				if a.Unsent {
					t.Errorf("attempt %d is reported as not sent", a.Number)
				}
			}
			client := serve(t, rbm.Config{Observe: unsent}, func(w http.ResponseWriter, r *http.Request) {
				io.Copy(io.Discard, r.Body)
				if requests.Add(1) > 3 {
					respond200(w, accepted)
					return
				}
				conn, _, err := http.NewResponseController(w).Hijack()
				if err != nil {
					t.Error(err)
					return
				}
				io.WriteString(conn, test.raw)
				conn.Close()
			})
			if _, err := client.SendMessage(t.Context(), phone, messageID, hello); err != nil {
				t.Errorf("error %v, want none", err)
			}
		})
	}
}

func TestSendMessage_connectionRefused(t *testing.T) {
	t.Parallel()
	unsent := 0
	client := newClient(t, rbm.Config{Endpoint: googletest.ClosedURL, Observe: func(a rbm.Attempt) {
		if a.Unsent && !a.Resent {
			unsent++
		}
	}})
	_, err := client.SendMessage(t.Context(), phone, messageID, hello)
	if unsent != 4 {
		t.Errorf("%d attempts are reported as not sent, want 4", unsent)
	}
	const want = "rbm: phones.agentMessages.create: connection refused, after 4 attempts"
	if !errors.Is(err, rbm.ErrUnavailable) || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}

func TestSendMessage_untrustedCertificate(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	client := newClient(t, rbm.Config{Endpoint: server.URL, HTTPClient: &http.Client{Transport: rbm.NewTransport()}, Retry: rbm.Retry{MaxAttempts: 1}})
	_, err := client.SendMessage(t.Context(), phone, messageID, hello)
	const want = "rbm: phones.agentMessages.create: the certificate of the host is not trusted"
	if !errors.Is(err, rbm.ErrUnavailable) || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}

// TestSendMessage_deadIdleConnection checks that net/http itself resends a request whose
// pooled connection is dead, as after a process was frozen, and that Resent reports it.
func TestSendMessage_deadIdleConnection(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go serveOnce(conn)
		}
	}()
	for method, call := range map[string]func(*rbm.Client) error{
		"send": func(c *rbm.Client) error {
			_, err := c.SendMessage(t.Context(), phone, messageID, hello)
			return err
		},
		"revoke": func(c *rbm.Client) error { return c.RevokeMessage(t.Context(), phone, messageID) }, // without a body
	} {
		var resent []bool
		client := newClient(t, rbm.Config{
			Endpoint:   "http://" + listener.Addr().String(),
			HTTPClient: &http.Client{Transport: rbm.NewTransport()},
			Observe:    func(a rbm.Attempt) { resent = append(resent, a.Resent) },
		})
		for range 3 {
			if err := call(client); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff([]bool{false, true, true}, resent); diff != "" {
			t.Errorf("%s: Resent of an attempt for each of 3 messages (-want +got):\n%s", method, diff)
		}
	}
}

// serveOnce responds to one request, keeps the connection open, reads the next request
// and closes the connection without a response.
func serveOnce(conn net.Conn) {
	defer conn.Close()
	r := bufio.NewReader(conn)
	for i := range 2 {
		req, err := http.ReadRequest(r)
		if err != nil {
			return
		}
		io.Copy(io.Discard, req.Body)
		if i == 0 {
			fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(accepted), accepted)
		}
	}
}

// brittleConn breaks within one of its writes. It then closes, unless readable is set.
type brittleConn struct {
	net.Conn
	left     atomic.Int64 // writes before it breaks
	readable bool
}

func (c *brittleConn) Write(p []byte) (int, error) {
	if c.left.Add(-1) >= 0 {
		return c.Conn.Write(p)
	}
	n, _ := c.Conn.Write(p[:len(p)/2])
	if !c.readable {
		c.Conn.Close()
	}
	return n, &net.OpError{Op: "write", Net: "tcp", Err: syscall.ECONNRESET}
}

// TestSendMessage_brokenWrites checks that each message arrives once, and that its caller
// gets no other result, if connections with many requests break within a write.
func TestSendMessage_brokenWrites(t *testing.T) {
	sim := &rbmtest.Simulator{Agents: []rbmtest.AgentConfig{{ID: agentID}}}
	server := httptest.NewUnstartedServer(sim)
	server.EnableHTTP2 = true
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(func() { sim.Close(); server.Close() })
	standard := http.DefaultTransport
	var dialed atomic.Int64
	http.DefaultTransport = &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		n := dialed.Add(1)
		brittle := &brittleConn{Conn: conn, readable: n%8 == 0}
		brittle.left.Store(8 + 4*(n%20))
		return brittle, err
	}}
	transport := rbm.NewTransport()
	http.DefaultTransport = standard
	transport.TLSClientConfig = &tls.Config{RootCAs: server.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs}
	t.Cleanup(transport.CloseIdleConnections)
	token := sim.Token()
	client := newClient(t, rbm.Config{
		Endpoint:   server.URL,
		Token:      func(context.Context) (string, error) { return token, nil },
		HTTPClient: &http.Client{Transport: transport},
	})

	const callers, each, tries = 10, 15, 50
	var all sync.WaitGroup
	for range callers {
		all.Go(func() {
			for range each {
				id := uuid.NewString()
				err := errors.New("never tried")
				for n := 0; n < tries && err != nil && !errors.Is(err, rbm.ErrAlreadyExists); n++ {
					if _, err = client.SendMessage(t.Context(), phone, id, rbm.Text(id)); err != nil && !errors.Is(err, rbm.ErrUnavailable) && !errors.Is(err, rbm.ErrAlreadyExists) {
						t.Errorf("error of a broken connection: %v", err)
					}
				}
				if err != nil && !errors.Is(err, rbm.ErrAlreadyExists) {
					t.Errorf("in %d tries: %v", tries, err)
				}
			}
		})
	}
	all.Wait()
	arrived := map[string]int{}
	for _, m := range sim.Messages() {
		arrived[m.MessageID]++
		if m.MessageID == "" || arrived[m.MessageID] > 1 {
			t.Errorf("message %q arrived %d times", m.MessageID, arrived[m.MessageID])
		}
	}
	if len(arrived) != callers*each || dialed.Load() < 10 {
		t.Errorf("%d messages arrived over %d connections, want %d over many", len(arrived), dialed.Load(), callers*each)
	}
}

// TestSendMessage_certificateAlert checks that a server with an untrusted certificate
// receives a TLS alert.
func TestSendMessage_certificateAlert(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(nil)
	server.StartTLS()
	server.Close() // only its certificate is needed
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	received := make(chan error, 1)
	go func() {
		conn, err := listener.Accept()
		if err == nil {
			_, err = tls.Server(conn, &tls.Config{Certificates: server.TLS.Certificates}).Read(make([]byte, 1))
			conn.Close()
		}
		received <- err
	}()
	client := newClient(t, rbm.Config{
		Endpoint: "https://" + listener.Addr().String(), HTTPClient: &http.Client{Transport: rbm.NewTransport()}, Retry: rbm.Retry{MaxAttempts: 1},
	})
	if _, err := client.SendMessage(t.Context(), phone, messageID, hello); err == nil {
		t.Error("SendMessage succeeded, want an error for the unknown certificate")
	}
	if err := <-received; err == nil || !strings.Contains(err.Error(), "bad certificate") {
		t.Errorf("server received %v, want a bad certificate alert", err)
	}
}
