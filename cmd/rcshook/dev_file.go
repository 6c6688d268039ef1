package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rcshook/rcshook/internal/charset"
	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/googletest/platform"
	"github.com/rcshook/rcshook/internal/googletest/tasks"
	"github.com/rcshook/rcshook/internal/googletest/token"
	"github.com/rcshook/rcshook/internal/phone"
	"github.com/rcshook/rcshook/internal/source"
	"github.com/rcshook/rcshook/internal/standardwebhook"
	"github.com/rcshook/rcshook/rbm/rbmtest"
)

// devFile is rcshook.yaml in dev. Its secrets exist in the simulator, with generated
// content, and its fallbacks are served by dev.
type devFile struct {
	port      int
	sources   []*source.Source
	keys      map[string][]byte // with which each source's sender signs
	google    *token.Issuer
	fallbacks map[string]string // the URL in the file, by path
	agents    []rbmtest.AgentConfig
	callers   map[string]string // a key or an ID token, by name
}

const fallbackPath = "/_fallback/"

// openFile reads the file, if any, and sets RCSHOOK_CONFIG to a copy for dev.
func (o *devOptions) openFile(sim *platform.Platform, baseURL, dir string) (*devFile, error) {
	f := &devFile{port: o.port, keys: make(map[string][]byte), fallbacks: make(map[string]string)}
	if o.config == "" {
		return f, nil
	}
	data, err := readFile(o.config)
	if err != nil {
		return nil, err
	}
	if text, err := charset.ToUTF8(data); err == nil {
		data = text // addresses are replaced in it
	}
	parsed, err := config.ParseFile(o.config, data)
	agents := []string{config.DefaultAgent}
	for name := range parsed.Agents {
		agents = append(agents, name)
	}
	noSecrets := func(context.Context, config.Secret) ([]byte, error) { return nil, errors.New("not used here") }
	sources, wrong := source.Open(parsed.Sources, source.Options{Secrets: noSecrets, Agents: agents})
	if err := config.Join(err, wrong); err != nil {
		return nil, err
	}
	if f.google, err = token.NewIssuer(); err != nil {
		return nil, err
	}
	f.sources = sources.All()
	for _, s := range f.sources {
		f.addSecrets(sim, s)
	}
	for name, a := range parsed.Agents {
		id := a.ID.Literal()
		if resource, ok := a.ID.Resource(); ok {
			id = strings.ToLower(name) + "_dev_agent"
			addSecret(sim, resource, []byte(id))
		}
		f.agents = append(f.agents, rbmtest.AgentConfig{ID: id})
		if resource, ok := a.Credentials.Resource(); ok {
			addSecret(sim, resource, sim.KeyFile(baseURL))
		} else if a.Credentials != "" {
			return nil, fmt.Errorf("the file contains the key of agent %s, which dev would really use: name a secret instead, projects/PROJECT/secrets/SECRET", name)
		}
	}
	url := fmt.Sprintf("http://localhost:%d", o.port)
	f.addCallers(sim, parsed.Callers, url)
	text, err := f.redirectFallbacks(string(data), parsed, sim, baseURL)
	if err != nil {
		return nil, err
	}
	copied := filepath.Join(dir, "rcshook.yaml")
	if err := os.WriteFile(copied, []byte(text), 0o600); err != nil {
		return nil, err
	}
	if _, ok := parsed.Agents[config.DefaultAgent]; ok {
		os.Unsetenv("RCSHOOK_AGENT_ID")
		os.Unsetenv("RCSHOOK_CREDENTIALS")
	}
	return f, setEnv(map[string]string{"RCSHOOK_OIDC_ENDPOINT": baseURL, "RCSHOOK_CONFIG": copied, "RCSHOOK_URL": url})
}

// addSecrets generates the secrets of a source. Samples are signed with the first. A
// secret in the file is used as it is.
func (f *devFile) addSecrets(sim *platform.Platform, s *source.Source) {
	for i, secret := range s.Config.Secrets {
		sender := []byte(secret.Literal())
		if name, ok := secret.Resource(); ok {
			var receiver []byte
			receiver, sender = s.NewKeys()
			addSecret(sim, name, receiver)
		}
		if i == 0 {
			f.keys[s.Name] = sender
		}
	}
}

