//go:build !playground

package server

import (
	"net/http"

	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/rbm"
)

// newTransport returns the transport of all requests.
func newTransport(cfg *config.Config) http.RoundTripper {
	t := rbm.NewTransport()
	if cfg.RBMEndpoint != "" {
		// A simulator or a proxy may support HTTP/1 only, which needs a connection for each
		// concurrent request.
		t.MaxConnsPerHost = 0
		t.MaxIdleConns, t.MaxIdleConnsPerHost = 0, 512
	}
	return t
}
