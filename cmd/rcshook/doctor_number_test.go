package main

import (
	"bytes"
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rcshook/rcshook/internal/doctor"
	"github.com/rcshook/rcshook/internal/googletest/platform"
	"github.com/rcshook/rcshook/internal/googletest/tasks"
	"github.com/rcshook/rcshook/rbm/rbmtest"
)

// TestDoctor_revocation sends a message and revokes it.
func TestDoctor_revocation(t *testing.T) {
	alwaysOK := rbmtest.Assumptions{RevokeAlwaysOK: true}
	for _, test := range []struct {
		name, number string
		assume       rbmtest.Assumptions
		seen         bool
		change       func(*setup)
		state        doctor.State
		detail       string
		left         rbmtest.State // of the message
	}{
		{"delivered", testNumber, rbmtest.Assumptions{}, true, nil, doctor.OK, "the platform does not revoke a delivered message (HTTP 404)", rbmtest.StateDelivered},
		{"delivered, after a time", testNumber, rbmtest.Assumptions{}, false, nil, doctor.OK, "the platform does not revoke a delivered message (HTTP 404)", rbmtest.StateDelivered},
		{"always 200", testNumber, alwaysOK, true, nil, doctor.Error, "the platform reports the revocation of a delivered message as a success (HTTP 200)", rbmtest.StateDelivered},
		{"always 200, with a webhook", testNumber, alwaysOK, true, func(c *setup) { c.webhook(http.StatusOK) }, doctor.Warning, "so a fallback in time needs the delivered events of the webhook", rbmtest.StateDelivered},
		{"always 200, after a time", testNumber, alwaysOK, false, nil, doctor.Warning, "it was not delivered yet; not checked", rbmtest.StateDelivered},
		{"offline", "+12025550108", rbmtest.Assumptions{}, false, nil, doctor.Warning, "it was not delivered yet; not checked", rbmtest.StateRevoked},
		{"unreachable", "+12025550104", rbmtest.Assumptions{}, false, nil, doctor.Error, "not reachable (HTTP 404)", ""},
		{"a response is lost", testNumber, rbmtest.Assumptions{}, true, func(c *setup) {
			c.sim.Fail(rbmtest.Failure{Method: "phones.agentMessages.delete", Status: http.StatusServiceUnavailable, Count: 1})
		}, doctor.Warning, "an attempt to revoke the message got no response", rbmtest.StateDelivered},
		{"not revoked", "+12025550108", rbmtest.Assumptions{}, false, func(c *setup) {
			c.sim.Fail(rbmtest.Failure{Method: "phones.agentMessages.delete", Status: http.StatusServiceUnavailable, Count: 10})
		}, doctor.Error, "the message was sent, but not revoked: ", rbmtest.StateQueued},
		{"no credentials", testNumber, rbmtest.Assumptions{}, true, func(c *setup) { c.sim.Secrets.Deny(keySecret) }, doctor.Skipped, "it needs secret " + keySecret, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := newSetup(t, platform.New(&rbmtest.Simulator{Assume: test.assume}))
			if test.change != nil {
				test.change(c)
			}
			asked := ""
			report := c.examine(doctor.Options{Number: test.number, Arrived: func(_ context.Context, subject string) bool {
				asked = subject
				return test.seen
			}})
			var got []doctor.Check
			for _, check := range report.Checks {
				if check.Name == doctor.Revocation {
					got = append(got, check)
				}
			}
			if len(got) != 1 || got[0].State != test.state || !strings.Contains(got[0].Detail, test.detail) {
				t.Fatalf("got %+v, want %s, %s", got, test.state, test.detail)
			}
			if needsSteps := test.state == doctor.Warning || test.state == doctor.Error; needsSteps != (len(got[0].Next) > 0) {
				t.Errorf("%s has the next steps %q", test.state, got[0].Next)
			}
			c.checkPrivacy(got[0].Detail + got[0].Subject + asked + strings.Join(got[0].Next, ""))
			var left []rbmtest.State
			for _, m := range c.sim.Messages() {
				left = append(left, m.State)
			}
			var want []rbmtest.State
			if test.left != "" {
				want = append(want, test.left)
			}
			if diff := cmp.Diff(want, left); diff != "" || (asked != "") != (test.left != "") {
				t.Errorf("messages (-want +got), asked for %q:\n%s", asked, diff)
			}
		})
	}
}

// Of several agents, one sends the message: the first whose fallback has after.
func TestDoctor_revocationAgent(t *testing.T) {
	const fallback = "fallback: {url: https://sms.example.com/in, secret: " + sms
	for _, test := range []struct{ name, file, agent, want string }{
		{"none has after", "agents:\n  care: {id: care_k3x9a1bc_agent, credentials: " + keySecret + ", " + fallback + "}}\n", "", "default"},
		{"one has after", "agents:\n  care: {id: care_k3x9a1bc_agent, credentials: " + keySecret + ", " + fallback + ", after: auto}}\n", "", "care"},
		{"chosen", "agents:\n  care: {id: care_k3x9a1bc_agent, credentials: " + keySecret + "}\n", "care", "care"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := newSetup(t, platform.New(new(rbmtest.Simulator)))
			c.queues(tasks.Settings{Attempts: -1})
			c.file = test.file
			asked := ""
			c.examine(doctor.Options{Number: testNumber, Agent: test.agent, Arrived: func(_ context.Context, subject string) bool { asked += subject; return true }})
			if want := "+12*******23 from " + test.want; asked != want {
				t.Errorf("the message is %q, want %q", asked, want)
			}
		})
	}
}

// TestDoctor_arrived asks a person whether the message is on the phone.
func TestDoctor_arrived(t *testing.T) {
	t.Parallel()
	for input, want := range map[string]bool{"\n": true, "\r\n": true, "no\n": false, "": false, " ": false} {
		var out bytes.Buffer
		if got := new(doctorFlags).arrived(t.Context(), stdio{strings.NewReader(input), nil, &out}, "+12*******23 from default"); got != want {
			t.Errorf("%q: %t, want %t", input, got, want)
		}
		if want := "Sent a message to +12*******23 from default. Press Enter when it is on the phone, or type no if it does not arrive: "; out.String() != want {
			t.Errorf("%q: the prompt is %q, want %q", input, out.String(), want)
		}
	}
}

// examine examines the setup.
func (c *setup) examine(o doctor.Options) doctor.Report {
	c.t.Helper()
	c.write("rcshook.yaml", c.file)
	for name, value := range c.env {
		if !strings.HasPrefix(name, "RCSHOOK_") {
			c.t.Setenv(name, value)
		}
		o.Environ = append(o.Environ, name+"="+value)
	}
	o.Timeout = 5 * time.Second
	return doctor.Examine(c.t.Context(), o)
}
