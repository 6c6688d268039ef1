package optout_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/rcshook/rcshook/internal/google"
	"github.com/rcshook/rcshook/internal/googletest"
	"github.com/rcshook/rcshook/internal/optout"
)

// suite are the tests that also run against a Cloud Storage that others wrote.
var suite = map[string]func(t *testing.T, newStage func(t *testing.T) *stage, sequences int){
	"Apply":       testApply,
	"randomOrder": testRandomOrder,
	"oneSince":    testOneSince,
	"All":         testAll,
	"Init":        testInit,
	"contents":    testContents,
	"Rekey":       testRekey,
	"brands":      testBrands,
}

func TestBucket(t *testing.T) {
	t.Parallel()
	for name, test := range suite {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, func(t *testing.T) *stage { return newStage(t, nil) }, 2000)
		})
	}
}

// TestBucket_peer runs the same tests against fake-gcs-server:
//
//	GOBIN=$PWD go install github.com/fsouza/fake-gcs-server@v1.56.1
//	RCSHOOKTEST_STORAGE_EMULATOR=$PWD/fake-gcs-server go test -run TestBucket_peer ./internal/optout
func TestBucket_peer(t *testing.T) {
	program := os.Getenv("RCSHOOKTEST_STORAGE_EMULATOR")
	if program == "" {
		t.Skip("RCSHOOKTEST_STORAGE_EMULATOR, the program fake-gcs-server, is not set")
	}
	t.Parallel()
	for name, test := range suite {
		t.Run(name, func(t *testing.T) {
			test(t, func(t *testing.T) *stage {
				t.Helper()
				port := googletest.FreePort()
				server := exec.CommandContext(t.Context(), program, "-backend", "memory", "-scheme", "http", "-host", "127.0.0.1", "-port", port, "-log-level", "error")
				if err := server.Start(); err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = server.Process.Kill(); _ = server.Wait() })
				s := new(stage)
				s.open(t, "http://127.0.0.1:"+port, http.DefaultTransport)
				var refused error
				for range 1000 {
					_, refused = net.Dial("tcp", "127.0.0.1:"+port)
					if refused == nil {
						break
					}
					time.Sleep(10 * time.Millisecond)
				}
				err := s.options.API.Call(t.Context(), http.MethodPost, s.options.Endpoint+"/storage/v1/b?project=p", map[string]string{"name": "bkt"}, nil)
				if refused != nil || err != nil {
					t.Fatalf("fake-gcs-server does not start: %v, %v", refused, err)
				}
				return s
			}, 100)
		})
	}
}

func testApply(t *testing.T, newStage func(t *testing.T) *stage, _ int) {
	s := newStage(t)
	b := s.started(t)
	if found, err := b.Find(t.Context(), "harborline", phone); found != nil || err != nil {
		t.Fatalf("before: %+v, %v", found, err)
	}
	for _, step := range []struct {
		state     optout.State
		at, since float64
		want      optout.State
		wantAt    float64
	}{
		{optout.OptedOut, 100, 100, optout.OptedOut, 100},
		{optout.OptedOut, 100, 100, optout.OptedOut, 100},
		{optout.OptedOut, 99, 100, optout.OptedOut, 100},
		{optout.OptedIn, 100, 100, optout.OptedOut, 100},
		{optout.OptedOut, 130, 100, optout.OptedOut, 130},
		{optout.OptedIn, 120, 100, optout.OptedOut, 130}, // late
		{optout.OptedIn, 130.000001, 130.000001, optout.OptedIn, 130.000001},
		{optout.OptedIn, 500, 130.000001, optout.OptedIn, 500},
		{optout.OptedOut, 499.999999, 130.000001, optout.OptedIn, 500},
		{optout.OptedOut, 500, 500, optout.OptedOut, 500},
	} {
		want := record(step.want, at(step.wantAt))
		want.Since = at(step.since)
		stored, err := b.Apply(t.Context(), record(step.state, at(step.at)))
		if err != nil {
			t.Fatal(err)
		}
		found, err := s.bucket().Find(t.Context(), "harborline", phone)
		if diff := gocmp.Diff(&want, found); diff != "" || err != nil || !gocmp.Equal(*found, stored) {
			t.Errorf("%s at %v: stored %+v, found (-want +got, %v):\n%s", step.state, step.at, stored, err, diff)
		}
	}
	for _, other := range [][2]string{{"harborline", "+15550100002"}, {"marina", phone}, {"", phone}} {
		if found, err := b.Find(t.Context(), other[0], other[1]); found != nil || err != nil {
			t.Errorf("%q: %+v, %v", other, found, err)
		}
	}
}

