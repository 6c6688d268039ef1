package source_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rcshook/rcshook/internal/compose"
	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/payload"
	"github.com/rcshook/rcshook/internal/source"
)

// now is the time at which the samples arrive.
var now = time.Date(2026, 12, 1, 9, 0, 0, 0, time.UTC)

const (
	publicURL = "https://example.com/hooks/it"
	audience  = "https://example.com/hooks/it"
	robot     = "robot@example.iam.gserviceaccount.com"

	// sendgridKey is a public key of SendGrid's tests.
	sendgridKey = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE83T4O/n84iotIvIW4mdBgQ/7dAfSmpqIM8kF9mN1flpVKS3GRqe62gw+2fNNRaINXvVpiglSI8eNEc6wEA3F+g=="
)

// recipients are those of sources whose senders do not sign the body.
var recipients = []string{"+12025550123"}

// literal returns secrets that are written in the file.
func literal(_ context.Context, s config.Secret) ([]byte, error) { return []byte(s.Literal()), nil }

// open opens one source.
func open(t testing.TB, c config.Source, google http.Handler) *source.Source {
	t.Helper()
	c.Name = "it"
	if c.Preset == "whatsapp" {
		c.VerifyToken = "t0ken"
	}
	o := source.Options{Secrets: literal, Agents: []string{"default"}, Transport: direct{google}}
	d, err := source.Open(map[string]config.Source{"it": c}, o)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	s, err := d.Find("it")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// rehearsal opens a source for a preset, and returns a function that signs as its sender.
func rehearsal(t testing.TB, name string) (*source.Source, func(*source.Request, time.Time)) {
	t.Helper()
	c, err := source.Example(name, "p")
	if err != nil {
		t.Fatal(err)
	}
	s, sign := rehearse(t, c)
	return s, func(r *source.Request, now time.Time) {
		if err := sign(r, now); err != nil {
			t.Fatalf("Sign: %v", err)
		}
	}
}

// rehearse opens a source with secrets, and returns a function that signs as its sender.
func rehearse(t testing.TB, c config.Source) (*source.Source, func(*source.Request, time.Time) error) {
	t.Helper()
	switch c.Preset {
	case "twilio", "square", "hubspot":
		c.URL = publicURL
	}
	switch c.Preset {
	case "google-oidc", "pubsub", "cloud-tasks", "cloud-scheduler":
		issuer := newIssuer(t)
		c.Audience, c.Emails = []string{audience}, []string{robot}
		return open(t, c, issuer), func(r *source.Request, now time.Time) error {
			r.Header.Set("Authorization", "Bearer "+issuer.Token(audience, robot, now))
			return nil
		}
	}
	if c.Preset == "sns" {
		a := newAmazon(t)
		c.Topics = []string{snsTopic}
		return open(t, c, a), func(r *source.Request, _ time.Time) error {
			var m map[string]any
			if err := json.Unmarshal(r.Body, &m); err != nil {
				return err
			}
			a.sign(t, m)
			signed := snsRequest(t, m)
			r.Header, r.Body = signed.Header, signed.Body
			return nil
		}
	}
	c.Secrets = []config.Secret{"projects/p/secrets/s"} // until the keys are made
	receiver, sender := open(t, c, nil).NewKeys()
	c.Secrets = []config.Secret{config.Secret(receiver)}
	s := open(t, c, nil)
	return s, func(r *source.Request, now time.Time) error { return s.Sign(r, sender, now) }
}

// Every preset accepts its sample, whose message is valid.
func TestPresets(t *testing.T) {
	t.Parallel()
	for _, name := range source.Presets() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, sign := rehearsal(t, name)
			if s.Description() == "" {
				t.Error("the preset has no description")
			}
			r := s.Sample("0001")
			if r == nil {
				t.Fatal("the preset has no sample")
			}
			sign(r, now)
			received, err := s.Receive(t.Context(), r, now)
			if err != nil {
				t.Fatalf("Receive: %v", err)
			}
			if len(received.Messages) != 1 {
				t.Fatalf("%d messages, want one", len(received.Messages))
			}
			m := received.Messages[0]
			t.Logf("%s", m.Body)
			p, err := payload.Decode(m.ContentType, m.Body, payload.Options{})
			if err == nil {
				_, err = compose.Message(p, compose.Defaults{}, now)
			}
			if err != nil {
				t.Errorf("invalid message: %v\n%s", explain(err), m.Body)
			}
			switch generic := !source.Identifies(name); {
			case generic && m.Key != "":
				t.Errorf("key %q, want none from a generic sender", m.Key)
			case !generic && (!strings.HasPrefix(m.Key, "hook\nit\n") || len(m.Key) <= len("hook\nit\n")):
				t.Errorf("key %q, want the ID of the event", m.Key)
			}
			if s.Timeout <= 0 || s.Timeout > 20*time.Second {
				t.Errorf("Timeout = %s", s.Timeout)
			}
		})
	}
}

