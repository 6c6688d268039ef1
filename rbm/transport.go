package rbm

import (
	"net/http"
	"time"
)

// NewTransport returns an HTTP transport with the settings that suit this API:
// few HTTP/2 connections that carry many requests, watched by pings, so that a
// burst opens no connection per request and a connection that died in silence is
// noticed: within 2 seconds in a serverless process that was frozen for longer than
// 15 seconds, where most of them die, so that the first request still gets through,
// and within 17 seconds in one that runs.
//
// Callers over plain HTTP, as to a simulator, should lift MaxConnsPerHost: HTTP/1
// carries one request at a time on each connection.
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
