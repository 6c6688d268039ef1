package main

import (
	"os"
	"os/exec"
	"regexp"
	"testing"

	"github.com/rcshook/rcshook/internal/googletest"
)

// zapierFolder is where the library of deploy/zapier is installed:
//
//	mkdir /tmp/zapier && cp deploy/zapier/package*.json /tmp/zapier
//	npm ci --prefix /tmp/zapier --ignore-scripts
//	RCSHOOKTEST_ZAPIER=/tmp/zapier go test -run TestZapier ./cmd/rcshook
const zapierFolder = "RCSHOOKTEST_ZAPIER"

// TestZapier runs the tests of the Zapier app, which call dev and get its events.
func TestZapier(t *testing.T) {
	folder := os.Getenv(zapierFolder)
	if folder == "" {
		t.Skipf("set %s to a folder with zapier-platform-core, see zapier_test.go", zapierFolder)
	}
	t.Parallel()
	port := googletest.FreePort()
	d := startDev(t, "-events", "http://127.0.0.1:"+port+"/events")
	cmd := exec.CommandContext(t.Context(), "node", "--test")
	cmd.Dir = "../../deploy/zapier"
	cmd.Env = append(os.Environ(), "NODE_PATH="+folder+"/node_modules", "RCSHOOK_URL="+d.url, "RCSHOOKTEST_SIM_URL="+d.simURL,
		"RCSHOOKTEST_EVENTS_PORT="+port, "RCSHOOKTEST_SIGNING_SECRET="+regexp.MustCompile(`whsec_\S+`).FindString(d.printed.String()))
	output, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("node --test: %v\n%s", err, output)
	}
	t.Logf("%s", output) // with the errors as users read them
	d.stop()
}
