package bulk

import (
	"testing"
	"time"

	"golang.org/x/time/rate"
)

func TestPace(t *testing.T) {
	t.Parallel()
	now := time.Now()
	p := newPace(100, func() time.Time { return now })
	const slower, faster = 0.5, 1.1
	after := func(d time.Duration, factor, want rate.Limit) {
		t.Helper()
		now = now.Add(d)
		p.scale(factor)
		if got := p.limiter.Limit(); got < want-0.01 || got > want+0.01 {
			t.Fatalf("%v per second, want %v", got, want)
		}
	}
	after(0, faster, 100)
	after(0, slower, 50)
	after(time.Second/2, slower, 50) // a response to an earlier request
	after(time.Second/2, slower, 25)
	after(time.Second, faster, 27.5)
	after(0, faster, 27.5)
	for range 20 {
		now = now.Add(time.Second)
		p.scale(faster)
	}
	after(0, faster, 100)
	for range 20 {
		now = now.Add(time.Second)
		p.scale(slower)
	}
	after(0, slower, 1)
}

func TestBackoff(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		attempt     int
		advised     time.Duration
		least, most time.Duration
	}{
		{1, 0, time.Second / 2, time.Second},
		{3, 0, 2 * time.Second, 4 * time.Second},
		{100, 0, 30 * time.Second, time.Minute},
		{1, 8 * time.Second, 8 * time.Second, 10 * time.Second},
		{5, 8 * time.Second, 8 * time.Second, 16 * time.Second},
	} {
		for range 1000 {
			if got := backoff(tt.attempt, tt.advised); got < tt.least || got > tt.most+time.Nanosecond {
				t.Fatalf("backoff(%d, %v) = %v, want %v to %v", tt.attempt, tt.advised, got, tt.least, tt.most)
			}
		}
	}
}