// addCallers generates the keys of callers, or ID tokens for an hour.
func (f *devFile) addCallers(sim *platform.Platform, callers map[string]config.Caller, audience string) {
	f.callers = make(map[string]string)
	for name, c := range callers {
		for _, secret := range slices.Backward(c.Keys) { // the first is printed
			f.callers[name] = secret.Literal()
			if resource, ok := secret.Resource(); ok {
				f.callers[name] = strings.ToLower(rand.Text())
				addSecret(sim, resource, []byte(f.callers[name]))
			}
		}
		if len(c.Keys) == 0 {
			f.callers[name] = f.google.Token(audience, c.Emails[0], time.Now())
		}
	}
}

// addSecret adds a secret, with enough versions if the name ends in a version.
func addSecret(sim *platform.Platform, name string, content []byte) {
	secret, version, _ := strings.Cut(name, "/versions/")
	n, err := strconv.Atoi(version)
	if err != nil {
		n = 1 // latest
	}
	for range min(n, 100) {
		sim.Secrets.AddVersion(secret, content)
	}
}

// redirectFallbacks returns the text of the file with the URLs of dev in place of those
// of fallbacks. It replaces the longest first, of which another may be a part, and checks
// that the file then has no other, because nothing may leave the machine.
func (f *devFile) redirectFallbacks(text string, file config.File, sim *platform.Platform, baseURL string) (string, error) {
	all := fallbacksOf(file)
	names := slices.SortedFunc(maps.Keys(all), func(a, b string) int { return cmp.Or(len(all[b].URL)-len(all[a].URL), strings.Compare(a, b)) })
	for _, name := range names {
		b := all[name]
		if resource, ok := b.Secret.Resource(); ok {
			addSecret(sim, resource, standardwebhook.NewSecret())
		}
		f.fallbacks[fallbackPath+name] = cmp.Or(b.URL.Literal(), b.URL.String())
		if resource, ok := b.URL.Resource(); ok {
			addSecret(sim, resource, []byte(baseURL+fallbackPath+name))
			continue
		}
		text = strings.ReplaceAll(text, b.URL.Literal(), baseURL+fallbackPath+name)
	}
	redirected, err := config.ParseFile("rcshook.yaml", []byte(text))
	if err != nil {
		return "", err
	}
	for name, b := range fallbacksOf(redirected) {
		if _, ok := f.fallbacks[strings.TrimPrefix(b.URL.Literal(), baseURL)]; !ok && !b.URL.IsResource() {
			return "", fmt.Errorf("the fallback of %s cannot be replaced by one on this machine: write its URL without escapes", name)
		}
	}
	return text, nil
}

// fallbacksOf returns the fallbacks of a file by the names of their sources, and of their
// agents after "agents/".
func fallbacksOf(file config.File) map[string]*config.Target {
	all := make(map[string]*config.Target)
	for name, s := range file.Sources {
		all[name] = s.Fallback
	}
	for name, a := range file.Agents {
		all["agents/"+name] = a.Fallback
	}
	maps.DeleteFunc(all, func(_ string, b *config.Target) bool { return b == nil })
	return all
}

// register serves Google's public keys, and the fallbacks, which print what they get.
func (f *devFile) register(mux *http.ServeMux, guard func(http.Handler) http.Handler, out io.Writer) {
	if f.google != nil {
		mux.Handle("GET "+f.google.Path(), f.google)
	}
	for path, url := range f.fallbacks {
		mux.Handle("POST "+path, guard(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
			if err != nil {
				http.Error(w, "read the body: "+err.Error(), http.StatusBadRequest)
				return
			}
			fmt.Fprintf(out, "fallback, for %s:\n  %s\n", url, body)
		})))
	}
}

// samples returns the sources whose samples the phone can send.
func (f *devFile) samples() []phone.Source {
	var all []phone.Source
	for _, s := range f.sources {
		if s.Config.Preset != "" {
			all = append(all, phone.Source{Name: s.Name, About: s.Description(), Sample: func() (*http.Request, error) { return f.sample(s) }})
		}
	}
	return all
}

