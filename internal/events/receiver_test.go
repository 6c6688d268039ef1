package events_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/events"
)

// vault holds the IDs of agents and the secrets with their tokens. Fresh are the values
// that a secret has when it is read again.
type vault struct {
	ids, secrets, fresh map[string]string
	reads, lookups      int // of tokens and of the IDs of agents
}

var errUnreadable = errors.New("the secret cannot be read")

func (v *vault) receiver(agents map[string]config.Agent, token config.Secret) *events.Receiver {
	return events.NewReceiver(events.Options{
		Agents: agents, Token: token,
		AgentID: func(_ context.Context, name string) (string, error) {
			v.lookups++
			if id, ok := v.ids[name]; ok {
				return id, nil
			}
			return "", errUnreadable
		},
		Secret: func(_ context.Context, s config.Secret) ([]byte, error) {
			if !s.IsResource() {
				return []byte(s.Literal()), nil
			}
			if value, ok := v.secrets[string(s)]; ok {
				return []byte(value), nil
			}
			return nil, errUnreadable
		},
		Reread: func(_ context.Context, s config.Secret) error {
			v.reads++
			if value, ok := v.fresh[string(s)]; ok {
				v.secrets[string(s)] = value
			}
			return nil
		},
	})
}

// request returns the signature and the body of a request for the event.
func request(token, event string) (string, []byte) {
	mac := hmac.New(sha512.New, []byte(token))
	mac.Write([]byte(event))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil)), fmt.Appendf(nil, `{"message": {"data": %q}}`, base64.StdEncoding.EncodeToString([]byte(event)))
}

func TestReceive(t *testing.T) {
	t.Parallel()
	const fromA, fromB, fromC = `{"text": "Hi", "agentId": "a_agent@rbm.goog"}`, `{"text": "Hi", "agentId": "b_agent"}`, `{"text": "Hi", "agentId": "c_agent"}`
	both := map[string]config.Agent{"default": {WebhookTokens: []config.Secret{"token-a", "projects/p/secrets/next"}}, "b": {}}
	ids := map[string]string{"default": "a_agent", "b": "b_agent"}
	for _, test := range []struct {
		name         string
		agents       map[string]config.Agent
		vault        vault
		token, event string
		agent        string // of the event; empty for an error, - for an event of another agent
		err          error
	}{
		{"first token", both, vault{ids: ids, secrets: map[string]string{"projects/p/secrets/next": "x"}}, "token-a", fromA, "default", nil},
		{"second token", both, vault{ids: ids, secrets: map[string]string{"projects/p/secrets/next": "old\r\nnew\n"}}, "new", fromA, "default", nil},
		{"second token cannot be read, but the first fits", both, vault{ids: ids}, "token-a", fromA, "default", nil},
		{"second token cannot be read", both, vault{ids: ids}, "new", fromA, "", errUnreadable},
		{"common token", both, vault{ids: ids}, "common", fromB, "b", nil},
		{"token of another agent", both, vault{ids: ids, secrets: map[string]string{"projects/p/secrets/next": "x"}}, "common", fromA, "", events.ErrSignature},
		{"other agent", both, vault{ids: ids, secrets: map[string]string{"projects/p/secrets/next": "x"}}, "token-a", fromC, "-", nil},
		{"other agent, forged", both, vault{ids: ids, secrets: map[string]string{"projects/p/secrets/next": "x"}}, "token", fromC, "", events.ErrSignature},
		{"no agent ID", both, vault{ids: ids}, "token", `{"text": "Hi"}`, "", errUnreadable},
		{"ID of another agent cannot be read", both, vault{ids: map[string]string{"default": "a_agent"}}, "token-a", fromA, "default", nil},
		{"ID of the agent cannot be read", both, vault{ids: map[string]string{"b": "b_agent"}}, "token-a", fromA, "", errUnreadable},
		{
			"token changed meanwhile",
			map[string]config.Agent{"default": {WebhookTokens: []config.Secret{"projects/p/secrets/next"}}},
			vault{ids: ids, secrets: map[string]string{"projects/p/secrets/next": "old"}, fresh: map[string]string{"projects/p/secrets/next": "new"}},
			"new", fromA, "default", nil,
		},
		{"two names for one ID", map[string]config.Agent{"a": {}, "b": {}}, vault{ids: map[string]string{"a": "b_agent", "b": "b_agent"}}, "common", fromB, "a", nil},
		{
			"two names for one ID, only one has a token",
			map[string]config.Agent{"default": {WebhookTokens: []config.Secret{"x"}}, "z": {WebhookTokens: []config.Secret{"token-z"}}},
			vault{ids: map[string]string{"default": "a_agent", "z": "a_agent"}},
			"token-z", fromA, "default", nil,
		},
		{"two names for one ID, one is the default", map[string]config.Agent{"a": {}, "default": {}}, vault{ids: map[string]string{"a": "b_agent", "default": "b_agent"}}, "common", fromB, "default", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			signature, body := request(test.token, test.event)
			got, err := test.vault.receiver(test.agents, "common").Receive(t.Context(), signature, body, noon)
			if !errors.Is(err, test.err) || (err == nil) != (test.err == nil) {
				t.Fatalf("Receive: %v, want %v", err, test.err)
			}
			agent := ""
			switch {
			case err != nil:
			case got.Event == nil:
				agent = "-"
			default:
				agent = got.Event.Agent
			}
			if agent != test.agent {
				t.Errorf("the event belongs to %q, want %q", agent, test.agent)
			}
		})
	}
}

