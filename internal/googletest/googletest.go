// Package googletest holds what the stand-ins for Google's services share. Each
// service has a package of its own below it; package platform puts them on one port.
package googletest

import (
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
)

// CloudPlatform is the OAuth scope that covers all of Google Cloud.
const CloudPlatform = "https://www.googleapis.com/auth/cloud-platform"

// ClosedURL is the address of a port that refuses connections: no program gets a port
// below 1024 by chance, unlike the former port of a closed server.
const ClosedURL = "http://127.0.0.1:1"

// FreePort returns a port for a program that a test starts. It is below the range from
// which systems take ports for listeners without one, so no other test gets it meanwhile.
func FreePort() string {
	for {
		port := strconv.Itoa(20_000 + rand.IntN(12_000))
		if l, err := net.Listen("tcp", "127.0.0.1:"+port); err == nil {
			l.Close()
			return port
		}
	}
}

// Outage makes a server fail or hang on demand. The zero value does neither.
type Outage struct {
	mu     sync.Mutex
	status int
	left   int           // requests that still fail; negative: all of them
	hung   chan struct{} // closed when requests go on; nil: they do not wait
}

// Fail makes the next times requests fail with status. A negative number means until
// the next call of Fail; zero ends the outage.
func (o *Outage) Fail(status, times int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.status, o.left = status, times
}

// Hang with true makes every request wait until Hang is called with false or the
// client disconnects.
func (o *Outage) Hang(on bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case on && o.hung == nil:
		o.hung = make(chan struct{})
	case !on && o.hung != nil:
		close(o.hung)
		o.hung = nil
	}
}

