package agent_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"

	"github.com/rcshook/rcshook/internal/agent"
	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/google"
	"github.com/rcshook/rcshook/rbm"
)

const rbmScope = rbm.Scope

func TestDirectory(t *testing.T) {
	t.Parallel()
	w := loopback(t)
	keyID := w.store()
	cfg := w.config()
	cfg.Region = "us"
	cfg.Agents["literal"] = config.Agent{ID: "other_agent@rbm.goog", Credentials: keySecret, Region: "asia"}
	d := w.open(t, cfg, agent.Options{})

	if diff := cmp.Diff([]string{"default", "literal"}, d.Names()); diff != "" {
		t.Errorf("Names (-want +got):\n%s", diff)
	}
	for name, want := range map[string]string{
		"":                     "default brand_agent us",
		"default":              "default brand_agent us",
		"literal":              "literal other_agent asia",
		"other_agent":          "literal other_agent asia",
		"other_agent@rbm.goog": "literal other_agent asia",
	} {
		a, err := d.Agent(t.Context(), name)
		if err != nil {
			t.Fatalf("Agent(%q): %v", name, err)
		}
		if got := a.Name + " " + a.ID + " " + a.Region; got != want {
			t.Errorf("Agent(%q) = %s, want %s", name, got, want)
		}
		token, err := a.Token(t.Context())
		if err != nil {
			t.Fatalf("Token of %q: %v", name, err)
		}
		grant, err := w.tokens.Check(token)
		if err != nil || grant.KeyID != keyID || !cmp.Equal(grant.Scopes, []string{rbm.Scope}) {
			t.Errorf("Token of %q = a token of %+v, %v, want one of key %s for %s", name, grant, err, keyID, rbm.Scope)
		}
		if again, err := d.Agent(t.Context(), name); again != a || err != nil {
			t.Errorf("Agent(%q) again = %p, %v, want %p", name, again, err, a)
		}
	}
	for _, name := range []string{"marketing", "Default", "brand_agent", idSecret, "other agent", "+12025550100"} {
		if a, err := d.Agent(t.Context(), name); !errors.Is(err, agent.ErrUnknownAgent) {
			t.Errorf("Agent(%q) = %v, %v, want ErrUnknownAgent", name, a, err)
		} else if strings.Contains(err.Error(), name) {
			t.Errorf("Agent(%q): the error contains the name: %v", name, err)
		}
	}
	// Both agents have the same key: it is read once, and exchanged once.
	if got := w.secrets.Accesses(keySecret); got != 1 {
		t.Errorf("%d accesses of the key, want 1", got)
	}
	if got := w.tokens.Requests(); got != 1 {
		t.Errorf("%d token requests, want 1", got)
	}
}

func TestDirectory_lazy(t *testing.T) {
	t.Parallel()
	w := loopback(t)
	w.store()
	w.open(t, w.config(), agent.Options{})
	if got := w.secrets.Accesses(idSecret) + w.secrets.Accesses(keySecret) + w.tokens.Requests(); got != 0 {
		t.Errorf("New made %d requests, want none", got)
	}
}

// Many requests at a cold instance share one access per secret and one token.
func TestDirectory_concurrent(t *testing.T) {
	t.Parallel()
	w := loopback(t)
	w.store()
	w.secrets.AddVersion("projects/p-1/secrets/api-keys", []byte("k"))
	d := w.open(t, w.config(), agent.Options{})

	var requests sync.WaitGroup
	for range 100 {
		requests.Go(func() {
			if _, err := d.Secret(t.Context(), "projects/p-1/secrets/api-keys"); err != nil {
				t.Errorf("Secret: %v", err)
			}
			if _, _, err := send(t.Context(), d); err != nil {
				t.Errorf("Agent and Token: %v", err)
			}
		})
	}
	requests.Wait()
	for _, secret := range []string{idSecret, keySecret, "projects/p-1/secrets/api-keys"} {
		if got := w.secrets.Accesses(secret); got != 1 {
			t.Errorf("%d accesses of %s, want 1", got, secret)
		}
	}
	if got := w.tokens.Requests(); got != 1 {
		t.Errorf("%d token requests, want 1", got)
	}
}

