// Package rbmtest imitates Google's RCS Business Messaging API, version 1, and the
// services that a client of it needs, for tests and rehearsals on one machine: real
// HTTP, real tokens, no account, no network.
package rbmtest
