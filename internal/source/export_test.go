package source

import (
	"context"
	"time"
)

// Verify is the check of Receive alone.
func Verify(ctx context.Context, s *Source, r *Request, now time.Time) error {
	return s.verify(ctx, r, now)
}

// Fill takes every slot of the directory of s until empty is called.
func Fill(s *Source) (empty func()) {
	for range cap(s.slots) {
		s.slots <- struct{}{}
	}
	return func() {
		for range cap(s.slots) {
			s.slots.free()
		}
	}
}

// Running is how the time of programs is counted.
var Running = running
