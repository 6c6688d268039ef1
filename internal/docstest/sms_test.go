package docstest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	official "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/events"
	"github.com/rcshook/rcshook/internal/target"
)

// A provider is the documented API of an SMS provider: one request, and its responses.
type provider struct {
	section   string // of the recipe
	url       string
	auth      string // the header Authorization, with Basic decoded; or signed
	body      string // a form, or JSON
	responses []response
}

type response struct {
	status int
	body   string
	want   target.Outcome
}

const signed = "Standard Webhooks"

var smsProviders = []provider{
	{
		"## Twilio", "https://api.twilio.com/2010-04-01/Accounts/ACCOUNT_SID/Messages.json", "Basic ACCOUNT_SID:AUTH_TOKEN",
		"Body=Your+table+%26+menu%3A+20+%E2%82%AC&From=%2B12025550100&To=%2B12025550123&ValidityPeriod=3600",
		[]response{
			{201, `{"sid": "SM1", "status": "queued", "error_code": null}`, target.OK},
			{201, `{"sid": "SM1", "status": "accepted", "error_code": null}`, target.OK},
			{400, `{"code": 21211, "message": "Invalid 'To' Phone Number", "status": 400}`, target.Never},
			{400, `{"code": 21610, "message": "Attempt to send to unsubscribed recipient", "status": 400}`, target.Never},
			{400, `{"code": 21611, "message": "This 'From' number has exceeded the maximum number of queued messages", "status": 400}`, target.Retry},
			{401, `{"code": 20003, "message": "Authenticate", "status": 401}`, target.Retry},
			{404, `{"code": 20404, "status": 404}`, target.Retry},
			{429, `{"code": 20429, "message": "Too Many Requests", "status": 429}`, target.Retry},
			{429, `{"code": 21611, "status": 429}`, target.Retry},
			{500, `{"code": 20500, "status": 500}`, target.Unknown},
			{503, `<html>`, target.Retry},
			{504, ``, target.Unknown},
			{302, ``, target.Unknown},
		},
	},
	{
		"## Vonage", "https://api.nexmo.com/v1/messages", "Basic API_KEY:API_SECRET",
		`{"channel": "sms", "message_type": "text", "to": "12025550123", "from": "Acme", "text": "Your table & menu: 20 €", "client_ref": "m-1"}`,
		[]response{
			{202, `{"message_uuid": "a"}`, target.OK},
			{401, `{"type": "https://developer.vonage.com/api-errors/#unauthorized"}`, target.Retry},
			{402, `{"type": "https://developer.vonage.com/api-errors/messages#1070"}`, target.Retry},
			{422, `{"type": "https://developer.vonage.com/api-errors/messages#1120"}`, target.Never},
			{429, `{"type": "https://developer.vonage.com/api-errors/messages#1000"}`, target.Retry},
			{500, `{"type": "https://developer.vonage.com/api-errors/messages#1100"}`, target.Unknown},
		},
	},
	{
		"## Vonage SMS API", "https://rest.nexmo.com/sms/json", "Basic API_KEY:API_SECRET",
		"client-ref=m-1&from=Acme&text=Your+table+%26+menu%3A+20+%E2%82%AC&to=12025550123&type=unicode",
		[]response{
			{200, `{"message-count": "1", "messages": [{"to": "12025550123", "message-id": "1", "status": "0"}]}`, target.OK},
			{200, `{"message-count": "2", "messages": [{"status": "0"}, {"status": "0"}]}`, target.OK},
			{200, `{"message-count": "1", "messages": [{"status": "1", "error-text": "Throughput Rate Exceeded"}]}`, target.Retry},
			{200, `{"message-count": "2", "messages": [{"status": "0"}, {"status": "1"}]}`, target.Unknown},
			{200, `{"message-count": "1", "messages": [{"status": "3", "error-text": "Invalid to"}]}`, target.Never},
			{200, `{"message-count": "1", "messages": [{"status": "4", "error-text": "Bad Credentials"}]}`, target.Retry},
			{200, `{"message-count": "1", "messages": [{"status": "5"}]}`, target.Unknown},
			{200, `{"message-count": "1", "messages": [{"status": "7"}]}`, target.Never},
			{200, `{"message-count": "1", "messages": [{"status": "9", "error-text": "Quota Exceeded"}]}`, target.Retry},
			{200, `{"message-count": "1", "messages": [{"status": "10"}]}`, target.Retry},
			{200, `{"message-count": "1", "messages": [{"status": "15"}]}`, target.Never},
			{200, `{"message-count": "1", "messages": [{"status": "29"}]}`, target.Never},
			{200, `<html>`, target.Unknown},
			{200, `{"messages": []}`, target.Unknown},
			{400, ``, target.Never},
			{429, ``, target.Retry},
			{502, `Bad Gateway`, target.Unknown},
		},
	},
	{
		"## Sinch", "https://us.sms.api.sinch.com/xms/v1/SERVICE_PLAN_ID/batches", "Bearer API_TOKEN",
		`{"from": "+12025550100", "to": ["+12025550123"], "body": "Your table & menu: 20 €", "client_reference": "m-1"}`,
		[]response{
			{201, `{"id": "01F", "to": ["12025550123"], "canceled": false}`, target.OK},
			{400, `{"code": "syntax_invalid_parameter_format", "text": "The number is invalid"}`, target.Never},
			{401, ``, target.Retry},
			{403, `{"code": "forbidden", "text": "Forbidden"}`, target.Retry},
			{404, ``, target.Retry},
			{429, `{"title": "Too Many Requests"}`, target.Retry},
			{500, ``, target.Unknown},
		},
	},
	{
		"## Telnyx", "https://api.telnyx.com/v2/messages", "Bearer API_KEY",
		`{"from": "+12025550100", "to": "+12025550123", "text": "Your table & menu: 20 €"}`,
		[]response{
			{200, `{"data": {"id": "a", "to": [{"phone_number": "+12025550123", "status": "queued"}], "parts": 1}}`, target.OK},
			{400, `{"errors": [{"code": "10016", "title": "Phone number must be in +E.164 format"}]}`, target.Never},
			{400, `{"errors": [{"code": "40310", "title": "Invalid 'to' address"}]}`, target.Never},
			{403, `{"errors": [{"code": "40300", "title": "Blocked due to STOP message"}]}`, target.Never},
			{403, `{"errors": [{"code": "10010", "title": "Authorization failed"}]}`, target.Retry},
			{401, `{"errors": [{"code": "10009", "title": "Authentication failed"}]}`, target.Retry},
			{422, `{"errors": [{"code": "10015", "title": "Bad Request"}]}`, target.Never},
			{429, `{"errors": [{"code": "10011", "title": "Too many requests"}]}`, target.Retry},
			{500, `{"errors": [{"code": "10007", "title": "Unexpected error"}]}`, target.Unknown},
			{502, `<html>`, target.Unknown},
		},
	},
	{
		"## Bird", "https://api.bird.com/workspaces/WORKSPACE_ID/channels/CHANNEL_ID/messages", "AccessKey ACCESS_KEY",
		`{"receiver": {"contacts": [{"identifierValue": "+12025550123"}]}, "body": {"type": "text", "text": {"text": "Your table & menu: 20 €"}}}`,
		[]response{
			{202, `{"id": "a", "status": "accepted"}`, target.OK},
			{400, ``, target.Never},
			{401, ``, target.Retry},
			{404, ``, target.Retry},
			{422, `{"code": "InvalidPayload"}`, target.Never},
			{429, ``, target.Retry},
			{500, ``, target.Unknown},
		},
	},
	{
		"## MessageBird", "https://rest.messagebird.com/messages", "AccessKey ACCESS_KEY",
		`{"originator": "Acme", "recipients": ["12025550123"], "body": "Your table & menu: 20 €", "datacoding": "auto", "reference": "m-1"}`,
		[]response{
			{201, `{"id": "a", "recipients": {"items": [{"status": "sent"}]}}`, target.OK},
			{401, `{"errors": [{"code": 2, "description": "Request not allowed", "parameter": "access_key"}]}`, target.Retry},
			{422, `{"errors": [{"code": 9, "description": "no (correct) recipients found", "parameter": "recipients"}]}`, target.Never},
			{429, ``, target.Retry},
			{500, ``, target.Unknown},
		},
	},
	{
		"## Plivo", "https://api.plivo.com/v1/Account/AUTH_ID/Message/", "Basic AUTH_ID:AUTH_TOKEN",
		`{"src": "+12025550100", "dst": "+12025550123", "text": "Your table & menu: 20 €"}`,
		[]response{
			{202, `{"message": "message(s) queued", "message_uuid": ["a"], "api_id": "b"}`, target.OK},
			{400, `{"error": "dst is invalid", "api_id": "b"}`, target.Never},
			{401, `Could not verify your access level`, target.Retry},
			{404, `{"error": "not found"}`, target.Retry},
			{405, ``, target.Retry},
			{429, ``, target.Retry},
			{500, ``, target.Unknown},
		},
	},
	{
		"## Infobip", "https://BASE.api.infobip.com/sms/3/messages", "App API_KEY",
		`{"messages": [{"sender": "Acme", "content": {"text": "Your table & menu: 20 €"}, "destinations": [{"to": "12025550123", "messageId": "m-1"}]}]}`,
		[]response{
			{200, `{"bulkId": "a", "messages": [{"messageId": "m-1", "status": {"groupName": "PENDING", "name": "PENDING_ACCEPTED"}, "destination": "12025550123"}]}`, target.OK},
			{200, `{"messages": [{"status": {"groupName": "REJECTED", "name": "REJECTED_DESTINATION"}}]}`, target.Never},
			{200, `{"messages": [{"status": {"groupName": "REJECTED", "name": "REJECTED_NOT_ENOUGH_CREDITS"}}]}`, target.Retry},
			{200, `{"messages": []}`, target.Unknown},
			{200, `<html>`, target.Unknown},
			{400, `{"errorCode": "E400", "description": "Bad request", "violations": [{"property": "messages[0]"}]}`, target.Never},
			{401, `{"errorCode": "E401"}`, target.Retry},
			{403, `{"errorCode": "E403"}`, target.Retry},
			{429, `{"errorCode": "E429"}`, target.Retry},
			{500, `{"errorCode": "E500"}`, target.Unknown},
		},
	},
	{
		"## ClickSend", "https://rest.clicksend.com/v3/sms/send", "Basic USERNAME:API_KEY",
		`{"messages": [{"source": "rcshook", "from": "Acme", "to": "+12025550123", "body": "Your table & menu: 20 €", "custom_string": "m-1"}]}`,
		[]response{
			{200, `{"http_code": 200, "response_code": "SUCCESS", "data": {"messages": [{"status": "SUCCESS"}]}}`, target.OK},
			{200, `{"http_code": 200, "response_code": "SUCCESS", "data": {"messages": [{"status": "INVALID_RECIPIENT"}]}}`, target.Never},
			{200, `{"http_code": 200, "response_code": "SUCCESS", "data": {"messages": [{"status": "COUNTRY_NOT_ENABLED"}]}}`, target.Never},
			{200, `{"http_code": 200, "response_code": "SUCCESS", "data": {"messages": [{"status": "INSUFFICIENT_CREDIT"}]}}`, target.Retry},
			{200, `{"http_code": 200, "data": null}`, target.Unknown},
			{400, `{"http_code": 400, "response_code": "BAD_REQUEST", "data": null}`, target.Never},
			{401, `{"http_code": 401, "response_code": "UNAUTHORIZED", "data": null}`, target.Retry},
			{429, ``, target.Retry},
			{500, `<html>`, target.Unknown},
		},
	},
	{
		"## AWS", "https://URL_ID.lambda-url.us-east-1.on.aws/", signed,
		`{"DestinationPhoneNumber": "+12025550123", "OriginationIdentity": "POOL_ID", "MessageBody": "Your table & menu: 20 €", "MessageType": "TRANSACTIONAL", "TimeToLive": 3600, "Context": {"id": "m-1"}}`,
		[]response{
			{200, `{"MessageId": "a"}`, target.OK},
			{403, ``, target.Retry},
			{422, `{"__type": "ValidationException"}`, target.Never},
			{429, `{"__type": "ThrottlingException"}`, target.Retry},
			{500, `{"__type": "InternalServerException"}`, target.Unknown},
		},
	},
}

