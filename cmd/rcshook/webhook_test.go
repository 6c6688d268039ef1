package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rcshook/rcshook/internal/googletest"
	"github.com/rcshook/rcshook/internal/googletest/platform"
	"github.com/rcshook/rcshook/rbm"
	"github.com/rcshook/rcshook/rbm/rbmtest"
)

const (
	hookSecret = inProject + "webhook-token"
	hookToken  = "harborline-demo-token"
	hookAgent  = "harborline_k3x9a1bc_agent"
)

// testWebhook is a webhook that accepts the tokens in a secret, as the function does. It
// can reject all.
type testWebhook struct {
	sim     *platform.Platform
	url     string
	rejects int // the status for all
	body    string
}

func newTestWebhook(t *testing.T, sim *platform.Platform, token string) *testWebhook {
	t.Helper()
	h := &testWebhook{sim: sim}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		var sent struct{ ClientToken, Secret string }
		if h.rejects != 0 {
			w.WriteHeader(h.rejects)
			io.WriteString(w, h.body)
			return
		}
		if json.Unmarshal(body, &sent) != nil || token != "" && sent.ClientToken != token {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		io.WriteString(w, sent.Secret)
	}))
	t.Cleanup(server.Close)
	h.url = server.URL
	return h
}

func TestWebhook(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(*setup, *testWebhook)
		args   []string
		code   int
		want   string
		url    string // of the webhook afterwards: ours, other, or ""
	}{
		{
			name: "set", args: []string{"set"}, url: "ours",
			want: `the function accepts the client token at OURS/events
the webhook of agent default is ENABLED
If the partner account has a webhook, it no longer gets the events of this agent.
`,
		},
		{
			name: "set-creates-token", args: []string{"set"}, url: "ours",
			change: func(c *setup, h *testWebhook) { c.env["RCSHOOK_WEBHOOK_TOKEN"] = inProject + "new-token" },
			want: `created the client token in projects/rcshook-dev/secrets/new-token
the function accepts the client token at OURS/events
the webhook of agent default is ENABLED
If the partner account has a webhook, it no longer gets the events of this agent.
`,
		},
		{
			name: "set-default-credentials", args: []string{"set"}, url: "ours",
			change: func(c *setup, h *testWebhook) {
				delete(c.env, "RCSHOOK_CREDENTIALS")
				c.connect(c.id, h.url+"/events")
			},
			want: `the function accepts the client token at OURS/events
the webhook of agent default is ENABLED
`,
		},
		{
			name: "set-token-of-agent", args: []string{"set", "-agent", "care", "-config", "care.yaml"}, url: "ours",
			change: func(c *setup, h *testWebhook) {
				c.t.Chdir(c.dir)
				c.write("care.yaml", "agents:\n  care: {id: agent_07, credentials: "+keySecret+", webhook_token: ["+inProject+"care-token, old-token]}\n")
			},
			want: `created the client token in projects/rcshook-dev/secrets/care-token
the function accepts the client token at OURS/events
the webhook of agent care is ENABLED
If the partner account has a webhook, it no longer gets the events of this agent.
`,
		},
		{
			name: "set-again", args: []string{"set"}, url: "ours",
			change: func(c *setup, h *testWebhook) { c.connect(c.id, h.url+"/events") },
			want: `the function accepts the client token at OURS/events
the webhook of agent default is ENABLED
`,
		},
		{
			name: "set-other", args: []string{"set"}, code: 1, url: "other",
			change: func(c *setup, h *testWebhook) { c.connect(c.id, h.url+"/other") },
			want:   "rcshook: agent default has another webhook, OURS/other; add -replace to replace or remove it\n",
		},
		{
			name: "set-replace", args: []string{"set", "-replace"}, url: "ours",
			change: func(c *setup, h *testWebhook) { c.connect(c.id, h.url+"/other") },
			want: `The old webhook of agent default was OURS/other. To restore it, store its client
token, which the platform does not show, in a secret, and run:

  rcshook webhook set -agent default -url 'OURS/other' -token projects/PROJECT/secrets/SECRET -replace

the function accepts the client token at OURS/events
the webhook of agent default is ENABLED
`,
		},
		{
			name: "set-rejected", args: []string{"set", "-timeout", "50ms"}, code: 1,
			change: func(_ *setup, h *testWebhook) { h.rejects, h.body = 401, `{"code": "bad_signature"}` },
			want: "rcshook: OURS/events: the function does not accept the client token: HTTP 401 bad_signature; grant the function access: " +
				"gcloud secrets add-iam-policy-binding webhook-token --project=rcshook-dev --member=serviceAccount:SERVICE_ACCOUNT --role=roles/secretmanager.secretAccessor\n",
		},
		{
			name: "set-token-unreadable", args: []string{"set", "-timeout", "50ms"}, code: 1,
			change: func(_ *setup, h *testWebhook) { h.rejects, h.body = 503, `{"code": "secret_unavailable"}` },
			want: "rcshook: OURS/events: the function does not accept the client token: HTTP 503 secret_unavailable; grant the function access: " +
				"gcloud secrets add-iam-policy-binding webhook-token --project=rcshook-dev --member=serviceAccount:SERVICE_ACCOUNT --role=roles/secretmanager.secretAccessor\n",
		},
		{
			name: "set-function-without-token", args: []string{"set", "-timeout", "50ms"}, code: 1,
			change: func(_ *setup, h *testWebhook) {
				h.rejects, h.body = 404, `{"code": "not_found", "message": "Not found: no agent of this function has a webhook token"}`
			},
			want: "rcshook: OURS/events: HTTP 404 not_found: Not found: no agent of this function has a webhook token\n",
		},
		{
			name: "set-other-path", args: []string{"set", "-timeout", "50ms"}, code: 1,
			change: func(_ *setup, h *testWebhook) {
				h.rejects, h.body = 401, `{"code": "unauthorized", "message": "The API key is missing or wrong: the request has no API key"}`
			},
			want: "rcshook: OURS/events: HTTP 401 unauthorized: The API key is missing or wrong: the request has no API key\n",
		},
		{
			name: "set-behind-iam", args: []string{"set", "-timeout", "50ms"}, code: 1,
			change: func(_ *setup, h *testWebhook) { h.rejects = 403 },
			want: "rcshook: OURS/events: HTTP 403: the service requires an ID token, which the platform does not send; allow requests without one: " +
				"gcloud run services add-iam-policy-binding SERVICE --project=PROJECT --region=REGION --member=allUsers --role=roles/run.invoker\n",
		},
		{
			name: "set-another-server", args: []string{"set", "-timeout", "50ms"}, code: 1,
			change: func(_ *setup, h *testWebhook) { h.rejects = 200 },
			want:   "rcshook: OURS/events: expected HTTP 200 with the secret of the handshake, got HTTP 200 with other content; is this the address of the function?\n",
		},
		{
			name: "set-token-regional", args: []string{"set", "-token", "projects/p/locations/l/secrets/s"}, code: 1,
			want: "rcshook: -token names a regional secret, which is not supported; use a global one, projects/PROJECT/secrets/SECRET\n",
		},
		{
			name: "set-no-token", args: []string{"set"}, code: 1,
			change: func(c *setup, _ *testWebhook) { delete(c.env, "RCSHOOK_WEBHOOK_TOKEN") },
			want:   "rcshook: RCSHOOK_WEBHOOK_TOKEN is missing; set it in the function and here to a secret, projects/PROJECT/secrets/SECRET, which rcshook webhook set creates\n",
		},
		{
			name: "set-no-url", args: []string{"set"}, code: 1,
			change: func(c *setup, _ *testWebhook) { delete(c.env, "RCSHOOK_URL") },
			want:   "rcshook: the address of the function is unknown; set RCSHOOK_URL to it, or -url to the address of the webhook\n",
		},
		{
			name: "set-token-denied", args: []string{"set"}, code: 1,
			change: func(c *setup, _ *testWebhook) { c.sim.Secrets.Deny(hookSecret) },
			want: "rcshook: projects/rcshook-dev/secrets/webhook-token/versions/latest: denied: permission_denied: HTTP 403 PERMISSION_DENIED: Permission 'secretmanager.versions.access' denied for resource 'projects/rcshook-dev/secrets/webhook-token/versions/latest' (or it may not exist).; " +
				"Grant the account that runs this command access: gcloud secrets add-iam-policy-binding webhook-token --project=rcshook-dev --member=user:YOUR_EMAIL --role=roles/secretmanager.secretAccessor (a missing secret gives the same error)\n",
		},
		{
			name: "set-token-not-created", args: []string{"set"}, code: 1,
			change: func(c *setup, _ *testWebhook) {
				c.env["RCSHOOK_WEBHOOK_TOKEN"] = inProject + "new-token"
				server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if r.Method == http.MethodPost {
						(&googletest.Error{Code: http.StatusForbidden, Message: "Permission 'secretmanager.secrets.create' denied."}).Write(w)
						return
					}
					c.sim.ServeHTTP(w, r)
				}))
				c.t.Cleanup(server.Close)
				c.env["RCSHOOK_SECRETMANAGER_ENDPOINT"] = server.URL
			},
			want: "rcshook: create the secret of the client token: HTTP 403 PERMISSION_DENIED: Permission 'secretmanager.secrets.create' denied.; " +
				"create it: openssl rand -hex 32 | gcloud secrets create new-token --project=rcshook-dev --data-file=-\n",
		},
		{
			name: "set-handshake-error", args: []string{"set"}, code: 1,
			change: func(c *setup, _ *testWebhook) {
				c.sim.Fail(rbmtest.Failure{Method: "brands.agents.integrations.create", Status: 400, Message: "The webhook could not be verified.", Count: 1})
			},
			want: "the function accepts the client token at OURS/events\nrcshook: connect the webhook: HTTP 400 INVALID_ARGUMENT: The webhook could not be verified.\n",
		},
		{
			name: "agent-of-another-partner", args: []string{"show"}, code: 1,
			change: func(c *setup, _ *testWebhook) { c.sim.Secrets.AddVersion(idSecret, []byte("other_agent")) },
			want:   "rcshook: the agent is not among those that these credentials can manage (61); check its ID, and that the service account belongs to the same partner account\n",
		},
		{
			name: "api-disabled", args: []string{"show"}, code: 1,
			change: func(c *setup, _ *testWebhook) {
				c.sim.Fail(rbmtest.Failure{Method: "brands.agents.list", Status: 403, Message: "The API is disabled.", Reason: "SERVICE_DISABLED"})
			},
			want: "rcshook: list the agents: HTTP 403 PERMISSION_DENIED: The API is disabled.; enable it: gcloud services enable businesscommunications.googleapis.com --project=PROJECT_OF_THE_SERVICE_ACCOUNT\n",
		},
		{name: "show-none", args: []string{"show"}, want: "agent default has no webhook of its own; its events go to the webhook of the partner account, if there is one\n"},
		{
			name: "show", args: []string{"show"}, url: "ours",
			change: func(c *setup, h *testWebhook) { c.connect(c.id, h.url+"/events") },
			want:   "agent default: OURS/events, ENABLED\n  the webhook of these settings\n",
		},
		{
			name: "show-other", args: []string{"show"}, url: "other",
			change: func(c *setup, h *testWebhook) { c.connect(c.id, h.url+"/other") },
			want:   "agent default: OURS/other, ENABLED\n  not the webhook of these settings, OURS/events\n",
		},
		{
			name: "remove", args: []string{"remove"},
			change: func(c *setup, h *testWebhook) { c.connect(c.id, h.url+"/events") },
			want:   "removed the webhook of agent default: OURS/events\n",
		},
		{
			name: "remove-other", args: []string{"remove"}, code: 1, url: "other",
			change: func(c *setup, h *testWebhook) { c.connect(c.id, h.url+"/other") },
			want:   "rcshook: agent default has another webhook, OURS/other; add -replace to replace or remove it\n",
		},
		{
			name: "unknown-agent", args: []string{"show", "-agent", "care"}, code: 1,
			want: "rcshook: agent \"care\" is not configured; the agents are default\n",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			sim := &rbmtest.Simulator{Agents: []rbmtest.AgentConfig{{ID: hookAgent}}}
			for i := range 60 { // more than a page, before the agent
				sim.Agents = append(sim.Agents, rbmtest.AgentConfig{ID: fmt.Sprintf("agent_%02d", i)})
			}
			c := newSetup(t, platform.New(sim))
			h := newTestWebhook(t, c.sim, "")
			c.env["RCSHOOK_URL"], c.env["RCSHOOK_WEBHOOK_TOKEN"] = h.url, hookSecret
			c.sim.Secrets.AddVersion(hookSecret, []byte(hookToken+"\nold-token\n"))
			if test.change != nil {
				test.change(c, h)
			}
			code, text := c.run(append([]string{"webhook"}, test.args...)...)
			if diff := cmp.Diff(test.want, strings.ReplaceAll(text, h.url, "OURS")); diff != "" {
				t.Errorf("output (-want +got):\n%s", diff)
			}
			if code != test.code {
				t.Errorf("exit code %d, want %d", code, test.code)
			}
			got := ""
			for _, hook := range c.sim.Snapshot().Webhooks {
				got = strings.NewReplacer(h.url+"/events", "ours", h.url+"/other", "other").Replace(hook.URL)
			}
			if got != test.url {
				t.Errorf("the webhook of the agent is %q, want %q", got, test.url)
			}
			if len(c.sim.Messages()) > 0 {
				t.Error("the command has sent a message")
			}
		})
	}
}

