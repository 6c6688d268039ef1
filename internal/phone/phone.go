// Package phone is the web page that [rbmtest.Simulator] serves at its root: a phone
// that shows messages as recipients see them, an inspector with the details and the
// cost of each message, and an editor that tries payloads on the function.
//
// The page is plain HTML, CSS and JavaScript modules in the folder page, embedded and
// without a build step. It receives events from /_sim/stream and acts through the
// other admin paths of the simulator; this package adds the paths below /_dev. The
// page treats messages as hostile: it creates elements from text only, and the
// Content-Security-Policy blocks other origins.
//
// [rbmtest.Simulator]: https://pkg.go.dev/github.com/rcshook/rcshook/rbm/rbmtest#Simulator
package phone

import (
	"crypto/rand"
	"encoding/json"
	"net/http"
	"strings"
	"sync/atomic"

	"github.com/rcshook/rcshook/rbm"
)

// Options configure the page. The zero value shows messages and cannot send any.
type Options struct {
	// Function serves the payloads and events that are sent from the page. If it is nil,
	// the page cannot send.
	Function http.Handler

	// FunctionURL is the address of the function for other programs.
	FunctionURL string

	// APIKey is the key for the function. The page receives it, because it offers
	// every request as a curl command.
	APIKey string

	// Agents describe known agents. Names of other agents are derived from their IDs.
	Agents []Agent

	// Connect is the command that connects a webhook to an agent without one. The page shows
	// it, and adds -agent NAME for other agents than the first.
	Connect string

	// Logo is an image that the page serves at [LogoPath].
	Logo []byte

	// Sources returns the third parties whose events can be sent; nil means that
	// there are none. A [Reload] makes the page ask again.
	Sources func() []Source

	// Outcome returns the function's own response to the event of a source, as JSON. It is
	// empty if the sender gets it, in the response with these headers and this body. A nil
	// function means that senders always get it.
	Outcome func(header http.Header, body []byte) []byte

	// Senders are the third parties for which rcshook init writes a source, by group.
	Senders []Senders

	// Images lets the page load images in messages from other hosts, which learn
	// when and where a message is read. The page can switch it on and off.
	Images bool
}

// Agent describes the appearance of an agent.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/guides/build/agents
type Agent struct {
	// ID is the agent's ID, without "@rbm.goog".
	ID string `json:"id"`

	// Name is the title of the conversation.
	Name string `json:"name"`

	// Color is the brand's color as #rrggbb.
	Color string `json:"color,omitempty"`

	// Logo is the path of an image on the page, such as [LogoPath]. Without one, the page
	// shows the first letter of the name.
	Logo string `json:"logo,omitempty"`
}

// LogoPath is the path of the logo in the options.
const LogoPath = "/_dev/logo"

// Senders are the presets of one group.
type Senders struct {
	Group   string   `json:"group"`
	Presets []string `json:"presets"`
}

// Source is a third party whose webhooks the function accepts.
type Source struct {
	// Name is the name of the source in the configuration.
	Name string `json:"name"`

	// About is a short description of the sender.
	About string `json:"about"`

	// Sample is a sample event: a body of JSON, or headers, an empty line and a body. It is
	// empty if there is none.
	Sample string `json:"sample,omitempty"`

	// Request returns a request with an event in the form of Sample, signed like the sender
	// does. An empty event stands for the sample with an ID of its own.
	Request func(event string) (*http.Request, error) `json:"-"`
}

type page struct {
	Options
	boot   string // differs in every process, so that the page notices a restart
	images atomic.Bool
}

// New returns the page. It does not check the address of the client: use it as the
// field Page of the simulator, which accepts requests from this machine only.
func New(o Options) http.Handler {
	if o.Outcome == nil {
		o.Outcome = func(http.Header, []byte) []byte { return nil }
	}
	p := &page{Options: o, boot: rand.Text()}
	p.images.Store(o.Images)
	mux := http.NewServeMux()
	if err := addFiles(mux); err != nil {
		panic("phone: embedded page: " + err.Error()) // decided at build time
	}
	mux.HandleFunc("GET /_dev/setup", p.setup)
	if p.Logo != nil {
		mux.HandleFunc("GET "+LogoPath, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", http.DetectContentType(p.Logo))
			w.Write(p.Logo)
		})
	}
	mux.HandleFunc("POST /_dev/images", p.setImages)
	mux.HandleFunc("POST /_dev/send", p.send)
	mux.HandleFunc("POST /_dev/hook", p.hook)
	mux.HandleFunc("POST /{$}", p.wrongServer)
	mux.HandleFunc("POST /hooks/", p.wrongServer)
	return p.secure(http.NewCrossOriginProtection().Handler(mux))
}

