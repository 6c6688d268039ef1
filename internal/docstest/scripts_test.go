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
	if err := os.WriteFile(file, []byte(before+strings.ReplaceAll(program, `"HOOK"`, `"`+web.URL+`"`)+after), 0o600); err != nil {
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
