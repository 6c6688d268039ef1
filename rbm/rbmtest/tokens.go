package rbmtest

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// What [TokenServer.Check] finds wrong with an access token.
var (
	// ErrTokenUnknown means that the server never gave out this token, or has
	// revoked it. Google's APIs answer 401.
	ErrTokenUnknown = errors.New("rbmtest: unknown access token")

	// ErrTokenExpired means that the token's lifetime is over. Google's APIs
	// answer 401.
	ErrTokenExpired = errors.New("rbmtest: access token has expired")

	// ErrTokenScope means that the token is good but lacks a scope. Google's
	// APIs answer 403.
	ErrTokenScope = errors.New("rbmtest: access token lacks a scope")
)

// defaultTokenLifetime is an hour less the second that Google leaves out.
const defaultTokenLifetime = 3599 * time.Second

// TokenServer is an OAuth 2.0 token endpoint for service accounts: an
// [http.Handler], on whatever path it is mounted, that trades a JWT signed with
// one of its own key files for an access token, as oauth2.googleapis.com/token
// does. The zero value is ready; it may be used by several goroutines.
//
// It is strict: the grant type, the RS256 signature, the key ID if there is one, the
// issuer, the audience, the times and the scope must all be right.
//
// Google docs: https://developers.google.com/identity/protocols/oauth2/service-account
type TokenServer struct {
	// Lifetime of the access tokens given from now on, in whole seconds. Zero
	// means 3599 seconds. Set it before the server is used.
	Lifetime time.Duration

	// Now is the clock; nil means [time.Now]. Set it before the server is used.
	Now func() time.Time

	outage outage

	mu       sync.Mutex
	keys     map[string]*serviceKey
	tokens   map[string]Grant
	requests int
}

// Grant is what an access token stands for.
type Grant struct {
	// Email is the service account; empty for a token made by
	// [TokenServer.Issue].
	Email string

	// KeyID is the key that signed the assertion; empty for a token that was
	// not asked for with a key.
	KeyID string

	// Scopes are what the token may be used for.
	Scopes []string

	// Expires is when the token ends.
	Expires time.Time
}

// Fail makes the next times requests answer status, in the manner of the real
// endpoint: 400 says invalid_grant, anything else internal_failure. A negative
// number of times means until the next call of Fail; zero ends it.
func (s *TokenServer) Fail(status, times int) { s.outage.fail(status, times) }

// Hang with true makes every request wait for its answer until Hang is called
// with false or the caller gives up.
func (s *TokenServer) Hang(on bool) { s.outage.hang(on) }

// Requests returns how many token requests have arrived, refused ones and those
// of a [MetadataServer] included.
func (s *TokenServer) Requests() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests
}

// Issue makes an access token with the given scopes, without a key.
func (s *TokenServer) Issue(scopes ...string) string {
	token, _ := s.issue(Grant{Scopes: scopes})
	return token
}

// Check tells what a token stands for. The error is [ErrTokenUnknown],
// [ErrTokenExpired], or [ErrTokenScope] when the token has none of the scopes
// named; with no scopes named, any will do. The grant comes along with the last
// two.
func (s *TokenServer) Check(token string, scopes ...string) (Grant, error) {
	s.mu.Lock()
	grant, ok := s.tokens[token]
	s.mu.Unlock()
	if !ok {
		return Grant{}, ErrTokenUnknown
	}
	grant.Scopes = slices.Clone(grant.Scopes)
	if !s.now().Before(grant.Expires) {
		return grant, ErrTokenExpired
	}
	granted := func(scope string) bool { return slices.Contains(grant.Scopes, scope) }
	if len(scopes) > 0 && !slices.ContainsFunc(scopes, granted) {
		return grant, ErrTokenScope
	}
	return grant, nil
}

// RevokeTokens makes every token given so far unknown. Keys stay good.
func (s *TokenServer) RevokeTokens() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens = nil
}

// RevokeAll makes every key and every token given so far unknown.
func (s *TokenServer) RevokeAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys, s.tokens = nil, nil
}

