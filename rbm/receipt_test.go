package rbm_test

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rcshook/rcshook/rbm"
)

func TestSendEncoded_responses(t *testing.T) {
	t.Parallel()
	const name = "phones/" + phone + "/agentMessages/" + messageID
	at := time.Date(2026, 12, 1, 9, 0, 0, 123456000, time.UTC)
	for _, test := range []struct {
		name, response string
		want           *rbm.Receipt // nil for an error
	}{
		{
			"whole message", `{"name": "` + name + `", "sendTime": "2026-12-01T09:00:00.123456Z",
				"expireTime": "2026-12-01T09:00:00.123456Z", "contentMessage": {"text": "Hi", "suggestions": [{"reply": {}}]}}`,
			&rbm.Receipt{Name: name, SendTime: at, ExpireTime: at},
		},
		{"mismatched types", `{"sendTime": 5, "name": "` + name + `", "expireTime": {"a": []}}`, &rbm.Receipt{Name: name}},
		{"invalid time", `{"name": "` + name + `", "sendTime": "soon"}`, &rbm.Receipt{Name: name}},
		{"error in a text", ` {"contentMessage": {"text": "no \"error\": {}"}, "x": {"error": {}}, "name": "` + name + `"}`, &rbm.Receipt{Name: name}},
		{"empty object", " {}", nil},
		{"error", `{"error": {"code": 503}, "name": "` + name + `"}`, nil},
		{"another ID", `{"name": "phones/` + phone + `/agentMessages/a"}`, nil},
		{"part of the number", `{"name": "phones/1` + phone + `/agentMessages/` + messageID + `"}`, nil},
		{"closing brackets in a text", `{"contentMessage": {"text": "a \"}, ] \\"}, "ids": [1, 2.5e3, null, true], "name": "phones/\u002b12025550123/agentMessages/` + messageID + `"}`, &rbm.Receipt{Name: name}},
		{"truncated object", `{"name": "n"`, nil},
		{"truncated text", `{"contentMessage": {"text": "Hi`, nil},
		{"truncated list", `{"ids": [1, {"a": 2}, `, nil},
		{"truncated escape", `{"a": "\`, nil},
		{"two objects", `{"name": "n"} {}`, nil},
		{"list", `[{"name": "n"}]`, nil},
		{"null", `null`, nil},
		{"web page", `<html>`, nil},
		{"empty", ``, nil},
	} {
		client := newClient(t, rbm.Config{Retry: rbm.Retry{MaxAttempts: 1}, HTTPClient: &http.Client{
			Transport: roundTripper(func(*http.Request) (*http.Response, error) { return response(200, nil, test.response), nil }),
		}})
		got, err := client.SendEncoded(t.Context(), phone, messageID, []byte("{}"))
		if test.want == nil && !errors.Is(err, rbm.ErrUnavailable) || test.want != nil && err != nil {
			t.Errorf("%s: error %v", test.name, err)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
	}
}

// An ID that is derived from the number cannot be that of a message to another number, so
// such a response is not from the platform.
func TestSendEncoded_derivedID(t *testing.T) {
	t.Parallel()
	id := rbm.MessageID("agent", phone, "key")
	client := newClient(t, rbm.Config{Retry: rbm.Retry{MaxAttempts: 1}, HTTPClient: &http.Client{
		Transport: roundTripper(func(*http.Request) (*http.Response, error) {
			return response(200, nil, `{"name": "phones/+12025550124/agentMessages/`+id+`"}`), nil
		}),
	}})
	if _, err := client.SendEncoded(t.Context(), phone, id, []byte("{}")); !errors.Is(err, rbm.ErrUnavailable) {
		t.Errorf("SendEncoded: %v, want ErrUnavailable", err)
	}
}
