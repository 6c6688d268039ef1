package rbm_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rcshook/rcshook/rbm"
	"github.com/rcshook/rcshook/rbm/rbmtest"
)

// simulate starts the simulator and returns a client for it.
func simulate(t *testing.T, sim *rbmtest.Simulator, c rbm.Config) *rbm.Client {
	t.Helper()
	server := httptest.NewServer(sim)
	t.Cleanup(func() {
		sim.Close()
		server.Close()
	})
	token := sim.Token()
	c.Token = func(context.Context) (string, error) { return token, nil }
	c.Endpoint = server.URL
	return newClient(t, c)
}

// recorder is a transport that records the requests.
type recorder struct{ lines []string }

func (r *recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	r.lines = append(r.lines, req.Method+" "+req.URL.RequestURI())
	return http.DefaultTransport.RoundTrip(req)
}

func record(t *testing.T, sim *rbmtest.Simulator) (*rbm.Client, *recorder) {
	t.Helper()
	r := new(recorder)
	return simulate(t, sim, rbm.Config{HTTPClient: &http.Client{Transport: r}}), r
}

// TestMethods checks the request and the result of each method.
func TestMethods(t *testing.T) {
	t.Parallel()
	const id = messageID
	sim := &rbmtest.Simulator{Agents: []rbmtest.AgentConfig{{
		ID: agentID, Dialogflow: map[string][]string{"WELCOME": {"Welcome aboard"}},
	}}}
	client, requests := record(t, sim)
	tests := []struct {
		name    string
		call    func(ctx context.Context) (any, error)
		want    any
		request string // prefix of the last one
	}{
		{
			"phones.agentMessages.create",
			func(ctx context.Context) (any, error) {
				sent, err := client.SendMessage(ctx, phone, id, hello)
				if err != nil {
					return nil, err
				}
				return sent.Name, nil
			},
			"phones/" + phone + "/agentMessages/" + id,
			"POST /v1/phones/%2B12025550123/agentMessages?agentId=" + agentID + "&messageId=" + id,
		},
		{
			"phones.agentEvents.create",
			func(ctx context.Context) (any, error) {
				sent, err := client.SendEvent(ctx, phone, "e1", rbm.ReadEvent("from-user"))
				if err != nil {
					return nil, err
				}
				sent.SendTime = time.Time{}
				return sent, nil
			},
			&rbm.AgentEvent{EventType: rbm.AgentRead, MessageID: "from-user", Name: "phones/" + phone + "/agentEvents/e1"},
			"POST /v1/phones/%2B12025550123/agentEvents?agentId=" + agentID + "&eventId=e1",
		},
		{
			"phones.getCapabilities",
			func(ctx context.Context) (any, error) { return client.Capabilities(ctx, phone) },
			&rbm.Capabilities{Features: []rbm.Feature{
				rbm.FeatureRevocation, rbm.FeatureRichCard, rbm.FeatureCarousel, rbm.FeatureCreateCalendarEvent, rbm.FeatureDial,
				rbm.FeatureOpenURL, rbm.FeatureShareLocation, rbm.FeatureViewLocation, rbm.FeatureOpenURLInWebview,
			}, Carrier: "example-us"},
			"GET /v1/phones/%2B12025550123/capabilities?agentId=" + agentID + "&requestId=",
		},
		{
			"users.batchGet",
			func(ctx context.Context) (any, error) {
				return client.BatchGetUsers(ctx, []string{"+12025550104", phone, phone})
			},
			&rbm.BatchGetUsersResponse{
				ReachableUsers:    []string{phone},
				ReachableUsersMap: map[string]rbm.CarrierUsers{"example-us": {ReachableUsers: []string{phone}}},
			},
			"POST /v1/users:batchGet",
		},
		{
			"phones.testers.create",
			func(ctx context.Context) (any, error) { return client.InviteTester(ctx, phone) },
			&rbm.Tester{Name: "phones/" + phone + "/testers", InviteStatus: rbm.InvitePending},
			"POST /v1/phones/%2B12025550123/testers?agentId=" + agentID,
		},
		{
			"phones.dialogflowMessages.create",
			func(ctx context.Context) (any, error) {
				fired, err := client.SendDialogflowEvent(ctx, phone, "hi", &rbm.DialogflowEvent{
					EventName: "WELCOME", LanguageCode: "en", Parameters: map[string]any{"n": 1.5, "list": []any{"a", true, nil, map[string]any{}}},
				})
				if err != nil {
					return nil, err
				}
				fired.Name = ""
				return fired, nil
			},
			&rbm.DialogflowEvent{EventName: "WELCOME", LanguageCode: "en", Parameters: map[string]any{"n": 1.5, "list": []any{"a", true, nil, map[string]any{}}}},
			"POST /v1/phones/%2B12025550123/dialogflowMessages?agentId=" + agentID + "&messageIdPrefix=hi",
		},
		{
			"files.create",
			func(ctx context.Context) (any, error) {
				file, err := client.CreateFile(ctx, &rbm.FileSource{FileURL: "https://a.example/b.png", ThumbnailURL: "https://a.example/c.png", ContentDescription: "B"})
				if err != nil {
					return nil, err
				}
				return strings.HasPrefix(file.Name, "files/"), nil
			},
			true,
			"POST /v1/files",
		},
		{
			"phones.agentMessages.delete",
			func(ctx context.Context) (any, error) {
				sim.SetOnline("+12025550188", false)
				if _, err := client.SendMessage(ctx, "+12025550188", "late", hello); err != nil {
					return nil, err
				}
				return nil, client.RevokeMessage(ctx, "+12025550188", "late")
			},
			nil,
			"DELETE /v1/phones/%2B12025550188/agentMessages/late?agentId=" + agentID,
		},
	}
	for _, test := range tests {
		got, err := test.call(t.Context())
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
		if last := requests.lines[len(requests.lines)-1]; !strings.HasPrefix(last, test.request) {
			t.Errorf("%s: request %s, want %s", test.name, last, test.request)
		}
	}
}

