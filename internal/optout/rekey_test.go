package optout_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rcshook/rcshook/internal/googletest/storage"
	"github.com/rcshook/rcshook/internal/optout"
)

// nameOf returns the name of the object for a person.
func nameOf(key []byte, brand, phone string) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(brand + "\n" + phone))
	return "opt-outs/" + hex.EncodeToString(mac.Sum(nil))
}

// people stores five records and returns them by number.
func people(t *testing.T, b *optout.Bucket) map[string]optout.Record {
	t.Helper()
	records := map[string]optout.Record{}
	for i := range 5 {
		r := record([]optout.State{optout.OptedOut, optout.OptedIn}[i%2], at(float64(i)))
		r.Phone = fmt.Sprintf("+1555010%04d", i)
		for range 2 { // Since and At differ
			stored, err := b.Apply(t.Context(), r)
			if err != nil {
				t.Fatal(err)
			}
			records[r.Phone] = stored
			r.At = r.At.Add(at(90).Sub(t0))
		}
	}
	return records
}

// all returns all records by number.
func all(t *testing.T, b *optout.Bucket) map[string]optout.Record {
	t.Helper()
	records := map[string]optout.Record{}
	if err := b.All(t.Context(), func(r optout.Record) error { records[r.Phone] = r; return nil }); err != nil {
		t.Error(err)
	}
	return records
}

func testRekey(t *testing.T, newStage func(t *testing.T) *stage, _ int) {
	s := newStage(t)
	b := s.started(t)
	want := people(t, b)
	for _, test := range []struct {
		old, new []byte
		want     string
	}{
		{otherKey, key, "<nil>"}, // complete already
		{key, key, "the old key and the new one are the same"},
		{key[:31], key, "key: expected at least 32 bytes"},
		{[]byte("another key of enough bytes, 32 or more"), otherKey, "the key is not the one that names the objects; run rcshook optouts rekey with the old key and the new one"},
	} {
		if n, err := b.Rekey(t.Context(), test.old, test.new, 0); n != 0 || errorText(err) != test.want {
			t.Errorf("got %d, %v; want %q", n, err, test.want)
		}
	}
	if n, err := b.Rekey(t.Context(), key, otherKey, 0); n != 5 || err != nil {
		t.Fatalf("got %d, %v", n, err)
	}
	s.secret = otherKey
	if diff := cmp.Diff(want, all(t, s.bucket())); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
	if found, err := s.bucket().Find(t.Context(), "harborline", "+15550100000"); err != nil || found == nil {
		t.Errorf("found %+v, %v", found, err)
	}
}

// TestRekey_unknownObject tests that an object of a third key stops Rekey before anything
// is deleted.
func TestRekey_unknownObject(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	people(t, s.started(t))
	unknown := "opt-outs/" + strings.Repeat("0", 64)
	s.put(t, unknown, `{"phone": "+15550100009", "state": "opted_in", "since": "2026-05-04T00:00:00Z", "at": "2026-05-04T00:00:00Z"}`)
	want := "object " + unknown + ": its name is from another key; run rcshook optouts rekey with that key and the current one"
	if _, err := s.bucket().Rekey(t.Context(), key, otherKey, 0); errorText(err) != want {
		t.Errorf("got %v", err)
	}
	for number := range 5 {
		if name := nameOf(key, "harborline", fmt.Sprintf("+1555010%04d", number)); !slices.ContainsFunc(s.server.Objects("bkt"), func(o storage.Object) bool { return o.Name == name }) {
			t.Errorf("the object of number %d is deleted", number)
		}
	}
	s.server.Delete("bkt", unknown)
	if n, err := s.bucket().Rekey(t.Context(), key, otherKey, 0); n != 5 || err != nil {
		t.Errorf("without the object: %d, %v", n, err)
	}
}

// TestRekey_lateWrite tests that a record that was written with the old key, after all
// others were copied, is copied before it is deleted.
func TestRekey_lateWrite(t *testing.T) {
	t.Parallel()
	var failing atomic.Bool
	s := newStage(t, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if failing.Load() && r.Method == http.MethodPost {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		next.ServeHTTP(w, r)
	})
	s.started(t)
	if _, err := s.bucket().Rekey(t.Context(), key, otherKey, 0); err != nil {
		t.Fatal(err)
	}
	s.put(t, nameOf(key, "harborline", phone), `{"brand": "harborline", "phone": "`+phone+`", "state": "opted_out", "since": "2026-05-04T00:00:00Z", "at": "2026-05-04T00:00:00Z"}`)
	failing.Store(true)
	if _, err := s.bucket().Rekey(t.Context(), key, otherKey, 0); err == nil || len(s.server.Objects("bkt")) != 2 {
		t.Errorf("got %v, %d objects", err, len(s.server.Objects("bkt")))
	}
	failing.Store(false)
	if n, err := s.bucket().Rekey(t.Context(), key, otherKey, 0); n != 1 || err != nil || len(s.server.Objects("bkt")) != 2 {
		t.Errorf("got %d, %v, %d objects", n, err, len(s.server.Objects("bkt")))
	}
	s.secret, s.cached = otherKey, otherKey
	if found, err := s.bucket().Find(t.Context(), "harborline", phone); found == nil || err != nil {
		t.Errorf("found %+v, %v", found, err)
	}
}

