package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rcshook/rcshook/internal/doctor"
	"github.com/rcshook/rcshook/rbm/rbmtest"
)

var update = flag.Bool("update", false, "write what doctor says into testdata/doctor")

// Secrets of a clinic, in the project of its simulator.
const (
	inProject = "projects/rcshook-dev/secrets/"
	idSecret  = inProject + "rcs-agent-id"
	keySecret = inProject + "rcs-key"
	apiSecret = inProject + "api-keys"
	shop      = inProject + "shop-hook"
	sms       = inProject + "sms"
)

const (
	shopSecret = "whsec_c2VzYW1lc2VzYW1lc2VzYW1lc2VzYW1l"
	apiKey     = "sesame-open-the-door"
	testNumber = "+12025550123"
	// getCapabilities is the only method that doctor calls.
	getCapabilities = "phones.getCapabilities"
)

// clinic is a set-up in which all is well, for a test to break.
type clinic struct {
	t    *testing.T
	sim  *rbmtest.Simulator
	url  string
	env  map[string]string // by variable; "" removes it
	file string            // rcshook.yaml
	args []string
	dir  string
}

const goodFile = `sources:
  shop:
    preset: standard-webhooks
    secret: ` + shop + `
    map: '{to: .phone, text: "Hello"}'
    fallback: {url: https://sms.example.com/in, secret: ` + sms + `}
`

func newClinic(t *testing.T, sim *rbmtest.Simulator) *clinic {
	t.Helper()
	server := httptest.NewServer(sim)
	t.Cleanup(func() {
		sim.Close()
		server.Close()
	})
	c := &clinic{t: t, sim: sim, url: server.URL, file: goodFile, dir: t.TempDir(), args: []string{"-timeout", "5s"}}
	made := sim.Provision(c.url)
	sim.Secrets().AddVersion(apiSecret, []byte(apiKey+"\n"))
	sim.Secrets().AddVersion(shop, []byte(shopSecret))
	sim.Secrets().AddVersion(sms, []byte(shopSecret))
	c.env = map[string]string{
		"GOOGLE_APPLICATION_CREDENTIALS": c.write("adc.json", string(made.Credentials)),
		"RCSHOOK_AGENT_ID":               idSecret,
		"RCSHOOK_CREDENTIALS":            keySecret,
		"RCSHOOK_API_KEYS":               apiSecret,
		"RCSHOOK_RBM_ENDPOINT":           c.url,
		"RCSHOOK_SECRETMANAGER_ENDPOINT": c.url,
		"RCSHOOK_CONFIG":                 filepath.Join(c.dir, "rcshook.yaml"),
	}
	return c
}

func (c *clinic) write(name, content string) string {
	c.t.Helper()
	path := filepath.Join(c.dir, name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		c.t.Fatal(err)
	}
	return path
}

// examine runs the command, and returns its output and its exit code.
func (c *clinic) examine(flags ...string) (string, int) {
	c.t.Helper()
	if c.file != "" {
		c.write("rcshook.yaml", c.file)
	}
	var lines strings.Builder
	for _, name := range slices.Sorted(maps.Keys(c.env)) {
		if strings.HasPrefix(name, "RCSHOOK_") {
			fmt.Fprintf(&lines, "%s=%s\n", name, c.env[name])
			continue
		}
		c.t.Setenv(name, c.env[name])
	}
	args := append([]string{"doctor"}, c.args...)
	if !slices.Contains(args, "-env") {
		args = append(args, "-env", c.write("env", lines.String()))
	}
	var out, wrong bytes.Buffer
	code := run(c.t.Context(), append(args, flags...), streams{strings.NewReader(""), &out, &wrong})
	return c.still(out.String() + wrong.String()), code
}

var port = regexp.MustCompile(`127\.0\.0\.1:[0-9]+`)