// TestWooCommerce_laterChange checks that a later change of a completed order, which is
// another event, has the key of the same message.
func TestWooCommerce_laterChange(t *testing.T) {
	t.Parallel()
	s, sign := rehearsal(t, "woocommerce")
	key := func(changed string) string {
		r := s.Sample("0001")
		r.Body = bytes.Replace(r.Body, []byte("2026-12-01T08:59:58"), []byte(changed), 1)
		sign(r, now)
		received, err := s.Receive(t.Context(), r, now)
		if err != nil || len(received.Messages) != 1 {
			t.Fatalf("got %d messages, %v", len(received.Messages), err)
		}
		p, err := payload.Decode(received.Messages[0].ContentType, received.Messages[0].Body, payload.Options{})
		if err != nil {
			t.Fatal(explain(err))
		}
		return p.IdempotencyKey
	}
	if first, second := key("2026-12-01T08:59:58"), key("2026-12-02T10:00:00"); first != "order-727-completed" || second != first {
		t.Errorf("got the keys %q and %q, want order-727-completed", first, second)
	}
}

// TestPresets_phone checks that the documented path of the phone number in an event leads to
// the recipient of the message.
func TestPresets_phone(t *testing.T) {
	t.Parallel()
	for _, name := range source.Presets() {
		path := source.PhonePath(name)
		if path == "" {
			continue
		}
		recipient := func(mapping string) string {
			c, err := source.Example(name, "p")
			if err != nil {
				t.Fatal(err)
			}
			c.Country = "DE" // of the number in the sample of WooCommerce
			if mapping != "" {
				c.Map = config.Program{Text: mapping}
			}
			s, _ := rehearse(t, c)
			received, err := s.Map(t.Context(), s.Sample("0001"), now)
			if err != nil || len(received.Messages) == 0 {
				t.Errorf("%s: %d messages, %v", name, len(received.Messages), err)
				return ""
			}
			var p struct{ To string }
			if err := json.Unmarshal(received.Messages[0].Body, &p); err != nil {
				t.Error(err)
			}
			return p.To
		}
		if got, want := recipient(fmt.Sprintf("{to: first(%s | e164 | values)}", path)), recipient(""); got != want {
			t.Errorf("%s: the phone number at %s is %s, want %s", name, path, got, want)
		}
	}
}

// TestLogto_digits checks that a number without a plus has its country code, also if the source
// has a country.
func TestLogto_digits(t *testing.T) {
	t.Parallel()
	c, err := source.Example("logto", "p")
	if err != nil {
		t.Fatal(err)
	}
	c.Country = "DE"
	s, _ := rehearse(t, c)
	for _, to := range []string{"12025550123", "+12025550123"} {
		r := s.Sample("0001")
		r.Body = bytes.Replace(r.Body, []byte("+12025550123"), []byte(to), 1)
		received, err := s.Map(t.Context(), r, now)
		if err != nil || len(received.Messages) != 1 || !bytes.Contains(received.Messages[0].Body, []byte(`"to":"+12025550123"`)) {
			t.Errorf("%s: %s, %v", to, received.Messages, err)
		}
	}
}

func explain(err error) string {
	if problems, ok := errors.AsType[payload.Errors](err); ok {
		text, _ := json.MarshalIndent(problems, "", "  ")
		return string(text)
	}
	return err.Error()
}

