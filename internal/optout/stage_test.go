package optout_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rcshook/rcshook/internal/google"
	"github.com/rcshook/rcshook/internal/google/platform"
	"github.com/rcshook/rcshook/internal/googletest/storage"
	"github.com/rcshook/rcshook/internal/googletest/token"
	"github.com/rcshook/rcshook/internal/optout"
)

const phone = "+15550100001"

var (
	key      = []byte(strings.Repeat("k", 32))
	otherKey = []byte(strings.Repeat("o", 32))
	t0       = time.Date(2026, 5, 4, 3, 2, 1, 123456000, time.UTC)
)

// stage is Cloud Storage with the bucket bkt, and a secret.
type stage struct {
	server  *storage.Server // nil if another program stands in for it
	options optout.BucketOptions

	mu      sync.Mutex
	secret  []byte // the current version
	cached  []byte // the version that Key returns
	rereads int
	clock   time.Duration // after t0
}

// newStage returns a stage without the object _key. Handler, if set, gets the requests
// and the handler of the bucket in its place.
func newStage(t testing.TB, handler func(w http.ResponseWriter, r *http.Request, next http.Handler)) *stage {
	s := &stage{server: new(storage.Server)}
	s.server.AddBucket("bkt")
	s.open(t, "http://storage.test", inProcess(func(w http.ResponseWriter, r *http.Request) {
		if handler == nil {
			s.server.ServeHTTP(w, r)
		} else {
			handler(w, r, s.server)
		}
	}))
	return s
}

// open sets the options for an endpoint that transport reaches.
func (s *stage) open(t testing.TB, endpoint string, transport http.RoundTripper) {
	tokens := new(token.Server)
	s.secret, s.cached = key, key
	background := google.NewBackground()
	t.Cleanup(background.Close)
	if s.server != nil {
		s.server.Authorize = func(bearer string) error {
			_, err := tokens.Check(bearer, "https://www.googleapis.com/auth/cloud-platform")
			return err
		}
	}
	s.options = optout.BucketOptions{
		API: platform.New(platform.Options{
			Transport: split{tokens, transport}, Now: time.Now, Background: background,
			Credentials: tokens.KeyFile(token.KeyOptions{TokenURI: "http://token.test/token"}),
		}),
		Endpoint: endpoint,
		Location: "gs://bkt/opt-outs",
		Key: func(context.Context) ([]byte, error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			return s.cached, nil
		},
		RereadKey: func(context.Context) error {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.cached = s.secret
			s.rereads++
			return nil
		},
		Now: func() time.Time {
			s.mu.Lock()
			defer s.mu.Unlock()
			return t0.Add(s.clock)
		},
	}
}

// bucket returns another client of the bucket.
func (s *stage) bucket() *optout.Bucket { return optout.NewBucket(s.options) }

// advance moves the clock.
func (s *stage) advance(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clock += d
}

// started returns a bucket after Init.
func (s *stage) started(t testing.TB) *optout.Bucket {
	t.Helper()
	b := s.bucket()
	if err := b.Init(t.Context(), "harborline", "marina"); err != nil {
		t.Fatal(err)
	}
	return b
}

// put writes an object without preconditions.
func (s *stage) put(t testing.TB, name, content string) {
	t.Helper()
	var in any = rawJSON(content)
	url := s.options.Endpoint + "/upload/storage/v1/b/bkt/o?uploadType=media&name=" + strings.ReplaceAll(name, "/", "%2F")
	if s.server != nil {
		s.server.Put("bkt", name, []byte(content))
	} else if err := s.options.API.Call(t.Context(), http.MethodPost, url, in, nil); err != nil {
		t.Fatal(err)
	}
}

type rawJSON string

func (r rawJSON) MarshalJSON() ([]byte, error) { return []byte(r), nil }

// split sends requests for tokens to a handler, and others to a transport.
type split struct {
	tokens http.Handler
	other  http.RoundTripper
}

func (s split) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host == "token.test" {
		return inProcess(s.tokens.ServeHTTP).RoundTrip(r)
	}
	return s.other.RoundTrip(r)
}

// inProcess calls a handler without a network.
type inProcess http.HandlerFunc

func (h inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body == nil {
		r = r.Clone(r.Context())
		r.Body = http.NoBody
	}
	w := httptest.NewRecorder()
	h(w, r)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	return w.Result(), nil
}

func record(state optout.State, at time.Time) optout.Record {
	return optout.Record{Brand: "harborline", Phone: phone, State: state, At: at, Via: "text", Keyword: "STOP", Agent: "default", EventID: "evt_1"}
}

func at(seconds float64) time.Time { return t0.Add(time.Duration(seconds * float64(time.Second))) }

func respond(status int, body string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func errorText(err error) string {
	return strings.TrimPrefix(fmt.Sprint(err), "opt-outs in gs://bkt/opt-outs: ")
}
