package source

import (
	"context"
	"time"
)

// Verify is the check of Receive alone.
func Verify(ctx context.Context, s *Source, r *Request, now time.Time) error {
	return s.verify(ctx, r, now)
}
