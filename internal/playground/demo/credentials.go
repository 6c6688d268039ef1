//go:build !playground

package demo

import "github.com/rcshook/rcshook/rbm/rbmtest"

// credentials returns the credentials of the agent.
func credentials(sim *rbmtest.Simulator) string { return string(sim.KeyFile(simulatorURL)) }
