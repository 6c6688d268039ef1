package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"

	"github.com/rcshook/rcshook/internal/agent"
	"github.com/rcshook/rcshook/internal/bulk"
	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/server"
	"github.com/rcshook/rcshook/rbm"
)

// reach asks the platform which numbers can be reached, as the agent that the
// environment describes.
func (o *bulkOptions) reach(ctx context.Context, journal *bulk.Journal, left int, ends streams) error {
	if !o.reachable || left == 0 {
		return nil
	}
	if o.campaign.NamesAgent() {
		return errors.New("-reachable asks for the agent in the environment, and the message or a column names an agent: leave one of them out")
	}
	cfg, err := config.FromEnviron(direct(os.Environ()))
	if err != nil {
		return fmt.Errorf("-reachable needs the settings of the function in the environment: %w", err)
	}
	transport := rbm.NewTransport()
	defer transport.CloseIdleConnections()
	agents := agent.New(cfg, agent.Options{Transport: transport})
	defer agents.Close()
	a, err := agents.Agent(ctx, config.DefaultAgent)
	if err != nil {
		return fmt.Errorf("-reachable: %w", err)
	}
	if a.Region == "" {
		return errors.New("-reachable needs RCSHOOK_REGION, the region of the numbers: us, europe or asia")
	}
	client, err := rbm.New(rbm.Config{
		AgentID:    a.ID,
		Token:      a.Token,
		HTTPClient: &http.Client{Transport: transport},
		Region:     rbm.Region(a.Region),
		Endpoint:   cfg.RBMEndpoint,
		UserAgent:  "rcshook/" + server.Version(),
	})
	if err != nil {
		return err
	}
	m := newMeter(ends.err, "asking who can be reached", "numbers")
	m.set(0, int64(left))
	found, err := o.campaign.Reach(ctx, left, journal.Done, func(ctx context.Context, phones []string) ([]string, error) {
		answer, err := client.BatchGetUsers(ctx, phones)
		if err != nil {
			return nil, err
		}
		return answer.ReachableUsers, nil
	}, func(asked int) { m.set(int64(asked), int64(left)) })
	m.close()
	switch {
	case errors.Is(err, rbm.ErrInvalidArgument):
		return fmt.Errorf("-reachable: %w; all numbers must be of the region %s: send to others in a table of their own", err, a.Region)
	case err != nil:
		return fmt.Errorf("-reachable: %w", err)
	}
	fmt.Fprintf(ends.out, "Reachable: %d of %d; the others get nothing\n", found.Asked-found.Count(), found.Asked)
	o.runner.Unreachable, o.unreachable = found.Lost, found.Count()
	return nil
}
