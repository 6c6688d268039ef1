// Package metadata is a stand-in for the metadata server of Google Cloud.
package metadata

import (
	"cmp"
	"io"
	"net/http"
	"strings"

	"github.com/rcshook/rcshook/internal/googletest"
	"github.com/rcshook/rcshook/internal/googletest/token"
)

// Every request to the metadata server has this header and value, and so has every
// response.
const (
	Header = "Metadata-Flavor"
	Flavor = "Google"
)

// Server serves the paths under /computeMetadata/v1/ that Application Default
// Credentials use. A process finds it through the environment variable
// GCE_METADATA_HOST, which holds its host and port without a scheme. The zero value is
// the server of a machine without a service account. It may be used by several
// goroutines.
//
// Google docs: https://docs.cloud.google.com/run/docs/container-contract#metadata-server
type Server struct {
	// Tokens issues the access tokens, and its outages apply here too. Nil means that
	// the machine has no service account.
	Tokens *token.Server

	// ProjectID is the project; empty means "rcshook-test".
	ProjectID string

	// Email is the service account; empty means rcshook-run@PROJECT.iam.gserviceaccount.com.
	Email string

	// Scopes are the scopes of a token whose request names none; empty means
	// cloud-platform alone. As on Cloud Run, a request may name any others.
	Scopes []string
}

// ServeHTTP serves a metadata request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set(Header, Flavor)
	w.Header().Set("Server", "Metadata Server for VM")
	path, ok := strings.CutPrefix(r.URL.Path, "/computeMetadata/v1/")
	switch {
	case !ok && r.URL.Path == "/":
		// Libraries probe the root to find out whether they run on Google Cloud.
		io.WriteString(w, "computeMetadata/\n")
		return
	case !ok:
		http.NotFound(w, r)
		return
	case r.Header.Get(Header) != Flavor || r.Header.Get("X-Forwarded-For") != "":
		// Both rules protect the server from forged requests.
		http.Error(w, "Missing required header Metadata-Flavor: Google, or forwarded request.", http.StatusForbidden)
		return
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		http.Error(w, "metadata requires GET", http.StatusMethodNotAllowed)
		return
	}

	project := cmp.Or(s.ProjectID, "rcshook-test")
	email := cmp.Or(s.Email, "rcshook-run@"+project+".iam.gserviceaccount.com")
	if path, ok := strings.CutPrefix(path, "instance/service-accounts/"); ok && s.Tokens != nil {
		if account, path, _ := strings.Cut(path, "/"); account == "default" || account == email {
			s.serveAccount(w, r, email, path)
			return
		}
	}
	number := googletest.ProjectNumber(project)
	value, ok := map[string]string{
		"project/project-id":         project,
		"project/numeric-project-id": number,
		"universe/universe-domain":   "googleapis.com",
		"instance/region":            "projects/" + number + "/regions/us-central1",
		"instance/zone":              "projects/" + number + "/zones/us-central1-1",
	}[path]
	if !ok {
		http.NotFound(w, r)
		return
	}
	writeText(w, value)
}

func (s *Server) serveAccount(w http.ResponseWriter, r *http.Request, email, path string) {
	scopes := s.Scopes
	if len(scopes) == 0 {
		scopes = []string{googletest.CloudPlatform}
	}
	switch path {
	case "":
		if r.URL.Query().Get("recursive") != "true" {
			writeText(w, "aliases\nemail\nscopes\ntoken\n")
			return
		}
		googletest.WriteJSON(w, http.StatusOK, map[string]any{"aliases": []string{"default"}, "email": email, "scopes": scopes})
	case "aliases":
		writeText(w, "default\n")
	case "email":
		writeText(w, email)
	case "scopes":
		writeText(w, strings.Join(scopes, "\n")+"\n")
	case "token":
		if status := s.Tokens.Next(r.Context()); status != 0 {
			http.Error(w, http.StatusText(status), status)
			return
		}
		if requested := r.URL.Query().Get("scopes"); requested != "" {
			scopes = strings.Split(requested, ",")
		}
		s.Tokens.WriteToken(w, token.Grant{Email: email, Scopes: scopes})
	default:
		http.NotFound(w, r)
	}
}

func writeText(w http.ResponseWriter, value string) {
	w.Header().Set("Content-Type", "application/text")
	io.WriteString(w, value)
}
