package payload

type fieldID uint8

const (
	fTo fieldID = iota
	fText
	fTitle
	fDescription
	fImage
	fVideo
	fThumbnail
	fHeight
	fAlt
	fForceRefresh
	fLayout
	fAlign
	fFile
	fCard
	fCards
	fCardWidth
	fButtons
	fChips
	fTTL
	fExpiresAt
	fScheduleAt
	fFallbackAfter
	fFallbackText
	fTraffic
	fOTP
	fAgent
	fCountry
	fIdempotencyKey
	fMessageID
	fDryRun
	fRaw
	fLabel
	fURL
	fWebview
	fViewDescription
	fPhone
	fReply
	fLatitude
	fLongitude
	fQuery
	fPin
	fEvent
	fShareLocation
	fPostback
	fFallbackURL
	fEventTitle
	fEventDescription
	fEventStart
	fEventEnd
	fieldCount
)

// fields is the only list of fields. The decoder, the suggestions for typos and the
// documentation use it.
var fields = [fieldCount]Field{
	fTo: {
		Name: "to", Aliases: []string{"phone", "phone_number", "recipient", "msisdn"}, Numbered: []string{"to", "recipient"},
		Type: TypePhones, Level: OnMessage,
		Meaning: "recipients: E.164, or national numbers together with country; at most 100; digits without + that are a number of two countries are an error",
	},
	fText: {
		Name: "text", Aliases: []string{"body", "message", "msg"},
		Type: TypeText, Level: OnMessage | OnCard, Content: true,
		Meaning: "text of the message; the description of a card",
	},
	fTitle: {
		Name: "title", Aliases: []string{"heading"},
		Type: TypeText, Level: OnMessage | OnCard, Content: true,
		Meaning: "title of a card",
	},
	fDescription: {
		Name: "description", Aliases: []string{"subtitle"},
		Type: TypeText, Level: OnMessage | OnCard, Content: true,
		Meaning: "description of a card",
	},
	fImage: {
		Name: "image", Aliases: []string{"media", "media_url", "image_url"},
		Type: TypeURL, Level: OnMessage | OnCard, Content: true,
		Meaning: "picture of a card: public URL, or files/... of an upload",
	},
	fVideo: {
		Name: "video", Aliases: []string{"video_url"},
		Type: TypeURL, Level: OnMessage | OnCard, Content: true,
		Meaning: "video of a card: public URL, or files/... of an upload",
	},
	fThumbnail: {
		Name: "thumbnail", Aliases: []string{"thumbnail_url"},
		Type: TypeURL, Level: OnMessage | OnCard,
		Meaning: "small picture to show while the media or file loads",
	},
	fHeight: {
		Name: "height", Aliases: []string{"media_height"},
		Type: TypeWord, Level: OnMessage | OnCard, Words: [][]string{{"short"}, {"medium"}, {"tall"}},
		Meaning: "height of the media of a vertical card; default medium",
	},
	fAlt: {
		Name: "alt", Aliases: []string{"alt_text", "content_description"},
		Type: TypeText, Level: OnMessage | OnCard,
		Meaning: "description of the media for screen readers",
	},
	fForceRefresh: {
		Name: "force_refresh",
		Type: TypeBool, Level: OnMessage | OnCard,
		Meaning: "make the platform fetch the media or file again instead of using its cache",
	},
	fLayout: {
		Name: "layout", Aliases: []string{"orientation"},
		Type: TypeWord, Level: OnMessage | OnCard, Words: [][]string{{"vertical"}, {"horizontal"}},
		Meaning: "media above the text or beside it; default vertical",
	},
	fAlign: {
		Name: "align", Aliases: []string{"alignment"},
		Type: TypeWord, Level: OnMessage | OnCard, Words: [][]string{{"left"}, {"right"}},
		Meaning: "side of the media of a horizontal card; default left",
	},
	fFile: {
		Name: "file", Aliases: []string{"file_url", "document"},
		Type: TypeURL, Level: OnMessage, Content: true,
		Meaning: "a file message: public URL, or files/... of an upload",
	},
	fCard: {
		Name: "card", Aliases: []string{"rich_card"},
		Type: TypeCard, Level: OnMessage, Content: true,
		Meaning: "one card: an object of card fields",
	},
	fCards: {
		Name: "cards", Aliases: []string{"carousel"}, Numbered: []string{"card", "cards", "carousel"},
		Type: TypeCards, Level: OnMessage, Content: true,
		Meaning: "a carousel of 2 to 10 cards; flat as card1_title, card1_text, ...",
	},
	fCardWidth: {
		Name: "card_width",
		Type: TypeWord, Level: OnMessage, Words: [][]string{{"small"}, {"medium"}},
		Meaning: "width of the cards of a carousel; default medium",
	},
	fButtons: {
		Name: "buttons", Aliases: []string{"suggestions", "actions"}, Numbered: []string{"button", "buttons", "suggestion", "suggestions", "action", "actions"},
		Type: TypeButtons, Level: OnMessage | OnCard, Content: true,
		Meaning: "buttons of a card, or chips under any other message",
	},
	fChips: {
		Name: "chips", Aliases: []string{"quick_replies"}, Numbered: []string{"chip", "chips", "quick_reply", "quick_replies"},
		Type: TypeButtons, Level: OnMessage, Content: true,
		Meaning: "chips under the message",
	},
	fTTL: {
		Name: "ttl", Aliases: []string{"validity_period"},
		Type: TypeDuration, Level: OnMessage,
		Meaning: "how long to try delivery",
	},
	fExpiresAt: {
		Name: "expires_at", Aliases: []string{"expire_time"},
		Type: TypeTime, Level: OnMessage,
		Meaning: "when to stop trying delivery",
	},
	fScheduleAt: {
		Name: "schedule_at", Aliases: []string{"schedule_time", "send_at"},
		Type: TypeTime, Level: OnMessage,
		Meaning: "when to send the message, at most 30 days ahead; needs a queue",
	},
	fFallbackAfter: {
		Name: "fallback_after",
		Type: TypeDuration, Level: OnMessage,
		Meaning: "how long delivery may take before the message goes to its fallback; needs a queue",
	},
	fFallbackText: {
		Name: "fallback_text",
		Type: TypeText, Level: OnMessage,
		Meaning: "text for the fallback, such as an SMS; default the text of the message and the links of its buttons",
	},
	fTraffic: {
		Name: "traffic", Aliases: []string{"traffic_type", "message_traffic_type"},
		Type: TypeWord, Level: OnMessage, Words: [][]string{
			{"otp", "authentication"},
			{"transaction", "transactional"},
			{"promotion", "promotional", "promo", "marketing"},
			{"service", "service_request"},
			{"acknowledgement", "acknowledgment", "ack"},
		},
		Meaning: "purpose of the message",
	},
	fOTP: {
		Name: "otp",
		Type: TypeBool, Level: OnMessage,
		Meaning: "one-time password: traffic otp, and ttl 10m by default",
	},
	fAgent: {
		Name: "agent", Aliases: []string{"from", "sender", "agent_id"},
		Type: TypeText, Level: OnMessage,
		Meaning: "name of the configured agent that sends",
	},
	fCountry: {
		Name: "country", Aliases: []string{"default_country"},
		Type: TypeText, Level: OnMessage,
		Meaning: "country of national numbers, a two-letter ISO 3166 code",
	},
	fIdempotencyKey: {
		Name: "idempotency_key",
		Type: TypeText, Level: OnMessage,
		Meaning: "a retry with the same key does not send twice",
	},
	fMessageID: {
		Name: "message_id",
		Type: TypeText, Level: OnMessage,
		Meaning: "UUID of the message; for one recipient only",
	},
	fDryRun: {
		Name: "dry_run", Aliases: []string{"validate"},
		Type: TypeBool, Level: OnMessage,
		Meaning: "compose and check without sending",
	},
	fRaw: {
		Name: "raw", Aliases: []string{"agent_message", "content_message"},
		Type: TypeRaw, Level: OnMessage, Content: true,
		Meaning: "an AgentMessage of the API, with camelCase or snake_case names",
	},

	fLabel: {
		Name: "label", Aliases: []string{"text", "title"},
		Type: TypeText, Level: OnButton,
		Meaning: "text on the button",
	},
	fURL: {
		Name: "url", Aliases: []string{"link"},
		Type: TypeURL, Level: OnButton,
		Meaning: "opens this http or https URL",
	},
	fWebview: {
		Name: "webview",
		Type: TypeWord, Level: OnButton, Words: [][]string{{"full", "true", "yes", "1", "on"}, {"half"}, {"tall"}, {"browser", "false", "no", "0", "off"}},
		Meaning: "opens the URL inside the conversation: full, half or tall; true is full",
	},
	fViewDescription: {
		Name: "description",
		Type: TypeText, Level: OnButton,
		Meaning: "description of the web view for screen readers",
	},
	fPhone: {
		Name: "phone", Aliases: []string{"phone_number", "tel"},
		Type: TypeText, Level: OnButton,
		Meaning: "dials this number, which is read like a recipient; short codes, * and # stay as they are",
	},
	fReply: {
		Name: "reply",
		Type: TypeText, Level: OnButton,
		Meaning: "reply with this postback; true for the label",
	},
	fLatitude: {
		Name: "latitude", Aliases: []string{"lat"},
		Type: TypeNumber, Level: OnButton,
		Meaning: "with longitude, shows a place on the map: degrees, -90 to 90",
	},
	fLongitude: {
		Name: "longitude", Aliases: []string{"lng", "lon"},
		Type: TypeNumber, Level: OnButton,
		Meaning: "degrees, -180 to 180",
	},
	fQuery: {
		Name: "query",
		Type: TypeText, Level: OnButton,
		Meaning: "searches the map for this text",
	},
	fPin: {
		Name: "place",
		Type: TypeText, Level: OnButton,
		Meaning: "label of the pin at latitude and longitude",
	},
	fEvent: {
		Name: "event", Aliases: []string{"calendar"}, Numbered: nil,
		Type: TypeEvent, Level: OnButton,
		Meaning: "adds a calendar event: an object of title, description, start, end",
	},
	fShareLocation: {
		Name: "share_location",
		Type: TypeBool, Level: OnButton,
		Meaning: "asks for the user's location",
	},
	fPostback: {
		Name: "postback", Aliases: []string{"postback_data"},
		Type: TypeText, Level: OnButton,
		Meaning: "data in the event of a tap; default the label of a reply, or a slug of the label of an action",
	},
	fFallbackURL: {
		Name: "fallback_url",
		Type: TypeURL, Level: OnButton,
		Meaning: "opened by devices that do not support the action",
	},

	fEventTitle: {
		Name: "title", Type: TypeText, Level: OnEvent,
		Meaning: "title of the event; default the label of the button",
	},
	fEventDescription: {
		Name: "description", Type: TypeText, Level: OnEvent,
		Meaning: "description of the event",
	},
	fEventStart: {
		Name: "start", Aliases: []string{"start_time"},
		Type: TypeTime, Level: OnEvent,
		Meaning: "start time: RFC 3339, seconds optional",
	},
	fEventEnd: {
		Name: "end", Aliases: []string{"end_time"},
		Type: TypeTime, Level: OnEvent,
		Meaning: "end time",
	},
}
