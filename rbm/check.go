package rbm

import (
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Check reports the rules of the platform that m breaks, at most 100 of them, in the
// order of the reference and with pointers in its names; nil means that m is valid. now
// is the time that ExpireTime is compared with.
//
// Only the platform knows whether the agent may send this kind of traffic, whether
// the device has a feature, and whether a URL leads to a suitable file.
//
// Assumption: a missing card orientation or card width, an event that ends before it
// starts and an expiry in the past are violations, although the reference does not
// describe how the platform responds. For the same reason a location may have both
// coordinates and a query.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/phones.agentMessages
func (m *AgentMessage) Check(now time.Time) []Violation {
	c := &checker{bytes: 1000}
	root := new(path)
	if m.ContentMessage == nil {
		c.add(root.at("contentMessage"), RuleRequired, "is missing")
	} else {
		c.content(root.at("contentMessage"), m.ContentMessage)
	}
	checkWord(c, root.at("messageTrafficType"), m.MessageTrafficType)
	ttl, expire := time.Duration(m.TTL), root.at("expireTime")
	switch {
	case ttl < 0:
		c.add(root.at("ttl"), RuleRange, "must be more than 0s")
	case ttl > MaxLifetime:
		c.limit(root.at("ttl"), RuleRange, int(MaxLifetime.Seconds()), int(ttl.Seconds()), "must be at most 15 days, 1296000s")
	}
	if !m.ExpireTime.IsZero() {
		if ttl != 0 {
			c.add(expire, RuleUnion, unionDetail("ttl", unions[reflect.TypeFor[AgentMessage]()]))
		}
		switch left := m.ExpireTime.Sub(now); {
		case left <= 0:
			c.add(expire, RuleRange, "must be in the future")
		case left > MaxLifetime:
			c.limit(expire, RuleRange, int(MaxLifetime.Seconds()), int(left.Seconds()), "must be at most 15 days ahead")
		default:
			c.time(expire, m.ExpireTime)
		}
	}
	for i, set := range []bool{m.Name != "", !m.SendTime.IsZero(), m.RichMessageClassification != nil, m.TotalPayloadSizeBytes != 0, m.Carrier != ""} {
		if set {
			c.add(root.at(outputFields[reflect.TypeFor[AgentMessage]()][i]), RuleReadOnly, readOnlyDetail)
		}
	}
	if c.violations == nil && c.bytes <= MaxMessageBytes {
		return nil // nearly all messages, without encoding them
	}
	if encoded, _ := m.Encode(); len(encoded) > MaxMessageBytes { // the cause of an error is among the violations
		c.limit(root, RuleTooLong, MaxMessageBytes, len(encoded), fmt.Sprintf("must be at most %d bytes of JSON in total", MaxMessageBytes))
	}
	return c.violations
}

// checker collects violations.
type checker struct {
	violations []Violation

	// bytes is an upper bound of the size of a valid message as JSON: at most 6 bytes
	// for each byte of text, and 1,000 for the message, each card and each suggestion.
	bytes int
}

func (c *checker) add(p *path, rule Rule, detail string) { c.limit(p, rule, 0, 0, detail) }

func (c *checker) limit(p *path, rule Rule, limit, actual int, detail string) {
	if len(c.violations) < maxViolations {
		c.violations = append(c.violations, Violation{Pointer: p.pointer(), Rule: rule, Limit: limit, Actual: actual, Detail: detail})
	}
}

// union checks that exactly one field of the union of T is set.
func union[T any](c *checker, p *path, set ...bool) {
	names := unions[reflect.TypeFor[T]()]
	first := ""
	for i, name := range names {
		switch {
		case !set[i]:
		case first == "":
			first = name
		default:
			c.add(p.at(name), RuleUnion, unionDetail(first, names))
		}
	}
	if first == "" {
		c.add(p, RuleRequired, "needs one of "+strings.Join(names, ", "))
	}
}

// text checks a text of at most limit characters; 0 means no known limit.
func (c *checker) text(p *path, s string, limit int) bool {
	c.bytes += 6 * len(s)
	if !utf8.ValidString(s) {
		c.add(p, RuleFormat, "must be UTF-8")
		return false
	}
	if n := utf8.RuneCountInString(s); limit > 0 && n > limit {
		c.limit(p, RuleTooLong, limit, n, fmt.Sprintf("must be at most %d characters", limit))
		return false
	}
	return true
}

// require checks that s is not empty and reports whether it is.
func (c *checker) require(p *path, s string) bool {
	if s == "" {
		c.add(p, RuleRequired, "is missing")
	}
	return s != ""
}

// requireText is text for a field that must not be empty.
func (c *checker) requireText(p *path, s string, limit int) {
	if c.require(p, s) {
		c.text(p, s, limit)
	}
}

// checkWord checks that word is empty or in its enum.
func checkWord[T ~string](c *checker, p *path, word T) {
	if known := enums[reflect.TypeFor[T]()]; word != "" && !slices.Contains(known, string(word)) {
		c.add(p, RuleEnum, enumDetail(string(word), known))
	}
}

// requireWord checks that word is in its enum and not unspecified.
func requireWord[T ~string](c *checker, p *path, word T) {
	if known := enums[reflect.TypeFor[T]()]; word == "" || string(word) == known[0] {
		c.add(p, RuleRequired, enumDetail("", known))
		return
	}
	checkWord(c, p, word)
}

// time checks that t has a form in RFC 3339.
func (c *checker) time(p *path, t time.Time) {
	if _, err := t.MarshalText(); err != nil {
		c.add(p, RuleFormat, "cannot be written as RFC 3339: its year or zone offset is out of range")
	}
}

// fileName checks the name of an uploaded file, if there is one.
func (c *checker) fileName(p *path, name string) {
	c.bytes += 6 * len(name)
	uid, ok := strings.CutPrefix(name, "files/")
	if name != "" && (!ok || uid == "" || strings.ContainsAny(uid, "/ \t\r\n")) {
		c.add(p, RuleFormat, "must be the name of an upload: files/ and its ID")
	}
}

// file checks the three ways to name a file. The union of their parent decides which
// of them may be set.
func (c *checker) file(p *path, name string, uploaded *UploadedRBMFile, info *ContentInfo) {
	c.fileName(p.at("fileName"), name)
	if uploaded != nil {
		at := p.at("uploadedRbmFile")
		c.require(at.at("fileName"), uploaded.FileName)
		c.fileName(at.at("fileName"), uploaded.FileName)
		c.fileName(at.at("thumbnailName"), uploaded.ThumbnailName)
	}
	if info != nil {
		at := p.at("contentInfo")
		c.require(at.at("fileUrl"), info.FileURL)
		c.webURL(at.at("fileUrl"), info.FileURL, 0)
		c.webURL(at.at("thumbnailUrl"), info.ThumbnailURL, 0)
	}
}

// webURL checks a URL for http or https and a host, if there is a URL.
func (c *checker) webURL(p *path, s string, limit int) {
	u := c.uri(p, s, limit)
	if u == nil {
		return
	}
	switch scheme := strings.ToLower(u.Scheme); {
	case scheme != "http" && scheme != "https":
		c.add(p, RuleFormat, "must start with https:// or http://")
	case u.Hostname() == "":
		c.add(p, RuleFormat, "must have a host, as in https://example.com/")
	}
}

// uri checks an absolute URI, if there is one, and returns it if it is valid.
//
// Assumption: letters outside ASCII are allowed, although RFC 3986, which the reference
// names, requires them to be percent-encoded.
func (c *checker) uri(p *path, s string, limit int) *url.URL {
	if s == "" || !c.text(p, s, limit) {
		return nil
	}
	if strings.ContainsAny(s, "\"<>\\^`{|}") || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		c.add(p, RuleFormat, "must be a URL; percent-encode spaces and other characters that a URL cannot hold")
		return nil
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme == "" {
		c.add(p, RuleFormat, "must be an absolute URL, such as https://example.com/")
		return nil
	}
	return u
}

func (c *checker) content(p *path, m *AgentContentMessage) {
	union[AgentContentMessage](c, p, m.Text != "", m.FileName != "", m.UploadedRBMFile != nil, m.RichCard != nil, m.ContentInfo != nil)
	c.text(p.at("text"), m.Text, MaxText)
	c.file(p, m.FileName, m.UploadedRBMFile, m.ContentInfo)
	if m.RichCard != nil {
		at := p.at("richCard")
		union[RichCard](c, at, m.RichCard.StandaloneCard != nil, m.RichCard.CarouselCard != nil)
		if m.RichCard.StandaloneCard != nil {
			c.standalone(at.at("standaloneCard"), m.RichCard.StandaloneCard)
		}
		if m.RichCard.CarouselCard != nil {
			c.carousel(at.at("carouselCard"), m.RichCard.CarouselCard)
		}
	}
	c.suggestions(p.at("suggestions"), m.Suggestions, MaxSuggestions)
}

func (c *checker) standalone(p *path, s *StandaloneCard) {
	requireWord(c, p.at("cardOrientation"), s.CardOrientation)
	checkWord(c, p.at("thumbnailImageAlignment"), s.ThumbnailImageAlignment)
	at, card := p.at("cardContent"), s.CardContent
	if card == nil {
		c.add(at, RuleRequired, "is missing")
		return
	}
	c.card(at, card)
	if s.CardOrientation == OrientationHorizontal && card.Media != nil && card.Title == "" && card.Description == "" && len(card.Suggestions) == 0 {
		c.add(at, RuleOnlyMedia, "needs a title, a description or suggestions beside the media of a horizontal card")
	}
}

func (c *checker) carousel(p *path, k *CarouselCard) {
	requireWord(c, p.at("cardWidth"), k.CardWidth)
	cards := p.at("cardContents")
	switch n := len(k.CardContents); {
	case n > MaxCarouselCards:
		c.limit(cards, RuleTooMany, MaxCarouselCards, n, fmt.Sprintf("must be at most %d cards", MaxCarouselCards))
	case n < MinCarouselCards:
		c.limit(cards, RuleTooFew, MinCarouselCards, n, fmt.Sprintf("must be at least %d cards", MinCarouselCards))
	}
	for i := range k.CardContents {
		card := &k.CardContents[i]
		c.card(cards.item(i), card)
		if k.CardWidth == WidthSmall && card.Media != nil && card.Media.Height == HeightTall {
			c.add(cards.item(i).at("media").at("height"), RuleTallMedia, "must be SHORT or MEDIUM, because the cards of the carousel are SMALL")
		}
	}
}

func (c *checker) card(p *path, card *CardContent) {
	c.bytes += 1000
	if card.Title == "" && card.Description == "" && card.Media == nil {
		c.add(p, RuleRequired, "needs a title, a description or media")
	}
	c.text(p.at("title"), card.Title, MaxCardTitle)
	c.text(p.at("description"), card.Description, MaxCardDescription)
	if m := card.Media; m != nil {
		at := p.at("media")
		checkWord(c, at.at("height"), m.Height)
		c.text(at.at("contentDescription"), m.ContentDescription, 0)
		union[Media](c, at, m.FileName != "", m.UploadedRBMFile != nil, m.ContentInfo != nil)
		c.file(at, m.FileName, m.UploadedRBMFile, m.ContentInfo)
	}
	c.suggestions(p.at("suggestions"), card.Suggestions, MaxCardSuggestions)
}

func (c *checker) suggestions(p *path, all []Suggestion, most int) {
	if len(all) > most {
		c.limit(p, RuleTooMany, most, len(all), fmt.Sprintf("must be at most %d suggestions", most))
	}
	for i := range all {
		c.bytes += 1000
		at, s := p.item(i), &all[i]
		union[Suggestion](c, at, s.Reply != nil, s.Action != nil)
		if r := s.Reply; r != nil {
			c.requireText(at.at("reply").at("text"), r.Text, MaxSuggestionText)
			c.text(at.at("reply").at("postbackData"), r.PostbackData, MaxPostback)
		}
		if s.Action != nil {
			c.action(at.at("action"), s.Action)
		}
	}
}

func (c *checker) action(p *path, a *SuggestedAction) {
	c.requireText(p.at("text"), a.Text, MaxSuggestionText)
	c.text(p.at("postbackData"), a.PostbackData, MaxPostback)
	c.uri(p.at("fallbackUrl"), a.FallbackURL, MaxURL)
	union[SuggestedAction](c, p, a.DialAction != nil, a.ViewLocationAction != nil, a.CreateCalendarEventAction != nil,
		a.OpenURLAction != nil, a.ShareLocationAction != nil, a.ComposeAction != nil)
	if d := a.DialAction; d != nil {
		at := p.at("dialAction").at("phoneNumber")
		c.bytes += len(d.PhoneNumber)
		if c.require(at, d.PhoneNumber) && strings.Trim(d.PhoneNumber, "0123456789+*#") != "" {
			c.add(at, RuleFormat, "must contain only digits, +, * and #")
		}
	}
	if v := a.ViewLocationAction; v != nil {
		at := p.at("viewLocationAction")
		if v.LatLong == nil && v.Query == "" {
			c.add(at, RuleRequired, "needs one of latLong, query")
		}
		if point := v.LatLong; point != nil {
			if inside := point.Latitude >= -90 && point.Latitude <= 90; !inside { // NaN is not
				c.limit(at.at("latLong").at("latitude"), RuleRange, 90, 0, "must be between -90 and 90")
			}
			if inside := point.Longitude >= -180 && point.Longitude <= 180; !inside {
				c.limit(at.at("latLong").at("longitude"), RuleRange, 180, 0, "must be between -180 and 180")
			}
		}
		c.text(at.at("label"), v.Label, 0)
		c.text(at.at("query"), v.Query, 0)
	}
	if e := a.CreateCalendarEventAction; e != nil {
		c.calendarEvent(p.at("createCalendarEventAction"), e)
	}
	if o := a.OpenURLAction; o != nil {
		at := p.at("openUrlAction")
		c.require(at.at("url"), o.URL)
		c.webURL(at.at("url"), o.URL, MaxURL)
		checkWord(c, at.at("application"), o.Application)
		checkWord(c, at.at("webviewViewMode"), o.WebviewViewMode)
		c.text(at.at("description"), o.Description, 0)
	}
	if a.ComposeAction != nil {
		c.compose(p.at("composeAction"), a.ComposeAction)
	}
}

func (c *checker) calendarEvent(p *path, e *CreateCalendarEventAction) {
	start, end := p.at("startTime"), p.at("endTime")
	if e.StartTime.IsZero() {
		c.add(start, RuleRequired, "is missing")
	}
	switch {
	case e.EndTime.IsZero():
		c.add(end, RuleRequired, "is missing")
	case e.EndTime.Before(e.StartTime):
		c.add(end, RuleRange, "must not be before startTime")
	}
	c.time(start, e.StartTime)
	c.time(end, e.EndTime)
	c.requireText(p.at("title"), e.Title, MaxCalendarTitle)
	c.text(p.at("description"), e.Description, MaxCalendarDescription)
}

func (c *checker) compose(p *path, a *ComposeAction) {
	union[ComposeAction](c, p, a.ComposeTextMessage != nil, a.ComposeRecordingMessage != nil)
	if t := a.ComposeTextMessage; t != nil {
		at := p.at("composeTextMessage")
		c.requireText(at.at("phoneNumber"), t.PhoneNumber, 0)
		c.requireText(at.at("text"), t.Text, 0)
	}
	if r := a.ComposeRecordingMessage; r != nil {
		at := p.at("composeRecordingMessage")
		c.requireText(at.at("phoneNumber"), r.PhoneNumber, 0)
		c.requireText(at.at("type"), r.Type, 0)
	}
}