// sample returns a sample event with an ID of its own, so that it is not a duplicate.
func (f *devFile) sample(s *source.Source) (*http.Request, error) {
	event := s.Sample(strings.ToLower(rand.Text())[:12])
	if s.UsesGoogleTokens() {
		event.Header.Set("Authorization", "Bearer "+f.google.Token(s.Config.Audience[0], s.Config.Emails[0], time.Now()))
	} else if err := s.Sign(event, f.keys[s.Name], time.Now()); err != nil {
		return nil, errors.New("cannot sign the sample, because the file contains a public key: name a secret instead, and dev generates a key pair")
	}
	address := fmt.Sprintf("http://localhost:%d/hooks/%s", f.port, s.Name)
	if event.Query != "" {
		address += "?" + event.Query
	}
	req, err := http.NewRequest(event.Method, address, bytes.NewReader(event.Body))
	if err == nil {
		req.Header = event.Header
	}
	return req, err
}

// greet lists the keys of the callers and the addresses of the sources.
func (f *devFile) greet(out io.Writer) {
	if len(f.callers) > 0 {
		fmt.Fprint(out, "\nCallers; send the key or the token as Authorization: Bearer KEY:\n\n")
	}
	for _, name := range slices.Sorted(maps.Keys(f.callers)) {
		fmt.Fprintf(out, "  %s   %s\n", name, f.callers[name])
	}
	if len(f.sources) == 0 {
		return
	}
	fmt.Fprint(out, "\nSources; the phone can send a sample event of each:\n\n")
	for _, s := range f.sources {
		fmt.Fprintf(out, "  http://localhost:%d/hooks/%s   %s\n", f.port, s.Name, s.Description())
	}
}

const (
	devQueue     = "projects/rcshook-dev/locations/local/queues/messages"
	devQueuePath = "/_dev/queue" // lists the tasks
)

// openQueues returns a stand-in for Cloud Tasks with the queue of dev and those in the
// file, and sets the settings for it. It returns nil without queues.
func (o *devOptions) openQueues(sim *platform.Platform, baseURL string, file *devFile) (*tasks.Server, error) {
	names := map[string]bool{}
	for _, s := range file.sources {
		if name := s.Config.Queue; name != "" && name != config.NoQueue {
			names[name] = true
		}
	}
	settings := map[string]string{
		"RCSHOOK_QUEUE_ACCOUNT": "rcshook-queue@rcshook-dev.iam.gserviceaccount.com", "RCSHOOK_URL": fmt.Sprintf("http://localhost:%d", o.port),
		"RCSHOOK_TASKS_ENDPOINT": baseURL, "RCSHOOK_OIDC_ENDPOINT": baseURL,
	}
	if o.queue {
		names[devQueue], settings["RCSHOOK_QUEUE"] = true, devQueue
	}
	if len(names) == 0 {
		return nil, nil
	}
	if file.google == nil {
		var err error
		if file.google, err = token.NewIssuer(); err != nil {
			return nil, err
		}
	}
	queues := &tasks.Server{Issuer: file.google, Authorize: func(token string) error {
		_, err := sim.Tokens.Check(token, "https://www.googleapis.com/auth/cloud-platform")
		return err
	}}
	for name := range names {
		queues.AddQueue(name, tasks.Settings{MinBackoff: 2 * time.Second})
	}
	return queues, setEnv(settings)
}

// registerQueues serves the API of Cloud Tasks, and the list of its tasks.
func registerQueues(mux *http.ServeMux, guard func(http.Handler) http.Handler, queues *tasks.Server) {
	if queues == nil {
		return
	}
	mux.Handle("/v2/", queues)
	mux.Handle("GET "+devQueuePath, guard(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		_ = e.Encode(struct { // the client may be gone
			Waiting []string      `json:"waiting"`
			Ended   []tasks.Ended `json:"ended"`
		}{append([]string{}, queues.Waiting()...), append([]tasks.Ended{}, queues.Ended()...)})
	})))
}
