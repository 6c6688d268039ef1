package rbm

import "context"

// SendMessage sends m to phone.
func (c *Client) SendMessage(ctx context.Context, phone, messageID string, m *AgentMessage) (*AgentMessage, error) {
	return nil, &Error{Method: "phones.agentMessages.create", Err: ctx.Err()}
}

// RevokeMessage takes a message back that is not delivered yet.
func (c *Client) RevokeMessage(ctx context.Context, phone, messageID string) error {
	return &Error{Method: "phones.agentMessages.delete", Err: ctx.Err()}
}

// MessageURL returns the URL that [Client.SendMessage] posts to.
func (c *Client) MessageURL(phone, messageID string) string {
	return c.base + "/v1/phones/%2B" + phone[1:] + "/agentMessages?messageId=" + messageID + "&agentId=" + c.agentID
}

// Error says what happened, without any text that might quote the message.
func (e *Error) Error() string { return "rbm: " + e.Method }
