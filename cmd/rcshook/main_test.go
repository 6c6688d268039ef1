package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/rcshook/rcshook/internal/googletest"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"rcshook": main})
}

// TestScripts runs the scripts in testdata.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		Setup:               setupScript,
		Cmds:                scriptCommands,
	})
}

// TestReadme runs the commands at the start of the README.
func TestReadme(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, ok := strings.Cut(string(readme), "\n## See it work\n")
	if !ok {
		t.Fatal("the README has no section See it work")
	}
	section, _, _ = strings.Cut(section, "\n## ")
	var script strings.Builder
	for _, block := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(section, -1) {
		text := strings.NewReplacer("\\\n", " ", "localhost:8080", "127.0.0.1:$PORT", "localhost:8081", "127.0.0.1:$SIM", "go run ./cmd/", "").Replace(block[1])
		for command := range strings.Lines(text) {
			switch {
			case command == "rcshook\n":
				script.WriteString("exec rcshook -port $PORT -sim-port $SIM &dev&\nawait http://127.0.0.1:$PORT/\nenv RCS_FUNCTION_URL=http://127.0.0.1:$PORT/\n")
			case strings.HasPrefix(command, "curl "), strings.HasPrefix(command, "rcshook send "):
				script.WriteString("exec sh -c '" + strings.ReplaceAll(strings.TrimSpace(command), "'", `''`) + "'\n")
				script.WriteString("stdout '\"code\":\"accepted\"|^accepted: |\"state\": \"(queued|delivered)\"'\n")
			case !strings.HasPrefix(command, "git clone "):
				t.Errorf("untested command in the README: %s", command)
			}
		}
	}
	if strings.Count(script.String(), "curl") < 2 {
		t.Fatalf("the README has fewer than two curl commands:\n%s", section)
	}
	dir := t.TempDir()
	script.WriteString("kill -INT dev\nwait dev\n")
	if err := os.WriteFile(dir+"/readme.txtar", []byte("[!exec:curl] skip 'needs curl'\n"+script.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{Dir: dir, RequireExplicitExec: true, Setup: setupScript, Cmds: scriptCommands})
}

// setupScript sets PORT, SIM and SERVE to free ports, and LATER to a time in an hour.
func setupScript(env *testscript.Env) error {
	env.Setenv("GORACE", "atexit_sleep_ms=0") // with -race each command would end a second later
	env.Setenv("LATER", time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
	for _, name := range []string{"PORT", "SIM", "SERVE"} {
		env.Setenv(name, googletest.FreePort())
	}
	return nil
}

var scriptCommands = map[string]func(*testscript.TestScript, bool, []string){
	// await URL [TEXT] waits until the URL responds, with the text in the response.
	"await": func(ts *testscript.TestScript, neg bool, args []string) {
		if neg || len(args) < 1 || len(args) > 2 {
			ts.Fatalf("usage: await URL [TEXT]")
		}
		var err error
		for range 500 {
			var res *http.Response
			if res, err = http.Get(args[0]); err == nil { // the script chooses the URL
				body, readErr := io.ReadAll(res.Body)
				res.Body.Close()
				if readErr == nil && (len(args) == 1 || strings.Contains(string(body), args[1])) {
					return
				}
				err = fmt.Errorf("the last response is %s", body)
			}
			<-time.After(20 * time.Millisecond)
		}
		ts.Fatalf("await: %v", err)
	},

	// exitcode N COMMAND... checks the exit code of the command.
	"exitcode": func(ts *testscript.TestScript, neg bool, args []string) {
		if neg || len(args) < 2 {
			ts.Fatalf("usage: exitcode N COMMAND...")
		}
		got := 0
		if err := ts.Exec(args[1], args[2:]...); err != nil {
			exit, ok := errors.AsType[*exec.ExitError](err)
			if !ok {
				ts.Fatalf("exitcode: %v", err)
			}
			got = exit.ExitCode()
		}
		if want := args[0]; strconv.Itoa(got) != want {
			ts.Fatalf("exit code %d, want %s", got, want)
		}
	},

	// occupy PORT listens on a port until the script ends.
	"occupy": func(ts *testscript.TestScript, neg bool, args []string) {
		if neg || len(args) != 1 {
			ts.Fatalf("usage: occupy PORT")
		}
		l, err := net.Listen("tcp", "127.0.0.1:"+args[0])
		ts.Check(err)
		ts.Defer(func() { l.Close() })
	},

	// webhook PORT FIRST THEN serves a webhook that responds to the first handshake with
	// FIRST, and to later ones with THEN; %s is the secret.
	"webhook": func(ts *testscript.TestScript, neg bool, args []string) {
		if neg || len(args) != 3 {
			ts.Fatalf("usage: webhook PORT FIRST THEN")
		}
		l, err := net.Listen("tcp", "127.0.0.1:"+args[0])
		ts.Check(err)
		ts.Defer(func() { l.Close() })
		var handshakes atomic.Int32
		go http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			var request struct{ Secret string }
			if json.NewDecoder(r.Body).Decode(&request) == nil && request.Secret != "" {
				format := args[min(handshakes.Add(1), 2)]
				io.WriteString(w, strings.ReplaceAll(format, "%s", request.Secret))
			}
		}))
	},
}
