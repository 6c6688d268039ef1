package rbmtest

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"regexp"
	"strconv"
	"sync"
)

// maxSecretBytes is the largest payload that Secret Manager stores.
//
// Google docs: https://docs.cloud.google.com/secret-manager/quotas
const maxSecretBytes = 64 << 10

// SecretManager is the part of Google Secret Manager that reads: an
// [http.Handler] for GET /v1/projects/*/secrets/*/versions/*:access, which the
// official client's NewRESTClient calls. The zero value is an empty store that
// asks nobody for a token; it may be used by several goroutines.
//
// As with the real service, the version latest is the one created last,
// whatever its state, and resource names in answers hold the number of the
// project, made up from its ID, where the request may have the ID.
//
// Google docs: https://docs.cloud.google.com/secret-manager/docs/reference/rest/v1/projects.secrets.versions/access
type SecretManager struct {
	// Authorize, when set, is asked about the bearer token of each request. An
	// error that is [ErrTokenScope] is answered with 403, any other and a
	// missing token with 401. Set it before the server is used;
	// [TokenServer.Check] is made for it.
	Authorize func(token string) error

	outage outage

	mu      sync.Mutex
	secrets map[string]*secret // by projects/{number}/secrets/{id}
}

type secret struct {
	versions []secretVersion
	denied   bool
	corrupt  bool
	accesses int
}

type secretVersion struct {
	payload []byte
	state   string
}

const (
	stateEnabled   = "ENABLED"
	stateDisabled  = "DISABLED"
	stateDestroyed = "DESTROYED"
)

var secretName = regexp.MustCompile(`^projects/([^/]+)/secrets/([A-Za-z0-9_-]+)(?:/versions/([A-Za-z0-9_-]+))?$`)

// maxSecretID is the most characters that the ID of a secret may have. In the expression
// it would cost every program that links this package milliseconds at its start.
const maxSecretID = 255

// matchSecret returns the project, the secret and the version, if there is one, of a
// resource name, after the name itself; nil if it is none.
func matchSecret(name string) []string {
	match := secretName.FindStringSubmatch(name)
	if match == nil || len(match[2]) > maxSecretID {
		return nil
	}
	return match
}

// AddVersion stores payload as the newest version of a secret, which is created
// when it is new, and returns the name of the version,
// projects/{number}/secrets/{id}/versions/{n}. It panics when secret is not of the
// form projects/*/secrets/* or the payload is above 64 KiB.
func (m *SecretManager) AddVersion(secret string, payload []byte) (name string) {
	if len(payload) > maxSecretBytes {
		panic(fmt.Sprintf("rbmtest: AddVersion: %d bytes, Secret Manager stores %d", len(payload), maxSecretBytes))
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	s, canonical := m.secret("AddVersion", secret)
	s.versions = append(s.versions, secretVersion{bytes.Clone(payload), stateEnabled})
	return canonical + "/versions/" + strconv.Itoa(len(s.versions))
}

// Disable makes a version, given by its full name, unreadable until
// [SecretManager.Enable].
func (m *SecretManager) Disable(version string) { m.setState("Disable", version, stateDisabled) }

// Enable makes a disabled version readable again.
func (m *SecretManager) Enable(version string) { m.setState("Enable", version, stateEnabled) }

// Destroy deletes the payload of a version for good.
func (m *SecretManager) Destroy(version string) { m.setState("Destroy", version, stateDestroyed) }

// Deny takes away the permission to read a secret, whether or not there is one
// of that name.
func (m *SecretManager) Deny(secret string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s, _ := m.secret("Deny", secret)
	s.denied = true
}

// Allow gives the permission back that [SecretManager.Deny] took.
func (m *SecretManager) Allow(secret string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s, _ := m.secret("Allow", secret)
	s.denied = false
}

// Corrupt with true makes answers for a secret carry a checksum that does not
// fit, as if the payload had been damaged on its way.
func (m *SecretManager) Corrupt(secret string, on bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s, _ := m.secret("Corrupt", secret)
	s.corrupt = on
}

// Accesses returns how many requests for a secret have arrived, refused ones
// included.
func (m *SecretManager) Accesses(secret string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	s, _ := m.secret("Accesses", secret)
	return s.accesses
}

// Fail makes the next times requests answer status. A negative number of times
// means until the next call of Fail or Away; zero ends it.
func (m *SecretManager) Fail(status, times int) { m.outage.fail(status, times) }

// Away with true makes every request answer 503 UNAVAILABLE until Away is
// called with false.
func (m *SecretManager) Away(on bool) {
	if on {
		m.outage.fail(503, -1)
		return
	}
	m.outage.fail(0, 0)
}

// Hang with true makes every request wait for its answer until Hang is called
// with false or the caller gives up.
func (m *SecretManager) Hang(on bool) { m.outage.hang(on) }

func (m *SecretManager) setState(method, version, state string) {
	match := matchSecret(version)
	if match == nil || match[3] == "" {
		panic("rbmtest: " + method + ": not the name of a secret version: " + version)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.secrets[canonicalSecret(match)]
	v := s.version(match[3])
	if v == nil || v.state == stateDestroyed {
		panic("rbmtest: " + method + ": no such secret version: " + version)
	}
	v.state = state
	if state == stateDestroyed {
		v.payload = nil
	}
}

// secret returns a secret and its name with the project's number. It makes the
// secret when there is none, without a version: such a one is not found by
// requests. The caller holds m.mu.
func (m *SecretManager) secret(method, name string) (*secret, string) {
	match := matchSecret(name)
	if match == nil || match[3] != "" {
		panic("rbmtest: " + method + ": not of the form projects/*/secrets/*: " + name)
	}
	canonical := canonicalSecret(match)
	s := m.secrets[canonical]
	if s == nil {
		s = new(secret)
		if m.secrets == nil {
			m.secrets = make(map[string]*secret)
		}
		m.secrets[canonical] = s
	}
	return s, canonical
}

// version finds a version by number or as latest; nil when there is none, also
// of a nil secret.
func (s *secret) version(id string) *secretVersion {
	if s == nil {
		return nil
	}
	n := s.number(id)
	if n < 1 || n > len(s.versions) {
		return nil
	}
	return &s.versions[n-1]
}

func (s *secret) number(id string) int {
	if id == "latest" {
		return len(s.versions)
	}
	n, err := strconv.Atoi(id)
	if err != nil {
		return 0
	}
	return n
}

func (s *secret) checksum(payload []byte) int64 {
	sum := int64(crc32.Checksum(payload, crc32.MakeTable(crc32.Castagnoli)))
	if s.corrupt {
		sum ^= 1
	}
	return sum
}

// canonicalSecret is the name of a secret with the number of its project, from
// a match of matchSecret.
func canonicalSecret(match []string) string {
	return "projects/" + projectNumber(match[1]) + "/secrets/" + match[2]
}

// projectNumber is the made-up number of a project; a number stands for itself.
func projectNumber(project string) string {
	if _, err := strconv.ParseUint(project, 10, 64); err == nil {
		return project
	}
	return decimalID("project", project, 12)
}
