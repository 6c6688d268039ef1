package rbmtest

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// LocalOnly keeps others than this machine's own users from h: a request must name a
// loopback host, which one that a foreign page has smuggled in by rebinding DNS
// does not, and must not come from another site's page.
func (s *Simulator) LocalOnly(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.ownHost(r.Host) {
			http.Error(w, "the simulator's own pages are for this machine: ask for localhost or a loopback address", http.StatusForbidden)
			return
		}
		if !sameOrigin(r) {
			http.Error(w, "the simulator's own pages do not answer other sites", http.StatusForbidden)
			return
		}
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cross-Origin-Resource-Policy", "same-origin")
		h.ServeHTTP(w, r)
	})
}

func (s *Simulator) ownHost(hostport string) bool {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	host = strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
	if host == "localhost" || strings.HasSuffix(host, ".localhost") || slices.Contains(s.AdminHosts, host) {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}

// sameOrigin reports whether a request comes from no page, or from one of ours.
// Browsers say so with one header or the other.
func sameOrigin(r *http.Request) bool {
	if origin := r.Header.Get("Origin"); origin != "" && origin != "http://"+r.Host && origin != "https://"+r.Host {
		return false
	}
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "none", "same-origin":
		return true
	}
	// A link to the front page may be followed from anywhere.
	return r.Method == http.MethodGet && r.URL.Path == "/" && r.Header.Get("Sec-Fetch-Mode") == "navigate"
}