// testRandomOrder tests that the newest signal decides, in whatever order signals come and
// on whatever instance, and that each change of the state has one time.
func testRandomOrder(t *testing.T, newStage func(t *testing.T) *stage, sequences int) {
	s := newStage(t)
	s.started(t)
	instances := []*optout.Bucket{s.bucket(), s.bucket(), s.bucket()}
	sequence := func(n int) {
		random := rand.New(rand.NewPCG(1, uint64(n)))
		number := fmt.Sprintf("+1555%07d", n)
		var signals []optout.Record
		want := optout.Record{}
		for range 2 + random.IntN(6) {
			r := record([]optout.State{optout.OptedOut, optout.OptedIn}[random.IntN(2)], at([]float64{0, 0.000001, 59, 60, 61, 5000}[random.IntN(6)]))
			r.Phone = number
			signals = append(signals, r)
			if r.At.After(want.At) || r.At.Equal(want.At) && r.State == optout.OptedOut {
				want = r
			}
		}
		together := n%2 == 0
		results := make([]optout.Record, len(signals))
		var wait sync.WaitGroup
		for i, r := range signals {
			wait.Go(func() {
				var err error
				if results[i], err = instances[(n+i)%3].Apply(t.Context(), r); err != nil {
					t.Errorf("sequence %d: %v", n, err)
				}
			})
			if !together {
				wait.Wait()
			}
		}
		wait.Wait()
		got, err := instances[n%3].Find(t.Context(), "harborline", number)
		if err != nil || got == nil || got.State != want.State || !got.At.Equal(want.At) {
			t.Errorf("sequence %d: %+v, %v; want %s at %v", n, got, err, want.State, want.At)
			return
		}
		if !slices.ContainsFunc(signals, func(r optout.Record) bool { return r.State == got.State && r.At.Equal(got.Since) }) {
			t.Errorf("sequence %d: since %v, which is not the time of a signal", n, got.Since)
		}
		for i := 1; i < len(results) && !together; i++ {
			before, after := results[i-1], results[i]
			since := before.Since
			if before.State != after.State {
				since = signals[i].At
			}
			if !after.Since.Equal(since) {
				t.Errorf("sequence %d: %+v became %+v", n, before, after)
			}
		}
	}
	var wait sync.WaitGroup
	for worker := range 4 {
		wait.Go(func() {
			for n := worker; n < sequences; n += 4 {
				sequence(n)
			}
		})
	}
	wait.Wait()
}

// testOneSince tests that signals for one state, which come together, have one time: the
// confirmation is named by it.
func testOneSince(t *testing.T, newStage func(t *testing.T) *stage, _ int) {
	s := newStage(t)
	s.started(t)
	instances := []*optout.Bucket{s.bucket(), s.bucket(), s.bucket()}
	since := make([]time.Time, 20)
	var wait sync.WaitGroup
	for i := range since {
		wait.Go(func() {
			stored, err := instances[i%3].Apply(t.Context(), record(optout.OptedOut, at(float64(i*37%10)/1e3)))
			if err != nil {
				t.Error(err)
			}
			since[i] = stored.Since
		})
	}
	wait.Wait()
	if distinct := slices.CompactFunc(since, time.Time.Equal); len(distinct) != 1 {
		t.Errorf("got %d times: %v", len(distinct), distinct)
	}
}

