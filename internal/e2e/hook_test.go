package e2e

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/googletest/token"
	"github.com/rcshook/rcshook/internal/source"
	"github.com/rcshook/rcshook/rbm"
)

// withFile adds the rcshook.yaml of a case to the environment. It replaces [fallback]
// with the address of the fallback, and [key] with the secret of the service account key.
func (s *stage) withFile(t *testing.T, folder string, environment map[string]*string) map[string]*string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(folder, "rcshook.yaml"))
	if os.IsNotExist(err) {
		return environment
	}
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "rcshook.yaml")
	known := strings.NewReplacer("[fallback]", s.fallback.url, "[key]", s.env["RCSHOOK_CREDENTIALS"])
	if err := os.WriteFile(file, []byte(known.Replace(string(text))), 0o600); err != nil {
		t.Fatal(err)
	}
	environment = maps.Clone(environment)
	if environment == nil {
		environment = make(map[string]*string)
	}
	environment["RCSHOOK_CONFIG"] = &file
	return environment
}

// sign signs a request with the header X-Sign like the sender of its source:
//
//	X-Sign: valid
//	X-Sign: valid, 10m ago
//	X-Sign: forged
//
// A request to /events, whose body is the event, gets the envelope and the signature of
// RBM. Requests to sources with Google ID tokens, and to the function itself, get a token for
// the first audience and the first account.
func (s *stage) sign(t *testing.T, h *function, r *request) {
	t.Helper()
	how := r.header.Get("X-Sign")
	if how == "" {
		return
	}
	r.header.Del("X-Sign")
	how, when, _ := strings.Cut(how, ", ")
	at := s.clock.now()
	if age, err := time.ParseDuration(strings.TrimSuffix(when, " ago")); err == nil {
		at = at.Add(-age)
	}
	cfg, sources := h.settings()
	if r.path == "/events" {
		client := string(cfg.WebhookToken)
		if own := cfg.Agents[config.DefaultAgent].WebhookTokens; len(own) > 0 {
			client = string(own[0])
		}
		if how == "forged" {
			client += "x"
		}
		r.sealEvent(client)
		return
	}
	audience, emails := cfg.TokenAudience(), cfg.Emails
	for _, name := range slices.Sorted(maps.Keys(cfg.Callers)) {
		emails = append(emails, cfg.Callers[name].Emails...)
	}
	path, query, _ := strings.Cut(r.path, "?")
	from, err := sources.Find(strings.TrimPrefix(path, "/hooks/"))
	if err == nil && !from.UsesGoogleTokens() {
		secret := []byte(from.Config.Secrets[0].Literal())
		if how == "forged" {
			_, secret = from.NewKeys()
		}
		signed := &source.Request{Method: r.method, Query: query, Header: r.header, Body: r.body}
		if err := from.Sign(signed, secret, at); err != nil {
			t.Fatal(err)
		}
		if signed.Token != "" {
			r.path = strings.Replace(r.path, path, path+"/"+signed.Token, 1)
		}
		r.body = signed.Body
		return
	}
	if h.err != nil {
		t.Fatalf("cannot sign a request to an invalid function: %v", h.err)
	}
	if err == nil {
		audience, emails = from.Config.Audience, from.Config.Emails
	}
	google := s.google
	if how == "forged" {
		if google, err = token.NewIssuer(); err != nil {
			t.Fatal(err)
		}
	}
	r.header.Set("Authorization", "Bearer "+google.Token(audience[0], emails[0], at))
}

// sealEvent puts the event in the body into the envelope of RBM, and signs it.
func (r *request) sealEvent(clientToken string) {
	mac := hmac.New(sha512.New, []byte(clientToken))
	mac.Write(r.body)
	r.header.Set(rbm.SignatureHeader, base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	r.body = fmt.Appendf(nil, `{"message": {"data": %q}}`, base64.StdEncoding.EncodeToString(r.body))
}

// fallback is the target of the fallbacks. It verifies signatures with the official
// library of Standard Webhooks.
type fallback struct {
	url string

	mu       sync.Mutex
	statuses []int
	requests []fallbackRequest
}

type fallbackRequest struct {
	ID      string          `json:"webhook-id"`
	Body    json.RawMessage `json:"body"`
	Status  int             `json:"status"`
	problem error
}

// standardSecret is a secret for Standard Webhooks, also in the files of cases.
const standardSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

func newFallback(t *testing.T) *fallback {
	t.Helper()
	f := new(fallback)
	web := httptest.NewServer(f)
	t.Cleanup(web.Close)
	f.url = web.URL
	return f
}

func (f *fallback) reset(statuses []int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.statuses, f.requests = slices.Clone(statuses), nil
}

func (f *fallback) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	f.mu.Lock()
	defer f.mu.Unlock()
	request := fallbackRequest{ID: r.Header.Get("Webhook-Id"), Body: body, Status: http.StatusOK, problem: err}
	if len(f.statuses) > 0 {
		request.Status, f.statuses = f.statuses[0], f.statuses[1:]
	}
	if request.problem == nil {
		request.problem = verifyStandard(r.Header, body)
	}
	f.requests = append(f.requests, request)
	if request.Status/100 == 3 {
		w.Header().Set("Location", f.url+"/elsewhere")
	}
	w.WriteHeader(request.Status)
}

