package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestSupabaseRecipe runs the commands and the program of "Try it here" in the recipe, with its
// rcshook.yaml.
func TestSupabaseRecipe(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../deploy/recipes/supabase.md")
	if err != nil {
		t.Fatal(err)
	}
	box := func(language string) string {
		_, text, _ := strings.Cut(string(page), "\n```"+language+"\n")
		text, _, found := strings.Cut(text, "```\n")
		if !found {
			t.Fatalf("the recipe has no box of %s", language)
		}
		return text
	}
	script := "[!exec:node] skip 'needs Node'\n" + box("sh")
	_, rest, _ := strings.Cut(string(page), "sends three codes:")
	commands := regexp.MustCompile(`(?m)^node send.mjs (\d+)$`).FindAllString(rest, -1)
	if len(commands) != 3 {
		t.Fatalf("the recipe has %d commands, want 3", len(commands))
	}
	for i, command := range commands {
		script += "exec " + command + "\nstdout '" + []string{"^204 $", "^204 $", `^200 \{"error":\{"http_code":400,`}[i] + "'\n"
	}
	script = strings.NewReplacer(
		"export ", "env ",
		"rcshook dev", "exec rcshook dev -port $PORT -sim-port $SIM -delay 0",
		"-config rcshook.yaml\n", "-config rcshook.yaml &dev&\nawait http://127.0.0.1:$PORT/\n",
	).Replace(script) + `await http://127.0.0.1:$SIM/_sim/messages '481516 is your code.'
await http://127.0.0.1:$SIM/_dev/targets 'Body=481516+is+your+code.'
kill -INT dev
wait dev
`
	program := strings.Replace(box("js"), `"http://localhost:8080/`, `"http://127.0.0.1:" + process.env.PORT + "/`, 1)
	script += "-- rcshook.yaml --\n" + strings.ReplaceAll(box("yaml"), "PROJECT", "my-project") + "-- send.mjs --\n" + program
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "recipe.txtar"), []byte(script), 0o600); err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{Dir: dir, RequireExplicitExec: true, Setup: setupScript, Cmds: scriptCommands})
}
