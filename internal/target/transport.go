//go:build !playground

package target

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
)

// ownTransport returns the transport of one target.
func ownTransport(o Options) http.RoundTripper {
	shared, ok := o.Transport.(*http.Transport)
	if !ok {
		return o.Transport
	}
	own := shared.Clone()
	own.MaxConnsPerHost = 0 // a target may support HTTP/1 only
	own.MaxResponseHeaderBytes = maxResponse
	// The server may have closed an idle connection. The request on it would be repeated,
	// or would have an unknown outcome.
	own.DisableKeepAlives = own.DisableKeepAlives || o.Fallback
	return own
}

// cause returns the cause of a transport error in words, because its text can contain the
// address.
func cause(ctx context.Context, err error) string {
	if ctx.Err() != nil {
		return "timeout"
	}
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return "the host was not found"
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return "the certificate is invalid"
	}
	if failed, ok := errors.AsType[*net.OpError](err); ok && failed.Op == "dial" {
		return "the server is unreachable"
	}
	return "the connection failed"
}
