package payload

import "testing"

func TestFieldName(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"text": "text", "Body": "text", "Phone Number": "to", "msisdn": "to", "cardWidth": "card_width",
		"card1_title": "cards1title", "Card 1 Title": "cards1title", "carousel[1][title]": "cards1title",
		"button3": "buttons3", "card.title": "cardtitle", "note": "", "cardholder": "", "txt": "", "": "",
	} {
		if got, ok := FieldName(name); got != want || ok != (want != "") {
			t.Errorf("FieldName(%q) = %q, %v, want %q", name, got, ok, want)
		}
	}
	for name, want := range map[string]string{"txt": "text", "Phone No": "phone", "customer since": ""} {
		if got := NearestField(name); got != want {
			t.Errorf("NearestField(%q) = %q, want %q", name, got, want)
		}
	}
}
