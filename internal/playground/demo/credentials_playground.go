//go:build playground

package demo

import (
	"time"

	"github.com/rcshook/rcshook/internal/googletest/token"
	"github.com/rcshook/rcshook/rbm/rbmtest"
)

// credentials returns the credentials of the agent, which are a token.
func credentials(sim *rbmtest.Simulator) string {
	sim.Tokens().(*token.Server).Lifetime = 365 * 24 * time.Hour // longer than the page is open
	return sim.Token()
}