// A changed request is rejected for every preset.
func TestPresets_tampered(t *testing.T) {
	t.Parallel()
	for _, name := range source.Presets() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, sign := rehearsal(t, name)
			receive := func(r *source.Request, at time.Time) error {
				_, err := s.Receive(t.Context(), r, at)
				return err
			}
			signed := func() *source.Request {
				r := s.Sample("0001")
				sign(r, now)
				return r
			}
			if err := receive(signed(), now); err != nil {
				t.Fatalf("unchanged: %v", err)
			}
			if err := receive(s.Sample("0001"), now); !errors.Is(err, source.ErrUnauthorized) {
				t.Errorf("unsigned: %v, want ErrUnauthorized", err)
			}
			other, signOther := rehearsal(t, name)
			r := other.Sample("0001")
			if signOther(r, now); receive(r, now) == nil {
				t.Error("signed with another secret: accepted")
			}
			if s.HasToken() {
				for i := range signed().Token {
					r := signed()
					token := []byte(r.Token)
					token[i] ^= 1
					if r.Token = string(token); receive(r, now) == nil {
						t.Errorf("byte %d of the token flipped: accepted", i)
					}
					if r.Token = signed().Token[:i]; receive(r, now) == nil {
						t.Errorf("token cut after %d bytes: accepted", i)
					}
				}
				return
			}
			if proofInBody(name) {
				return // see TestPresets_uncovered and TestSNS_changed
			}
			proof := proofHeader(t, s.Sample("0001"), signed())
			step := 1
			if s.UsesGoogleTokens() {
				step = 11 // RSA is slow
			}
			for i := 0; ; i += step {
				r := signed()
				value := []byte(r.Header.Get(proof))
				if i >= len(value) { // signatures of ECDSA differ in length
					break
				}
				value[i] ^= 1
				if r.Header.Set(proof, string(value)); receive(r, now) == nil && !harmless(string(value), signed().Header.Get(proof)) {
					t.Errorf("byte %d of the header %s flipped: accepted", i, proof)
				}
			}
			r = signed()
			if r.Header.Add(proof, "x"); receive(r, now) == nil {
				t.Errorf("the header %s twice: accepted", proof)
			}
			if !covers(name) {
				return
			}
			for i := range signed().Body {
				r := signed()
				if r.Body[i] ^= 1; receive(r, now) == nil {
					t.Errorf("byte %d of the body flipped: accepted", i)
				}
				r = signed()
				if r.Body = r.Body[:i]; receive(r, now) == nil {
					t.Errorf("body cut after %d bytes: accepted", i)
				}
			}
			if !stamps(name) {
				return
			}
			for _, at := range []time.Time{now.Add(time.Hour), now.Add(-time.Hour)} {
				if err := receive(signed(), at); !errors.Is(err, source.ErrStale) {
					t.Errorf("at %s: %v, want ErrStale", at, err)
				}
			}
			if err := receive(signed(), now.Add(2*time.Minute)); err != nil {
				t.Errorf("two minutes late: %v", err)
			}
		})
	}
}

// covers reports whether the sender of a preset signs the body, stamps whether it also signs
// the time, and signsQuery whether it signs the query.
func covers(preset string) bool {
	return signs(preset) && source.CoversBody(source.SchemeOf(preset))
}

func signs(preset string) bool {
	return !slices.Contains([]string{"token", "basic", "path", "google-oidc", "sns"}, source.SchemeOf(preset).Type)
}

func stamps(preset string) bool {
	s := source.SchemeOf(preset)
	return s.Type == "standard-webhooks" || strings.Contains(s.Content, "{timestamp}")
}

func signsQuery(preset string) bool {
	s := source.SchemeOf(preset)
	return s.Type == "twilio" || strings.Contains(s.Content, "{url}")
}

// harmless reports whether two headers are equivalent: they may differ in upper and lower
// case, and in the unused bits at the end of a base64 segment.
func harmless(a, b string) bool {
	segments := func(text string) (all []string) {
		for segment := range strings.SplitSeq(text, ".") {
			data, _ := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(segment, "Bearer "))
			all = append(all, string(data))
		}
		return all
	}
	return strings.EqualFold(a, b) || strings.HasPrefix(a, "Bearer ey") && slices.Equal(segments(a), segments(b))
}

// proofInBody reports whether the signature of a sender is in the body.
func proofInBody(preset string) bool {
	s := source.SchemeOf(preset)
	return s.Type == "sns" || len(s.Header) > 0 && strings.HasPrefix(s.Header[0], ".")
}

// proofHeader returns the name of the header with the signature or the token.
func proofHeader(t testing.TB, plain, signed *source.Request) string {
	t.Helper()
	for name := range signed.Header {
		lower := strings.ToLower(name)
		if plain.Header.Get(name) == "" && !strings.HasSuffix(lower, "timestamp") && lower != "webhook-id" {
			return name
		}
	}
	t.Fatal("signing adds no header")
	return ""
}

type vector struct {
	About  string            `yaml:"about"`
	Secret string            `yaml:"secret"`
	URL    string            `yaml:"url"`
	Query  string            `yaml:"query"`
	Time   string            `yaml:"time"`
	Header map[string]string `yaml:"header"`
	Body   string            `yaml:"body"`
	Want   string            `yaml:"want"` // accepted, or signature, stale, unauthorized
}

