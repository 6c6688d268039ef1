// Package e2e tests the whole function from outside: over HTTP, against the simulator
// and stand-ins for Google's services, with hostile input and with failures everywhere.
package e2e
