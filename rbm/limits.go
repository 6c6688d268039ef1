package rbm

import "time"

// Limits of the platform. Lengths are in characters (Unicode code points), sizes
// in bytes.
//
// Assumption: the documents say "characters" without naming a unit; code points
// are counted here.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/phones.agentMessages
const (
	// MaxText is the length of a text message.
	MaxText = 3072

	// MaxSuggestions is the number of chips of a message.
	MaxSuggestions = 11

	// MaxCardSuggestions is the number of buttons of one card. The guide and
	// the protocol buffers say 4; a text in the generated clients says 10.
	MaxCardSuggestions = 4

	// MaxSuggestionText is the length of the label of a suggestion.
	MaxSuggestionText = 25

	// MaxPostback is the length of the postback data of a suggestion.
	MaxPostback = 2048

	// MaxURL is the length of the URL of an open-URL action and of a fallback URL.
	MaxURL = 2048

	// MaxCardTitle and MaxCardDescription are the lengths of the texts of a card.
	MaxCardTitle       = 200
	MaxCardDescription = 2000

	// MinCarouselCards and MaxCarouselCards bound the cards of a carousel.
	MinCarouselCards = 2
	MaxCarouselCards = 10

	// MaxCalendarTitle and MaxCalendarDescription are the lengths of the texts
	// of a calendar event.
	MaxCalendarTitle       = 100
	MaxCalendarDescription = 500

	// MaxMessageBytes is the size of a whole AgentMessage as JSON.
	//
	// Assumption: the documented 250 KB are taken as 250,000 bytes, the
	// smaller of the two readings.
	MaxMessageBytes = 250_000

	// MaxLifetime is the longest TTL, and the furthest expiry ahead.
	MaxLifetime = 15 * 24 * time.Hour
)
