package doctor

import (
	"context"
	"errors"
	"fmt"

	"github.com/rcshook/rcshook/internal/response"
	"github.com/rcshook/rcshook/rbm"
)

// number checks whether each agent reaches the test number. The phone notices nothing.
func (e *examination) number(ctx context.Context) {
	if e.To == "" {
		return
	}
	for _, name := range e.agentNames() {
		subject := response.Mask(e.To) + " from " + name
		if e.skip(Number, subject, Agent, name) {
			continue
		}
		e.reach(ctx, name, subject)
	}
}

func (e *examination) reach(ctx context.Context, name, subject string) {
	bound, cancel := e.bound(ctx)
	defer cancel()
	a, err := e.agents.Agent(bound, name)
	var client *rbm.Client
	if err == nil {
		client, err = e.client(a.ID, name, a.Region)
	}
	var can *rbm.Capabilities
	if err == nil {
		can, err = client.Capabilities(bound, e.To)
	}
	const invite = "invite the number as a tester in the RCS for Business console, and accept on the phone; or launch the agent"
	remote := (*rbm.Error)(nil)
	switch {
	case err == nil:
		e.add(OK, Number, subject, "the agent reaches it"+able(can))
	case errors.Is(err, rbm.ErrNotTester):
		e.add(Fault, Number, subject, "the agent is not launched, and the number is not one of its testers (HTTP 403)", "I"+invite[1:])
	case errors.Is(err, rbm.ErrNotLaunched):
		e.add(Fault, Number, subject, "the agent is not launched (HTTP 403)", "Launch the agent in the RCS for Business console")
	case errors.Is(err, rbm.ErrUnreachable):
		e.add(Fault, Number, subject, "the agent does not reach it (HTTP 404)", e.outOfReach(invite)...)
	case errors.Is(err, rbm.ErrRateLimited):
		e.add(Warning, Number, subject, "a limit of the platform is reached (HTTP 429), so it was not judged", "Try again in a minute")
	case errors.As(err, &remote):
		e.add(Fault, Number, subject, wording(remote), "Try again later: the platform is in trouble. If it lasts, see status.cloud.google.com")
	default:
		e.add(Fault, Number, subject, "the number cannot be asked about", "Write it in E.164, such as +12025550123")
	}
}

// outOfReach are the causes of a 404, the likeliest first.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/phones/getCapabilities
func (e *examination) outOfReach(invite string) []string {
	return candidates(
		"the phone has no RCS, or it is switched off, or was not online for 31 days: open Google Messages, Settings, RCS chats",
		"the agent is not launched at all, and the number is no tester who has accepted: "+invite,
		"the agent is not launched on the network of this number: see its launches in the RCS for Business console",
	)
}

// able says what the phone can show.
func able(c *rbm.Capabilities) string {
	text := fmt.Sprintf(", and it can do %s", count(len(c.Features), "feature"))
	if len(c.Features) == 0 {
		text = ", and it can show text and files only"
	}
	if c.Carrier != "" {
		text += "; its carrier is " + c.Carrier
	}
	return text
}
