package docstest

import (
	"encoding/json"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rcshook/rcshook/internal/googletest/platform"
	"github.com/rcshook/rcshook/internal/server"
	"github.com/rcshook/rcshook/rbm/rbmtest"
)

// script runs a program of a recipe with Node: the stand-ins for the tool's own objects
// before it, and the calls after it. It returns the JSON that the program prints, and the
// messages that the function sent. It has the sources of a file, whose secrets are
// [apiKey], if a name is given.
func script(t *testing.T, before, program, after string, result any, file ...string) []rbmtest.Message {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("NOT RUN with Node: it is not installed")
	}
	sim := platform.New(new(rbmtest.Simulator))
	google := httptest.NewServer(sim)
	t.Cleanup(func() { sim.Close(); google.Close() })
	env := environ(t, sim, google.URL)
	for _, name := range file {
		env = append(env, "RCSHOOK_CONFIG="+name)
	}
	h, err := server.New(t.Context(), server.Options{Environ: env})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	web := httptest.NewServer(h)
	t.Cleanup(web.Close)
	name := filepath.Join(t.TempDir(), "recipe.cjs")
	if err := os.WriteFile(name, []byte(before+strings.ReplaceAll(program, `"HOOK`, `"`+web.URL)+after), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), node, name)
	cmd.Env = append(os.Environ(), "RCS_KEY="+apiKey, "RCS_TOKEN="+apiKey)
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

// appsScript are stand-ins for the objects of Apps Script.
const appsScript = `
const { execFileSync } = require("node:child_process");
const PropertiesService = { getScriptProperties: () => ({ getProperty: (name) => process.env[name] }) };
const UrlFetchApp = {
  fetch: (url, { method, payload, contentType, headers, muteHttpExceptions }) => {
    if (!muteHttpExceptions) throw new Error("expected muteHttpExceptions");
    const request = "const [url, method, payload, headers] = JSON.parse(process.argv[1]);" +
      "const body = typeof payload === 'string' ? payload : new URLSearchParams(payload);" +
      "fetch(url, { method, body, headers }).then((r) => r.text()).then((text) => process.stdout.write(text));";
    const text = execFileSync(process.execPath, ["-e", request, JSON.stringify([url, method, payload, contentType ? { ...headers, "Content-Type": contentType } : headers])], { encoding: "utf8" });
    return { getContentText: () => text };
  },
};
`

