package rcshook

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

// maxBody is the largest body that is read: the platform takes messages of up to
// 250 KB, and nothing else in a payload is large.
const maxBody = 256 << 10

// restTime is how long the rest of a body may take that is not needed: long enough for
// a caller who writes all of it before reading the answer, and an end to those who do not.
const restTime = 3 * time.Second

// A watchedBody knows whether there may be more of it.
type watchedBody struct {
	io.ReadCloser
	ended bool
}

func (b *watchedBody) Read(p []byte) (n int, err error) {
	n, err = b.ReadCloser.Read(p)
	b.ended = b.ended || err != nil
	return n, err
}

// watch returns r with a body of which is known whether it was read to its end.
func watch(r *http.Request) (*http.Request, *watchedBody) {
	body := &watchedBody{ReadCloser: r.Body}
	if r.Body == nil || r.Body == http.NoBody {
		body.ReadCloser, body.ended = http.NoBody, true
	}
	r.Body = body
	return r, body
}

// leave limits the time for what was not read: net/http waits for it before it sends the
// answer.
func (b *watchedBody) leave(w http.ResponseWriter) {
	if !b.ended {
		http.NewResponseController(w).SetReadDeadline(time.Now().Add(restTime)) //nolint:errcheck // without it the rest may be slow
	}
}

// readBody reads all of a body that is not too large, within the budget of the
// request: the framework sets no time limit.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	return readAll(w, r, maxBody)
}

// compressed reports whether any of the encodings of a body, which may stand in several
// headers, changes it.
func compressed(h http.Header) bool {
	for encoding := range strings.SplitSeq(strings.Join(h.Values("Content-Encoding"), ","), ",") {
		if e := strings.TrimSpace(encoding); e != "" && !strings.EqualFold(e, "identity") {
			return true
		}
	}
	return false
}

func tooLarge(most int64) error {
	return &response.Problem{Code: code.PayloadTooLarge, Detail: fmt.Sprintf("the body has more than %d KiB", most>>10)}
}

func readAll(w http.ResponseWriter, r *http.Request, most int64) ([]byte, error) {
	if compressed(r.Header) {
		return nil, &response.Problem{Code: code.UnsupportedMediaType, Detail: "the body is compressed"}
	}
	if r.ContentLength > most {
		return nil, tooLarge(most)
	}
	control := http.NewResponseController(w)
	deadline, _ := r.Context().Deadline()
	control.SetReadDeadline(deadline) //nolint:errcheck // without it the body may be slow
	hurried := context.AfterFunc(r.Context(), func() {
		control.SetReadDeadline(time.Unix(1, 0)) //nolint:errcheck // the process ends: no time is left
	})
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, most))
	hurried()
	if large := (*http.MaxBytesError)(nil); errors.As(err, &large) {
		return nil, tooLarge(most)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil, &response.Problem{Code: code.BodyTimeout, Err: err}
	}
	if err != nil {
		return nil, &response.Problem{Code: code.InvalidBody, Detail: "the body did not arrive in full", Err: err}
	}
	control.SetReadDeadline(time.Time{}) //nolint:errcheck // the connection is kept for the next request
	return body, nil
}
