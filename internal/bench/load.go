package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// A target is the server that a load calls.
type target struct {
	address  string // host and port
	request  func(n int64) request
	accepted string // part of the body of every good response
	arrivals int    // requests that the platform gets for each request
}

// A request is what differs between the requests of a load.
type request struct {
	path   string
	header string // complete lines
	body   []byte
}

// message returns requests for messages with the same payload.
func message(payload string) func(n int64) request {
	return func(n int64) request {
		return request{"/", fmt.Sprintf("Authorization: Bearer %s\r\nIdempotency-Key: bench-%019d\r\n", apiKey, n), []byte(payload)}
	}
}

// A load is closed: each caller has one connection, and sends its next request after the
// response to the previous one. Before the load starts, each caller sends one request,
// which opens its connection.
type load struct {
	callers  int
	duration time.Duration // how long the load lasts
	requests int           // or the number of requests, including those that open connections
	onStart  func()
}

// result is the outcome of a load.
type result struct {
	requests int           // from the start
	elapsed  time.Duration // from the start to the last response
}

// run calls the target. It ends with an error at the first response that is not a good one.
func (l load) run(ctx context.Context, t target) (result, error) {
	callers := make([]*caller, l.callers)
	defer func() {
		for _, c := range callers {
			if c != nil {
				c.conn.Close()
			}
		}
	}()
	opening, group := errgroup.WithContext(ctx)
	for i := range callers {
		opening.Go(func() error {
			conn, err := new(net.Dialer).DialContext(group, "tcp", t.address)
			if err != nil {
				return err
			}
			callers[i] = &caller{target: t, conn: conn, r: bufio.NewReader(conn)}
			return callers[i].call(group)
		})
	}
	if err := opening.Wait(); err != nil {
		return result{}, err
	}
	if l.onStart != nil {
		l.onStart()
	}
	var left, sent atomic.Int64
	left.Store(int64(l.requests - l.callers))
	start := time.Now()
	running, group := errgroup.WithContext(ctx)
	for _, c := range callers {
		running.Go(func() error {
			for time.Since(start) < l.duration || left.Add(-1) >= 0 {
				sent.Add(1)
				if err := c.call(group); err != nil {
					return err
				}
			}
			return nil
		})
	}
	err := running.Wait()
	return result{requests: int(sent.Load()), elapsed: time.Since(start)}, err
}

// A caller sends one request after the other on one connection. It writes the bytes of a
// request itself, because an HTTP client would use more CPU than the function.
type caller struct {
	target
	conn net.Conn
	r    *bufio.Reader
	sent []byte
	body bytes.Buffer
}

// lastRequest is the number of the latest request, which makes each one different.
var lastRequest atomic.Int64

// call sends one request. A response that is not a good one is an error.
func (c *caller) call(ctx context.Context) error {
	defer context.AfterFunc(ctx, func() { c.conn.Close() })()
	req := c.request(lastRequest.Add(1))
	c.sent = fmt.Appendf(c.sent[:0], "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n%s\r\n%s",
		req.path, c.address, len(req.body), req.header, req.body)
	if err := c.conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return err
	}
	if _, err := c.conn.Write(c.sent); err != nil {
		return err
	}
	res, err := http.ReadResponse(c.r, nil)
	if err != nil {
		return fmt.Errorf("read response: %w", err)
	}
	defer res.Body.Close()
	c.body.Reset()
	if _, err := io.Copy(&c.body, res.Body); err != nil {
		return fmt.Errorf("read response: %w", err)
	}
	if res.StatusCode != http.StatusOK || !bytes.Contains(c.body.Bytes(), []byte(c.accepted)) {
		return fmt.Errorf("a request was not accepted; the response was %d: %s", res.StatusCode, c.body.Bytes())
	}
	return nil
}
