package server

import (
	"fmt"
	"testing"
	"time"
)

func TestReplyLimiter(t *testing.T) {
	t.Parallel()
	var l replyLimiter
	start := time.Date(2026, 12, 1, 9, 0, 0, 0, time.UTC)
	for i := range maxReplies {
		for attempt := range 3 { // of the same message
			if !l.allow("+12025550123", fmt.Sprint(i), start.Add(time.Duration(attempt)*time.Second)) {
				t.Fatalf("attempt %d of message %d is not allowed", attempt, i)
			}
		}
	}
	for _, test := range []struct {
		number, key string
		after       time.Duration
		want        bool
	}{
		{"+12025550123", "new", 59 * time.Second, false},
		{"+12025550123", "3", 59 * time.Second, true},
		{"+12025550124", "new", 59 * time.Second, true},
		{"+12025550123", "new", time.Minute, true},
	} {
		if got := l.allow(test.number, test.key, start.Add(test.after)); got != test.want {
			t.Errorf("allow(%s, %s) after %v = %t, want %t", test.number, test.key, test.after, got, test.want)
		}
	}
}

// TestReplyLimiter_memory tests that numbers without recent messages are forgotten.
func TestReplyLimiter_memory(t *testing.T) {
	t.Parallel()
	var l replyLimiter
	start := time.Date(2026, 12, 1, 9, 0, 0, 0, time.UTC)
	for i := range maxDelivered + 1 {
		l.allow(fmt.Sprint(i), "k", start)
	}
	l.allow("last", "k", start.Add(time.Hour))
	if len(l.sent) != 1 {
		t.Errorf("%d numbers, want 1", len(l.sent))
	}
}
