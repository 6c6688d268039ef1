package send

import (
	"context"
	"errors"

	"github.com/rcshook/rcshook/internal/code"
	"github.com/rcshook/rcshook/rbm"
)

// maxPosted is the number of message IDs of which the sender remembers that the
// fallback accepted them.
const maxPosted = 4096

// undeliverable returns the code of an error after which a message goes to its
// fallback, because RCS cannot deliver it to this number now or later. It returns ""
// for other errors.
func undeliverable(err error) code.Code {
	switch {
	case errors.Is(err, rbm.ErrNotLaunched):
		return code.AgentNotLaunched
	case errors.Is(err, rbm.ErrNotTester):
		return ""
	case errors.Is(err, rbm.ErrUnreachable):
		return code.RecipientUnreachable
	case errors.Is(err, rbm.ErrFeatureUnsupported):
		return code.FeatureUnsupported
	default:
		return ""
	}
}

// fallBack gives an undeliverable message to its fallback, once. Duplicates within this
// process are not given to it.
func (s *Sender) fallBack(ctx context.Context, m *Message, to, id string, reason code.Code) error {
	key := m.AgentName + " " + to + " " + id // several messages can have the same ID
	done := s.calls.DoChan(key, func() (_ any, err error) {
		defer func() {
			if v := recover(); v != nil {
				err = code.PanicError(v) // singleflight would end the process
			}
		}()
		if s.posted.Contains(key) {
			return nil, nil
		}
		if err = s.options.Fallback(ctx, m, to, id, reason); err == nil {
			s.posted.Add(key, struct{}{})
		}
		return nil, err
	})
	select {
	case r := <-done:
		return r.Err
	case <-ctx.Done():
		return ctx.Err()
	}
}