// TestMethods_invalidArguments checks that invalid arguments are reported before anything
// is sent.
func TestBatchGetUsers_invalid(t *testing.T) {
	t.Parallel()
	client := newClient(t, rbm.Config{Endpoint: "http://localhost:1", Region: rbm.RegionUS})
	const want = "number 2 of the list"
	if _, err := client.BatchGetUsers(t.Context(), []string{phone, "+"}); !errors.Is(err, rbm.ErrInvalidPhone) || !strings.HasSuffix(err.Error(), want) {
		t.Errorf("error %v, want that of %s", err, want)
	}
}

func TestMethods_invalidArguments(t *testing.T) {
	t.Parallel()
	client := newClient(t, rbm.Config{Endpoint: "http://localhost:1"})
	global := newClient(t, rbm.Config{})
	anyError := errors.New("any")
	tests := []struct {
		name string
		call func(ctx context.Context) error
		want error
	}{
		{"SendEvent without a number", func(ctx context.Context) error {
			_, err := client.SendEvent(ctx, "", "e", rbm.TypingEvent())
			return err
		}, rbm.ErrInvalidPhone},
		{"SendEvent without ID", func(ctx context.Context) error {
			_, err := client.SendEvent(ctx, phone, "", rbm.TypingEvent())
			return err
		}, rbm.ErrInvalidID},
		{"SendEvent of nil", func(ctx context.Context) error { _, err := client.SendEvent(ctx, phone, "e", nil); return err }, anyError},
		{"Capabilities without a number", func(ctx context.Context) error { _, err := client.Capabilities(ctx, "+"); return err }, rbm.ErrInvalidPhone},
		{"InviteTester without a number", func(ctx context.Context) error { _, err := client.InviteTester(ctx, "x"); return err }, rbm.ErrInvalidPhone},
		{"BatchGetUsers with a word", func(ctx context.Context) error { _, err := client.BatchGetUsers(ctx, []string{phone, "x"}); return err }, rbm.ErrInvalidPhone},
		{"BatchGetUsers without region", func(ctx context.Context) error { _, err := global.BatchGetUsers(ctx, []string{phone}); return err }, rbm.ErrNeedsRegion},
		{"SendDialogflowEvent without a number", func(ctx context.Context) error {
			_, err := client.SendDialogflowEvent(ctx, "", "", &rbm.DialogflowEvent{})
			return err
		}, rbm.ErrInvalidPhone},
		{"SendDialogflowEvent with a path", func(ctx context.Context) error {
			_, err := client.SendDialogflowEvent(ctx, phone, "a/b", &rbm.DialogflowEvent{})
			return err
		}, rbm.ErrInvalidID},
		{"SendDialogflowEvent of nil", func(ctx context.Context) error {
			_, err := client.SendDialogflowEvent(ctx, phone, "", nil)
			return err
		}, anyError},
		{"SendDialogflowEvent of a channel", func(ctx context.Context) error {
			_, err := client.SendDialogflowEvent(ctx, phone, "", &rbm.DialogflowEvent{Parameters: map[string]any{"c": make(chan int)}})
			return err
		}, anyError},
		{"CreateFile of nil", func(ctx context.Context) error { _, err := client.CreateFile(ctx, nil); return err }, anyError},
		{"CreateFile without URL", func(ctx context.Context) error { _, err := client.CreateFile(ctx, &rbm.FileSource{}); return err }, anyError},
		{"UploadFile of nil", func(ctx context.Context) error { _, err := client.UploadFile(ctx, nil); return err }, anyError},
		{"UploadFile without type", func(ctx context.Context) error {
			_, err := client.UploadFile(ctx, &rbm.Upload{Content: strings.NewReader("x")})
			return err
		}, anyError},
	}
	for _, test := range tests {
		err := test.call(t.Context())
		var sent *rbm.Error
		if err == nil || errors.As(err, &sent) || !strings.HasPrefix(err.Error(), "rbm: ") || test.want != anyError && !errors.Is(err, test.want) {
			t.Errorf("%s: error %v, want %v", test.name, err, test.want)
		}
	}
}

