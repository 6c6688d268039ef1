//go:build playground

package server

import (
	"net/http"

	"github.com/rcshook/rcshook/internal/config"
)

// newTransport returns nil: the playground has no network, and sets a transport.
func newTransport(*config.Config) http.RoundTripper { return nil }
