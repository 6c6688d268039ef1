package rbm

import "strings"

func (c *checker) suggestions(p *path, all []Suggestion, most int) {
	c.list(p, 0, most, len(all), "suggestions")
	for i := range all {
		c.suggestion(p.item(i), &all[i])
	}
}

func (c *checker) suggestion(p *path, s *Suggestion) {
	c.union(p, []field{{"reply", s.Reply != nil}, {"action", s.Action != nil}})
	if s.Reply != nil {
		c.label(p.at("reply"), s.Reply.Text, s.Reply.PostbackData)
	}
	if s.Action != nil {
		c.label(p.at("action"), s.Action.Text, s.Action.PostbackData)
		c.uri(p.at("action").at("fallbackUrl"), s.Action.FallbackURL, MaxURL)
		c.action(p.at("action"), s.Action)
	}
}

func (c *checker) label(p *path, text, postback string) {
	c.needText(p.at("text"), text, MaxSuggestionText)
	c.text(p.at("postbackData"), postback, MaxPostback)
}

func (c *checker) action(p *path, a *SuggestedAction) {
	c.union(p, []field{
		{"dialAction", a.DialAction != nil},
		{"viewLocationAction", a.ViewLocationAction != nil},
		{"createCalendarEventAction", a.CreateCalendarEventAction != nil},
		{"openUrlAction", a.OpenURLAction != nil},
		{"shareLocationAction", a.ShareLocationAction != nil},
		{"composeAction", a.ComposeAction != nil},
	})
	if a.DialAction != nil {
		c.dial(p.at("dialAction").at("phoneNumber"), a.DialAction.PhoneNumber)
	}
	if a.ViewLocationAction != nil {
		c.viewLocation(p.at("viewLocationAction"), a.ViewLocationAction)
	}
	if a.CreateCalendarEventAction != nil {
		c.calendarEvent(p.at("createCalendarEventAction"), a.CreateCalendarEventAction)
	}
	if a.OpenURLAction != nil {
		c.openURL(p.at("openUrlAction"), a.OpenURLAction)
	}
	if a.ComposeAction != nil {
		c.compose(p.at("composeAction"), a.ComposeAction)
	}
}

func (c *checker) dial(p *path, phone string) {
	switch {
	case phone == "":
		c.fault(p, RuleRequired, "is missing")
	case strings.Trim(phone, "0123456789+*#") != "":
		c.fault(p, RuleFormat, "must consist of digits, +, * and # only")
	}
}

func (c *checker) viewLocation(p *path, v *ViewLocationAction) {
	if v.LatLong == nil && v.Query == "" {
		c.fault(p, RuleRequired, "needs one of latLong, query")
	}
	if v.LatLong != nil {
		c.degrees(p.at("latLong").at("latitude"), v.LatLong.Latitude, 90, "must be between -90 and 90")
		c.degrees(p.at("latLong").at("longitude"), v.LatLong.Longitude, 180, "must be between -180 and 180")
	}
	c.text(p.at("label"), v.Label, 0)
	c.text(p.at("query"), v.Query, 0)
}

func (c *checker) degrees(p *path, x float64, limit int, detail string) {
	if inside := x >= -float64(limit) && x <= float64(limit); !inside { // NaN is not
		c.number(p, RuleRange, limit, 0, detail)
	}
}

func (c *checker) calendarEvent(p *path, e *CreateCalendarEventAction) {
	if e.StartTime.IsZero() {
		c.fault(p.at("startTime"), RuleRequired, "is missing")
	}
	switch end := p.at("endTime"); {
	case e.EndTime.IsZero():
		c.fault(end, RuleRequired, "is missing")
	case e.EndTime.Before(e.StartTime):
		c.fault(end, RuleRange, "must not be before startTime")
	}
	c.needText(p.at("title"), e.Title, MaxCalendarTitle)
	c.text(p.at("description"), e.Description, MaxCalendarDescription)
}

func (c *checker) openURL(p *path, o *OpenURLAction) {
	if o.URL == "" {
		c.fault(p.at("url"), RuleRequired, "is missing")
	}
	c.webURL(p.at("url"), o.URL, MaxURL)
	checkWord(c, p.at("application"), o.Application)
	checkWord(c, p.at("webviewViewMode"), o.WebviewViewMode)
	c.text(p.at("description"), o.Description, 0)
}

func (c *checker) compose(p *path, a *ComposeAction) {
	c.union(p, []field{
		{"composeTextMessage", a.ComposeTextMessage != nil},
		{"composeRecordingMessage", a.ComposeRecordingMessage != nil},
	})
	if t := a.ComposeTextMessage; t != nil {
		at := p.at("composeTextMessage")
		c.needText(at.at("phoneNumber"), t.PhoneNumber, 0)
		c.needText(at.at("text"), t.Text, 0)
	}
	if r := a.ComposeRecordingMessage; r != nil {
		at := p.at("composeRecordingMessage")
		c.needText(at.at("phoneNumber"), r.PhoneNumber, 0)
		c.needText(at.at("type"), r.Type, 0)
	}
}
