package compose_test

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/rcshook/rcshook/internal/compose"
	"github.com/rcshook/rcshook/internal/payload"
)

// tenCards returns a carousel of the maximum size, nested or flat.
func tenCards(flat bool) []byte {
	var b bytes.Buffer
	b.WriteString(`{"to": "+12025550123", "chips": ["See all|https://example.com", "Stop|=STOP"]`)
	if !flat {
		b.WriteString(`, "cards": [`)
	}
	for i := 1; i <= 10; i++ {
		if flat {
			fmt.Fprintf(&b, `, "card%d_title": "Shoe %d", "card%d_text": "A light shoe for every trail", "card%d_image": "https://cdn.example.com/%d.jpg", "card%d_buttons": "Buy|https://example.com/%d\nCall|tel:+12025550199\nMore|=MORE_%d"`,
				i, i, i, i, i, i, i, i)
			continue
		}
		if i > 1 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, `{"title": "Shoe %d", "text": "A light shoe for every trail", "image": "https://cdn.example.com/%d.jpg", "buttons": ["Buy|https://example.com/%d", "Call|tel:+12025550199", "More|=MORE_%d"]}`, i, i, i, i)
	}
	if !flat {
		b.WriteString(`]`)
	}
	b.WriteString(`}`)
	return b.Bytes()
}

func BenchmarkMessage(b *testing.B) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	for name, body := range map[string][]byte{
		"text":     []byte(`{"to": "+12025550123", "text": "Your order 1042 has shipped"}`),
		"carousel": tenCards(false),
		"flat":     tenCards(true),
	} {
		b.Run(name+"/decode", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := payload.Decode("application/json", body, payload.Options{}); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+"/compose", func(b *testing.B) {
			p, err := payload.Decode("application/json", body, payload.Options{})
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := compose.Message(p, compose.Defaults{}, now); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
