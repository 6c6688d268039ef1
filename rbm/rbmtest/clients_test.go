package rbmtest_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rcshook/rcshook/rbm/rbmtest"
)

// curl runs curl in the shapes of Google's shell samples, and returns the status and
// the body.
func curl(t *testing.T, args ...string) (status, body string) {
	t.Helper()
	path, err := exec.LookPath("curl")
	if err != nil {
		t.Skip("NOT RUN with curl: it is not installed")
	}
	out, err := exec.CommandContext(t.Context(), path, append([]string{"-sS", "-w", "\n%{http_code}"}, args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("curl: %v\n%s", err, out)
	}
	text := string(out)
	i := strings.LastIndexByte(text, '\n')
	return text[i+1:], text[:i]
}

func TestCurl(t *testing.T) {
	t.Parallel()
	g := start(t, new(rbmtest.Simulator))
	headers := []string{"-H", "Content-Type: application/json", "-H", "User-Agent: curl/rcs-business-messaging", "-H", "Authorization: Bearer " + g.token}
	run := func(args ...string) (string, string) { return curl(t, append(args, headers...)...) }
	picture := filepath.Join(t.TempDir(), "picture.png")
	if err := os.WriteFile(picture, []byte("\x89PNG"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		args []string
		want string // part of the body
	}{
		{
			"message with a number for an ID and JSON in single quotes",
			[]string{"-X", "POST", g.url + "/v1/phones/" + phone + "/agentMessages?messageId=123456661&agentId=" + agent, "-d", "{\n  'contentMessage': {\n    'text': 'Hello, world!'\n  }\n}"},
			`"name": "phones/` + phone + `/agentMessages/123456661"`,
		},
		{
			"card",
			[]string{"-X", "POST", g.url + "/v1/phones/" + phone + "/agentMessages?messageId=1234&agentId=" + agent, "-d", `{'contentMessage': {'richCard': {'standaloneCard': {'cardOrientation': 'VERTICAL', 'cardContent': {'title': 'Hi', 'suggestions': [{'reply': {'text': 'Yes', 'postbackData': 'suggestion_1'}}]}}}}}`},
			`"postbackData": "suggestion_1"`,
		},
		{"capabilities, GET with a content type", []string{"-X", "GET", g.url + "/v1/phones/" + phone + "/capabilities?requestId=1234&agentId=" + agent}, `"RICHCARD_CAROUSEL"`},
		{"event", []string{"-X", "POST", g.url + "/v1/phones/" + phone + "/agentEvents?eventId=4321&agentId=" + agent, "-d", "{'eventType': 'IS_TYPING'}"}, `"IS_TYPING"`},
		{"batch, agent in the query", []string{"-X", "POST", g.url + "/v1/users:batchGet?agentId=" + agent, "-d", "{'users': ['" + phone + "']}"}, `"reachableUsers"`},
		{"tester", []string{"-X", "POST", g.url + "/v1/phones/" + phone + "/testers?agentId=" + agent, "-d", "{'inviteStatus': 'PENDING'}"}, `"PENDING"`},
		{"file by URL", []string{"-X", "POST", g.url + "/v1/files?agentId=" + agent, "-d", "{'fileUrl': 'https://example.com/a.png', 'thumbnailUrl': 'https://example.com/b.png'}"}, `"files/`},
		{"revocation", []string{"-X", "DELETE", g.url + "/v1/phones/" + offline + "/agentMessages/77?agentId=" + agent}, `{}`},
	}
	g.create(t, offline, "77", text)
	for _, tt := range tests {
		status, body := run(tt.args...)
		if status != "200" || !strings.Contains(body, tt.want) {
			t.Errorf("%s: status %s, body %s; want 200 with %s", tt.name, status, body, tt.want)
		}
	}
	// The options that curl takes for a file mean POST and PUT by default.
	for _, how := range [][]string{{"--data-binary", "@" + picture}, {"-X", "POST", "--upload-file", picture}} {
		args := append(how, g.url+"/upload/v1/files?agentId="+agent, "-H", "Authorization: Bearer "+g.token, "-H", "Content-Type: image/png")
		status, body := curl(t, args...)
		if status != "200" || !strings.Contains(body, `"files/`) {
			t.Errorf("%v: status %s, body %s", how[:1], status, body)
		}
	}
}
