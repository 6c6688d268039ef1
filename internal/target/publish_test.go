package target_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rcshook/rcshook/internal/google"
	"github.com/rcshook/rcshook/internal/google/platform"
	"github.com/rcshook/rcshook/internal/googletest"
	"github.com/rcshook/rcshook/internal/googletest/pubsub"
	"github.com/rcshook/rcshook/internal/googletest/token"
	"github.com/rcshook/rcshook/internal/target"
)

const topic = "projects/p-1/topics/rcs-events"

// newPubSub returns Pub/Sub with a topic, and options for a target that publishes to it.
// Foreign responds in place of Pub/Sub if it is not nil.
func newPubSub(t *testing.T, foreign http.Handler) (*pubsub.Server, func(*target.Options)) {
	t.Helper()
	tokens, server := new(token.Server), new(pubsub.Server)
	server.Authorize = func(bearer string) error {
		_, err := tokens.Check(bearer, googletest.CloudPlatform)
		return err
	}
	server.AddTopic(topic)
	mux := http.NewServeMux()
	mux.Handle("/token", tokens)
	mux.Handle("/", server)
	if foreign != nil {
		mux.Handle("/v1/", foreign)
	}
	api := httptest.NewServer(mux)
	background := google.NewBackground()
	t.Cleanup(func() { background.Close(); api.Close() })
	client := platform.New(platform.Options{
		Transport: http.DefaultTransport, Now: time.Now, Background: background,
		Credentials: tokens.KeyFile(token.KeyOptions{TokenURI: api.URL + "/token"}),
	})
	return server, func(o *target.Options) { o.API, o.PubSub = client, api.URL }
}

func TestDeliver_topic(t *testing.T) {
	t.Parallel()
	server, options := newPubSub(t, nil)
	plain := open(t, `{topic: `+topic+`}`, options)
	mapped := open(t, `{topic: `+topic+`, map: 'if .type == "read" then empty else .text end'}`, options)
	checkResult(t, plain.Deliver(t.Context(), "evt_1", []byte(event)), target.OK, 200, "")
	checkResult(t, mapped.Deliver(t.Context(), "evt_2", []byte(event)), target.OK, 200, "")
	checkResult(t, mapped.Deliver(t.Context(), "evt_3", []byte(`{"type": "read"}`)), target.OK, 0, "")
	checkResult(t, plain.Deliver(t.Context(), "evt_4", []byte(`{}`)), target.OK, 200, "")
	want := []pubsub.Message{
		{Data: []byte(event), Attributes: map[string]string{"id": "evt_1", "type": "reply", "agent": "default"}, ID: "1"},
		{Data: []byte(`"Hi \"you\" & co"`), Attributes: map[string]string{"id": "evt_2", "type": "reply", "agent": "default"}, ID: "2"},
		{Data: []byte(`{}`), Attributes: map[string]string{"id": "evt_4", "type": "", "agent": ""}, ID: "3"},
	}
	if diff := cmp.Diff(want, server.Messages(topic)); diff != "" {
		t.Errorf("messages (-want +got):\n%s", diff)
	}
}

// TestDeliver_topicFails tests that no failure of Pub/Sub loses an event.
func TestDeliver_topicFails(t *testing.T) {
	t.Parallel()
	respond := func(e googletest.Error) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { e.Write(w) })
	}
	text := func(status int, text string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = w.Write([]byte(text))
		})
	}
	for _, test := range []struct {
		name, topic string
		foreign     http.Handler
		status      int
		text        string
	}{
		{"unknown topic", "projects/p-1/topics/other", nil, 404, "HTTP 404 NOT_FOUND; create the topic, or correct topic"},
		{"unusual name", "projects/p-1/topics/a%2Fb+c~d", nil, 404, "HTTP 404 NOT_FOUND; create the topic, or correct topic"},
		{"denied", topic, respond(googletest.Error{Code: 403, Message: "s3cret"}), 403, "HTTP 403 PERMISSION_DENIED; grant the function's account the role roles/pubsub.publisher on the topic"},
		{"disabled", topic, respond(googletest.Error{Code: 403, Details: []any{googletest.ErrorInfo(google.ReasonDisabled, nil)}}), 403, "HTTP 403 PERMISSION_DENIED; enable the API pubsub.googleapis.com in the project of the topic"},
		{"scope", topic, respond(*googletest.InsufficientScope("pubsub.googleapis.com", "google.pubsub.v1.Publisher.Publish")), 403, "HTTP 403 PERMISSION_DENIED; give the function's credentials the scope cloud-platform"},
		{"rejected", topic, respond(googletest.Error{Code: 400, Message: "s3cret"}), 400, "HTTP 400 INVALID_ARGUMENT; check topic, and that map returns a value that Pub/Sub accepts"},
		{"unavailable", topic, respond(googletest.Error{Code: 503}), 503, "HTTP 503 UNAVAILABLE"},
		{"rate", topic, respond(googletest.Error{Code: 429}), 429, "HTTP 429 RESOURCE_EXHAUSTED"},
		{"proxy", topic, text(502, "s3cret"), 502, "HTTP 502"},
		{"another server", topic, text(200, "{}"), 200, "the response of Pub/Sub does not contain the message"},
		{"no JSON", topic, text(200, "s3cret"), 0, "no response of Pub/Sub: the connection failed"},
		{"dropped", topic, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }), 0, "no response of Pub/Sub: the connection failed"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, options := newPubSub(t, test.foreign)
			lake := open(t, `{topic: `+test.topic+`}`, options)
			checkResult(t, lake.Deliver(t.Context(), "evt_1", []byte(event)), target.Retry, test.status, "target crm: "+test.text)
		})
	}
}

// failing is an API without credentials.
type failing struct{ target.API }

func (failing) Ready(context.Context) error {
	return &google.SecretError{Kind: google.Denied, Reason: "no_adc", Content: google.DefaultCredentials}
}

func TestDeliver_topicCredentials(t *testing.T) {
	t.Parallel()
	lake := open(t, `{topic: `+topic+`}`, func(o *target.Options) { o.API = failing{} })
	got := lake.Deliver(t.Context(), "evt_1", []byte(event))
	checkResult(t, got, target.Retry, 0, "target crm: credentials of the function: denied: no_adc")
	if !errors.Is(got.Err, google.ErrSecretDenied) {
		t.Errorf("got %v, want ErrSecretDenied", got.Err)
	}
}

func TestDeliver_topicHangs(t *testing.T) {
	t.Parallel()
	server, options := newPubSub(t, nil)
	lake := open(t, `{topic: `+topic+`}`, options)
	checkResult(t, lake.Deliver(t.Context(), "evt_1", []byte(event)), target.OK, 200, "") // fetches the token
	server.Hang(true)
	defer server.Hang(false)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	checkResult(t, lake.Deliver(ctx, "evt_1", []byte(event)), target.Retry, 0, "target crm: no response of Pub/Sub: timeout")
}
