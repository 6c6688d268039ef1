package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rcshook/rcshook/internal/code"
	"github.com/rcshook/rcshook/internal/response"
)

const (
	// maxBody is the largest body of a request, in bytes. RBM accepts messages of up to
	// 250 KB, and nothing else in a payload is large.
	maxBody = 256 << 10

	// restTimeout limits the time for the rest of a body that is not read. A caller that
	// writes its whole body before it reads the response has enough time.
	restTimeout = 3 * time.Second
)

// watchedBody records whether a body was read to its end.
type watchedBody struct {
	io.ReadCloser
	ended bool
}

func (b *watchedBody) Read(p []byte) (n int, err error) {
	n, err = b.ReadCloser.Read(p)
	b.ended = b.ended || err != nil
	return n, err
}

// watchBody wraps the body of r to record whether it is read to its end.
func watchBody(r *http.Request) *watchedBody {
	body := &watchedBody{ReadCloser: r.Body}
	if r.Body == nil || r.Body == http.NoBody {
		body.ReadCloser, body.ended = http.NoBody, true
	}
	r.Body = body
	return body
}

// limitRest limits the time for the part of the body that was not read. Without a limit,
// net/http would wait for it before it sends the response.
func (b *watchedBody) limitRest(w http.ResponseWriter) {
	if !b.ended {
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(restTimeout))
	}
}

// strangers are the callers that are not authenticated yet while their bodies are read. If
// there are too many, the oldest request ends, so that bodies that never arrive cannot use
// up the requests that a process serves at once. Addresses of clients are not considered:
// an attacker has many, and a proxy has one for all its clients.
type strangers struct {
	max int

	mu      sync.Mutex
	reading []*http.ResponseController // the oldest first
}

func (s *strangers) add(c *http.ResponseController) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.reading) >= s.max {
		_ = s.reading[0].SetReadDeadline(time.Unix(1, 0))
		s.reading = s.reading[1:]
	}
	s.reading = append(s.reading, c)
}

// remove reports whether the request was still there.
func (s *strangers) remove(c *http.ResponseController) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.Index(s.reading, c)
	if i >= 0 {
		s.reading = slices.Delete(s.reading, i, i+1)
	}
	return i >= 0
}

// readBody reads the whole body, of at most limit bytes, before the deadline of the
// request.
func (c *call) readBody(limit int64) ([]byte, error) {
	for encoding := range strings.SplitSeq(strings.Join(c.Header.Values("Content-Encoding"), ","), ",") {
		if e := strings.TrimSpace(encoding); e != "" && !strings.EqualFold(e, "identity") {
			return nil, &response.Problem{Code: code.UnsupportedMediaType, Detail: "the body is compressed"}
		}
	}
	if c.ContentLength > limit {
		return nil, tooLarge(limit)
	}
	control := http.NewResponseController(c.w)
	deadline, _ := c.Context().Deadline()
	_ = control.SetReadDeadline(deadline)
	if c.strangers != nil {
		c.strangers.add(control)
	}
	stopped := make(chan struct{})
	stop := context.AfterFunc(c.Context(), func() { // the process shuts down
		_ = control.SetReadDeadline(time.Unix(1, 0))
		close(stopped)
	})
	body, err := io.ReadAll(http.MaxBytesReader(c.w, c.Body, limit))
	if !stop() {
		<-stopped // otherwise it could set the deadline of the next request
	}
	if c.strangers != nil && !c.strangers.remove(control) && errors.Is(err, os.ErrDeadlineExceeded) {
		return nil, &response.Problem{Code: code.Overloaded, Detail: "the body was slower than those of many other requests", Err: err}
	}
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, tooLarge(limit)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil, &response.Problem{Code: code.BodyTimeout, Err: err}
	}
	if err != nil {
		return nil, &response.Problem{Code: code.InvalidBody, Detail: "the body is incomplete", Err: err}
	}
	_ = control.SetReadDeadline(time.Time{}) // the connection is reused for the next request
	return body, nil
}

func tooLarge(limit int64) error {
	return &response.Problem{Code: code.PayloadTooLarge, Detail: fmt.Sprintf("the body has more than %d KiB", limit>>10)}
}
