package demo_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rcshook/rcshook/internal/playground/demo"
)

// outcome returns the status, the code and the advice in a response of the function.
func outcome(t *testing.T, body string) string {
	t.Helper()
	var r struct {
		Status      int
		Code, Retry string
	}
	if err := json.Unmarshal([]byte(body), &r); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	return fmt.Sprint(r.Status, " ", r.Code, " ", r.Retry)
}

// TestNumbers sends to the numbers that the page lists because they fail. In a bubble, the waits
// between the retries take no time.
func TestNumbers(t *testing.T) {
	t.Parallel()
	const text, card = `{"to": "%s", "text": "Hello"}`, `{"to": "%s", "title": "Hello", "text": "Ferry"}`
	for name, test := range map[string]struct{ number, payload, want string }{
		"not a tester":      {"+12025550103", text, "422 recipient_not_tester after_fix"},
		"no RCS":            {"+12025550104", text, "422 recipient_unreachable never"},
		"offline":           {"+12025550108", text, "200 accepted none"},
		"rate limit":        {"+12025550129", text, "429 rate_limited later"},
		"text for no cards": {"+12025550140", text, "200 accepted none"},
		"card for no cards": {"+12025550140", card, "422 feature_unsupported never"},
		"status 500":        {"+12025550150", text, "503 upstream_unavailable later"},
		"status 503":        {"+12025550153", text, "503 upstream_unavailable later"},
		"no response":       {"+12025550154", text, "504 upstream_timeout now"},
		"third attempt":     {"+12025550157", text, "200 accepted none"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				if got := outcome(t, post(t, open(t), "/_dev/send", fmt.Sprintf(test.payload, test.number))); got != test.want {
					t.Errorf("got %s, want %s", got, test.want)
				}
			})
		})
	}
}

// TestCapabilities looks up numbers.
func TestCapabilities(t *testing.T) {
	t.Parallel()
	f := open(t)
	for _, test := range []struct{ number, want string }{
		{number, "reachable true true"},
		{"+12025550104", "unreachable false false"},
		{"+12025550140", "reachable true false"},
	} {
		var r struct {
			Code             string
			Reachable, Cards bool
		}
		w := request(t, f, http.MethodPost, "/capabilities", `{"to": "`+test.number+`"}`)
		if err := json.Unmarshal(w.Body.Bytes(), &r); err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprintf("%s %t %t", r.Code, r.Reachable, r.Cards); got != test.want {
			t.Errorf("%s: got %d %s, want %s", test.number, w.Code, w.Body, test.want)
		}
	}
}

// TestCancel cancels a request while the platform does not respond: nothing is sent.
func TestCancel(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := open(t)
		ctx, cancel := context.WithCancel(t.Context())
		w := httptest.NewRecorder()
		done := make(chan struct{})
		go func() {
			defer close(done)
			body := strings.NewReader(`{"to": "+12025550154", "text": "Hello"}`)
			f.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodPost, "http://localhost/_dev/send", body))
		}()
		synctest.Wait()
		cancel()
		<-done
		if w.Code != http.StatusBadGateway || !strings.Contains(w.Body.String(), `"error":"no response from the function: context canceled"`) {
			t.Errorf("got %d %s, want 502 and the reason", w.Code, w.Body)
		}
		synctest.Wait()
		if messages := request(t, f, http.MethodGet, "/_sim/messages", "").Body.String(); strings.Contains(messages, "Hello") {
			t.Errorf("messages %s, want none", messages)
		}
	})
}

// TestOptOut writes STOP and START on the phone.
func TestOptOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, err := demo.New(demo.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		write := func(text string) {
			body := `{"action": "text", "phone": "` + number + `", "agent_id": "` + agent + `", "text": "` + text + `"}`
			if w := request(t, f, http.MethodPost, "/_sim/user", body); w.Code != http.StatusOK {
				t.Fatalf("%s: %d %s", text, w.Code, w.Body)
			}
			time.Sleep(time.Second) // of the bubble: until the function has responded to the event
		}
		for _, test := range []struct{ writes, payload, want string }{
			{"", `"text": "Half price on Sunday"`, "200 accepted none"},
			{"STOP", `"text": "Half price on Sunday"`, "422 recipient_opted_out never"},
			{"", `"text": "482913 is your code", "otp": true`, "200 accepted none"},
			{"START", `"text": "Half price on Sunday"`, "200 accepted none"},
			{"STOP", `"text": "Half price on Sunday"`, "422 recipient_opted_out never"},
		} {
			if test.writes != "" {
				write(test.writes)
			}
			if got := outcome(t, post(t, f, "/_dev/send", `{"to": "`+number+`", `+test.payload+`}`)); got != test.want {
				t.Errorf("after %q, %s: got %s, want %s", test.writes, test.payload, got, test.want)
			}
		}
		messages := request(t, f, http.MethodGet, "/_sim/messages", "").Body.String()
		for _, want := range []string{"You are unsubscribed", "Half price", "482913"} {
			if !strings.Contains(messages, want) {
				t.Errorf("messages %s, want one with %s", messages, want)
			}
		}
		request(t, f, http.MethodPost, "/_sim/reset", "{}")
		if got := outcome(t, post(t, f, "/_dev/send", `{"to": "`+number+`", "text": "Half price"}`)); got != "200 accepted none" {
			t.Errorf("after Clear: got %s, want 200 accepted", got)
		}
	})
}