// TestWebhook_token tests that the platform signs with the first token, also after a
// change.
func TestWebhook_token(t *testing.T) {
	c := newSetup(t, platform.New(&rbmtest.Simulator{Agents: []rbmtest.AgentConfig{{ID: hookAgent}}}))
	h := newTestWebhook(t, c.sim, "new-token")
	c.env["RCSHOOK_URL"], c.env["RCSHOOK_WEBHOOK_TOKEN"] = h.url, hookSecret
	c.sim.Secrets.AddVersion(hookSecret, []byte("new-token\n"+hookToken))
	if code, text := c.run("webhook", "set"); code != 0 {
		t.Fatal(text)
	}
	other := newTestWebhook(t, c.sim, hookToken)
	c.sim.Secrets.AddVersion(inProject+"other", []byte(hookToken))
	code, text := c.run("webhook", "set", "-url", other.url, "-token", inProject+"other", "-replace")
	if want := other.url; code != 0 || c.sim.Snapshot().Webhooks[0].URL != want {
		t.Errorf("exit code %d, webhook %+v, want %s\n%s", code, c.sim.Snapshot().Webhooks, want, text)
	}
}

// TestWebhook_disabled tests a platform that keeps an integration whose handshake failed.
func TestWebhook_disabled(t *testing.T) {
	sim := &rbmtest.Simulator{Agents: []rbmtest.AgentConfig{{ID: hookAgent}}, Assume: rbmtest.Assumptions{HandshakeDisables: true, StrictHandshake: true}}
	c := newSetup(t, platform.New(sim))
	handshakes := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		secret, _, _ := rbm.Handshake(hookToken, body)
		if handshakes++; handshakes == 2 { // that of the platform
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		io.WriteString(w, secret)
	}))
	defer server.Close()
	c.env["RCSHOOK_URL"], c.env["RCSHOOK_WEBHOOK_TOKEN"] = server.URL, hookToken
	code, text := c.run("webhook", "set", "-timeout", "1s")
	if want := "rcshook: the webhook is DISABLED: the handshake of the platform has failed; run the command again\n"; code != 1 || !strings.HasSuffix(text, want) {
		t.Errorf("exit code %d, %q, want 1 and %q", code, text, want)
	}
	code, text = c.run("webhook", "set")
	if want := "the webhook of agent default is ENABLED\n"; code != 0 || !strings.HasSuffix(text, want) {
		t.Errorf("exit code %d, %q, want 0 and %q", code, text, want)
	}
}

