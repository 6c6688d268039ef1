package source

import (
	"context"
	"runtime"
	"time"

	"github.com/rcshook/rcshook/internal/config"
)

// Verify authenticates r without mapping it.
func Verify(ctx context.Context, s *Source, r *Request, now time.Time) error {
	secrets, err := s.readSecrets(ctx)
	if err != nil {
		return err
	}
	return s.verify(ctx, r, secrets, now)
}

// Fill keeps the programs of all sources from running until empty is called.
func Fill(s *Source) (empty func()) {
	n := int64(runtime.GOMAXPROCS(0))
	if !s.slots.all.TryAcquire(n) {
		panic("a program is running")
	}
	return func() { s.slots.all.Release(n) }
}

// FillVerifying keeps signatures of a source from being verified until empty is called.
func FillVerifying(s *Source) (empty func()) {
	n := int64(runtime.GOMAXPROCS(0))
	if !s.slots.verifying.TryAcquire(n) {
		panic("a signature is being verified")
	}
	return func() { s.slots.verifying.Release(n) }
}

// Slots map webhooks; each call of Source returns the slots of another source.
type Slots struct{ *slots }

func NewSlots() Slots { return Slots{newSlots()} }

func (s Slots) Source() Slots { return Slots{s.another()} }

// Run maps a webhook.
func (s Slots) Run(ctx context.Context, f func(context.Context) (*Received, error)) (*Received, error) {
	return s.run(ctx, f)
}

// PhonePath returns the documented path of the phone number in an event of a preset.
func PhonePath(name string) string {
	p, _ := loadPreset(name)
	return p.Phone
}

// SchemeOf returns the scheme of a preset.
func SchemeOf(name string) config.Scheme {
	p, _ := loadPreset(name)
	return p.Scheme
}

// Identifies reports whether a preset has a program for the ID of an event.
func Identifies(name string) bool {
	p, _ := loadPreset(name)
	return p.EventID.Text != ""
}

// CoversBody reports whether the signature of a scheme covers the body.
func CoversBody(s config.Scheme) bool { return coversBody(s) }