// TestMethods_errorResponse checks that every method returns the error of the platform.
func TestMethods_errorResponse(t *testing.T) {
	t.Parallel()
	sim := new(rbmtest.Simulator)
	client := simulate(t, sim, rbm.Config{})
	sim.Fail(rbmtest.Failure{Status: 401})
	calls := map[string]func(ctx context.Context) error{
		"phones.agentMessages.create": func(ctx context.Context) error { _, err := client.SendMessage(ctx, phone, "m", hello); return err },
		"phones.agentMessages.delete": func(ctx context.Context) error { return client.RevokeMessage(ctx, phone, "m") },
		"phones.agentEvents.create": func(ctx context.Context) error {
			_, err := client.SendEvent(ctx, phone, "e", rbm.TypingEvent())
			return err
		},
		"phones.getCapabilities": func(ctx context.Context) error { _, err := client.Capabilities(ctx, phone); return err },
		"users.batchGet":         func(ctx context.Context) error { _, err := client.BatchGetUsers(ctx, []string{phone}); return err },
		"phones.testers.create":  func(ctx context.Context) error { _, err := client.InviteTester(ctx, phone); return err },
		"phones.dialogflowMessages.create": func(ctx context.Context) error {
			_, err := client.SendDialogflowEvent(ctx, phone, "", &rbm.DialogflowEvent{EventName: "E"})
			return err
		},
		"files.create": func(ctx context.Context) error {
			_, err := client.CreateFile(ctx, &rbm.FileSource{FileURL: "https://a.example/"})
			return err
		},
	}
	for method, call := range calls {
		err := call(t.Context())
		var refusal *rbm.Error
		if !errors.Is(err, rbm.ErrUnauthenticated) || !errors.As(err, &refusal) || refusal.Method != method {
			t.Errorf("%s: error %v, want %v of that method", method, err, rbm.ErrUnauthenticated)
		}
	}
}

// TestSendMessage_testNumbers checks the errors of the test numbers of the simulator.
func TestSendMessage_testNumbers(t *testing.T) {
	t.Parallel()
	sim := new(rbmtest.Simulator)
	client := simulate(t, sim, rbm.Config{})
	tests := []struct {
		phone    string
		want     error
		requests int
	}{
		{"+12025550103", rbm.ErrNotTester, 1},
		{"+12025550104", rbm.ErrUnreachable, 1},
		{"+12025550150", rbm.ErrUnavailable, 4},
		{"+12025550153", rbm.ErrUnavailable, 4},
		{"+12025550157", nil, 3},
		{"+12025550123", nil, 1},
	}
	for _, test := range tests {
		id := rbm.MessageID(agentID, test.phone, "k")
		if _, err := client.SendMessage(t.Context(), test.phone, id, hello); !errors.Is(err, test.want) {
			t.Errorf("%s: error %v, want %v", test.phone, err, test.want)
		}
		if got := sim.Attempts(id); got != test.requests {
			t.Errorf("%s: %d requests, want %d", test.phone, got, test.requests)
		}
	}
	if got := len(sim.Messages()); got != 2 {
		t.Errorf("%d messages arrived, want 2", got)
	}
	link := rbm.Text("Docs", rbm.OpenURL("Docs", "https://example.com"))
	if _, err := client.SendMessage(t.Context(), "+12025550140", "link", link); !errors.Is(err, rbm.ErrFeatureUnsupported) {
		t.Errorf("a link to a device without links: error %v, want %v", err, rbm.ErrFeatureUnsupported)
	}
	if _, err := client.SendMessage(t.Context(), "+12025550140", "text", hello); err != nil {
		t.Errorf("text to that device: %v", err)
	}
}

// TestSendMessage_brokenResponse checks that a message arrives once if its response is
// lost.
func TestSendMessage_brokenResponse(t *testing.T) {
	t.Parallel()
	for _, conflict := range []bool{false, true} {
		for _, failure := range []rbmtest.Failure{{Break: rbmtest.BreakAfter}, {Break: rbmtest.BreakBefore}, {Truncate: true}} {
			sim := &rbmtest.Simulator{Assume: rbmtest.Assumptions{DuplicateConflict: conflict}}
			client := simulate(t, sim, rbm.Config{})
			failure.Count = 2
			sim.Fail(failure)
			_, err := client.SendMessage(t.Context(), phone, messageID, hello)
			if taken := failure.Break != rbmtest.BreakBefore; conflict && taken {
				if !errors.Is(err, rbm.ErrAlreadyExists) {
					t.Errorf("%+v: error %v, want %v", failure, err, rbm.ErrAlreadyExists)
				}
			} else if err != nil {
				t.Errorf("%+v: %v", failure, err)
			}
			if got := len(sim.Messages()); got != 1 {
				t.Errorf("%+v: %d messages arrived, want 1", failure, got)
			}
		}
	}
}