// TestRekey_pause tests that nothing is copied before the pause ends.
func TestRekey_pause(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	people(t, s.started(t))
	// A busy machine may need longer to begin.
	for timeout := 50 * time.Millisecond; ; timeout *= 2 {
		ctx, cancel := context.WithTimeout(t.Context(), timeout)
		_, err := s.bucket().Rekey(ctx, key, otherKey, optout.RekeyPause)
		cancel()
		if errorText(err) != "timeout" || len(s.server.Objects("bkt")) > 6 {
			t.Fatalf("got %v, %d objects", err, len(s.server.Objects("bkt")))
		}
		if _, err := s.bucket().Find(t.Context(), "harborline", phone); errors.Is(err, optout.ErrRekeying) {
			return
		} else if err != nil || timeout > optout.RekeyPause/2 {
			t.Fatalf("Find after %v: %v, want ErrRekeying", timeout, err)
		}
	}
}

// TestRekey_interrupted interrupts Rekey at each of its requests, before or after it has an
// effect, or fails only that request, and completes Rekey with a second call.
func TestRekey_interrupted(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"before", "after", "once"} {
		for n := int64(1); ; n++ {
			var requests atomic.Int64
			requests.Store(-1 << 40)
			s := newStage(t, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
				request := requests.Add(1)
				fail := request == n || request > n && mode != "once"
				if !fail {
					next.ServeHTTP(w, r)
				} else if mode == "after" && request == n {
					next.ServeHTTP(discard{http.Header{}}, r)
				}
				if fail {
					w.WriteHeader(http.StatusServiceUnavailable)
				}
			})
			want := people(t, s.started(t))
			requests.Store(0)
			_, err := s.bucket().Rekey(t.Context(), key, otherKey, 0)
			complete := requests.Load() < n
			requests.Store(-1 << 40)
			if (err == nil) != complete {
				t.Fatalf("request %d failed, and Rekey returned %v", n, err)
			}
			for _, secret := range [][]byte{key, otherKey} {
				s.secret, s.cached = secret, secret
				found, err := s.bucket().Find(t.Context(), "harborline", "+15550100000")
				if err == nil && found == nil {
					t.Fatalf("after request %d a record is missing", n)
				}
			}
			if _, err := s.bucket().Rekey(t.Context(), key, otherKey, 0); err != nil {
				t.Fatalf("second call after request %d: %v", n, err)
			}
			if diff := cmp.Diff(want, all(t, s.bucket())); diff != "" || len(s.server.Objects("bkt")) != 6 {
				t.Fatalf("after request %d: %d objects, records (-want +got):\n%s", n, len(s.server.Objects("bkt")), diff)
			}
			if complete {
				break
			}
		}
	}
}

// discard is a response that is lost.
type discard struct{ header http.Header }

func (d discard) Header() http.Header         { return d.header }
func (d discard) Write(p []byte) (int, error) { return len(p), nil }
func (d discard) WriteHeader(int)             {}

// TestRekey_during tests that calls fail while objects are being renamed, and that a record
// of the new key is not replaced by an older one.
func TestRekey_during(t *testing.T) {
	t.Parallel()
	var s *stage
	var during atomic.Bool
	s = newStage(t, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.Method == http.MethodPost && r.URL.Query().Get("name") == nameOf(otherKey, "harborline", "+15550100000") && during.CompareAndSwap(false, true) {
			for _, secret := range [][]byte{key, otherKey} {
				s.secret, s.cached = secret, secret
				if _, err := s.bucket().Find(t.Context(), "harborline", phone); !errors.Is(err, optout.ErrRekeying) || s.rereads != 0 {
					t.Errorf("Find: %v, %d rereads", err, s.rereads)
				}
				if _, err := s.bucket().Apply(t.Context(), record(optout.OptedOut, at(0))); !errors.Is(err, optout.ErrRekeying) {
					t.Errorf("Apply: %v", err)
				}
				if err := s.bucket().Init(t.Context(), "harborline"); !errors.Is(err, optout.ErrRekeying) {
					t.Errorf("Init: %v", err)
				}
			}
			s.server.Put("bkt", nameOf(otherKey, "harborline", "+15550100000"), []byte(`{"brand": "harborline", "phone": "+15550100000", "state": "opted_in", "since": "2030-01-01T00:00:00Z", "at": "2030-01-01T00:00:00Z"}`))
		}
		next.ServeHTTP(w, r)
	})
	want := people(t, s.started(t))
	if _, err := s.bucket().Rekey(t.Context(), key, otherKey, 0); err != nil || !during.Load() {
		t.Fatal(err)
	}
	got := all(t, s.bucket())
	if newer := got["+15550100000"]; newer.State != optout.OptedIn || newer.At.Year() != 2030 {
		t.Errorf("the newer record became %+v", newer)
	}
	delete(want, "+15550100000")
	delete(got, "+15550100000")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
}
