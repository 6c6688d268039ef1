//go:build playground

package demo

import (
	"time"

	"github.com/rcshook/rcshook/internal/googletest/token"
	"github.com/rcshook/rcshook/rbm/rbmtest"
)

// credentials returns the credentials of the agent, which hold a token in place of a key.
func credentials(sim *rbmtest.Simulator) string {
	sim.Tokens().(*token.Server).Lifetime = 365 * 24 * time.Hour // longer than the page is open
	return `{"token": "` + sim.Token() + `"}`
}
