package rbm

import (
	"context"
	"net/http"
)

// Tester is a user whom an agent may write to before it is launched.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/phones.testers
type Tester struct {
	// Name is phones/{E.164}/testers.
	Name string `json:"name,omitempty"`

	InviteStatus InviteStatus `json:"inviteStatus,omitempty"`
}

// InviteStatus is where the invitation of a tester is.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/phones.testers#InviteStatus
type InviteStatus string

// The states of an invitation.
const (
	InvitePending  InviteStatus = "PENDING"
	InviteAccepted InviteStatus = "ACCEPTED"
	InviteDeclined InviteStatus = "DECLINED"
)

// InviteTester invites phone, which must have RCS, to test the agent. The
// user is asked by an agent of the platform and becomes a tester by saying yes.
//
// To invite again asks a pending tester again, does nothing to one who has accepted
// and fails for one who has declined. An agent may invite 20 numbers a day and 200
// in all; beyond that the error is [ErrRateLimited]. So that nobody is asked
// twice, the call is never repeated by itself, whatever [Config.Retry] says.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/phones.testers/create
func (c *Client) InviteTester(ctx context.Context, phone string) (*Tester, error) {
	if err := checkPhone(phone); err != nil {
		return nil, err
	}
	invited := new(Tester)
	k := call{method: methodTester, verb: http.MethodPost, url: c.phoneURL(phone, "testers"), body: []byte("{}"), once: true}
	if err := c.do(ctx, k, invited); err != nil {
		return nil, err
	}
	return invited, nil
}
