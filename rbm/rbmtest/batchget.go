package rbmtest

import (
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rcshook/rcshook/rbm"
)

// Rules of users.batchGet.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/users/batchGet
const (
	minBatch       = 500
	maxBatch       = 10_000
	batchPerMinute = 600
)

// batchGet is users.batchGet. Numbers given twice count once.
//
// Assumption: the wording of all refusals.
func (s *Simulator) batchGet(c *call) (*node, *apiError) {
	var users []string
	seen := map[string]bool{}
	for _, item := range c.body.items("users") {
		if !e164.MatchString(item.text) {
			return nil, invalidArgument("A phone number in users is not in E.164 format.")
		}
		if !seen[item.text] {
			seen[item.text] = true
			users = append(users, item.text)
		}
	}
	switch {
	case len(users) == 0:
		return nil, invalidArgument("The list of users is empty.")
	case len(users) > maxBatch:
		return nil, invalidArgument("A request may hold at most %d users.", maxBatch)
	case len(users) < minBatch && s.Assume.BatchMinimum:
		return nil, invalidArgument("A request must hold at least %d users.", minBatch)
	}
	if refusal := s.checkRegion(c.request.Host, users); refusal != nil {
		return nil, refusal
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	s.batches = slices.DeleteFunc(s.batches, func(t time.Time) bool { return now.Sub(t) >= time.Minute })
	if len(s.batches) >= batchPerMinute {
		return nil, trouble(http.StatusTooManyRequests, "", 0)
	}
	s.batches = append(s.batches, now)
	return s.reachable(c.agent, users), nil
}

// reachable tells which users an agent reaches. s.mu is held.
func (s *Simulator) reachable(a *AgentConfig, users []string) *node {
	var reached []string
	byCarrier := map[string][]string{}
	sample, sampleReached := 0, 0
	for i, phone := range users {
		refusal := s.behaviors[phone].Refusal
		// Three of four are the sample that estimates the reach on all networks.
		if len(users) >= minBatch && i%4 != 3 {
			sample++
			if refusal != Unreachable {
				sampleReached++
			}
		}
		if a.Unlaunched || refusal == Unreachable || refusal == NotLaunched || refusal == NotTester {
			continue
		}
		reached = append(reached, phone)
		if isUS(phone) {
			byCarrier[s.carrier(phone)] = append(byCarrier[s.carrier(phone)], phone)
		}
	}
	out := &node{kind: objectNode}
	if len(reached) > 0 {
		out.set("reachableUsers", stringsOf(reached))
	}
	for _, counter := range []struct {
		name string
		n    int
	}{{"totalRandomSampleUserCount", sample}, {"reachableRandomSampleUserCount", sampleReached}} {
		if counter.n > 0 {
			out.set(counter.name, &node{kind: numberNode, text: strconv.Itoa(counter.n)})
		}
	}
	if len(byCarrier) > 0 {
		carriers := &node{kind: objectNode}
		for _, carrier := range slices.Sorted(maps.Keys(byCarrier)) {
			users := &node{kind: objectNode}
			users.set("reachableUsers", stringsOf(byCarrier[carrier]))
			carriers.set(carrier, users)
		}
		out.set("reachableUsersMap", carriers)
	}
	return out
}

// items returns the items of the list member called name.
func (n *node) items(name string) []*node {
	if v := n.get(name); v != nil {
		return v.list
	}
	return nil
}

// checkRegion makes sure that all numbers are of one region, and of that of the
// host if it is a regional one.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/users/batchGet
func (s *Simulator) checkRegion(host string, users []string) *apiError {
	region := s.regionOf(users[0])
	for _, phone := range users {
		if s.regionOf(phone) != region {
			return invalidArgument("All users of a request must be of the same region.")
		}
	}
	for _, r := range []rbm.Region{rbm.RegionUS, rbm.RegionEurope, rbm.RegionAsia} {
		if strings.HasPrefix(host, string(r)+"-rcsbusinessmessaging.") && r != region {
			return invalidArgument("The users of the request are of another region than the endpoint.")
		}
	}
	return nil
}

func (s *Simulator) regionOf(phone string) rbm.Region {
	if s.RegionOf != nil {
		return s.RegionOf(phone)
	}
	switch phone[1] {
	case '1', '5':
		return rbm.RegionUS
	case '6', '8', '9':
		return rbm.RegionAsia
	default:
		return rbm.RegionEurope
	}
}
