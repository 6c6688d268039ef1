package source_test

import (
	"slices"
	"testing"
	"time"

	"github.com/rcshook/rcshook/internal/racetest"
	"github.com/rcshook/rcshook/internal/source"
)

// keyOf returns the key of the only message of a sample, which the preset's sender sends.
func keyOf(t *testing.T, preset, id string, now time.Time) string {
	t.Helper()
	s, sign := rehearsal(t, preset)
	r := s.Sample(id)
	sign(r, now)
	received, err := s.Receive(t.Context(), r, now)
	if err != nil || len(received.Messages) != 1 {
		t.Fatalf("received %+v, %v; want one message", received, err)
	}
	return received.Messages[0].Key
}

// TestSample_differs checks that samples with different IDs are different events.
func TestSample_differs(t *testing.T) {
	t.Parallel()
	racetest.Skip(t)
	for _, preset := range source.Presets() {
		if s, _ := rehearsal(t, preset); s.Sample("0001") == nil {
			continue
		}
		t.Run(preset, func(t *testing.T) {
			t.Parallel()
			if key := keyOf(t, preset, "0001", now); key != "" && key == keyOf(t, preset, "0002", now) {
				t.Error("two samples have the same key")
			}
		})
	}
}

// TestPreset_resend checks that senders that repeat no request can send a one-time code again
// after a minute, and that a repetition of Ory Kratos is the same event.
func TestPreset_resend(t *testing.T) {
	t.Parallel()
	for _, preset := range []string{"authentik", "fusionauth", "kratos", "logto", "zitadel"} {
		t.Run(preset, func(t *testing.T) {
			t.Parallel()
			keys := []string{keyOf(t, preset, "0001", now), keyOf(t, preset, "0001", now.Add(5*time.Second)), keyOf(t, preset, "0001", now.Add(time.Minute))}
			want := 2
			if preset == "kratos" {
				want = 1
			}
			if keys[0] != keys[1] || len(slices.Compact(slices.Clone(keys))) != want {
				t.Errorf("keys = %q, want %d different ones, and the same within seconds", keys, want)
			}
		})
	}
}
