package rbm

import (
	"context"
	"errors"
	"fmt"
	"net/http"
)

// DialogflowEvent is an event for the Dialogflow agent that answers for an RBM agent.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/phones.dialogflowMessages
type DialogflowEvent struct {
	// EventName is the name of the event in Dialogflow, such as RBM_WELCOME_EVENT.
	EventName string `json:"eventName,omitempty"`

	// LanguageCode must be a language of the Dialogflow agent; empty means its
	// default.
	LanguageCode string `json:"languageCode,omitempty"`

	// Parameters are handed to Dialogflow.
	Parameters map[string]any `json:"parameters,omitempty"`

	// Name is phones/{E.164}/dialogflowMessages/{messageId}. Output only.
	Name string `json:"name,omitempty"`
}

// SendDialogflowEvent fires e, so that the user gets what the matching intent
// answers. If that is several messages, their IDs all begin with messageIDPrefix,
// which may be empty.
//
// Without a Dialogflow agent connected the error is [ErrPermissionDenied].
// Nothing is documented about repeating an event, so the call is never repeated
// by itself, whatever [Config.Retry] says.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/phones.dialogflowMessages/create
func (c *Client) SendDialogflowEvent(ctx context.Context, phone, messageIDPrefix string, e *DialogflowEvent) (*DialogflowEvent, error) {
	target := c.phoneURL(phone, "dialogflowMessages")
	if messageIDPrefix != "" {
		if err := checkID(messageIDPrefix); err != nil {
			return nil, err
		}
		target += "&messageIdPrefix=" + messageIDPrefix
	}
	if err := checkPhone(phone); err != nil {
		return nil, err
	}
	if e == nil {
		return nil, errors.New("rbm: there is no event to send")
	}
	body, err := encode(e)
	if err != nil {
		return nil, fmt.Errorf("rbm: encode event: %w", err)
	}
	fired := new(DialogflowEvent)
	if err := c.do(ctx, call{method: methodDialogflow, verb: http.MethodPost, url: target, body: body, once: true}, fired); err != nil {
		return nil, err
	}
	return fired, nil
}