// received formats the requests to the fallback. Without requests it returns "".
func (f *fallback) received(t *testing.T) string {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.requests {
		if r.problem != nil {
			t.Errorf("request %s to the fallback: %v", r.ID, r.problem)
		}
	}
	if len(f.requests) == 0 {
		return ""
	}
	text, err := json.MarshalIndent(f.requests, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return string(text) + "\n"
}

// verifyStandard verifies a signature with the official library. It ignores the timestamp,
// because the library has no clock for tests.
func verifyStandard(h http.Header, body []byte) error {
	wh, err := standardwebhooks.NewWebhook(standardSecret)
	if err != nil {
		return err
	}
	return wh.VerifyIgnoringTimestamp(body, h)
}

func pointer(s string) *string { return &s }

// TestHooks_concurrent delivers an event of every preset ten times in parallel. Only one
// message is sent.
func TestHooks_concurrent(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	for _, preset := range source.Presets() {
		t.Run(preset, func(t *testing.T) {
			c, err := source.Example(preset, "p")
			if err != nil {
				t.Fatal(err)
			}
			if len(c.Topics) > 0 {
				t.Skip("only Amazon SNS can sign its messages")
			}
			s.sim.Reset()
			h, r := s.presetHandler(t, preset, c.Map.Text)
			_, sources := h.settings()
			from, err := sources.Find("it")
			if err != nil {
				t.Fatal(err)
			}
			web := httptest.NewServer(h)
			defer web.Close()
			if r.header.Get("Idempotency-Key") == "" {
				r.header.Set("Idempotency-Key", "delivery-1") // for senders without event IDs
			}
			// Some senders expect another response.
			accepted := cmp.Or(map[string]string{"discord": `"content": "Sent"`, "okta": `"status": "SUCCESSFUL"`}[preset], `"code": "accepted"`)
			var wg sync.WaitGroup
			for range 10 {
				wg.Go(func() {
					response := r.doOnce(t, web.URL)
					for range 50 { // on a busy machine, ten at once can take longer than the sender waits
						if !strings.HasPrefix(response, "HTTP/1.1 503 ") && !strings.HasPrefix(response, "HTTP/1.1 504 ") {
							break
						}
						response = r.doOnce(t, web.URL)
					}
					if !strings.Contains(response, accepted) &&
						!strings.HasPrefix(response, "HTTP/1.1 204") && (!from.Empty || response != "HTTP/1.1 200 OK\n") {
						t.Errorf("response %s", response)
					}
				})
			}
			wg.Wait()
			if sent := s.sim.Messages(); len(sent) != 1 {
				t.Errorf("%d messages, want 1", len(sent))
			}
		})
	}
}

// presetHandler returns a handler with one source for a preset, and a signed sample
// request of its sender.
func (s *stage) presetHandler(t *testing.T, preset, mapping string) (*function, request) {
	t.Helper()
	c, err := source.Example(preset, "p")
	if err != nil {
		t.Fatal(err)
	}
	entry := map[string]any{"preset": preset, "url": "https://example.com/hooks/it"}
	if mapping != "" {
		entry["map"] = mapping
	}
	if len(c.Recipients) > 0 {
		entry["recipients"] = c.Recipients
	}
	if c.VerifyToken != "" {
		entry["verify_token"] = "v3rify"
	}
	var sender []byte
	if len(c.Secrets) > 0 {
		opened, err := source.Open(map[string]config.Source{preset: c}, source.Options{})
		if err != nil {
			t.Fatal(err)
		}
		var receiver []byte
		receiver, sender = opened.All()[0].NewKeys()
		entry["secret"] = string(receiver)
	} else {
		entry["audience"], entry["emails"] = "https://example.com", "robot@example.com"
	}
	file, err := json.Marshal(map[string]any{"sources": map[string]any{"it": entry}}) // JSON is YAML
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "rcshook.yaml"), file, 0o600); err != nil {
		t.Fatal(err)
	}
	h, _ := s.handler(t, s.withFile(t, folder, nil))
	if h.err != nil {
		t.Fatal(h.err)
	}
	_, sources := h.settings()
	from, err := sources.Find("it")
	if err != nil {
		t.Fatal(err)
	}
	sample := from.Sample("0001")
	if from.UsesGoogleTokens() {
		sample.Header.Set("Authorization", "Bearer "+s.google.Token("https://example.com", "robot@example.com", s.clock.now()))
	} else if err := from.Sign(sample, sender, s.clock.now()); err != nil {
		t.Fatal(err)
	}
	return h, request{http.MethodPost, path.Join("/hooks/it", sample.Token), sample.Header, sample.Body}
}
