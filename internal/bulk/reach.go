package bulk

import (
	"context"
	"hash/maphash"
	"slices"

	"github.com/rcshook/rcshook/rbm"
)

// Reachability keeps the numbers that the platform cannot reach, as hashes.
type Reachability struct {
	Asked int

	seed   maphash.Seed
	hashes map[uint64]struct{}
}

// Count is how many cannot be reached.
func (u *Reachability) Count() int { return len(u.hashes) }

// Lost reports whether a number cannot be reached.
func (u *Reachability) Lost(to string) bool {
	_, ok := u.hashes[maphash.String(u.seed, to)]
	return ok
}

// Reach asks which numbers can be reached, those of good rows that are not done, of
// which there are n. It asks in as few batches as the platform takes, of about the
// same size. Progress, if not nil, hears how many were asked about.
func (c *Campaign) Reach(ctx context.Context, n int, done func(key string) bool,
	ask func(ctx context.Context, phones []string) (reachable []string, err error), progress func(asked int),
) (*Reachability, error) {
	u := &Reachability{seed: maphash.MakeSeed(), hashes: map[uint64]struct{}{}}
	if n == 0 {
		return u, nil
	}
	batches := (n + rbm.MaxBatchUsers - 1) / rbm.MaxBatchUsers
	size := (n + batches - 1) / batches
	batch := make([]string, 0, size)
	flush := func() error {
		found, err := ask(ctx, batch)
		if err != nil {
			return err
		}
		u.take(batch, found)
		if progress != nil {
			progress(u.Asked)
		}
		batch = batch[:0]
		return nil
	}
	for l, err := range c.letters(ctx, new(Pass)) {
		if err != nil {
			return nil, err
		}
		if len(l.Faults) > 0 || done(l.Key) {
			continue
		}
		if batch = append(batch, l.To); len(batch) < size {
			continue
		}
		if err := flush(); err != nil {
			return nil, err
		}
	}
	if len(batch) > 0 {
		if err := flush(); err != nil {
			return nil, err
		}
	}
	return u, nil
}

// take keeps the numbers of a batch that were not found.
func (u *Reachability) take(batch, found []string) {
	u.Asked += len(batch)
	slices.Sort(found)
	for _, to := range batch {
		if _, ok := slices.BinarySearch(found, to); !ok {
			u.hashes[maphash.String(u.seed, to)] = struct{}{}
		}
	}
}
