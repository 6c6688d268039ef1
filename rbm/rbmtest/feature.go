package rbmtest

import (
	"slices"

	"github.com/rcshook/rcshook/rbm"
)

// AllFeatures returns what the device of a number can do unless its [Behavior]
// says otherwise, in the words of getCapabilities. A fresh copy.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/Feature
func AllFeatures() []string {
	return []string{
		"REVOCATION", "RICHCARD_STANDALONE", "RICHCARD_CAROUSEL", "ACTION_CREATE_CALENDAR_EVENT", "ACTION_DIAL",
		"ACTION_OPEN_URL", "ACTION_SHARE_LOCATION", "ACTION_VIEW_LOCATION", "ACTION_OPEN_URL_IN_WEBVIEW",
	}
}

// lacks reports whether a device with the given features cannot show m. Opening
// in a web view needs no feature: such a device opens the browser.
func lacks(features []string, m *rbm.AgentMessage) bool {
	need := neededFeatures(m.ContentMessage)
	return slices.ContainsFunc(need, func(f string) bool { return !slices.Contains(features, f) })
}

func neededFeatures(content *rbm.AgentContentMessage) []string {
	need := suggestionFeatures(content.Suggestions)
	if content.RichCard == nil {
		return need
	}
	if card := content.RichCard.StandaloneCard; card != nil && card.CardContent != nil {
		need = append(need, "RICHCARD_STANDALONE")
		need = append(need, suggestionFeatures(card.CardContent.Suggestions)...)
	}
	if carousel := content.RichCard.CarouselCard; carousel != nil {
		need = append(need, "RICHCARD_CAROUSEL")
		for _, card := range carousel.CardContents {
			need = append(need, suggestionFeatures(card.Suggestions)...)
		}
	}
	return need
}

func suggestionFeatures(suggestions []rbm.Suggestion) []string {
	var need []string
	for _, sug := range suggestions {
		switch a := sug.Action; {
		case a == nil:
		case a.DialAction != nil:
			need = append(need, "ACTION_DIAL")
		case a.OpenURLAction != nil:
			need = append(need, "ACTION_OPEN_URL")
		case a.ViewLocationAction != nil:
			need = append(need, "ACTION_VIEW_LOCATION")
		case a.ShareLocationAction != nil:
			need = append(need, "ACTION_SHARE_LOCATION")
		case a.CreateCalendarEventAction != nil:
			need = append(need, "ACTION_CREATE_CALENDAR_EVENT")
		//lint:ignore SA1019 the platform still takes it, and so does the simulator
		case a.ComposeAction != nil:
			need = append(need, "ACTION_COMPOSE")
		}
	}
	return need
}