// The signatures that vendors published are accepted.
func TestVectors(t *testing.T) {
	t.Parallel()
	var signing []string
	for _, name := range source.Presets() {
		if !signs(name) {
			continue
		}
		signing = append(signing, name)
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join("testdata", "vectors", name+".yaml")
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var all struct {
				Vectors []vector `yaml:"vectors"`
			}
			if problems := config.DecodeYAML(file, data, &all); len(problems) > 0 || len(all.Vectors) == 0 {
				t.Fatalf("%d vectors: %v", len(all.Vectors), problems)
			}
			for _, v := range all.Vectors {
				t.Run(v.About, func(t *testing.T) { v.check(t, name) })
			}
		})
	}
	files, err := filepath.Glob("testdata/vectors/*")
	if err != nil || len(files) != len(signing) {
		t.Errorf("%d files of vectors, want %d", len(files), len(signing))
	}
}

func (v vector) check(t *testing.T, preset string) {
	s := open(t, config.Source{Preset: preset, Secrets: []config.Secret{config.Secret(v.Secret)}, URL: v.URL, Recipients: recipients, Map: config.Program{Text: "empty"}}, nil)
	r := &source.Request{Method: http.MethodPost, Query: v.Query, Header: http.Header{}, Body: []byte(v.Body)}
	for name, value := range v.Header {
		r.Header.Set(name, value)
	}
	at := now
	if v.Time != "" {
		var err error
		if at, err = time.Parse(time.RFC3339, v.Time); err != nil {
			t.Fatal(err)
		}
	}
	want := map[string]error{"signature": source.ErrSignature, "stale": source.ErrStale, "unauthorized": source.ErrUnauthorized}[v.Want]
	err := source.Verify(t.Context(), s, r, at)
	if !errors.Is(err, want) || want == nil && err != nil {
		t.Errorf("verify: %v, want %v", err, want)
	}
}

// validation is Event Grid's validation event in its documented form.
const validation = `[{
  "id": "2d1781af-3a4c-4d7c-bd0c-e34b19da4e66",
  "topic": "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/shop/providers/Microsoft.EventGrid/topics/orders",
  "subject": "",
  "data": {
    "validationCode": "512d38b6-c7b8-40c8-89fe-f46f9e9622b6",
    "validationUrl": "https://rp-eastus2.eventgrid.azure.net:553/eventsubscriptions/shop/validate?id=512D38B6-C7B8-40C8-89FE-F46F9E9622B6&t=2026-12-01T09:00:00.0000000Z&apiVersion=2018-05-01-preview&token=1A1A1A1A"
  },
  "eventType": "Microsoft.EventGrid.SubscriptionValidationEvent",
  "eventTime": "2026-12-01T09:00:00.0000000Z",
  "metadataVersion": "1",
  "dataVersion": "1"
}]`

var mac = regexp.MustCompile(`[0-9a-f]{64}`)

