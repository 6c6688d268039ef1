package phone_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/rcshook/rcshook/internal/browsertest"
	"github.com/rcshook/rcshook/internal/google"
	client "github.com/rcshook/rcshook/internal/google/platform"
	"github.com/rcshook/rcshook/internal/optout"
	"github.com/rcshook/rcshook/internal/phone"
	"github.com/rcshook/rcshook/rbm/rbmtest"
)

// optOutRig is a rig whose function stores opt-outs, as in dev.
func optOutRig(t *testing.T) *rig {
	t.Helper()
	const location, secret, key = "gs://opt-outs/rcs", "projects/p/secrets/key", "0123456789abcdef0123456789abcdef"
	g := serve(t, phone.Options{}, "RCSHOOK_WEBHOOK_TOKEN=token", "RCSHOOK_OPT_OUT_STORE="+location, "RCSHOOK_OPT_OUT_KEY="+secret)
	g.sim.Secrets.AddVersion(secret, []byte(key))
	g.sim.Storage.AddBucket("opt-outs")
	background := google.NewBackground()
	t.Cleanup(background.Close)
	bucket := optout.NewBucket(optout.BucketOptions{
		API: client.New(client.Options{
			Transport: http.DefaultTransport, Now: time.Now, Background: background,
			Log: slog.New(slog.DiscardHandler), Credentials: g.sim.Provision(g.url).Credentials,
		}),
		Endpoint: g.url, Location: location, Now: time.Now,
		Key:       func(context.Context) ([]byte, error) { return []byte(key), nil },
		RereadKey: func(context.Context) error { return nil },
	})
	if err := bucket.Init(t.Context(), "default"); err != nil {
		t.Fatal(err)
	}
	if _, err := g.sim.Connect(t.Context(), rbmtest.WebhookConfig{URL: g.call + "events", ClientToken: "token"}); err != nil {
		t.Fatal(err)
	}
	return g
}

// sends posts a payload and checks the code of the response.
func (g *rig) sends(payload, want string) {
	g.t.Helper()
	if response := g.post(payload); response["code"] != want {
		g.t.Errorf("%s: %v, want %s", payload, response, want)
	}
}

// rows waits until the conversation has a number of bubbles or notices with a text.
func (g *rig) rows(count int, text string) {
	g.t.Helper()
	g.Wait(fmt.Sprintf(`[...document.querySelectorAll(".row .bubble, .row .notice")].filter((e) => e.textContent.startsWith(%s)).length === %d`, browsertest.Quote(text), count))
}

// TestOptOut rehearses the video for the launch of an agent, on Android and on an iPhone.
func TestOptOut(t *testing.T) {
	t.Parallel()
	for _, device := range []string{"Android", "iPhone"} {
		t.Run(device, func(t *testing.T) {
			t.Parallel()
			g := optOutRig(t).open(1440, 900)
			if device == "iPhone" {
				g.Click("#device")
			}
			const (
				promotion = `{"to": "` + phoneNumber + `", "text": "Half price on Sunday", "traffic": "promotion"}`
				password  = `{"to": "` + phoneNumber + `", "text": "482913 is your code", "otp": true}`
				goodbye   = "You are unsubscribed and will not"
				welcome   = "Thank you. You are now subscribed"
			)
			typed := func(text string) {
				t.Helper()
				g.Do(chromedp.Focus(chromedp.CSS(".typed")), chromedp.KeyEvent(text+"\r"))
			}
			g.sends(promotion, "accepted")
			g.rows(1, "Half price")

			// By keyword.
			typed("Stop!")
			g.rows(1, goodbye)
			g.rows(1, "Unsubscribed")
			g.sends(promotion, "recipient_opted_out")
			g.sends(password, "accepted")
			g.rows(1, "482913")
			typed("start")
			g.rows(1, welcome)
			g.rows(1, "Subscribed again")
			typed("help")
			g.rows(1, "This is an automatic reply")

			// By menu, and back by the chip.
			g.menu("Unsubscribe")
			g.rows(2, goodbye)
			g.rows(2, "Unsubscribed")
			g.write(promotion)
			g.Click("#send")
			g.Shows("#response .pill", "422 recipient_opted_out")
			g.sends(password, "accepted")
			g.rows(2, "482913")
			g.menu("Subscribe")
			g.rows(2, welcome)
			g.rows(2, "Subscribed again")
			g.menu("Unsubscribe")
			g.rows(3, goodbye)
			g.Click(".chips .chip")
			g.rows(3, welcome)
			g.rows(3, "Subscribed again")
			g.sends(promotion, "accepted")
			g.rows(2, "Half price")
			if err := g.sim.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
			g.rows(3, goodbye)
			g.rows(3, welcome)

			events := 0
			for _, e := range g.sim.Log() {
				if e.Kind == rbmtest.LogUserEvent && strings.Contains(string(e.Payload), "SUBSCRIBE") {
					events++
				}
			}
			if want := map[string]int{"Android": 3, "iPhone": 0}[device]; events != want {
				t.Errorf("%d events of the menu, want %d", events, want)
			}
			g.Clean()
		})
	}
}

