package docstest

import (
	"encoding/json"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rcshook/rcshook/internal/googletest/platform"
	"github.com/rcshook/rcshook/internal/server"
	"github.com/rcshook/rcshook/rbm/rbmtest"
)

// script runs a program of a recipe with Node: the stand-ins for the tool's own objects
// before it, and the calls after it. It returns the JSON that the program prints, and the
// messages that the function sent.
func script(t *testing.T, before, program, after string, result any) []rbmtest.Message {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("NOT RUN with Node: it is not installed")
	}
	sim := platform.New(new(rbmtest.Simulator))
	google := httptest.NewServer(sim)
	t.Cleanup(func() { sim.Close(); google.Close() })
	h, err := server.New(t.Context(), server.Options{Environ: environ(t, sim, google.URL)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	web := httptest.NewServer(h)
	t.Cleanup(web.Close)
	file := filepath.Join(t.TempDir(), "recipe.cjs")
	if err := os.WriteFile(file, []byte(before+strings.ReplaceAll(program, `"HOOK`, `"`+web.URL)+after), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), node, file)
	cmd.Env = append(os.Environ(), "RCS_KEY="+apiKey)
	cmd.Stderr = t.Output()
	out, err := cmd.Output()
	if err == nil {
		err = json.Unmarshal(out, result)
	}
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return sim.Messages()
}

// TestTwilioFunction runs the function of the recipe for a phone with RCS, and for one
// without.
func TestTwilioFunction(t *testing.T) {
	program := readPage(t, "deploy/recipes/twilio.md").blocks("js")[0]
	var got []map[string]string
	messages := script(t, "", program, `
const all = [];
const context = {
  RCS_KEY: process.env.RCS_KEY,
  SMS_FROM: "+12025550100",
  getTwilioClient: () => ({ messages: { create: async (message) => all.push(message) } }),
};
(async () => {
  for (const phone of ["(202) 555-0123", "+12025550104"]) {
    await exports.handler(context, { phone, name: 'Ada "Ace" & Co', order: "1042" }, (_, result) => all.push({ code: result.code }));
  }
  console.log(JSON.stringify(all));
})();`, &got)
	want := []map[string]string{
		{"code": "accepted"},
		{"to": "+12025550104", "from": "+12025550100", "body": `Hi Ada "Ace" & Co, your order 1042 is ready.`},
		{"code": "recipient_unreachable"},
	}
	if diff := cmp.Diff(want, got); diff != "" || len(messages) != 1 {
		t.Errorf("got %d messages, want 1; (-want +got):\n%s", len(messages), diff)
	}
}

// TestPipedreamStep runs the step of the recipe with a stand-in for Pipedream's axios.
func TestPipedreamStep(t *testing.T) {
	program := readPage(t, "deploy/recipes/pipedream.md").blocks("js")[0]
	program = strings.NewReplacer(`import { axios } from "@pipedream/platform";`, "", "export default", "const step =").Replace(program)
	var got []string
	messages := script(t, `
const defineComponent = (component) => component;
const axios = async (_, { method, url, headers, data }) => {
  const response = await fetch(url, { method, headers: { "Content-Type": "application/json", ...headers }, body: JSON.stringify(data) });
  if (!response.ok) throw new Error(response.status);
  return response.json();
};`, program, `
(async () => {
  const codes = [];
  for (const phone of ["(202) 555-0123", "+12025550104"]) {
    const body = { phone, name: 'Ada "Ace" & Co', order: phone };
    codes.push((await step.run({ steps: { trigger: { event: { body } } }, $: {} })).code);
  }
  console.log(JSON.stringify(codes));
})();`, &got)
	if diff := cmp.Diff([]string{"accepted", "recipient_unreachable"}, got); diff != "" || len(messages) != 1 {
		t.Errorf("got %d messages, want 1; (-want +got):\n%s", len(messages), diff)
	}
}

// TestAppsScript runs the program for Google Sheets: a test, and then the messages. A row
// that was sent is not sent again.
func TestAppsScript(t *testing.T) {
	program := readPage(t, "deploy/recipes/apps-script.md").blocks("js")[0]
	var got [][]string
	messages := script(t, `
const { execFileSync } = require("node:child_process");
const values = [
  ["to", "country", "text", "", "status", "button1"],
  ["(202) 555-0123", "US", 'See you, Ada "Ace" & Co.', "a note", "", "Confirm|=YES"],
  ["", "", "", "", "", ""],
  ["+12025550104", "", "See you.", "", "", ""],
  ["+12025550199", "", "See you.", "", "accepted: Accepted", ""],
  ["+12", "", "See you.", "", "", ""],
];
const sheet = {
  getDataRange: () => ({ getDisplayValues: () => values.map((row) => [...row]) }),
  getRange: (row, column) => ({ setValue: (value) => { values[row - 1][column - 1] = value; } }),
};
const items = [];
const menu = { addItem: (_, name) => { items.push(name); return menu; }, addToUi: () => {} };
const SpreadsheetApp = { getUi: () => ({ createMenu: () => menu }), getActiveSheet: () => sheet, flush: () => {} };
const PropertiesService = { getScriptProperties: () => ({ getProperty: (name) => process.env[name] }) };
const UrlFetchApp = {
  fetch: (url, { method, payload, headers, muteHttpExceptions }) => {
    if (!muteHttpExceptions) throw new Error("expected muteHttpExceptions");
    const request = "const [url, method, form, headers] = JSON.parse(process.argv[1]);" +
      "fetch(url, { method, body: new URLSearchParams(form), headers }).then((r) => r.text()).then((text) => process.stdout.write(text));";
    const text = execFileSync(process.execPath, ["-e", request, JSON.stringify([url, method, payload, headers])], { encoding: "utf8" });
    return { getContentText: () => text };
  },
};
`, program, `
const codes = () => values.map((row) => row[4].split(":")[0]);
onOpen();
const runs = items.map((name) => { eval(name + "()"); return codes(); });
send();
runs.push(codes());
console.log(JSON.stringify(runs));`, &got)
	want := [][]string{
		{"status", "dry_run", "", "dry_run", "accepted", "invalid_phone"},
		{"status", "accepted", "", "recipient_unreachable", "accepted", "invalid_phone"},
		{"status", "accepted", "", "recipient_unreachable", "accepted", "invalid_phone"},
	}
	if diff := cmp.Diff(want, got); diff != "" || len(messages) != 1 {
		t.Errorf("got %d messages, want 1; (-want +got):\n%s", len(messages), diff)
	}
}
