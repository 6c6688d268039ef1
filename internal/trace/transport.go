package trace

import (
	"fmt"
	"math/rand/v2"
	"net/http"
)

// Transport adds the trace in the context of each request to its headers, with a new
// parent-id.
type Transport struct{ Base http.RoundTripper }

// RoundTrip implements [http.RoundTripper].
func (t Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	in := FromContext(r.Context())
	if in.flags == "" {
		return t.Base.RoundTrip(r)
	}
	in.ParentID = fmt.Sprintf("%016x", rand.Uint64N(1<<64-1)+1)
	out := r.WithContext(r.Context()) // a RoundTripper must not modify the request
	out.Header = r.Header.Clone()
	for name, value := range in.Header() {
		out.Header.Set(name, value)
	}
	return t.Base.RoundTrip(out)
}

// CloseIdleConnections closes the idle connections of Base.
func (t Transport) CloseIdleConnections() {
	if c, ok := t.Base.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}
