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

// bomb returns a payload of 64 MiB, compressed to some kilobytes.
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

// unread is a body that must not be read.
type unread struct{ t *testing.T }

func (u unread) Read([]byte) (int, error) {
	u.t.Error("the body was read")
	return 0, io.EOF
}

// TestCompressed rejects bodies with a Content-Encoding on every path, with the same
// response, and without reading them.
func TestCompressed(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	h, _, url := s.queued(t, s.hooked(t))
	token := s.google.Token(url, stageAccount, s.clock.now())
	want := map[string]any{
		"ok": false, "status": 415.0, "code": "unsupported_media_type", "retry": "never",
		"type":   "https://github.com/rcshook/rcshook/blob/main/docs/responses.md#unsupported_media_type",
		"title":  "The content type is not supported",
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
		{"/hooks/pay", "Stripe-Signature", "", "pay"}, // the signature is not checked
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
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			got := make(map[string]any)
			if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
				t.Fatal(err)
			}
			delete(got, "request_id")
			if diff := cmp.Diff(want, got); diff != "" || w.Code != http.StatusUnsupportedMediaType {
				t.Errorf("%s of %q: %d (-want +got):\n%s", to.path, encodings, w.Code, diff)
			}
		}
		r := httptest.NewRequest(http.MethodPost, to.path, strings.NewReader("{}"))
		r.Header = http.Header{to.header: {to.proof}, "Content-Type": {"application/json"}, "Content-Encoding": {"Identity"}}
		w := httptest.NewRecorder()
		if h.ServeHTTP(w, r); w.Code == http.StatusUnsupportedMediaType {
			t.Errorf("%s: an uncompressed body was rejected: %s", to.path, w.Body)
		}
	}
	if n := len(s.sim.Messages()); n != 0 {
		t.Errorf("%d messages were sent, want 0", n)
	}
}

// TestCompressed_undeclared sends compressed bodies without a Content-Encoding. They are
// not decompressed, and not valid.
func TestCompressed_undeclared(t *testing.T) {
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
			checkCost(t, h, r, status, raced.Factor*(4<<20), 4<<10)
		}
	}
}
