// Package token issues the tokens of Google's accounts in tests: access tokens through
// an OAuth 2.0 token endpoint, and ID tokens.
package token

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/rcshook/rcshook/internal/googletest"
)

// Errors of [Server.Check]. Google's APIs respond to the first two with 401, and to the
// last with 403.
var (
	ErrUnknown = errors.New("token: unknown or revoked access token")
	ErrExpired = errors.New("token: expired access token")
	ErrScope   = errors.New("token: access token lacks a scope")
)

// defaultLifetime is one second less than an hour, as Google's expires_in is.
const defaultLifetime = 3599 * time.Second

// Server is a token endpoint for service accounts. Like
// oauth2.googleapis.com/token, it exchanges a JWT signed with one of its own key files
// for an access token. It may be mounted on any path. The zero value is ready, and may
// be used by several goroutines.
//
// It is strict: the grant type, the RS256 signature, the key ID if there is one, the
// issuer, the audience, the times and the scope must all be right. The audience is the
// token URI of the key, the URL of the request, or one of Google's, which some of its
// libraries name for every key.
//
// Google docs: https://developers.google.com/identity/protocols/oauth2/service-account
type Server struct {
	// Lifetime of new access tokens, in whole seconds. Zero means 3599 seconds. Set it
	// before the first request.
	Lifetime time.Duration

	// Now is the clock; nil means [time.Now]. Set it before the first request.
	Now func() time.Time

	// Outage makes requests fail as the real endpoint does: 400 is an invalid_grant error,
	// any other status an internal_failure.
	googletest.Outage

	mu        sync.Mutex
	keys      map[string]*serviceKey
	generated int // keys
	tokens    map[string]Grant
	requests  int
}

// Grant describes an access token.
type Grant struct {
	// Email is the service account; empty for a token of [Server.Issue].
	Email string

	// KeyID is the key that signed the assertion; empty for a token issued without one.
	KeyID string

	// Scopes are the scopes of the token.
	Scopes []string

	// Expires is the expiry time.
	Expires time.Time
}

// Requests returns the number of token requests, failed ones and those to a metadata
// server included.
func (s *Server) Requests() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests
}

// Issue returns a new access token with the given scopes. It needs no key.
func (s *Server) Issue(scopes ...string) string {
	token, _ := s.issue(Grant{Scopes: scopes})
	return token
}

// Check returns the grant of a token. The error is [ErrUnknown], [ErrExpired], or
// [ErrScope] if the token has none of the given scopes; without scopes, any will do.
// The grant is also returned with the last two errors.
func (s *Server) Check(token string, scopes ...string) (Grant, error) {
	s.mu.Lock()
	grant, ok := s.tokens[token]
	s.mu.Unlock()
	if !ok {
		return Grant{}, ErrUnknown
	}
	grant.Scopes = slices.Clone(grant.Scopes)
	if !s.now().Before(grant.Expires) {
		return grant, ErrExpired
	}
	granted := func(scope string) bool { return slices.Contains(grant.Scopes, scope) }
	if len(scopes) > 0 && !slices.ContainsFunc(scopes, granted) {
		return grant, ErrScope
	}
	return grant, nil
}

// RevokeTokens revokes every access token. Keys stay valid.
func (s *Server) RevokeTokens() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens = nil
}

// RevokeTokensOf revokes the access tokens that were issued for a key.
func (s *Server) RevokeTokensOf(keyID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.tokens, func(_ string, g Grant) bool { return g.KeyID == keyID })
}

// RevokeAll revokes every key and every access token.
func (s *Server) RevokeAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys, s.tokens = nil, nil
}

// ServeHTTP serves a token request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	googletest.Decompress(r)
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "the token endpoint requires POST", http.StatusMethodNotAllowed)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	formErr := r.ParseForm()
	err := &tokenError{http.StatusBadRequest, "invalid_request", "The request body is not a form."}
	if status := s.Next(r.Context()); status == http.StatusBadRequest {
		err = invalidGrant("Invalid JWT Signature.")
	} else if status != 0 {
		err = &tokenError{status, "internal_failure", "Backend Error"}
	} else if formErr == nil {
		var grant Grant
		if grant, err = s.exchange(r); err == nil {
			s.WriteToken(w, grant)
			return
		}
	}
	googletest.WriteJSON(w, err.status, map[string]string{"error": err.code, "error_description": err.description})
}

// Next counts a request and returns the status that it must fail with, or 0.
func (s *Server) Next(ctx context.Context) int {
	s.mu.Lock()
	s.requests++
	s.mu.Unlock()
	return s.Outage.Next(ctx)
}

// WriteToken issues a token and sends it as a response.
func (s *Server) WriteToken(w http.ResponseWriter, grant Grant) {
	token, lifetime := s.issue(grant)
	googletest.WriteJSON(w, http.StatusOK, map[string]any{
		"access_token": token,
		"expires_in":   int64(lifetime / time.Second),
		"token_type":   "Bearer",
	})
}

// googleAudiences are the token URIs of Google that assertions may name.
//
// Google docs: https://developers.google.com/identity/protocols/oauth2/service-account
var googleAudiences = []string{
	"https://oauth2.googleapis.com/token",
	"https://www.googleapis.com/oauth2/v4/token",
	"https://accounts.google.com/o/oauth2/token",
}

// exchange reads a token request and returns the grant it asks for.
func (s *Server) exchange(r *http.Request) (Grant, *tokenError) {
	form := r.PostForm
	invalidRequest := func(description string) (Grant, *tokenError) {
		return Grant{}, &tokenError{http.StatusBadRequest, "invalid_request", description}
	}
	for name, values := range form {
		if len(values) > 1 {
			return invalidRequest("Parameter given more than once: " + name)
		}
	}
	switch grantType := form.Get("grant_type"); grantType {
	case "urn:ietf:params:oauth:grant-type:jwt-bearer":
	case "":
		return invalidRequest("Missing required parameter: grant_type")
	default:
		return Grant{}, &tokenError{http.StatusBadRequest, "unsupported_grant_type", "Invalid grant_type: " + grantType}
	}
	assertion := form.Get("assertion")
	if assertion == "" {
		return invalidRequest("Missing required parameter: assertion")
	}
	return s.verify(assertion, append([]string{"http://" + r.Host + r.URL.Path, "https://" + r.Host + r.URL.Path}, googleAudiences...))
}

func (s *Server) issue(grant Grant) (token string, lifetime time.Duration) {
	lifetime = s.Lifetime
	if lifetime <= 0 {
		lifetime = defaultLifetime
	}
	// To a client, an expires_in of 0 would mean "never".
	lifetime = max(lifetime.Truncate(time.Second), time.Second)
	grant.Scopes = slices.Clone(grant.Scopes)
	grant.Expires = s.now().Add(lifetime)
	token = "ya29.rbmtest-" + rand.Text()

	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tokens == nil {
		s.tokens = make(map[string]Grant)
	}
	// Expired tokens are kept for a day, so that Check can tell expired from unknown.
	maps.DeleteFunc(s.tokens, func(_ string, g Grant) bool {
		return s.now().Sub(g.Expires) > 24*time.Hour
	})
	s.tokens[token] = grant
	return token, lifetime
}

func (s *Server) now() time.Time {
	if s.Now != nil {
		return s.Now()
	}
	return time.Now()
}

// tokenError is an error response of the token endpoint.
type tokenError struct {
	status            int
	code, description string
}

func invalidGrant(format string, args ...any) *tokenError {
	return &tokenError{http.StatusBadRequest, "invalid_grant", fmt.Sprintf(format, args...)}
}
