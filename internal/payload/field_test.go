package payload

import "testing"

func TestFind(t *testing.T) {
	t.Parallel()
	for key, want := range map[string][2]string{
		"text": {"text"}, "Body": {"text"}, "phone-number": {"to"}, "to[]": {"to"}, "Quick Replies": {"chips"}, "idempotencyKey": {"idempotency_key"},
		"button2": {"buttons", "button2"}, "card1_title": {"cards", "card1title"}, "cards[0][title]": {"cards", "cards0title"},
		"card.title": {"card", "cardtitle"},
		"txt":        {}, "": {}, "cardholder": {}, "label": {},
	} {
		if f, part, ok := FindField(key); f.Name != want[0] || part != want[1] || ok != (want[0] != "") {
			t.Errorf("%q is of %q, part %q, want %q", key, f.Name, part, want)
		}
	}
}