// TestSMSRecipe posts the fallbacks of the recipe to a stand-in for each provider. It
// expects the documented request, and the right outcome of each documented response.
func TestSMSRecipe(t *testing.T) {
	t.Parallel()
	doc := readPage(t, "deploy/recipes/sms.md")
	if got := len(doc.blocks("yaml")); got != len(smsProviders) {
		t.Errorf("got %d fallbacks, want %d", got, len(smsProviders))
	}
	for _, p := range smsProviders {
		t.Run(strings.TrimPrefix(p.section, "## "), func(t *testing.T) {
			t.Parallel()
			s := newStandIn(t, p, doc.section(t, p.section))
			for _, s.response = range p.responses {
				s.wantOutcome("+12025550123", "Your table & menu: 20 €")
			}
		})
	}
	for _, program := range doc.blocks("jq") {
		checkTargets(t, nil, []*config.Target{{Map: config.Program{Text: program}}})
	}
}

// TestSMSRecipe_maps tests the parts of maps that depend on the message.
func TestSMSRecipe_maps(t *testing.T) {
	t.Parallel()
	doc := readPage(t, "deploy/recipes/sms.md")
	long := strings.Repeat("é", 3000)
	for _, test := range []struct{ section, phone, text, body string }{
		{"## Twilio", "+12025550123", long, "Body=" + strings.Repeat("%C3%A9", 1600) + "&From=%2B12025550100&To=%2B12025550123&ValidityPeriod=3600"},
		{"## Vonage", "+12025550123", long, `{"channel": "sms", "message_type": "text", "to": "12025550123", "from": "Acme", "text": "` + long[:2000] + `", "client_ref": "m-1"}`},
		{"## Vonage SMS API", "+12025550123", "Hi,\nit's 5 pm~", "client-ref=m-1&from=Acme&text=Hi%2C%0Ait%27s+5+pm~&to=12025550123&type=text"},
		{"## Vonage SMS API", "+12025550123", "Hi`", "client-ref=m-1&from=Acme&text=Hi%60&to=12025550123&type=unicode"},
		{
			"## Plivo", "+919876543210", "719204 is your code.",
			`{"src": "HEADER", "dst": "+919876543210", "text": "719204 is your code.", "dlt_entity_id": "ENTITY_ID", "dlt_template_id": "TEMPLATE_ID", "dlt_template_category": "service_implicit"}`,
		},
	} {
		for _, p := range smsProviders {
			if p.section == test.section {
				p.body = test.body
				s := newStandIn(t, p, doc.section(t, p.section))
				s.response = p.responses[0]
				s.wantOutcome(test.phone, test.text)
			}
		}
	}
}

