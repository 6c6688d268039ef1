package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
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
	stop := context.AfterFunc(c.Context(), func() { _ = control.SetReadDeadline(time.Unix(1, 0)) }) // the process shuts down
	body, err := io.ReadAll(http.MaxBytesReader(c.w, c.Body, limit))
	stop()
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