// Some senders post pings, challenges, batches and forms.
func TestPresets_specialCases(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, preset string
		header       map[string]string
		body         string
		unsigned     bool
		messages     int
		reply        string
	}{
		{name: "GitHub's ping", preset: "github", header: map[string]string{"X-GitHub-Event": "ping"}, body: `{"zen":"Keep it simple","hook_id":1}`},
		{name: "Intercom's ping", preset: "intercom", body: `{"type":"notification_event","topic":"ping"}`},
		{name: "PagerDuty's ping", preset: "pagerduty", body: `{"event":{"id":"1","event_type":"pagey.ping"}}`},
		{name: "WooCommerce's ping", preset: "woocommerce", header: map[string]string{"Content-Type": "application/x-www-form-urlencoded"}, body: "webhook_id=12", unsigned: true},
		{name: "Slack's challenge", preset: "slack", body: `{"token":"t","challenge":"3eZbrw1a","type":"url_verification"}`, reply: `{"challenge":"3eZbrw1a"}`},
		{name: "monday's challenge", preset: "monday", body: `{"challenge":"3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P"}`, reply: `{"challenge":"3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P"}`},
		{name: "monday's other columns", preset: "monday", body: `{"challenge":"3eZbrw1a","event":{"type":"update_column_value","columnId":"status","value":{"phone":"12025550123"}}}`},
		{name: "Event Grid's validation", preset: "event-grid", unsigned: true, reply: `{"validationResponse":"512d38b6-c7b8-40c8-89fe-f46f9e9622b6"}`, body: validation},
		{name: "Event Grid's validation with the token", preset: "event-grid", reply: `{"validationResponse":"512d38b6"}`, body: `[{"eventType":"Microsoft.EventGrid.SubscriptionValidationEvent","data":{"validationCode":"512d38b6"}}]`},
		{name: "Event Grid's batch", preset: "event-grid", messages: 2, body: `[
			{"id":"1","eventType":"Shop.OrderReady","data":{"phone":"+12025550123"}},
			{"id":"2","eventType":"Shop.OrderReady","data":{"phone":"+12025550124","validationCode":"1"}}]`},
		{name: "Notion's verification token", preset: "notion", unsigned: true, body: `{"verification_token":"secret_tMrlL1qK5vuQAh1b6cZGhFChZTSYJlce98V0pYn7yBl"}`},
		{name: "Zoom's validation", preset: "zoom", body: `{"event":"endpoint.url_validation","payload":{"plainToken":"qgg8vlvZRS6UYooatFL8Aw"}}`, reply: `{"encryptedToken":"[mac]","plainToken":"qgg8vlvZRS6UYooatFL8Aw"}`},
		{name: "Zoom's validation of another signature", preset: "zoom", body: `{"event":"endpoint.url_validation","payload":{"plainToken":"v0:1796115598:{}"}}`},
		{name: "Zoom's other events", preset: "zoom", body: `{"event":"meeting.started","event_ts":1700000000000,"payload":{"account_id":"acc1","object":{"id":"99"}}}`},
		{name: "Discord's ping", preset: "discord", body: `{"type":1,"token":"t"}`, reply: `{"type":1}`},
		{name: "Discord's ping of webhook events", preset: "discord", body: `{"type":0}`},
		{name: "Discord's webhook event", preset: "discord", body: `{"version":1,"type":1,"event":{"type":"APPLICATION_AUTHORIZED"}}`},
		{name: "WhatsApp's statuses", preset: "whatsapp", body: `{"object":"whatsapp_business_account","entry":[{"id":"1","changes":[{"field":"messages","value":{"statuses":[{"id":"wamid.1","status":"read"}]}}]}]}`},
		{name: "WhatsApp's batch of two", preset: "whatsapp", messages: 2, body: `{"entry":[
			{"changes":[{"value":{"messages":[{"id":"a","type":"text","text":{"body":"é"}}]}}]},
			{"changes":[{"value":{"messages":[{"id":"b","type":"text","text":{"body":"b"}},{"id":"c","type":"image"}]}}]}]}`},
		{name: "Okta's voice call", preset: "okta", body: `{"data":{"messageProfile":{"phoneNumber":"+12025550123","otpCode":"1","deliveryChannel":"VOICE CALL"}}}`},
		{name: "Auth0's voice call", preset: "auth0", body: `{"recipient":"+12025550123","code":"1","as_text":"1","delivery_method":"voice"}`},
		{name: "Auth0's Send Phone Message", preset: "auth0", messages: 1, body: `{"action":"enrollment","code":"1","message_type":"sms","recipient":"+1-202-555-0123","text":"Your code is 1"}`},
		{name: "Clerk's own delivery", preset: "clerk", body: `{"type":"sms.created","data":{"to_phone_number":"+12025550123","message":"1","delivered_by_clerk":true}}`},
		{name: "Clerk's other events", preset: "clerk", body: `{"type":"user.created","data":{"id":"user_1"}}`},
		{name: "event that the map ignores", preset: "stripe", body: `{"id":"evt_1","type":"invoice.paid","data":{"object":{}}}`},
		{name: "HubSpot's batch of two numbers", preset: "hubspot", messages: 2, body: `[
			{"eventId":1,"subscriptionId":2,"occurredAt":3,"subscriptionType":"contact.propertyChange","propertyName":"phone","propertyValue":"+12025550123"},
			{"eventId":2,"subscriptionId":2,"occurredAt":3,"subscriptionType":"contact.propertyChange","propertyName":"phone","propertyValue":"+12025550124"}]`},
		{name: "GoCardless's batch of two failures", preset: "gocardless", messages: 2, body: `{"events":[
			{"id":"EV1","resource_type":"payments","action":"failed","links":{"payment":"PM1"}},
			{"id":"EV2","resource_type":"payments","action":"confirmed","links":{"payment":"PM2"}},
			{"id":"EV3","resource_type":"payments","action":"failed","links":{"payment":"PM3"}}],"meta":{"webhook_id":"WB1"}}`},
		{name: "Kratos's mail", preset: "kratos", body: `{"recipient":"ada@example.com","body":"Your code is 481516","message_type":"email"}`},
		{name: "FusionAuth's call", preset: "fusionauth", body: `{"code":"481516","phoneNumber":"+12025550123","textMessage":"Your code is 481516","type":"Voice"}`},
		{
			name: "Jotform without a number", preset: "jotform", header: map[string]string{"Content-Type": "multipart/form-data; boundary=x"},
			body: "--x\r\nContent-Disposition: form-data; name=\"rawRequest\"\r\n\r\n{\"q3_name\":{\"first\":\"Ada\"}}\r\n--x--\r\n",
		},
		{
			name: "Jotform without a name", preset: "jotform", messages: 1, header: map[string]string{"Content-Type": "multipart/form-data; boundary=x"},
			body: "--x\r\nContent-Disposition: form-data; name=\"rawRequest\"\r\n\r\n{\"q4_phone\":{\"full\":\"+12025550123\"}}\r\n--x--\r\n",
		},
		{
			name: "Jotform without fields", preset: "jotform", header: map[string]string{"Content-Type": "multipart/form-data; boundary=x"},
			body: "--x\r\nContent-Disposition: form-data; name=\"submissionID\"\r\n\r\n1\r\n--x--\r\n",
		},
		{name: "SendGrid's empty batch", preset: "sendgrid", body: "[]\r\n"},
		{
			name: "GitHub's form", preset: "github", messages: 1, header: map[string]string{"Content-Type": "application/x-www-form-urlencoded", "X-GitHub-Event": "workflow_run"},
			body: "payload=%7B%22action%22%3A%22completed%22%2C%22workflow_run%22%3A%7B%22conclusion%22%3A%22failure%22%2C%22head_branch%22%3A%22main%22%2C%22name%22%3A%22x%22%2C%22run_number%22%3A1%2C%22html_url%22%3A%22https%3A%2F%2Fexample.com%22%7D%2C%22repository%22%3A%7B%22full_name%22%3A%22a%2Fb%22%7D%7D",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s, sign := rehearsal(t, test.preset)
			r := &source.Request{Method: http.MethodPost, Header: http.Header{"Content-Type": {"application/json"}}, Body: []byte(test.body)}
			for name, value := range test.header {
				r.Header.Set(name, value)
			}
			if !test.unsigned {
				if _, err := s.Receive(t.Context(), r, now); !errors.Is(err, source.ErrUnauthorized) {
					t.Errorf("unsigned: %v, want ErrUnauthorized", err)
				}
				sign(r, now)
			}
			received, err := s.Receive(t.Context(), r, now)
			if err != nil {
				t.Fatal(err)
			}
			if received.Verified == test.unsigned {
				t.Errorf("verified is %t", received.Verified)
			}
			reply := mac.ReplaceAllString(string(received.Reply), "[mac]")
			if len(received.Messages) != test.messages || reply != test.reply {
				t.Errorf("%d messages and reply %q, want %d and %q", len(received.Messages), received.Reply, test.messages, test.reply)
			}
		})
	}
}

