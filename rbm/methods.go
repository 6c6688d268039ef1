package rbm

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"
)

// AgentEvent is an event that an agent shows to a user, besides messages.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/phones.agentEvents
type AgentEvent struct {
	EventType AgentEventType `json:"eventType,omitempty"`

	// MessageID is the ID of the user's message, for [AgentRead] only.
	MessageID string `json:"messageId,omitempty"`

	// Name is phones/{E.164}/agentEvents/{eventId}. Output only.
	Name string `json:"name,omitempty"`

	// SendTime is when the event was sent. Output only.
	SendTime time.Time `json:"sendTime,omitzero"`
}

// AgentEventType is the type of an [AgentEvent].
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/phones.agentEvents#EventType
type AgentEventType string

// The events of agents.
const (
	AgentIsTyping AgentEventType = "IS_TYPING" // typing indicator, until the next message or a timeout
	AgentRead     AgentEventType = "READ"      // read receipt for a message of the user
)

// TypingEvent returns the event that shows the user a typing indicator.
func TypingEvent() *AgentEvent { return &AgentEvent{EventType: AgentIsTyping} }

// ReadEvent returns the event that marks a message of the user as read.
func ReadEvent(messageID string) *AgentEvent {
	return &AgentEvent{EventType: AgentRead, MessageID: messageID}
}

// SendEvent sends e, such as [TypingEvent] or [ReadEvent], to phone and returns it with
// its name and time. Events and messages share their IDs: the platform ignores an event
// with the ID of an earlier event or message of the agent. SendEvent therefore retries as
// [Client.SendMessage] does, and returns the same errors.
//
// If the user is offline, the platform keeps a read event for up to 30 days and drops a
// typing event. Events cannot be revoked.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/phones.agentEvents/create
func (c *Client) SendEvent(ctx context.Context, phone, eventID string, e *AgentEvent) (*AgentEvent, error) {
	if err := checkPhoneAndID(phone, eventID); err != nil {
		return nil, err
	}
	if e == nil {
		return nil, errors.New("rbm: the event is nil")
	}
	body, err := encode(e)
	if err != nil {
		return nil, fmt.Errorf("rbm: encode event: %w", err)
	}
	target := c.phoneURL(phone, "agentEvents") + "&eventId=" + eventID
	return do[AgentEvent](ctx, c, call{method: methodEvent, verb: http.MethodPost, url: target, body: body})
}

// DialogflowEvent is an event for the Dialogflow agent that is connected to an RBM agent.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/phones.dialogflowMessages
type DialogflowEvent struct {
	// EventName is the name of the event in Dialogflow, such as RBM_WELCOME_EVENT.
	EventName string `json:"eventName,omitempty"`

	// LanguageCode must be a language of the Dialogflow agent; empty means its
	// default.
	LanguageCode string `json:"languageCode,omitempty"`

	// Parameters are passed to Dialogflow.
	Parameters map[string]any `json:"parameters,omitempty"`

	// Name is phones/{E.164}/dialogflowMessages/{messageId}. Output only.
	Name string `json:"name,omitempty"`
}

// SendDialogflowEvent triggers e, and the platform sends the response of the matching
// intent to the user. If it consists of several messages, their IDs all start with
// messageIDPrefix, which may be empty.
//
// Without a connected Dialogflow agent the error is [ErrPermissionDenied]. Google does
// not document whether an event can be repeated, so the call is never retried.
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
		return nil, errors.New("rbm: the event is nil")
	}
	body, err := encode(e)
	if err != nil {
		return nil, fmt.Errorf("rbm: encode event: %w", err)
	}
	return do[DialogflowEvent](ctx, c, call{method: methodDialogflow, verb: http.MethodPost, url: target, body: body, once: true})
}

// Tester is a user of an agent that is not launched yet.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/phones.testers
type Tester struct {
	// Name is phones/{E.164}/testers.
	Name string `json:"name,omitempty"`

	InviteStatus InviteStatus `json:"inviteStatus,omitempty"`
}

// InviteStatus is the status of the invitation of a tester.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/phones.testers#InviteStatus
type InviteStatus string

// The states of an invitation.
const (
	InvitePending  InviteStatus = "PENDING"
	InviteAccepted InviteStatus = "ACCEPTED"
	InviteDeclined InviteStatus = "DECLINED"
)

// InviteTester invites phone, which must have RCS, to test the agent. The user gets the
// invitation as a message from an agent of the platform, and becomes a tester by accepting it.
//
// A second call sends a pending invitation again, does nothing after an acceptance, and
// fails after a refusal. An agent may invite 20 numbers a day and 200 in total; beyond
// that the error is [ErrRateLimited]. The call is never retried, so that a user does not
// get two invitations.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/phones.testers/create
func (c *Client) InviteTester(ctx context.Context, phone string) (*Tester, error) {
	if err := checkPhone(phone); err != nil {
		return nil, err
	}
	return do[Tester](ctx, c, call{method: methodTester, verb: http.MethodPost, url: c.phoneURL(phone, "testers"), body: []byte("{}"), once: true})
}

// Capabilities are the capabilities of a user's device.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/phones/getCapabilities
type Capabilities struct {
	// Features may be empty: the user can then get text and files.
	Features []Feature `json:"features,omitempty"`

	// Carrier is the carrier of a US number; empty for others.
	Carrier string `json:"carrier,omitempty"`
}