// policy is the Content-Security-Policy without the other hosts of img-src. Trusted
// types make it impossible for the page to turn text into markup.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; " +
	"form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'; img-src 'self'"

func (p *page) secure(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		csp := policy
		if p.images.Load() {
			// Not http: a message could name addresses of the local network.
			csp += " https:"
		}
		header.Set("Content-Security-Policy", csp)
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("X-Frame-Options", "DENY")
		header.Set("Referrer-Policy", "no-referrer")
		header.Set("Cross-Origin-Opener-Policy", "same-origin")
		header.Set("Cross-Origin-Resource-Policy", "same-origin")
		header.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
		h.ServeHTTP(w, r)
	})
}

func (p *page) sources() []Source {
	if p.Sources == nil {
		return nil
	}
	return p.Sources()
}

// setup serves the settings of the page.
func (p *page) setup(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, map[string]any{
		"boot":     p.boot,
		"function": p.FunctionURL,
		"key":      p.APIKey,
		"connect":  p.Connect,
		"agents":   append([]Agent{}, p.Agents...),
		"sources":  append([]Source{}, p.sources()...),
		"senders":  append([]Senders{}, p.Senders...),
		"images":   p.images.Load(),
		"limits":   limits,
	})
}

// limits are the limits of the platform in the inspector, by its names for them.
var limits = map[string]int{
	"text":                 rbm.MaxText,
	"suggestions":          rbm.MaxSuggestions,
	"card_suggestions":     rbm.MaxCardSuggestions,
	"label":                rbm.MaxSuggestionText,
	"postback":             rbm.MaxPostback,
	"url":                  rbm.MaxURL,
	"title":                rbm.MaxCardTitle,
	"description":          rbm.MaxCardDescription,
	"cards":                rbm.MaxCarouselCards,
	"calendar_title":       rbm.MaxCalendarTitle,
	"calendar_description": rbm.MaxCalendarDescription,
	"bytes":                rbm.MaxMessageBytes,
}

// setImages switches images in messages on or off. It takes effect when the page is
// loaded again, because the policy is part of the page. It is a setting of the process
// and not a parameter of the URL, so that no link can switch it.
func (p *page) setImages(w http.ResponseWriter, r *http.Request) {
	var req struct {
		On *bool `json:"on"`
	}
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<10)).Decode(&req)
	if err != nil || req.On == nil {
		writeError(w, http.StatusBadRequest, `the body must be {"on": true} or {"on": false}`)
		return
	}
	p.images.Store(*req.On)
	writeJSON(w, http.StatusOK, struct{}{})
}

// wrongServer rejects requests that are meant for the function.
func (p *page) wrongServer(w http.ResponseWriter, r *http.Request) {
	where := "which listens on another port, 8080 by default"
	if p.FunctionURL != "" {
		where = strings.TrimSuffix(p.FunctionURL, "/") + r.URL.Path
	}
	status := http.StatusNotFound
	if r.URL.Path == "/" {
		status = http.StatusMethodNotAllowed
		w.Header().Set("Allow", "GET, HEAD")
	}
	writeError(w, status, "this is the phone; post to the function, "+where)
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	data, err := json.Marshal(v)
	if err != nil {
		panic("phone: encode response: " + err.Error())
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	w.Write(data)
}

func writeError(w http.ResponseWriter, status int, text string) {
	writeJSON(w, status, map[string]string{"error": text})
}

// Demo returns the agent of the page's examples.
func Demo(agentID string) Agent {
	return Agent{ID: agentID, Name: "Harborline Ferries", Color: "#0b5c7a", Logo: "pictures/logo.svg"}
}
