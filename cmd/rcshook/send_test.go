package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/rcshook/rcshook/internal/client"
	"github.com/rcshook/rcshook/internal/code"
	"github.com/rcshook/rcshook/internal/payload"
	"github.com/rcshook/rcshook/internal/response"
)

// TestExitCodes checks the exit code of every code of the function.
func TestExitCodes(t *testing.T) {
	t.Parallel()
	for _, c := range response.Codes() {
		if advice := client.Advice(response.New(c)); (advice == code.RetryNone) != (exitCodes[advice] == 0) {
			t.Errorf("%s, with the advice %s, has the exit code %d", c, advice, exitCodes[advice])
		}
	}
	for _, tt := range []struct {
		results []code.Code
		want    int
	}{
		{[]code.Code{code.Accepted, code.RecipientUnreachable}, exitNever},
		{[]code.Code{code.RecipientNotTester, code.Accepted, code.RecipientUnreachable}, exitFix},
		{[]code.Code{code.RecipientNotTester, code.RateLimited, code.Accepted}, exitRetry},
	} {
		var results []*response.Response
		for _, code := range tt.results {
			results = append(results, response.New(code))
		}
		if got := exitCodes[client.Advice(response.Join(results))]; got != tt.want {
			t.Errorf("%v: exit code %d, want %d", tt.results, got, tt.want)
		}
	}
}

// TestDirectSettings checks that only the settings of callers change.
func TestDirectSettings(t *testing.T) {
	t.Parallel()
	got := directSettings([]string{"RCSHOOK_AGENT_ID=a", "RCSHOOK_API_KEYS=k", "RCSHOOK_OIDC_AUDIENCE=a", "RCSHOOK_OIDC_EMAILS=e", "RCSHOOK_ALLOW_UNAUTHENTICATED=false", "HOME=/"})
	if want := []string{"RCSHOOK_AGENT_ID=a", "HOME=/", "RCSHOOK_ALLOW_UNAUTHENTICATED=true"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestSendFields checks that every field of the payload has a flag.
func TestSendFields(t *testing.T) {
	t.Parallel()
	for _, f := range payload.Fields(payload.OnMessage) {
		name := strings.ReplaceAll(f.Name, "_", "-")
		if f.Type == payload.TypeButtons {
			name = strings.TrimSuffix(name, "s")
		}
		o, err := parseSendFlags([]string{"-" + name + "=true"}, strings.NewReader(""))
		if err != nil {
			t.Errorf("-%s: %v", name, err)
		} else if want := `{"` + f.Name + `": "true"}`; string(o.message.json()) != want {
			t.Errorf("-%s: %s, want %s", name, o.message.json(), want)
		}
	}
}
