//go:build playground

package rbmtest

import "net/http"

// pushTransport returns nil: the playground has no network, and sets a transport.
func pushTransport() http.RoundTripper { return nil }
