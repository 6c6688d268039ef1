package compose

import (
	"strings"
	"unicode/utf16"
)

// The characters of GSM-7, the default alphabet of 3GPP TS 23.038. Those of its extension
// table take two septets each.
const (
	gsm          = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
	gsmExtension = "\f^{}\\[~]|€"
)

// SMS is a text as an SMS.
type SMS struct {
	Text string `json:"text"`

	// Encoding is GSM-7, or UCS-2 if a character of the text is not in GSM-7.
	Encoding string `json:"encoding"`

	// Segments is the number of parts that operators send and bill; 0 for an empty text.
	Segments int `json:"segments"`
}

// NewSMS returns the SMS for a text. No part ends within an extension character or a
// surrogate pair.
func NewSMS(text string) *SMS {
	s := &SMS{Text: text, Encoding: "GSM-7"}
	single, part := 160, 153 // septets
	length := func(r rune) int {
		if strings.ContainsRune(gsmExtension, r) {
			return 2
		}
		return 1
	}
	if strings.ContainsFunc(text, func(r rune) bool { return !strings.ContainsRune(gsm+gsmExtension, r) }) {
		s.Encoding, single, part, length = "UCS-2", 70, 67, utf16.RuneLen
	}
	total, free := 0, 0
	for _, r := range text {
		n := length(r)
		if n > free {
			s.Segments++
			free = part
		}
		total, free = total+n, free-n
	}
	if total <= single {
		s.Segments = min(s.Segments, 1)
	}
	return s
}
