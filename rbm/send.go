package rbm

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// SendMessage sends m to phone, an E.164 number with its plus sign, and returns
// the message as the platform has taken it, with Name, SendTime and, if it
// expires, ExpireTime.
//
// Success means that the platform has the message: it delivers at once to a user
// who is online and otherwise keeps trying for 30 days, or until the message
// expires. Whether it was delivered is told to the webhook of the agent.
//
// The platform ignores a message whose ID this agent has used before for a message
// or an event. So SendMessage repeats a failed attempt with the same ID, and so may
// the caller: after [ErrUnavailable], [ErrTimeout] or a cancellation, when nobody
// knows whether the message arrived, sending it again with the same ID is always
// right. [MessageID] makes an ID that is the same on every machine. The platform
// may answer a repetition as if it were the first, or with [ErrAlreadyExists],
// which means that it has the message.
//
// m is sent as it is; [AgentMessage.Check] says before what the platform
// will refuse. Other failures are [ErrInvalidPhone], [ErrInvalidID],
// [ErrUnreachable], [ErrNotTester], [ErrNotLaunched], [ErrFeatureUnsupported],
// [ErrInvalidArgument], [ErrPermissionDenied], [ErrUnauthenticated] and
// [ErrRateLimited], and any error of [Config.Token], wrapped.
//
// Assumption: Google documents that a repeated ID is ignored, but not the status of
// that answer.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/phones.agentMessages/create
func (c *Client) SendMessage(ctx context.Context, phone, messageID string, m *AgentMessage) (*AgentMessage, error) {
	if m == nil {
		return nil, errors.New("rbm: there is no message to send")
	}
	body, err := m.Encode()
	if err != nil {
		return nil, fmt.Errorf("rbm: encode message: %w", err)
	}
	sent := new(AgentMessage)
	if err := c.send(ctx, phone, messageID, body, sent); err != nil {
		return nil, err
	}
	return sent, nil
}

// SendEncoded is [Client.SendMessage] for a message that is JSON already, as
// [AgentMessage.Encode] returns it: one that goes to many users, or was kept. It is
// not modified. Of the platform's answer only what is new to the caller is read.
func (c *Client) SendEncoded(ctx context.Context, phone, messageID string, message []byte) (*Receipt, error) {
	var sent struct {
		Name, SendTime, ExpireTime string
	}
	if err := c.send(ctx, phone, messageID, message, &sent); err != nil {
		return nil, err
	}
	r := &Receipt{Name: sent.Name}
	r.SendTime, _ = parseTime(sent.SendTime)
	r.ExpireTime, _ = parseTime(sent.ExpireTime)
	return r, nil
}

// Receipt is when and as what the platform has taken a message. What is in none of
// its answers is zero.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/phones.agentMessages
type Receipt struct {
	Name       string    // phones/{E.164}/agentMessages/{messageId}
	SendTime   time.Time // when the message was sent to the user
	ExpireTime time.Time // when it will be revoked if it is not delivered
}

// send posts a message and decodes the answer into dst.
func (c *Client) send(ctx context.Context, phone, messageID string, message []byte, dst any) error {
	if err := checkAddress(phone, messageID); err != nil {
		return err
	}
	k := call{method: methodSend, verb: http.MethodPost, url: c.MessageURL(phone, messageID), body: message}
	return c.do(ctx, k, dst)
}

// MessageURL returns the URL that [Client.SendMessage] posts to, for those who
// want to show it before anything is sent.
func (c *Client) MessageURL(phone, messageID string) string {
	return c.phoneURL(phone, "agentMessages") + "&messageId=" + url.QueryEscape(messageID)
}

// RevokeMessage takes back a message that was not delivered yet. It cannot take
// a message off a device: if the message was delivered, the error is
// [ErrAlreadyDelivered].
//
// A delivery that is under way wins, so a report of the delivery may follow a
// success. The call may be repeated; but if an attempt was left without an answer
// and a later one, see Attempts of [Error], ends with [ErrAlreadyDelivered], then
// the first may have revoked the message.
//
// Assumption: 404 means that the message was delivered, as the current reference
// says; what the platform answers for an ID that it does not know, or whose
// message is revoked already, is not documented. Older clients say that the answer
// is always a success.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/phones.agentMessages/delete
func (c *Client) RevokeMessage(ctx context.Context, phone, messageID string) error {
	if err := checkAddress(phone, messageID); err != nil {
		return err
	}
	target := c.phoneURL(phone, "agentMessages/"+messageID)
	return c.do(ctx, call{method: methodRevoke, verb: http.MethodDelete, url: target}, nil)
}
