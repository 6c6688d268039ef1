// Package secrets is a stand-in for Google Secret Manager.
package secrets

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/rcshook/rcshook/internal/googletest"
	"github.com/rcshook/rcshook/internal/googletest/token"
)

// MaxBytes is the largest payload of a secret.
//
// Google docs: https://docs.cloud.google.com/secret-manager/quotas
const MaxBytes = 64 << 10

// Server serves GET /v1/projects/*/secrets/*/versions/*:access, which the official
// client's NewRESTClient calls, POST /v1/projects/*/secrets and
// POST /v1/projects/*/secrets/*:addVersion. The zero value is an empty store that needs no
// token. Its methods may be called from several goroutines.
//
// As in the real service, the version latest is the one created last, whatever its
// state. Resource names in responses hold the number of the project, invented from its
// ID, where the request may have the ID.
//
// Google docs: https://docs.cloud.google.com/secret-manager/docs/reference/rest/v1/projects.secrets.versions/access
type Server struct {
	// Authorize, if set, checks the bearer token of each request. [token.ErrScope]
	// becomes a 403 response; any other error or a missing token becomes 401. Set it
	// before the first request; [token.Server.Check] fits.
	Authorize func(token string) error

	googletest.Outage

	mu      sync.Mutex
	secrets map[string]*secret // by projects/{number}/secrets/{id}
}

type secret struct {
	created  bool // without a version
	versions []version
	denied   bool
	corrupt  bool
	accesses int
}

type version struct {
	payload []byte
	state   string // ENABLED, DISABLED or DESTROYED
}

var secretName = regexp.MustCompile(`^projects/([^/]+)/secrets/([A-Za-z0-9_-]+)(?:/versions/([A-Za-z0-9_-]+))?$`)

// maxID is the longest secret ID. A limit in the expression would take every program
// that links this package milliseconds at its start.
const maxID = 255

// parse splits a resource name into project, secret and version, which may be empty.
func parse(name string) (project, id, version string, ok bool) {
	m := secretName.FindStringSubmatch(name)
	if m == nil || len(m[2]) > maxID {
		return "", "", "", false
	}
	return m[1], m[2], m[3], true
}

// ValidName reports whether name has the form projects/*/secrets/*.
func ValidName(name string) bool {
	_, _, version, ok := parse(name)
	return ok && version == ""
}

