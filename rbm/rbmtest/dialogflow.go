package rbmtest

import (
	"net/http"
	"strconv"

	"github.com/google/uuid"

	"github.com/rcshook/rcshook/rbm"
)

// createDialogflowEvent is phones.dialogflowMessages.create: the Dialogflow agent
// answers the event with the texts of [AgentConfig.Dialogflow], each a message of its own.
//
// Assumption: the wording of the refusals, and that the message IDs are the prefix,
// a hyphen and a number from 1.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/phones.dialogflowMessages/create
func (s *Simulator) createDialogflowEvent(c *call) (*node, *apiError) {
	if c.agent.Dialogflow == nil {
		return nil, &apiError{status: http.StatusForbidden, message: "Dialogflow integration is not enabled for the RBM agent."}
	}
	if refusal := s.refuseOutput(c); refusal != nil {
		return nil, refusal
	}
	event := c.body.str("eventName")
	if event == "" {
		return nil, invalidArgument("The event_name of the Dialogflow event is missing.")
	}
	if refusal := s.reach(c, nil); refusal != nil {
		return nil, refusal
	}
	prefix := c.query.Get("message_id_prefix")
	if prefix == "" {
		prefix = uuid.NewString()
	}
	for i, text := range c.agent.Dialogflow[event] {
		if refusal := s.answerDialogflow(c, prefix+"-"+strconv.Itoa(i+1), text); refusal != nil {
			return nil, refusal
		}
	}
	out := &node{kind: objectNode}
	out.set("name", stringOf("phones/"+c.phone+"/dialogflowMessages/"+prefix))
	out.members = append(out.members, c.body.members...)
	return out, nil
}

func (s *Simulator) answerDialogflow(c *call, id, text string) *apiError {
	content := &rbm.AgentMessage{ContentMessage: &rbm.AgentContentMessage{Text: text}}
	body := &node{kind: objectNode}
	body.set("contentMessage", &node{kind: objectNode, members: []member{{"text", stringOf(text)}}})
	_, refusal := s.accept(&call{
		request: c.request,
		phone:   c.phone, agentID: c.agentID, agent: c.agent, id: id,
		raw: body.append(nil), sent: body, body: body,
	}, content)
	return refusal
}