func testAll(t *testing.T, newStage func(t *testing.T) *stage, sequences int) {
	s := newStage(t)
	b := s.started(t)
	n := min(sequences, 1100) // more than a page of the stand-in
	want := map[string]bool{}
	for i := range n {
		r := record(optout.OptedOut, at(0))
		r.Phone = fmt.Sprintf("+1555%07d", i)
		if _, err := b.Apply(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		want[r.Phone] = true
	}
	s.put(t, "opt-outs/notes.json", `{}`)
	s.put(t, "opt-outs-2/"+strings.Repeat("0", 64), `{}`)
	got := map[string]bool{}
	count := 0
	err := b.All(t.Context(), func(r optout.Record) error {
		got[r.Phone] = true
		count++
		return nil
	})
	if diff := gocmp.Diff(want, got); diff != "" || err != nil || count != n {
		t.Errorf("got %d records, %v (-want +got):\n%s", count, err, diff)
	}
	stop := errors.New("stop")
	if err := b.All(t.Context(), func(optout.Record) error { return stop }); err != stop {
		t.Errorf("got %v, want the error of the function", err)
	}
	s.put(t, "opt-outs/"+strings.Repeat("0", 64), `{"phone": "+15550100009", "state": "opted_in", "since": "2026-05-04T00:00:00Z", "at": "2026-05-04T00:00:00Z"}`)
	other := "object opt-outs/" + strings.Repeat("0", 64) + ": its name is from another key; run rcshook optouts rekey with that key and the current one"
	if err := b.All(t.Context(), func(optout.Record) error { return nil }); errorText(err) != other {
		t.Errorf("got %v", err)
	}
}

func testInit(t *testing.T, newStage func(t *testing.T) *stage, _ int) {
	s := newStage(t)
	b := s.bucket()
	_, err := b.Find(t.Context(), "", phone)
	if !errors.Is(err, optout.ErrNoKey) || errorText(err) != "the object _key is missing; run rcshook optouts init" {
		t.Errorf("before Init: %v", err)
	}
	if _, err := b.Apply(t.Context(), record(optout.OptedOut, at(0))); !errors.Is(err, optout.ErrNoKey) {
		t.Errorf("Apply before Init: %v", err)
	}
	if err := b.All(t.Context(), func(optout.Record) error { return nil }); !errors.Is(err, optout.ErrNoKey) {
		t.Errorf("All before Init: %v", err)
	}
	var wait sync.WaitGroup
	for range 5 {
		wait.Go(func() {
			if err := s.bucket().Init(t.Context(), "harborline"); err != nil {
				t.Errorf("Init: %v", err)
			}
		})
	}
	wait.Wait()
	if _, err := b.Apply(t.Context(), record(optout.OptedOut, at(0))); err != nil {
		t.Error(err)
	}
	s.secret = otherKey
	if found, err := b.Find(t.Context(), "harborline", phone); found == nil || err != nil || s.rereads != 0 {
		t.Errorf("with the old version in the cache: %+v, %v, %d rereads", found, err, s.rereads)
	}
	s.cached = otherKey
	for n, other := range []*optout.Bucket{b, s.bucket()} {
		found, err := other.Find(t.Context(), "harborline", phone)
		if found != nil || !errors.Is(err, optout.ErrKey) || s.rereads != n+1 {
			t.Errorf("another key: %+v, %v, %d rereads", found, err, s.rereads)
		}
	}
	if err := b.Init(t.Context(), "harborline"); !errors.Is(err, optout.ErrKey) {
		t.Errorf("Init with another key: %v", err)
	}
	s.secret = key
	if found, err := b.Find(t.Context(), "harborline", phone); found == nil || err != nil || s.rereads != 4 {
		t.Errorf("with the right version after a reread: %+v, %v, %d rereads", found, err, s.rereads)
	}
	s.cached = key[:31]
	if _, err := b.Find(t.Context(), "", phone); errorText(err) != "key: expected at least 32 bytes" {
		t.Errorf("short key: %v", err)
	}
}

func testContents(t *testing.T, newStage func(t *testing.T) *stage, _ int) {
	const (
		invalid = "the response is invalid"
		times   = `"since": "2026-05-04T00:00:00Z", "at": "2026-05-04T00:00:00Z"`
	)
	s := newStage(t)
	s.started(t)
	object := nameOf(key, "harborline", phone)
	content := "object " + object + ": expected a record of its brand and number; restore or delete the object"
	for _, test := range []struct{ object, content, want string }{
		{object, `{}`, content},
		{object, `null`, content},
		{object, `[]`, invalid},
		{object, `"x"`, invalid},
		{object, `{"brand": "harborline", "phone": "+15550100001", "state": "opted_in"}`, content},
		{object, `{"brand": "harborline", "phone": "+15550100001", "state": "unknown", ` + times + `}`, content},
		{object, `{"brand": "harborline", "phone": "+15550100002", "state": "opted_in", ` + times + `}`, content},
		{object, `{"brand": "marina", "phone": "+15550100001", "state": "opted_in", ` + times + `}`, content},
		{object, `{"brand": "harborline", "phone": "+15550100001", "state": "opted_in", "since": "2026-05-04T00:00:01Z", "at": "2026-05-04T00:00:00Z"}`, content},
		{object, `{"brand": "harborline", "phone": "+15550100001", "state": "opted_out", ` + times + `}`, "<nil>"},
		{"opt-outs/_key", `{}`, "the object _key is invalid; delete it, and run rcshook optouts init"},
		{"opt-outs/_key", `[]`, invalid},
		{"opt-outs/_key", `{"check": "x"}`, "the key is not the one that names the objects; run rcshook optouts rekey with the old key and the new one"},
		{"opt-outs/_key", `{"check": "x", "next": "y"}`, "the objects are being renamed for another key; if no rcshook optouts rekey runs, run it again with the same keys"},
	} {
		s.put(t, test.object, test.content)
		found, err := s.bucket().Find(t.Context(), "harborline", phone)
		if errorText(err) != test.want || (found == nil) != (err != nil) {
			t.Errorf("%s: %+v, %q, want %q", test.content, found, errorText(err), test.want)
		}
		if _, err := s.bucket().Apply(t.Context(), record(optout.OptedOut, at(0))); errorText(err) != test.want {
			t.Errorf("Apply with %s: %q, want %q", test.content, errorText(err), test.want)
		}
	}
}

// TestInit_restores tests that Init writes a lost object _key, and only for the right key.
func TestInit_restores(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	b := s.started(t)
	if _, err := b.Apply(t.Context(), record(optout.OptedOut, at(0))); err != nil {
		t.Fatal(err)
	}
	s.server.Delete("bkt", "opt-outs/_key")
	s.secret, s.cached = otherKey, otherKey
	if err := s.bucket().Init(t.Context(), "harborline"); !errors.Is(err, optout.ErrKey) || len(s.server.Objects("bkt")) != 1 {
		t.Errorf("another key: %v, %d objects", err, len(s.server.Objects("bkt")))
	}
	s.secret, s.cached = key, key
	if err := s.bucket().Init(t.Context(), "harborline"); err != nil || len(s.server.Objects("bkt")) != 2 {
		t.Errorf("the right key: %v, %d objects", err, len(s.server.Objects("bkt")))
	}
	if found, err := s.bucket().Find(t.Context(), "harborline", phone); found == nil || err != nil {
		t.Errorf("found %+v, %v", found, err)
	}
}

// TestInit_race tests that Init with one key fails if another key wins, and that a lost
// response is not an error.
func TestInit_race(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		winner []byte
		status int
		want   error
	}{{key, 0, nil}, {otherKey, 0, optout.ErrKey}, {key, 503, nil}} {
		var s *stage
		var second atomic.Bool
		s = newStage(t, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			if r.Method == http.MethodPost && second.CompareAndSwap(false, true) {
				options := s.options
				options.Key = func(context.Context) ([]byte, error) { return test.winner, nil }
				if err := optout.NewBucket(options).Init(t.Context(), "harborline"); err != nil {
					t.Error(err)
				}
				if test.status != 0 {
					w.WriteHeader(test.status)
					return
				}
			}
			next.ServeHTTP(w, r)
		})
		if err := s.bucket().Init(t.Context(), "harborline"); !errors.Is(err, test.want) || !second.Load() {
			t.Errorf("got %v, want %v", err, test.want)
		}
	}
}

