package main

import (
	"bytes"
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rcshook/rcshook/internal/source"
	"github.com/rcshook/rcshook/internal/starter"
)

// runInitIn runs init for a folder, without a terminal, and returns its output, in which the
// folder is DIR.
func runInitIn(t *testing.T, dir string, args ...string) (code int, output string) {
	t.Helper()
	var out bytes.Buffer
	code = run(t.Context(), append(append([]string{"init"}, args...), "-dir", dir), stdio{strings.NewReader(""), &out, &out})
	text := randomToken.ReplaceAllString(out.String(), "[random]")
	return code, filepath.ToSlash(strings.ReplaceAll(text, dir+string(filepath.Separator), "DIR/"))
}

// randomToken matches the token that init prints for a source whose path has one.
var randomToken = regexp.MustCompile(`\b[A-Z2-7]{26}\b`)

// readTree returns the files in a folder.
func readTree(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := make(map[string]string)
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		data, err := os.ReadFile(filepath.Join(dir, path))
		files[path] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// TestInit compares what init writes and prints with the folders in testdata/init. Check has
// no objections to it.
func TestInit(t *testing.T) {
	t.Parallel()
	for name, args := range map[string]string{
		"shopify":      "shopify -project harborline-1 -country US",
		"stripe":       "stripe",
		"woocommerce":  "woocommerce -country DE",
		"calendly":     "calendly",
		"github":       "-project harborline-1 github",
		"twilio":       "twilio",
		"pubsub":       "pubsub",
		"gocardless":   "gocardless",
		"fusionauth":   "fusionauth",
		"basic":        "basic",
		"url-token":    "url-token -project harborline-1",
		"caller":       "-caller zapier -country NO",
		"replies":      "-replies projects/harborline-1/secrets/zap-url",
		"all-together": "stripe -caller zapier -replies http://localhost:3000/in -agent-id harborline_agent -project harborline-1 -country US",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, folder := t.TempDir(), filepath.Join("testdata", "init", name)
			code, output := runInitIn(t, dir, strings.Fields(args)...)
			got := readTree(t, dir)
			got["output.txt"] = output
			if *update {
				if err := os.RemoveAll(folder); err != nil {
					t.Fatal(err)
				}
				for file, text := range got {
					if err := createFile(filepath.Join(folder, file), []byte(text), 0o644); err != nil {
						t.Fatal(err)
					}
				}
			}
			if diff := cmp.Diff(readTree(t, folder), got); diff != "" || code != 0 {
				t.Errorf("exit code %d; the files (-want +got):\n%s", code, diff)
			}
			var out bytes.Buffer
			if err := runCheck(t.Context(), []string{filepath.Join(dir, "rcshook.yaml")}, stdio{out: &out}); err != nil || strings.Contains(out.String(), "warning") {
				t.Errorf("check: %v\n%s", err, &out)
			}
		})
	}
}