// TestReceive_longPing tests that only a short body can be an unsigned ping, because
// matching a long one takes long.
func TestReceive_longPing(t *testing.T) {
	t.Parallel()
	s, _ := rehearsal(t, "slack")
	for body, want := range map[string]error{
		"ssl_check=1&token=" + strings.Repeat("a", 2030): nil,
		"ssl_check=1&token=" + strings.Repeat("a", 2031): source.ErrUnauthorized,
	} {
		r := &source.Request{Method: http.MethodPost, Header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, Body: []byte(body)}
		if _, err := s.Receive(t.Context(), r, now); !errors.Is(err, want) {
			t.Errorf("%d bytes: %v, want %v", len(body), err, want)
		}
	}
}

// Every message of a webhook has its own key, which is the same when the event is
// delivered again.
func TestMap_keys(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, preset, mapping, body string
		header                      map[string]string
		want                        []string
	}{
		{name: "one", preset: "stripe", mapping: "{to}", body: `{"id":"evt_1"}`, want: []string{"hook\nit\nevt_1"}},
		{name: "list of one", preset: "stripe", mapping: "[{to}]", body: `{"id":"evt_1"}`, want: []string{"hook\nit\nevt_1\n0"}},
		{name: "ID in the form of a key of a list", preset: "stripe", mapping: "{to}", body: `{"id":"evt_1\n0"}`, want: []string{"hook\nit\n" + `"evt_1\n0"`}},
		{name: "list", preset: "stripe", mapping: "[{to}, null, {to}]", body: `{"id":"evt_1"}`, want: []string{"hook\nit\nevt_1\n0", "hook\nit\nevt_1\n1"}},
		{name: "stream", preset: "stripe", mapping: "{to}, {to}", body: `{"id":"evt_1"}`, want: []string{"hook\nit\nevt_1\n0", "hook\nit\nevt_1\n1"}},
		{name: "no message", preset: "stripe", mapping: "null, empty, []", body: `{"id":"evt_1"}`, want: nil},
		{name: "large number", preset: "square", mapping: "{to}", body: `{"event_id":9007199254740993}`, want: []string{"hook\nit\n9007199254740993"}},
		{name: "batch", preset: "sendgrid", mapping: "{to}", body: `[{"sg_event_id":"a"},{"sg_event_id":"b"}]`, want: []string{"hook\nit\na", "hook\nit\nb"}},
		{name: "batch without IDs", preset: "sendgrid", mapping: "{to}", body: `[{},{}]`, header: map[string]string{"Idempotency-Key": "k"}, want: []string{"hook\nit\nk\n0", "hook\nit\nk\n1"}},
		{name: "Idempotency-Key", preset: "bearer", mapping: "{to}", body: `{}`, header: map[string]string{"Idempotency-Key": `"k"`}, want: []string{"hook\nit\nk"}},
		{name: "Idempotency-Key without a map", preset: "bearer", body: `{}`, header: map[string]string{"Idempotency-Key": "k"}, want: []string{"hook\nit\nk"}},
		{name: "ID with null", preset: "calendly", mapping: "{to}", body: `{"event":"invitee.created","payload":{}}`, want: []string{""}},
		{name: "appointment of Acuity", preset: "acuity", mapping: "{to}", body: `{"action":"scheduled","id":7301}`, want: []string{"hook\nit\nscheduled/7301"}},
		{name: "another time of the appointment", preset: "acuity", mapping: "{to}", body: `{"action":"rescheduled","id":7301}`, want: []string{""}},
		{name: "payment of Razorpay", preset: "razorpay", mapping: "{to}", body: `{"event":"order.paid","payload":{"order":{"entity":{"id":"order_1"}},"payment":{"entity":{"id":"pay_1"}}},"created_at":1}`, header: map[string]string{"X-Razorpay-Event-Id": "forged"}, want: []string{"hook\nit\norder.paid/order_1/pay_1/1"}},
		{name: "no ID", preset: "bearer", mapping: "{to}", body: `{}`, want: []string{""}},
		{name: "digest", preset: "woocommerce", mapping: "{to}", body: `{}`, want: []string{"hook\nit\n44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := config.Source{Preset: test.preset, Map: config.Program{Text: test.mapping}, URL: publicURL, Secrets: []config.Secret{"s"}}
			if test.preset == "sendgrid" {
				c.Secrets = []config.Secret{sendgridKey}
			}
			r := &source.Request{Header: http.Header{"Content-Type": {"application/json"}}, Body: []byte(test.body)}
			for name, value := range test.header {
				r.Header.Set(name, value)
			}
			received, err := open(t, c, nil).Map(t.Context(), r, now)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, m := range received.Messages {
				got = append(got, m.Key)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("keys (-want +got):\n%s", diff)
			}
		})
	}
}

