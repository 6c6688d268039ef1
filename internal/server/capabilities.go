package server

import (
	"fmt"

	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/payload"
	"github.com/rcshook/rcshook/internal/prepare"
	"github.com/rcshook/rcshook/internal/response"
	"github.com/rcshook/rcshook/internal/send"
	"github.com/rcshook/rcshook/internal/source"
	"github.com/rcshook/rcshook/rbm"
)

// maxSingle is the number of phone numbers of one request that are looked up one by one.
const maxSingle = 100

// capabilities serves GET and POST /capabilities: which numbers an agent can reach, and
// what the device of one number supports.
func (s *Server) capabilities(c *call) (*response.Response, error) {
	to, name, err := s.readNumbers(c, rbm.MaxBatchUsers)
	if err != nil {
		return nil, err
	}
	if err := c.caller.allowDestination(name, to); err != nil {
		return nil, err
	}
	if err := prepare.CheckDestinations(to, &s.cfg, config.Source{}, s.cfg.Agents[name]); err != nil {
		return nil, err
	}
	numbers := make([]string, len(to))
	for i, r := range to {
		numbers[i] = r.E164
	}
	if err := checkCount(numbers); err != nil {
		return nil, err
	}
	a, err := s.agent(c.Context(), name)
	if err != nil {
		return nil, err
	}
	l := send.LookUp{Agent: a, Caller: c.caller.Name, Limit: c.caller.limit}
	if len(numbers) == 1 {
		found, err := s.sender.Capabilities(c.Context(), l, numbers[0])
		return response.FromNumber(name, numbers[0], found, err), nil
	}
	reachable, err := s.sender.Reachable(c.Context(), l, numbers)
	return response.FromNumbers(name, numbers, reachable, err), nil
}

// checkCount checks how many numbers there are, in all and of each region: one by one they
// would take too long, and too few are not reliable in one request.
func checkCount(numbers []string) error {
	var errs payload.Errors
	check := func(of string, n int) {
		if n > maxSingle && n < send.MinBatch {
			errs = append(errs, payload.Error{Pointer: "/to", Limit: maxSingle, Actual: n, Detail: fmt.Sprintf(
				"expected at most %d numbers%s or at least %d, got %d; the result for other counts is not reliable: send them in requests of at most %[1]d",
				maxSingle, of, send.MinBatch, n)})
		}
	}
	if check("", len(numbers)); len(numbers) >= send.MinBatch {
		groups := send.ByRegion(numbers)
		for _, region := range []rbm.Region{rbm.RegionUS, rbm.RegionEurope, rbm.RegionAsia} {
			check(" of the region "+string(region), len(groups[region]))
		}
	}
	if len(errs) > 0 {
		return errs
	}
	return nil
}

// readNumbers reads the numbers and the agent of a request that sends no message, from the
// query if it has a number, and from the body otherwise.
func (s *Server) readNumbers(c *call, limit int) (to []payload.Recipient, agent string, err error) {
	query := c.URL.Query()
	query.Del("profile")
	contentType, body := "application/x-www-form-urlencoded", []byte(query.Encode())
	if !query.Has("to") && c.ContentLength != 0 {
		if contentType = source.ContentType(c.Header); len(query) > 0 {
			return nil, "", invalidRequest("query parameters agent and country: expected them in the body, which has the number")
		}
		if body, err = c.readBody(maxBody); err != nil {
			return nil, "", err
		}
	} else if len(query) == 0 {
		body = []byte("to=")
	}
	release, err := s.reserve(c.Context(), len(body))
	if err != nil {
		return nil, "", err
	}
	defer release()
	err = s.decoding(c.Context(), func() error {
		to, agent, err = payload.DecodeNumbers(contentType, body, payload.Options{
			Country: s.cfg.Country, Countries: s.cfg.AllCountries(), MaxNumbers: limit,
		})
		return err
	})
	if err != nil {
		return nil, "", err
	}
	name, ok := s.cfg.FindAgent(agent)
	if !ok {
		return nil, "", &prepare.UnknownAgentError{Name: agent, Names: c.caller.agentNames(s.agents.Names())}
	}
	return to, name, nil
}
