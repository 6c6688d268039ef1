package e2e

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rcshook/rcshook/internal/server"
	"github.com/rcshook/rcshook/rbm"
)

// TestFallback_parallel sends to eight recipients that RCS cannot reach, with a fallback
// that supports HTTP/1 only and responds when it has all eight requests. The few
// connections of the transport for RBM do not limit it.
func TestFallback_parallel(t *testing.T) {
	t.Parallel()
	const recipients = 8
	s := newStage(t)
	arrived, all := make(chan struct{}, recipients), make(chan struct{})
	go func() {
		for range recipients {
			<-arrived
		}
		close(all)
	}()
	fallback := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		arrived <- struct{}{}
		select {
		case <-all:
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(fallback.Close)
	folder := t.TempDir()
	file := fmt.Sprintf("agents:\n  other: {id: %s, credentials: %s, fallback: {url: %q, secret: %s}}\n",
		s.env["RCSHOOK_AGENT_ID"], s.env["RCSHOOK_CREDENTIALS"], fallback.URL, standardSecret)
	if err := os.WriteFile(filepath.Join(folder, "rcshook.yaml"), []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	h, err := server.New(t.Context(), server.Options{
		Environ: s.environ(s.withFile(t, folder, nil)), DefaultCredentials: s.adc, Log: io.Discard, Transport: rbm.NewTransport(),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	var to []string
	for i := range recipients {
		number := fmt.Sprintf("+1202555019%d", i)
		s.callSimulator(t, "/_sim/numbers", []byte(`{"phone": "`+number+`", "behavior": {"refusal": "unreachable"}}`))
		to = append(to, `"`+number+`"`)
	}
	body := `{"to": [` + strings.Join(to, ", ") + `], "agent": "other", "idempotency_key": "k", "text": "Hello"}`
	if status, code := sendBody(t, h, body); status != http.StatusOK || code != "fallback" {
		t.Errorf("got %d %s, want 200 fallback", status, code)
	}
}