// Feature is a feature of a device. The platform may report features that have no
// constant here.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/Feature
type Feature string

// The documented features.
const (
	FeatureRevocation          Feature = "REVOCATION"
	FeatureRichCard            Feature = "RICHCARD_STANDALONE"
	FeatureCarousel            Feature = "RICHCARD_CAROUSEL"
	FeatureCreateCalendarEvent Feature = "ACTION_CREATE_CALENDAR_EVENT"
	FeatureDial                Feature = "ACTION_DIAL"
	FeatureOpenURL             Feature = "ACTION_OPEN_URL"
	FeatureOpenURLInWebview    Feature = "ACTION_OPEN_URL_IN_WEBVIEW"
	FeatureShareLocation       Feature = "ACTION_SHARE_LOCATION"
	FeatureViewLocation        Feature = "ACTION_VIEW_LOCATION"
	FeaturePDFInRichCards      Feature = "PDF_IN_RICH_CARDS"
)

// Capabilities returns the capabilities of the device of phone, if it connected to RCS
// within the last 31 days. [ErrUnreachable] means that the user has no RCS, that the
// agent is not launched on the user's network, or that the user is not a tester of an
// agent that is not launched at all; older documents have [ErrNotTester] for the last
// case. For many numbers use [Client.BatchGetUsers].
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/phones/getCapabilities
func (c *Client) Capabilities(ctx context.Context, phone string) (*Capabilities, error) {
	if err := checkPhone(phone); err != nil {
		return nil, err
	}
	return do[Capabilities](ctx, c, call{method: methodCapabilities, verb: http.MethodGet, url: c.phoneURL(phone, "capabilities"), fresh: true})
}

// MaxBatchUsers is the number of phone numbers that one request of users.batchGet may
// have.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/users/batchGet
const MaxBatchUsers = 10_000

// BatchGetUsersResponse lists the reachable ones of many phone numbers.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/users/batchGet
type BatchGetUsersResponse struct {
	// ReachableUsers are the numbers that can be reached on networks where the agent is
	// launched.
	ReachableUsers []string `json:"reachableUsers,omitempty"`

	// TotalRandomSampleUserCount is the size of a random sample of about 75 % of the
	// numbers; 0 for fewer than 500.
	TotalRandomSampleUserCount int `json:"totalRandomSampleUserCount,omitempty"`

	// ReachableRandomSampleUserCount is the number of users in the sample with RCS on
	// any network, whether or not the agent is launched there.
	ReachableRandomSampleUserCount int `json:"reachableRandomSampleUserCount,omitempty"`

	// ReachableUsersMap has the reachable US numbers by carrier.
	ReachableUsersMap map[string]CarrierUsers `json:"reachableUsersMap,omitempty"`
}

// CarrierUsers are the reachable users of one carrier.
type CarrierUsers struct {
	ReachableUsers []string `json:"reachableUsers,omitempty"`
}

// BatchGetUsers returns the reachable ones of phones. The numbers must all belong to the
// region of the client, otherwise the error is [ErrInvalidArgument]; for a client without
// a region it is [ErrNeedsRegion].
//
// Duplicate numbers are sent once. More than [MaxBatchUsers] are split into requests of
// about the same size, one after another, and the responses are merged, with the counts
// added up. If one request fails, the call fails. The platform allows 600 requests a
// minute, and Google asks for at least 500 numbers in each.
//
// Assumption: the response for fewer than 500 numbers has no sample, as the generated
// clients document.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/users/batchGet
func (c *Client) BatchGetUsers(ctx context.Context, phones []string) (*BatchGetUsersResponse, error) {
	if !c.regional {
		return nil, ErrNeedsRegion
	}
	for i, phone := range phones {
		if err := checkPhone(phone); err != nil {
			return nil, fmt.Errorf("%w: number %d of the list", err, i+1)
		}
	}
	unique := slices.Compact(slices.Sorted(slices.Values(phones)))
	total := new(BatchGetUsersResponse)
	requests := (len(unique) + MaxBatchUsers - 1) / MaxBatchUsers
	for i := range requests {
		body, err := encode(struct {
			Users   []string `json:"users"`
			AgentID string   `json:"agentId"`
		}{unique[i*len(unique)/requests : (i+1)*len(unique)/requests], c.agentID})
		if err != nil {
			return nil, fmt.Errorf("rbm: encode numbers: %w", err)
		}
		found, err := do[BatchGetUsersResponse](ctx, c, call{method: methodBatchGet, verb: http.MethodPost, url: c.base + "/v1/users:batchGet", body: body})
		if err != nil {
			return nil, err
		}
		total.ReachableUsers = append(total.ReachableUsers, found.ReachableUsers...)
		total.TotalRandomSampleUserCount += found.TotalRandomSampleUserCount
		total.ReachableRandomSampleUserCount += found.ReachableRandomSampleUserCount
		for carrier, users := range found.ReachableUsersMap {
			if total.ReachableUsersMap == nil {
				total.ReachableUsersMap = make(map[string]CarrierUsers)
			}
			known := total.ReachableUsersMap[carrier]
			known.ReachableUsers = append(known.ReachableUsers, users.ReachableUsers...)
			total.ReachableUsersMap[carrier] = known
		}
	}
	return total, nil
}
