package rbm_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rcshook/rcshook/rbm"
)

// ignoreDetail compares violations without their details.
var ignoreDetail = cmpopts.IgnoreFields(rbm.Violation{}, "Detail")

func text(length int) string { return strings.Repeat("ä", length) }

func list(n int, item string) string {
	return "[" + strings.TrimSuffix(strings.Repeat(item+",", n), ",") + "]"
}

const (
	reply   = `{"reply":{"text":"Yes","postbackData":"y"}}`
	picture = `{"contentInfo":{"fileUrl":"https://a.example/b.jpg"}}`
	content = "/contentMessage"
	first   = content + "/suggestions/0"
	card    = content + "/richCard/standaloneCard/cardContent"
	cards   = content + "/richCard/carouselCard/cardContents"
)

func withSuggestion(s string) string {
	return `{"contentMessage":{"text":"Hi","suggestions":[` + s + `]}}`
}

func withAction(member string) string {
	return withSuggestion(`{"action":{"text":"Go","postbackData":"go",` + member + `}}`)
}

func withCard(cardContent string) string {
	return `{"contentMessage":{"richCard":{"standaloneCard":{"cardOrientation":"VERTICAL","cardContent":` + cardContent + `}}}}`
}

func withCarousel(width, cardContents string) string {
	return `{"contentMessage":{"richCard":{"carouselCard":{"cardWidth":"` + width + `","cardContents":` + cardContents + `}}}}`
}

