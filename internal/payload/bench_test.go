package payload_test

import (
	"testing"

	"github.com/rcshook/rcshook/internal/payload"
)

func BenchmarkDecode_text(b *testing.B) {
	body := []byte(`{"to": "+12025550123", "text": "Your order 1042 has shipped"}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := payload.Decode("application/json", body, payload.Options{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecode_form(b *testing.B) {
	body := []byte(`to=%2B12025550123&text=Your+order+1042+has+shipped`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := payload.Decode("application/x-www-form-urlencoded", body, payload.Options{}); err != nil {
			b.Fatal(err)
		}
	}
}
