package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// A target is the server that a load calls.
type target struct {
	address  string // host and port
	payload  []byte
	accepted []byte // part of the body of every good response
}

// A load is closed: each caller has one connection, and sends its next request after the
// response to the previous one. Before the load starts, each caller sends one request,
// which opens its connection.
type load struct {
	callers  int
	duration time.Duration // how long the load lasts
	requests int           // or the number of requests, including those that open connections
	onStart  func() error
}

// result is the outcome of a load.
type result struct {
	responses int             // including those before the start
	elapsed   time.Duration   // from the start to the last response
	latencies []time.Duration // sorted
}

// run calls the target. It fails if a response is not a good one.
func (l load) run(ctx context.Context, t target) (result, error) {
	callers := make([]*caller, l.callers)
	closeAll := func() {
		for _, c := range callers {
			if c != nil {
				c.conn.Close()
			}
		}
	}
	defer closeAll()
	for i := range callers {
		c, err := t.connect(ctx)
		if err != nil {
			return result{}, err
		}
		callers[i] = c
	}
	defer context.AfterFunc(ctx, closeAll)()
	if err := concurrently(callers, (*caller).call); err != nil {
		return result{}, err
	}
	if l.onStart != nil {
		if err := l.onStart(); err != nil {
			return result{}, err
		}
	}
	var left atomic.Int64
	left.Store(int64(l.requests - l.callers))
	start := time.Now()
	err := concurrently(callers, func(c *caller) error {
		for ctx.Err() == nil && (time.Since(start) < l.duration || left.Add(-1) >= 0) {
			sent := time.Now()
			if err := c.call(); err != nil {
				return err
			}
			c.latencies = append(c.latencies, time.Since(sent))
		}
		return nil
	})
	res := result{elapsed: time.Since(start)}
	refused, first := 0, ""
	for _, c := range callers {
		res.responses += c.responses
		res.latencies = append(res.latencies, c.latencies...)
		if refused += c.refused; first == "" {
			first = c.refusal
		}
	}
	slices.Sort(res.latencies)
	if refused > 0 {
		err = errors.Join(err, fmt.Errorf("%d of %d requests were not accepted; the first response was %s", refused, res.responses, first))
	}
	return res, err
}

// concurrently calls do for all callers at once and returns the first error.
func concurrently(callers []*caller, do func(*caller) error) error {
	errs := make([]error, len(callers))
	var all sync.WaitGroup
	for i, c := range callers {
		all.Go(func() { errs[i] = do(c) })
	}
	all.Wait()
	if i := slices.IndexFunc(errs, func(err error) bool { return err != nil }); i >= 0 {
		return errs[i]
	}
	return nil
}

// A caller sends one request after the other on one connection. It writes the bytes of a
// request itself, because an HTTP client would use more CPU than the function.
type caller struct {
	conn     net.Conn
	r        *bufio.Reader
	body     bytes.Buffer
	accepted []byte

	request []byte
	key     []byte // part of request: the digits of the idempotency key

	latencies []time.Duration
	responses int
	refused   int
	refusal   string // the first one
}

// keyDigits is the length of the number in an idempotency key.
const keyDigits = 19

func (t target) connect(ctx context.Context) (*caller, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", t.address)
	if err != nil {
		return nil, err
	}
	head := fmt.Appendf(nil, "POST / HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nAuthorization: Bearer %s\r\n"+
		"Content-Length: %d\r\nIdempotency-Key: bench-%0*d", t.address, apiKey, len(t.payload), keyDigits, 0)
	request := slices.Concat(head, []byte("\r\n\r\n"), t.payload)
	return &caller{
		conn: conn, r: bufio.NewReader(conn), accepted: t.accepted,
		request: request, key: request[len(head)-keyDigits : len(head)],
	}, nil
}

// lastKey is the number in the latest idempotency key.
var lastKey atomic.Int64

// call sends one request. It counts a response that is not a good one.
func (c *caller) call() error {
	digits := strconv.AppendInt(make([]byte, 0, keyDigits), lastKey.Add(1), 10)
	copy(c.key[keyDigits-len(digits):], digits)
	if err := c.conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return err
	}
	if _, err := c.conn.Write(c.request); err != nil {
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
	c.responses++
	if res.StatusCode != http.StatusOK || !bytes.Contains(c.body.Bytes(), c.accepted) {
		if c.refused++; c.refusal == "" {
			c.refusal = fmt.Sprintf("%d: %s", res.StatusCode, c.body.Bytes())
		}
	}
	return nil
}