// TestCheckAgentMessage_invalid checks messages that each break one rule.
func TestCheckAgentMessage_invalid(t *testing.T) {
	t.Parallel()
	type violations = []rbm.Violation
	one := func(pointer string, rule rbm.Rule) violations { return violations{{Pointer: pointer, Rule: rule}} }
	tests := []struct {
		name, in string
		want     violations
	}{
		{"no content message", `{}`, one(content, rbm.RuleRequired)},
		{"no content", `{"contentMessage":{"suggestions":[` + reply + `]}}`, one(content, rbm.RuleRequired)},
		{"empty text", `{"contentMessage":{"text":""}}`, one(content, rbm.RuleRequired)},
		{"text and card", `{"contentMessage":{"text":"Hi","richCard":{"standaloneCard":{}}}}`, one(content+"/richCard", rbm.RuleUnion)},
		{"long text", `{"contentMessage":{"text":"` + text(3073) + `"}}`, violations{{content + "/text", rbm.RuleTooLong, 3072, 3073, ""}}},
		{"12 suggestions", `{"contentMessage":{"text":"Hi","suggestions":` + list(12, reply) + `}}`, violations{{content + "/suggestions", rbm.RuleTooMany, 11, 12, ""}}},
		{"long label of a reply", withSuggestion(`{"reply":{"text":"` + text(26) + `"}}`), violations{{first + "/reply/text", rbm.RuleTooLong, 25, 26, ""}}},
		{"long label of an action", withSuggestion(`{"action":{"text":"` + text(26) + `","shareLocationAction":{}}}`), violations{{first + "/action/text", rbm.RuleTooLong, 25, 26, ""}}},
		{"no label", withSuggestion(`{"reply":{"postbackData":"x"}}`), one(first+"/reply/text", rbm.RuleRequired)},
		{"no label of an action", withSuggestion(`{"action":{"shareLocationAction":{}}}`), one(first+"/action/text", rbm.RuleRequired)},
		{"reply and action", withSuggestion(`{"reply":{"text":"A"},"action":{"text":"A","shareLocationAction":{}}}`), one(first+"/action", rbm.RuleUnion)},
		{"neither reply nor action", withSuggestion(`{}`), one(first, rbm.RuleRequired)},
		{"action without a member", withSuggestion(`{"action":{"text":"A"}}`), one(first+"/action", rbm.RuleRequired)},
		{"two actions", withAction(`"shareLocationAction":{},"dialAction":{"phoneNumber":"1"}`), one(first+"/action/dialAction", rbm.RuleUnion)},
		{"ttl and expireTime", `{"contentMessage":{"text":"Hi"},"ttl":"10s","expireTime":"2027-01-02T00:00:00Z"}`, one("/expireTime", rbm.RuleUnion)},
		{"ttl without unit", `{"contentMessage":{"text":"Hi"},"ttl":"10"}`, one("/ttl", rbm.RuleFormat)},
		{"ttl in minutes", `{"contentMessage":{"text":"Hi"},"ttl":"10m"}`, one("/ttl", rbm.RuleFormat)},
		{"negative ttl", `{"contentMessage":{"text":"Hi"},"ttl":"-5s"}`, one("/ttl", rbm.RuleRange)},
		{"long ttl", `{"contentMessage":{"text":"Hi"},"ttl":"1296000.000000001s"}`, violations{{"/ttl", rbm.RuleRange, 1296000, 1296000, ""}}},
		{"very long ttl", `{"contentMessage":{"text":"Hi"},"ttl":"999999999999s"}`, violations{{"/ttl", rbm.RuleRange, 1296000, 9223372036, ""}}},
		{"invalid expireTime", `{"contentMessage":{"text":"Hi"},"expireTime":"soon"}`, one("/expireTime", rbm.RuleFormat)},
		{"expireTime now", `{"contentMessage":{"text":"Hi"},"expireTime":"2027-01-01T12:00:00Z"}`, one("/expireTime", rbm.RuleRange)},
		{"expireTime far ahead", `{"contentMessage":{"text":"Hi"},"expireTime":"2027-01-16T12:00:01Z"}`, violations{{"/expireTime", rbm.RuleRange, 1296000, 1296001, ""}}},
		{"traffic type", `{"contentMessage":{"text":"Hi"},"messageTrafficType":"SERVICE_REQUEST"}`, one("/messageTrafficType", rbm.RuleEnum)},
		{"output field", `{"contentMessage":{"text":"Hi"},"name":"x"}`, one("/name", rbm.RuleReadOnly)},
		{"one card", withCarousel("SMALL", `[{"title":"A"}]`), violations{{cards, rbm.RuleTooFew, 2, 1, ""}}},
		{"no cards", withCarousel("SMALL", `[]`), violations{{cards, rbm.RuleTooFew, 2, 0, ""}}},
		{"eleven cards", withCarousel("SMALL", list(11, `{"title":"A"}`)), violations{{cards, rbm.RuleTooMany, 10, 11, ""}}},
		{"tall media in small cards", withCarousel("SMALL", `[{"title":"A"},{"media":{"height":"TALL","contentInfo":{"fileUrl":"https://a.example/"}}}]`), one(cards+"/1/media/height", rbm.RuleTallMedia)},
		{"no card width", withCarousel("", `[{"title":"A"},{"title":"B"}]`), one(content+"/richCard/carouselCard/cardWidth", rbm.RuleEnum)},
		{"unspecified card width", withCarousel("CARD_WIDTH_UNSPECIFIED", `[{"title":"A"},{"title":"B"}]`), one(content+"/richCard/carouselCard/cardWidth", rbm.RuleRequired)},
		{"no card orientation", `{"contentMessage":{"richCard":{"standaloneCard":{"cardContent":{"title":"A"}}}}}`, one(content+"/richCard/standaloneCard/cardOrientation", rbm.RuleRequired)},
		{"unspecified card orientation", `{"contentMessage":{"richCard":{"standaloneCard":{"cardOrientation":0,"cardContent":{"title":"A"}}}}}`, one(content+"/richCard/standaloneCard/cardOrientation", rbm.RuleRequired)},
		{"no card content", `{"contentMessage":{"richCard":{"standaloneCard":{"cardOrientation":"VERTICAL"}}}}`, one(card, rbm.RuleRequired)},
		{"no card", `{"contentMessage":{"richCard":{}}}`, one(content+"/richCard", rbm.RuleRequired)},
		{"suggestions only", withCard(`{"suggestions":[` + reply + `]}`), one(card, rbm.RuleRequired)},
		{"horizontal card of media only", strings.Replace(withCard(`{"media":`+picture+`}`), "VERTICAL", "HORIZONTAL", 1), one(card, rbm.RuleOnlyMedia)},
		{"media with two sources", withCard(`{"media":{"fileName":"files/a","contentInfo":{"fileUrl":"https://a.example/"}}}`), one(card+"/media/contentInfo", rbm.RuleUnion)},
		{"media without a source", withCard(`{"media":{"height":"SHORT"}}`), one(card+"/media", rbm.RuleRequired)},
		{"media height", withCard(`{"media":{"height":"HUGE","contentInfo":{"fileUrl":"https://a.example/"}}}`), one(card+"/media/height", rbm.RuleEnum)},
		{"long card title", withCard(`{"title":"` + text(201) + `"}`), violations{{card + "/title", rbm.RuleTooLong, 200, 201, ""}}},
		{"long card description", withCard(`{"description":"` + text(2001) + `"}`), violations{{card + "/description", rbm.RuleTooLong, 2000, 2001, ""}}},
		{"5 suggestions on a card", withCard(`{"title":"A","suggestions":` + list(5, reply) + `}`), violations{{card + "/suggestions", rbm.RuleTooMany, 4, 5, ""}}},
		{"bad suggestion on a card", withCard(`{"title":"A","suggestions":[` + reply + `,{}]}`), one(card+"/suggestions/1", rbm.RuleRequired)},
		{"mail link", withAction(`"openUrlAction":{"url":"mailto:a@a.example"}`), one(first+"/action/openUrlAction/url", rbm.RuleFormat)},
		{"script link", withAction(`"openUrlAction":{"url":"javascript:alert(1)"}`), one(first+"/action/openUrlAction/url", rbm.RuleFormat)},
		{"link without a scheme", withAction(`"openUrlAction":{"url":"www.a.example"}`), one(first+"/action/openUrlAction/url", rbm.RuleFormat)},
		{"link without a host", withAction(`"openUrlAction":{"url":"https:///a"}`), one(first+"/action/openUrlAction/url", rbm.RuleFormat)},
		{"link with only a port", withAction(`"openUrlAction":{"url":"https://:443/"}`), one(first+"/action/openUrlAction/url", rbm.RuleFormat)},
		{"link with a space", withAction(`"openUrlAction":{"url":"https://a.example/b c"}`), one(first+"/action/openUrlAction/url", rbm.RuleFormat)},
		{"unfilled template", withAction(`"openUrlAction":{"url":"https://a.example/{{id}}"}`), one(first+"/action/openUrlAction/url", rbm.RuleFormat)},
		{"broken percent-encoding", withAction(`"openUrlAction":{"url":"https://a.example/%zz"}`), one(first+"/action/openUrlAction/url", rbm.RuleFormat)},
		{"long link", withAction(`"openUrlAction":{"url":"https://a.example/` + strings.Repeat("a", 2031) + `"}`), violations{{first + "/action/openUrlAction/url", rbm.RuleTooLong, 2048, 2049, ""}}},
		{"no link", withAction(`"openUrlAction":{"application":"BROWSER"}`), one(first+"/action/openUrlAction/url", rbm.RuleRequired)},
		{"unknown application", withAction(`"openUrlAction":{"url":"https://a.example/","application":"EMACS"}`), one(first+"/action/openUrlAction/application", rbm.RuleEnum)},
		{"unknown view mode", withAction(`"openUrlAction":{"url":"https://a.example/","application":"WEBVIEW","webviewViewMode":"SHORT"}`), one(first+"/action/openUrlAction/webviewViewMode", rbm.RuleEnum)},
		{"relative fallback", withAction(`"fallbackUrl":"/contact","shareLocationAction":{}`), one(first+"/action/fallbackUrl", rbm.RuleFormat)},
		{"long fallback", withAction(`"fallbackUrl":"tel:` + strings.Repeat("1", 2045) + `","shareLocationAction":{}`), violations{{first + "/action/fallbackUrl", rbm.RuleTooLong, 2048, 2049, ""}}},
		{"dial with hyphens", withAction(`"dialAction":{"phoneNumber":"202-555-0123"}`), one(first+"/action/dialAction/phoneNumber", rbm.RuleFormat)},
		{"dial with spaces", withAction(`"dialAction":{"phoneNumber":"+1 2025550123"}`), one(first+"/action/dialAction/phoneNumber", rbm.RuleFormat)},
		{"dial with letters", withAction(`"dialAction":{"phoneNumber":"1800FLOWERS"}`), one(first+"/action/dialAction/phoneNumber", rbm.RuleFormat)},
		{"dial without a number", withAction(`"dialAction":{}`), one(first+"/action/dialAction/phoneNumber", rbm.RuleRequired)},
		{"latitude", withAction(`"viewLocationAction":{"latLong":{"latitude":91,"longitude":0}}`), violations{{first + "/action/viewLocationAction/latLong/latitude", rbm.RuleRange, 90, 0, ""}}},
		{"longitude", withAction(`"viewLocationAction":{"latLong":{"latitude":0,"longitude":"-180.01"}}`), violations{{first + "/action/viewLocationAction/latLong/longitude", rbm.RuleRange, 180, 0, ""}}},
		{"infinite latitude", withAction(`"viewLocationAction":{"latLong":{"latitude":1e999,"longitude":0}}`), violations{{first + "/action/viewLocationAction/latLong/latitude", rbm.RuleRange, 90, 0, ""}}},
		{"location without a place", withAction(`"viewLocationAction":{"label":"Here"}`), one(first+"/action/viewLocationAction", rbm.RuleRequired)},
		{"event without title", withAction(`"createCalendarEventAction":{"startTime":"2027-01-01T00:00:00Z","endTime":"2027-01-01T00:00:00Z"}`), one(first+"/action/createCalendarEventAction/title", rbm.RuleRequired)},
		{"event without times", withAction(`"createCalendarEventAction":{"title":"A"}`), violations{
			{Pointer: first + "/action/createCalendarEventAction/startTime", Rule: rbm.RuleRequired},
			{Pointer: first + "/action/createCalendarEventAction/endTime", Rule: rbm.RuleRequired},
		}},
		{"event that ends before it starts", withAction(`"createCalendarEventAction":{"title":"A","startTime":"2027-01-01T00:00:01Z","endTime":"2027-01-01T00:00:00Z"}`), one(first+"/action/createCalendarEventAction/endTime", rbm.RuleRange)},
		{"long event", withAction(`"createCalendarEventAction":{"title":"` + text(101) + `","description":"` + text(501) + `","startTime":"2027-01-01T00:00:00Z","endTime":"2027-01-01T00:00:00Z"}`), violations{
			{first + "/action/createCalendarEventAction/title", rbm.RuleTooLong, 100, 101, ""},
			{first + "/action/createCalendarEventAction/description", rbm.RuleTooLong, 500, 501, ""},
		}},
		{"long postback", withSuggestion(`{"reply":{"text":"A","postbackData":"` + text(2049) + `"}}`), violations{{first + "/reply/postbackData", rbm.RuleTooLong, 2048, 2049, ""}}},
		{"long postback of an action", withSuggestion(`{"action":{"text":"A","postbackData":"` + text(2049) + `","shareLocationAction":{}}}`), violations{{first + "/action/postbackData", rbm.RuleTooLong, 2048, 2049, ""}}},
		{"both kinds of cards", `{"contentMessage":{"richCard":{"standaloneCard":{"cardOrientation":"VERTICAL","cardContent":{"title":"A"}},"carouselCard":{}}}}`, one(content+"/richCard/carouselCard", rbm.RuleUnion)},
		{"empty compose action", withAction(`"composeAction":{}`), one(first+"/action/composeAction", rbm.RuleRequired)},
		{"compose a text without a number", withAction(`"composeAction":{"composeTextMessage":{}}`), violations{
			{Pointer: first + "/action/composeAction/composeTextMessage/phoneNumber", Rule: rbm.RuleRequired},
			{Pointer: first + "/action/composeAction/composeTextMessage/text", Rule: rbm.RuleRequired},
		}},
		{"compose a recording without a type", withAction(`"composeAction":{"composeRecordingMessage":{"phoneNumber":"1"}}`), one(first+"/action/composeAction/composeRecordingMessage/type", rbm.RuleRequired)},
		{"file without a URL", `{"contentMessage":{"contentInfo":{"thumbnailUrl":"https://a.example/"}}}`, one(content+"/contentInfo/fileUrl", rbm.RuleRequired)},
		{"file in the file system", `{"contentMessage":{"contentInfo":{"fileUrl":"file:///etc/passwd","thumbnailUrl":"a.png"}}}`, violations{
			{Pointer: content + "/contentInfo/fileUrl", Rule: rbm.RuleFormat},
			{Pointer: content + "/contentInfo/thumbnailUrl", Rule: rbm.RuleFormat},
		}},
		{"upload without a name", `{"contentMessage":{"uploadedRbmFile":{"thumbnailName":"x"}}}`, violations{
			{Pointer: content + "/uploadedRbmFile/fileName", Rule: rbm.RuleRequired},
			{Pointer: content + "/uploadedRbmFile/thumbnailName", Rule: rbm.RuleFormat},
		}},
		{"file name without an ID", `{"contentMessage":{"fileName":"files/"}}`, one(content+"/fileName", rbm.RuleFormat)},
		{"file name with a path", `{"contentMessage":{"fileName":"files/a/b"}}`, one(content+"/fileName", rbm.RuleFormat)},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, got := rbm.CheckAgentMessage([]byte(test.in), now)
			if diff := cmp.Diff(test.want, got, ignoreDetail); diff != "" {
				t.Errorf("CheckAgentMessage(%s) (-want +got):\n%s", test.in, diff)
			}
		})
	}
}

