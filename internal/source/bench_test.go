package source_test

import (
	"net/http"
	"testing"

	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/googletest/token"
	"github.com/rcshook/rcshook/internal/source"
)

// BenchmarkReceive verifies and maps the sample of a preset.
func BenchmarkReceive(b *testing.B) {
	for _, name := range []string{"stripe", "shopify", "github", "standard-webhooks", "bearer", "pubsub"} {
		b.Run(name, func(b *testing.B) {
			c, err := source.Example(name, "p")
			if err != nil {
				b.Fatal(err)
			}
			c.Name = "it"
			issuer, err := token.NewIssuer()
			if err != nil {
				b.Fatal(err)
			}
			if name == "pubsub" {
				c.Audience, c.Emails = []string{audience}, []string{robot}
			} else {
				c.Secrets = []config.Secret{"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}
			}
			d, err := source.Open(map[string]config.Source{"it": c}, source.Options{Secrets: literal, Transport: direct{issuer}})
			if err != nil {
				b.Fatal(err)
			}
			s, err := d.Find("it")
			if err != nil {
				b.Fatal(err)
			}
			r := s.Sample("0001")
			if name == "pubsub" {
				r.Header = http.Header{"Authorization": {"Bearer " + issuer.Token(audience, robot, now)}, "Content-Type": {"application/json"}}
			} else if err := s.Sign(r, []byte("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), now); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.Receive(b.Context(), r, now); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkOpen compiles one source.
func BenchmarkOpen(b *testing.B) {
	c, err := source.Example("stripe", "p")
	if err != nil {
		b.Fatal(err)
	}
	c.Secrets = []config.Secret{"s"}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := source.Open(map[string]config.Source{"it": c}, source.Options{Secrets: literal}); err != nil {
			b.Fatal(err)
		}
	}
}
