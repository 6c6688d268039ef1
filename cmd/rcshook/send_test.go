package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/rcshook/rcshook/internal/outcome"
	"github.com/rcshook/rcshook/internal/payload"
)

// TestExitCodes gives every code of the function an exit code by what to do next.
func TestExitCodes(t *testing.T) {
	t.Parallel()
	advice := map[outcome.Retry]int{
		outcome.RetryNone: 0, outcome.RetryNever: exitNever, outcome.RetryNow: exitRetry, outcome.RetryLater: exitRetry, outcome.RetryAfterFix: exitFix,
	}
	for _, code := range outcome.Codes() {
		a := outcome.New(code)
		if want, ok := advice[a.Retry]; ok && adviceCode(a) != want {
			t.Errorf("%s has the exit code %d, want %d", code, adviceCode(a), want)
		}
	}
	for _, tt := range []struct {
		results []outcome.Code
		want    int
	}{
		{[]outcome.Code{outcome.Accepted, outcome.RecipientUnreachable}, exitNever},
		{[]outcome.Code{outcome.RecipientNotTester, outcome.Accepted, outcome.RecipientUnreachable}, exitFix},
		{[]outcome.Code{outcome.RecipientNotTester, outcome.RateLimited, outcome.Accepted}, exitRetry},
	} {
		var results []*outcome.Answer
		for _, code := range tt.results {
			results = append(results, outcome.New(code))
		}
		if got := adviceCode(outcome.All(results)); got != tt.want {
			t.Errorf("%v: exit code %d, want %d", tt.results, got, tt.want)
		}
	}
}

// TestDirect sees that no caller is asked for a key, and everything else stays.
func TestDirect(t *testing.T) {
	t.Parallel()
	got := direct([]string{"RCSHOOK_AGENT_ID=a", "RCSHOOK_API_KEYS=k", "RCSHOOK_OIDC_AUDIENCE=a", "RCSHOOK_OIDC_EMAILS=e", "RCSHOOK_ALLOW_UNAUTHENTICATED=false", "HOME=/"})
	if want := []string{"RCSHOOK_AGENT_ID=a", "HOME=/", "RCSHOOK_ALLOW_UNAUTHENTICATED=true"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestSendFields sees that every field of the payload has a flag.
func TestSendFields(t *testing.T) {
	t.Parallel()
	for _, f := range payload.Fields(payload.OnMessage) {
		name := strings.ReplaceAll(f.Name, "_", "-")
		if f.Type == payload.TypeButtons {
			name = strings.TrimSuffix(name, "s")
		}
		o, err := sendFlags([]string{"-" + name + "=true"}, strings.NewReader(""))
		if err != nil {
			t.Errorf("-%s: %v", name, err)
		} else if want := `{"` + f.Name + `": "true"}`; string(o.message.json()) != want {
			t.Errorf("-%s: %s, want %s", name, o.message.json(), want)
		}
	}
}