// TestAppsScript runs the program for Google Sheets: a test, and then the messages. A row
// that was sent is not sent again.
func TestAppsScript(t *testing.T) {
	program := readPage(t, "deploy/recipes/apps-script.md").blocks("js")[0]
	var got [][]string
	messages := script(t, appsScript+`
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

// sourcesOf writes the file of a recipe, with [apiKey] in place of its secrets, and without a
// fallback.
func sourcesOf(t *testing.T, text page) string {
	t.Helper()
	file, _, _ := strings.Cut(text.blocks("yaml")[0], "    fallback:")
	name := filepath.Join(t.TempDir(), "rcshook.yaml")
	file = regexp.MustCompile(`projects/PROJECT/secrets/\S+`).ReplaceAllString(file, apiKey)
	if err := os.WriteFile(name, []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// TestCognitoFunction runs the Lambda function of the recipe twice for a phone with RCS, and
// for one without, with a stand-in for the decryption.
func TestCognitoFunction(t *testing.T) {
	text := readPage(t, "deploy/recipes/cognito.md")
	_, program, _ := strings.Cut(text.blocks("js")[0], "\n") // the import
	program = strings.ReplaceAll(program, "export const handler", "const handler")
	var got []string
	messages := script(t, `
const CommitmentPolicy = {};
class KmsKeyringNode {}
const buildClient = () => ({ decrypt: async (_, sealed) => ({ plaintext: sealed }) });
`, program, `
(async () => {
  const results = [];
  for (const phone_number of ["+12025550123", "+12025550123", "+12025550104"]) {
    const code = Buffer.from("481516").toString("base64");
    await handler({ request: { code, userAttributes: { phone_number } } }).then(() => results.push("sent"), (e) => results.push(e.message.split(":")[0]));
  }
  console.log(JSON.stringify(results));
})();`, &got, sourcesOf(t, text))
	want := []string{"sent", "sent", "This number cannot get RCS from this agent"}
	if diff := cmp.Diff(want, got); diff != "" || len(messages) != 1 || !strings.Contains(string(messages[0].AgentMessage), `"481516 is your code."`) {
		t.Errorf("got %v, want one message; (-want +got):\n%s", messages, diff)
	}
}

// TestGoogleFormsScript runs the program for Google Forms for a response, for the same one
// again, and for one without a number.
func TestGoogleFormsScript(t *testing.T) {
	text := readPage(t, "deploy/recipes/google-forms.md")
	var got []string
	messages := script(t, appsScript, text.blocks("js")[0], `
const submit = (id, fields) => onSubmit({
  response: {
    getId: () => id,
    getItemResponses: () => Object.entries(fields).map(([title, value]) => ({ getItem: () => ({ getTitle: () => title }), getResponse: () => value })),
  },
});
const { log } = console, lines = [];
console.log = (line) => lines.push(line.split(":")[0]);
submit("2_a", { Name: 'Ada "Ace" & Co', Phone: "(202) 555-0123" });
submit("2_a", { Name: 'Ada "Ace" & Co', Phone: "(202) 555-0123" });
submit("2_b", { Name: "Bob" });
submit("2_c", { Name: "Bob", Phone: "soon" });
log(JSON.stringify(lines));`, &got, sourcesOf(t, text))
	if diff := cmp.Diff([]string{"accepted", "accepted", "invalid_phone"}, got); diff != "" || len(messages) != 1 {
		t.Errorf("got %d messages, want 1; (-want +got):\n%s", len(messages), diff)
	}
}

// TestAuth0Action runs the Action of the recipe: twice for a phone with RCS, for one without,
// for one whose limit is exceeded, for an invalid number, for a voice call, and for a
// notification without a code.
func TestAuth0Action(t *testing.T) {
	text := readPage(t, "deploy/recipes/auth0.md")
	var got []string
	messages := script(t, "", text.blocks("js")[0], `
(async () => {
  const results = [];
  for (const change of [{}, {}, { recipient: "+12025550104" }, { recipient: "+12025550129" }, { recipient: "12" },
      { delivery_method: "voice" }, { code: undefined, as_text: "Your account is blocked.", message_type: "blocked_account" }]) {
    const notification = { recipient: "+1-202-555-0123", code: "481516", as_text: "481516 is your code.", delivery_method: "text", ...change };
    let result = "sent";
    const end = (kind) => (reason) => { result = kind + ": " + reason.split(":")[0]; };
    await exports.onExecuteCustomPhoneProvider({ notification, secrets: { RCS_TOKEN: process.env.RCS_TOKEN } },
      { notification: { drop: end("drop"), retry: end("retry") } });
    results.push(result);
  }
  console.log(JSON.stringify(results));
})();`, &got, sourcesOf(t, text))
	const invalid = "drop: The event has no text message with a valid number"
	want := []string{"sent", "sent", "drop: This number cannot get RCS from this agent", "retry: The rate limit is exceeded", invalid, invalid, "sent"}
	if diff := cmp.Diff(want, got); diff != "" || len(messages) != 2 {
		t.Fatalf("got %d messages, want 2; (-want +got):\n%s", len(messages), diff)
	}
	for i, part := range []string{`"AUTHENTICATION"`, `"TRANSACTION"`} {
		if !strings.Contains(string(messages[i].AgentMessage), part) {
			t.Errorf("message %s, want the traffic type %s", messages[i].AgentMessage, part)
		}
	}
}
