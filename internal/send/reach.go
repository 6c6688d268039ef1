package send

import (
	"context"
	"errors"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/rcshook/rcshook/internal/code"
	"github.com/rcshook/rcshook/rbm"
)

// MinBatch is the number of phone numbers from which users.batchGet is reliable.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/users/batchGet
const MinBatch = 500

// LookUp asks RBM which phone numbers an agent can reach. Each request to RBM counts
// against the rate of the caller, except for its retries.
type LookUp struct {
	Agent  *Agent
	Caller string       // its name; empty for one without limits
	Limit  *RateLimiter // of the caller; nil means that it has none
}

// RegionOf returns the region whose host has an E.164 number for users.batchGet.
//
// Assumption: Google documents the regions but not their countries, so the first digit of
// the country code decides.
func RegionOf(to string) rbm.Region {
	switch to[1] {
	case '1', '5':
		return rbm.RegionUS
	case '6', '8', '9':
		return rbm.RegionAsia
	default:
		return rbm.RegionEurope
	}
}

// ByRegion groups E.164 numbers by their region.
func ByRegion(numbers []string) map[rbm.Region][]string {
	groups := make(map[rbm.Region][]string)
	for _, to := range numbers {
		groups[RegionOf(to)] = append(groups[RegionOf(to)], to)
	}
	return groups
}

// Capabilities returns the capabilities of the device of a number. The error matches
// [rbm.ErrUnreachable] only if RBM itself responded that the agent cannot reach it.
func (s *Sender) Capabilities(ctx context.Context, l LookUp, to string) (found *rbm.Capabilities, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = code.PanicError(v) // another goroutine would end the process
		}
	}()
	err = s.ask(ctx, l, l.Agent, func(c *rbm.Client) error {
		found, err = c.Capabilities(ctx, to)
		return err
	})
	return found, err
}

// Reachable returns the reachable ones of some E.164 numbers. It asks for the numbers of a
// region in one request if there are at least [MinBatch], and otherwise one by one. The
// result is complete: after an error there is none.
func (s *Sender) Reachable(ctx context.Context, l LookUp, numbers []string) (map[string]bool, error) {
	reachable := make(map[string]bool)
	var single []string
	for region, group := range ByRegion(numbers) {
		if len(group) < MinBatch {
			single = append(single, group...)
			continue
		}
		found, err := s.batch(ctx, l, region, group)
		if errors.Is(err, rbm.ErrInvalidArgument) && l.Agent.Region != rbm.RegionGlobal && l.Agent.Region != region {
			found, err = s.batch(ctx, l, l.Agent.Region, group)
		}
		if err != nil {
			return nil, err
		}
		for _, to := range found {
			reachable[to] = true
		}
	}
	var mu sync.Mutex
	all, ctx := errgroup.WithContext(ctx)
	all.SetLimit(maxParallel)
	for _, to := range single {
		all.Go(func() error {
			_, err := s.Capabilities(ctx, l, to)
			if errors.Is(err, rbm.ErrUnreachable) {
				return nil
			}
			mu.Lock()
			defer mu.Unlock()
			reachable[to] = err == nil
			return err
		})
	}
	if err := all.Wait(); err != nil {
		return nil, err
	}
	return reachable, nil
}

// batch returns the reachable numbers of a region.
func (s *Sender) batch(ctx context.Context, l LookUp, region rbm.Region, numbers []string) ([]string, error) {
	a := *l.Agent
	a.Region = region
	var found *rbm.BatchGetUsersResponse
	err := s.ask(ctx, l, &a, func(c *rbm.Client) (err error) {
		found, err = c.BatchGetUsers(ctx, numbers)
		return err
	})
	if err != nil {
		return nil, err
	}
	if len(found.ReachableUsers) == 0 && found.TotalRandomSampleUserCount == 0 {
		// RBM samples every list of this length, so an empty object is that of a proxy.
		return nil, &rbm.Error{Method: "users.batchGet", StatusCode: 200, Attempts: 1, NotFromAPI: true}
	}
	return found.ReachableUsers, nil
}

// ask waits for the rate of the caller, and calls f with a client of the agent.
func (s *Sender) ask(ctx context.Context, l LookUp, a *Agent, f func(*rbm.Client) error) error {
	if err := l.Limit.Wait(ctx); err != nil {
		if limit, ok := errors.AsType[*LimitError](err); ok {
			limit.Caller = l.Caller
		}
		return err
	}
	return s.call(ctx, a, new(Result), nil, f)
}
