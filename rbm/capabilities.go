package rbm

import (
	"context"
	"net/http"
)

// Capabilities are what the device of a user can do.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/phones/getCapabilities
type Capabilities struct {
	// Features may be empty: the user can then be reached with text and files.
	Features []Feature `json:"features,omitempty"`

	// Carrier is the carrier of a US number; empty for others.
	Carrier string `json:"carrier,omitempty"`
}

// Feature is something that a device can do. The list is open: the platform
// reports features that have no constant here.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/Feature
type Feature string

// The features that are documented.
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

// Capabilities asks what the device of phone can do, if the user was connected to
// RCS within the last 31 days. [ErrUnreachable] means no RCS, a network where the
// agent is not launched, or someone who is no tester of an agent that is not
// launched at all; older documents promise [ErrNotTester] for the last. For many
// numbers use [Client.BatchGetUsers].
//
// Failed attempts are repeated, each with a request ID of its own.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/phones/getCapabilities
func (c *Client) Capabilities(ctx context.Context, phone string) (*Capabilities, error) {
	if err := checkPhone(phone); err != nil {
		return nil, err
	}
	found := new(Capabilities)
	k := call{method: methodCapabilities, verb: http.MethodGet, url: c.phoneURL(phone, "capabilities"), fresh: true}
	if err := c.do(ctx, k, found); err != nil {
		return nil, err
	}
	return found, nil
}
