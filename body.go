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

	"github.com/rcshook/rcshook/internal/outcome"
)

// maxBody is the largest body that is read: the platform takes messages of up to
// 250 KB, and nothing else in a payload is large.
const maxBody = 256 << 10

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

func readAll(w http.ResponseWriter, r *http.Request, most int64) ([]byte, error) {
	if compressed(r.Header) {
		return nil, &outcome.Problem{Code: outcome.UnsupportedMediaType, Detail: "the body is compressed"}
	}
	control := http.NewResponseController(w)
	deadline, _ := r.Context().Deadline()
	control.SetReadDeadline(deadline) //nolint:errcheck // without it the body may be slow
	hurried := context.AfterFunc(r.Context(), func() {
		control.SetReadDeadline(time.Unix(1, 0)) //nolint:errcheck // the process ends: no time is left
	})
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, most))
	hurried()
	if err != nil {
		// The server would wait for the rest of the body before it answers.
		w.Header().Set("Connection", "close")
	}
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return nil, &outcome.Problem{Code: outcome.PayloadTooLarge, Detail: fmt.Sprintf("the body has more than %d KiB", most>>10)}
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil, &outcome.Problem{Code: outcome.BodyTimeout, Err: err}
	}
	if err != nil {
		return nil, &outcome.Problem{Code: outcome.InvalidBody, Detail: "the body did not arrive in full", Err: err}
	}
	control.SetReadDeadline(time.Time{}) //nolint:errcheck // the connection is kept for the next request
	return body, nil
}
