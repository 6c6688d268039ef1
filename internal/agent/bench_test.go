package agent_test

import (
	"testing"

	"github.com/rcshook/rcshook/internal/agent"
)

// BenchmarkAgentToken gets a cached agent and its token.
func BenchmarkAgentToken(b *testing.B) {
	w := loopback(b)
	w.store()
	d := w.open(b, w.config(), agent.Options{})
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		a, err := d.Agent(ctx, "")
		if err != nil {
			b.Fatal(err)
		}
		if _, err := a.Token(ctx); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSecret gets a cached secret.
func BenchmarkSecret(b *testing.B) {
	w := loopback(b)
	w.store()
	d := w.open(b, w.config(), agent.Options{})
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := d.Secret(ctx, idSecret); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAgentToken_parallel(b *testing.B) {
	w := loopback(b)
	w.store()
	d := w.open(b, w.config(), agent.Options{})
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, _, err := send(b.Context(), d); err != nil {
				b.Error(err)
				return
			}
		}
	})
}
