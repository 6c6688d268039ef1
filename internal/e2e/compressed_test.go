package e2e

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rcshook/rcshook/internal/raced"
	"github.com/rcshook/rcshook/internal/source"
)

// bomb is a payload of 64 MiB in some kilobytes.
func bomb(t *testing.T, compressor func(io.Writer) io.WriteCloser) []byte {
	t.Helper()
	var b bytes.Buffer
	w := compressor(&b)
	_, err := io.WriteString(w, `{"to": "+12025550123", "text": "`)
	for zeros := make([]byte, 1<<20); err == nil && b.Len() < 64<<10; {
		_, err = w.Write(zeros)
	}
	if err = errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// unread is a body that nobody may ask for anything.
type unread struct{ t *testing.T }

func (u unread) Read([]byte) (int, error) {
	u.t.Error("the body is read")
	return 0, io.EOF
}

// TestCompressed sees that a body with a Content-Encoding is refused everywhere, in the
// same words, before anything of it is read.
func TestCompressed(t *testing.T) {
	s := newStage(t)
	h, _, url := s.queued(t, s.hooked(t))
	token := s.google.Token(url, stageAccount, s.clock.now())
	want := map[string]any{
		"ok": false, "status": 415.0, "code": "unsupported_media_type", "retry": "never",
		"type":   "https://github.com/rcshook/rcshook/blob/main/docs/responses.md#unsupported_media_type",
		"title":  "This content type cannot be read",
		"detail": "the body is compressed",
		"action": "Send application/json, application/x-www-form-urlencoded or multipart/form-data, without compression.",
	}
	signed := &source.Request{Header: http.Header{}, Body: []byte("{}")}
	_, sources := h.settings()
	pay, err := sources.Find("pay")
	if err == nil {
		err = pay.Sign(signed, []byte("whsec_x"), s.clock.now())
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, to := range []struct{ path, header, proof, source string }{
		{"/", "Authorization", "Bearer dev", ""},
		{"/hooks/pay", "Stripe-Signature", signed.Header.Get("Stripe-Signature"), "pay"},
		{"/hooks/pay", "Stripe-Signature", "", "pay"}, // nothing is told of the signature, nor is it looked at
		{"/tasks/5a0c2f4e-6a3d-4d0e-9a50-0d7c1f7be001", "Authorization", "Bearer " + token, ""},
	} {
		if delete(want, "source"); to.source != "" {
			want["source"] = to.source
		}
		for _, encodings := range [][]string{
			{"gzip"}, {"br"}, {"deflate"}, {"zstd"}, {"x-gzip"}, {"GZIP"}, {"gzip, gzip"}, {"identity, gzip"}, {"identity", "br"}, {"*"},
		} {
			r := httptest.NewRequest(http.MethodPost, to.path, unread{t})
			r.Header = http.Header{to.header: {to.proof}, "Content-Type": {"application/json"}, "Content-Encoding": encodings}
			answer := httptest.NewRecorder()
			h.ServeHTTP(answer, r)
			got := make(map[string]any)
			if err := json.Unmarshal(answer.Body.Bytes(), &got); err != nil {
				t.Fatal(err)
			}
			delete(got, "request_id")
			if diff := cmp.Diff(want, got); diff != "" || answer.Code != http.StatusUnsupportedMediaType {
				t.Errorf("%s of %q: %d (-want +got):\n%s", to.path, encodings, answer.Code, diff)
			}
		}
		r := httptest.NewRequest(http.MethodPost, to.path, strings.NewReader("{}"))
		r.Header = http.Header{to.header: {to.proof}, "Content-Type": {"application/json"}, "Content-Encoding": {"Identity"}}
		answer := httptest.NewRecorder()
		if h.ServeHTTP(answer, r); answer.Code == http.StatusUnsupportedMediaType {
			t.Errorf("%s: a body that is not compressed is refused: %s", to.path, answer.Body)
		}
	}
	if n := len(s.sim.Messages()); n != 0 {
		t.Errorf("%d messages were sent", n)
	}
}

// TestCompressed_unsaid sees that bombs that are not called compressed are what they are:
// some kilobytes that are no JSON.
func TestCompressed_unsaid(t *testing.T) {
	s := newStage(t)
	h, _ := s.handler(t, nil)
	for _, compressor := range []func(io.Writer) io.WriteCloser{
		func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) },
		func(w io.Writer) io.WriteCloser { return zlib.NewWriter(w) }, // "deflate"
	} {
		body := bomb(t, compressor)
		for contentType, status := range map[string]int{
			"application/json":                  http.StatusBadRequest,
			"application/x-www-form-urlencoded": http.StatusBadRequest,
			"multipart/form-data; boundary=b":   http.StatusBadRequest,
			"application/gzip":                  http.StatusUnsupportedMediaType,
		} {
			r := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(body))
			r.Header = http.Header{"Authorization": {"Bearer dev"}, "Content-Type": {contentType}}
			hold(t, h, r, status, raced.Factor*(4<<20), 4<<10)
		}
	}
}
