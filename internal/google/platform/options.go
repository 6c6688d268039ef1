// Package platform calls Google Cloud as the account that the function runs as, that
// is with Application Default Credentials. It reads secrets, and carries requests to
// other APIs.
package platform

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/rcshook/rcshook/internal/google"
)

// Timeouts of one fetch, with its retry.
const (
	TokenTimeout  = 5 * time.Second
	SecretTimeout = 3 * time.Second
)

// Options configure a [Client]. Now, Background and Log are required.
type Options struct {
	// Transport carries all requests except those to the metadata server; nil means
	// [http.DefaultTransport].
	Transport http.RoundTripper

	// Now returns the wall clock time, without a monotonic reading.
	Now func() time.Time

	// Background runs the renewals of the token.
	Background *google.Background

	// Log gets a warning when the token cannot be renewed.
	Log *slog.Logger

	// Credentials are Application Default Credentials as JSON. Nil means that they are
	// found in the environment.
	Credentials []byte

	// Scope is the OAuth scope of the token; empty means cloud-platform.
	Scope string

	// SecretManager is a base URL to use instead of Google's; may be empty.
	SecretManager string
}
