package rbm

import (
	"context"
	"fmt"
	"net/http"
	"slices"
)

// MaxBatchUsers is how many numbers one request of users.batchGet may hold.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/users/batchGet
const MaxBatchUsers = 10_000

// BatchGetUsersResponse says who of many can be reached.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/users/batchGet
type BatchGetUsersResponse struct {
	// ReachableUsers are the numbers that can be reached on networks where the
	// agent is launched. Those that cannot are simply not there.
	ReachableUsers []string `json:"reachableUsers,omitempty"`

	// TotalRandomSampleUserCount is the size of a random sample of some 75 % of
	// the numbers; 0 for fewer than 500.
	TotalRandomSampleUserCount int `json:"totalRandomSampleUserCount,omitempty"`

	// ReachableRandomSampleUserCount counts those of the sample who have RCS on
	// any network, with the agent launched there or not.
	ReachableRandomSampleUserCount int `json:"reachableRandomSampleUserCount,omitempty"`

	// ReachableUsersMap has the reachable US numbers by their carrier.
	ReachableUsersMap map[string]CarrierUsers `json:"reachableUsersMap,omitempty"`
}

// CarrierUsers are the users of one carrier who can be reached.
type CarrierUsers struct {
	ReachableUsers []string `json:"reachableUsers,omitempty"`
}

type batchGetUsersRequest struct {
	Users   []string `json:"users"`
	AgentID string   `json:"agentId"`
}

// BatchGetUsers asks which of phones can be reached. The numbers must all belong
// to the region of the client, else the error is [ErrInvalidArgument]; a client
// without a region gets [ErrNeedsRegion] before anything is sent.
//
// Repeated numbers are asked for once. More than [MaxBatchUsers] are split into
// requests of about the same size, one after another, and their answers are
// merged, with the counters added up. The platform allows 600 requests a minute
// and asks for at least 500 numbers each. If one request fails, so does the call.
//
// Assumption: fewer than 500 numbers are answered without a sample, as the
// generated clients say; an official sample does not dare to ask.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/users/batchGet
func (c *Client) BatchGetUsers(ctx context.Context, phones []string) (*BatchGetUsersResponse, error) {
	if !c.regional {
		return nil, ErrNeedsRegion
	}
	for i, phone := range phones {
		if err := checkPhone(phone); err != nil {
			return nil, fmt.Errorf("%w: number %d of the list", err, i+1)
		}
	}
	unique := slices.Compact(slices.Sorted(slices.Values(phones)))
	total := new(BatchGetUsersResponse)
	requests := (len(unique) + MaxBatchUsers - 1) / MaxBatchUsers
	for i := range requests {
		part := unique[i*len(unique)/requests : (i+1)*len(unique)/requests]
		found, err := c.batchGetUsers(ctx, part)
		if err != nil {
			return nil, err
		}
		total.add(found)
	}
	return total, nil
}

func (c *Client) batchGetUsers(ctx context.Context, phones []string) (*BatchGetUsersResponse, error) {
	body, err := encode(batchGetUsersRequest{phones, c.agentID})
	if err != nil {
		return nil, fmt.Errorf("rbm: encode numbers: %w", err)
	}
	found := new(BatchGetUsersResponse)
	k := call{method: methodBatchGet, verb: http.MethodPost, url: c.base + "/v1/users:batchGet", body: body}
	if err := c.do(ctx, k, found); err != nil {
		return nil, err
	}
	return found, nil
}

func (r *BatchGetUsersResponse) add(more *BatchGetUsersResponse) {
	r.ReachableUsers = append(r.ReachableUsers, more.ReachableUsers...)
	r.TotalRandomSampleUserCount += more.TotalRandomSampleUserCount
	r.ReachableRandomSampleUserCount += more.ReachableRandomSampleUserCount
	for carrier, users := range more.ReachableUsersMap {
		if r.ReachableUsersMap == nil {
			r.ReachableUsersMap = make(map[string]CarrierUsers)
		}
		known := r.ReachableUsersMap[carrier]
		known.ReachableUsers = append(known.ReachableUsers, users.ReachableUsers...)
		r.ReachableUsersMap[carrier] = known
	}
}
