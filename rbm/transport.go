//go:build !playground

package rbm

import (
	"net/http"
	"time"
)

func defaultTransport() http.RoundTripper { return http.DefaultTransport }

// NewTransport returns an HTTP transport with settings for this API: at most four
// HTTP/2 connections per host that carry many requests each, so that a burst does not
// open a connection per request.
//
// Pings detect a dead connection within 17 seconds. In a serverless process that was
// frozen for over 15 seconds, where most connections die, it takes 2 seconds, so that
// the first request can still be retried in time.
//
// Set MaxConnsPerHost to 0 for plain HTTP, as to a simulator: an HTTP/1 connection
// carries one request at a time.
func NewTransport() *http.Transport {
	t := &http.Transport{Proxy: http.ProxyFromEnvironment}
	if standard, ok := http.DefaultTransport.(*http.Transport); ok {
		t = standard.Clone()
	}
	t.ForceAttemptHTTP2 = true
	t.MaxConnsPerHost = 4
	t.MaxIdleConnsPerHost = 64
	t.IdleConnTimeout = 90 * time.Second
	t.TLSHandshakeTimeout = 5 * time.Second
	t.HTTP2 = &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 2 * time.Second}
	return t
}