// TestCheckAgentMessage_limits checks messages at the limits.
func TestCheckAgentMessage_limits(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, in string }{
		{"longest text", `{"contentMessage":{"text":"` + text(3072) + `","suggestions":` + list(11, reply) + `}}`},
		{"longest suggestion", withSuggestion(`{"action":{"text":"` + text(25) + `","postbackData":"` + text(2048) + `","fallbackUrl":"tel:` +
			strings.Repeat("1", 2044) + `","openUrlAction":{"url":"https://a.example/` + strings.Repeat("a", 2030) + `"}}}`)},
		{"longest card", withCard(`{"title":"` + text(200) + `","description":"` + text(2000) + `","suggestions":` + list(4, reply) + `}`)},
		{"longest event", withAction(`"createCalendarEventAction":{"title":"` + text(100) + `","description":"` + text(500) +
			`","startTime":"2027-01-01T00:00:00Z","endTime":"2027-01-01T00:00:00Z"}`)},
		{"two cards", withCarousel("SMALL", `[{"title":"A"},{"title":"B"}]`)},
		{"ten cards, tall", withCarousel("MEDIUM", list(10, `{"media":{"height":"TALL","contentInfo":{"fileUrl":"HTTP://a.example:80"}}}`))},
		{"longest ttl", `{"contentMessage":{"text":"Hi"},"ttl":"1296000.000000000s"}`},
		{"furthest expireTime", `{"contentMessage":{"text":"Hi"},"expireTime":"2027-01-16T12:00:00Z"}`},
		{"nearest expireTime", `{"contentMessage":{"text":"Hi"},"expireTime":"2027-01-01T12:00:00.000000001Z"}`},
		{"unspecified traffic", `{"contentMessage":{"text":"Hi"},"messageTrafficType":"MESSAGE_TRAFFIC_TYPE_UNSPECIFIED"}`},
		{"poles", withAction(`"viewLocationAction":{"latLong":{"latitude":-90,"longitude":180}}`)},
		{"other pole", withAction(`"viewLocationAction":{"latLong":{"latitude":90,"longitude":-180}}`)},
		{"place and query", withAction(`"viewLocationAction":{"latLong":{"latitude":0,"longitude":0},"label":"L","query":"Q"}`)},
		{"star and hash", withAction(`"dialAction":{"phoneNumber":"*#+09"}`)},
		{"letters outside ASCII in a URL", withAction(`"openUrlAction":{"url":"https://münchen.example/straße?q=ä"}`)},
		{"media only, vertical", withCard(`{"media":` + picture + `}`)},
		{"media and suggestions, horizontal", strings.Replace(withCard(`{"media":`+picture+`,"suggestions":[`+reply+`]}`), "VERTICAL", "HORIZONTAL", 1)},
		{"recording", withAction(`"composeAction":{"composeRecordingMessage":{"phoneNumber":"1","type":"AUDIO"}}`)},
		{"draft", withAction(`"composeAction":{"composeTextMessage":{"phoneNumber":"1","text":"Hi"}}`)},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if _, got := rbm.CheckAgentMessage([]byte(test.in), now); got != nil {
				t.Errorf("CheckAgentMessage: %v, want no violation", got)
			}
		})
	}
}

