// Package google holds the types that the packages calling Google Cloud share: the
// errors of secrets, tokens and APIs, and a cache of values that expire. It does
// not import Google's client libraries; those are in package platform.
package google

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
)

// Sentinels for [errors.Is].
var (
	// ErrSecretNotFound, ErrSecretDenied, ErrSecretInvalid and
	// ErrSecretUnavailable are the kinds of [SecretError].
	ErrSecretNotFound    = errors.New("google: secret not found")
	ErrSecretDenied      = errors.New("google: access to the secret denied")
	ErrSecretInvalid     = errors.New("google: secret invalid")
	ErrSecretUnavailable = errors.New("google: Secret Manager unavailable")

	// ErrTokenUnavailable means that fetching an access token failed for a
	// transient reason: the token endpoint is unreachable, overloaded or too slow.
	ErrTokenUnavailable = errors.New("google: token endpoint unavailable")

	// ErrWaiting means that a request ended while it waited for a secret or a
	// token. Such an error also wraps the error of the request's context.
	ErrWaiting = errors.New("google: secret or token not fetched yet")

	// ErrClosed means that a value was requested after [Background.Close].
	ErrClosed = errors.New("google: closed")
)

// Kind classifies a [SecretError].
type Kind int

// The kinds, each with its sentinel.
const (
	NotFound    Kind = iota + 1 // the secret does not exist: ErrSecretNotFound
	Denied                      // access is denied: ErrSecretDenied
	Invalid                     // the content is unusable: ErrSecretInvalid
	Unavailable                 // Secret Manager failed: ErrSecretUnavailable
)

var kinds = map[Kind]struct {
	word     string
	sentinel error
}{
	NotFound:    {"not found", ErrSecretNotFound},
	Denied:      {"denied", ErrSecretDenied},
	Invalid:     {"invalid", ErrSecretInvalid},
	Unavailable: {"unavailable", ErrSecretUnavailable},
}

// String returns the kind in words.
func (k Kind) String() string { return kinds[k].word }

// Content is the expected content of a secret.
type Content int

// The kinds of content.
const (
	AnyValue Content = iota
	AgentID
	Key // the JSON key file of a service account

	// DefaultCredentials are Application Default Credentials, which do not come
	// from Secret Manager but are needed to read it.
	DefaultCredentials
)

// SecretError reports why a secret, or the credentials in it, cannot be used. It
// contains no secret values.
type SecretError struct {
	Kind Kind

	// Reason is one of these words:
	//
	//	not_found                                    NotFound
	//	permission_denied, api_disabled, scope,
	//	unauthenticated                              Denied, by Secret Manager
	//	no_adc, bad_adc, invalid_grant, ...          Denied, DefaultCredentials
	//	version_disabled, version_destroyed,
	//	bad_name, empty, not_text                    Invalid
	//	not_agent_id                                 Invalid, an AgentID
	//	not_json, wrong_key_type, missing_field,
	//	bad_private_key, bad_token_uri               Invalid, a Key
	//	invalid_grant, invalid_scope, ..., no_adc    Invalid, by the token endpoint
	//	unavailable, rate_limited, timeout,
	//	unreachable, checksum, adc_unavailable       Unavailable
	Reason string

	// Content is the expected content. DefaultCredentials means that the error
	// is about the credentials with which the secret is read.
	Content Content

	// Resource is the name of the secret version, or "" if the value is in the
	// configuration or Application Default Credentials are used directly.
	Resource string

	// Version is the number of that version, if Secret Manager reported it.
	Version string

	// Err is the cause; it may be nil.
	Err error
}

func (e *SecretError) Error() string {
	var b strings.Builder
	if e.Resource != "" {
		b.WriteString(e.Resource + ": ")
	}
	fmt.Fprintf(&b, "%v: %s", e.Kind, e.Reason)
	if e.Err != nil {
		fmt.Fprintf(&b, ": %v", e.Err)
	}
	return b.String()
}

// Is reports whether target is the sentinel of e's kind.
func (e *SecretError) Is(target error) bool { return target == kinds[e.Kind].sentinel }

// Unwrap returns e.Err.
func (e *SecretError) Unwrap() error { return e.Err }

// IsPlatform reports whether the cause is not the secret itself: Secret Manager is
// unavailable or not enabled, or it rejects the credentials used to read.
func (e *SecretError) IsPlatform() bool {
	return e.Kind == Unavailable || e.Kind == Denied && e.Reason != "permission_denied"
}

// TokenError reports that the token endpoint rejected the request permanently, or that
// no credentials exist.
type TokenError struct {
	Code   string // such as invalid_grant
	Status int    // of the HTTP response; 0 if there was none
}

func (e *TokenError) Error() string {
	if e.Status == 0 {
		return "no credentials: " + e.Code
	}
	return fmt.Sprintf("token endpoint: HTTP %d %s", e.Status, e.Code)
}

// PanicError is a recovered panic.
type PanicError struct{ text string }

func (e *PanicError) Error() string { return "bug: " + e.text }

// CatchPanic calls f and turns a panic into a [*PanicError], without the panic's value:
// that may contain a secret. It is for goroutines in which a panic would end the
// process together with all other requests.
func CatchPanic[T any](f func() (T, error)) (value T, err error) {
	defer func() {
		switch v := recover().(type) {
		case nil:
		case runtime.Error:
			err = &PanicError{v.Error()}
		default:
			err = &PanicError{fmt.Sprintf("panic with a %T", v)}
		}
	}()
	return f()
}

// waitError reports that a request ended before the fetch that it waited for.
type waitError struct{ err error }

// WaitError returns the error of a request that ended while it waited for a secret or
// a token. It matches [ErrWaiting] and the error of ctx.
func WaitError(ctx context.Context) error { return &waitError{ctx.Err()} }

// Is reports whether target is [ErrWaiting].
func (e *waitError) Is(target error) bool { return target == ErrWaiting }

func (e *waitError) Error() string { return "waiting for a secret or a token: " + e.err.Error() }
func (e *waitError) Unwrap() error { return e.err }
