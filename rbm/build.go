package rbm

// These functions make the messages and suggestions that most senders need. For
// all others the structs are written out.

// Text returns a text message with the given chips below it.
func Text(text string, chips ...Suggestion) *AgentMessage {
	return &AgentMessage{ContentMessage: &AgentContentMessage{Text: text, Suggestions: chips}}
}

// FileAt returns a message with the file at a public URL and the given chips below
// it; see [ContentInfo] for what the URL must be like.
func FileAt(url string, chips ...Suggestion) *AgentMessage {
	return &AgentMessage{ContentMessage: &AgentContentMessage{ContentInfo: &ContentInfo{FileURL: url}, Suggestions: chips}}
}

// Card returns a message with one vertical card and the given chips below it.
func Card(card CardContent, chips ...Suggestion) *AgentMessage {
	return &AgentMessage{ContentMessage: &AgentContentMessage{
		RichCard:    &RichCard{StandaloneCard: &StandaloneCard{CardOrientation: OrientationVertical, CardContent: &card}},
		Suggestions: chips,
	}}
}

// Carousel returns a message with [MinCarouselCards] to [MaxCarouselCards] cards of
// medium width and the given chips below them.
func Carousel(cards []CardContent, chips ...Suggestion) *AgentMessage {
	return &AgentMessage{ContentMessage: &AgentContentMessage{
		RichCard:    &RichCard{CarouselCard: &CarouselCard{CardWidth: WidthMedium, CardContents: cards}},
		Suggestions: chips,
	}}
}

// MediaAt returns the picture or video at a public URL, of medium height.
func MediaAt(url string) *Media {
	return &Media{Height: HeightMedium, ContentInfo: &ContentInfo{FileURL: url}}
}

// Reply returns a suggested reply with the label as its postback data.
func Reply(label string) Suggestion { return ReplyWith(label, label) }

// ReplyWith returns a suggested reply whose tap sends postback to the webhook; see
// [SuggestionResponse].
func ReplyWith(label, postback string) Suggestion {
	return Suggestion{Reply: &SuggestedReply{Text: label, PostbackData: postback}}
}

// OpenURL returns a suggestion that opens a web page, with the label as its
// postback data.
func OpenURL(label, url string) Suggestion {
	return Suggestion{Action: &SuggestedAction{Text: label, PostbackData: label, OpenURLAction: &OpenURLAction{URL: url}}}
}

// Dial returns a suggestion that opens the dialler, with the label as its
// postback data.
func Dial(label, phoneNumber string) Suggestion {
	return Suggestion{Action: &SuggestedAction{Text: label, PostbackData: label, DialAction: &DialAction{PhoneNumber: phoneNumber}}}
}
