package rbm

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/google/uuid"
)

// SendMessage sends m to phone, a number in E.164 form, and returns the message as the
// platform accepted it, with Name, SendTime and, if it expires, ExpireTime.
//
// Success means that the platform has the message. It delivers the message at once if the
// user is online, and otherwise tries for 30 days or until the message expires. It reports
// the delivery to the webhook of the agent.
//
// The platform ignores a message whose ID the agent has used before for a message or an
// event. SendMessage therefore retries with the same ID, and the caller may do so too:
// after [ErrUnavailable], [ErrTimeout] or a cancellation the message may or may not
// have arrived, and it is always safe to send it again with the same ID.
// [Client.MessageID] returns an ID that is the same on every machine. The platform may
// respond to a repeated ID as to the first one, or with [ErrAlreadyExists]. If the first
// one was for another number, the error is [ErrIDTaken].
//
// SendMessage first checks m, unless [Config.SkipCheck] is set, and returns an
// [*InvalidMessageError] with every violation. Other errors are [ErrInvalidPhone],
// [ErrInvalidID], [ErrUnreachable], [ErrNotTester], [ErrNotLaunched],
// [ErrFeatureUnsupported], [ErrInvalidArgument], [ErrPermissionDenied],
// [ErrUnauthenticated], [ErrRateLimited], and any error of [Config.Token], wrapped.
//
// Assumption: Google documents that a repeated ID is ignored, but not the status of that
// response.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/phones.agentMessages/create
func (c *Client) SendMessage(ctx context.Context, phone, messageID string, m *AgentMessage) (*AgentMessage, error) {
	if m == nil {
		return nil, errors.New("rbm: the message is nil")
	}
	if !c.skipCheck {
		if broken := m.Check(time.Now()); len(broken) > 0 {
			return nil, &InvalidMessageError{broken}
		}
	}
	body, err := m.Encode()
	if err != nil {
		return nil, fmt.Errorf("rbm: encode message: %w", err)
	}
	response, err := c.send(ctx, phone, messageID, body)
	if err != nil {
		return nil, err
	}
	sent := new(AgentMessage)
	response.fill(sent)
	return sent, nil
}

// SendEncoded is [Client.SendMessage] for a message in JSON, as [AgentMessage.Encode]
// returns it: one that goes to several users or was stored. It does not check the
// message, and reads only the parts of the response that the caller cannot know.
func (c *Client) SendEncoded(ctx context.Context, phone, messageID string, message []byte) (*Receipt, error) {
	response, err := c.send(ctx, phone, messageID, message)
	if err != nil {
		return nil, err
	}
	r := &Receipt{Name: response.member("name").text}
	r.SendTime, _ = parseTime(response.member("sendTime").text)
	r.ExpireTime, _ = parseTime(response.member("expireTime").text)
	r.OtherContent = !sameContent(message, response.member("contentMessage").text)
	return r, nil
}

// Receipt is the response to [Client.SendEncoded]. Fields that the response does not
// have are zero.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/phones.agentMessages
type Receipt struct {
	Name       string    // phones/{E.164}/agentMessages/{messageId}
	SendTime   time.Time // when the message was sent to the user
	ExpireTime time.Time // when it will be revoked if it is not delivered

	// OtherContent reports that the content in the response is not that of the message:
	// the ID was used before for another message, and the platform ignored this one.
	OtherContent bool
}

// send posts a message and returns the response. A response without the name of this
// message is not from the platform: a proxy may respond to anything with an object.
func (c *Client) send(ctx context.Context, phone, messageID string, message []byte) (value, error) {
	if err := checkPhoneAndID(phone, messageID); err != nil {
		return value{}, err
	}
	check := func(response value) error {
		number, ok := strings.CutSuffix(response.member("name").text, "/agentMessages/"+messageID)
		switch {
		case ok && strings.HasSuffix(number, "phones/"+phone):
			return nil
		case ok && strings.HasPrefix(number, "phones/+") && !isDerived(messageID):
			return errIDTaken
		}
		return errNotOurs
	}
	return c.call(ctx, call{method: methodSend, verb: http.MethodPost, url: c.MessageURL(phone, messageID), body: message, check: check})
}

// isDerived reports whether an ID is derived from a number, as by [MessageID], so that it
// cannot be that of a message to another number.
func isDerived(messageID string) bool {
	id, err := uuid.Parse(messageID)
	return err == nil && id.Version() == 5
}

// MessageURL returns the URL that [Client.SendMessage] posts to, for a preview.
func (c *Client) MessageURL(phone, messageID string) string {
	return c.phoneURL(phone, "agentMessages") + "&messageId=" + url.QueryEscape(messageID)
}

// RevokeMessage revokes a message that was not delivered yet. It cannot remove a message
// from a device: if the message was delivered, the error is [ErrAlreadyDelivered].
//
// A delivery in progress wins, so a delivery receipt may follow a success. The call may
// be repeated. If an attempt got no response and a later one (see Attempts of [Error])
// fails with [ErrAlreadyDelivered], the first may have revoked the message.
//
// Assumption: 404 means that the message was delivered, as the current reference
// documents. The response for an unknown ID or a revoked message is not documented.
// Older clients document that the response is always a success.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/phones.agentMessages/delete
func (c *Client) RevokeMessage(ctx context.Context, phone, messageID string) error {
	if err := checkPhoneAndID(phone, messageID); err != nil {
		return err
	}
	_, err := do[struct{}](ctx, c, call{method: methodRevoke, verb: http.MethodDelete, url: c.phoneURL(phone, "agentMessages/"+messageID)})
	return err
}

// namespace is the name space of the IDs of [MessageID]. It must never change:
// a message that is sent again after an update would arrive twice.
var namespace = uuid.MustParse("b6fd694e-4884-4d53-9502-3e55007383a9")

// MessageID returns the message ID for key, such as an order number or the ID of an
// event: a version 5 UUID of the agent ID, the phone number and the key. The same three
// always return the same ID, so that the platform ignores a message that is sent
// again, from any machine. phone must be in E.164 form. agentID may have [AgentDomain].
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/phones.agentMessages/create
func MessageID(agentID, phone, key string) string {
	name := strings.TrimSuffix(agentID, AgentDomain) + "\n" + phone + "\n" + key
	return uuid.NewSHA1(namespace, []byte(name)).String()
}

// MessageID is the function [MessageID] for the agent of the client.
func (c *Client) MessageID(phone, key string) string { return MessageID(c.agentID, phone, key) }

// checkPhoneAndID accepts only values that cannot change the path of a URL.
func checkPhoneAndID(phone, id string) error {
	if err := checkPhone(phone); err != nil {
		return err
	}
	return checkID(id)
}

func checkPhone(phone string) error {
	number, ok := strings.CutPrefix(phone, "+")
	if !ok || !digits(number, 15) || number[0] == '0' {
		return ErrInvalidPhone
	}
	return nil
}

func checkID(id string) error {
	if id == "" || len(id) > 128 || strings.Trim(id, letters+"0123456789-_") != "" {
		return ErrInvalidID
	}
	return nil
}

// phoneURL returns the URL of a resource of a phone number, with the agent in the query.
// The plus sign is escaped, although a path may contain it, because some servers decode it
// as a space.
func (c *Client) phoneURL(phone, resource string) string {
	escaped := strings.ReplaceAll(url.PathEscape(phone), "+", "%2B")
	return c.base + "/v1/phones/" + escaped + "/" + resource + "?agentId=" + url.QueryEscape(c.agentID)
}
