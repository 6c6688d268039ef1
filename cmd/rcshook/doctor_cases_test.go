package main

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/rcshook/rcshook/internal/googletest"
	"github.com/rcshook/rcshook/internal/googletest/metadata"
	"github.com/rcshook/rcshook/internal/googletest/storage"
	"github.com/rcshook/rcshook/internal/googletest/tasks"
	"github.com/rcshook/rcshook/internal/googletest/token"
	"github.com/rcshook/rcshook/internal/standardwebhook"
	"github.com/rcshook/rcshook/rbm"
	"github.com/rcshook/rcshook/rbm/rbmtest"
)

// doctorCases are setups that are broken in one way each, with the checks that fail or
// warn. The output of doctor is in testdata/doctor.
var doctorCases = []struct {
	name     string
	sim      rbmtest.Simulator
	change   func(*setup)
	errors   []string // with their subjects
	warnings []string
}{
	{name: "valid", change: func(c *setup) { c.args = append(c.args, "-to", testNumber) }},

	// settings
	{
		name:   "no-settings",
		change: func(c *setup) { c.env, c.args = nil, nil },
		errors: []string{"environment RCSHOOK_AGENT_ID", "environment RCSHOOK_API_KEYS"},
	},
	{
		name:   "unknown-variable",
		change: func(c *setup) { c.env["RCSHOOK_REGON"] = "us" },
		errors: []string{"environment RCSHOOK_REGON"},
	},
	{
		name: "no-api-keys",
		change: func(c *setup) {
			delete(c.env, "RCSHOOK_API_KEYS")
			delete(c.env, "RCSHOOK_CONFIG")
			c.env["RCSHOOK_TTL"] = "soon"
		},
		errors: []string{"environment RCSHOOK_TTL", "environment RCSHOOK_API_KEYS"},
	},
	{
		name:   "no-callers",
		change: func(c *setup) { delete(c.env, "RCSHOOK_API_KEYS") },
		errors: []string{"environment RCSHOOK_API_KEYS"},
	},
	{
		name: "named-callers",
		change: func(c *setup) {
			delete(c.env, "RCSHOOK_API_KEYS")
			c.file += "callers:\n  zapier: {key: [" + apiSecret + ", another-key-of-zapier], agents: [default], countries: [US], traffic: [transaction, otp], messages_per_second: 5}\n" +
				"  website: {key: a-long-key-of-the-website, dry_run: true}\n  monitor: {key: a-long-key-of-the-monitor, read: true, capabilities: true}\n"
		},
	},
	{
		name: "named-callers-with-problems",
		change: func(c *setup) {
			c.sim.Secrets.AddVersion(inProject+"zapier-key", []byte(apiKey))
			c.sim.Secrets.AddVersion(inProject+"weak-key", []byte("weak"))
			c.sim.Secrets.AddVersion(inProject+"no-key", []byte(","))
			c.file += "callers:\n  zapier: {key: " + inProject + "zapier-key}\n  weak: {key: " + inProject + "weak-key}\n" +
				"  empty: {key: " + inProject + "no-key}\n  gone: {key: " + inProject + "missing-key}\n"
		},
		errors:   []string{"secret " + inProject + "missing-key", "callers empty", "callers zapier"},
		warnings: []string{"callers weak"},
	},
	{
		name: "unauthenticated",
		change: func(c *setup) {
			delete(c.env, "RCSHOOK_API_KEYS")
			c.env["RCSHOOK_ALLOW_UNAUTHENTICATED"] = "true"
		},
		warnings: []string{"callers"},
	},
	{
		name:   "api-keys-empty",
		change: func(c *setup) { c.sim.Secrets.AddVersion(apiSecret, []byte(",\n")) },
		errors: []string{"callers"},
	},
	{
		name: "api-keys-weak",
		change: func(c *setup) {
			c.sim.Secrets.AddVersion(apiSecret, []byte("\xff\xfed\x00e\x00v\x00\r\x00\n\x00o\x00l\x00d\x00,\x00n\x00e\x00w\x00")) // UTF-16
		},
		warnings: []string{"callers"},
	},
	{
		name: "google-keys-away",
		change: func(c *setup) {
			c.env["RCSHOOK_OIDC_AUDIENCE"], c.env["RCSHOOK_OIDC_EMAILS"] = "https://f.example.com", "caller@p.iam.gserviceaccount.com"
			c.env["RCSHOOK_OIDC_ENDPOINT"] = c.url
		},
		errors: []string{"callers"},
	},

	// events
	{name: "webhook", change: func(c *setup) { c.connect(c.id, c.webhook(200)+"/events") }},
	{
		name: "webhook-own-token",
		change: func(c *setup) {
			c.file = "agents:\n  care:\n    id: care_k3x9a1bc_agent\n    credentials: " + keySecret + "\n    webhook_token: [" + hookSecret + ", old-token]\nevents:\n  crm: {url: https://crm.example.com/in}\n"
			url := c.webhook(200)
			delete(c.env, "RCSHOOK_WEBHOOK_TOKEN")
			c.connect("care_k3x9a1bc_agent", url+"/events")
		},
		warnings: []string{"webhook default"},
	},
	{name: "webhook-none", sim: rbmtest.Simulator{Agents: []rbmtest.AgentConfig{{ID: hookAgent}}}, change: func(c *setup) { c.webhook(200) }, warnings: []string{"webhook default"}},
	{
		name: "webhook-elsewhere",
		change: func(c *setup) {
			c.webhook(200)
			c.connect(c.id, newTestWebhook(c.t, c.sim, "").url+"/in?key=sesame")
		},
		errors: []string{"webhook default"},
	},
	{
		name: "webhook-disabled", sim: rbmtest.Simulator{Agents: []rbmtest.AgentConfig{{ID: hookAgent}}, Assume: rbmtest.Assumptions{HandshakeDisables: true}},
		change: func(c *setup) {
			body := `{"agentWebhookIntegration": {"webhookUri": "` + c.webhook(200) + `/events", "verificationToken": "other"}}`
			r := httptest.NewRequest("POST", "/v1/brands/-/agents/"+hookAgent+"/integrations", strings.NewReader(body))
			r.Header.Set("Authorization", "Bearer "+c.sim.Tokens.Issue(rbmtest.ManagementScope))
			c.sim.ServeHTTP(httptest.NewRecorder(), r)
		},
		errors: []string{"webhook default"},
	},
	{name: "webhook-rejects", change: func(c *setup) { c.webhook(401) }, errors: []string{"webhook default"}},
	{
		name: "webhook-of-another-server",
		change: func(c *setup) {
			c.webhook(200)
			server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
			c.t.Cleanup(server.Close)
			c.env["RCSHOOK_URL"] = server.URL
		},
		errors: []string{"webhook default"},
	},
	{name: "webhook-other-path", change: func(c *setup) { c.webhook(404) }, errors: []string{"webhook default"}},
	{name: "webhook-behind-iam", change: func(c *setup) { c.webhook(403) }, errors: []string{"webhook default"}},
	{
		name:   "webhook-away",
		change: func(c *setup) { c.webhook(200); c.env["RCSHOOK_URL"] = googletest.ClosedURL },
		errors: []string{"webhook default"},
	},
	{name: "webhook-no-url", change: func(c *setup) { c.webhook(200); delete(c.env, "RCSHOOK_URL") }, warnings: []string{"webhook default"}},
	{
		name: "webhook-api-disabled",
		change: func(c *setup) {
			c.webhook(200)
			c.sim.Fail(rbmtest.Failure{Method: "brands.agents.list", Status: 403, Message: "The API is disabled.", Reason: "SERVICE_DISABLED"})
		},
		warnings: []string{"webhook default"},
	},
	{
		name:   "webhook-token-missing",
		change: func(c *setup) { c.webhook(200); c.env["RCSHOOK_WEBHOOK_TOKEN"] = inProject + "missing" },
		errors: []string{"secret " + inProject + "missing"},
	},
	{
		name: "targets",
		change: func(c *setup) {
			c.targets(`
  crm: {url: ` + crmSecret + `, secret: ` + sms + `, headers: {X-Key: ` + sms + `}}
  lake: {topic: projects/p/topics/events}
`)
			c.sim.Secrets.AddVersion(crmSecret, []byte("https://crm.example.com/in?key=sesame"))
		},
	},
	{
		name: "targets-invalid",
		change: func(c *setup) {
			c.targets(`
  crm: {url: ` + crmSecret + `}
  desk: {url: "https://desk.example.com/in", headers: {X-Key: ` + inProject + `desk}}
  erp: {url: "https://erp.example.com/in", secret: ` + inProject + `erp}
  jq: {url: "https://erp.example.com/in", map: "{text: .text"}
  lake: {topic: projects/p/topics/other}
  old: {url: ` + inProject + `missing}
`)
			c.sim.Secrets.AddVersion(crmSecret, []byte("http://crm.example.com/in?key=sesame"))
			c.sim.Secrets.AddVersion(inProject+"erp", []byte("sesame?"))
			c.sim.Secrets.AddVersion(inProject+"desk", []byte("sesame\nsesame"))
		},
		errors: []string{"secret " + inProject + "missing", "target crm", "target desk", "target erp", "target jq", "target lake"},
	},
	{
		name: "targets-invalid-file", // every problem at once
		change: func(c *setup) {
			c.targets(`
  crm: {secret: x, only: [repy]}
  desk: {url: "https://desk.example.com/in", map: "{text: .text", ok: "foo("}
  lake: {topic: other}
  bot: {send: "{text: ", only: [delivered]}
agents:
  care: {id: ` + idSecret + `, credentials: ` + keySecret + `, fallback: {url: "https://sms.example.com/in", map: "{"}}
`)
		},
		errors: []string{
			"file rcshook.yaml:2:3 events.crm.url", "file rcshook.yaml:2:20 events.crm.only", "file rcshook.yaml:4:10 events.lake.topic",
			"file rcshook.yaml:5:26 events.bot.only", "fallback agent care", "target bot", "target crm", "target desk", "target desk",
		},
	},
	{
		name: "target-of-environment-invalid",
		change: func(c *setup) {
			c.file = ""
			delete(c.env, "RCSHOOK_CONFIG")
			c.connect(c.id, c.webhook(200)+"/events")
			c.env["RCSHOOK_EVENTS_URL"], c.env["RCSHOOK_EVENTS_SECRET"] = "https://crm.example.com/in", "sesame?"
		},
		errors: []string{"target events"},
	},
	{
		name: "targets-only",
		change: func(c *setup) {
			c.targets(`
  crm: {url: "https://crm.example.com/in", only: [reply, failed]}
agents:
  care: {id: ` + idSecret + `, credentials: ` + keySecret + `}
`)
			c.connect(c.id, c.env["RCSHOOK_URL"]+"/events")
		},
		warnings: []string{"target", "target"},
	},
	{name: "opt-out-store", change: func(c *setup) { c.optOuts() }},
	{
		name: "opt-out-without-store",
		change: func(c *setup) {
			c.connect(c.id, c.webhook(200)+"/events")
			delete(c.env, "RCSHOOK_OPT_OUT_STORE")
			delete(c.env, "RCSHOOK_OPT_OUT_KEY")
		},
		warnings: []string{"opt_out brand default"},
	},
	{
		name: "opt-out-brands", // of which two share a store
		change: func(c *setup) {
			c.optOuts()
			c.file = "agents:\n  care: {id: " + idSecret + ", credentials: " + keySecret + "}\n  news: {id: " + idSecret + ", credentials: " + keySecret + "}\n" +
				"brands:\n  ferries: {agents: [care]}\n  news: {agents: [news], opt_out: {store: gs://" + storeBucket + "/news, key: " + storeKey + "}}\n"
		},
		errors: []string{"opt_out gs://harborline-rcs/news"},
	},
	{
		name: "opt-out-new-brand", // that shares the store of another one
		change: func(c *setup) {
			c.optOuts()
			c.file = "agents:\n  care: {id: " + idSecret + ", credentials: " + keySecret + "}\nbrands:\n  marina: {agents: [care]}\n"
		},
		errors: []string{"opt_out " + storeLocation},
	},
	{
		name:   "opt-out-no-bucket",
		change: func(c *setup) { c.optOuts(); c.env["RCSHOOK_OPT_OUT_STORE"] = "gs://other-rcs/sms" },
		errors: []string{"opt_out gs://other-rcs/sms"},
	},
	{
		name:   "opt-out-not-prepared",
		change: func(c *setup) { c.optOuts(); c.sim.Storage.Delete(storeBucket, "rcs-opt-outs/_key") },
		errors: []string{"opt_out " + storeLocation},
	},
	{
		name:   "opt-out-other-key",
		change: func(c *setup) { c.optOuts(); c.sim.Secrets.AddVersion(storeKey, []byte(newStoreKey)) },
		errors: []string{"opt_out " + storeLocation},
	},
	{
		name: "opt-out-invalid-key-object",
		change: func(c *setup) {
			c.optOuts()
			c.sim.Storage.Put(storeBucket, "rcs-opt-outs/_key", []byte("{}"))
		},
		errors: []string{"opt_out " + storeLocation},
	},
	{
		name:   "opt-out-short-key",
		change: func(c *setup) { c.optOuts(); c.sim.Secrets.AddVersion(storeKey, []byte("sesame")) },
		errors: []string{"opt_out " + storeLocation},
	},
	{
		name:   "opt-out-no-key",
		change: func(c *setup) { c.optOuts(); c.env["RCSHOOK_OPT_OUT_KEY"] = inProject + "new-key" },
		errors: []string{"secret " + inProject + "new-key"},
	},
	{
		name: "opt-out-denied",
		change: func(c *setup) {
			c.optOuts()
			c.sim.Storage.Authorize = func(string) error {
				return &storage.Error{Code: http.StatusForbidden, Reason: "forbidden", Message: "no access"}
			}
		},
		errors: []string{"opt_out " + storeLocation},
	},
	{
		name: "opt-out-read-only",
		change: func(c *setup) {
			c.optOuts()
			c.sim.Storage.Denied = []string{"storage.objects.create", "storage.objects.delete"}
		},
		errors: []string{"opt_out " + storeLocation},
	},
	{
		name: "opt-out-denied-to-other-account",
		change: func(c *setup) {
			c.optOuts()
			c.sim.Storage.Denied = []string{"storage.objects.create"}
			c.args = append(c.args, "-env", c.write("service.json", deployed(c, "other-run@rcshook-dev.iam.gserviceaccount.com")))
		},
		warnings: []string{"identity", "opt_out " + storeLocation},
	},
	{
		name:   "opt-out-away",
		change: func(c *setup) { c.optOuts(); c.env["RCSHOOK_STORAGE_ENDPOINT"] = googletest.ClosedURL },
		errors: []string{"opt_out " + storeLocation},
	},
	{name: "opt-out-lookup", change: func(c *setup) { c.lookup(200, `{"opted_out": false}`) }},
	{
		name:     "opt-out-lookup-of-all",
		change:   func(c *setup) { c.lookup(200, `{"opted_out": true}`) },
		warnings: []string{"opt_out brand default"},
	},
	{
		name:   "opt-out-lookup-form",
		change: func(c *setup) { c.lookup(200, `{"optedOut": false}`) },
		errors: []string{"opt_out brand default"},
	},
	{
		name:   "opt-out-lookup-fails",
		change: func(c *setup) { c.lookup(500, "") },
		errors: []string{"opt_out brand default"},
	},
	{
		name: "opt-out-file-error",
		change: func(c *setup) {
			c.optOuts()
			c.file = "opt_out: {store: harborline, key: " + storeKey + "}\n"
		},
		errors: []string{"file rcshook.yaml:1:11 opt_out.store"},
	},
	{
		name: "queues",
		change: func(c *setup) {
			c.queues(tasks.Settings{Attempts: -1, MaxDuration: 8 * 24 * time.Hour})
			c.file = strings.Replace(goodFile, "    preset:", "    queue: "+c.env["RCSHOOK_QUEUE"]+"\n    preset:", 1)
		},
	},
	{
		name: "queues-of-function", // whose role does not include cloudtasks.queues.get
		change: func(c *setup) {
			c.queues(tasks.Settings{}, "cloudtasks.queues.get")
		},
	},
	{
		name: "queue-denied",
		change: func(c *setup) {
			c.queues(tasks.Settings{Attempts: -1}, "cloudtasks.queues.get", "cloudtasks.tasks.create")
		},
		errors: []string{"queue " + inQueues + "events", "queue " + inQueues + "messages"},
	},
	{
		name: "queue-delete-denied",
		change: func(c *setup) {
			c.queues(tasks.Settings{Attempts: -1}, "cloudtasks.tasks.delete")
			c.file = ""
			delete(c.env, "RCSHOOK_CONFIG")
		},
		warnings: []string{"queue " + inQueues + "messages"},
	},
	{
		name: "queue-delete-denied-with-fallback",
		change: func(c *setup) {
			c.queues(tasks.Settings{Attempts: -1}, "cloudtasks.tasks.delete")
			c.file = strings.Replace(goodFile, "    preset:", "    queue: "+inQueues+"events\n    preset:", 1)
		},
		errors: []string{"queue " + inQueues + "events", "queue " + inQueues + "messages"},
	},
	{
		name: "queue-delete-denied-to-other-account",
		change: func(c *setup) {
			c.queues(tasks.Settings{Attempts: -1}, "cloudtasks.tasks.delete")
			c.args = append(c.args, "-env", c.write("service.json", deployed(c, "other-run@rcshook-dev.iam.gserviceaccount.com")))
		},
		warnings: []string{"identity", "queue " + inQueues + "messages"},
	},
	{
		name: "queue-denied-to-other-account",
		change: func(c *setup) {
			c.queues(tasks.Settings{Attempts: -1}, "cloudtasks.tasks.create")
			delete(c.env, "RCSHOOK_QUEUE")
			c.args = append(c.args, "-env", c.write("service.json", deployed(c, "other-run@rcshook-dev.iam.gserviceaccount.com")))
		},
		warnings: []string{"identity", "queue " + inQueues + "events"},
	},
	{
		name: "queue-missing",
		change: func(c *setup) {
			c.queues(tasks.Settings{Attempts: -1})
			c.env["RCSHOOK_QUEUE"] = inQueues + "other"
		},
		errors: []string{"queue " + inQueues + "other"},
	},
	{
		name:   "queue-drops-events",
		change: func(c *setup) { c.queues(tasks.Settings{}) },
		errors: []string{"queue " + inQueues + "events"},
	},
	{
		name:   "queue-drops-events-early",
		change: func(c *setup) { c.queues(tasks.Settings{Attempts: -1, MaxDuration: 7 * 24 * time.Hour}) },
		errors: []string{"queue " + inQueues + "events"},
	},
	{
		name: "queue-paused",
		change: func(c *setup) {
			cloudTasks := c.queues(tasks.Settings{Attempts: -1})
			authorize := cloudTasks.Authorize
			cloudTasks.Authorize = nil
			cloudTasks.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("POST", "/v2/"+inQueues+"messages:pause", nil))
			cloudTasks.Authorize = authorize
		},
		warnings: []string{"queue " + inQueues + "messages"},
	},
	{
		name: "queue-away",
		change: func(c *setup) {
			c.queues(tasks.Settings{Attempts: -1})
			c.env["RCSHOOK_TASKS_ENDPOINT"] = googletest.ClosedURL
			delete(c.env, "RCSHOOK_QUEUE")
		},
		errors: []string{"queue " + inQueues + "events"},
	},
	{
		name: "pubsub-away",
		change: func(c *setup) {
			c.targets(`
  lake: {topic: projects/p/topics/events}
`)
			c.env["RCSHOOK_PUBSUB_ENDPOINT"] = googletest.ClosedURL
		},
		errors: []string{"target lake"},
	},

	// rcshook.yaml
	{name: "file-missing", change: func(c *setup) { c.file = "" }, errors: []string{"file RCSHOOK_CONFIG"}},
	{
		name:   "file-error",
		change: func(c *setup) { c.file = strings.Replace(goodFile, "map:", "mpa:", 1) },
		errors: []string{"file rcshook.yaml:5:5 sources.shop.mpa"},
	},
	{
		name:   "file-secret-missing",
		change: func(c *setup) { c.env["RCSHOOK_CONFIG"] = inProject + "yaml" },
		errors: []string{"file " + inProject + "yaml"},
	},
	{
		name:   "jq-error",
		change: func(c *setup) { c.file = strings.Replace(goodFile, ".phone,", ".phone | e164(,", 1) },
		errors: []string{"source shop"},
	},
	{
		name:   "source-secret-empty",
		change: func(c *setup) { c.sim.Secrets.AddVersion(shop, []byte("\n")) },
		errors: []string{"secret " + shop},
	},
	{
		name:   "source-secret-not-text",
		change: func(c *setup) { c.sim.Secrets.AddVersion(shop, []byte("Gr\xfc\xdfe")) },
		errors: []string{"secret " + shop},
	},
	{
		name:   "source-secret-shape",
		change: func(c *setup) { c.sim.Secrets.AddVersion(shop, []byte("whsec_not base64!")) },
		errors: []string{"source shop"},
	},
	{
		name: "source-secret-short-token",
		change: func(c *setup) {
			c.file = strings.Replace(goodFile, "standard-webhooks", "url-token", 1)
			c.sim.Secrets.AddVersion(shop, []byte("0123456789abcdefghi"))
		},
		errors: []string{"source shop"},
	},
	{
		name:   "fallback-secret-shape",
		change: func(c *setup) { c.sim.Secrets.AddVersion(sms, []byte("whsec_sesame?")) },
		errors: []string{"fallback source shop"},
	},
	{
		name: "fallback-secret-private-key",
		change: func(c *setup) {
			_, private := standardwebhook.NewKeys()
			c.sim.Secrets.AddVersion(sms, private)
		},
	},
	{
		name: "fallback-secret-public-key",
		change: func(c *setup) {
			public, _ := standardwebhook.NewKeys()
			c.sim.Secrets.AddVersion(sms, public)
		},
		errors: []string{"fallback source shop"},
	},
	{
		name:   "fallback-secret-short-key",
		change: func(c *setup) { c.sim.Secrets.AddVersion(sms, []byte("whsk_c2VzYW1l")) },
		errors: []string{"fallback source shop"},
	},
	{
		name: "source-secret-public-key",
		change: func(c *setup) {
			public, _ := standardwebhook.NewKeys()
			c.sim.Secrets.AddVersion(shop, public)
		},
	},
	{
		name: "source-secret-private-key",
		change: func(c *setup) {
			_, private := standardwebhook.NewKeys()
			c.sim.Secrets.AddVersion(shop, private)
		},
		errors: []string{"source shop"},
	},

	// secrets
	{
		name:   "secret-missing",
		change: func(c *setup) { c.env["RCSHOOK_CREDENTIALS"] = inProject + "rcs-kye" },
		errors: []string{"secret " + inProject + "rcs-kye"},
	},
	{name: "secret-denied", change: func(c *setup) { c.sim.Secrets.Deny(keySecret) }, errors: []string{"secret " + keySecret}},
	{
		name: "secret-denied-deployed",
		change: func(c *setup) {
			c.sim.Secrets.Deny(keySecret)
			c.args = append(c.args, "-env", c.write("service.json", deployed(c, "other-run@rcshook-dev.iam.gserviceaccount.com")))
		},
		errors:   []string{"secret " + keySecret},
		warnings: []string{"identity"},
	},
	{
		name:   "secret-version-disabled",
		change: func(c *setup) { c.sim.Secrets.Disable(c.sim.Secrets.AddVersion(keySecret, []byte("next"))) },
		errors: []string{"secret " + keySecret},
	},
	{
		name:   "secret-version-destroyed",
		change: func(c *setup) { c.sim.Secrets.Destroy(idSecret + "/versions/1") },
		errors: []string{"secret " + idSecret},
	},
	{
		name: "secrets-swapped",
		change: func(c *setup) {
			c.env["RCSHOOK_AGENT_ID"], c.env["RCSHOOK_CREDENTIALS"] = keySecret, idSecret
		},
		errors: []string{"secret " + keySecret, "secret " + idSecret},
	},
	{
		name: "key-truncated",
		change: func(c *setup) {
			key := c.sim.KeyFile(c.url)
			c.sim.Secrets.AddVersion(keySecret, key[:len(key)/2])
		},
		errors: []string{"secret " + keySecret},
	},
	{
		name:   "secret-manager-away",
		change: func(c *setup) { c.sim.Secrets.Away(true) },
		errors: []string{"secret_manager"},
	},
	{
		name: "secret-manager-disabled",
		change: func(c *setup) {
			c.sim.Fail(rbmtest.Failure{Method: "secrets", Status: 403, Reason: "SERVICE_DISABLED"})
		},
		errors: []string{"secret_manager"},
	},
	{
		name: "identity-none",
		change: func(c *setup) {
			bare := httptest.NewServer(new(metadata.Server))
			c.t.Cleanup(bare.Close)
			c.env["GOOGLE_APPLICATION_CREDENTIALS"], c.env["HOME"] = "", c.dir
			c.env["GCE_METADATA_HOST"] = strings.TrimPrefix(bare.URL, "http://")
		},
		errors: []string{"identity"},
	},
	{
		name: "identity-revoked",
		change: func(c *setup) {
			c.env["GOOGLE_APPLICATION_CREDENTIALS"] = c.write("adc.json", string(unknownKey(
				token.KeyOptions{TokenURI: c.url + "/token", ClientEmail: "run@rcshook-dev.iam.gserviceaccount.com"})))
		},
		errors: []string{"identity"},
	},
	{
		name: "identity-metadata",
		change: func(c *setup) {
			c.env["GOOGLE_APPLICATION_CREDENTIALS"], c.env["HOME"] = "", c.dir
			c.env["GCE_METADATA_HOST"] = strings.TrimPrefix(c.url, "http://")
		},
	},

	// credentials
	{
		name: "key-revoked",
		change: func(c *setup) {
			c.sim.Secrets.AddVersion(keySecret, unknownKey(
				token.KeyOptions{TokenURI: c.url + "/token", ClientEmail: "rbm-partner@rcshook-dev.iam.gserviceaccount.com"}))
		},
		errors: []string{"credentials default"},
	},
	{
		name: "key-in-environment",
		change: func(c *setup) {
			var key bytes.Buffer
			if err := json.Compact(&key, c.sim.KeyFile(c.url)); err != nil {
				c.t.Fatal(err)
			}
			c.env["RCSHOOK_CREDENTIALS"], c.env["RCSHOOK_AGENT_ID"] = key.String(), "shop_k3x9a1bc_agent"
		},
	},
	{
		name: "key-of-another-kind",
		change: func(c *setup) {
			c.env["RCSHOOK_CREDENTIALS"] = `{"type": "authorized_user", "client_secret": "sesame"}`
		},
		errors: []string{"credentials default"},
	},
	{
		name:   "token-refused",
		change: func(c *setup) { c.sim.Fail(rbmtest.Failure{Method: getCapabilities, Status: 401}) },
		errors: []string{"credentials default"},
	},
	{
		name: "scope-missing",
		change: func(c *setup) {
			delete(c.env, "RCSHOOK_CREDENTIALS")
			c.sim.Fail(rbmtest.Failure{Method: getCapabilities, Status: 403, Reason: "ACCESS_TOKEN_SCOPE_INSUFFICIENT"})
		},
		errors: []string{"credentials default"},
	},
	{
		name: "api-disabled",
		change: func(c *setup) {
			c.sim.Fail(rbmtest.Failure{Method: getCapabilities, Status: 403, Reason: "SERVICE_DISABLED"})
		},
		errors: []string{"credentials default"},
	},
	{
		name: "token-endpoint-away",
		change: func(c *setup) {
			c.sim.Secrets.AddVersion(keySecret, c.sim.KeyFile(googletest.ClosedURL))
		},
		errors: []string{"credentials default"},
	},

	// the platform and the agents
	{
		name: "platform-down",
		change: func(c *setup) {
			c.env["RCSHOOK_RBM_ENDPOINT"], c.env["RCSHOOK_SECRETMANAGER_ENDPOINT"] = googletest.ClosedURL, c.url
			c.args = append(c.args, "-to", testNumber)
		},
		errors: []string{"platform 127.0.0.1:8081"},
	},
	{
		name: "platform-silent",
		change: func(c *setup) {
			silent, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				c.t.Fatal(err)
			}
			c.t.Cleanup(func() { silent.Close() })
			c.env["RCSHOOK_RBM_ENDPOINT"] = "http://" + silent.Addr().String()
			c.args = []string{"-timeout", "1s"}
		},
		errors: []string{"platform 127.0.0.1:8081"},
	},
	{
		name:   "proxy-page",
		change: func(c *setup) { c.sim.Fail(rbmtest.Failure{Status: 407, Page: true}) },
		errors: []string{"platform 127.0.0.1:8081"},
	},
	{
		name:   "proxy-login",
		change: func(c *setup) { c.sim.Fail(rbmtest.Failure{Status: 200, Page: true}) },
		errors: []string{"platform 127.0.0.1:8081"},
	},
	{
		name:   "platform-in-trouble",
		change: func(c *setup) { c.sim.Fail(rbmtest.Failure{Method: getCapabilities, Status: 503}) },
		errors: []string{"agent default"},
	},
	{
		name: "clock-ahead",
		sim:  rbmtest.Simulator{Now: func() time.Time { return time.Now().Add(-10 * time.Minute) }},
		change: func(c *setup) {
			c.env["RCSHOOK_AGENT_ID"], c.env["RCSHOOK_API_KEYS"], c.file = "shop_agent", apiKey, "sources: {}\n"
		},
		errors: []string{"clock"},
	},
	{
		name:   "clock-behind",
		sim:    rbmtest.Simulator{Now: func() time.Time { return time.Now().Add(10 * time.Minute) }},
		change: func(*setup) {},
		errors: []string{"clock"},
	},
	{
		name:   "agent-unknown",
		sim:    rbmtest.Simulator{Agents: []rbmtest.AgentConfig{{ID: "shop_k3x9a1bc_agent"}}},
		change: func(c *setup) { c.sim.Secrets.AddVersion(idSecret, []byte("shop_k3x9a1bc")) },
		errors: []string{"agent default"},
	},
	{
		name: "agent-of-another-partner",
		sim:  rbmtest.Simulator{Agents: []rbmtest.AgentConfig{{ID: "shop_k3x9a1bc_agent"}}},
		change: func(c *setup) {
			c.file = "agents:\n  care: {id: care_k3x9a1bc_agent, credentials: " + keySecret + "}\n" + goodFile
		},
		errors: []string{"agent care"},
	},
	{
		name: "credentials-of-the-function",
		sim:  rbmtest.Simulator{Agents: []rbmtest.AgentConfig{{ID: "shop_k3x9a1bc_agent"}}},
		change: func(c *setup) {
			delete(c.env, "RCSHOOK_CREDENTIALS")
			c.env["RCSHOOK_AGENT_ID"] = "care_k3x9a1bc_agent"
		},
		errors: []string{"agent default"},
	},
	{
		name:   "agent-not-configured",
		change: func(c *setup) { c.args = append(c.args, "-agent", "care") },
		errors: []string{"agent care"},
	},

	// the test number
	{
		name: "not-a-tester",
		sim: rbmtest.Simulator{
			Agents: []rbmtest.AgentConfig{{ID: "shop_k3x9a1bc_agent", Unlaunched: true}},
			Assume: rbmtest.Assumptions{CapabilitiesForbidden: true},
		},
		change:   func(c *setup) { c.args = append(c.args, "-to", testNumber) },
		errors:   []string{"number +12*******23 from default"},
		warnings: []string{"agent default"},
	},
	{
		name:   "not-launched",
		sim:    rbmtest.Simulator{Agents: []rbmtest.AgentConfig{{ID: "shop_k3x9a1bc_agent", Unlaunched: true}}},
		change: func(c *setup) { c.args = append(c.args, "-to", testNumber) },
		errors: []string{"number +12*******23 from default"},
	},
	{
		name: "tester",
		sim: rbmtest.Simulator{
			Agents: []rbmtest.AgentConfig{{ID: "shop_k3x9a1bc_agent", Unlaunched: true}},
			Assume: rbmtest.Assumptions{CapabilitiesForbidden: true},
		},
		change: func(c *setup) {
			c.sim.SetTester("shop_k3x9a1bc_agent", testNumber, rbm.InviteAccepted)
			c.args = append(c.args, "-to", testNumber)
		},
		warnings: []string{"agent default"},
	},
	{
		name:   "number-unreachable",
		change: func(c *setup) { c.args = append(c.args, "-to", "+12025550104") },
		errors: []string{"number +12*******04 from default"},
	},
}

// unknownKey returns a key file that no token endpoint knows. The keys that token servers
// generate are the same in the whole process.
func unknownKey(o token.KeyOptions) []byte {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	o.PrivateKey = private
	return new(token.Server).KeyFile(o)
}
