package rbm

import (
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/rcshook/rcshook/internal/typo"
)

// Limits of the platform. Lengths are in characters, that is Unicode code points.
//
// Assumption: the documents give lengths in characters without a definition.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/phones.agentMessages
const (
	// MaxText is the length of a text message.
	MaxText = 3072

	// MaxSuggestions is the number of chips of a message.
	MaxSuggestions = 11

	// MaxCardSuggestions is the number of buttons of one card: 4 in the guide and the
	// protocol buffers. A comment in the generated clients has 10.
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

	// MinCarouselCards and MaxCarouselCards limit the number of cards of a carousel.
	MinCarouselCards = 2
	MaxCarouselCards = 10

	// MaxCalendarTitle and MaxCalendarDescription are the lengths of the texts
	// of a calendar event.
	MaxCalendarTitle       = 100
	MaxCalendarDescription = 500

	// MaxMessageBytes is the size of a whole AgentMessage as JSON.
	//
	// Assumption: the documented 250 KB are 250,000 bytes, the smaller of the two
	// readings.
	MaxMessageBytes = 250_000

	// MaxLifetime is the longest TTL and the latest ExpireTime, counted from now.
	MaxLifetime = 15 * 24 * time.Hour
)

// maxViolations limits the violations that are reported for one message.
const maxViolations = 100

// Violation is one rule of the platform that a message breaks.
type Violation struct {
	// Pointer is the JSON Pointer (RFC 6901) of the invalid value in the message, such
	// as /contentMessage/suggestions/0/reply/text. [ParseAgentMessage] uses the names
	// as they were sent, [AgentMessage.Check] those of the reference.
	Pointer string

	// Rule names the rule.
	Rule Rule

	// Limit and Actual are set if the rule is about a number of characters, bytes,
	// items or seconds.
	Limit, Actual int

	// Detail is a sentence fragment that describes the problem and the fix. It
	// quotes neither texts nor numbers of the message.
	Detail string
}

// String returns the pointer and the detail.
func (v Violation) String() string {
	text := v.Detail
	if v.Pointer != "" {
		text = v.Pointer + ": " + text
	}
	if v.Actual != 0 {
		text += ", not " + strconv.Itoa(v.Actual)
	}
	return text
}

// Rule names the rule that a [Violation] breaks.
type Rule string

// The rules.
const (
	RuleSyntax    Rule = "syntax"     // not JSON
	RuleUnknown   Rule = "unknown"    // unknown field
	RuleDuplicate Rule = "duplicate"  // member sent twice
	RuleType      Rule = "type"       // wrong JSON type
	RuleEnum      Rule = "enum"       // word that the enum does not have
	RuleUnion     Rule = "union"      // two members of a union
	RuleRequired  Rule = "required"   // missing value
	RuleOnlyMedia Rule = "only_media" // horizontal card of nothing but media
	RuleTallMedia Rule = "tall_media" // tall media in a carousel of small cards
	RuleTooLong   Rule = "too_long"   // more characters or bytes than allowed
	RuleTooMany   Rule = "too_many"   // more items than allowed
	RuleTooFew    Rule = "too_few"    // fewer items than needed
	RuleFormat    Rule = "format"     // malformed value
	RuleRange     Rule = "range"      // number or time out of range
	RuleReadOnly  Rule = "read_only"  // field that only the platform sets
)

// Names, types and nesting of the fields are in the Go types. The variables below hold
// the rules that the types cannot express.

// unions lists, by struct, the fields of which only one may be set.
var unions = map[reflect.Type][]string{
	reflect.TypeFor[AgentMessage]():        {"ttl", "expireTime"},
	reflect.TypeFor[AgentContentMessage](): {"text", "fileName", "uploadedRbmFile", "richCard", "contentInfo"},
	reflect.TypeFor[RichCard]():            {"standaloneCard", "carouselCard"},
	reflect.TypeFor[Media]():               {"fileName", "uploadedRbmFile", "contentInfo"},
	reflect.TypeFor[Suggestion]():          {"reply", "action"},
	reflect.TypeFor[SuggestedAction](): {
		"dialAction", "viewLocationAction", "createCalendarEventAction", "openUrlAction", "shareLocationAction", "composeAction",
	},
	reflect.TypeFor[ComposeAction](): {"composeTextMessage", "composeRecordingMessage"},
}

func unionDetail(first string, union []string) string {
	return "conflicts with " + first + "; send only one of " + strings.Join(union, ", ")
}

// outputFields lists, by struct, the fields that only the platform sets.
var outputFields = map[reflect.Type][]string{
	reflect.TypeFor[AgentMessage]():    {"name", "sendTime", "richMessageClassification", "totalPayloadSizeBytes", "carrier"},
	reflect.TypeFor[AgentEvent]():      {"name", "sendTime"},
	reflect.TypeFor[DialogflowEvent](): {"name"},
}

const readOnlyDetail = "is set by the platform; leave it out"

// enums holds the words of the closed enums, each in the order of its numbers.
//
// Assumption: the numbers follow the order in which the reference lists the words,
// starting with 0.
var enums = map[reflect.Type][]string{
	reflect.TypeFor[TrafficType](): {
		string(TrafficUnspecified), string(TrafficAuthentication), string(TrafficTransaction),
		string(TrafficPromotion), string(TrafficServiceRequest), string(TrafficAcknowledgement),
	},
	reflect.TypeFor[AgentEventType]():          {"TYPE_UNSPECIFIED", string(AgentIsTyping), string(AgentRead)},
	reflect.TypeFor[CardOrientation]():         {string(OrientationUnspecified), string(OrientationHorizontal), string(OrientationVertical)},
	reflect.TypeFor[ThumbnailImageAlignment](): {string(AlignUnspecified), string(AlignLeft), string(AlignRight)},
	reflect.TypeFor[CardWidth]():               {string(WidthUnspecified), string(WidthSmall), string(WidthMedium)},
	reflect.TypeFor[MediaHeight]():             {string(HeightUnspecified), string(HeightShort), string(HeightMedium), string(HeightTall)},
	reflect.TypeFor[OpenURLApplication]():      {string(ApplicationUnspecified), string(ApplicationBrowser), string(ApplicationWebview)},
	reflect.TypeFor[WebviewViewMode]():         {string(WebviewUnspecified), string(WebviewFull), string(WebviewHalf), string(WebviewTall)},
}

// enumDetail lists the words of an enum without the first one, unspecified, which means
// the same as no value.
func enumDetail(word string, known []string) string {
	detail := "must be one of " + strings.Join(known[1:], ", ")
	if meant := typo.Nearest(word, known, 0); meant != "" {
		detail += "; did you mean " + meant + "?"
	}
	return detail
}

// path leads from the root of a document to one value. Paths live on the stack; only a
// violation turns one into text.
type path struct {
	parent *path
	name   string // of a member
	index  int    // of a list item; -1 for a member
}

func (p *path) at(name string) *path { return &path{p, name, -1} }

func (p *path) item(i int) *path { return &path{p, "", i} }

// pointer returns p as a JSON Pointer (RFC 6901).
func (p *path) pointer() string {
	switch {
	case p.parent == nil:
		return ""
	case p.index >= 0:
		return p.parent.pointer() + "/" + strconv.Itoa(p.index)
	}
	// A strings.Replacer would move every path to the heap.
	return p.parent.pointer() + "/" + strings.ReplaceAll(strings.ReplaceAll(p.name, "~", "~0"), "/", "~1")
}
