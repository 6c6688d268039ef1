package response

import (
	"errors"
	"fmt"
	"slices"

	"github.com/rcshook/rcshook/internal/code"
	"github.com/rcshook/rcshook/rbm"
)

// Reach is the result of a look-up.
type Reach struct {
	ReachableNumbers   []string `json:"reachable_numbers"`
	UnreachableNumbers []string `json:"unreachable_numbers"`

	*Capabilities // of one number
}

// Capabilities tell what a device supports. A device that cannot be reached supports
// nothing.
type Capabilities struct {
	Reachable     bool          `json:"reachable"`
	Features      []rbm.Feature `json:"features"` // as RBM names them
	Cards         bool          `json:"cards"`
	Carousels     bool          `json:"carousels"`
	PDFCards      bool          `json:"pdf_cards"`
	Links         bool          `json:"links"`
	Webview       bool          `json:"webview"`
	Calls         bool          `json:"calls"`
	Calendar      bool          `json:"calendar"`
	ShareLocation bool          `json:"share_location"`
	ViewLocation  bool          `json:"view_location"`
	Revocation    bool          `json:"revocation"`
	Carrier       string        `json:"carrier"` // US numbers only
}

// FromNumber returns the response to a look-up of one number: of its capabilities, or of
// the error.
func FromNumber(agent, to string, found *rbm.Capabilities, err error) *Response {
	unreachable := errors.Is(err, rbm.ErrUnreachable)
	if err != nil && !unreachable {
		resp := FromNumbers(agent, nil, nil, err)
		resp.To = to
		return resp
	}
	if unreachable {
		found = new(rbm.Capabilities)
	}
	resp := FromNumbers(agent, []string{to}, map[string]bool{to: !unreachable}, nil)
	resp.To, resp.Detail = to, ""
	if unreachable {
		resp.Cause, resp.Upstream = "not_reported", FromError(err).Upstream
		resp.Detail = "it has no RCS, or the agent is not launched on its network, or the agent is not launched at all and this is not a tester; RCS Business Messaging does not report which"
	}
	has := func(f rbm.Feature) bool { return slices.Contains(found.Features, f) }
	resp.Capabilities = &Capabilities{
		Reachable:     !unreachable,
		Features:      append([]rbm.Feature{}, found.Features...),
		Cards:         has(rbm.FeatureRichCard),
		Carousels:     has(rbm.FeatureCarousel),
		PDFCards:      has(rbm.FeaturePDFInRichCards),
		Links:         has(rbm.FeatureOpenURL),
		Webview:       has(rbm.FeatureOpenURLInWebview),
		Calls:         has(rbm.FeatureDial),
		Calendar:      has(rbm.FeatureCreateCalendarEvent),
		ShareLocation: has(rbm.FeatureShareLocation),
		ViewLocation:  has(rbm.FeatureViewLocation),
		Revocation:    has(rbm.FeatureRevocation),
		Carrier:       found.Carrier,
	}
	return resp
}

// FromNumbers returns the response to a look-up of a list, or of its error. The code is that
// of one reachable number, if there is any.
func FromNumbers(agent string, numbers []string, reachable map[string]bool, err error) *Response {
	if err != nil {
		resp := FromError(err)
		resp.Agent = agent
		switch {
		case resp.Code == code.UpstreamRejected:
			resp.Title = "RCS Business Messaging rejected the look-up"
			resp.Action = "If there are numbers of several countries, look up those of one country at a time, or at most 100 numbers: " +
				"rcshook derives their region from the country code."
		case resp.Retry == code.RetryLater, resp.Retry == code.RetryNow:
			resp.setAction("Send the request again after the time in Retry-After, if there is one. A look-up sends nothing.", resp.advice)
		}
		return resp
	}
	reach := &Reach{ReachableNumbers: []string{}, UnreachableNumbers: []string{}}
	for _, to := range numbers {
		if reachable[to] {
			reach.ReachableNumbers = append(reach.ReachableNumbers, to)
		} else {
			reach.UnreachableNumbers = append(reach.UnreachableNumbers, to)
		}
	}
	resp := New(code.Unreachable)
	if len(reach.ReachableNumbers) > 0 {
		resp = New(code.Reachable)
	}
	resp.Agent, resp.Reach = agent, reach
	resp.Detail = fmt.Sprintf("%d of %d numbers can get RCS from this agent", len(reach.ReachableNumbers), len(numbers))
	return resp
}
