package bench

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

// A target is what a load calls.
type target struct {
	address  string // host and port
	payload  []byte
	accepted []byte // what is in every good answer
}

// A load is closed: each caller has a connection, and makes its next request when it
// has the answer to the one before. The callers make one request each before the load
// begins, which connects all of them.
type load struct {
	callers  int
	duration time.Duration // how long the load lasts
	requests int           // or how many requests it has, those before it begins among them
	began    func() error  // called when the load begins
}

// result is what came of a load.
type result struct {
	answers   int             // those before the load began among them
	elapsed   time.Duration   // from its begin until the last answer
	latencies []time.Duration // sorted
}

// answerTimeout is how long an answer may take.
const answerTimeout = 30 * time.Second

// run calls the target. One answer that is no good is an error.
func (l load) run(ctx context.Context, t target) (result, error) {
	callers := make([]*caller, l.callers)
	defer func() {
		for _, c := range callers {
			c.close()
		}
	}()
	for i := range callers {
		c, err := t.connect(ctx)
		if err != nil {
			return result{}, err
		}
		callers[i] = c
	}
	defer context.AfterFunc(ctx, func() {
		for _, c := range callers {
			c.close()
		}
	})()
	if err := each(callers, (*caller).call); err != nil {
		return result{}, err
	}
	if l.began != nil {
		if err := l.began(); err != nil {
			return result{}, err
		}
	}
	var left atomic.Int64
	left.Store(int64(l.requests - l.callers))
	begin := time.Now()
	err := each(callers, func(c *caller) error {
		for ctx.Err() == nil && (time.Since(begin) < l.duration || left.Add(-1) >= 0) {
			sent := time.Now()
			if err := c.call(); err != nil {
				return err
			}
			c.latencies = append(c.latencies, time.Since(sent))
		}
		return nil
	})
	res := result{elapsed: time.Since(begin)}
	for _, c := range callers {
		res.answers += c.answers
		res.latencies = append(res.latencies, c.latencies...)
	}
	slices.Sort(res.latencies)
	return res, errors.Join(err, refusals(callers))
}

// each has all callers do something at the same time. The error is the first one.
func each(callers []*caller, do func(*caller) error) error {
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

// refusals counts the answers that were no good.
func refusals(callers []*caller) error {
	refused, answers, first := 0, 0, ""
	for _, c := range callers {
		answers += c.answers
		refused += c.refused
		if first == "" {
			first = c.refusal
		}
	}
	if refused == 0 {
		return nil
	}
	return fmt.Errorf("%d of %d requests were not accepted; the first answer was %s", refused, answers, first)
}

// A caller makes one request after the other on one connection. It writes the bytes of a
// request as they are and reads the answer with net/http: a whole HTTP client would take
// more of the machine than the function does.
type caller struct {
	conn     net.Conn
	r        *bufio.Reader
	body     bytes.Buffer
	accepted []byte

	request []byte
	key     []byte // part of request: the digits of the idempotency key

	latencies []time.Duration
	answers   int
	refused   int
	refusal   string // the first one
}

// keyDigits is the length of a number in an idempotency key.
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

// lastKey makes every request one of its own.
var lastKey atomic.Int64

// call makes one request. An answer that is no good is counted, and not an error.
func (c *caller) call() error {
	digits := strconv.AppendInt(make([]byte, 0, keyDigits), lastKey.Add(1), 10)
	copy(c.key[keyDigits-len(digits):], digits)
	if err := c.conn.SetDeadline(time.Now().Add(answerTimeout)); err != nil {
		return err
	}
	if _, err := c.conn.Write(c.request); err != nil {
		return err
	}
	res, err := http.ReadResponse(c.r, nil)
	if err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	defer res.Body.Close()
	c.body.Reset()
	if _, err := io.Copy(&c.body, res.Body); err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	c.answers++
	if res.StatusCode != http.StatusOK || !bytes.Contains(c.body.Bytes(), c.accepted) {
		c.refused++
		if c.refusal == "" {
			c.refusal = fmt.Sprintf("%d: %s", res.StatusCode, c.body.Bytes())
		}
	}
	return nil
}

func (c *caller) close() {
	if c != nil {
		c.conn.Close()
	}
}
