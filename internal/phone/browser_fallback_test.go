package phone_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/rcshook/rcshook/internal/browsertest"
	"github.com/rcshook/rcshook/internal/googletest/platform"
	"github.com/rcshook/rcshook/internal/googletest/tasks"
	"github.com/rcshook/rcshook/internal/phone"
	"github.com/rcshook/rcshook/internal/queue"
	"github.com/rcshook/rcshook/rbm/rbmtest"
)

const offlineNumber = "+12025550108"

// fallbackRig is a rig whose function has a queue and a fallback. The fallback responds with
// the statuses in turn, then with 200.
func fallbackRig(t *testing.T, statuses ...int) *rig {
	t.Helper()
	next := make(chan int, len(statuses))
	for _, status := range statuses {
		next <- status
	}
	provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		select {
		case status := <-next:
			w.WriteHeader(status)
		default:
		}
	}))
	t.Cleanup(provider.Close)
	file := filepath.Join(t.TempDir(), "rcshook.yaml")
	content := fmt.Sprintf("agents: {default: {id: %s, credentials: %s, fallback: {url: %s}}}", platform.AgentIDSecret, platform.KeySecret, provider.URL)
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	const messages = "projects/p/locations/local/queues/messages"
	g := serve(t, phone.Options{}, "RCSHOOK_AGENT_ID=", "RCSHOOK_CREDENTIALS=", "RCSHOOK_CONFIG="+file, "RCSHOOK_QUEUE="+messages, "RCSHOOK_WEBHOOK_TOKEN=token")
	g.tasks.AddQueue(messages, tasks.Settings{})
	if _, err := g.sim.Connect(t.Context(), rbmtest.WebhookConfig{URL: g.call + "events", ClientToken: "token"}); err != nil {
		t.Fatal(err)
	}
	return g
}

// run dispatches the only waiting task for a job, which is due later.
func (g *rig) run(job queue.Job) {
	g.t.Helper()
	ctx, cancel := context.WithTimeout(g.t.Context(), browsertest.Timeout)
	defer cancel()
	if err := g.tasks.Settle(ctx); err != nil {
		g.t.Fatal(err)
	}
	waiting := slices.DeleteFunc(g.tasks.Tasks(), func(t tasks.Waiting) bool { return phone.JobOf(t.Path) != job })
	if len(waiting) != 1 {
		g.t.Fatalf("%d tasks for the job %s wait, want 1", len(waiting), job)
	}
	w := httptest.NewRecorder()
	g.tasks.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/v2/"+waiting[0].Name+":run", nil))
	if w.Code != http.StatusOK {
		g.t.Fatalf("run the task for the job %s: %d %s", job, w.Code, w.Body)
	}
}

// TestFallback plays the story of a one-time password: it reaches a phone in time, or goes
// to the fallback, which shows on the message.
func TestFallback(t *testing.T) {
	t.Parallel()
	g := fallbackRig(t, http.StatusServiceUnavailable, http.StatusInternalServerError).open(1440, 900)
	const code = `"text": "482913 is your code.", "otp": true, "fallback_after": "1h", "fallback_text": "482913 – your code"}`

	// An online phone: the receipt deletes the watch.
	g.post(`{"to": "` + phoneNumber + `", ` + code)
	g.Shows(".row-agent .fallback[data-tone=good]", "Delivered in time: no SMS")
	if left := g.tasks.Tasks(); len(left) > 0 {
		t.Errorf("%d tasks wait, want none", len(left))
	}

	// An offline phone: the watch revokes the message, and the provider gets an SMS.
	g.post(`{"to": "` + offlineNumber + `", ` + code)
	g.Click(`[data-phone="` + offlineNumber + `"]`)
	g.Wait(`/^SMS in (60|59) min unless delivered$/.test(document.querySelector(".row-agent[data-state=queued] .fallback").textContent)`)
	g.run(queue.Watch)
	g.Wait(`/^Revoked after 60 min; SMS (in \d+ s|now)$/.test(document.querySelector(".row-agent[data-state=revoked] .fallback").textContent)`)
	g.run(queue.Fallback)
	// In one look at the page, because the next attempt succeeds: no SMS is shown that the
	// provider did not get.
	g.Wait(`document.querySelector(".fallback[data-tone=bad]").textContent.startsWith("Revoked after 60 min; SMS not sent, again ") &&
		!document.querySelector(".row-sms")`)
	g.Shows(".fallback", "Revoked after 60 min; SMS sent")
	g.Shows(".row-sms .bubble", "482913 – your code")
	g.Shows(".row-sms .meta", "Sent in 1 segment of UCS-2")
	g.Shows(".chat", "SMS: 482913 – your code")
	g.Shows("#announcer", "New SMS to +1 202 555 0108: 482913 – your code")
	g.Click(".row-sms .meta")
	g.Shows("#inspect .facts", "timeout")
	g.Wait(`document.querySelector("#inspect .targets").innerText === "agents.default.fallback\nok\n200, 3 attempts"`)

	// A phone without RCS, at once.
	g.post(`{"to": "+12025550104", ` + code)
	g.Click(`[data-phone="+12025550104"]`)
	g.Shows(".row-notice .fallback", "SMS sent")
	g.Shows(".row-sms .bubble", "482913 – your code")
	g.Named()
	g.harmless()
	g.Clean()
}

