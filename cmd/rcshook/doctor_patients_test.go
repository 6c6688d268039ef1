package main

import (
	"bytes"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/rcshook/rcshook/internal/googletest/metadata"
	"github.com/rcshook/rcshook/internal/googletest/token"
	"github.com/rcshook/rcshook/rbm"
	"github.com/rcshook/rcshook/rbm/rbmtest"
)

// patients are set-ups that are broken in one way each: what is done to the clinic,
// and which checks must then be faults or warnings, and no other. What doctor says
// is in testdata/doctor.
var patients = []struct {
	name   string
	sim    rbmtest.Simulator
	hurt   func(*clinic)
	faults []string // with their subjects
	warned []string
}{
	{name: "well", hurt: func(c *clinic) { c.args = append(c.args, "-to", testNumber) }},

	// settings
	{
		name:   "no-settings",
		hurt:   func(c *clinic) { c.env, c.args = nil, nil },
		faults: []string{"environment RCSHOOK_AGENT_ID", "environment RCSHOOK_API_KEYS"},
	},
	{
		name:   "unknown-variable",
		hurt:   func(c *clinic) { c.env["RCSHOOK_REGON"] = "us" },
		faults: []string{"environment RCSHOOK_REGON"},
	},
	{
		name: "no-api-keys",
		hurt: func(c *clinic) {
			delete(c.env, "RCSHOOK_API_KEYS")
			c.env["RCSHOOK_TTL"] = "soon"
		},
		faults: []string{"environment RCSHOOK_TTL", "environment RCSHOOK_API_KEYS"},
	},
	{
		name: "open-door",
		hurt: func(c *clinic) {
			delete(c.env, "RCSHOOK_API_KEYS")
			c.env["RCSHOOK_ALLOW_UNAUTHENTICATED"] = "true"
		},
		warned: []string{"callers"},
	},
	{
		name:   "api-keys-blank",
		hurt:   func(c *clinic) { c.sim.Secrets.AddVersion(apiSecret, []byte(",\n")) },
		faults: []string{"callers"},
	},
	{
		name: "google-keys-away",
		hurt: func(c *clinic) {
			c.env["RCSHOOK_OIDC_AUDIENCE"], c.env["RCSHOOK_OIDC_EMAILS"] = "https://f.example.com", "caller@p.iam.gserviceaccount.com"
			c.env["RCSHOOK_OIDC_ENDPOINT"] = c.url
		},
		faults: []string{"callers"},
	},

	// rcshook.yaml
	{name: "file-missing", hurt: func(c *clinic) { c.file = "" }, faults: []string{"file RCSHOOK_CONFIG"}},
	{
		name:   "file-fault",
		hurt:   func(c *clinic) { c.file = strings.Replace(goodFile, "map:", "mpa:", 1) },
		faults: []string{"file rcshook.yaml:5:5 sources.shop.mpa"},
	},
	{
		name:   "file-secret-missing",
		hurt:   func(c *clinic) { c.env["RCSHOOK_CONFIG"] = inProject + "yaml" },
		faults: []string{"file " + inProject + "yaml"},
	},
	{
		name:   "jq-fault",
		hurt:   func(c *clinic) { c.file = strings.Replace(goodFile, ".phone,", ".phone | e164(,", 1) },
		faults: []string{"source shop"},
	},
	{
		name:   "source-secret-empty",
		hurt:   func(c *clinic) { c.sim.Secrets.AddVersion(shop, []byte("\n")) },
		faults: []string{"secret " + shop},
	},
	{
		name:   "source-secret-shape",
		hurt:   func(c *clinic) { c.sim.Secrets.AddVersion(shop, []byte("whsec_not base64!")) },
		faults: []string{"source shop"},
	},
	{
		name:   "fallback-secret-shape",
		hurt:   func(c *clinic) { c.sim.Secrets.AddVersion(sms, []byte("whsec_sesame?")) },
		faults: []string{"fallback source shop"},
	},

	// secrets
	{
		name:   "secret-missing",
		hurt:   func(c *clinic) { c.env["RCSHOOK_CREDENTIALS"] = inProject + "rcs-kye" },
		faults: []string{"secret " + inProject + "rcs-kye"},
	},
	{name: "secret-denied", hurt: func(c *clinic) { c.sim.Secrets.Deny(keySecret) }, faults: []string{"secret " + keySecret}},
	{
		name: "secret-denied-deployed",
		hurt: func(c *clinic) {
			c.sim.Secrets.Deny(keySecret)
			c.args = append(c.args, "-env", c.write("service.json", deployed(c, "other-run@rcshook-dev.iam.gserviceaccount.com")))
		},
		faults: []string{"secret " + keySecret},
		warned: []string{"identity"},
	},
	{
		name:   "secret-version-disabled",
		hurt:   func(c *clinic) { c.sim.Secrets.Disable(c.sim.Secrets.AddVersion(keySecret, []byte("next"))) },
		faults: []string{"secret " + keySecret},
	},
	{
		name:   "secret-version-destroyed",
		hurt:   func(c *clinic) { c.sim.Secrets.Destroy(idSecret + "/versions/1") },
		faults: []string{"secret " + idSecret},
	},
	{
		name: "secrets-swapped",
		hurt: func(c *clinic) {
			c.env["RCSHOOK_AGENT_ID"], c.env["RCSHOOK_CREDENTIALS"] = keySecret, idSecret
		},
		faults: []string{"secret " + keySecret, "secret " + idSecret},
	},
	{
		name: "key-truncated",
		hurt: func(c *clinic) {
			key := c.sim.KeyFile(c.url)
			c.sim.Secrets.AddVersion(keySecret, key[:len(key)/2])
		},
		faults: []string{"secret " + keySecret},
	},
	{
		name:   "secret-manager-away",
		hurt:   func(c *clinic) { c.sim.Secrets.Away(true) },
		faults: []string{"secret_manager"},
	},
	{
		name: "secret-manager-disabled",
		hurt: func(c *clinic) {
			c.sim.Fail(rbmtest.Failure{Method: "secrets", Status: 403, Reason: "SERVICE_DISABLED"})
		},
		faults: []string{"secret_manager"},
	},
	{
		name: "identity-none",
		hurt: func(c *clinic) {
			bare := httptest.NewServer(new(metadata.Server))
			c.t.Cleanup(bare.Close)
			c.env["GOOGLE_APPLICATION_CREDENTIALS"], c.env["HOME"] = "", c.dir
			c.env["GCE_METADATA_HOST"] = strings.TrimPrefix(bare.URL, "http://")
		},
		faults: []string{"identity"},
	},
	{
		name: "identity-revoked",
		hurt: func(c *clinic) {
			c.env["GOOGLE_APPLICATION_CREDENTIALS"] = c.write("adc.json", string(new(token.Server).KeyFile(
				token.KeyOptions{TokenURI: c.url + "/token", ClientEmail: "run@rcshook-dev.iam.gserviceaccount.com"})))
		},
		faults: []string{"identity"},
	},
	{
		name: "identity-metadata",
		hurt: func(c *clinic) {
			c.env["GOOGLE_APPLICATION_CREDENTIALS"], c.env["HOME"] = "", c.dir
			c.env["GCE_METADATA_HOST"] = strings.TrimPrefix(c.url, "http://")
		},
	},

	// credentials
	{
		name: "key-revoked",
		hurt: func(c *clinic) {
			c.sim.Secrets.AddVersion(keySecret, new(token.Server).KeyFile(
				token.KeyOptions{TokenURI: c.url + "/token", ClientEmail: "rbm-partner@rcshook-dev.iam.gserviceaccount.com"}))
		},
		faults: []string{"credentials default"},
	},
	{
		name: "key-in-environment",
		hurt: func(c *clinic) {
			var key bytes.Buffer
			if err := json.Compact(&key, c.sim.KeyFile(c.url)); err != nil {
				c.t.Fatal(err)
			}
			c.env["RCSHOOK_CREDENTIALS"], c.env["RCSHOOK_AGENT_ID"] = key.String(), "shop_k3x9a1bc_agent"
		},
	},
	{
		name: "key-of-another-kind",
		hurt: func(c *clinic) {
			c.env["RCSHOOK_CREDENTIALS"] = `{"type": "authorized_user", "client_secret": "sesame"}`
		},
		faults: []string{"credentials default"},
	},
	{
		name:   "token-refused",
		hurt:   func(c *clinic) { c.sim.Fail(rbmtest.Failure{Method: getCapabilities, Status: 401}) },
		faults: []string{"credentials default"},
	},
	{
		name: "scope-missing",
		hurt: func(c *clinic) {
			delete(c.env, "RCSHOOK_CREDENTIALS")
			c.sim.Fail(rbmtest.Failure{Method: getCapabilities, Status: 403, Reason: "ACCESS_TOKEN_SCOPE_INSUFFICIENT"})
		},
		faults: []string{"credentials default"},
	},
	{
		name: "api-disabled",
		hurt: func(c *clinic) {
			c.sim.Fail(rbmtest.Failure{Method: getCapabilities, Status: 403, Reason: "SERVICE_DISABLED"})
		},
		faults: []string{"credentials default"},
	},
	{
		name: "token-endpoint-away",
		hurt: func(c *clinic) {
			gone := httptest.NewServer(http.NotFoundHandler())
			gone.Close()
			c.sim.Secrets.AddVersion(keySecret, c.sim.KeyFile(gone.URL))
		},
		faults: []string{"credentials default"},
	},

	// the platform, and what it knows
	{
		name: "platform-down",
		hurt: func(c *clinic) {
			gone := httptest.NewServer(http.NotFoundHandler())
			gone.Close()
			c.env["RCSHOOK_RBM_ENDPOINT"], c.env["RCSHOOK_SECRETMANAGER_ENDPOINT"] = gone.URL, c.url
			c.args = append(c.args, "-to", testNumber)
		},
		faults: []string{"platform 127.0.0.1:8081"},
	},
	{
		name: "platform-silent",
		hurt: func(c *clinic) {
			silent, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				c.t.Fatal(err)
			}
			c.t.Cleanup(func() { silent.Close() })
			c.env["RCSHOOK_RBM_ENDPOINT"] = "http://" + silent.Addr().String()
			c.args = []string{"-timeout", "1s"}
		},
		faults: []string{"platform 127.0.0.1:8081"},
	},
	{
		name:   "proxy-page",
		hurt:   func(c *clinic) { c.sim.Fail(rbmtest.Failure{Status: 407, Page: true}) },
		faults: []string{"platform 127.0.0.1:8081"},
	},
	{
		name:   "proxy-login",
		hurt:   func(c *clinic) { c.sim.Fail(rbmtest.Failure{Status: 200, Page: true}) },
		faults: []string{"platform 127.0.0.1:8081"},
	},
	{
		name:   "platform-in-trouble",
		hurt:   func(c *clinic) { c.sim.Fail(rbmtest.Failure{Method: getCapabilities, Status: 503}) },
		faults: []string{"agent default"},
	},
	{
		name: "clock-ahead",
		sim:  rbmtest.Simulator{Now: func() time.Time { return time.Now().Add(-10 * time.Minute) }},
		hurt: func(c *clinic) {
			c.env["RCSHOOK_AGENT_ID"], c.env["RCSHOOK_API_KEYS"], c.file = "shop_agent", apiKey, "sources: {}\n"
		},
		faults: []string{"clock"},
	},
	{
		name:   "clock-behind",
		sim:    rbmtest.Simulator{Now: func() time.Time { return time.Now().Add(10 * time.Minute) }},
		hurt:   func(*clinic) {},
		faults: []string{"clock"},
	},
	{
		name:   "agent-unknown",
		sim:    rbmtest.Simulator{Agents: []rbmtest.AgentConfig{{ID: "shop_k3x9a1bc_agent"}}},
		hurt:   func(c *clinic) { c.sim.Secrets.AddVersion(idSecret, []byte("shop_k3x9a1bc")) },
		faults: []string{"agent default"},
	},
	{
		name: "agent-of-another-partner",
		sim:  rbmtest.Simulator{Agents: []rbmtest.AgentConfig{{ID: "shop_k3x9a1bc_agent"}}},
		hurt: func(c *clinic) {
			c.file = "agents:\n  care: {id: care_k3x9a1bc_agent, credentials: " + keySecret + "}\n" + goodFile
		},
		faults: []string{"agent care"},
	},
	{
		name: "credentials-of-the-function",
		sim:  rbmtest.Simulator{Agents: []rbmtest.AgentConfig{{ID: "shop_k3x9a1bc_agent"}}},
		hurt: func(c *clinic) {
			delete(c.env, "RCSHOOK_CREDENTIALS")
			c.env["RCSHOOK_AGENT_ID"] = "care_k3x9a1bc_agent"
		},
		faults: []string{"agent default"},
	},
	{
		name:   "agent-not-configured",
		hurt:   func(c *clinic) { c.args = append(c.args, "-agent", "care") },
		faults: []string{"agent care"},
	},

	// the test number
	{
		name: "not-a-tester",
		sim: rbmtest.Simulator{
			Agents: []rbmtest.AgentConfig{{ID: "shop_k3x9a1bc_agent", Unlaunched: true}},
			Assume: rbmtest.Assumptions{CapabilitiesForbidden: true},
		},
		hurt:   func(c *clinic) { c.args = append(c.args, "-to", testNumber) },
		faults: []string{"number +12*******23 from default"},
		warned: []string{"agent default"},
	},
	{
		name:   "not-launched",
		sim:    rbmtest.Simulator{Agents: []rbmtest.AgentConfig{{ID: "shop_k3x9a1bc_agent", Unlaunched: true}}},
		hurt:   func(c *clinic) { c.args = append(c.args, "-to", testNumber) },
		faults: []string{"number +12*******23 from default"},
	},
	{
		name: "tester",
		sim: rbmtest.Simulator{
			Agents: []rbmtest.AgentConfig{{ID: "shop_k3x9a1bc_agent", Unlaunched: true}},
			Assume: rbmtest.Assumptions{CapabilitiesForbidden: true},
		},
		hurt: func(c *clinic) {
			c.sim.SetTester("shop_k3x9a1bc_agent", testNumber, rbm.InviteAccepted)
			c.args = append(c.args, "-to", testNumber)
		},
		warned: []string{"agent default"},
	},
	{
		name:   "number-unreachable",
		hurt:   func(c *clinic) { c.args = append(c.args, "-to", "+12025550104") },
		faults: []string{"number +12*******04 from default"},
	},
}