// A standIn is the API of a provider, with the fallback of the recipe that posts to it.
type standIn struct {
	t        *testing.T
	provider provider
	secret   string
	fallback *target.Target
	response response
	problem  string // the difference to the documented request
}

var storedSecret = regexp.MustCompile(`printf %s ['"](.*)['"] \| gcloud secrets create ([a-z-]+) --data-file=-`)

func newStandIn(t *testing.T, p provider, section page) *standIn {
	t.Helper()
	file, err := config.ParseFile("rcshook.yaml", []byte(strings.ReplaceAll(section.blocks("yaml")[0], "PROJECT", "example")))
	if err != nil || len(file.Fallbacks()) != 1 {
		t.Fatalf("got %d fallbacks: %v", len(file.Fallbacks()), err)
	}
	stored := storedSecret.FindStringSubmatch(section.blocks("sh account")[0])
	if stored == nil {
		t.Fatal("the section stores no secret")
	}
	s := &standIn{t: t, provider: p, secret: stored[1]}
	if p.auth == signed {
		s.secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	}
	server := httptest.NewTLSServer(s)
	t.Cleanup(server.Close)
	transport := server.Client().Transport.(*http.Transport).Clone()
	transport.TLSClientConfig.ServerName = "example.com" // of the certificate
	transport.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, server.Listener.Addr().String())
	}
	var problems []config.Problem
	s.fallback, problems = target.New(file.Fallbacks()[0], target.Options{
		Secret: func(_ context.Context, c config.Secret) ([]byte, error) {
			name, isSecret := c.Resource()
			switch {
			case !isSecret:
				return []byte(c), nil
			case !strings.Contains(name+"/", "/secrets/"+stored[2]+"/"):
				return nil, fmt.Errorf("the section stores %s only", stored[2])
			}
			return []byte(s.secret), nil
		},
		Transport: transport, Now: time.Now, Fallback: true,
	})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	t.Cleanup(s.fallback.Close)
	return s
}

