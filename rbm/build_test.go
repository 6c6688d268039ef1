package rbm_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rcshook/rcshook/rbm"
)

func TestBuilders(t *testing.T) {
	t.Parallel()
	card := rbm.CardContent{Title: "A", Media: rbm.MediaAt("https://a.example/1.jpg"), Suggestions: []rbm.Suggestion{rbm.Reply("Yes")}}
	const (
		jsonCard = `{"title":"A","media":{"height":"MEDIUM","contentInfo":{"fileUrl":"https://a.example/1.jpg"}},"suggestions":[{"reply":{"text":"Yes","postbackData":"Yes"}}]}`
		jsonChip = `{"action":{"text":"Go","postbackData":"Go","openUrlAction":{"url":"https://a.example/?a=1&b=<2>"}}}`
		jsonDial = `{"action":{"text":"Ring","postbackData":"Ring","dialAction":{"phoneNumber":"+12025550186"}}}`
	)
	chip, dial := rbm.OpenURL("Go", "https://a.example/?a=1&b=<2>"), rbm.Dial("Ring", "+12025550186")
	tests := []struct {
		m    *rbm.AgentMessage
		want string
	}{
		{rbm.Text("Hi"), `{"contentMessage":{"text":"Hi"}}`},
		{rbm.Text("Hi", chip, dial), `{"contentMessage":{"text":"Hi","suggestions":[` + jsonChip + `,` + jsonDial + `]}}`},
		{rbm.FileAt("https://a.example/1.pdf", dial), `{"contentMessage":{"contentInfo":{"fileUrl":"https://a.example/1.pdf"},"suggestions":[` + jsonDial + `]}}`},
		{rbm.Card(card, chip), `{"contentMessage":{"richCard":{"standaloneCard":{"cardOrientation":"VERTICAL","cardContent":` + jsonCard + `}},"suggestions":[` + jsonChip + `]}}`},
		{rbm.Carousel([]rbm.CardContent{card, card}), `{"contentMessage":{"richCard":{"carouselCard":{"cardWidth":"MEDIUM","cardContents":[` + jsonCard + `,` + jsonCard + `]}}}}`},
		{rbm.Carousel([]rbm.CardContent{card}, chip), `{"contentMessage":{"richCard":{"carouselCard":{"cardWidth":"MEDIUM","cardContents":[` + jsonCard + `]}},"suggestions":[` + jsonChip + `]}}`},
		{rbm.Text("Hi", rbm.ReplyWith("Yes", "ORDER_1042_YES")), `{"contentMessage":{"text":"Hi","suggestions":[{"reply":{"text":"Yes","postbackData":"ORDER_1042_YES"}}]}}`},
	}
	for _, test := range tests {
		got, err := test.m.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(test.want, string(got)); diff != "" {
			t.Errorf("encoded (-want +got):\n%s", diff)
		}
	}
}