// TestInit_written tests that _key is read again if it appears after the first attempt.
func TestInit_written(t *testing.T) {
	t.Parallel()
	var s *stage
	var second atomic.Bool
	s = newStage(t, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		next.ServeHTTP(w, r)
		if second.CompareAndSwap(false, true) {
			s.started(t)
		}
	})
	if err := s.bucket().Init(t.Context(), "harborline"); err != nil || !second.Load() {
		t.Error(err)
	}
}

// TestNewBucket_locations tests the names of objects.
func TestNewBucket_locations(t *testing.T) {
	t.Parallel()
	for location, want := range map[string]string{
		"gs://bkt": "_key", "gs://bkt/": "_key", "gs://bkt/a": "a/_key", "gs://bkt/a b/%2F/ü/": "a b/%2F/ü/_key",
	} {
		s := newStage(t, nil)
		s.options.Location = location
		b := s.started(t)
		_, err := b.Apply(t.Context(), record(optout.OptedOut, at(0)))
		found, findErr := b.Find(t.Context(), "harborline", phone)
		var names []string
		for _, o := range s.server.Objects("bkt") {
			names = append(names, o.Name)
		}
		if !slices.Contains(names, want) || err != nil || findErr != nil || found == nil || len(all(t, b)) != 1 {
			t.Errorf("%s: objects %q, found %+v, %v, %v", location, names, found, err, findErr)
		}
	}
}

