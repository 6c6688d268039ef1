// Package demo is the function and the simulator of RCS Business Messaging in one handler,
// without a network, keys and accounts. The playground runs it in a browser.
//
// The function is the real one, [server.Server], with these limits: it has no queue and no
// Secret Manager, so it refuses schedule_at and fallbacks. Opt-outs are in memory.
package demo

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rcshook/rcshook/internal/check"
	"github.com/rcshook/rcshook/internal/googletest"
	"github.com/rcshook/rcshook/internal/mapping"
	"github.com/rcshook/rcshook/internal/phone"
	"github.com/rcshook/rcshook/internal/server"
	"github.com/rcshook/rcshook/internal/source"
	"github.com/rcshook/rcshook/rbm/rbmtest"
)

const (
	agentID = "harborline_demo_agent"

	// The simulator, and the system that gets the events. Both are in this process.
	simulatorURL = "http://localhost"
	targetHost   = "crm.example"
	optOutPath   = "/opted-out" // of that system

	// functionURL is the address that the page shows.
	functionURL = "https://your-function.example/"

	// apiKey is the key of the function.
	apiKey = "playground"
)

// presets are the third parties whose sample events can be sent.
var presets = []string{"shopify", "stripe", "github", "calendly", "typeform", "grafana"}

// Options configure a [Function]. The zero value is ready to use.
type Options struct {
	// Delay is the time from acceptance to delivery.
	Delay time.Duration

	// Now is the clock; nil means [time.Now].
	Now func() time.Time

	// MaxVariants limits the time in which an event is mapped without each of its fields;
	// zero means [mapping.MaxTime].
	MaxVariants time.Duration
}

// Function is the function and the simulator. It serves the paths of the simulator and of
// the phone page below /_sim/ and /_dev/, those of mappings below /_play/, and the function at
// all others.
type Function struct {
	sim      *rbmtest.Simulator
	function *server.Server
	sources  []*source.Source
	secret   string // of the sources
	now      func() time.Time
	events   atomic.Int64 // sample events that were sent
	optedOut sync.Map     // phone numbers

	maxVariants time.Duration
}

// New returns a new function, to which the simulator sends its events.
func New(o Options) (*Function, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	f := &Function{now: o.Now, secret: rand.Text() + rand.Text(), maxVariants: cmp.Or(o.MaxVariants, mapping.MaxTime)}
	f.sim = &rbmtest.Simulator{Delay: o.Delay, Now: o.Now, MaxMessages: 1000, Agents: []rbmtest.AgentConfig{{ID: agentID}}}
	f.sim.Transport = googletest.Transport{Handler: http.HandlerFunc(f.serveFunction)}
	file, err := f.file()
	if err != nil {
		return nil, err
	}
	webhookToken := rand.Text()
	f.function, err = server.New(context.Background(), server.Options{
		Environ: []string{
			"RCSHOOK_AGENT_ID=" + agentID,
			"RCSHOOK_CREDENTIALS=" + credentials(f.sim),
			"RCSHOOK_API_KEYS=" + apiKey,
			"RCSHOOK_RBM_ENDPOINT=" + simulatorURL,
			"RCSHOOK_WEBHOOK_TOKEN=" + webhookToken,
		},
		File: file, Now: o.Now, Transport: googletest.Transport{Handler: http.HandlerFunc(f.serveOutside)},
		Delivered: func(d server.Delivery) { f.sim.Note(phone.NewDelivery(d.Target, d.Event, d.Result)) },
	})
	if err != nil {
		return nil, err
	}
	f.sources = f.function.Sources()
	f.sim.Page = phone.New(phone.Options{
		Function: f.function, FunctionURL: functionURL, APIKey: apiKey, Agents: []phone.Agent{phone.Demo(agentID)}, Sources: f.phoneSources,
	})
	if _, err := f.sim.Connect(context.Background(), rbmtest.WebhookConfig{URL: functionURL + "events", ClientToken: webhookToken}); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// file returns the rcshook.yaml of the function.
func (f *Function) file() ([]byte, error) {
	var file bytes.Buffer
	fmt.Fprintf(&file, "opt_out: {store: {url: \"https://%s%s\"}}\nevents:\n  your-crm: {url: \"https://%[1]s/rcs\"}\nsources:\n", targetHost, optOutPath)
	for _, name := range presets {
		example, err := source.Example(name, "")
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&file, "  %s:\n    preset: %[1]s\n    secret: %s\n    country: US\n    map: |\n", name, f.secret)
		for line := range strings.Lines(example.Map.Text) {
			file.WriteString("      " + line)
		}
		file.WriteString("\n")
	}
	return file.Bytes(), nil
}

