package limit

import (
	"context"
	"time"
)

// NewMeter returns a meter with another clock.
func NewMeter(ctx context.Context, clock func() time.Duration) *Meter { return newMeter(ctx, clock) }

// Grown returns the bytes by which the heap had grown when the memory was exceeded.
func (m *Meter) Grown() uint64 { return m.held - m.heap }

// CachedPatterns returns the number of cached patterns, and their size.
func CachedPatterns() (entries, size int) {
	for _, p := range patterns.Values() {
		entries++
		size += p.size
	}
	return entries, size
}
