package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rcshook/rcshook/internal/browsertest"
)

// TestCopyAs copies each example for the other tools, and compares the copies with the payload
// and with what the tools have.
func TestCopyAs(t *testing.T) {
	t.Parallel()
	g := open(t, "", 1440, 900)
	var examples []struct {
		Name    string
		Payload map[string]any
	}
	decode(t, browsertest.Eval[string](g.Tab, `fetch("examples.json").then((r) => r.text())`), &examples)
	if len(examples) == 0 {
		t.Fatal("no examples")
	}
	hostile := map[string]any{"to": "+12025550123", "text": "it's `\"<\\ \u2028 $HOME"}
	examples = append(examples, struct {
		Name    string
		Payload map[string]any
	}{"hostile", hostile})
	node := read(t, "../../deploy/n8n/nodes/Rcs/Rcs.node.ts")
	for _, e := range examples {
		payload, err := json.Marshal(e.Payload)
		if err != nil {
			t.Fatal(err)
		}
		copies := browsertest.Eval[map[string]string](g.Tab, `import("`+base+`playground/copyas.js").then((m) =>
			Object.fromEntries(Object.entries(m.formats).map(([name, make]) => [name, make(`+string(payload)+`)])))`)

		command := copies["curl"]
		if !strings.HasPrefix(command, "curl -i '"+yourURL+"'") || !strings.Contains(command, "Bearer "+yourKey) {
			t.Errorf("%s: the command has no URL or key: %s", e.Name, command)
		}
		out, err := exec.CommandContext(t.Context(), "sh", "-c", "curl() { for last; do :; done; printf %s \"$last\"; }\n"+command).Output()
		if err != nil {
			t.Fatal(err)
		}
		equal(t, e.Name+" curl", e.Payload, out)

		_, here, _ := strings.Cut(copies["PowerShell"], "$payload = @'\n")
		here, command, ok := strings.Cut(here, "\n'@\n")
		if !ok || !strings.Contains(command, "'Bearer "+yourKey+"'") || !strings.Contains(command, "-Uri '"+yourURL+"'") {
			t.Errorf("%s: the command for PowerShell has no payload, URL or key: %s", e.Name, copies["PowerShell"])
		}
		equal(t, e.Name+" PowerShell", e.Payload, []byte(here))

		dir := t.TempDir()
		file := filepath.Join(dir, "main.go")
		if err := os.WriteFile(file, []byte(copies["Go program"]+"\nfunc init() { os.Stdout.WriteString(payload); os.Exit(0) }\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		if e.Name == "hostile" || e.Name == "carousel" { // compiling takes long
			if out, err := exec.CommandContext(t.Context(), "go", "vet", file).CombinedOutput(); err != nil {
				t.Errorf("%s: go vet: %v\n%s", e.Name, err, out)
			}
			if out, err = exec.CommandContext(t.Context(), "go", "run", file).Output(); err != nil {
				t.Fatal(err)
			}
			equal(t, e.Name+" Go", e.Payload, out)
		}

		var workflow struct {
			Nodes []struct {
				Type       string
				Parameters map[string]any
			}
		}
		decode(t, copies["n8n node"], &workflow)
		n := workflow.Nodes[0]
		if n.Type != "n8n-nodes-rcshook.rcs" {
			t.Errorf("%s: the node has type %s", e.Name, n.Type)
		}
		sent := map[string]any{}
		more := n.Parameters["additionalFields"].(map[string]any)
		if text, ok := more["moreFields"].(string); ok {
			decode(t, text, &sent)
		}
		for name, value := range n.Parameters {
			if !strings.Contains(node, "name: '"+name+"'") {
				t.Errorf("%s: the n8n node has no parameter %s", e.Name, name)
			}
			if name == "operation" && !strings.Contains(node, fmt.Sprintf("value: '%s'", value)) {
				t.Errorf("%s: the n8n node has no operation %s", e.Name, value)
			}
			if name != "operation" && name != "additionalFields" {
				sent[name] = value
			}
		}
		if diff := cmp.Diff(e.Payload, sent); diff != "" {
			t.Errorf("%s: the n8n node sends another payload (-want +got):\n%s", e.Name, diff)
		}
	}

	table := browsertest.Eval[string](g.Tab, `import("`+base+`playground/copyas.js").then((m) => m.formats["Zapier fields"](
		{to: "+1", cards: [{title: "A", text: "B", buttons: ["x", "y"]}, {title: "C"}], layout: "horizontal"}))`)
	const want = "Action\tSend Carousel\nPhone Number\t+1\nCards 1 Title\tA\nCards 1 Text\tB\nCards 1 Buttons\tx\nCards 1 Buttons\ty\nCards 2 Title\tC\n" +
		"Message Key\tID-OF-THE-TRIGGER\nlayout\tThe action has no such field. Use Webhooks by Zapier, or leave it out."
	lines := strings.Split(table, "\n")
	slices.Sort(lines)
	wanted := strings.Split(want, "\n")
	slices.Sort(wanted)
	if diff := cmp.Diff(wanted, lines); diff != "" {
		t.Errorf("fields for Zapier (-want +got):\n%s", diff)
	}

	browsertest.Eval[bool](g.Tab, `(navigator.clipboard.writeText = async (text) => { globalThis.copied = text; }, true)`)
	g.Click(".copy-as summary")
	g.Click(`[data-format="n8n node"]`)
	g.Shows(".copy-place", "Copied")
	g.Shows(`[data-format="n8n node"]`, "n8n node")
	g.Wait(`JSON.parse(globalThis.copied).nodes.length === 1`)
	g.Shows(".copy-place", "Click the canvas of n8n")
	g.Wait(`document.querySelector(".copy-place a").getAttribute("href") === "docs/recipes/n8n.html"`)
	g.Shot("copied")
	// Each format has a line, whose document exists.
	for _, bad := range browsertest.Eval[[]string](g.Tab, `import("`+base+`playground/copyas.js").then(({formats, places}) =>
		Promise.all(Object.keys(formats).map(async (name) => {
			const [text, address] = places[name];
			const [path, id] = address.split("#");
			const page = await fetch("docs/" + path);
			const found = page.ok && (!id || (await page.text()).includes('id="' + id + '"'));
			return text && found ? "" : name;
		}))).then((all) => all.filter(Boolean))`) {
		t.Errorf("the link for %s leads nowhere", bad)
	}
	g.Clean()
}

// TestCopyAs_zapier compares the names of fields and actions with those of the Zapier app.
func TestCopyAs_zapier(t *testing.T) {
	t.Parallel()
	source, fields, send := read(t, "page/copyas.js"), read(t, "../../deploy/zapier/fields.js"), read(t, "../../deploy/zapier/send.js")
	labels := regexp.MustCompile(`(?m)^  (\w+): "([^"]+)",$`).FindAllStringSubmatch(source, -1)
	if len(labels) < 15 {
		t.Fatalf("found %d labels", len(labels))
	}
	for _, l := range labels {
		if !regexp.MustCompile(`key: '` + l[1] + `',\s+label: '` + regexp.QuoteMeta(l[2]) + `'`).MatchString(fields) {
			t.Errorf("the Zapier app has no field %s with the label %s", l[1], l[2])
		}
	}
	words := regexp.MustCompile(`['"](\w+)['"]`)
	names := func(text, pattern string) (all []string) {
		match := regexp.MustCompile(pattern).FindStringSubmatch(text)
		if match == nil {
			t.Fatalf("no match for %s", pattern)
		}
		for _, w := range words.FindAllStringSubmatch(match[1], -1) {
			if w[1] != "unreachable" && w[1] != "dry_run" && w[1] != "idempotency_key" {
				all = append(all, w[1])
			}
		}
		slices.Sort(all)
		return all
	}
	if diff := cmp.Diff(names(send, `(?s)const options = \[(.*?)\]`), names(source, `(?s)const options = \[(.*?)\]`)); diff != "" {
		t.Errorf("options (-Zapier app +page):\n%s", diff)
	}
	for _, action := range []string{"Send Message", "Send Card", "Send Carousel"} {
		if diff := cmp.Diff(names(send, `(?s)'`+action+`',\s+'[^']*',\s+\[(.*?)\]`), names(source, `(?s)"`+action+`": \[(.*?)\]`)); diff != "" {
			t.Errorf("%s (-Zapier app +page):\n%s", action, diff)
		}
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func decode(t *testing.T, text string, value any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), value); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
}

// equal compares a payload with its JSON.
func equal(t *testing.T, name string, want map[string]any, data []byte) {
	t.Helper()
	var got map[string]any
	decode(t, string(data), &got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s: another payload (-want +got):\n%s", name, diff)
	}
}
