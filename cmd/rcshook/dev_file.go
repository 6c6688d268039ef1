package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/rcshook/rcshook/internal/check"
	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/googletest/platform"
	"github.com/rcshook/rcshook/internal/googletest/token"
	"github.com/rcshook/rcshook/internal/optout"
	"github.com/rcshook/rcshook/internal/phone"
	"github.com/rcshook/rcshook/internal/source"
	"github.com/rcshook/rcshook/internal/standardwebhook"
	"github.com/rcshook/rcshook/rbm"
	"github.com/rcshook/rcshook/rbm/rbmtest"
)

// devFile is rcshook.yaml in dev. Its secrets exist in the simulator, with generated
// content.
type devFile struct {
	port     int
	settings map[string]string // instead of those without a file

	sources []*source.Source
	keys    map[string][]byte        // with which each source's sender signs
	secrets map[config.Secret][]byte // with which the sources verify
	checker *checker
	google  *token.Issuer

	agents  []rbmtest.AgentConfig
	hooks   []rbmtest.WebhookConfig // of agents, without URL
	callers []string                // names, with a key or an ID token
	queues  []string
	topics  []string
	buckets []string // with opt-outs
	targets []string // names, with what becomes of their requests

	unused []string // names of environment variables for secrets of other sources

	redirected bool // a target is outside of this machine
}

// readFile reads rcshook.yaml, if any. It reports only what [server.New] does not.
func (f *devFunction) readFile(ctx context.Context) (*devFile, error) {
	file := &devFile{port: f.port, settings: make(map[string]string), keys: make(map[string][]byte), secrets: make(map[config.Secret][]byte), google: f.google}
	file.agents = []rbmtest.AgentConfig{{ID: f.agentID}}
	var parsed config.File
	if f.config == "" && f.queue {
		file.targets = []string{"agents.default.fallback   is an SMS provider that exists in dev only; the phone shows its messages"}
		file.redirected = true
	}
	if f.config != "" {
		data, err := readFile(f.config)
		if errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("%w; write one with rcshook init, or name another with -config", err)
		}
		if err != nil {
			return nil, err
		}
		if file.settings["RCSHOOK_CONFIG"], err = filepath.Abs(f.config); err != nil {
			return nil, err
		}
		parsed, err = config.ParseFile(f.config, data)
		if _, ok := parsed.Agents[config.DefaultAgent]; ok {
			file.settings["RCSHOOK_AGENT_ID"], file.settings["RCSHOOK_CREDENTIALS"] = "", ""
		}
		if parsed.NeedsQueue() {
			file.settings["RCSHOOK_QUEUE"] = devQueue
		}
		if err != nil {
			return file, nil // the function reports it with the problems that it finds
		}
	}
	agents := []string{config.DefaultAgent}
	for _, name := range slices.Sorted(maps.Keys(parsed.Agents)) {
		agents = append(agents, name)
		if err := f.addAgent(file, name, parsed.Agents[name]); err != nil {
			return nil, err
		}
	}
	if _, ok := parsed.Agents[config.DefaultAgent]; !ok {
		file.hooks = append(file.hooks, rbmtest.WebhookConfig{AgentID: f.agentID, ClientToken: f.webhookToken})
	}
	file.checker = &checker{file: check.New(parsed, fileSettings()), dir: filepath.Dir(f.config)}
	if sources, err := source.Open(parsed.Sources, source.Options{
		Secrets:        func(_ context.Context, s config.Secret) ([]byte, error) { return file.secrets[s], nil },
		Agents:         agents,
		Phone:          file.checker.file.Phone(),
		GoogleEndpoint: f.baseURL,
		Transport:      f.targets.transport(),
	}); err == nil {
		file.sources = sources.All()
	}
	for _, entry := range os.Environ() {
		name, _, _ := strings.Cut(entry, "=")
		known := slices.ContainsFunc(file.sources, func(s *source.Source) bool { return secretVariable(s.Name) == name })
		if strings.HasPrefix(name, secretVariable("")) && !known {
			file.unused = append(file.unused, name)
		}
	}
	for _, s := range file.sources {
		if err := f.addSource(file, s); err != nil {
			return nil, err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(parsed.Callers)) {
		f.addCaller(file, name, parsed.Callers[name])
	}
	targets := append(slices.Collect(maps.Values(parsed.Events)), parsed.Fallbacks()...)
	for _, t := range targets {
		if err := f.addTarget(file, t, "stays in dev; see the tab Events of the phone"); err != nil {
			return nil, err
		}
	}
	if parsed.NeedsQueue() {
		file.queues = append(file.queues, devQueue)
		f.addQueue(devQueue)
	}
	if err := f.addStores(ctx, file, parsed); err != nil {
		return nil, err
	}
	slices.Sort(file.targets)
	return file, nil
}

