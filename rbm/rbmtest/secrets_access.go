package rbmtest

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// ServeHTTP answers an access request.
func (m *SecretManager) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	match := accessTarget(r.URL.Path)
	if match == nil {
		// Paths outside the API get a page for people, not the API's envelope.
		http.NotFound(w, r)
		return
	}
	if r.Method != http.MethodGet {
		w.Header().Set("Allow", http.MethodGet)
		http.Error(w, "access takes GET", http.StatusMethodNotAllowed)
		return
	}
	m.countAccess(match)
	if status := m.outage.next(r.Context()); status != 0 {
		secretOutage(status).write(w)
		return
	}
	if refusal := m.authorize(r); refusal != nil {
		refusal.write(w)
		return
	}
	body, refusal := m.access(match)
	if refusal != nil {
		refusal.write(w)
		return
	}
	writeJSON(w, http.StatusOK, body)
}

// accessTarget returns the match of matchSecret in the path of an access request.
func accessTarget(path string) []string {
	name, ok := strings.CutPrefix(path, "/v1/")
	if !ok {
		return nil
	}
	name, ok = strings.CutSuffix(name, ":access")
	if !ok {
		return nil
	}
	match := matchSecret(name)
	if match == nil || match[3] == "" {
		return nil
	}
	return match
}

func (m *SecretManager) countAccess(match []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s, _ := m.secret("access", "projects/"+match[1]+"/secrets/"+match[2])
	s.accesses++
}

func (m *SecretManager) authorize(r *http.Request) *secretRefusal {
	if m.Authorize == nil {
		return nil
	}
	token := bearer(r)
	if token == "" {
		return &secretRefusal{
			status:  http.StatusUnauthorized,
			message: "Request is missing required authentication credential. Expected OAuth 2 access token, login cookie or other valid authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project.",
		}
	}
	err := m.Authorize(token)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrTokenScope):
		return &secretRefusal{
			status:  http.StatusForbidden,
			message: "Request had insufficient authentication scopes.",
			details: []any{map[string]any{
				"@type":  "type.googleapis.com/google.rpc.ErrorInfo",
				"reason": "ACCESS_TOKEN_SCOPE_INSUFFICIENT",
				"domain": "googleapis.com",
				"metadata": map[string]string{
					"service": "secretmanager.googleapis.com",
					"method":  "google.cloud.secretmanager.v1.SecretManagerService.AccessSecretVersion",
				},
			}},
		}
	default:
		return &secretRefusal{
			status:  http.StatusUnauthorized,
			message: "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project.",
		}
	}
}

// secretAccess is the answer to an access request.
type secretAccess struct {
	Name    string        `json:"name"`
	Payload secretPayload `json:"payload"`
}

// secretPayload leaves out empty data, as the JSON form of protocol buffers does.
type secretPayload struct {
	Data   string `json:"data,omitempty"`
	CRC32C string `json:"dataCrc32c"`
}

func (m *SecretManager) access(match []string) (*secretAccess, *secretRefusal) {
	m.mu.Lock()
	defer m.mu.Unlock()
	name := canonicalSecret(match)
	s := m.secrets[name]
	if s.denied {
		return nil, &secretRefusal{
			status: http.StatusForbidden,
			message: fmt.Sprintf("Permission 'secretmanager.versions.access' denied for resource 'projects/%s/secrets/%s/versions/%s' (or it may not exist).",
				match[1], match[2], match[3]),
		}
	}
	if len(s.versions) == 0 {
		return nil, &secretRefusal{
			status:  http.StatusNotFound,
			message: fmt.Sprintf("Secret [%s] not found or has no versions.", name),
		}
	}
	v := s.version(match[3])
	if v == nil {
		return nil, &secretRefusal{
			status:  http.StatusNotFound,
			message: fmt.Sprintf("Secret Version [%s/versions/%s] not found.", name, match[3]),
		}
	}
	name += "/versions/" + strconv.Itoa(s.number(match[3]))
	if v.state != stateEnabled {
		return nil, &secretRefusal{
			status:  http.StatusBadRequest,
			word:    "FAILED_PRECONDITION",
			message: fmt.Sprintf("Secret Version [%s] is in %s state.", name, v.state),
		}
	}
	return &secretAccess{name, secretPayload{
		Data:   base64.StdEncoding.EncodeToString(v.payload),
		CRC32C: strconv.FormatInt(s.checksum(v.payload), 10),
	}}, nil
}

// secretRefusal is an error answer in the envelope of Google's APIs.
type secretRefusal struct {
	status  int
	word    string // the status word where the HTTP status does not decide it
	message string
	details []any
}

func secretOutage(status int) *secretRefusal {
	message := "Internal error encountered."
	switch status {
	case http.StatusServiceUnavailable:
		message = "The service is currently unavailable."
	case http.StatusTooManyRequests:
		message = "Quota exceeded for quota metric 'Access requests' and limit 'Access requests per minute' of service 'secretmanager.googleapis.com'."
	}
	return &secretRefusal{status: status, message: message}
}

// secretStatusWords are the words that go with an HTTP status.
var secretStatusWords = map[int]string{
	http.StatusBadRequest:         "INVALID_ARGUMENT",
	http.StatusUnauthorized:       "UNAUTHENTICATED",
	http.StatusForbidden:          "PERMISSION_DENIED",
	http.StatusNotFound:           "NOT_FOUND",
	http.StatusTooManyRequests:    "RESOURCE_EXHAUSTED",
	http.StatusNotImplemented:     "UNIMPLEMENTED",
	http.StatusServiceUnavailable: "UNAVAILABLE",
	http.StatusGatewayTimeout:     "DEADLINE_EXCEEDED",
}

func (e *secretRefusal) write(w http.ResponseWriter) {
	word := e.word
	if word == "" {
		word = secretStatusWords[e.status]
	}
	if word == "" {
		word = "INTERNAL"
	}
	inner := map[string]any{"code": e.status, "message": e.message, "status": word}
	if e.details != nil {
		inner["details"] = e.details
	}
	if e.status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Bearer realm="https://accounts.google.com/", error="invalid_token"`)
	}
	writeJSON(w, e.status, map[string]any{"error": inner})
}
