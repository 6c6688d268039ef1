//go:build playground

package rbm

import "net/http"

// defaultTransport returns nil: the playground has no network, and sets a transport.
func defaultTransport() http.RoundTripper { return nil }
