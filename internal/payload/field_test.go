package payload

import "testing"

func TestFindField(t *testing.T) {
	t.Parallel()
	for key, want := range map[string][2]string{
		"text": {"text"}, "Body": {"text"}, "phone-number": {"to"}, "to[]": {"to"}, "Quick Replies": {"chips"}, "idempotencyKey": {"idempotency_key"},
		"button2": {"buttons", "2"}, "card1_title": {"cards", "1title"}, "cards[0][title]": {"cards", "0title"},
		"card.title": {"card", "title"},
		"txt":        {}, "": {}, "cardholder": {}, "label": {},
	} {
		if f, part, ok := FindField(key); f.Name != want[0] || part != want[1] || ok != (want[0] != "") {
			t.Errorf("%q = %q, part %q, want %q", key, f.Name, part, want)
		}
	}
}
