package demo_test

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rcshook/rcshook/internal/playground/demo"
)

const (
	agent  = "harborline_demo_agent"
	number = "+12025550123"
)

func open(t *testing.T) *demo.Function {
	t.Helper()
	f, err := demo.New(demo.Options{
		Now:         func() time.Time { return time.Date(2026, 12, 1, 9, 0, 0, 0, time.UTC) },
		MaxVariants: time.Minute, // on a slow machine too
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// request makes a request as the page does.
func request(t *testing.T, f http.Handler, method, path, body string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, "http://localhost"+path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer playground")
	w := httptest.NewRecorder()
	f.ServeHTTP(w, r)
	return w
}

var ids = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f-]{27}`)

// send posts to a path of the page, and returns the response of the function without its
// random parts.
func send(t *testing.T, f http.Handler, path, body string) string {
	t.Helper()
	return ids.ReplaceAllString(post(t, f, path, body), "ID")
}

// post posts to a path of the page, and returns the response of the function.
func post(t *testing.T, f http.Handler, path, body string) string {
	t.Helper()
	var reply struct{ Body, Error string }
	w := request(t, f, http.MethodPost, path, body)
	if err := json.Unmarshal(w.Body.Bytes(), &reply); err != nil || reply.Error != "" {
		t.Fatalf("POST %s: %d %s", path, w.Code, w.Body)
	}
	return strings.TrimSpace(reply.Body)
}

const accepted = `{"ok":true,"status":200,"code":"accepted","retry":"none","message":"Accepted","message_id":"ID","to":"+12025550123","agent":"default",` +
	`"name":"phones/+12025550123/agentMessages/ID","send_time":"2026-12-01T09:00:00Z","request_id":"ID"}`

// TestSend sends payloads from the editor of the page.
func TestSend(t *testing.T) {
	t.Parallel()
	f := open(t)
	for _, test := range []struct{ name, body, want string }{
		{"text", `{"to": "+12025550123", "text": "Hello"}`, accepted},
		{"card", `{"to": "+12025550123", "title": "Ferry", "text": "At 09:40", "image": "https://pictures.example/ferry.jpg", "buttons": ["Change|=CHANGE"]}`, accepted},
		{"carousel", `{"to": "+12025550123", "cards": [{"title": "Orrin"}, {"title": "Vane"}]}`, accepted},
		{
			"two errors", `{"to": "+12025550123", "txt": "Hello", "buttons": ["Run|javascript:alert(1)"]}`,
			`{"ok":false,"status":422,"code":"invalid_payload","retry":"never",`,
		},
	} {
		got := send(t, f, "/_dev/send", test.body)
		if got != test.want && !(strings.HasSuffix(test.want, ",") && strings.HasPrefix(got, test.want)) {
			t.Errorf("%s:\n%s", test.name, cmp.Diff(test.want, got))
		}
	}
}

// TestHook sends a sample event of each source.
func TestHook(t *testing.T) {
	t.Parallel()
	f := open(t)
	for _, name := range []string{"shopify", "stripe", "github", "calendly", "typeform", "grafana"} {
		want := strings.Replace(accepted, `"Accepted",`, `"Accepted","source":"`+name+`",`, 1)
		if got := send(t, f, "/_dev/hook", `{"source": "`+name+`"}`); got != want {
			t.Errorf("%s:\n%s", name, cmp.Diff(want, got))
		}
	}
}

// TestHook_own sends events that a user wrote: a body, a body with headers, which may be a form,
// and a text that is neither.
func TestHook_own(t *testing.T) {
	t.Parallel()
	f := open(t)
	const order = `{"phone": "+12025550123", "name": "#7", "total_price": "5", "currency": "USD"}`
	for _, test := range []struct{ event, want string }{
		{order, `"code":"accepted"`},
		{"X-Shopify-Topic: orders/paid\n\n" + order, `"code":"accepted"`},
		{"Content-Type: application/x-www-form-urlencoded\n\nphone=%2B12025550123", `"code":"accepted"`},
		{"phone=1", `{"error":"the empty line between headers and body is missing"}`},
	} {
		body, err := json.Marshal(object{"source": "shopify", "event": test.event})
		if err != nil {
			t.Fatal(err)
		}
		w := request(t, f, http.MethodPost, "/_dev/hook", string(body))
		if got := strings.ReplaceAll(w.Body.String(), `\"`, `"`); !strings.Contains(got, test.want) {
			t.Errorf("%s: got %d %s, want %s", test.event, w.Code, got, test.want)
		}
	}
}

// TestEvents taps a button and follows the stream to the event that the target gets.
func TestEvents(t *testing.T) {
	t.Parallel()
	f := open(t)
	server := httptest.NewServer(f)
	defer server.Close()
	defer f.Close() // ends the stream first
	id := ids.FindString(post(t, f, "/_dev/send", `{"to": "+12025550123", "text": "Thursday?", "buttons": ["Confirm|=CONFIRM"]}`))
	request(t, f, http.MethodPost, "/_sim/tick", "{}")
	w := request(t, f, http.MethodPost, "/_sim/user", `{"action": "tap", "phone": "`+number+`", "agent_id": "`+agent+`", "message_id": "`+id+`", "suggestion": "Confirm"}`)
	if w.Code != http.StatusOK {
		t.Fatalf("tap: %d %s", w.Code, w.Body)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+"/_sim/stream?after=0", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	for lines := bufio.NewScanner(res.Body); lines.Scan(); {
		var entry struct {
			Payload struct {
				Delivery struct {
					Target, Outcome string
					Event           struct{ Type, Phone, Text, Postback string }
				}
			}
		}
		data, _ := strings.CutPrefix(lines.Text(), "data: ")
		if json.Unmarshal([]byte(data), &entry) != nil {
			continue
		}
		if d := entry.Payload.Delivery; d.Event.Type == "button" {
			if d.Target != "your-crm" || d.Outcome != "ok" || d.Event.Phone != number || d.Event.Text != "Confirm" || d.Event.Postback != "CONFIRM" {
				t.Errorf("delivery = %+v", d)
			}
			return
		}
	}
	t.Error("the target did not get the event")
}