// TestCheck checks Go values that cannot come from the parser.
func TestCheck(t *testing.T) {
	t.Parallel()
	type violations = []rbm.Violation
	hi := func() *rbm.AgentMessage {
		return &rbm.AgentMessage{ContentMessage: &rbm.AgentContentMessage{Text: "Hi"}}
	}
	action := func(a rbm.SuggestedAction) *rbm.AgentMessage {
		m := hi()
		m.ContentMessage.Suggestions = []rbm.Suggestion{{Action: &a}}
		return m
	}
	everything := &rbm.AgentMessage{
		ContentMessage: &rbm.AgentContentMessage{
			Text: "Hi", FileName: "files/a", UploadedRBMFile: &rbm.UploadedRBMFile{FileName: "files/a"},
			RichCard:    &rbm.RichCard{},
			ContentInfo: &rbm.ContentInfo{FileURL: "https://a.example/"},
		},
		MessageTrafficType: "SPAM", TTL: -1, ExpireTime: now, Name: "n", SendTime: now,
		RichMessageClassification: &rbm.RichMessageClassification{}, TotalPayloadSizeBytes: 1, Carrier: "c",
	}
	big := hi()
	for range 5 {
		s := rbm.Suggestion{Action: &rbm.SuggestedAction{Text: "Go", OpenURLAction: &rbm.OpenURLAction{
			URL: "https://a.example/", Description: strings.Repeat("a", 50_000),
		}}}
		big.ContentMessage.Suggestions = append(big.ContentMessage.Suggestions, s)
	}
	size, err := big.Encode()
	if err != nil {
		t.Fatal(err)
	}
	full := hi()
	full.ContentMessage.Suggestions = []rbm.Suggestion{{Action: &rbm.SuggestedAction{Text: "Go", OpenURLAction: &rbm.OpenURLAction{URL: "https://a.example/"}}}}
	frame, err := full.Encode()
	if err != nil {
		t.Fatal(err)
	}
	const description = `,"description":""`
	full.ContentMessage.Suggestions[0].Action.OpenURLAction.Description = strings.Repeat("a", rbm.MaxMessageBytes-len(frame)-len(description))
	late := time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC)

	tests := []struct {
		name string
		m    *rbm.AgentMessage
		want violations
	}{
		{"everything at once, in order", everything, violations{
			{Pointer: content + "/fileName", Rule: rbm.RuleUnion},
			{Pointer: content + "/uploadedRbmFile", Rule: rbm.RuleUnion},
			{Pointer: content + "/richCard", Rule: rbm.RuleUnion},
			{Pointer: content + "/contentInfo", Rule: rbm.RuleUnion},
			{Pointer: content + "/richCard", Rule: rbm.RuleRequired},
			{Pointer: "/messageTrafficType", Rule: rbm.RuleEnum},
			{Pointer: "/ttl", Rule: rbm.RuleRange},
			{Pointer: "/expireTime", Rule: rbm.RuleUnion},
			{Pointer: "/expireTime", Rule: rbm.RuleRange},
			{Pointer: "/name", Rule: rbm.RuleReadOnly},
			{Pointer: "/sendTime", Rule: rbm.RuleReadOnly},
			{Pointer: "/richMessageClassification", Rule: rbm.RuleReadOnly},
			{Pointer: "/totalPayloadSizeBytes", Rule: rbm.RuleReadOnly},
			{Pointer: "/carrier", Rule: rbm.RuleReadOnly},
		}},
		{"latitude that is not a number", action(rbm.SuggestedAction{Text: "A", ViewLocationAction: &rbm.ViewLocationAction{LatLong: &rbm.LatLng{Latitude: math.NaN()}}}), violations{
			{first + "/action/viewLocationAction/latLong/latitude", rbm.RuleRange, 90, 0, ""},
		}},
		{"reply and action", &rbm.AgentMessage{ContentMessage: &rbm.AgentContentMessage{Text: "Hi", Suggestions: []rbm.Suggestion{
			{Reply: &rbm.SuggestedReply{Text: "A"}, Action: &rbm.SuggestedAction{Text: "A"}},
		}}}, violations{
			{Pointer: first + "/action", Rule: rbm.RuleUnion}, {Pointer: first + "/action", Rule: rbm.RuleRequired},
		}},
		{"text that is not UTF-8", &rbm.AgentMessage{ContentMessage: &rbm.AgentContentMessage{Text: "\xff"}}, violations{{Pointer: content + "/text", Rule: rbm.RuleFormat}}},
		{"URL that is not UTF-8", &rbm.AgentMessage{ContentMessage: &rbm.AgentContentMessage{ContentInfo: &rbm.ContentInfo{FileURL: "https://a.example/\xff"}}}, violations{
			{Pointer: content + "/contentInfo/fileUrl", Rule: rbm.RuleFormat},
		}},
		{"year that RFC 3339 cannot express", action(rbm.SuggestedAction{Text: "A", CreateCalendarEventAction: &rbm.CreateCalendarEventAction{
			StartTime: late, EndTime: late, Title: "A",
		}}), violations{
			{Pointer: first + "/action/createCalendarEventAction/startTime", Rule: rbm.RuleFormat},
			{Pointer: first + "/action/createCalendarEventAction/endTime", Rule: rbm.RuleFormat},
		}},
		{"exactly 250 KB", full, nil},
		{"more than 250 KB", big, violations{{"", rbm.RuleTooLong, 250_000, len(size), ""}}},
	}
	endless := hi()
	endless.ContentMessage.Suggestions = make([]rbm.Suggestion, 200)
	if n := len(endless.Check(now)); n != 100 {
		t.Errorf("%d violations in 200 suggestions, want 100", n)
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(test.want, test.m.Check(now), ignoreDetail); diff != "" {
				t.Errorf("Check (-want +got):\n%s", diff)
			}
		})
	}
}

