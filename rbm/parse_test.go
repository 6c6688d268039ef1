package rbm_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rcshook/rcshook/internal/racetest"
	"github.com/rcshook/rcshook/rbm"
)

var now = time.Date(2027, 1, 1, 12, 0, 0, 0, time.UTC)

// messageFiles returns complete messages, one for each form that the API has.
func messageFiles(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/messages/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("messages in testdata: %d files, error %v", len(files), err)
	}
	return files
}

func read(t testing.TB, file string) []byte {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// plain decodes a document and drops false, which means the same as absent.
func plain(t *testing.T, data []byte) any {
	t.Helper()
	var v any
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatal(err)
	}
	return withoutFalse(v)
}

func withoutFalse(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name, member := range v {
			if v[name] = withoutFalse(member); member == false {
				delete(v, name)
			}
		}
	case []any:
		for i := range v {
			v[i] = withoutFalse(v[i])
		}
	}
	return v
}

func TestCheckAgentMessage_roundTrip(t *testing.T) {
	t.Parallel()
	for _, file := range messageFiles(t) {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".json"), func(t *testing.T) {
			t.Parallel()
			data := read(t, file)
			m, violations := rbm.CheckAgentMessage(data, now)
			if len(violations) > 0 {
				t.Fatalf("CheckAgentMessage: %v, want no violation", violations)
			}
			encoded, err := m.Encode()
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(plain(t, data), plain(t, encoded)); diff != "" {
				t.Errorf("decoded and encoded again (-file +encoded):\n%s", diff)
			}
		})
	}
}

// pointersAndRules compares only the pointers and rules of violations.
var pointersAndRules = cmpopts.IgnoreFields(rbm.Violation{}, "Limit", "Actual", "Detail")