// direct is a transport that calls a handler.
type direct struct{ handler http.Handler }

func (d direct) RoundTrip(r *http.Request) (*http.Response, error) {
	if d.handler == nil {
		return nil, fmt.Errorf("unexpected request")
	}
	return serve(d.handler, r), nil
}

// TestPresets_statuses checks the statuses that senders take for another result: 207 for a
// failure, or every status but a 5xx for a success or a final failure.
func TestPresets_statuses(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]struct {
		to      int
		presets string
	}{
		http.StatusMultiStatus:     {http.StatusOK, "airtable chargebee cloud-tasks event-grid healthchecks linear notion onfleet pubsub supabase whatsapp"},
		http.StatusTooManyRequests: {http.StatusServiceUnavailable, "alertmanager datadog grafana sentry twilio"},
		http.StatusCreated:         {http.StatusOK, "supabase"},
		http.StatusGatewayTimeout:  {http.StatusServiceUnavailable, "supabase zendesk"},
	} {
		for _, name := range strings.Fields(want.presets) {
			if s, _ := rehearsal(t, name); s.Status[status] != want.to {
				t.Errorf("%s: %d becomes %d, want %d", name, status, s.Status[status], want.to)
			}
		}
	}
}

// TestPresets_timeouts checks that a response arrives before its sender times out.
func TestPresets_timeouts(t *testing.T) {
	t.Parallel()
	for name, limit := range map[string]time.Duration{
		"supabase": 5 * time.Second, "okta": 3 * time.Second, "discord": 3 * time.Second, "zoom": 3 * time.Second,
		"auth0": 20 * time.Second, "clerk": 15 * time.Second, "event-grid": 30 * time.Second, "calendly": 15 * time.Second,
		"shippo": 3 * time.Second, "linear": 5 * time.Second, "easypost": 7 * time.Second, "pipedrive": 10 * time.Second, "zendesk": 10 * time.Second,
		"datadog": 15 * time.Second, "healthchecks": 30 * time.Second,
	} {
		if s, _ := rehearsal(t, name); s.Timeout > limit-500*time.Millisecond {
			t.Errorf("%s: %s, although the sender waits %s", name, s.Timeout, limit)
		}
	}
}

