package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/googletest/platform"
	"github.com/rcshook/rcshook/internal/googletest/token"
	"github.com/rcshook/rcshook/internal/phone"
	"github.com/rcshook/rcshook/internal/source"
	"github.com/rcshook/rcshook/internal/standardwebhook"
)

// rehearsedFile is rcshook.yaml in dev: the secrets that it names exist in the
// simulator, with contents made up, and its fallbacks are on this machine.
type rehearsedFile struct {
	port    int
	sources []*source.Source
	senders map[string][]byte // what each source's sender signs with
	google  *token.Issuer
	targets map[string]string // of fallbacks, by their paths on this machine
}

const fallbackPath = "/_fallback/"

// rehearseFile prepares the file and tells the function about it. Without a file it
// is empty.
func (o *devOptions) rehearseFile(sim *platform.Platform, baseURL, dir string) (*rehearsedFile, error) {
	f := &rehearsedFile{port: o.port, senders: make(map[string][]byte), targets: make(map[string]string)}
	if o.config == "" {
		return f, nil
	}
	data, err := os.ReadFile(o.config)
	if err != nil {
		return nil, err
	}
	parsed, err := config.ParseFile(o.config, data)
	agents := []string{config.DefaultAgent}
	for name := range parsed.Agents {
		agents = append(agents, name)
	}
	known := func(context.Context, config.Secret) ([]byte, error) { return nil, errors.New("not read here") }
	sources, wrong := source.Open(parsed.Sources, source.Options{Secrets: known, Agents: agents})
	if err := config.Join(err, wrong); err != nil {
		return nil, err
	}
	if f.google, err = token.NewIssuer(); err != nil {
		return nil, err
	}
	f.sources = sources.All()
	for _, s := range f.sources {
		f.secrets(sim, s)
	}
	if err := rehearseAgents(sim, parsed.Agents, baseURL); err != nil {
		return nil, err
	}
	text := f.divert(string(data), parsed, sim, baseURL)
	copied := filepath.Join(dir, "rcshook.yaml")
	if err := os.WriteFile(copied, []byte(text), 0o600); err != nil {
		return nil, err
	}
	if _, ok := parsed.Agents[config.DefaultAgent]; ok {
		os.Unsetenv("RCSHOOK_AGENT_ID")
		os.Unsetenv("RCSHOOK_CREDENTIALS")
	}
	os.Setenv("RCSHOOK_OIDC_ENDPOINT", baseURL)
	return f, os.Setenv("RCSHOOK_CONFIG", copied)
}

// secrets makes up what the source's secrets hold. The first is the one that samples
// are signed with; one that stands in the file is used as it is.
func (f *rehearsedFile) secrets(sim *platform.Platform, s *source.Source) {
	for i, secret := range s.Config.Secrets {
		sender := []byte(secret.Literal())
		if name, ok := secret.Resource(); ok {
			var receiver []byte
			receiver, sender = s.NewKeys()
			provide(sim, name, receiver)
		}
		if i == 0 {
			f.senders[s.Name] = sender
		}
	}
}

// provide stores a secret under a name that may end in the number of a version, and
// so many versions of it.
func provide(sim *platform.Platform, name string, content []byte) {
	secret, version, _ := strings.Cut(name, "/versions/")
	n, err := strconv.Atoi(version)
	if err != nil {
		n = 1 // the latest
	}
	for range min(n, 100) {
		sim.Secrets.AddVersion(secret, content)
	}
}

func rehearseAgents(sim *platform.Platform, agents map[string]config.Agent, baseURL string) error {
	for name, a := range agents {
		if resource, ok := a.ID.Resource(); ok {
			provide(sim, resource, []byte(strings.ToLower(name)+"_rehearsed_agent"))
		}
		if resource, ok := a.Credentials.Resource(); ok {
			provide(sim, resource, sim.KeyFile(baseURL))
		} else if a.Credentials != "" {
			return fmt.Errorf("the credentials of agent %s are a key in the file, which dev would use for real: name a secret instead, projects/PROJECT/secrets/SECRET", name)
		}
	}
	return nil
}

// divert points the fallbacks to this machine: nothing leaves it.
func (f *rehearsedFile) divert(text string, file config.File, sim *platform.Platform, baseURL string) string {
	one := func(name string, b *config.Fallback) {
		if b == nil {
			return
		}
		if resource, ok := b.Secret.Resource(); ok {
			provide(sim, resource, standardwebhook.NewSecret())
		}
		f.targets[fallbackPath+name] = b.URL
		text = strings.ReplaceAll(text, b.URL, baseURL+fallbackPath+name)
	}
	for name, s := range file.Sources {
		one(name, s.Fallback)
	}
	for name, a := range file.Agents {
		one(name, a.Fallback)
	}
	return text
}

// beside serves what the file needs beside the simulator: Google's keys, and the
// fallbacks, which tell what they would have got.
func (f *rehearsedFile) beside(sim http.Handler, stdout io.Writer) http.Handler {
	if f.google == nil {
		return sim
	}
	mux := http.NewServeMux()
	mux.Handle("/", sim)
	mux.Handle("GET "+f.google.Path(), f.google)
	for path, target := range f.targets {
		mux.HandleFunc("POST "+path, func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
			if err != nil {
				http.Error(w, "the body broke off", http.StatusBadRequest)
				return
			}
			fmt.Fprintf(stdout, "fallback, for %s:\n  %s\n", target, body)
		})
	}
	return mux
}

// samples are what the phone offers to send.
func (f *rehearsedFile) samples() []phone.Source {
	var all []phone.Source
	for _, s := range f.sources {
		if s.Config.Preset != "" {
			all = append(all, phone.Source{Name: s.Name, About: s.Description(), Sample: func() (*http.Request, error) { return f.sample(s) }})
		}
	}
	return all
}

// sample makes a sample event like no other, so that it is no repetition.
func (f *rehearsedFile) sample(s *source.Source) (*http.Request, error) {
	event := s.Sample(strings.ToLower(rand.Text())[:12])
	if s.UsesGoogleTokens() {
		event.Header.Set("Authorization", "Bearer "+f.google.Token(s.Config.Audience[0], s.Config.Emails[0], time.Now()))
	} else if err := s.Sign(event, f.senders[s.Name], time.Now()); err != nil {
		return nil, fmt.Errorf("the sample cannot be signed, because the file holds a public key: name a secret instead, and dev makes up a pair of keys")
	}
	address := fmt.Sprintf("http://localhost:%d/hooks/%s", f.port, s.Name)
	if event.Query != "" {
		address += "?" + event.Query
	}
	req, err := http.NewRequest(event.Method, address, bytes.NewReader(event.Body)) //nolint:noctx // the phone adds its own
	if err == nil {
		req.Header = event.Header
	}
	return req, err
}

// greet lists the addresses of the sources.
func (f *rehearsedFile) greet(stdout io.Writer) {
	if len(f.sources) == 0 {
		return
	}
	fmt.Fprintln(stdout, "\nSources; the phone can send a sample event of each:")
	fmt.Fprintln(stdout)
	for _, s := range f.sources {
		fmt.Fprintf(stdout, "  http://localhost:%d/hooks/%s   %s\n", f.port, s.Name, s.Description())
	}
}