// TestFallback_chip checks that the chip with an older code disappears when an SMS arrives.
func TestFallback_chip(t *testing.T) {
	t.Parallel()
	g := fallbackRig(t).open(1440, 900)
	const code = `{"to": "` + phoneNumber + `", "otp": true, "fallback_after": "1h", "text": `
	g.post(code + `"777888 is your code."}`)
	g.Shows(".tail .chip", "Copy 777888")
	g.menu("Go offline")
	g.Shows(".banner", "Offline")
	g.post(code + `"777999 is your code."}`)
	g.run(queue.Watch)
	g.Shows(".fallback", "Revoked after 60 min; SMS ")
	g.run(queue.Fallback)
	g.Shows(".row-sms .bubble", "777999")
	g.Wait(`!document.querySelector(".chip")`)
	g.harmless()
	g.Clean()
}

// TestFallback_rejected shows a provider that rejects an SMS, on a small phone, light and
// dark. Its text is hostile.
func TestFallback_rejected(t *testing.T) {
	t.Parallel()
	for _, scheme := range []string{"light", "dark"} {
		t.Run(scheme, func(t *testing.T) {
			t.Parallel()
			g := fallbackRig(t, http.StatusOK, http.StatusInternalServerError, http.StatusBadRequest).open(320, 640)
			g.Scheme(scheme)
			send := func(number, text string) {
				g.post(`{"to": "` + number + `", "text": "` + text + `", "otp": true, "fallback_after": "80s"}`)
			}
			send(offlineNumber, `Your code, which is valid for the next ten minutes: <img src=x onerror=alert(1)> 482913482913482913482913482913482913482913 https://harborline.example/sign-in/from-this-phone`)
			g.Shows(".fallback", "SMS in ")
			g.run(queue.Watch)
			g.Shows(".row-agent .fallback", "Revoked after 80 s; SMS ")
			g.run(queue.Fallback)
			g.Shows(".row-sms .meta", "Sent in 2 segments of GSM-7")
			send(offlineNumber, "719204 is your code.")
			g.Wait(`document.querySelectorAll(".row-agent .fallback").length === 2`)
			g.run(queue.Watch)
			g.Wait(`[...document.querySelectorAll(".row-agent .fallback")].at(-1).textContent.startsWith("Revoked after 80 s; SMS ")`)
			g.run(queue.Fallback)
			g.Shows(".row-agent .fallback[data-tone=bad]", "Revoked after 80 s; the provider rejected the SMS")
			g.Shot("fallback-" + scheme)
			for _, bad := range browsertest.Eval[[]string](g.Tab, browsertest.Contrasts) {
				t.Errorf("not enough contrast: %s", bad)
			}
			if got := browsertest.Eval[int](g.Tab, `document.scrollingElement.scrollWidth`); got > 320 {
				t.Errorf("the page is %d wide, want at most 320", got)
			}
			g.harmless()
			g.Clean()
		})
	}
}
