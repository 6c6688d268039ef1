package googletest

import (
	"io"
	"net/http"
	"net/http/httptest"
)

// Transport is a client's connection to a handler in the same process.
type Transport struct{ http.Handler }

// RoundTrip serves a request. A handler that panics breaks the connection, as in a server.
func (t Transport) RoundTrip(r *http.Request) (res *http.Response, err error) {
	defer func() {
		if recover() != nil {
			res, err = nil, io.ErrUnexpectedEOF
		}
		if ended := r.Context().Err(); ended != nil {
			res, err = nil, ended
		}
	}()
	served := r.Clone(r.Context())
	if served.Body == nil {
		served.Body = http.NoBody
	}
	w := httptest.NewRecorder()
	t.ServeHTTP(w, served)
	return w.Result(), nil
}
