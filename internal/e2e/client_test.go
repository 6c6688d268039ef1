package e2e

import (
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/rcshook/rcshook/internal/server"
)

// generatedUse is a program that sends with a generated client: once to a number with
// RCS, and once to a number without.
const generatedUse = `package main

import (
	"context"
	"fmt"
	"net/http"
	"os"

	"client/api"
)

func main() {
	key := func(_ context.Context, r *http.Request) error {
		r.Header.Set("Authorization", "Bearer dev")
		return nil
	}
	c, err := api.NewClientWithResponses(os.Args[1], api.WithRequestEditorFn(key))
	if err != nil {
		panic(err)
	}
	text, label, url, width := "Hello", "Track", "https://example.com/t/1042", api.MessageCardWidthSmall
	for _, m := range []api.Message{
		{To: []string{"+12025550123"}, Text: &text, Buttons: &[]api.Button{{Label: &label, Url: &url}}},
		{To: []string{"+12025550123"}, CardWidth: &width, Cards: &[]api.Card{{Title: &text}, {Title: &label}}},
	} {
		if r, err := c.SendMessageWithResponse(context.Background(), nil, m); err != nil || r.JSON200 == nil || r.JSON200.Code != "accepted" {
			panic(fmt.Sprint(err, r))
		}
	}
	r, err := c.SendMessageWithResponse(context.Background(), nil, api.Message{To: []string{"+12025550104"}, Text: &text})
	if err != nil || r.ApplicationproblemJSONDefault == nil || r.ApplicationproblemJSONDefault.Retry != api.Never {
		panic(fmt.Sprint(err, r))
	}
	a, err := c.AboutWithResponse(context.Background())
	if err != nil || a.JSON200 == nil || len(*a.JSON200.Agents) != 1 {
		panic(fmt.Sprint(err, a))
	}
}
`

// TestGeneratedClient tests that a client that is generated from the OpenAPI 3.0
// description compiles and sends.
func TestGeneratedClient(t *testing.T) {
	if os.Getenv("RCSHOOKTEST_NETWORK") == "" {
		t.Skip("set RCSHOOKTEST_NETWORK: the test downloads a generator")
	}
	t.Parallel()
	h, _ := newStage(t).handler(t, nil)
	web := httptest.NewServer(h)
	t.Cleanup(web.Close)
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod": "module client\n\ngo 1.26\n", "main.go": generatedUse, "openapi.json": string(server.OpenAPINarrow),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "api"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"run", "github.com/oapi-codegen/oapi-codegen/v2/cmd/oapi-codegen@v2.5.1", "-generate", "types,client", "-package", "api", "-o", "api/client.go", "openapi.json"},
		{"mod", "tidy"},
		{"run", ".", web.URL},
	} {
		c := exec.CommandContext(t.Context(), "go", args...)
		c.Dir = dir
		if text, err := c.CombinedOutput(); err != nil {
			t.Fatalf("go %s: %v\n%s", args[0], err, text)
		}
	}
}