func (s *standIn) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.problem = s.check(r)
	w.Header().Set("Location", "https://example.com/")
	w.WriteHeader(s.response.status)
	io.WriteString(w, s.response.body)
}

// check returns the difference of a request to the documented one.
func (s *standIn) check(r *http.Request) string {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return err.Error()
	}
	var wantBody, gotBody any = s.provider.body, string(body)
	contentType := "application/x-www-form-urlencoded"
	if strings.HasPrefix(s.provider.body, "{") {
		contentType = "application/json"
		wantBody, gotBody = fields(s.t, json.RawMessage(s.provider.body)), fields(s.t, json.RawMessage(body))
	}
	auth := r.Header.Get("Authorization")
	if user, password, ok := r.BasicAuth(); ok {
		auth = "Basic " + user + ":" + password
	}
	if s.provider.auth == signed {
		verifier, err := official.NewWebhook(s.secret)
		if err == nil {
			err = verifier.Verify(body, r.Header)
		}
		if err != nil {
			return err.Error()
		}
		auth = signed
	}
	address := url.URL{Scheme: "https", Host: r.Host, Path: r.URL.Path, RawQuery: r.URL.RawQuery}
	want := []any{http.MethodPost, s.provider.url, contentType, s.provider.auth, wantBody}
	return cmp.Diff(want, []any{r.Method, address.String(), r.Header.Get("Content-Type"), auth, gotBody})
}

// wantOutcome posts a message, and compares the outcome with that of the response.
func (s *standIn) wantOutcome(phone, text string) {
	s.t.Helper()
	event, err := json.Marshal(events.Fallback(events.Event{Phone: phone, Agent: "default", MessageID: "m-1"}, "recipient_unreachable", text, nil, exampleTime))
	if err != nil {
		s.t.Fatal(err)
	}
	s.problem = "no request"
	got := s.fallback.Deliver(s.t.Context(), "m-1", event)
	if s.problem != "" {
		s.t.Errorf("%s: request (-want +got):\n%s", s.provider.section, s.problem)
	}
	if got.Outcome != s.response.want || got.Outcome == target.OK && got.Err != nil || got.Err != nil && strings.Contains(got.Err.Error(), ".ok ") {
		s.t.Errorf("%s: %d %s: got %s, %v; want %s", s.provider.section, s.response.status, s.response.body, got.Outcome, got.Err, s.response.want)
	}
}