// Close stops the simulator and the function.
func (f *Function) Close() error {
	f.sim.Close()
	return f.function.Close()
}

// Flush waits until the function has the events of the simulator.
func (f *Function) Flush() error { return f.sim.Flush(context.Background()) }

// ServeHTTP serves a request.
func (f *Function) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch area, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/"); area {
	case "_sim", "_dev":
		if r.URL.Path == "/_sim/reset" {
			f.optedOut.Clear()
		}
		f.sim.ServeHTTP(w, r)
	case "_play":
		mapsHandler(f.now, f.maxVariants).ServeHTTP(w, r)
	default:
		f.function.ServeHTTP(w, r)
	}
}

// serveFunction serves the events of the simulator.
func (f *Function) serveFunction(w http.ResponseWriter, r *http.Request) { f.function.ServeHTTP(w, r) }

// serveOutside serves the requests of the function: those to the simulator, and those to
// the system that gets the events, whose content the page shows. That system also knows who
// opted out.
func (f *Function) serveOutside(w http.ResponseWriter, r *http.Request) {
	if r.URL.Host != targetHost {
		f.sim.ServeHTTP(w, r)
		return
	}
	body, err := io.ReadAll(r.Body)
	var event struct{ Type, Phone string }
	if err != nil || json.Unmarshal(body, &event) != nil {
		panic(http.ErrAbortHandler)
	}
	if r.URL.Path == optOutPath {
		_, optedOut := f.optedOut.Load(event.Phone)
		writeJSON(w, http.StatusOK, map[string]bool{"opted_out": optedOut})
		return
	}
	switch event.Type {
	case "unsubscribed":
		f.optedOut.Store(event.Phone, true)
	case "subscribed":
		f.optedOut.Delete(event.Phone)
	}
	f.sim.Note(phone.Note{Request: &phone.Request{ID: r.Header.Get("Webhook-Id"), URL: r.URL.String(), Body: string(body)}})
}

// phoneSources returns the sources for the page.
func (f *Function) phoneSources() []phone.Source {
	var all []phone.Source
	for _, s := range f.sources {
		sample, _ := check.FormatEvent(s.Sample("0001"))
		all = append(all, phone.Source{
			Name: s.Name, About: s.Description(), Sample: string(sample),
			Request: func(event string) (*http.Request, error) { return f.eventRequest(s, event) },
		})
	}
	return all
}

// eventRequest returns a signed request with an event for a source, or with its sample
// event and a new ID if the event is empty.
func (f *Function) eventRequest(s *source.Source, text string) (*http.Request, error) {
	event, err := check.OwnEvent(text, s.Sample(fmt.Sprintf("%04d", f.events.Add(1))))
	if err != nil {
		return nil, err
	}
	if err := s.Sign(event, []byte(f.secret), f.now()); err != nil {
		return nil, err
	}
	r, err := http.NewRequest(event.Method, functionURL+"hooks/"+s.Name, bytes.NewReader(event.Body))
	if err != nil {
		return nil, err
	}
	r.URL.RawQuery, r.Header = event.Query, event.Header
	return r, nil
}