// TestReceive_names tests the order of the agents that share an ID.
func TestReceive_names(t *testing.T) {
	t.Parallel()
	v := vault{ids: map[string]string{"a": "a_agent", "b": "a_agent", "default": "a_agent", "y": "a_agent", "z": "a_agent"}}
	signature, body := request("common", `{"text": "Hi", "agentId": "a_agent"}`)
	for range 20 { // the order of a map is random
		got, err := v.receiver(map[string]config.Agent{"z": {}, "b": {}, "default": {}, "a": {}, "y": {}}, "common").Receive(t.Context(), signature, body, noon)
		if want := []string{"default", "a", "b", "y", "z"}; err != nil || !slices.Equal(got.Agents, want) {
			t.Fatalf("agents %v, %v, want %v", got.Agents, err, want)
		}
	}
}

func TestReceive_handshake(t *testing.T) {
	t.Parallel()
	agents := map[string]config.Agent{"default": {WebhookTokens: []config.Secret{"one", "projects/p/secrets/two"}}}
	v := &vault{secrets: map[string]string{"projects/p/secrets/two": "two"}}
	r := v.receiver(agents, "")
	for token, want := range map[string]error{"one": nil, "two": nil, "three": events.ErrHandshake} {
		got, err := r.Receive(t.Context(), "", fmt.Appendf(nil, `{"clientToken": %q, "secret": "s"}`, token), noon)
		if !errors.Is(err, want) || err == nil && got.Secret != "s" {
			t.Errorf("handshake with %s: %+v, %v; want %v", token, got, err, want)
		}
	}
	if _, err := v.receiver(map[string]config.Agent{"default": {}}, "").Receive(t.Context(), "", []byte(`{}`), noon); !errors.Is(err, events.ErrNoToken) {
		t.Errorf("without tokens: %v, want %v", err, events.ErrNoToken)
	}
	if _, err := r.Receive(t.Context(), "", []byte(`{"message": {}}`), noon); !errors.Is(err, events.ErrEnvelope) {
		t.Errorf("without data: %v, want %v", err, events.ErrEnvelope)
	}
}

// TestReceive_reads tests that forged requests cause one read of the tokens, not one each,
// and that their data is not parsed, which takes many times its memory.
func TestReceive_reads(t *testing.T) {
	t.Parallel()
	v := &vault{ids: map[string]string{"default": "a_agent"}, secrets: map[string]string{"projects/p/secrets/token": "x"}}
	r := v.receiver(map[string]config.Agent{"default": {}}, "projects/p/secrets/token")
	signature, body := request("forged", `{"text": "Hi", "agentId": "a_agent"}`)
	for range 50 {
		if _, err := r.Receive(t.Context(), signature, body, noon); !errors.Is(err, events.ErrSignature) {
			t.Fatalf("Receive: %v, want %v", err, events.ErrSignature)
		}
	}
	if v.reads != 1 || v.lookups != 0 {
		t.Errorf("%d reads and %d lookups of the agent, want 1 and 0", v.reads, v.lookups)
	}
}

// FuzzReceive tests that no body makes a receiver panic, and that only the signed data
// becomes an event.
func FuzzReceive(f *testing.F) {
	for _, data := range []string{`{"text": "Hi", "agentId": "a_agent"}`, `{"eventType": 1, "agentId": ["a"]}`, "\xff", "[1]"} {
		f.Add([]byte(data), true)
	}
	v := &vault{ids: map[string]string{"default": "a_agent"}}
	r := v.receiver(map[string]config.Agent{"default": {}}, "token")
	f.Fuzz(func(t *testing.T, data []byte, valid bool) {
		token := "token"
		if !valid {
			token = "forged"
		}
		signature, body := request(token, string(data))
		got, err := r.Receive(t.Context(), signature, body, noon)
		if len(data) > 0 && (err == nil) != valid {
			t.Fatalf("Receive: %v, want success: %t", err, valid)
		}
		if err == nil && got.Event != nil && got.Event.Raw != "" && got.Event.Raw != string(data) {
			t.Errorf("raw = %q, want %q", got.Event.Raw, data)
		}
	})
}