// TestWebhook_noSettings tests an environment with a setting that dev and trigger -to read.
func TestWebhook_noSettings(t *testing.T) {
	t.Setenv("RCSHOOK_EVENTS_SECRET", shopSecret)
	var errs bytes.Buffer
	code := run(t.Context(), []string{"webhook", "show"}, stdio{strings.NewReader(""), io.Discard, &errs})
	if want := "rcshook: no settings: set -env to those of the function, or to http://localhost:8081/_dev/env for rcshook dev\n"; code != 1 || errs.String() != want {
		t.Errorf("exit code %d, %q, want 1 and %q", code, errs.String(), want)
	}
}

// TestRetry_cause tests that the end of the time does not hide why the attempts failed.
func TestRetry_cause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		rejected := errors.New("rejected")
		attempts := 0
		err := retry(ctx, func() error {
			if attempts++; attempts == 1 {
				return rejected
			}
			<-ctx.Done()
			return ctx.Err()
		})
		if err != rejected || attempts != 2 {
			t.Errorf("after %d attempts: %v, want the error of the first of two", attempts, err)
		}
	})
}

func TestWebhook_usage(t *testing.T) {
	for _, args := range [][]string{{}, {"status"}, {"set", "show"}} {
		var errs bytes.Buffer
		code := run(t.Context(), append([]string{"webhook"}, args...), stdio{strings.NewReader(""), io.Discard, &errs})
		if want := "rcshook: expected set, show or remove\nRun rcshook help webhook for usage.\n"; code != 2 || errs.String() != want {
			t.Errorf("%q: exit code %d, %q, want 2 and %q", args, code, errs.String(), want)
		}
	}
}