// TestViolation_private checks that no detail quotes the message, because details are
// logged.
func TestViolation_private(t *testing.T) {
	t.Parallel()
	const in = `{"contentMessage":{"text":"SECRET","fileName":"SECRET","suggestions":[
		{"reply":{"text":"SECRETSECRETSECRETSECRETSECRET"},"action":{"openUrlAction":{"url":"SECRET:x","application":"SECRET"},"dialAction":{"phoneNumber":"SECRET"}}},
		{"action":{"fallbackUrl":"SECRET","viewLocationAction":{"latLong":{"latitude":"SECRET","longitude":181}}}}]},
		"messageTrafficType":"SECRET","ttl":"SECRET","expireTime":"SECRET","SECRET":"SECRET"}`
	_, violations := rbm.CheckAgentMessage([]byte(in), now)
	if len(violations) < 10 {
		t.Fatalf("only %d violations: %v", len(violations), violations)
	}
	for _, v := range violations {
		if strings.Contains(v.Detail, "SECRET") {
			t.Errorf("the detail of %s quotes the message: %s", v.Pointer, v.Detail)
		}
	}
}

func BenchmarkCheck(b *testing.B) {
	for _, test := range []struct{ name, in string }{
		{"text", `{"contentMessage":{"text":"Your order has shipped."}}`},
		{"ten cards", withCarousel("MEDIUM", list(10, `{"title":"A","description":"B","media":`+picture+`,"suggestions":`+list(4, reply)+`}`))},
	} {
		m, violations := rbm.CheckAgentMessage([]byte(test.in), now)
		if violations != nil {
			b.Fatal(violations)
		}
		b.Run(test.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				m.Check(now)
			}
		})
		b.Run(test.name+", from JSON", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				rbm.CheckAgentMessage([]byte(test.in), now)
			}
		})
	}
}