// TestFind_keyLifetime tests that a verified key is trusted for 10 seconds.
func TestFind_keyLifetime(t *testing.T) {
	t.Parallel()
	reads := 0
	s := newStage(t, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if strings.HasSuffix(r.URL.Path, "/_key") {
			reads++
		}
		next.ServeHTTP(w, r)
	})
	s.started(t)
	b := s.bucket()
	for _, step := range []struct {
		after time.Duration
		want  int
	}{{0, 1}, {9999 * time.Millisecond, 0}, {time.Millisecond, 1}, {0, 0}, {-time.Second, 1}} {
		reads = 0
		s.advance(step.after)
		if _, err := b.Find(t.Context(), "", phone); err != nil || reads != step.want {
			t.Errorf("after %v: %d reads of the key, %v; want %d", step.after, reads, err, step.want)
		}
	}
	s.advance(10 * time.Second)
	s.server.Delete("bkt", "opt-outs/_key")
	if found, err := b.Find(t.Context(), "", phone); found != nil || !errors.Is(err, optout.ErrNoKey) {
		t.Errorf("without _key: %+v, %v", found, err)
	}
}

// TestFind_outages tests that no failure makes a person look like one without a record.
func TestFind_outages(t *testing.T) {
	t.Parallel()
	jsonError := func(code int, reason string) func(http.ResponseWriter) {
		return respond(code, fmt.Sprintf(`{"error": {"code": %d, "message": "s3cret", "errors": [{"reason": %q}]}}`, code, reason))
	}
	const foreign = "HTTP 404"
	for _, test := range []struct {
		name    string
		respond func(http.ResponseWriter)
		object  string // error if the response is for an object
		all     string // error if it is for all requests
	}{
		{"internal", jsonError(500, "backendError"), "HTTP 500 backendError", ""},
		{"unavailable", jsonError(503, "backendError"), "HTTP 503 backendError", ""},
		{"rate", jsonError(429, "rateLimitExceeded"), "HTTP 429 rateLimitExceeded", ""},
		{"denied", jsonError(403, "forbidden"), "HTTP 403 forbidden; grant the function's account the role roles/storage.objectUser on the bucket", ""},
		{"disabled", jsonError(403, "accessNotConfigured"), "HTTP 403 accessNotConfigured; enable the API storage.googleapis.com in the project of the function", ""},
		{"scope", jsonError(403, "insufficientPermissions"), "HTTP 403 insufficientPermissions; give the function's credentials the scope cloud-platform", ""},
		{"retention", jsonError(403, "retentionPolicyNotMet"), "HTTP 403 retentionPolicyNotMet; remove retention policies and holds from the bucket", ""},
		{"no bucket", jsonError(404, "notFound"), "<nil>", "HTTP 404 notFound; create the bucket, or correct store"},
		{"proxy", respond(404, "<html>s3cret"), foreign, ""},
		{"JSON of a proxy", respond(404, `{"error": "not found"}`), foreign, ""},
		{"code of a proxy", respond(404, `{"error": {"code": 502, "errors": [{"reason": "notFound"}]}}`), foreign, ""},
		{"proxy denies", respond(403, "<html>s3cret"), "HTTP 403", ""},
		{"empty", respond(200, ""), "the response is invalid", ""},
		{"page", respond(200, "<html>s3cret"), "the response is invalid", ""},
		{"another server", respond(200, "{}"), "the response is not from Cloud Storage", "the object _key is invalid; delete it, and run rcshook optouts init"},
		{"half a body", func(w http.ResponseWriter) {
			w.Header().Set("Content-Length", "100")
			respond(200, `{"name": `)(w)
		}, "the response is invalid", ""},
		{"dropped", func(http.ResponseWriter) { panic(http.ErrAbortHandler) }, "Get: the response is invalid", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, nil)
			s.started(t)
			var all atomic.Bool // requests get the response, those for _key too
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if !all.Load() && strings.HasSuffix(r.URL.Path, "/_key") || r.URL.Path == "/" {
					s.server.ServeHTTP(w, r)
					return
				}
				test.respond(w)
			}))
			t.Cleanup(server.Close)
			opened := new(stage)
			opened.open(t, server.URL, http.DefaultTransport)
			s.server.Authorize = nil
			check := func(want string) {
				found, err := opened.bucket().Find(t.Context(), "harborline", phone)
				if errorText(err) != want || found != nil {
					t.Errorf("all %v: %+v, %q; want %q", all.Load(), found, errorText(err), want)
				}
				unavailable, ok := errors.AsType[*optout.Unavailable](err)
				if want != "<nil>" && (!ok || strings.Contains(unavailable.Error(), "s3cret")) {
					t.Errorf("got %T: %v", err, err)
				}
				if _, err := opened.bucket().Apply(t.Context(), record(optout.OptedOut, at(0))); err == nil {
					t.Error("Apply returned no error")
				}
			}
			list := test.object
			if test.object == "<nil>" {
				list = test.all
			}
			if err := opened.bucket().All(t.Context(), func(optout.Record) error { return nil }); errorText(err) != list {
				t.Errorf("All: %q, want %q", errorText(err), list)
			}
			check(test.object)
			all.Store(true)
			check(cmp.Or(test.all, test.object))
		})
	}
}