// TestInit_presets runs the file of each preset in dev, which sends the sample.
func TestInit_presets(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var whole strings.Builder
	for _, preset := range source.Presets() {
		if code, output := runInitIn(t, filepath.Join(dir, preset), preset); code != 0 || !strings.Contains(output, "\nok   "+preset+"/sample\n") {
			t.Errorf("%s: exit code %d\n%s", preset, code, output)
		}
		data, err := os.ReadFile(filepath.Join(dir, preset, "rcshook.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		_, entry, _ := strings.Cut(string(data), "sources:\n")
		whole.WriteString(entry)
	}
	name := filepath.Join(dir, "rcshook.yaml")
	write(t, name, "sources:\n"+whole.String())
	d := startDev(t, "-config", name)
	sent := 0
	for _, preset := range source.Presets() {
		if preset == "sns" {
			continue // only Amazon can sign its messages
		}
		sent++
		var response struct {
			Status int
			Body   string
		}
		d.request(d.simURL+"_dev/hook", `{"source": "`+preset+`"}`, &response)
		if n := len(d.messages()); response.Status/100 != 2 || n != sent {
			t.Fatalf("the sample of %s: %+v, %d messages, want %d", preset, response, n, sent)
		}
	}
	d.stop()
}

// TestInit_dev runs the file with a caller, replies and an agent in dev: the caller sends, and
// the reply of the user goes to the target.
func TestInit_dev(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if code, output := runInitIn(t, dir, "-caller", "zapier", "-replies", "https://crm.example.com/in?a=b", "-agent-id", "harborline_agent"); code != 0 {
		t.Fatal(output)
	}
	d := startDev(t, "-config", filepath.Join(dir, "rcshook.yaml"))
	if !strings.Contains(d.printed.String(), "\n  zapier   ") {
		t.Errorf("dev printed no key of the caller:\n%s", d.printed)
	}
	d.send(`"text": "Hello"`)
	d.user(`"action": "text", "text": "Thank you"`)
	for !strings.Contains(d.printed.String(), "request to https://crm.example.com/in?a=b, received by dev:") {
		d.pause()
	}
	d.stop()
}

func TestInit_errors(t *testing.T) {
	t.Parallel()
	nothing := "nothing to write: expected a preset, -caller NAME or -replies URL; the other flags are -project, -country, -agent-id and -dir\n\n" + presetList()
	for args, want := range map[string]string{
		"":                                    nothing,
		"-agent-id a":                         nothing,
		"shopfy":                              `unknown preset "shopfy"; did you mean shopify?`,
		"umbrella":                            `unknown preset "umbrella"; rcshook init lists them; for another sender of webhooks, use hmac, bearer, basic or url-token, and see docs/new-sender.md; for a program that sends our payloads, use -caller NAME`,
		"shopify stripe":                      "expected one preset, got 2",
		"shopify -contry US":                  "flag provided but not defined: -contry; did you mean -country?",
		"shopify -project Harborline":         "-project must be the ID of a Google Cloud project, such as my-project-1",
		"shopify -project your-project":       "-project contains a placeholder; replace your-project by the ID of your Google Cloud project",
		"-caller a/b":                         "-caller must be at most 64 letters, digits, - and _",
		"-caller default":                     "-caller is the name of the caller with the keys in RCSHOOK_API_KEYS; use another",
		"-replies https://hook.eu1.make.com":  "-replies is an address that works like a password; store it in Secret Manager, and write projects/PROJECT/secrets/SECRET",
		"-replies projects/PROJECT/secrets/x": "-replies contains a placeholder; replace PROJECT by the ID of your Google Cloud project",
		"stripe -replies crm -country UK -agent-id a,b": "-agent-id is not an agent ID, which is one word such as my_brand_k3x9a1bc_agent, or the name of a secret, projects/PROJECT/secrets/SECRET\n" +
			"-country must be an ISO 3166 country code; write GB\n" +
			"-replies must be a URL such as https://example.com/path",
	} {
		dir := t.TempDir()
		code, output := runInitIn(t, dir, strings.Fields(args)...)
		if want = "rcshook: " + want + "\nRun rcshook help init for usage.\n"; code != 2 || output != want {
			t.Errorf("init %s: exit code %d\n got %s\nwant %s", args, code, output, want)
		}
		if files := readTree(t, dir); len(files) > 0 {
			t.Errorf("init %s wrote %v", args, files)
		}
	}
}

// TestPresetList checks that the list has every preset once.
func TestPresetList(t *testing.T) {
	t.Parallel()
	var listed []string
	for line := range strings.Lines(presetList()) {
		if _, names, found := strings.Cut(strings.TrimSpace(line), "  "); found {
			listed = append(listed, strings.Split(strings.TrimSpace(names), ", ")...)
		}
	}
	slices.Sort(listed)
	if diff := cmp.Diff(source.Presets(), listed); diff != "" {
		t.Errorf("presets (-want +got):\n%s", diff)
	}
}

// TestInit_existing checks that init changes no file and no folder of cases.
func TestInit_existing(t *testing.T) {
	t.Parallel()
	for _, existing := range []string{"rcshook.yaml", "cases/stripe/own.json"} {
		dir := t.TempDir()
		if err := createFile(filepath.Join(dir, existing), []byte("mine"), 0o644); err != nil {
			t.Fatal(err)
		}
		code, output := runInitIn(t, dir, "stripe")
		want := "rcshook: DIR/" + strings.TrimSuffix(existing, "/own.json") +
			" exists, and init overwrites nothing: edit it, or write to another folder with -dir FOLDER, and copy the entry that you need\n"
		if code != 1 || output != want {
			t.Errorf("exit code %d\n got %s\nwant %s", code, output, want)
		}
		if diff := cmp.Diff(map[string]string{existing: "mine"}, readTree(t, dir)); diff != "" {
			t.Errorf("the files (-want +got):\n%s", diff)
		}
	}
}

// TestInit_questions checks that init asks again after a wrong value.
func TestInit_questions(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name       string
		o          initOptions
		in         string
		want       initOptions
		err, asked string
	}{
		{
			"all",
			initOptions{},
			"shopfy\nshopify\n\n\n harborline-1 \nUK\nGB\n",
			initOptions{Options: starter.Options{Preset: "shopify", Project: "harborline-1", Country: "GB"}},
			"",
			"Which service sends webhooks? A preset, or Enter for none: unknown preset \"shopfy\"; did you mean shopify?\n",
		},
		{"only missing values", initOptions{Options: starter.Options{Caller: "zapier", Country: "US"}}, "\n", initOptions{Options: starter.Options{Caller: "zapier", Country: "US"}}, "", "The ID of your Google Cloud project"},
		{"the end of the input", initOptions{}, "\nzapier\n", initOptions{Options: starter.Options{Caller: "zapier"}}, "the input ends before the last question; nothing is written", "  google     cloud-scheduler, cloud-tasks, google-oidc, pubsub\n"},
	} {
		var out bytes.Buffer
		err := test.o.ask(t.Context(), stdio{in: strings.NewReader(test.in), out: &out})
		if test.o != test.want || err == nil != (test.err == "") || err != nil && err.Error() != test.err || !strings.Contains(out.String(), test.asked) {
			t.Errorf("%s: %+v, %v\n%s", test.name, test.o, err, &out)
		}
	}
	// Ctrl-C ends it while it waits.
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	silent, other, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	defer other.Close() // the garbage collector must not close it before
	if err := new(initOptions).ask(ctx, stdio{in: silent, out: new(bytes.Buffer)}); err == nil || err.Error() != "stopped; nothing is written" {
		t.Errorf("after Ctrl-C: %v", err)
	}
}