// Next returns the status that this request must fail with, or 0. While the server
// hangs, it waits until ctx ends.
func (o *Outage) Next(ctx context.Context) int {
	o.mu.Lock()
	hung := o.hung
	o.mu.Unlock()
	if hung != nil {
		select {
		case <-hung:
		case <-ctx.Done():
		}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.left == 0 {
		return 0
	}
	if o.left > 0 {
		o.left--
	}
	return o.status
}

// Error is an error response of Google's REST APIs.
//
// Google docs: https://docs.cloud.google.com/apis/design/errors
type Error struct {
	Code    int    // HTTP status
	Status  string // of google.rpc.Code; empty: the usual one for Code
	Message string
	Details []any
}

// Messages of 401 responses, which all of Google's APIs share.
const (
	MissingToken = "Request is missing required authentication credential. Expected OAuth 2 access token, login cookie or other valid authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project."
	InvalidToken = "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project."
)

func (e *Error) Error() string { return fmt.Sprint(e.Code, " ", e.Message) }

// Write sends the error as a JSON response.
func (e *Error) Write(w http.ResponseWriter) {
	body := map[string]any{"code": e.Code, "message": e.Message, "status": e.Status}
	if e.Status == "" {
		body["status"] = StatusWord(e.Code)
	}
	if e.Details != nil {
		body["details"] = e.Details
	}
	if e.Code == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Bearer realm="https://accounts.google.com/", error="invalid_token"`)
	}
	WriteJSON(w, e.Code, map[string]any{"error": body})
}

var statusWords = map[int]string{
	http.StatusBadRequest:          "INVALID_ARGUMENT",
	http.StatusUnauthorized:        "UNAUTHENTICATED",
	http.StatusForbidden:           "PERMISSION_DENIED",
	http.StatusNotFound:            "NOT_FOUND",
	http.StatusConflict:            "ALREADY_EXISTS",
	http.StatusTooManyRequests:     "RESOURCE_EXHAUSTED",
	499:                            "CANCELLED",
	http.StatusInternalServerError: "INTERNAL",
	http.StatusNotImplemented:      "UNIMPLEMENTED",
	http.StatusServiceUnavailable:  "UNAVAILABLE",
	http.StatusGatewayTimeout:      "DEADLINE_EXCEEDED",
}

// StatusWord returns the name of the usual google.rpc.Code for an HTTP status.
func StatusWord(status int) string {
	if word, ok := statusWords[status]; ok {
		return word
	}
	if status < http.StatusInternalServerError {
		return "FAILED_PRECONDITION"
	}
	return "INTERNAL"
}

// StatusCode returns the HTTP status for the name of a google.rpc.Code.
func StatusCode(word string) int {
	for code, w := range statusWords {
		if w == word {
			return code
		}
	}
	return http.StatusBadRequest // FAILED_PRECONDITION
}

// ErrorInfo returns a google.rpc.ErrorInfo for the details of an error. The metadata
// may be nil.
func ErrorInfo(reason string, metadata map[string]string) any {
	info := map[string]any{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "domain": "googleapis.com"}
	if metadata != nil {
		info["metadata"] = metadata
	}
	return info
}

// InsufficientScope is the error for a token that lacks the scope of an RPC method.
func InsufficientScope(service, method string) *Error {
	return &Error{
		Code:    http.StatusForbidden,
		Message: "Request had insufficient authentication scopes.",
		Details: []any{ErrorInfo("ACCESS_TOKEN_SCOPE_INSUFFICIENT", map[string]string{"service": service, "method": method})},
	}
}

// WriteJSON sends an indented JSON response that is not cached.
func WriteJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	_ = enc.Encode(body) // the client may have disconnected
}

// BearerToken returns the token of the Authorization header, or "".
func BearerToken(r *http.Request) string {
	scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}

// ProjectNumber returns an invented project number for a project ID. A number is
// returned unchanged.
func ProjectNumber(project string) string {
	if _, err := strconv.ParseUint(project, 10, 64); err == nil {
		return project
	}
	return DecimalID("project", project, 12)
}

// DecimalID derives a number with a fixed count of digits from a name. Google numbers
// projects and accounts like this.
func DecimalID(kind, name string, digits int) string {
	sum := sha256.Sum256([]byte(kind + "\n" + name))
	n := new(big.Int).SetBytes(sum[:])
	limit := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(digits-1)), nil)
	return fmt.Sprintf("1%0*d", digits-1, n.Mod(n, limit))
}

// JSONHandler decodes the body of each request into a T, calls h, and serves the result
// as JSON; nil is {}. An error becomes a 400 response with the text {"error": "..."}.
// Requests are limited to 1 MiB. Unknown names are errors; an empty body leaves T zero.
func JSONHandler[T any](h func(context.Context, *T) (any, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		Decompress(r)
		request := new(T)
		var response any = struct{}{}
		err := readJSON(http.MaxBytesReader(w, r.Body, 1<<20), request)
		if err == nil {
			var result any
			if result, err = h(r.Context(), request); result != nil {
				response = result
			}
		}
		if err != nil {
			WriteJSON(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
			return
		}
		WriteJSON(w, http.StatusOK, response)
	})
}

func readJSON(r io.Reader, v any) error {
	dec := json.NewDecoder(r)
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err == io.EOF {
		return nil
	} else if err != nil {
		return fmt.Errorf("%w; the paths of the simulator and their bodies are in https://pkg.go.dev/github.com/rcshook/rcshook/rbm/rbmtest#hdr-Over_HTTP", err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return errors.New("expected one JSON value")
	}
	return nil
}

// Decompress makes the body of a request readable if it is compressed with gzip, as
// Google's clients for Java and .NET do by default. A limit of the body then applies to
// the decompressed bytes.
func Decompress(r *http.Request) {
	if encoding := strings.ToLower(r.Header.Get("Content-Encoding")); encoding == "gzip" || encoding == "x-gzip" {
		r.Header.Del("Content-Encoding")
		r.ContentLength = -1
		r.Body = &gzipBody{ReadCloser: r.Body}
	}
}

type gzipBody struct {
	io.ReadCloser
	decoder *gzip.Reader
}

func (b *gzipBody) Read(p []byte) (n int, err error) {
	if b.decoder == nil {
		if b.decoder, err = gzip.NewReader(b.ReadCloser); err != nil {
			return 0, err
		}
	}
	return b.decoder.Read(p)
}