// TestBucket_generation tests that a response that names the object but no generation is an
// error: the object would look like one that does not exist.
func TestBucket_generation(t *testing.T) {
	t.Parallel()
	const foreign = "the response is not from Cloud Storage"
	object := nameOf(key, "harborline", phone)
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		s := newStage(t, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			if r.Method == method && (strings.HasSuffix(r.URL.Path, object) || r.URL.Query().Get("name") == object) {
				respond(200, fmt.Sprintf(`{"name": %q, "generation": "0"}`, object))(w)
				return
			}
			next.ServeHTTP(w, r)
		})
		if _, err := s.started(t).Apply(t.Context(), record(optout.OptedOut, at(0))); errorText(err) != foreign {
			t.Errorf("%s: %v, want %s", method, err, foreign)
		}
	}
}

func TestFind_hangs(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	b := s.started(t)
	s.server.Hang(true)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	found, err := b.Find(ctx, "harborline", phone)
	if found != nil || errorText(err) != "timeout" || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %+v, %v", found, err)
	}
}

// noCredentials is an API without credentials.
type noCredentials struct{ optout.API }

func (noCredentials) Ready(context.Context) error {
	return &google.SecretError{Kind: google.Denied, Reason: "no_adc", Content: google.DefaultCredentials}
}

