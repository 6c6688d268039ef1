package main

import (
	"io"
	"net/http"
	"net/http/httptest"
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

// TestSend_preview types yes or no after the question of -preview.
func TestSend_preview(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string]int{"yes\n": 1, "Y\r\n": 1, "no\n": 0, "\n": 0, "": 0, "yes": 0} {
		var bodies []string
		function := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				t.Error(err)
			}
			bodies = append(bodies, string(body))
			w.Header().Set("Content-Type", "application/json")
			io.WriteString(w, `{"ok": true, "status": 200, "code": "accepted", "retry": "none", "to": "+12025550104", "message_id": "m1", "agent": "news"}`)
		}))
		t.Cleanup(function.Close)
		o, err := parseSendFlags([]string{"-preview", "-url", function.URL, "-key", "k", "-to", "+12025550104", "-text", "Hi", "-agent", "news", "-schedule-at", "2h"}, strings.NewReader(""))
		if err != nil {
			t.Fatal(err)
		}
		var out strings.Builder
		if err := preview(t.Context(), o, stdio{in: strings.NewReader(answer), out: &out, err: &out}, true); err != nil {
			t.Fatalf("%q: %v\n%s", answer, err, &out)
		}
		end := "Not sent."
		if want == 1 {
			end = "accepted: message m1 to +12025550104 from agent news"
		}
		if len(bodies) != want || !strings.Contains(out.String(), "Send it? yes or no: "+end) {
			t.Errorf("%q: sent %d, want %d\n%s", answer, len(bodies), want, &out)
		}
		if whole := `{"to": "+12025550104", "text": "Hi", "agent": "news", "schedule_at": "2h"}`; want == 1 && len(bodies) == 1 && bodies[0] != whole {
			t.Errorf("sent %s, want %s", bodies[0], whole)
		}
	}
}
