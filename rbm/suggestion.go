package rbm

import "time"

// Suggestion is a chip or button that the user can tap: exactly one of Reply and Action.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/phones.agentMessages#Suggestion
type Suggestion struct {
	Reply  *SuggestedReply  `json:"reply,omitempty"`
	Action *SuggestedAction `json:"action,omitempty"`
}

// SuggestedReply sends its text to the agent as a message of the user.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/phones.agentMessages#SuggestedReply
type SuggestedReply struct {
	// Text is the label, of at most [MaxSuggestionText] characters.
	Text string `json:"text,omitempty"`

	// PostbackData is returned unchanged with the tap, at most [MaxPostback]
	// characters. The reference calls it base64, but the platform treats it as an
	// opaque string.
	PostbackData string `json:"postbackData,omitempty"`
}

// SuggestedAction is an action on the device: exactly one of the fields after FallbackURL.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/phones.agentMessages#SuggestedAction
type SuggestedAction struct {
	// Text is the label, of at most [MaxSuggestionText] characters.
	Text string `json:"text,omitempty"`

	// PostbackData is returned unchanged with the tap; see [SuggestedReply].
	PostbackData string `json:"postbackData,omitempty"`

	// FallbackURL is opened by clients that do not support the action, at most
	// [MaxURL] characters.
	FallbackURL string `json:"fallbackUrl,omitempty"`

	DialAction                *DialAction                `json:"dialAction,omitempty"`
	ViewLocationAction        *ViewLocationAction        `json:"viewLocationAction,omitempty"`
	CreateCalendarEventAction *CreateCalendarEventAction `json:"createCalendarEventAction,omitempty"`
	OpenURLAction             *OpenURLAction             `json:"openUrlAction,omitempty"`
	ShareLocationAction       *ShareLocationAction       `json:"shareLocationAction,omitempty"`

	// ComposeAction opens the composer of another conversation.
	//
	// Deprecated: Google paused its rollout and removed its documentation.
	ComposeAction *ComposeAction `json:"composeAction,omitempty"`
}

// DialAction opens the dialer.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/phones.agentMessages#DialAction
type DialAction struct {
	// PhoneNumber is in E.164 form or a short code. It contains only digits, +, * and #.
	PhoneNumber string `json:"phoneNumber,omitempty"`
}

// ViewLocationAction opens the map at LatLong, or a search for Query.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/phones.agentMessages#ViewLocationAction
type ViewLocationAction struct {
	LatLong *LatLng `json:"latLong,omitempty"`

	// Label is the text of the pin at LatLong.
	Label string `json:"label,omitempty"`

	// Query is the search text. Only Google Messages on Android supports it.
	Query string `json:"query,omitempty"`
}

// LatLng is a point on the WGS84 ellipsoid.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/LatLng
type LatLng struct {
	// Latitude is in degrees, -90 to 90.
	Latitude float64 `json:"latitude"`

	// Longitude is in degrees, -180 to 180.
	Longitude float64 `json:"longitude"`
}

// CreateCalendarEventAction opens the calendar with a new event.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/phones.agentMessages#CreateCalendarEventAction
type CreateCalendarEventAction struct {
	StartTime time.Time `json:"startTime,omitzero"`
	EndTime   time.Time `json:"endTime,omitzero"`

	// Title has at most [MaxCalendarTitle] characters.
	Title string `json:"title,omitempty"`

	// Description has at most [MaxCalendarDescription] characters.
	Description string `json:"description,omitempty"`
}

// OpenURLAction opens a web page in the browser, in the app that has registered the
// URL, or in a web view inside the conversation.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/phones.agentMessages#OpenUrlAction
type OpenURLAction struct {
	// URL has the scheme http or https and at most [MaxURL] characters.
	URL string `json:"url,omitempty"`

	// Application is where the URL opens; empty means the browser.
	Application OpenURLApplication `json:"application,omitempty"`

	// WebviewViewMode is the height of the web view, for [ApplicationWebview].
	WebviewViewMode WebviewViewMode `json:"webviewViewMode,omitempty"`

	// Description is the text for screen readers.
	Description string `json:"description,omitempty"`
}

// OpenURLApplication is where a URL opens.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/phones.agentMessages#OpenUrlApplication
type OpenURLApplication string

// The applications that open a URL. A device without web views opens the browser.
const (
	ApplicationUnspecified OpenURLApplication = "OPEN_URL_APPLICATION_UNSPECIFIED"
	ApplicationBrowser     OpenURLApplication = "BROWSER"
	ApplicationWebview     OpenURLApplication = "WEBVIEW"
)

// WebviewViewMode is the height of a web view.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/phones.agentMessages#WebviewViewMode
type WebviewViewMode string

// The heights of a web view: the full screen, half of it, and three quarters.
const (
	WebviewUnspecified WebviewViewMode = "WEBVIEW_VIEW_MODE_UNSPECIFIED"
	WebviewFull        WebviewViewMode = "FULL"
	WebviewHalf        WebviewViewMode = "HALF"
	WebviewTall        WebviewViewMode = "TALL"
)

// ShareLocationAction asks the user for a location, which arrives as a separate
// [UserMessage].
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/phones.agentMessages#ShareLocationAction
type ShareLocationAction struct{}

// ComposeAction opens the composer with a draft: exactly one of its fields.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/phones.agentMessages
type ComposeAction struct {
	ComposeTextMessage      *ComposeTextMessage      `json:"composeTextMessage,omitempty"`
	ComposeRecordingMessage *ComposeRecordingMessage `json:"composeRecordingMessage,omitempty"`
}

// ComposeTextMessage is a text draft to a phone number.
type ComposeTextMessage struct {
	PhoneNumber string `json:"phoneNumber,omitempty"`
	Text        string `json:"text,omitempty"`
}

// ComposeRecordingMessage is a draft of a recording to a phone number.
type ComposeRecordingMessage struct {
	PhoneNumber string `json:"phoneNumber,omitempty"`

	// Type is an enum of the API whose values are not documented.
	Type string `json:"type,omitempty"`
}
