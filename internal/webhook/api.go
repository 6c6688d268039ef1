// Package webhook connects an agent to its webhook through the Business Communications
// API, and tests a webhook with the requests that RCS Business Messaging sends.
package webhook

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/google"
	"github.com/rcshook/rcshook/internal/google/platform"
	"github.com/rcshook/rcshook/rbm"
)

// Scope is the OAuth scope of the Business Communications API. The function never asks
// for it.
const Scope = "https://www.googleapis.com/auth/businesscommunications"

// Client calls the Business Communications API.
type Client struct {
	platform *platform.Client
	base     string
}

// NewClient returns a client with a service account key as JSON; an empty one means
// Application Default Credentials. A simulator of RBM on this machine also serves this API.
func NewClient(cfg config.Config, key []byte, transport http.RoundTripper) *Client {
	base := "https://businesscommunications.googleapis.com"
	if config.IsLoopback(cfg.RBMEndpoint) {
		base = cfg.RBMEndpoint
	}
	if len(key) == 0 {
		key = nil
	}
	return &Client{base: base + "/v1/", platform: platform.New(platform.Options{
		Transport: transport, Now: time.Now, Background: google.NewBackground(), Log: slog.New(slog.DiscardHandler),
		Credentials: key, Scope: Scope,
	})}
}

// Integration is a connection of an agent.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/business-communications/rest/v1/brands.agents.integrations
type Integration struct {
	Name    string   `json:"name,omitempty"`
	Status  string   `json:"status,omitempty"`
	Webhook *Address `json:"agentWebhookIntegration,omitempty"`
}

// Enabled is the status of an integration after a successful handshake.
const Enabled = "ENABLED"

// Address is a webhook. The platform does not return its token.
type Address struct {
	URL   string `json:"webhookUri,omitempty"`
	Token string `json:"verificationToken,omitempty"`
}

// call makes one request within [timeout]; in and out may be nil.
func (c *Client) call(ctx context.Context, method, path string, in, out any) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return c.platform.Call(ctx, method, c.base+path, in, out)
}

// list calls each for the entries of a list until it returns true.
func (c *Client) list(ctx context.Context, path string, each func(Integration) bool) error {
	for token := ""; ; {
		var page struct {
			Agents        []Integration `json:"agents"`
			Integrations  []Integration `json:"integrations"`
			NextPageToken string        `json:"nextPageToken"`
		}
		query := url.Values{"pageSize": {"100"}}
		if token != "" {
			query.Set("pageToken", token)
		}
		if err := c.call(ctx, http.MethodGet, path+"?"+query.Encode(), nil, &page); err != nil {
			return err
		}
		for _, entry := range append(page.Agents, page.Integrations...) {
			if each(entry) {
				return nil
			}
		}
		if token = page.NextPageToken; token == "" {
			return nil
		}
	}
}

// FindAgent returns the name of the agent with an ID, brands/*/agents/*.
func (c *Client) FindAgent(ctx context.Context, id string) (name string, err error) {
	count := 0
	err = c.list(ctx, "brands/-/agents", func(a Integration) bool {
		count++
		_, found, _ := strings.Cut(a.Name, "/agents/")
		if strings.TrimSuffix(found, rbm.AgentDomain) == id {
			name = a.Name
		}
		return name != ""
	})
	switch {
	case err != nil:
		return "", fmt.Errorf("list the agents: %w", err)
	case name == "":
		return "", fmt.Errorf("the agent is not among those that these credentials can manage (%d); check its ID, and that the service account belongs to the same partner account", count)
	}
	return name, nil
}

// Find returns the webhook of an agent; nil means that it has none of its own.
func (c *Client) Find(ctx context.Context, agent string) (found *Integration, err error) {
	err = c.list(ctx, agent+"/integrations", func(i Integration) bool {
		if i.Webhook != nil {
			found = &i
		}
		return found != nil
	})
	if err != nil {
		return nil, fmt.Errorf("list the integrations of the agent: %w", err)
	}
	return found, nil
}

// Connect creates the webhook of an agent, or changes old if it is not nil. Meanwhile the
// platform performs the handshake. The status of the result is [Enabled] if it succeeded.
//
// Assumption: a failed handshake is an error, or it leaves another status. The documents do
// not describe it.
func (c *Client) Connect(ctx context.Context, agent string, old *Integration, to Address) (Integration, error) {
	method, path := http.MethodPost, agent+"/integrations"
	if old != nil {
		method, path = http.MethodPatch, old.Name+"?updateMask=agentWebhookIntegration.webhookUri,agentWebhookIntegration.verificationToken"
	}
	var connected Integration
	err := c.call(ctx, method, path, Integration{Webhook: &to}, &connected)
	return connected, err
}

// Delete removes a webhook.
func (c *Client) Delete(ctx context.Context, i Integration) error {
	return c.call(ctx, http.MethodDelete, i.Name, nil, nil)
}

// CreateSecret creates a secret, projects/*/secrets/*, or adds the first version to an empty
// one. client is one for Secret Manager.
//
// Google docs: https://docs.cloud.google.com/secret-manager/docs/reference/rest/v1/projects.secrets/create
func CreateSecret(ctx context.Context, client *platform.Client, name, value string) error {
	base := "https://secretmanager.googleapis.com"
	if client.SecretManager != "" {
		base = client.SecretManager
	}
	project, id, _ := strings.Cut(name, "/secrets/")
	err := client.Call(ctx, http.MethodPost, base+"/v1/"+project+"/secrets?secretId="+id,
		map[string]any{"replication": map[string]any{"automatic": struct{}{}}}, nil)
	if e, ok := errors.AsType[*google.APIError](err); err != nil && (!ok || e.Status != "ALREADY_EXISTS") {
		return err
	}
	return client.Call(ctx, http.MethodPost, base+"/v1/"+name+":addVersion",
		map[string]any{"payload": map[string]string{"data": base64.StdEncoding.EncodeToString([]byte(value))}}, nil)
}