// TestZoom_mac compares the reply to Zoom's validation with that of Zoom's rule.
func TestZoom_mac(t *testing.T) {
	t.Parallel()
	s := open(t, config.Source{Preset: "zoom", Secrets: []config.Secret{"other", "test-secret"}, Map: config.Program{Text: "empty"}}, nil)
	r := &source.Request{
		Method: http.MethodPost, Header: http.Header{"Content-Type": {"application/json"}},
		Body: []byte(`{"event":"endpoint.url_validation","payload":{"plainToken":"qgg8vlvZRS6UYooatFL8Aw"}}`),
	}
	if err := s.Sign(r, []byte("test-secret"), now); err != nil {
		t.Fatal(err)
	}
	received, err := s.Receive(t.Context(), r, now)
	const want = `{"encryptedToken":"82079ed66225fed153e0854735aa9702e1d67137a69c96a00957941f942b8de7","plainToken":"qgg8vlvZRS6UYooatFL8Aw"}`
	if err != nil || string(received.Reply) != want {
		t.Errorf("got %s, %v; want %s", received.Reply, err, want)
	}
	if _, err := s.Map(t.Context(), r, now); err == nil {
		t.Error("a reply without a verified request has a MAC")
	}
}

// TestClerk_late checks that a code expires, although Clerk repeats events for hours.
func TestClerk_late(t *testing.T) {
	t.Parallel()
	s, _ := rehearsal(t, "clerk")
	for late, valid := range map[time.Duration]bool{5 * time.Minute: true, time.Hour: false} {
		r := s.Sample("0001")
		r.Body = bytes.Replace(r.Body, []byte("{"), fmt.Appendf(nil, `{"timestamp": %d,`, now.UnixMilli()), 1)
		received, err := s.Map(t.Context(), r, now.Add(late))
		if err != nil || len(received.Messages) != 1 {
			t.Fatalf("got %v, %v", received, err)
		}
		p, err := payload.Decode(received.Messages[0].ContentType, received.Messages[0].Body, payload.Options{})
		if err != nil {
			t.Fatal(explain(err))
		}
		if p.ExpiresAt.Value.IsZero() {
			t.Fatal("the message does not expire")
		}
		if _, err = compose.Message(p, compose.Defaults{}, now.Add(late)); (err == nil) != valid {
			t.Errorf("after %s: %v", late, err)
		}
	}
}

// TestPresets_ignored checks that a user of a sign-in system sees an error if the map ignores
// the event with the code, for example because the number is invalid.
func TestPresets_ignored(t *testing.T) {
	t.Parallel()
	for _, name := range source.Grouped()["sign-in"] {
		switch name {
		case "clerk": // which sends afterwards
			continue
		case "cognito": // which posts our payload
			continue
		}
		s, _ := rehearsal(t, name)
		got, err := s.Respond(t.Context(), s.Sample("0001"), []byte(`{"ok": true, "status": 200, "code": "ignored", "retry": "none"}`), now)
		if err != nil || got == nil {
			t.Errorf("%s: %v, %v; want an error", name, got, err)
		} else if got.Status < 400 && !strings.Contains(string(got.Body), `{"error":{`) {
			t.Errorf("%s: %d %s, want an error", name, got.Status, got.Body)
		}
	}
}
