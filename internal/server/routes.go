package server

import (
	"fmt"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/rcshook/rcshook/internal/code"
	"github.com/rcshook/rcshook/internal/response"
)

// route is one line of the HTTP interface.
type route struct {
	pattern string   // of [http.ServeMux]
	key     bool     // whether callers need an API key or an ID token
	action  action   // what callers with a name must be allowed to do
	query   []string // the query parameters
	static  bool     // whether serve needs no configuration
	serve   func(*Server, *call) (*response.Response, error)
}

var routes = []route{
	{pattern: aboutPattern, serve: (*Server).about},
	{pattern: "GET /openapi.json", static: true, serve: (*Server).describe},
	{pattern: "POST /{$}", key: true, action: post, query: []string{"profile"}, serve: (*Server).send},
	{pattern: "POST /hooks/{source}", serve: (*Server).hook},
	{pattern: "GET /hooks/{source}", serve: (*Server).challenge},
	{pattern: "POST /hooks/{source}/{token}", serve: (*Server).hook},
	{pattern: "GET /hooks/{source}/{token}", serve: (*Server).challenge},
	{pattern: "OPTIONS /hooks/{source}", static: true, serve: (*Server).handshake},
	{pattern: "OPTIONS /hooks/{source}/{token}", static: true, serve: (*Server).handshake},
	{pattern: "POST /events", serve: (*Server).event},
	{pattern: "GET /events/sample", key: true, query: []string{"type"}, serve: (*Server).sampleEvents},
	{pattern: "POST /tasks/event/{id}", serve: (*Server).deliverTask},
	{pattern: "POST /tasks/send/{id}", serve: (*Server).task},
	{pattern: "POST /tasks/watch/{id}", serve: (*Server).watchTask},
	{pattern: "POST /tasks/fallback/{id}", serve: (*Server).fallbackTask},
	{pattern: "POST /tasks/{id}", serve: (*Server).task}, // of version 1
	{pattern: "GET " + capabilitiesPath, key: true, action: lookUp, query: []string{"to", "agent", "country", "profile"}, serve: (*Server).capabilities},
	{pattern: "POST " + capabilitiesPath, key: true, action: lookUp, query: []string{"profile"}, serve: (*Server).capabilities},
	{pattern: "DELETE /messages/{id}", key: true, action: remove, query: []string{"to", "agent", "country", "profile"}, serve: (*Server).revoke},
}

const (
	aboutPattern = "GET /{$}"

	// hooksPath is the path above the sources.
	hooksPath = "/hooks/"

	// capabilitiesPath is the path of look-ups.
	capabilitiesPath = "/capabilities"

	// eventsPath is the path of RBM's webhook.
	eventsPath = "/events"
)

// router serves the routes. It responds to all other paths and methods itself, because
// [http.ServeMux] would respond with plain text.
type router struct {
	mux      *http.ServeMux
	notFound http.Handler // of paths that are not clean
}

// newRouter returns a router that serves each route with the handler for it.
func newRouter(handler func(route) http.HandlerFunc) *router {
	rt := &router{mux: http.NewServeMux()}
	for _, to := range routes {
		rt.mux.Handle(to.pattern, handler(to))
	}
	rt.mux.Handle("/", handler(route{static: true, serve: rt.other}))
	rt.notFound = handler(route{static: true, serve: func(_ *Server, c *call) (*response.Response, error) {
		return nil, errNotFound(c.URL.Path)
	}})
	return rt
}

func (rt *router) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	cleaned, ok := cleanPath(r.URL)
	if !ok {
		rt.notFound.ServeHTTP(w, r)
		return
	}
	if cleaned != r.URL.Path {
		u := *r.URL
		u.Path, u.RawPath = cleaned, ""
		r = r.WithContext(r.Context())
		r.URL = &u
	}
	rt.mux.ServeHTTP(w, r)
}

// cleanPath returns a path without duplicate slashes and without a slash at its end: a
// base URL that ends with a slash causes them, and ServeMux would redirect. It reports
// false for dot segments and for encoded slashes, which ServeMux would match.
func cleanPath(u *url.URL) (string, bool) {
	closed := u.Path + "/"
	dots := strings.Contains(closed, "/./") || strings.Contains(closed, "/../")
	return path.Clean(u.Path), strings.HasPrefix(u.Path, "/") && !dots && !strings.Contains(strings.ToLower(u.EscapedPath()), "%2f")
}

// other serves requests that no route matches: 404, 405, or 204 to OPTIONS.
func (rt *router) other(_ *Server, c *call) (*response.Response, error) {
	var allowed []string
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodDelete, http.MethodOptions} {
		other := c.Clone(c.Context())
		other.Method = method
		if _, pattern := rt.mux.Handler(other); pattern != "/" {
			allowed = append(allowed, method)
		}
	}
	if len(allowed) == 0 {
		return nil, errNotFound(c.URL.Path)
	}
	if !slices.Contains(allowed, http.MethodOptions) {
		allowed = append(allowed, http.MethodOptions)
	}
	if strings.HasPrefix(c.URL.Path, hooksPath) {
		allowed = hookMethods // few senders make GET requests
	}
	p := errMethod(allowed)
	if c.Method == http.MethodOptions {
		p.Code = code.Document
	}
	return nil, p
}

// hookMethods are the methods of sources without a challenge.
var hookMethods = []string{http.MethodPost, http.MethodOptions}

// errMethod returns the error for a path that supports other methods only.
func errMethod(allowed []string) *response.Problem {
	others := slices.DeleteFunc(slices.Clone(allowed), func(m string) bool { return m == http.MethodOptions })
	return &response.Problem{
		Code:   code.MethodNotAllowed,
		Allow:  strings.Join(allowed, ", "),
		Detail: fmt.Sprintf("expected %s, got another method", strings.Join(others, " or ")),
		Action: "Use one of these methods.",
	}
}

// errHookMethod returns the error for a source without a challenge.
func errHookMethod() error {
	p := errMethod(hookMethods)
	p.Action = "Send the event with POST. A sender that only makes GET requests needs a program in between, which posts the event."
	return p
}

// errNotFound returns the error for a path that does not exist.
func errNotFound(path string) error {
	if strings.HasPrefix(path+"/", hooksPath) {
		return errNoSource
	}
	return &response.Problem{Code: code.NotFound}
}

// errNoSource is the error of a webhook for an unknown source, or with a wrong token in the
// path. It does not list the names, because the sender is not authenticated.
var errNoSource = &response.Problem{
	Code:   code.NotFound,
	Detail: "unknown source",
	Action: "Post to /hooks/NAME of this function, where NAME is written exactly as under sources in rcshook.yaml, " +
		"or to /hooks/NAME/TOKEN if, and only if, the secret of the source is a part of the path. " +
		"RCSHOOK_CONFIG is the path of that file, or the secret that contains it.",
}
