//go:build !playground

package rbmtest

import (
	"net/http"
	"sync"
)

// pushTransport keeps no idle connections, so that no goroutine outlives a push.
var pushTransport = sync.OnceValue(func() http.RoundTripper { return &http.Transport{DisableKeepAlives: true, Proxy: nil} })
