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

// fields is the one list of what may be written. Decoding, the search for the
// nearest name and the documentation all come from here.
var fields = [fieldCount]Field{
	fTo: {
		Name: "to", Aliases: []string{"phone", "phone_number", "recipient", "msisdn"}, Numbered: []string{"to", "recipient"},
		Type: TypePhones, Level: OnMessage,
		Meaning: "who gets the message: E.164, or a national number together with country; at most 100",
	},
	fText: {
		Name: "text", Aliases: []string{"body", "message", "msg"},
		Type: TypeText, Level: OnMessage | OnCard, Content: true,
		Meaning: "text message; the description where there is a card",
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
		Meaning: "small picture that stands in for the media or the file while it loads",
	},
	fHeight: {
		Name: "height", Aliases: []string{"media_height"},
		Type: TypeWord, Level: OnMessage | OnCard, Words: [][]string{{"short"}, {"medium"}, {"tall"}},
		Meaning: "height of the media of a vertical card; medium if not sent",
	},
	fAlt: {
		Name: "alt", Aliases: []string{"alt_text", "content_description"},
		Type: TypeText, Level: OnMessage | OnCard,
		Meaning: "description of the media for screen readers",
	},
	fForceRefresh: {
		Name: "force_refresh",
		Type: TypeBool, Level: OnMessage | OnCard,
		Meaning: "have the platform fetch the media or file again instead of using its copy",
	},
	fLayout: {
		Name: "layout", Aliases: []string{"orientation"},
		Type: TypeWord, Level: OnMessage | OnCard, Words: [][]string{{"vertical"}, {"horizontal"}},
		Meaning: "media above the text or beside it; vertical if not sent",
	},
	fAlign: {
		Name: "align", Aliases: []string{"alignment"},
		Type: TypeWord, Level: OnMessage | OnCard, Words: [][]string{{"left"}, {"right"}},
		Meaning: "side of the media of a horizontal card; left if not sent",
	},
	fFile: {
		Name: "file", Aliases: []string{"file_url", "document"},
		Type: TypeURL, Level: OnMessage, Content: true,
		Meaning: "a file message: public URL, or files/... of an upload",
	},
	fCard: {
		Name: "card", Aliases: []string{"rich_card"},
		Type: TypeCard, Level: OnMessage, Content: true,
		Meaning: "one card, as an object of the card fields",
	},
	fCards: {
		Name: "cards", Aliases: []string{"carousel"}, Numbered: []string{"card", "cards", "carousel"},
		Type: TypeCards, Level: OnMessage, Content: true,
		Meaning: "a carousel of 2 to 10 cards; flat as card1_title, card1_text, ...",
	},
	fCardWidth: {
		Name: "card_width",
		Type: TypeWord, Level: OnMessage, Words: [][]string{{"small"}, {"medium"}},
		Meaning: "width of the cards of a carousel; medium if not sent",
	},
	fButtons: {
		Name: "buttons", Aliases: []string{"suggestions", "actions"}, Numbered: []string{"button", "buttons", "suggestion", "suggestions", "action", "actions"},
		Type: TypeButtons, Level: OnMessage | OnCard, Content: true,
		Meaning: "buttons of a card, chips under any other message",
	},
	fChips: {
		Name: "chips", Aliases: []string{"quick_replies"}, Numbered: []string{"chip", "chips", "quick_reply", "quick_replies"},
		Type: TypeButtons, Level: OnMessage, Content: true,
		Meaning: "chips under the message, whatever it is",
	},
	fTTL: {
		Name: "ttl", Aliases: []string{"validity_period"},
		Type: TypeDuration, Level: OnMessage,
		Meaning: "how long delivery is tried",
	},
	fExpiresAt: {
		Name: "expires_at", Aliases: []string{"expire_time"},
		Type: TypeTime, Level: OnMessage,
		Meaning: "until when delivery is tried",
	},
	fScheduleAt: {
		Name: "schedule_at", Aliases: []string{"schedule_time", "send_at"},
		Type: TypeTime, Level: OnMessage,
		Meaning: "when the message is sent, at most 30 days ahead; only through a queue",
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
		Meaning: "why the message is sent",
	},
	fOTP: {
		Name: "otp",
		Type: TypeBool, Level: OnMessage,
		Meaning: "a one-time password: traffic otp, and ttl 10m if none is sent",
	},
	fAgent: {
		Name: "agent", Aliases: []string{"from", "sender", "agent_id"},
		Type: TypeText, Level: OnMessage,
		Meaning: "name of the configured agent that sends",
	},
	fCountry: {
		Name: "country", Aliases: []string{"default_country"},
		Type: TypeText, Level: OnMessage,
		Meaning: "country of national numbers, two letters of ISO 3166",
	},
	fIdempotencyKey: {
		Name: "idempotency_key",
		Type: TypeText, Level: OnMessage,
		Meaning: "sending again with the same key does not send twice",
	},
	fMessageID: {
		Name: "message_id",
		Type: TypeText, Level: OnMessage,
		Meaning: "UUID to be used as it is, with one recipient only",
	},
	fDryRun: {
		Name: "dry_run", Aliases: []string{"validate"},
		Type: TypeBool, Level: OnMessage,
		Meaning: "compose and check, send nothing",
	},
	fRaw: {
		Name: "raw", Aliases: []string{"agent_message", "content_message"},
		Type: TypeRaw, Level: OnMessage, Content: true,
		Meaning: "an AgentMessage of the API, with camelCase or snake_case names",
	},

	fLabel: {
		Name: "label", Aliases: []string{"text", "title"},
		Type: TypeText, Level: OnButton,
		Meaning: "what the button says",
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
		Meaning: "dials this number",
	},
	fReply: {
		Name: "reply",
		Type: TypeText, Level: OnButton,
		Meaning: "a reply with this postback; true: with the label",
	},
	fLatitude: {
		Name: "latitude", Aliases: []string{"lat"},
		Type: TypeNumber, Level: OnButton,
		Meaning: "shows a place on the map, together with longitude: degrees, -90 to 90",
	},
	fLongitude: {
		Name: "longitude", Aliases: []string{"lng", "lon"},
		Type: TypeNumber, Level: OnButton,
		Meaning: "degrees, -180 to 180",
	},
	fQuery: {
		Name: "query",
		Type: TypeText, Level: OnButton,
		Meaning: "searches the map for this",
	},
	fPin: {
		Name: "place",
		Type: TypeText, Level: OnButton,
		Meaning: "label of the pin at latitude and longitude",
	},
	fEvent: {
		Name: "event", Aliases: []string{"calendar"}, Numbered: nil,
		Type: TypeEvent, Level: OnButton,
		Meaning: "adds a calendar event: object of title, description, start, end",
	},
	fShareLocation: {
		Name: "share_location",
		Type: TypeBool, Level: OnButton,
		Meaning: "asks for the user's location",
	},
	fPostback: {
		Name: "postback", Aliases: []string{"postback_data"},
		Type: TypeText, Level: OnButton,
		Meaning: "what comes back with the tap; a reply: its label, an action: a slug of its label, if not sent",
	},
	fFallbackURL: {
		Name: "fallback_url",
		Type: TypeURL, Level: OnButton,
		Meaning: "opened by devices that do not know the action",
	},

	fEventTitle: {
		Name: "title", Type: TypeText, Level: OnEvent,
		Meaning: "title of the event; the button's label if not sent",
	},
	fEventDescription: {
		Name: "description", Type: TypeText, Level: OnEvent,
		Meaning: "description of the event",
	},
	fEventStart: {
		Name: "start", Aliases: []string{"start_time"},
		Type: TypeTime, Level: OnEvent,
		Meaning: "when it begins: RFC 3339, seconds may be left out",
	},
	fEventEnd: {
		Name: "end", Aliases: []string{"end_time"},
		Type: TypeTime, Level: OnEvent,
		Meaning: "when it ends",
	},
}