func TestDirectory_Secret(t *testing.T) {
	t.Parallel()
	w := loopback(t)
	w.secrets.AddVersion("projects/p-1/secrets/s", []byte("one\n"))
	w.secrets.AddVersion("projects/p-1/secrets/s", []byte("\xef\xbb\xbf two\r\n"))
	w.secrets.AddVersion("projects/p-1/secrets/utf-16", []byte("\xff\xfes\x003\x00c\x00r\x00e\x00t\x00\r\x00\n\x00")) // as PowerShell writes it
	w.secrets.AddVersion("projects/p-1/secrets/damaged", []byte("\xff\xfes\x003"))
	w.secrets.AddVersion("projects/p-1/secrets/latin-1", []byte("Gr\xfc\xdfe"))
	w.secrets.AddVersion("projects/p-1/secrets/whitespace", []byte("\xff\xfe\n\x00"))
	d := w.open(t, w.config(), agent.Options{})
	for setting, want := range map[config.Secret]string{
		"literal":                             "literal",
		"projects/p-1/secrets/s":              "two",
		"projects/p-1/secrets/s/versions/1":   "one",
		"projects/p-1/secrets/s/versions/2":   "two",
		"projects/p-1/secrets/utf-16":         "s3cret",
		"projects/p-1/secrets/s/versions/ 99": "",
	} {
		got, err := d.Secret(t.Context(), setting)
		if string(got) != want || (err == nil) != (want != "") {
			t.Errorf("Secret(%v) = %q, %v, want %q", setting, got, err, want)
		}
	}
	_, err := d.Secret(t.Context(), "")
	wantSecretError(t, err, google.ErrSecretInvalid, "empty")
	for setting, reason := range map[config.Secret]string{
		"projects/p-1/secrets/damaged":    "not_text",
		"projects/p-1/secrets/latin-1":    "not_text",
		"projects/p-1/secrets/whitespace": "empty",
	} {
		_, err := d.Secret(t.Context(), setting)
		wantSecretError(t, err, google.ErrSecretInvalid, reason)
	}
}

// The secrets of an agent may be in UTF-16, as PowerShell writes them.
func TestDirectory_utf16(t *testing.T) {
	t.Parallel()
	w := loopback(t)
	for name, text := range map[string]string{idSecret: "brand_agent", keySecret: string(w.keyFile())} {
		w.secrets.AddVersion(name, toUTF16(text+"\r\n"))
	}
	mustSend(t, w, w.open(t, w.config(), agent.Options{}))
}

func toUTF16(text string) (data []byte) {
	for _, unit := range utf16.Encode([]rune("\ufeff" + text)) {
		data = binary.LittleEndian.AppendUint16(data, unit)
	}
	return data
}

// The configuration may contain keys and IDs themselves.
func TestDirectory_literals(t *testing.T) {
	t.Parallel()
	w := loopback(t)
	cfg := w.config()
	key := edit(w.keyFile(), `"project_id"`, `"audience": "https://example.com", "project_id"`) // ignored
	cfg.Agents["default"] = config.Agent{ID: "brand_agent", Credentials: config.Secret("\ufeff" + string(key) + "\n\n")}
	d := w.open(t, cfg, agent.Options{})
	a, _ := mustSend(t, w, d)
	if a.ID != "brand_agent" {
		t.Errorf("ID = %q, want brand_agent", a.ID)
	}
	renewed, err := d.Renew(t.Context(), a)
	if err != nil || renewed.ID != a.ID {
		t.Errorf("Renew = %v, %v, want the same agent", renewed, err)
	}
	mustSend(t, w, d)

	// A rejected key without a newer one is an error.
	w.tokens.RevokeAll()
	renewed, err = d.Renew(t.Context(), renewed)
	if err != nil {
		t.Fatalf("Renew: %v", err)
	}
	_, err = renewed.Token(t.Context())
	e := wantSecretError(t, err, google.ErrSecretInvalid, "invalid_grant")
	if e.Resource != "" || e.Content != google.Key {
		t.Errorf("resource %q, content %d, want no resource and a key", e.Resource, e.Content)
	}
}

func TestAgent_print(t *testing.T) {
	t.Parallel()
	w := loopback(t)
	w.store()
	a, token := mustSend(t, w, w.open(t, w.config(), agent.Options{}))
	if got := fmt.Sprintf("%v %+v %s %v", a, a, a, a.LogValue()); got != "default default default default" || strings.Contains(got, token) {
		t.Errorf("a printed agent is %s, want its name", got)
	}
}

func TestDirectory_Close(t *testing.T) {
	t.Parallel()
	w := loopback(t)
	w.store()
	d := agent.New(w.config(), agent.Options{})
	if err := d.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	if a, err := d.Agent(t.Context(), ""); !errors.Is(err, google.ErrClosed) {
		t.Errorf("Agent after Close = %v, %v, want ErrClosed", a, err)
	}
	if err := d.Close(); err != nil {
		t.Errorf("Close again: %v", err)
	}
}