// TestMethods_notRetried checks the calls that could do something twice.
func TestMethods_notRetried(t *testing.T) {
	t.Parallel()
	sim := new(rbmtest.Simulator)
	client, requests := record(t, sim)
	sim.Fail(rbmtest.Failure{Status: 503})
	if _, err := client.InviteTester(t.Context(), phone); !errors.Is(err, rbm.ErrUnavailable) {
		t.Errorf("InviteTester: error %v, want %v", err, rbm.ErrUnavailable)
	}
	if _, err := client.SendDialogflowEvent(t.Context(), phone, "", &rbm.DialogflowEvent{EventName: "E"}); !errors.Is(err, rbm.ErrUnavailable) {
		t.Errorf("SendDialogflowEvent: error %v, want %v", err, rbm.ErrUnavailable)
	}
	if got := len(requests.lines); got != 2 {
		t.Errorf("%d requests for 2 calls", got)
	}
}

// TestCapabilities_requestID checks that each attempt has a request ID of its own.
func TestCapabilities_requestID(t *testing.T) {
	t.Parallel()
	sim := new(rbmtest.Simulator)
	client, requests := record(t, sim)
	sim.Fail(rbmtest.Failure{Status: 503, Count: 2})
	if _, err := client.Capabilities(t.Context(), phone); err != nil {
		t.Fatal(err)
	}
	ids := make(map[string]bool)
	for _, line := range requests.lines {
		_, id, _ := strings.Cut(line, "&requestId=")
		ids[id] = true
	}
	if len(ids) != 3 || ids[""] {
		t.Errorf("request IDs %v, want three", ids)
	}
}

func TestBatchGetUsers_split(t *testing.T) {
	t.Parallel()
	sim := new(rbmtest.Simulator)
	client, requests := record(t, sim)
	var phones []string
	for i := range 20_001 {
		phones = append(phones, fmt.Sprintf("+1202%07d", i), fmt.Sprintf("+1202%07d", i/2))
	}
	got, err := client.BatchGetUsers(t.Context(), phones)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(requests.lines); n != 3 {
		t.Errorf("%d requests, want 3", n)
	}
	if len(got.ReachableUsers) != 20_001 || len(got.ReachableUsersMap["example-us"].ReachableUsers) != 20_001 {
		t.Errorf("%d reachable, %d by carrier, want 20001", len(got.ReachableUsers), len(got.ReachableUsersMap["example-us"].ReachableUsers))
	}
	if got.TotalRandomSampleUserCount < 14_000 || got.ReachableRandomSampleUserCount != got.TotalRandomSampleUserCount {
		t.Errorf("samples of %d and %d, want about 15000", got.TotalRandomSampleUserCount, got.ReachableRandomSampleUserCount)
	}

	empty, err := client.BatchGetUsers(t.Context(), nil)
	if err != nil || len(empty.ReachableUsers) != 0 || len(requests.lines) != 3 {
		t.Errorf("BatchGetUsers of no numbers = %v, %v after %d requests, want an empty response without another request", empty, err, len(requests.lines))
	}

	sim.Fail(rbmtest.Failure{Status: 400})
	if _, err := client.BatchGetUsers(t.Context(), phones); !errors.Is(err, rbm.ErrInvalidArgument) {
		t.Errorf("error %v, want %v", err, rbm.ErrInvalidArgument)
	}
}

// TestSendMessage_testdata checks that the simulator accepts every message of testdata.
func TestSendMessage_testdata(t *testing.T) {
	t.Parallel()
	sim := &rbmtest.Simulator{Now: func() time.Time { return now }}
	client := simulate(t, sim, rbm.Config{SkipCheck: true}) // the client has no clock of its own
	for i, file := range messageFiles(t) {
		m, violations := rbm.CheckAgentMessage(read(t, file), now)
		if violations != nil {
			t.Fatal(violations)
		}
		sent, err := client.SendMessage(t.Context(), phone, fmt.Sprint("m", i), m)
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		posted := sim.Messages()[i].AgentMessage
		want, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(plain(t, want), plain(t, posted)); diff != "" {
			t.Errorf("%s: posted (-want +got):\n%s", file, diff)
		}
		if diff := cmp.Diff(m.ContentMessage, sent.ContentMessage); diff != "" {
			t.Errorf("%s: returned (-want +got):\n%s", file, diff)
		}
	}
}
