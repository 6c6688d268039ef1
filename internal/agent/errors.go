package agent

import (
	"errors"
	"fmt"
	"strings"
)

// Sentinels for [errors.Is].
var (
	// ErrUnknownAgent means that no agent of that name is configured.
	ErrUnknownAgent = errors.New("agent: no agent of that name is configured")

	// ErrSecretNotFound, ErrSecretDenied, ErrSecretInvalid and
	// ErrSecretUnavailable are the kinds of [SecretError].
	ErrSecretNotFound    = errors.New("agent: secret not found")
	ErrSecretDenied      = errors.New("agent: secret may not be read")
	ErrSecretInvalid     = errors.New("agent: secret cannot be used")
	ErrSecretUnavailable = errors.New("agent: secret manager unavailable")

	// ErrTokenUnavailable means that no access token could be had for a reason
	// that may pass: the token endpoint is away or too slow.
	ErrTokenUnavailable = errors.New("agent: token endpoint unavailable")
)

var errClosed = errors.New("agent: closed")

// Kind is what is the matter with a secret.
type Kind int

// The kinds, each with its sentinel.
const (
	NotFound    Kind = iota + 1 // there is none: ErrSecretNotFound
	Denied                      // we may not read it: ErrSecretDenied
	Invalid                     // it does not hold what it should: ErrSecretInvalid
	Unavailable                 // Secret Manager does not answer: ErrSecretUnavailable
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

// SecretError says why a secret, or the credentials in it, cannot be used. Nothing
// in it is secret.
type SecretError struct {
	Kind Kind

	// Reason is one word for programs:
	//
	//	not_found                                    NotFound
	//	permission_denied, api_disabled, scope,
	//	unauthenticated                              Denied, by Secret Manager
	//	no_adc, bad_adc, invalid_grant, ...          Denied, our own credentials
	//	version_disabled, version_destroyed,
	//	bad_name, empty                              Invalid
	//	not_agent_id                                 Invalid, of an agent ID
	//	not_json, wrong_key_type, missing_field,
	//	bad_private_key, bad_token_uri               Invalid, of credentials
	//	invalid_grant, invalid_scope, ..., no_adc    Invalid, by the token endpoint
	//	unavailable, rate_limited, timeout,
	//	unreachable, checksum, adc_unavailable       Unavailable
	Reason string

	// Resource is the name of the secret version, or "" when the value stands
	// in the configuration or Application Default Credentials are meant.
	Resource string

	// Version is the number of that version, where Secret Manager names it.
	Version string

	// Action is what to do next, for people, with the command where there is one.
	Action string

	// Err tells more; it may be nil.
	Err error
}

func (e *SecretError) Error() string {
	var b strings.Builder
	b.WriteString("agent: ")
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

// bugError is a panic.
type bugError struct{ text string }

func (e *bugError) Error() string { return "agent: bug: " + e.text }

// ErrWaiting means that a request ended while its secrets or its token were still
// being fetched. Such an error is also that of the request's context.
var ErrWaiting = errors.New("agent: secrets or token not there yet")

// waitError is how waiting for a fetch ends when the request ends first.
type waitError struct{ err error }

// Is reports whether target is [ErrWaiting].
func (e *waitError) Is(target error) bool { return target == ErrWaiting }

func (e *waitError) Error() string { return "agent: wait for secrets or a token: " + e.err.Error() }
func (e *waitError) Unwrap() error { return e.err }