func TestFind_credentials(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	s.options.API = noCredentials{}
	_, err := s.bucket().Find(t.Context(), "", phone)
	if errorText(err) != "credentials of the function: denied: no_adc" || !errors.Is(err, google.ErrSecretDenied) {
		t.Errorf("got %v", err)
	}
}

// TestApply_unknown tests writes without a response: reading decides.
func TestApply_unknown(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name          string
		written, lost bool
		status        int
		want          string
	}{
		{"written, 503", true, false, 503, "<nil>"},
		{"written, 500", true, false, 500, "<nil>"},
		{"written, no response", true, true, 0, "<nil>"},
		{"written, invalid response", true, false, 200, "<nil>"},
		{"not written, 503", false, false, 503, "HTTP 503"},
		{"not written, rate", false, false, 429, "HTTP 429"},
		{"not written, invalid response", false, false, 200, "the response is invalid"},
		{"not written, 400", false, false, 400, "HTTP 400"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var writes atomic.Int64
			s := newStage(t, nil)
			s.started(t)
			s.server.Authorize = nil
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method != http.MethodPost {
					s.server.ServeHTTP(w, r)
					return
				}
				writes.Add(1)
				if test.written {
					s.server.ServeHTTP(httptest.NewRecorder(), r)
				}
				if test.lost {
					panic(http.ErrAbortHandler)
				}
				w.WriteHeader(test.status)
			}))
			t.Cleanup(server.Close)
			opened := new(stage)
			opened.open(t, server.URL, http.DefaultTransport)
			_, err := opened.bucket().Apply(t.Context(), record(optout.OptedOut, at(0)))
			if errorText(err) != test.want || writes.Load() != 1 {
				t.Errorf("got %q after %d writes, want %q after one", errorText(err), writes.Load(), test.want)
			}
		})
	}
}

// TestApply_onlyTime tests that a second signal for the same state succeeds if it cannot
// be written, and that one for the other state fails, and one that is a minute later.
func TestApply_onlyTime(t *testing.T) {
	t.Parallel()
	var full atomic.Bool
	s := newStage(t, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.Method == http.MethodPost && full.Load() {
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		next.ServeHTTP(w, r)
	})
	b := s.started(t)
	first, err := b.Apply(t.Context(), record(optout.OptedOut, at(0)))
	if err != nil {
		t.Fatal(err)
	}
	full.Store(true)
	if got, err := b.Apply(t.Context(), record(optout.OptedOut, at(1))); err != nil || got != first {
		t.Errorf("got %+v, %v, want the record %+v", got, err, first)
	}
	for _, r := range []optout.Record{record(optout.OptedIn, at(2)), record(optout.OptedOut, at(60))} {
		if got, err := b.Apply(t.Context(), r); errorText(err) != "HTTP 429" {
			t.Errorf("%s at %v: got %+v, %v, want HTTP 429", r.State, r.At, got, err)
		}
	}
}

// TestApply_conflicts tests that an object that changes forever is an error.
func TestApply_conflicts(t *testing.T) {
	t.Parallel()
	s := newStage(t, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.Method == http.MethodPost && !strings.HasSuffix(r.URL.Query().Get("name"), "/_key") {
			r.URL.RawQuery = strings.Replace(r.URL.RawQuery, "ifGenerationMatch=0", "ifGenerationMatch=7", 1)
		}
		next.ServeHTTP(w, r)
	})
	if _, err := s.started(t).Apply(t.Context(), record(optout.OptedOut, at(0))); !strings.HasSuffix(errorText(err), ": the object changes too often") {
		t.Errorf("got %v", err)
	}
}

