package compose

import (
	"strconv"

	"github.com/rcshook/rcshook/internal/payload"
	"github.com/rcshook/rcshook/rbm"
)

// chips composes the suggestions under the message.
func (c *composer) chips(lists ...payload.Buttons) []rbm.Suggestion {
	return c.suggestions("/contentMessage", "chips", lists...)
}

// suggestions composes the suggestions of the message or card at a pointer.
func (c *composer) suggestions(at, what string, lists ...payload.Buttons) []rbm.Suggestion {
	count := 0
	for _, list := range lists {
		count += len(list.Items)
		if c.record {
			c.from(at+"/suggestions", list.Position, what)
		}
	}
	if count == 0 {
		return nil
	}
	all := make([]rbm.Suggestion, 0, count)
	for _, list := range lists {
		for i := range list.Items {
			b := &list.Items[i]
			if c.record {
				c.fromButton(at+"/suggestions/"+strconv.Itoa(len(all)), b)
			}
			all = append(all, suggestion(b))
		}
	}
	return all
}

func suggestion(b *payload.Button) rbm.Suggestion {
	if b.Action == payload.Reply {
		return rbm.Suggestion{Reply: &rbm.SuggestedReply{Text: b.Label.Value, PostbackData: b.Postback.Value}}
	}
	a := &rbm.SuggestedAction{
		Text:         b.Label.Value,
		PostbackData: b.Postback.Value,
		FallbackURL:  webURL(b.FallbackURL.Value),
	}
	switch b.Action {
	case payload.OpenURL:
		a.OpenURLAction = openURL(b)
	case payload.Dial:
		a.DialAction = &rbm.DialAction{PhoneNumber: b.Phone.Value}
	case payload.ShowPlace:
		a.ViewLocationAction = &rbm.ViewLocationAction{
			LatLong: &rbm.LatLng{Latitude: b.Latitude.Value, Longitude: b.Longitude.Value},
			Label:   b.Pin.Value,
		}
	case payload.SearchPlace:
		a.ViewLocationAction = &rbm.ViewLocationAction{Query: b.Query.Value}
	case payload.ShareLocation:
		a.ShareLocationAction = &rbm.ShareLocationAction{}
	case payload.AddEvent:
		a.CreateCalendarEventAction = &rbm.CreateCalendarEventAction{
			StartTime:   b.Event.Start.Value,
			EndTime:     b.Event.End.Value,
			Title:       b.Event.Title.Value,
			Description: b.Event.Description.Value,
		}
	}
	return rbm.Suggestion{Action: a}
}

func openURL(b *payload.Button) *rbm.OpenURLAction {
	o := &rbm.OpenURLAction{URL: webURL(b.URL.Value), Description: b.Description.Value}
	switch b.Webview.Value {
	case "browser":
		o.Application = rbm.ApplicationBrowser
	case "full":
		o.Application, o.WebviewViewMode = rbm.ApplicationWebview, rbm.WebviewFull
	case "half":
		o.Application, o.WebviewViewMode = rbm.ApplicationWebview, rbm.WebviewHalf
	case "tall":
		o.Application, o.WebviewViewMode = rbm.ApplicationWebview, rbm.WebviewTall
	}
	return o
}