// addStores adds the stores of opt-outs. One in the file for all brands replaces that of
// dev.
func (f *devFunction) addStores(ctx context.Context, file *devFile, parsed config.File) error {
	brands := append(slices.Collect(maps.Keys(parsed.Brands)), config.DefaultBrand)
	if err := f.addStore(ctx, devOptOuts, devOptOutKey, brands); err != nil {
		return err
	}
	all := []*config.OptOut{parsed.OptOut}
	for _, name := range slices.Sorted(maps.Keys(parsed.Brands)) {
		all = append(all, parsed.Brands[name].OptOut)
	}
	for i, o := range all {
		if o == nil || !o.Store.IsSet() {
			continue
		}
		if i == 0 {
			file.settings["RCSHOOK_OPT_OUT_STORE"], file.settings["RCSHOOK_OPT_OUT_KEY"] = "", ""
		}
		var err error
		if o.Store.Lookup != nil {
			err = f.addTarget(file, o.Store.Lookup, `gets the response {"opted_out": false} from dev`)
		} else {
			err = f.addStore(ctx, o.Store.Location, o.Key, brands)
		}
		if err != nil {
			return err
		}
	}
	file.buckets = slices.Clone(f.buckets)
	return nil
}

// addStore creates a bucket in memory, unless it exists, and prepares it for opt-outs. All
// keys have the same generated value, so that another name of a secret changes nothing.
func (f *devFunction) addStore(ctx context.Context, location string, setting config.Secret, brands []string) error {
	bucket, _, _ := strings.Cut(strings.TrimPrefix(location, "gs://"), "/")
	if !slices.Contains(f.buckets, bucket) {
		f.buckets = append(f.buckets, bucket)
		f.sim.Storage.AddBucket(bucket)
	}
	key := []byte(f.secret(setting, f.optOutKey))
	return optout.NewBucket(optout.BucketOptions{
		API: f.api, Endpoint: f.baseURL, Location: location, Now: time.Now,
		Key:       func(context.Context) ([]byte, error) { return key, nil },
		RereadKey: func(context.Context) error { return nil },
	}).Init(ctx, brands...)
}

// secret returns the value of a setting. If the setting names a secret, the secret gets
// that value, unless it has one.
func (f *devFunction) secret(setting config.Secret, value string) string {
	return string(f.keyPair(setting, func() (receiver, sender []byte) { return []byte(value), []byte(value) }))
}

// keyPair returns what the sender uses for a setting of the receiver. A literal setting is
// used as it is.
func (f *devFunction) keyPair(setting config.Secret, generate func() (receiver, sender []byte)) []byte {
	name, ok := setting.Resource()
	if !ok {
		return []byte(setting.Literal())
	}
	if known, ok := f.secrets[setting]; ok {
		return known
	}
	receiver, sender := generate()
	addSecret(f.sim, name, receiver)
	f.receivers[setting], f.secrets[setting] = receiver, sender
	return sender
}

// addAgent adds an agent of the file.
func (f *devFunction) addAgent(file *devFile, name string, a config.Agent) error {
	if a.Credentials.Literal() != "" {
		return fmt.Errorf("the file contains the key of agent %s, which dev would really use: name a secret instead, projects/PROJECT/secrets/SECRET", name)
	}
	id := f.secret(a.ID, strings.ToLower(name)+"_dev_agent")
	f.secret(a.Credentials, string(f.sim.KeyFile(f.baseURL)))
	file.agents = append(file.agents, rbmtest.AgentConfig{ID: id})
	hook := rbmtest.WebhookConfig{AgentID: strings.TrimSuffix(id, rbm.AgentDomain), ClientToken: f.webhookToken}
	for i, setting := range a.WebhookTokens {
		if value := f.secret(setting, rand.Text()); i == 0 {
			hook.ClientToken = value
		}
	}
	file.hooks = append(file.hooks, hook)
	return nil
}