func TestApply_incomplete(t *testing.T) {
	t.Parallel()
	b := newStage(t, nil).started(t)
	for _, r := range []optout.Record{{}, {Phone: phone, At: t0}, {Phone: phone, State: optout.OptedOut}, {State: optout.OptedOut, At: t0}, {Phone: phone, State: "out", At: t0}} {
		if _, err := b.Apply(t.Context(), r); errorText(err) != "the record is incomplete" {
			t.Errorf("%+v: %v", r, err)
		}
	}
}

// FuzzFind tests that content is a record of the person, or an error.
func FuzzFind(f *testing.F) {
	s := newStage(f, nil)
	s.started(f)
	object := nameOf(key, "harborline", phone)
	f.Add([]byte(`{"brand": "harborline", "phone": "+15550100001", "state": "opted_out", "since": "2026-05-04T00:00:00Z", "at": "2026-05-04T00:00:00.000001Z"}`))
	f.Add([]byte(`{"Phone": "+15550100001", "state": "opted_in"}`))
	f.Add([]byte(``))
	f.Fuzz(func(t *testing.T, content []byte) {
		s.server.Put("bkt", object, content)
		found, err := s.bucket().Find(t.Context(), "harborline", phone)
		switch {
		case err != nil && found != nil, err == nil && found == nil:
			t.Errorf("got %+v, %v", found, err)
		case err == nil && (found.Phone != phone || found.Brand != "harborline" || found.State != optout.OptedOut && found.State != optout.OptedIn || found.At.IsZero()):
			t.Errorf("got %+v", found)
		case err != nil && strings.Contains(err.Error(), "+1555"):
			t.Errorf("the error contains the number: %v", err)
		}
	})
}

// BenchmarkFind reads a person without a record, with a verified key, as most messages do.
func BenchmarkFind(b *testing.B) {
	bucket := newStage(b, nil).started(b)
	b.ReportAllocs()
	for b.Loop() {
		if found, err := bucket.Find(b.Context(), "harborline", phone); found != nil || err != nil {
			b.Fatal(found, err)
		}
	}
}

// testBrands tests that a brand with another name is not one without opt-outs.
func testBrands(t *testing.T, newStage func(t *testing.T) *stage, _ int) {
	s := newStage(t)
	b := s.bucket()
	if names, err := b.Brands(t.Context()); names != nil || err != nil {
		t.Errorf("Brands before Init = %q, %v", names, err)
	}
	if err := b.Init(t.Context(), "harborline"); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Apply(t.Context(), record(optout.OptedOut, at(0))); err != nil {
		t.Fatal(err)
	}
	const want = "brand ferries: the store is not prepared for the brand; if it is a new name, use the former one, otherwise run rcshook optouts init"
	renamed := record(optout.OptedOut, at(1))
	renamed.Brand = "ferries"
	for _, b := range []*optout.Bucket{b, s.bucket()} { // the first one trusts the key
		if found, err := b.Find(t.Context(), "ferries", phone); found != nil || errorText(err) != want || !errors.Is(err, optout.ErrBrand) {
			t.Errorf("Find = %+v, %v, want %s", found, err, want)
		}
		if _, err := b.Apply(t.Context(), renamed); errorText(err) != want {
			t.Errorf("Apply: %v, want %s", err, want)
		}
	}
	for range 2 {
		if err := b.Init(t.Context(), "marina", "ferries"); err != nil {
			t.Error(err)
		}
	}
	newKey := []byte(strings.Repeat("n", optout.MinKey))
	if n, err := b.Rekey(t.Context(), key, newKey, 0); n != 1 || err != nil {
		t.Errorf("Rekey = %d, %v", n, err)
	}
	s.secret, s.cached = newKey, newKey
	if names, err := b.Brands(t.Context()); !slices.Equal(names, []string{"ferries", "harborline", "marina"}) || err != nil {
		t.Errorf("Brands = %q, %v", names, err)
	}
	for _, brand := range []string{"ferries", "harborline"} {
		if found, err := b.Find(t.Context(), brand, phone); (found != nil) != (brand == "harborline") || err != nil {
			t.Errorf("%s: %+v, %v", brand, found, err)
		}
	}
}