// AddVersion stores payload as the newest version of a secret and returns the name of
// the version, projects/{number}/secrets/{id}/versions/{n}. It creates the secret if
// needed. It panics if the name is invalid or the payload exceeds [MaxBytes].
func (s *Server) AddVersion(name string, payload []byte) (versionName string) {
	if len(payload) > MaxBytes {
		panic(fmt.Sprintf("secrets: AddVersion: %d bytes exceed the limit of %d", len(payload), MaxBytes))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	sec, canonical := s.secret(name)
	sec.versions = append(sec.versions, version{bytes.Clone(payload), "ENABLED"})
	return canonical + "/versions/" + strconv.Itoa(len(sec.versions))
}

// Disable makes a version, given by its full name, unreadable until
// [Server.Enable].
func (s *Server) Disable(version string) { s.setState(version, "DISABLED") }

// Enable makes a disabled version readable again.
func (s *Server) Enable(version string) { s.setState(version, "ENABLED") }

// Destroy deletes the payload of a version for good.
func (s *Server) Destroy(version string) { s.setState(version, "DESTROYED") }

// Deny revokes the permission to read a secret, which need not exist.
func (s *Server) Deny(name string) { s.change(name, func(sec *secret) { sec.denied = true }) }

// Allow grants the permission again that [Server.Deny] revoked.
func (s *Server) Allow(name string) { s.change(name, func(sec *secret) { sec.denied = false }) }

// Corrupt with true makes responses for a secret carry a wrong checksum, as if the
// payload had been damaged in transit.
func (s *Server) Corrupt(name string, on bool) {
	s.change(name, func(sec *secret) { sec.corrupt = on })
}

// Accesses returns the number of requests for a secret, failed ones included.
func (s *Server) Accesses(name string) (n int) {
	s.change(name, func(sec *secret) { n = sec.accesses })
	return n
}

func (s *Server) change(name string, f func(*secret)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sec, _ := s.secret(name)
	f(sec)
}

// Away with true makes every request fail with 503 UNAVAILABLE until Away is called
// with false.
func (s *Server) Away(on bool) {
	if on {
		s.Fail(http.StatusServiceUnavailable, -1)
		return
	}
	s.Fail(0, 0)
}

// Info describes a secret without its value.
type Info struct {
	Name     string `json:"name"`
	Versions int    `json:"versions"`
	Accesses int    `json:"accesses"`
}

// List returns all secrets, sorted by name.
func (s *Server) List() []Info {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := []Info{}
	for _, name := range slices.Sorted(maps.Keys(s.secrets)) {
		sec := s.secrets[name]
		list = append(list, Info{name, len(sec.versions), sec.accesses})
	}
	return list
}

func (s *Server) setState(name, state string) {
	project, id, n, ok := parse(name)
	if !ok || n == "" {
		panic("secrets: invalid secret version name " + name)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	_, v := s.secrets[canonical(project, id)].version(n)
	if v == nil || v.state == "DESTROYED" {
		panic("secrets: unknown secret version " + name)
	}
	v.state = state
	if state == "DESTROYED" {
		v.payload = nil
	}
}

// secret returns a secret and its name with the project's number. It creates missing
// secrets without a version, which requests do not find. s.mu must be held.
func (s *Server) secret(name string) (*secret, string) {
	project, id, version, ok := parse(name)
	if !ok || version != "" {
		panic("secrets: expected projects/*/secrets/*, got " + name)
	}
	key := canonical(project, id)
	sec := s.secrets[key]
	if sec == nil {
		sec = new(secret)
		if s.secrets == nil {
			s.secrets = make(map[string]*secret)
		}
		s.secrets[key] = sec
	}
	return sec, key
}

func canonical(project, id string) string {
	return "projects/" + googletest.ProjectNumber(project) + "/secrets/" + id
}

// version finds a version by its number or as latest. It returns nil if the version or
// the secret is missing.
func (s *secret) version(id string) (int, *version) {
	if s == nil {
		return 0, nil
	}
	n := len(s.versions)
	if id != "latest" {
		var err error
		if n, err = strconv.Atoi(id); err != nil {
			return 0, nil
		}
	}
	if n < 1 || n > len(s.versions) {
		return 0, nil
	}
	return n, &s.versions[n-1]
}

// ServeHTTP serves a request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	googletest.Decompress(r)
	name, isV1 := strings.CutPrefix(r.URL.Path, "/v1/")
	name, action, _ := strings.Cut(name, ":")
	if action == "" {
		name += "/" + r.URL.Query().Get("secretId")
	}
	project, id, n, ok := parse(name)
	if !isV1 || !ok || (n != "") != (action == "access") || action != "access" && action != "addVersion" && action != "" {
		http.NotFound(w, r)
		return
	}
	method := http.MethodPost
	if action == "access" {
		method = http.MethodGet
	}
	if r.Method != method {
		w.Header().Set("Allow", method)
		http.Error(w, "the method requires "+method, http.StatusMethodNotAllowed)
		return
	}
	s.change("projects/"+project+"/secrets/"+id, func(sec *secret) { sec.accesses++ })
	if status := s.Next(r.Context()); status != 0 {
		message := "Internal error encountered."
		switch status {
		case http.StatusServiceUnavailable:
			message = "The service is currently unavailable."
		case http.StatusTooManyRequests:
			message = "Quota exceeded for quota metric 'Access requests' and limit 'Access requests per minute' of service 'secretmanager.googleapis.com'."
		}
		(&googletest.Error{Code: status, Message: message}).Write(w)
		return
	}
	if err := s.authorize(r); err != nil {
		err.Write(w)
		return
	}
	if action == "access" {
		s.access(w, project, id, n)
		return
	}
	var body struct {
		Replication map[string]any
		Payload     struct{ Data []byte }
	}
	if json.NewDecoder(http.MaxBytesReader(w, r.Body, 2*MaxBytes)).Decode(&body) != nil || (action == "") != (body.Replication != nil) || len(body.Payload.Data) > MaxBytes {
		(&googletest.Error{Code: http.StatusBadRequest, Message: "Request contains an invalid argument."}).Write(w)
		return
	}
	s.write(w, project, id, action, body.Payload.Data)
}

// write creates a secret, or a version with a payload.
func (s *Server) write(w http.ResponseWriter, project, id, action string, payload []byte) {
	name := "projects/" + project + "/secrets/" + id
	var exists, denied bool
	s.change(name, func(sec *secret) {
		denied, exists = sec.denied, sec.created || len(sec.versions) > 0
		sec.created = sec.created || !denied && action == ""
	})
	switch {
	case denied:
		(&googletest.Error{Code: http.StatusForbidden, Message: "Permission denied for resource '" + name + "' (or it may not exist)."}).Write(w)
	case exists && action == "":
		(&googletest.Error{Code: http.StatusConflict, Message: "Secret [" + canonical(project, id) + "] already exists."}).Write(w)
	case action == "":
		googletest.WriteJSON(w, http.StatusOK, map[string]any{"name": canonical(project, id)})
	case !exists:
		(&googletest.Error{Code: http.StatusNotFound, Message: "Secret [" + canonical(project, id) + "] not found."}).Write(w)
	default:
		googletest.WriteJSON(w, http.StatusOK, map[string]any{"name": s.AddVersion(name, payload), "state": "ENABLED"})
	}
}

func (s *Server) authorize(r *http.Request) *googletest.Error {
	if s.Authorize == nil {
		return nil
	}
	bearer := googletest.BearerToken(r)
	if bearer == "" {
		return &googletest.Error{Code: http.StatusUnauthorized, Message: googletest.MissingToken}
	}
	switch err := s.Authorize(bearer); {
	case err == nil:
		return nil
	case errors.Is(err, token.ErrScope):
		return googletest.InsufficientScope("secretmanager.googleapis.com", "google.cloud.secretmanager.v1.SecretManagerService.AccessSecretVersion")
	default:
		return &googletest.Error{Code: http.StatusUnauthorized, Message: googletest.InvalidToken}
	}
}

// access sends the payload of a version.
func (s *Server) access(w http.ResponseWriter, project, id, versionID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	name := canonical(project, id)
	sec := s.secrets[name]
	n, v := sec.version(versionID)
	failed := func(code int, status, format string, args ...any) {
		(&googletest.Error{Code: code, Status: status, Message: fmt.Sprintf(format, args...)}).Write(w)
	}
	switch {
	case sec.denied:
		failed(http.StatusForbidden, "", "Permission 'secretmanager.versions.access' denied for resource 'projects/%s/secrets/%s/versions/%s' (or it may not exist).", project, id, versionID)
		return
	case len(sec.versions) == 0:
		failed(http.StatusNotFound, "", "Secret [%s] not found or has no versions.", name)
		return
	case v == nil:
		failed(http.StatusNotFound, "", "Secret Version [%s/versions/%s] not found.", name, versionID)
		return
	case v.state != "ENABLED":
		failed(http.StatusBadRequest, "FAILED_PRECONDITION", "Secret Version [%s/versions/%d] is in %s state.", name, n, v.state)
		return
	}
	sum := int64(crc32.Checksum(v.payload, crc32.MakeTable(crc32.Castagnoli)))
	if sec.corrupt {
		sum ^= 1
	}
	payload := map[string]string{"dataCrc32c": strconv.FormatInt(sum, 10)}
	if len(v.payload) > 0 { // protocol buffers leave out empty fields
		payload["data"] = base64.StdEncoding.EncodeToString(v.payload)
	}
	googletest.WriteJSON(w, http.StatusOK, map[string]any{"name": name + "/versions/" + strconv.Itoa(n), "payload": payload})
}