// addSource adds the secrets and the queue of a source. The first secret, with which samples
// are signed, can be that of the real sender.
func (f *devFunction) addSource(file *devFile, s *source.Source) error {
	for i, setting := range s.Config.Secrets {
		generate := s.NewKeys
		if own := os.Getenv(secretVariable(s.Name)); own != "" && i == 0 {
			if err := s.CheckSecret([]byte(own)); err != nil {
				return fmt.Errorf("%s: the secret %w", secretVariable(s.Name), err)
			}
			generate = func() (receiver, sender []byte) { return []byte(own), []byte(own) }
		}
		sender := f.keyPair(setting, generate)
		if i == 0 {
			file.keys[s.Name] = sender
		}
		if file.secrets[setting] = f.receivers[setting]; !setting.IsResource() {
			file.secrets[setting] = []byte(setting.Literal())
		}
	}
	f.secret(s.Config.VerifyToken, "dev")
	if name := s.Config.Queue; name != "" && name != config.NoQueue {
		file.queues = append(file.queues, name)
		f.addQueue(name)
	}
	return nil
}

// addCaller adds the keys of a caller; the first is printed. A caller without keys gets an
// ID token for an hour.
func (f *devFunction) addCaller(file *devFile, name string, c config.Caller) {
	shown := ""
	for _, key := range slices.Backward(c.Keys) {
		shown = f.secret(key, strings.ToLower(rand.Text()))
	}
	if shown == "" {
		shown = f.google.Token(f.settings["RCSHOOK_URL"], c.Emails[0], time.Now())
	}
	file.callers = append(file.callers, name+"   "+shown)
}

// addTarget adds the secrets and the topic of a target. A secret with an address gets one
// that does not exist. The fate of its requests is for addresses outside of this machine.
func (f *devFunction) addTarget(file *devFile, t *config.Target, fate string) error {
	name := cmp.Or(t.Name, t.At.Of("").Path)
	address := f.secret(t.URL, "https://dev.invalid/"+string(t.URL))
	switch {
	case t.Send.Text != "":
		fate = "sends to the phone"
	case config.IsLoopback(address):
		fate = "gets real requests"
	case address != "" && hostPort(address) == f.targets.allowed:
		return fmt.Errorf("-events: %s has the same host, so its requests would leave this machine too; remove it from the file, or use another URL", name)
	default:
		file.redirected = true
	}
	file.targets = append(file.targets, name+"   "+fate)
	f.secret(t.Secret, string(standardwebhook.NewSecret()))
	f.secret(t.Basic, "dev:dev")
	f.secret(t.Bearer, "dev")
	for _, value := range t.Headers {
		f.secret(value, "dev")
	}
	if t.Topic != "" {
		file.topics = append(file.topics, t.Topic)
		if f.topics.Messages(t.Topic) == nil {
			f.topics.AddTopic(t.Topic)
		}
	}
	return nil
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

// phoneSources returns the sources whose events the phone can send.
func (f *devFile) phoneSources() []phone.Source {
	var all []phone.Source
	for _, s := range f.sources {
		sample, _ := check.FormatEvent(s.Sample(newEventID()))
		all = append(all, phone.Source{
			Name: s.Name, About: s.Description(), Sample: string(sample),
			Request: func(event string) (*http.Request, error) { return f.eventRequest(s, event) },
		})
	}
	return all
}

// eventIDs counts the sample events of this process, whose simulator forgets with it.
var eventIDs atomic.Int64

// newEventID returns digits that make a sample event unique, so that it is not a duplicate.
// They may be a part of a one-time code.
func newEventID() string { return fmt.Sprintf("%04d", eventIDs.Add(1)) }

// eventRequest returns a signed request with an event for a source, or its sample event if
// the event is empty. Headers that the event lacks are those of the sample.
func (f *devFile) eventRequest(s *source.Source, text string) (*http.Request, error) {
	event, err := check.OwnEvent(text, s.Sample(newEventID()))
	if err != nil {
		return nil, err
	}
	if event == nil {
		return nil, errors.New("the source has no sample event; send an event of your own")
	}
	if s.UsesGoogleTokens() {
		event.Header.Set("Authorization", "Bearer "+f.google.Token(s.Config.Audience[0], s.Config.Emails[0], time.Now()))
	} else if err := s.Sign(event, f.keys[s.Name], time.Now()); len(s.Config.Topics) > 0 {
		return nil, err
	} else if err != nil {
		return nil, errors.New("cannot sign the event, because the file contains a public key: name a secret instead, and dev generates a key pair")
	}
	address := fmt.Sprintf("http://localhost:%d", f.port) + path.Join("/hooks", s.Name, event.Token)
	if event.Query != "" {
		address += "?" + event.Query
	}
	req, err := http.NewRequest(event.Method, address, bytes.NewReader(event.Body))
	if err == nil {
		req.Header = event.Header
	}
	return req, err
}
