package rbm

import (
	"strings"

	"github.com/google/uuid"
)

// namespace is the name space of the message IDs that [MessageID] computes. It
// must never change: a message sent again after an update would arrive twice.
var namespace = uuid.MustParse("b6fd694e-4884-4d53-9502-3e55007383a9")

// AgentDomain ends the agent IDs that the console and the webhooks show. The
// methods of the API take the part before it.
const AgentDomain = "@rbm.goog"

// MessageID returns the message ID for the thing that key names, such as an
// order number or the ID of an event: a version 5 UUID of the agent ID, the phone
// number and the key. The same three always give the same ID, so whoever sends
// again, on whatever machine, is understood by the platform as repeating itself.
// phone must be in E.164 form with the plus sign. Whether agentID ends in
// "@rbm.goog" does not matter.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/phones.agentMessages/create
func MessageID(agentID, phone, key string) string {
	name := strings.TrimSuffix(agentID, AgentDomain) + "\n" + phone + "\n" + key
	return uuid.NewSHA1(namespace, []byte(name)).String()
}

// MessageID is the function [MessageID] for the agent of the client.
func (c *Client) MessageID(phone, key string) string { return MessageID(c.agentID, phone, key) }
