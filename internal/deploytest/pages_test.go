package deploytest

import (
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// shellBlocks returns the commands of the blocks of a page that need an account.
func shellBlocks(page string) (blocks []string) {
	for _, match := range regexp.MustCompile("(?ms)^ *```sh account\n(.*?)^ *```$").FindAllStringSubmatch(page, -1) {
		blocks = append(blocks, match[1])
	}
	return blocks
}

// deployCommands returns the arguments of the commands of a page that run the script.
func deployCommands(page string) (commands []string) {
	for _, match := range regexp.MustCompile("(?m)^deploy/deploy.sh(.*)$").FindAllStringSubmatch(strings.Join(shellBlocks(page), ""), -1) {
		commands = append(commands, match[1])
	}
	return commands
}

// TestKeysPage changes the API key with the commands of docs/keys.md.
func TestKeysPage(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("needs openssl")
	}
	c := newCloud(t)
	c.deploy("", "--agent-id-file", c.file("id", agentID), "--key-file", c.file("key.json", serviceKey))
	_, section, _ := strings.Cut(read(t, "docs/keys.md"), "\n## The API key of callers\n")
	section, _, _ = strings.Cut(section, "\n## ")
	cmd := exec.CommandContext(t.Context(), "bash", "-eu", "-c", strings.Join(shellBlocks(section), "\n"))
	cmd.Dir, cmd.Env = c.dir, c.env
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}

	versions := c.state().Secrets["rcshook-api-keys"]
	if len(versions) != 3 {
		t.Fatalf("got %d versions of the secret, want 3", len(versions))
	}
	var keys [][]string
	for _, version := range versions {
		keys = append(keys, strings.Fields(version))
	}
	if len(keys[0]) != 1 || len(keys[1]) != 2 || len(keys[2]) != 1 {
		t.Fatalf("got versions with %d, %d and %d keys, want 1, 2 and 1", len(keys[0]), len(keys[1]), len(keys[2]))
	}
	if keys[1][1] != keys[0][0] || keys[1][0] == keys[0][0] {
		t.Error("the second version is not a new key and the old one")
	}
	if keys[2][0] != keys[1][0] {
		t.Error("the third version is not the new key")
	}
	if got := strings.TrimSpace(string(out)); got != keys[1][0] {
		t.Error("the commands do not print the new key alone")
	}
}

// TestDeletePage checks that docs/delete.md deletes everything that the script creates.
func TestDeletePage(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	c.deploy("", "--queue", "--events", "--events-url=https://crm.example.com/in", "--agent-id-file", c.file("id", agentID), "--key-file", c.file("key.json", serviceKey))
	page := "\n" + strings.Join(shellBlocks(read(t, "docs/delete.md")), "\n")

	deletes := []struct{ create, remove string }{
		{`^run deploy (\S+)`, "gcloud run services delete $1 --region=us-central1\n"},
		{`^secrets create (\S+)`, "gcloud secrets delete $1\n"},
		{`^tasks queues create (\S+)`, "gcloud tasks queues delete $1 --location=us-central1\n"},
		{`^iam service-accounts create (\S+)`, "gcloud iam service-accounts delete ${1}@my-project.iam.gserviceaccount.com\n"},
		{`^storage buckets create (\S+)`, "gcloud storage rm --recursive $1\n"},
		{`^logging sinks update _Default .*--add-exclusion=name=([^,]+)`, "gcloud logging sinks update _Default --remove-exclusions=$1\n"},
		{`^projects add-iam-policy-binding (\S+) (.*)`, "gcloud projects remove-iam-policy-binding $1 $2\n"},
	}
	found := make([]bool, len(deletes))
	for _, call := range c.calls() {
		call = strings.TrimSuffix(call, " --quiet")
		known := !regexp.MustCompile(` create |^projects add-|--add-exclusion|^run deploy`).MatchString(call)
		for i, d := range deletes {
			pattern := regexp.MustCompile(d.create)
			match := pattern.FindStringSubmatchIndex(call)
			if match == nil {
				continue
			}
			known, found[i] = true, true
			if want := string(pattern.ExpandString(nil, "\n"+d.remove, call, match)); !strings.Contains(page, want) {
				t.Errorf("the page does not contain %q, for: gcloud %s", strings.TrimSpace(want), call)
			}
		}
		if !known {
			t.Errorf("this test does not know how to delete the result of: gcloud %s", call)
		}
	}
	for i, d := range deletes {
		if !found[i] {
			t.Errorf("the script ran no command like %s", d.create)
		}
	}
}

// TestFirstMessagePage runs the script as docs/first-message.md does.
func TestFirstMessagePage(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	commands := deployCommands(read(t, "docs/first-message.md"))
	if len(commands) != 3 {
		t.Fatalf("got the commands %q, want a dry run, a deployment, and one with events", commands)
	}
	var out string
	for _, args := range commands {
		args = strings.ReplaceAll(args, "~/KEY.json", c.file("key.json", serviceKey)) // as a shell does
		out = c.deploy(agentID+"\n", strings.Fields(args)...)
	}
	for _, want := range []string{"rcshook is at https://", "rcshook optouts init -env -", "rcshook webhook set -env -"} {
		if !strings.Contains(out, want) {
			t.Errorf("the last command does not print %q:\n%s", want, out)
		}
	}
}
