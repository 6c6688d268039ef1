package docstest

import (
	"bytes"
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

// npmFolder returns the folder in which the packages of testdata/npm are installed:
//
//	cp -r internal/docstest/testdata/npm /tmp/npm
//	npm install --prefix /tmp/npm --ignore-scripts
//	RCSHOOKTEST_NPM=/tmp/npm go test ./internal/docstest
func npmFolder(t *testing.T) string {
	t.Helper()
	folder := os.Getenv("RCSHOOKTEST_NPM")
	if folder == "" {
		t.Skip("set RCSHOOKTEST_NPM to a folder with the packages of testdata/npm, see clients_test.go")
	}
	return folder
}

// serve starts the function on this machine, and returns its simulator and its URL.
func serve(t *testing.T, more ...string) (sim *platform.Platform, url string) {
	t.Helper()
	sim, h := function(t, more...)
	web := httptest.NewServer(h)
	t.Cleanup(web.Close)
	return sim, web.URL
}

// function returns the function and its simulator.
func function(t *testing.T, more ...string) (*platform.Platform, *server.Server) {
	t.Helper()
	sim := platform.New(new(rbmtest.Simulator))
	google := httptest.NewServer(sim)
	t.Cleanup(func() { sim.Close(); google.Close() })
	h, err := server.New(t.Context(), server.Options{Environ: append(environ(t, sim, google.URL), more...)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	return sim, h
}

// run runs a command of a shell in a folder, and returns its output.
func run(t *testing.T, folder, command string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sh", "-ec", command)
	cmd.Dir = folder
	cmd.Env = append(os.Environ(), "RCS_KEY="+apiKey, "GOFLAGS=-mod=mod", "REDOCLY_TELEMETRY=off", "REDOCLY_SUPPRESS_UPDATE_NOTICE=true")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s\n%s", command, err, out, &stderr)
	}
	return string(out)
}

var npmPackage = regexp.MustCompile(`(npx )?([\w@/.-]+)@(\d[\d.]+)`)

// TestClients runs the commands of docs/clients.md, and the program of each section. A
// second program in testdata/clients makes one request of each kind.
func TestClients(t *testing.T) {
	npm := npmFolder(t)
	text, err := os.ReadFile("internal/docstest/testdata/npm/package.json")
	if err != nil {
		t.Fatal(err)
	}
	var tools struct{ Dependencies map[string]string }
	if err := json.Unmarshal(text, &tools); err != nil {
		t.Fatal(err)
	}
	doc := readPage(t, "docs/clients.md")
	for _, generator := range []string{"oapi-codegen", "ogen", "openapi-typescript", "orval"} {
		t.Run(generator, func(t *testing.T) {
			sim, url := serve(t)
			local := strings.NewReplacer("http://localhost:8080", url)
			section, folder := doc.section(t, "## "+generator), t.TempDir()
			write := func(name, text string) {
				t.Helper()
				if err := os.WriteFile(filepath.Join(folder, name), []byte(local.Replace(text)), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			write("go.mod", "module example.com/app\n\ngo 1.26\n")
			write("package.json", `{"type": "module"}`)
			if err := os.Symlink(filepath.Join(npm, "node_modules"), filepath.Join(folder, "node_modules")); err != nil {
				t.Fatal(err)
			}
			for language, name := range map[string]string{"yaml": "oapi-codegen.yaml", "js": "orval.config.mjs"} {
				for _, text := range section.blocks(language) {
					write(name, text)
				}
			}
			extension, build := "go", "go build -o page page.go && go build -o main main.go"
			runs := []string{"./page", "./main"}
			if len(section.blocks("ts")) > 0 {
				extension, build = "ts", "node_modules/.bin/tsc --strict --skipLibCheck --types node --target es2022 --module nodenext *.ts"
				runs = []string{"node page.js", "node main.js"}
			}
			for line := range strings.Lines(section.blocks("sh")[0]) {
				for _, m := range npmPackage.FindAllStringSubmatch(line, -1) {
					if want, ok := tools.Dependencies[m[2]]; extension == "ts" && (!ok || want != m[3]) {
						t.Errorf("%s: package.json of testdata/npm has the version %q", m[0], want)
					}
				}
				if !strings.HasPrefix(line, "npm install ") { // the folder has it
					run(t, folder, npmPackage.ReplaceAllStringFunc(local.Replace(line), func(tool string) string {
						if name, ok := strings.CutPrefix(tool, "npx "); ok {
							return "node_modules/.bin/" + name[:strings.LastIndex(name, "@")]
						}
						return tool
					}))
				}
			}
			if generator == "openapi-typescript" {
				run(t, folder, "node_modules/.bin/openapi-typescript "+url+"/openapi.json -o full.ts")
			}
			program, err := os.ReadFile(filepath.Join("internal/docstest/testdata/clients", generator, "main."+extension))
			if err != nil {
				t.Fatal(err)
			}
			write("page."+extension, section.blocks(extension)[0])
			write("main."+extension, string(program))
			run(t, folder, build)
			if out := run(t, folder, runs[0]); !strings.HasPrefix(out, "accepted ") {
				t.Errorf("the program of the page printed %q", out)
			}
			want := strings.Join([]string{
				"send accepted", "send accepted", "send accepted",
				"look up reachable true [+12025550123]",
				"revoke revoked",
				"event location +12025550123 47.6026",
				"failure 422 recipient_unreachable true This number cannot get RCS from this agent: RCS Business Messaging responded 404 NOT_FOUND: The specified phone number cannot be reached by RBM at this time.",
				"mixed 207 mixed 2", "all 422",
				"key 401 The API key is missing or wrong: unknown API key",
				"about rcshook [default]", "",
			}, "\n")
			if diff := cmp.Diff(want, run(t, folder, runs[1])); diff != "" {
				t.Errorf("the program of testdata printed (-want +got):\n%s", diff)
			}
			var contents []string
			for _, m := range sim.Messages() {
				contents = append(contents, string(m.AgentMessage))
			}
			all := strings.Join(contents, "\n")
			for _, want := range []string{`"openUrlAction"`, `"latLong":{"latitude":0,"longitude":-78.45}`, `"standaloneCard"`, `"height":"TALL"`, `"cardWidth":"SMALL"`} {
				if !strings.Contains(all, want) {
					t.Errorf("no message contains %s:\n%s", want, all)
				}
			}
		})
	}
}

// TestOpenAPI_lint lints both descriptions. The rule about responses with 4xx does not know
// the response "default", which is all failures of the narrow one.
func TestOpenAPI_lint(t *testing.T) {
	npm := npmFolder(t)
	folder := t.TempDir()
	for name, text := range map[string][]byte{
		"openapi.json": server.OpenAPI, "openapi-3.0.json": server.OpenAPINarrow, "spectral.yaml": []byte("extends: [\"spectral:oas\"]\n"),
	} {
		if err := os.WriteFile(filepath.Join(folder, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	bin := filepath.Join(npm, "node_modules/.bin")
	run(t, folder, bin+"/spectral lint -F hint -r spectral.yaml openapi.json openapi-3.0.json")
	if out := run(t, folder, bin+"/redocly lint --format=json --skip-rule=operation-4xx-response openapi.json openapi-3.0.json"); !strings.Contains(out, `"warnings": 0`) {
		t.Errorf("redocly: %s", out)
	}
}