// TestIPhone checks what an iPhone shows in another way, and that the page remembers it.
func TestIPhone(t *testing.T) {
	t.Parallel()
	g := serve(t, phone.Options{}).open(1440, 900)
	g.post(`{"to": "` + phoneNumber + `", "title": "Ferry", "text": "https://harborline.example/card", "image": "https://pictures.example/ferry.jpg", "height": "short"}`)
	g.post(`{"to": "` + phoneNumber + `", "text": "https://harborline.example/1 or https://harborline.example/2", "buttons": ["Yes", "No"]}`)
	g.Shows(".chip", "Yes")
	look := func(links, height string) {
		t.Helper()
		g.Wait(`[...document.querySelectorAll(".rows a")].map((a) => a.pathname).join() === ` + browsertest.Quote(links))
		g.Wait(`getComputedStyle(document.querySelector(".media")).height === ` + browsertest.Quote(height))
	}
	look("/card,/1,/2", "112px")
	g.Click("#device")
	g.Shows(".status-device", "iPhone")
	look("/2", "264px")
	g.Click(".chip")
	g.Shows(".row-user", "Yes")
	g.Click(".chip:nth-child(2)")
	g.Shows(".row-user", "No")
	g.menu("Differences of an iPhone")
	g.Shows(".sheet", "Suggestions stay after a tap.")
	g.Click(".sheet-close")

	g.Do(chromedp.Navigate(g.url + "/"))
	g.Shows(".status-device", "iPhone")
	g.Shows("#device", "iPhone")
	g.Shows(".chip", "Yes")
	g.menu("Show an Android phone")
	look("/card,/1,/2", "112px")
	g.Wait(`!document.querySelector(".chip")`)
	g.Clean()
}

// TestIPhone_gif checks that a GIF does not move on an iPhone.
func TestIPhone_gif(t *testing.T) {
	t.Parallel()
	g := serve(t, phone.Options{}).open(1440, 900)
	g.Do(chromedp.Focus(chromedp.CSS("#device")))
	g.Click("#device")
	g.Wait(`import("/js/media.js").then(({cardMedia}) => {
		const box = cardMedia({contentInfo: {fileUrl: "https://pictures.example/ferry.gif"}});
		box.id = "gif";
		document.body.append(box);
		return true;
	})`)
	g.Wait(`document.querySelector("#gif canvas")?.width > 0 && !document.querySelector("#gif img")`)
}

// TestOptOut_narrow sends a refused promotion on a narrow screen, which stays at the
// response because the phone shows nothing.
func TestOptOut_narrow(t *testing.T) {
	t.Parallel()
	g := optOutRig(t).open(320, 640)
	g.post(`{"to": "` + phoneNumber + `", "text": "Welcome aboard"}`)
	g.Shows(".row-agent", "Welcome aboard")
	g.menu("Unsubscribe")
	g.rows(1, "You are unsubscribed")
	g.Click(`.views [data-view=compose]`)
	g.write(`{"to": "` + phoneNumber + `", "text": "Half price on Sunday", "traffic": "promotion"}`)
	g.Click("#send")
	g.Shows("#response .pill", "422 recipient_opted_out")
	g.Clean()
}