// still replaces what is different each time.
func (c *clinic) still(text string) string {
	return port.ReplaceAllString(strings.ReplaceAll(text, c.dir+"/", ""), "127.0.0.1:8081")
}

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
		hurt:   func(c *clinic) { c.sim.Secrets().AddVersion(apiSecret, []byte(",\n")) },
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
		hurt:   func(c *clinic) { c.sim.Secrets().AddVersion(shop, []byte("\n")) },
		faults: []string{"secret " + shop},
	},
	{
		name:   "source-secret-shape",
		hurt:   func(c *clinic) { c.sim.Secrets().AddVersion(shop, []byte("whsec_not base64!")) },
		faults: []string{"source shop"},
	},
	{
		name:   "fallback-secret-shape",
		hurt:   func(c *clinic) { c.sim.Secrets().AddVersion(sms, []byte("whsec_sesame?")) },
		faults: []string{"fallback source shop"},
	},

	// secrets
	{
		name:   "secret-missing",
		hurt:   func(c *clinic) { c.env["RCSHOOK_CREDENTIALS"] = inProject + "rcs-kye" },
		faults: []string{"secret " + inProject + "rcs-kye"},
	},
	{name: "secret-denied", hurt: func(c *clinic) { c.sim.Secrets().Deny(keySecret) }, faults: []string{"secret " + keySecret}},
	{
		name: "secret-denied-deployed",
		hurt: func(c *clinic) {
			c.sim.Secrets().Deny(keySecret)
			c.args = append(c.args, "-env", c.write("service.json", deployed(c, "other-run@rcshook-dev.iam.gserviceaccount.com")))
		},
		faults: []string{"secret " + keySecret},
		warned: []string{"identity"},
	},
	{
		name:   "secret-version-disabled",
		hurt:   func(c *clinic) { c.sim.Secrets().Disable(c.sim.Secrets().AddVersion(keySecret, []byte("next"))) },
		faults: []string{"secret " + keySecret},
	},
	{
		name:   "secret-version-destroyed",
		hurt:   func(c *clinic) { c.sim.Secrets().Destroy(idSecret + "/versions/1") },
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
			c.sim.Secrets().AddVersion(keySecret, key[:len(key)/2])
		},
		faults: []string{"secret " + keySecret},
	},
	{
		name:   "secret-manager-away",
		hurt:   func(c *clinic) { c.sim.Secrets().Away(true) },
		faults: []string{"secret_manager"},
	},
	{
		name:   "secret-manager-disabled",
		hurt:   func(c *clinic) { c.sim.Fail(rbmtest.Fault{Method: "secrets", Status: 403, Reason: "SERVICE_DISABLED"}) },
		faults: []string{"secret_manager"},
	},
	{
		name: "identity-none",
		hurt: func(c *clinic) {
			bare := httptest.NewServer(new(rbmtest.MetadataServer))
			c.t.Cleanup(bare.Close)
			c.env["GOOGLE_APPLICATION_CREDENTIALS"], c.env["HOME"] = "", c.dir
			c.env["GCE_METADATA_HOST"] = strings.TrimPrefix(bare.URL, "http://")
		},
		faults: []string{"identity"},
	},
	{
		name: "identity-revoked",
		hurt: func(c *clinic) {
			c.env["GOOGLE_APPLICATION_CREDENTIALS"] = c.write("adc.json", string(new(rbmtest.TokenServer).KeyFile(
				rbmtest.KeyOptions{TokenURI: c.url + "/token", ClientEmail: "run@rcshook-dev.iam.gserviceaccount.com"})))
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
			c.sim.Secrets().AddVersion(keySecret, new(rbmtest.TokenServer).KeyFile(
				rbmtest.KeyOptions{TokenURI: c.url + "/token", ClientEmail: "rbm-partner@rcshook-dev.iam.gserviceaccount.com"}))
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
		hurt:   func(c *clinic) { c.sim.Fail(rbmtest.Fault{Method: getCapabilities, Status: 401}) },
		faults: []string{"credentials default"},
	},
	{
		name: "scope-missing",
		hurt: func(c *clinic) {
			delete(c.env, "RCSHOOK_CREDENTIALS")
			c.sim.Fail(rbmtest.Fault{Method: getCapabilities, Status: 403, Reason: "ACCESS_TOKEN_SCOPE_INSUFFICIENT"})
		},
		faults: []string{"credentials default"},
	},
	{
		name: "api-disabled",
		hurt: func(c *clinic) {
			c.sim.Fail(rbmtest.Fault{Method: getCapabilities, Status: 403, Reason: "SERVICE_DISABLED"})
		},
		faults: []string{"credentials default"},
	},
	{
		name: "token-endpoint-away",
		hurt: func(c *clinic) {
			gone := httptest.NewServer(http.NotFoundHandler())
			gone.Close()
			c.sim.Secrets().AddVersion(keySecret, c.sim.KeyFile(gone.URL))
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
		hurt:   func(c *clinic) { c.sim.Fail(rbmtest.Fault{Status: 407, Page: true}) },
		faults: []string{"platform 127.0.0.1:8081"},
	},
	{
		name:   "proxy-login",
		hurt:   func(c *clinic) { c.sim.Fail(rbmtest.Fault{Status: 200, Page: true}) },
		faults: []string{"platform 127.0.0.1:8081"},
	},
	{
		name:   "platform-in-trouble",
		hurt:   func(c *clinic) { c.sim.Fail(rbmtest.Fault{Method: getCapabilities, Status: 503}) },
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
		sim:    rbmtest.Simulator{Agents: []rbmtest.Agent{{ID: "shop_k3x9a1bc_agent"}}},
		hurt:   func(c *clinic) { c.sim.Secrets().AddVersion(idSecret, []byte("shop_k3x9a1bc")) },
		faults: []string{"agent default"},
	},
	{
		name: "agent-of-another-partner",
		sim:  rbmtest.Simulator{Agents: []rbmtest.Agent{{ID: "shop_k3x9a1bc_agent"}}},
		hurt: func(c *clinic) {
			c.file = "agents:\n  care: {id: care_k3x9a1bc_agent, credentials: " + keySecret + "}\n" + goodFile
		},
		faults: []string{"agent care"},
	},
	{
		name: "credentials-of-the-function",
		sim:  rbmtest.Simulator{Agents: []rbmtest.Agent{{ID: "shop_k3x9a1bc_agent"}}},
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
			Agents: []rbmtest.Agent{{ID: "shop_k3x9a1bc_agent", Unlaunched: true}},
			Assume: rbmtest.Assumptions{CapabilitiesForbidden: true},
		},
		hurt:   func(c *clinic) { c.args = append(c.args, "-to", testNumber) },
		faults: []string{"number +12*******23 from default"},
		warned: []string{"agent default"},
	},
	{
		name:   "not-launched",
		sim:    rbmtest.Simulator{Agents: []rbmtest.Agent{{ID: "shop_k3x9a1bc_agent", Unlaunched: true}}},
		hurt:   func(c *clinic) { c.args = append(c.args, "-to", testNumber) },
		faults: []string{"number +12*******23 from default"},
	},
	{
		name: "tester",
		sim: rbmtest.Simulator{
			Agents: []rbmtest.Agent{{ID: "shop_k3x9a1bc_agent", Unlaunched: true}},
			Assume: rbmtest.Assumptions{CapabilitiesForbidden: true},
		},
		hurt: func(c *clinic) {
			c.sim.SetTester("shop_k3x9a1bc_agent", testNumber, rbmtest.Accepted)
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

// deployed is what gcloud says of a deployment of the clinic.
func deployed(c *clinic, account string) string {
	type pair struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	}
	var env []pair
	for _, name := range slices.Sorted(maps.Keys(c.env)) {
		if strings.HasPrefix(name, "RCSHOOK_") {
			env = append(env, pair{name, c.env[name]})
		}
	}
	text, err := json.Marshal(map[string]any{
		"kind": "Service",
		"metadata": map[string]any{
			"name": "rcshook", "namespace": "123456789012", "labels": map[string]string{"cloud.googleapis.com/location": "europe-west1"},
		},
		"spec": map[string]any{"template": map[string]any{"spec": map[string]any{
			"serviceAccountName": account, "containers": []any{map[string]any{"env": env}},
		}}},
	})
	if err != nil {
		c.t.Fatal(err)
	}
	return string(text)
}

// TestDoctor sees that doctor names the true cause, and only that, of everything that
// can be wrong with a set-up.
func TestDoctor(t *testing.T) {
	for i := range patients {
		p := &patients[i]
		t.Run(p.name, func(t *testing.T) {
			if p.sim.Now != nil {
				p.sim.Tokens().Now = p.sim.Now
			}
			c := newClinic(t, &p.sim)
			p.hurt(c)
			said, code := c.examine()
			sameAsFile(t, filepath.Join("testdata", "doctor", p.name+".txt"), said)
			if want := min(len(p.faults), 1); code != want {
				t.Errorf("exit code %d, want %d", code, want)
			}
			told, _ := c.examine("-json")
			var report doctor.Report
			if err := json.Unmarshal([]byte(told), &report); err != nil {
				t.Fatalf("%v in %s", err, told)
			}
			judge(t, report, p.faults, p.warned)
			c.discreet(said + told)
			for _, r := range c.sim.Requests() {
				if r.Method != getCapabilities {
					t.Errorf("doctor called %s", r.Method)
				}
			}
		})
	}
}

// judge compares the faults and warnings of a report with those that there must be.
func judge(t *testing.T, r doctor.Report, faults, warned []string) {
	t.Helper()
	got := map[doctor.State][]string{}
	for _, c := range r.Checks {
		got[c.State] = append(got[c.State], strings.TrimSpace(c.Name+" "+c.Subject))
		if !slices.Contains(doctor.Stations, c.Name) {
			t.Errorf("%s is not among the stations", c.Name)
		}
		if wrong := c.State == doctor.Fault || c.State == doctor.Warning; wrong != (len(c.Next) > 0) {
			t.Errorf("%s %s is %s and has %d next steps", c.Name, c.Subject, c.State, len(c.Next))
		}
		if (c.State == doctor.Skipped) != (c.Needs != "") {
			t.Errorf("%s %s is %s and needs %q", c.Name, c.Subject, c.State, c.Needs)
		}
	}
	if diff := cmp.Diff(faults, got[doctor.Fault]); diff != "" {
		t.Errorf("faults (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(warned, got[doctor.Warning]); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
	want := doctor.Summary{OK: len(got[doctor.OK]), Warning: len(got[doctor.Warning]), Fault: len(got[doctor.Fault]), Skipped: len(got[doctor.Skipped])}
	if r.Summary != want || r.OK != (want.Fault == 0) {
		t.Errorf("summary %+v, ok %v, want %+v", r.Summary, r.OK, want)
	}
}

// discreet sees that nothing secret is in an output.
func (c *clinic) discreet(text string) {
	c.t.Helper()
	var key struct {
		PrivateKey string `json:"private_key"`
	}
	if err := json.Unmarshal(c.sim.KeyFile(c.url), &key); err != nil {
		c.t.Fatal(err)
	}
	for _, mark := range []string{
		"sesame", "c2VzYW1l", "PRIVATE KEY", strings.Split(key.PrivateKey, "\n")[1], "ya29", "k3x9a1bc", testNumber, "2025550104", "202555",
	} {
		if strings.Contains(text, mark) {
			c.t.Errorf("the output has %q in it:\n%s", mark, text)
		}
	}
}

// sameAsFile compares a text with a file of testdata.
func sameAsFile(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil { //nolint:gosec // not a secret
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

// TestDoctorPage holds deploy/doctor.md against what doctor does: its samples, its
// table, and its commands, which a script runs.
func TestDoctorPage(t *testing.T) {
	c := newClinic(t, new(rbmtest.Simulator))
	c.sim.Secrets().Deny(keySecret)
	page := "../../deploy/doctor.md"
	data, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)

	said, _ := c.examine()
	told, _ := c.examine("-json")
	var report doctor.Report
	if err := json.Unmarshal([]byte(told), &report); err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(report.Checks, func(c doctor.Check) bool { return c.State == doctor.Fault })
	var one bytes.Buffer
	encoder := json.NewEncoder(&one)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(report.Checks[i]); err != nil {
		t.Fatal(err)
	}
	for language, want := range map[string]string{"text": said, "json": one.String()} {
		block := regexp.MustCompile("(?s)```" + language + "\n(.*?)```")
		if *update {
			text = block.ReplaceAllLiteralString(text, "```"+language+"\n"+want+"```")
		}
		if match := block.FindStringSubmatch(text); match == nil || match[1] != want {
			t.Errorf("the %s in %s (-want +got):\n%s", language, page, cmp.Diff(want, match))
		}
	}
	if *update {
		if err := os.WriteFile(page, []byte(text), 0o644); err != nil { //nolint:gosec // not a secret
			t.Fatal(err)
		}
	}

	_, table, _ := strings.Cut(text, "\n## What it checks\n")
	table, _, _ = strings.Cut(table, "\n## ")
	var names []string
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\|").FindAllStringSubmatch(table, -1) {
		names = append(names, row[1])
	}
	if diff := cmp.Diff(doctor.Stations, names); diff != "" {
		t.Errorf("names of checks in %s (-want +got):\n%s", page, diff)
	}

	script, err := os.ReadFile("testdata/doctor.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, block := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(text, -1) {
		for line := range strings.Lines(block[1]) {
			command := strings.ReplaceAll(strings.TrimSpace(line), "localhost:8081", "127.0.0.1:$SIM")
			if !strings.HasSuffix(command, "# needs a Google account") && !strings.Contains(string(script), "exec "+command+"\n") {
				t.Errorf("testdata/doctor.txtar does not run: %s", command)
			}
		}
	}
}