// ServeHTTP answers a token request.
func (s *TokenServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "the token endpoint takes POST", http.StatusMethodNotAllowed)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	formErr := r.ParseForm()

	if status := s.arrive(r.Context()); status != 0 {
		outageRefusal(status).write(w)
		return
	}
	if formErr != nil {
		refuse("invalid_request", "The request body is not a form.").write(w)
		return
	}

	grant, refusal := s.trade(r.PostForm)
	if refusal != nil {
		refusal.write(w)
		return
	}
	token, lifetime := s.issue(grant)
	writeToken(w, token, lifetime)
}

// arrive counts a request and returns the status that it must fail with, or 0.
func (s *TokenServer) arrive(ctx context.Context) int {
	s.mu.Lock()
	s.requests++
	s.mu.Unlock()
	return s.outage.next(ctx)
}

// trade reads a token request. It returns either the grant asked for or why
// there is none.
func (s *TokenServer) trade(form url.Values) (Grant, *tokenRefusal) {
	for name, values := range form {
		if len(values) > 1 {
			return Grant{}, refuse("invalid_request", "Parameter given more than once: "+name)
		}
	}
	const jwtBearer = "urn:ietf:params:oauth:grant-type:jwt-bearer"
	switch grantType := form.Get("grant_type"); grantType {
	case jwtBearer:
	case "":
		return Grant{}, refuse("invalid_request", "Missing required parameter: grant_type")
	default:
		return Grant{}, refuse("unsupported_grant_type", "Invalid grant_type: "+grantType)
	}
	assertion := form.Get("assertion")
	if assertion == "" {
		return Grant{}, refuse("invalid_request", "Missing required parameter: assertion")
	}
	return s.verify(assertion)
}

func (s *TokenServer) issue(grant Grant) (token string, lifetime time.Duration) {
	lifetime = s.Lifetime
	if lifetime <= 0 {
		lifetime = defaultTokenLifetime
	}
	// An expires_in of 0 would mean "never" to a client.
	lifetime = max(lifetime.Truncate(time.Second), time.Second)
	grant.Scopes = slices.Clone(grant.Scopes)
	grant.Expires = s.now().Add(lifetime)
	token = "ya29.rbmtest-" + rand.Text()

	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tokens == nil {
		s.tokens = make(map[string]Grant)
	}
	// Kept for a while past their end, so that Check can tell expired from unknown.
	maps.DeleteFunc(s.tokens, func(_ string, g Grant) bool {
		return s.now().Sub(g.Expires) > 24*time.Hour
	})
	s.tokens[token] = grant
	return token, lifetime
}

func (s *TokenServer) now() time.Time {
	if s.Now != nil {
		return s.Now()
	}
	return time.Now()
}

// tokenRefusal is an error answer of the token endpoint.
type tokenRefusal struct {
	status            int
	code, description string
}

func refuse(code, description string) *tokenRefusal {
	return &tokenRefusal{http.StatusBadRequest, code, description}
}

func refuseGrant(format string, args ...any) *tokenRefusal {
	return refuse("invalid_grant", fmt.Sprintf(format, args...))
}

func outageRefusal(status int) *tokenRefusal {
	if status == http.StatusBadRequest {
		return refuseGrant("Invalid JWT Signature.")
	}
	return &tokenRefusal{status, "internal_failure", "Backend Error"}
}

func (e *tokenRefusal) write(w http.ResponseWriter) {
	writeJSON(w, e.status, map[string]string{"error": e.code, "error_description": e.description})
}

func writeToken(w http.ResponseWriter, token string, lifetime time.Duration) {
	writeJSON(w, http.StatusOK, map[string]any{
		"access_token": token,
		"expires_in":   int64(lifetime / time.Second),
		"token_type":   "Bearer",
	})
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	// A client that has gone is no concern of the server's.
	_ = enc.Encode(body)
}

// bearer returns the token of an Authorization header, or "".
func bearer(r *http.Request) string {
	scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}