func TestParseAgentMessage_lenient(t *testing.T) {
	t.Parallel()
	const media = `"media":{"contentInfo":{"fileUrl":"https://a.example/b.jpg"}}`
	tests := []struct {
		name, in, want string
	}{
		{
			"snake case",
			`{"content_message":{"text":"Hi","suggestions":[{"action":{"text":"Go","postback_data":"go","fallback_url":"https://a.example/",
				"open_url_action":{"url":"https://a.example/","webview_view_mode":"HALF"}}}]},"message_traffic_type":"PROMOTION"}`,
			`{"contentMessage":{"text":"Hi","suggestions":[{"action":{"text":"Go","postbackData":"go","fallbackUrl":"https://a.example/",
				"openUrlAction":{"url":"https://a.example/","webviewViewMode":"HALF"}}}]},"messageTrafficType":"PROMOTION"}`,
		},
		{
			"null in a union",
			`{"contentMessage":{"text":"Hi","richCard":null,"suggestions":null},"ttl":null,"expireTime":null,"name":null}`,
			`{"contentMessage":{"text":"Hi"}}`,
		},
		{
			"numbers as strings",
			`{"contentMessage":{"text":"Hi","suggestions":[{"action":{"text":"Map","viewLocationAction":{"latLong":{"latitude":"37.4220188","longitude":"-1.22e2"}}}}]}}`,
			`{"contentMessage":{"text":"Hi","suggestions":[{"action":{"text":"Map","viewLocationAction":{"latLong":{"latitude":37.4220188,"longitude":-122}}}}]}}`,
		},
		{
			"enum numbers",
			`{"contentMessage":{"richCard":{"standaloneCard":{"cardOrientation":1,"thumbnailImageAlignment":2,"cardContent":{"title":"T",` + media + `}}}},"messageTrafficType":4.0}`,
			`{"contentMessage":{"richCard":{"standaloneCard":{"cardOrientation":"HORIZONTAL","thumbnailImageAlignment":"RIGHT","cardContent":{"title":"T",` + media + `}}}},"messageTrafficType":"SERVICEREQUEST"}`,
		},
		{
			"time with an offset and nine decimals",
			`{"contentMessage":{"text":"Hi"},"expireTime":"2027-01-02T03:04:05.123456789+05:30"}`,
			`{"contentMessage":{"text":"Hi"},"expireTime":"2027-01-02T03:04:05.123456789+05:30"}`,
		},
		{
			"single quotes, as in the shell samples",
			`{'contentMessage': {'text': 'It\'s "here"'}}`,
			`{"contentMessage":{"text":"It's \"here\""}}`,
		},
		{
			"names without quotes, and a comma after the last member",
			`{contentMessage:{text:"Hi",suggestions:[{reply:{text:'Yes',},},],},}`,
			`{"contentMessage":{"text":"Hi","suggestions":[{"reply":{"text":"Yes"}}]}}`,
		},
		{
			"escapes in single quotes",
			`{'contentMessage':{'text':'\\\'"\"\u0041'}}`,
			`{"contentMessage":{"text":"\\'\"\"A"}}`,
		},
		{
			"escapes",
			`{"contentMessage":{"text":"\u00e9\n\t\"\\\/\b\f\r \ud83d\udeb2 \ud83d \ud83dx"}}`,
			`{"contentMessage":{"text":"é\n\t\"\\/\b\f\r 🚲 � �x"}}`,
		},
		{
			"empty strings",
			`{"contentMessage":{"richCard":{"standaloneCard":{"cardOrientation":"VERTICAL","cardContent":{"title":"","description":"D"}}}}}`,
			`{"contentMessage":{"richCard":{"standaloneCard":{"cardOrientation":"VERTICAL","cardContent":{"description":"D"}}}}}`,
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			m, violations := rbm.CheckAgentMessage([]byte(test.in), now)
			if len(violations) > 0 {
				t.Fatalf("CheckAgentMessage: %v, want no violation", violations)
			}
			got, err := m.Encode()
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(plain(t, []byte(test.want)), plain(t, got)); diff != "" {
				t.Errorf("message (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseAgentMessage_invalid(t *testing.T) {
	t.Parallel()
	location := func(latLong string) string {
		return `{"contentMessage":{"text":"Hi","suggestions":[{"action":{"text":"M","viewLocationAction":{"latLong":` + latLong + `}}}]}}`
	}
	const latLong = "/contentMessage/suggestions/0/action/viewLocationAction/latLong"
	tests := []struct {
		name, in string
		want     []rbm.Violation
	}{
		{"empty", " \n", []rbm.Violation{{Rule: rbm.RuleSyntax, Detail: "the document is empty"}}},
		{"cut off", `{"contentMessage":`, []rbm.Violation{{Rule: rbm.RuleSyntax, Detail: "invalid JSON: unexpected end of the document (line 1, column 19)"}}},
		{"line and column", "{\n  \"é\" 1}", []rbm.Violation{{Rule: rbm.RuleSyntax, Detail: "invalid JSON: expected a colon (line 2, column 7)"}}},
		{"list", `[]`, []rbm.Violation{{Rule: rbm.RuleType, Detail: "must be an object, not a list"}}},
		{"deepest list", strings.Repeat("[", 100) + strings.Repeat("]", 100), []rbm.Violation{{Rule: rbm.RuleType, Detail: "must be an object, not a list"}}},
		{"null", `null`, []rbm.Violation{{Rule: rbm.RuleType, Detail: "must be an object, not null"}}},
		{"unknown field", `{"contentMesage":{"text":"Hi"}}`, []rbm.Violation{
			{Pointer: "/contentMesage", Rule: rbm.RuleUnknown, Detail: "is an unknown field; did you mean contentMessage?"},
		}},
		{"unknown field far from any", `{"contentMessage":{"text":"Hi","suggestions":[{"knopf":{}}]}}`, []rbm.Violation{
			{Pointer: "/contentMessage/suggestions/0/knopf", Rule: rbm.RuleUnknown, Detail: "is an unknown field; known fields are reply, action"},
		}},
		{"field of another object", `{"contentMessage":{"suggestions":[{"action":{"shareLocationAction":{"x":1}}}]}}`, []rbm.Violation{
			{Pointer: "/contentMessage/suggestions/0/action/shareLocationAction/x", Rule: rbm.RuleUnknown, Detail: "is an unknown field; this object is always empty"},
		}},
		{"pointer is escaped", `{"a/b~c":1,"":2}`, []rbm.Violation{
			{Pointer: "/a~1b~0c", Rule: rbm.RuleUnknown, Detail: "is an unknown field; known fields are contentMessage, messageTrafficType, ttl, expireTime, name, sendTime, richMessageClassification, totalPayloadSizeBytes, carrier"},
			{Pointer: "/", Rule: rbm.RuleUnknown, Detail: "is an unknown field; known fields are contentMessage, messageTrafficType, ttl, expireTime, name, sendTime, richMessageClassification, totalPayloadSizeBytes, carrier"},
		}},
		{
			"wrong types, all at once, as sent",
			`{"content_message":{"text":1,"suggestions":{},"contentInfo":[],"content_info":"x"},"ttl":600,"messageTrafficType":true,"expire_time":5}`,
			[]rbm.Violation{
				{Pointer: "/content_message/text", Rule: rbm.RuleType, Detail: "must be a string, not a number"},
				{Pointer: "/content_message/suggestions", Rule: rbm.RuleType, Detail: "must be a list, not an object"},
				{Pointer: "/content_message/contentInfo", Rule: rbm.RuleUnion, Detail: "conflicts with text; send only one of text, fileName, uploadedRbmFile, richCard, contentInfo"},
				{Pointer: "/content_message/content_info", Rule: rbm.RuleDuplicate, Detail: "is a duplicate; send it only once"},
				{Pointer: "/ttl", Rule: rbm.RuleType, Detail: "must be a string such as 600s, not a number"},
				{Pointer: "/messageTrafficType", Rule: rbm.RuleType, Detail: "must be a string, not a boolean"},
				{Pointer: "/expire_time", Rule: rbm.RuleUnion, Detail: "conflicts with ttl; send only one of ttl, expireTime"},
			},
		},
		{"times of other types", `{"contentMessage":{"suggestions":[{"action":{"createCalendarEventAction":{"startTime":1,"endTime":{}}}}]}}`, []rbm.Violation{
			{Pointer: "/contentMessage/suggestions/0/action/createCalendarEventAction/startTime", Rule: rbm.RuleType, Detail: "must be a string, not a number"},
			{Pointer: "/contentMessage/suggestions/0/action/createCalendarEventAction/endTime", Rule: rbm.RuleType, Detail: "must be a string, not an object"},
		}},
		{"invalid enum number", `{"messageTrafficType":1.5}`, []rbm.Violation{
			{Pointer: "/messageTrafficType", Rule: rbm.RuleEnum, Detail: "must be one of AUTHENTICATION, TRANSACTION, PROMOTION, SERVICEREQUEST, ACKNOWLEDGEMENT"},
		}},
		{"very long name", `{"contentMessage":{"` + strings.Repeat("a", 65) + `":1}}`, []rbm.Violation{
			{Pointer: "/contentMessage/" + strings.Repeat("a", 65), Rule: rbm.RuleUnknown, Detail: "is an unknown field; known fields are text, fileName, uploadedRbmFile, richCard, contentInfo, suggestions"},
		}},
		{"bool and object", `{"contentMessage":{"contentInfo":{"fileUrl":{},"forceRefresh":"true"}}}`, []rbm.Violation{
			{Pointer: "/contentMessage/contentInfo/fileUrl", Rule: rbm.RuleType, Detail: "must be a string, not an object"},
			{Pointer: "/contentMessage/contentInfo/forceRefresh", Rule: rbm.RuleType, Detail: "must be a boolean, not a string"},
		}},
		{"null in a list", `{"contentMessage":{"suggestions":[null,{"reply":"Yes"}]}}`, []rbm.Violation{
			{Pointer: "/contentMessage/suggestions/0", Rule: rbm.RuleType, Detail: "must be an object, not null"},
			{Pointer: "/contentMessage/suggestions/1/reply", Rule: rbm.RuleType, Detail: "must be an object, not a string"},
		}},
		{"union with an empty second member", `{"contentMessage":{"contentInfo":{"fileUrl":"https://a.example/"},"text":""}}`, []rbm.Violation{
			{Pointer: "/contentMessage/text", Rule: rbm.RuleUnion, Detail: "conflicts with contentInfo; send only one of text, fileName, uploadedRbmFile, richCard, contentInfo"},
		}},
		{"union of suggestions", `{"contentMessage":{"suggestions":[{"reply":{},"action":{"dialAction":{},"shareLocationAction":{}}}]}}`, []rbm.Violation{
			{Pointer: "/contentMessage/suggestions/0/action", Rule: rbm.RuleUnion, Detail: "conflicts with reply; send only one of reply, action"},
		}},
		{"same name in two spellings", `{"contentMessage":{},"content_message":{}}`, []rbm.Violation{
			{Pointer: "/content_message", Rule: rbm.RuleDuplicate, Detail: "is a duplicate; send it only once"},
		}},
		{"enum word", `{"messageTrafficType":"SERVICE_REQUEST"}`, []rbm.Violation{{
			Pointer: "/messageTrafficType", Rule: rbm.RuleEnum,
			Detail: "must be one of AUTHENTICATION, TRANSACTION, PROMOTION, SERVICEREQUEST, ACKNOWLEDGEMENT; did you mean SERVICEREQUEST?",
		}}},
		{"enum number", `{"messageTrafficType":6}`, []rbm.Violation{{
			Pointer: "/messageTrafficType", Rule: rbm.RuleEnum,
			Detail: "must be one of AUTHENTICATION, TRANSACTION, PROMOTION, SERVICEREQUEST, ACKNOWLEDGEMENT",
		}}},
		{
			"output only", `{"name":"phones/+12025550123/agentMessages/1","send_time":"","richMessageClassification":{},"totalPayloadSizeBytes":"1","carrier":""}`,
			[]rbm.Violation{
				{Pointer: "/name", Rule: rbm.RuleReadOnly, Detail: "is set by the platform; leave it out"},
				{Pointer: "/send_time", Rule: rbm.RuleReadOnly, Detail: "is set by the platform; leave it out"},
				{Pointer: "/richMessageClassification", Rule: rbm.RuleReadOnly, Detail: "is set by the platform; leave it out"},
				{Pointer: "/totalPayloadSizeBytes", Rule: rbm.RuleReadOnly, Detail: "is set by the platform; leave it out"},
				{Pointer: "/carrier", Rule: rbm.RuleReadOnly, Detail: "is set by the platform; leave it out"},
			},
		},
		{"latitude of the wrong type", location(`{"latitude":true,"longitude":"12,5"}`), []rbm.Violation{
			{Pointer: latLong + "/latitude", Rule: rbm.RuleType, Detail: "must be a number, not a boolean"},
			{Pointer: latLong + "/longitude", Rule: rbm.RuleType, Detail: "must be a decimal number"},
		}},
		{"no longitude", location(`{"latitude":1}`), []rbm.Violation{
			{Pointer: latLong + "/longitude", Rule: rbm.RuleRequired, Detail: "is missing"},
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, got := rbm.ParseAgentMessage([]byte(test.in))
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("ParseAgentMessage(%s) (-want +got):\n%s", test.in, diff)
			}
		})
	}
}

func TestParseAgentMessage_syntax(t *testing.T) {
	t.Parallel()
	for _, in := range []string{
		`{`, `{"a"`, `{"a":`, `{"a":1`, `{"a":1,`, `{"a":1,,}`, `{,}`, `{"a" 1}`, `{a-b:1}`, `{a:1`, `{a}`, `{"a":1 "b":2}`, `{1:2}`, `{1a:2}`,
		`[`, `[1`, `[1,,]`, `[,]`, `[1 2]`, `]`, `}`, `{"a":]}`, `{"a":[}]}`, `{} {}`, `{}x`,
		`tru`, `nul`, `TRUE`, `undefined`, `01`, `-`, `1.`, `.5`, `1e`, `1e+`, `+1`, `0x1`, `{"a":NaN}`,
		`"a`, `'a"`, `"\`, `"\x"`, `"\'"`, `"\u12"`, `"\u12G4"`, `"\ud800\u12"`, "\"a\nb\"", "\"\xff\"", "{\"\xc3\":1}",
		strings.Repeat("[", 101) + strings.Repeat("]", 101), strings.Repeat(`{"a":`, 1000),
	} {
		m, got := rbm.ParseAgentMessage([]byte(in))
		want := []rbm.Violation{{Rule: rbm.RuleSyntax}}
		if diff := cmp.Diff(want, got, pointersAndRules); diff != "" || m != nil {
			t.Errorf("ParseAgentMessage(%q) = %v (-want +got):\n%s", in, m, diff)
		}
	}
}

func TestParseAgentMessage_times(t *testing.T) {
	t.Parallel()
	format := []rbm.Violation{{Rule: rbm.RuleFormat}}
	tests := []struct {
		field, value string
		want         []rbm.Violation
	}{
		{"ttl", "0.000000001s", nil},
		{"ttl", "1296000s", nil},
		{"ttl", "00010s", nil},
		{"ttl", "999999999999s", nil}, // Check reports the limit
		{"ttl", "0s", []rbm.Violation{{Rule: rbm.RuleRange}}},
		{"ttl", "-5s", []rbm.Violation{{Rule: rbm.RuleRange}}},
		{"ttl", "10", format},
		{"ttl", "10m", format},
		{"ttl", "1h10s", format},
		{"ttl", "1e3s", format},
		{"ttl", ".5s", format},
		{"ttl", "1.s", format},
		{"ttl", "1.0000000001s", format},
		{"ttl", "+1s", format},
		{"ttl", "--1s", format},
		{"ttl", " 1s", format},
		{"ttl", "s", format},
		{"ttl", "", format},
		{"expireTime", "2027-01-02T03:04:05Z", nil},
		{"expireTime", "2027-01-02T03:04:05.1-11:00", nil},
		{"expireTime", "2027-01-02", format},
		{"expireTime", "2027-01-02 03:04:05Z", format},
		{"expireTime", "2027-01-02T03:04:05", format},
		{"expireTime", "2027-01-02t03:04:05z", format},
		{"expireTime", "2027-01-02T3:04:05Z", format},
		{"expireTime", "2027-01-02T3:04:05+01:00", format},
		{"expireTime", "2027-02-29T03:04:05Z", format},
		{"expireTime", "2027-01-02T24:04:05Z", format},
		{"expireTime", "2027-01-02T03:04:05,5Z", format},
		{"expireTime", "2027-01-02T03:04:05.Z", format},
		{"expireTime", "2027-01-02T03:04:05.1234567890Z", format},
		{"expireTime", "2027-01-02T03:04:05+25:00", format},
		{"expireTime", "0000-01-02T03:04:05Z", format},
		{"expireTime", "tomorrow", format},
		{"expireTime", "", format},
	}
	for _, test := range tests {
		in := `{"contentMessage":{"text":"Hi"},"` + test.field + `":"` + test.value + `"}`
		for i := range test.want {
			test.want[i].Pointer = "/" + test.field
		}
		_, got := rbm.ParseAgentMessage([]byte(in))
		if diff := cmp.Diff(test.want, got, pointersAndRules); diff != "" {
			t.Errorf("%s %q (-want +got):\n%s", test.field, test.value, diff)
		}
	}
}

func TestCheckAgentMessage_atMost100(t *testing.T) {
	t.Parallel()
	for _, in := range []string{
		`{` + strings.Repeat(`"nonsense":1,`, 5000) + `"contentMessage":{}}`,
		`{"contentMessage":{"text":"Hi","suggestions":[` + strings.Repeat(`{},`, 200) + `{}]}}`,
		`{"contentMessage":{"text":"Hi","suggestions":[` + strings.Repeat(`{"reply":1},`, 200) + `{}]}}`,
	} {
		_, got := rbm.CheckAgentMessage([]byte(in), now)
		if len(got) != 100 {
			t.Errorf("%s: %d violations, want 100", in[:20], len(got))
		}
	}
}

func TestCheckAgentMessage_pointers(t *testing.T) {
	t.Parallel()
	const in = `{"content_message":{"rich_card":{"carouselCard":{"card_width":"SMALL","card_contents":[
		{"title":"A","media":{"height":"TALL","content_info":{"file_url":"ftp://a.example/b"}}},
		{"suggestions":[{"reply":{"text":"","postback_data":"x"}},{"action":{"text":5,"dial_action":{"phone_number":"1-2"}}}]}]}}},
		"ttl":"1296001s","x":{}}`
	_, got := rbm.CheckAgentMessage([]byte(in), now)
	const cards = "/content_message/rich_card/carouselCard/card_contents"
	want := []rbm.Violation{
		{Pointer: cards + "/1/suggestions/1/action/text", Rule: rbm.RuleType},
		{Pointer: "/x", Rule: rbm.RuleUnknown},
		{Pointer: cards + "/0/media/content_info/file_url", Rule: rbm.RuleFormat},
		{Pointer: cards + "/0/media/height", Rule: rbm.RuleTallMedia},
		{Pointer: cards + "/1", Rule: rbm.RuleRequired},
		{Pointer: cards + "/1/suggestions/0/reply/text", Rule: rbm.RuleRequired},
		{Pointer: cards + "/1/suggestions/1/action/dial_action/phone_number", Rule: rbm.RuleFormat},
		{Pointer: "/ttl", Rule: rbm.RuleRange},
	}
	if diff := cmp.Diff(want, got, pointersAndRules, cmpopts.SortSlices(func(a, b rbm.Violation) bool { return a.Pointer < b.Pointer })); diff != "" {
		t.Errorf("CheckAgentMessage (-want +got):\n%s", diff)
	}
}

// TestCheckAgentMessage_consequences checks that a value that the parser rejected is not
// also reported as missing.
func TestCheckAgentMessage_consequences(t *testing.T) {
	t.Parallel()
	tests := []struct {
		in   string
		want []rbm.Violation
	}{
		{`{"contentMessage":{"text":1}}`, []rbm.Violation{{Pointer: "/contentMessage/text", Rule: rbm.RuleType}}},
		{`{"contentMessage":"Hi"}`, []rbm.Violation{{Pointer: "/contentMessage", Rule: rbm.RuleType}}},
		{`{"contentMessage":{"text":"Hi"},"messageTrafficType":"SPAM"}`, []rbm.Violation{{Pointer: "/messageTrafficType", Rule: rbm.RuleEnum}}},
		{`{"contentMessage":{"txt":"Hi"}}`, []rbm.Violation{
			{Pointer: "/contentMessage/txt", Rule: rbm.RuleUnknown}, {Pointer: "/contentMessage", Rule: rbm.RuleRequired},
		}},
		{`{}`, []rbm.Violation{{Pointer: "/contentMessage", Rule: rbm.RuleRequired}}},
	}
	for _, test := range tests {
		_, got := rbm.CheckAgentMessage([]byte(test.in), now)
		if diff := cmp.Diff(test.want, got, pointersAndRules); diff != "" {
			t.Errorf("CheckAgentMessage(%s) (-want +got):\n%s", test.in, diff)
		}
	}
}

// TestParseAgentMessage_truncated checks that no part of a document is taken for the whole,
// and that the parser does not read beyond the data.
func TestParseAgentMessage_truncated(t *testing.T) {
	t.Parallel()
	racetest.Skip(t)
	documents := [][]byte{[]byte(`{'a\'b': "\u00e9\\", c: [1e9, {"d": null,},], "contentMessage": {"text": "Hi"}}`)}
	for _, file := range messageFiles(t) {
		documents = append(documents, bytes.TrimSpace(read(t, file)))
	}
	for _, data := range documents {
		for n := range data {
			part := slices.Clip(bytes.Clone(data[:n])) // without spare capacity
			if _, violations := rbm.ParseAgentMessage(part[:n:n]); len(violations) == 0 {
				t.Errorf("%q was accepted", part)
			}
			envelope, err := json.Marshal(map[string]any{"message": map[string]any{"data": part}})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := rbm.ParseWebhook(envelope); err == nil {
				t.Errorf("%q was accepted as an event", part)
			}
		}
	}
}

func FuzzParseAgentMessage(f *testing.F) {
	for _, file := range messageFiles(f) {
		f.Add(read(f, file))
	}
	f.Add([]byte(`{'content_message':{"text":"\ud800","suggestions":[null,{"reply":{},"action":{}}]},"ttl":"-0.5s","x":[1e9,true]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		data = data[:len(data):len(data)]
		m, violations := rbm.CheckAgentMessage(data, now)
		for _, v := range violations {
			if v.Rule == "" || v.Detail == "" || v.Pointer != "" && v.Pointer[0] != '/' {
				t.Errorf("violation %+v of %q is incomplete", v, data)
			}
		}
		if len(violations) > 0 {
			return
		}
		// A valid message can be encoded, and is the same when it is parsed again.
		encoded, err := m.Encode()
		if err != nil {
			t.Fatalf("Encode: %v, for %q", err, data)
		}
		if len(encoded) > rbm.MaxMessageBytes {
			t.Errorf("%d bytes were not reported, for %q", len(encoded), data)
		}
		again, violations := rbm.CheckAgentMessage(encoded, now)
		if len(violations) > 0 {
			t.Fatalf("read again: %v, for %q", violations, encoded)
		}
		if diff := cmp.Diff(m, again, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("read again (-first +second):\n%s", diff)
		}
	})
}
