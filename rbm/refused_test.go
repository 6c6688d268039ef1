package rbm_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rcshook/rcshook/rbm"
)

// TestCheck_refused checks that each message of testdata/refused has exactly one
// violation. The files are numbered by rule; some rules have several.
func TestCheck_refused(t *testing.T) {
	t.Parallel()
	const (
		suggestion = "/contentMessage/suggestions/0"
		card       = "/contentMessage/richCard/standaloneCard/cardContent"
		cards      = "/contentMessage/richCard/carouselCard/cardContents"
	)
	want := map[string]rbm.Violation{
		"01-no-content-message":          {Pointer: "/contentMessage", Rule: rbm.RuleRequired},
		"02-no-content":                  {Pointer: "/contentMessage", Rule: rbm.RuleRequired},
		"03-text-and-card":               {Pointer: "/contentMessage/richCard", Rule: rbm.RuleUnion},
		"04-text-of-3073":                {Pointer: "/contentMessage/text", Rule: rbm.RuleTooLong, Limit: 3072, Actual: 3073},
		"05-suggestions-12":              {Pointer: "/contentMessage/suggestions", Rule: rbm.RuleTooMany, Limit: 11, Actual: 12},
		"06-label-of-26":                 {Pointer: suggestion + "/reply/text", Rule: rbm.RuleTooLong, Limit: 25, Actual: 26},
		"07-neither-reply-nor-action":    {Pointer: suggestion, Rule: rbm.RuleRequired},
		"07-reply-and-action":            {Pointer: suggestion + "/action", Rule: rbm.RuleUnion},
		"08-no-action":                   {Pointer: suggestion + "/action", Rule: rbm.RuleRequired},
		"08-two-actions":                 {Pointer: suggestion + "/action/shareLocationAction", Rule: rbm.RuleUnion},
		"09-ttl-and-expire-time":         {Pointer: "/expireTime", Rule: rbm.RuleUnion},
		"10-ttl-in-minutes":              {Pointer: "/ttl", Rule: rbm.RuleFormat},
		"10-ttl-negative":                {Pointer: "/ttl", Rule: rbm.RuleRange},
		"10-ttl-of-15-days-and-a-second": {Pointer: "/ttl", Rule: rbm.RuleRange, Limit: 1296000, Actual: 1296001},
		"10-ttl-without-unit":            {Pointer: "/ttl", Rule: rbm.RuleFormat},
		"11-expire-time-invalid":         {Pointer: "/expireTime", Rule: rbm.RuleFormat},
		"12-unknown-traffic-type":        {Pointer: "/messageTrafficType", Rule: rbm.RuleEnum},
		"13-output-field":                {Pointer: "/name", Rule: rbm.RuleReadOnly},
		"13-unknown-field":               {Pointer: "/contentMesage", Rule: rbm.RuleUnknown},
		"14-carousel-of-1":               {Pointer: cards, Rule: rbm.RuleTooFew, Limit: 2, Actual: 1},
		"14-carousel-of-11":              {Pointer: cards, Rule: rbm.RuleTooMany, Limit: 10, Actual: 11},
		"15-tall-in-small":               {Pointer: cards + "/0/media/height", Rule: rbm.RuleTallMedia},
		"16-card-of-suggestions":         {Pointer: card, Rule: rbm.RuleRequired},
		"17-horizontal-card-of-media":    {Pointer: card, Rule: rbm.RuleOnlyMedia},
		"18-media-with-two-sources":      {Pointer: card + "/media/contentInfo", Rule: rbm.RuleUnion},
		"18-media-without-source":        {Pointer: card + "/media", Rule: rbm.RuleRequired},
		"19-description-of-2001":         {Pointer: card + "/description", Rule: rbm.RuleTooLong, Limit: 2000, Actual: 2001},
		"19-title-of-201":                {Pointer: card + "/title", Rule: rbm.RuleTooLong, Limit: 200, Actual: 201},
		"20-card-suggestions-5":          {Pointer: card + "/suggestions", Rule: rbm.RuleTooMany, Limit: 4, Actual: 5},
		"21-url-of-2049":                 {Pointer: suggestion + "/action/openUrlAction/url", Rule: rbm.RuleTooLong, Limit: 2048, Actual: 2049},
		"21-url-of-another-scheme":       {Pointer: suggestion + "/action/openUrlAction/url", Rule: rbm.RuleFormat},
		"22-dial-spaces":                 {Pointer: suggestion + "/action/dialAction/phoneNumber", Rule: rbm.RuleFormat},
		"22-dial-hyphens":                {Pointer: suggestion + "/action/dialAction/phoneNumber", Rule: rbm.RuleFormat},
		"22-dial-letters":                {Pointer: suggestion + "/action/dialAction/phoneNumber", Rule: rbm.RuleFormat},
		"23-latitude-91":                 {Pointer: suggestion + "/action/viewLocationAction/latLong/latitude", Rule: rbm.RuleRange, Limit: 90},
		"24-event-without-title":         {Pointer: suggestion + "/action/createCalendarEventAction/title", Rule: rbm.RuleRequired},
		"25-postback-of-2049":            {Pointer: suggestion + "/reply/postbackData", Rule: rbm.RuleTooLong, Limit: 2048, Actual: 2049},
		"26-both-kinds-of-card":          {Pointer: "/contentMessage/richCard/carouselCard", Rule: rbm.RuleUnion},
	}
	got := map[string]rbm.Violation{}
	files, err := filepath.Glob("testdata/refused/*.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		m, violations := rbm.ParseAgentMessage(read(t, file))
		if len(violations) == 0 {
			violations = m.Check(now)
		}
		if len(violations) != 1 {
			t.Errorf("%s: %d violations, want one: %v", name, len(violations), violations)
			continue
		}
		got[name] = violations[0]
	}
	if diff := cmp.Diff(want, got, ignoreDetail); diff != "" {
		t.Errorf("violations (-want +got):\n%s", diff)
	}
}
