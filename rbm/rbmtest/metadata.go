package rbmtest

import (
	"io"
	"net/http"
	"strings"
)

const (
	metadataHeader = "Metadata-Flavor"
	metadataFlavor = "Google"
	metadataPrefix = "/computeMetadata/v1/"
)

// cloudPlatform is the scope of a service account on Cloud Run.
const cloudPlatform = "https://www.googleapis.com/auth/cloud-platform"

// MetadataServer is the metadata server of Google Cloud as far as Application
// Default Credentials use it: an [http.Handler] under /computeMetadata/v1/. A
// process finds it through the environment variable GCE_METADATA_HOST, which holds
// its host and port without a scheme. The zero value is the server of a machine
// without a service account; it may be used by several goroutines.
//
// Google docs: https://docs.cloud.google.com/run/docs/container-contract#metadata-server
type MetadataServer struct {
	// Tokens makes the access tokens, which [TokenServer.Check] then knows. Its
	// faults hold here too. Nil means that there is no service account.
	Tokens *TokenServer

	// ProjectID is the project; empty means "rcshook-test".
	ProjectID string

	// Email is the service account; empty means rcshook-run@PROJECT.iam.gserviceaccount.com.
	Email string

	// Scopes are those of a token that is asked for without naming any; none
	// means cloud-platform alone. As on Cloud Run, any others may be asked for.
	Scopes []string
}

// ServeHTTP answers a metadata request.
func (m *MetadataServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set(metadataHeader, metadataFlavor)
	w.Header().Set("Server", "Metadata Server for VM")
	path, ok := strings.CutPrefix(r.URL.Path, metadataPrefix)
	if !ok {
		if r.URL.Path != "/" {
			http.NotFound(w, r)
			return
		}
		// Libraries probe the root to find out where they run.
		io.WriteString(w, "computeMetadata/\n")
		return
	}
	// Both rules keep a server from being talked into asking on behalf of others.
	if r.Header.Get(metadataHeader) != metadataFlavor || r.Header.Get("X-Forwarded-For") != "" {
		http.Error(w, "Missing required header Metadata-Flavor: Google, or forwarded request.", http.StatusForbidden)
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		http.Error(w, "metadata is read with GET", http.StatusMethodNotAllowed)
		return
	}
	if account, ok := m.accountPath(path); ok {
		m.serveAccount(w, r, account)
		return
	}
	value, ok := m.values()[path]
	if !ok {
		http.NotFound(w, r)
		return
	}
	writeMetadata(w, value)
}

func (m *MetadataServer) values() map[string]string {
	number := projectNumber(m.project())
	return map[string]string{
		"project/project-id":         m.project(),
		"project/numeric-project-id": number,
		"universe/universe-domain":   "googleapis.com",
		"instance/region":            "projects/" + number + "/regions/us-central1",
		"instance/zone":              "projects/" + number + "/zones/us-central1-1",
	}
}

// accountPath returns what is asked about the service account, which has two
// names.
func (m *MetadataServer) accountPath(path string) (string, bool) {
	if m.Tokens == nil {
		return "", false
	}
	path, ok := strings.CutPrefix(path, "instance/service-accounts/")
	if !ok {
		return "", false
	}
	account, rest, _ := strings.Cut(path, "/")
	return rest, account == "default" || account == m.email()
}

func (m *MetadataServer) serveAccount(w http.ResponseWriter, r *http.Request, what string) {
	switch what {
	case "":
		if r.URL.Query().Get("recursive") != "true" {
			writeMetadata(w, "aliases\nemail\nscopes\ntoken\n")
			return
		}
		writeJSON(w, http.StatusOK, map[string]any{
			"aliases": []string{"default"}, "email": m.email(), "scopes": m.scopes(),
		})
	case "aliases":
		writeMetadata(w, "default\n")
	case "email":
		writeMetadata(w, m.email())
	case "scopes":
		writeMetadata(w, strings.Join(m.scopes(), "\n")+"\n")
	case "token":
		m.serveToken(w, r)
	default:
		http.NotFound(w, r)
	}
}

func (m *MetadataServer) serveToken(w http.ResponseWriter, r *http.Request) {
	if status := m.Tokens.arrive(r.Context()); status != 0 {
		http.Error(w, http.StatusText(status), status)
		return
	}
	scopes := m.scopes()
	if asked := r.URL.Query().Get("scopes"); asked != "" {
		scopes = strings.Split(asked, ",")
	}
	token, lifetime := m.Tokens.issue(Grant{Email: m.email(), Scopes: scopes})
	writeToken(w, token, lifetime)
}

func (m *MetadataServer) project() string {
	if m.ProjectID != "" {
		return m.ProjectID
	}
	return "rcshook-test"
}

func (m *MetadataServer) email() string {
	if m.Email != "" {
		return m.Email
	}
	return "rcshook-run@" + m.project() + ".iam.gserviceaccount.com"
}

func (m *MetadataServer) scopes() []string {
	if len(m.Scopes) > 0 {
		return m.Scopes
	}
	return []string{cloudPlatform}
}

func writeMetadata(w http.ResponseWriter, value string) {
	w.Header().Set("Content-Type", "application/text")
	io.WriteString(w, value)
}
