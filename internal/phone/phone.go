// Package phone is the page that [rbmtest.Simulator] shows at its root: a phone on
// which messages appear as their recipients would see them, an inspector that
// tells what was sent and what it costs, and an editor that tries payloads out on
// the function.
//
// The page is plain HTML, CSS and JavaScript modules in the folder page, embedded
// and without a build step. It learns what happens from /_sim/stream and acts
// through the other admin paths of the simulator; this package adds what lies
// under /_dev. Everything in a message is taken for hostile: the page builds its
// elements from text only, and the Content-Security-Policy lets nothing of
// another origin in.
//
// [rbmtest.Simulator]: https://pkg.go.dev/github.com/rcshook/rcshook/rbm/rbmtest#Simulator
package phone

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"sync/atomic"
	"time"

	"github.com/rcshook/rcshook/rbm"
)

// Options says what the page works with. The zero value shows messages and cannot
// send any.
type Options struct {
	// FunctionURL is where payloads are posted that are written in the page.
	// Empty means that there is no function.
	FunctionURL string

	// APIKey is the key for the function. The page gets to know it, because it
	// offers every request as a curl command.
	APIKey string

	// Agents are the agents whose looks are known. The others get a name made
	// of their ID.
	Agents []Agent

	// Webhook is the address to which the simulator pushes what users do. It is
	// only shown; empty means that there is none.
	Webhook string

	// Sources are third parties whose sample events can be sent.
	Sources []Source

	// Images lets the page load the images in messages from the start, from
	// wherever they are. It can be switched on the page. An image tells
	// its host that, when and where a message is looked at.
	Images bool
}

// Agent is how an agent presents itself.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/guides/build/agents
type Agent struct {
	// ID is the agent's ID, without "@rbm.goog".
	ID string `json:"id"`

	// Name is what users see at the top of the conversation.
	Name string `json:"name"`

	// Color is the brand's color as #rrggbb.
	Color string `json:"color,omitempty"`
}

// Source is a third party whose webhooks the function takes.
type Source struct {
	// Name is that of the source in the configuration.
	Name string `json:"name"`

	// About says in a few words who the sender is.
	About string `json:"about"`

	// Sample makes a request with a sample event, signed as the sender would.
	Sample func() (*http.Request, error) `json:"-"`
}

//go:embed page
var embedded embed.FS

// contentTypes are written down, because those that the mime package knows
// depend on the machine.
var contentTypes = map[string]string{
	".html": "text/html; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".json": "application/json",
	".svg":  "image/svg+xml",
}

type page struct {
	Options
	boot   string // differs in every process, so that the page notices a restart
	images atomic.Bool
	client *http.Client
}

// New returns the page. It does not check who asks: mount it as the field Page of the
// simulator, which lets only this machine's own browsers through.
func New(o Options) http.Handler {
	p := &page{Options: o, boot: rand.Text(), client: functionClient()}
	p.images.Store(o.Images)
	mux := http.NewServeMux()
	if err := addFiles(mux); err != nil {
		panic("phone: embedded page: " + err.Error()) // decided at build time
	}
	mux.HandleFunc("GET /_dev/setup", p.setup)
	mux.HandleFunc("POST /_dev/images", p.setImages)
	mux.HandleFunc("POST /_dev/send", p.send)
	mux.HandleFunc("POST /_dev/hook", p.hook)
	mux.HandleFunc("POST /{$}", p.mistaken)
	mux.HandleFunc("POST /hooks/{source}", p.mistaken)
	// Nobody else's page may post, even if the mounting forgets to see to it.
	return p.secure(http.NewCrossOriginProtection().Handler(mux))
}

func addFiles(mux *http.ServeMux) error {
	root, err := fs.Sub(embedded, "page")
	if err != nil {
		return err
	}
	return fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		contentType, ok := contentTypes[path.Ext(name)]
		if !ok {
			return fmt.Errorf("%s: no content type is known", name)
		}
		pattern := "GET /" + name
		if name == "index.html" {
			pattern = "GET /{$}"
		}
		mux.Handle(pattern, file(data, contentType))
		return nil
	})
}

// file serves data, which a browser asks about anew each time and rarely gets
// twice.
func file(data []byte, contentType string) http.Handler {
	sum := sha256.Sum256(data)
	tag := `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.Header().Set("Cache-Control", "no-cache")
		w.Header().Set("ETag", tag)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
	})
}

// policy is the Content-Security-Policy but for its img-src. Trusted types leave
// the page no way to turn text into markup, by mistake or otherwise.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; " +
	"form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'; img-src 'self'"

func (p *page) secure(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		csp := policy
		if p.images.Load() {
			// Images only, and not over http: a message could name addresses of
			// the local network.
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

// setup tells the page what it works with.
func (p *page) setup(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, map[string]any{
		"boot":     p.boot,
		"function": p.FunctionURL,
		"key":      p.APIKey,
		"agents":   append([]Agent{}, p.Agents...),
		"webhook":  p.Webhook,
		"sources":  append([]Source{}, p.Sources...),
		"images":   p.images.Load(),
		"limits":   limits,
	})
}

// limits are the limits of the platform that the inspector watches, by the names
// it has for them.
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

// setImages switches the images in messages on or off, for the next time that the
// page is loaded: the policy that forbids them is part of the page. It is a
// setting of the process and not of the address, so that no link can switch it.
func (p *page) setImages(w http.ResponseWriter, r *http.Request) {
	var req struct {
		On *bool `json:"on"`
	}
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<10)).Decode(&req)
	if err != nil || req.On == nil {
		answer(w, http.StatusBadRequest, map[string]string{"error": `the body must be {"on": true} or {"on": false}`})
		return
	}
	p.images.Store(*req.On)
	answer(w, http.StatusOK, struct{}{})
}

// mistaken answers what is meant for the function.
func (p *page) mistaken(w http.ResponseWriter, r *http.Request) {
	where := "which listens on another port, 8080 by default"
	if p.FunctionURL != "" {
		where = strings.TrimSuffix(p.FunctionURL, "/") + r.URL.Path
	}
	status := http.StatusNotFound
	if r.URL.Path == "/" {
		status = http.StatusMethodNotAllowed
		w.Header().Set("Allow", "GET, HEAD")
	}
	answer(w, status, map[string]string{"error": "this is the phone: post it to the function, " + where})
}

func answer(w http.ResponseWriter, status int, v any) {
	data, err := json.Marshal(v)
	if err != nil {
		panic("phone: encode answer: " + err.Error())
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	w.Write(data)
}

// bounded reads at most limit bytes and reports whether there was no more.
func bounded(r io.Reader, limit int64) (data []byte, all bool, err error) {
	data, err = io.ReadAll(io.LimitReader(r, limit+1))
	if int64(len(data)) > limit {
		return data[:limit], false, err
	}
	return data, true, err
}

// Demo is the agent that the examples of the page are written for.
func Demo(agentID string) Agent {
	return Agent{ID: agentID, Name: "Harborline Ferries", Color: "#0b5c7a"}
}
