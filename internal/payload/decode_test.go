package payload_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rcshook/rcshook/internal/payload"
)

const (
	asJSON = "application/json"
	asForm = "application/x-www-form-urlencoded"
)

// decode decodes a readable body.
func decode(t *testing.T, contentType, body string) *payload.Payload {
	t.Helper()
	p, err := payload.Decode(contentType, []byte(body), payload.Options{})
	if err != nil {
		t.Fatalf("Decode(%q, %q): %v", contentType, body, err)
	}
	return p
}

// problems returns the errors of a payload as lines.
func problems(t *testing.T, contentType, body string) []string {
	t.Helper()
	var lines []string
	for _, f := range decode(t, contentType, body).Errors.Sorted() {
		line := f.Pointer + ": " + f.Detail
		if f.Limit != 0 {
			line += fmt.Sprintf(" [%d/%d]", f.Actual, f.Limit)
		}
		lines = append(lines, line)
	}
	return lines
}

func TestDecode_unreadable(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat("[", 40) + strings.Repeat("]", 40)
	multipart := "multipart/form-data; boundary=X"
	for _, tt := range []struct {
		name, contentType, body string
		want                    string
	}{
		{"empty", asJSON, "", "it is empty"},
		{"white space", asJSON, " \r\n\t", "it is empty"},
		{"empty form", asForm, "", "it is empty"},
		{"byte order mark only", asJSON, "\ufeff", "it is empty"},
		{"null", asJSON, "null", "expected an object with fields such as to and text, got null"},
		{"text", asJSON, `"to"`, "expected an object with fields such as to and text, got text"},
		{"number", asJSON, "5", "expected an object with fields such as to and text, got a number"},
		{"list of none", asJSON, "[]", "expected one object, got a list of 0; send one object per request"},
		{"list of two", asJSON, "[{},{}]", "expected one object, got a list of 2; send one object per request"},
		{"list in a list", asJSON, "[[{}]]", "expected an object with fields such as to and text, got a list"},
		{"breaks off", asJSON, "{\"to\":\n\"+1", "unexpected end of the JSON at line 2, column 4"},
		{"two values", asJSON, `{} {}`, "unexpected data after the end of the JSON at line 1, column 4"},
		{"rubbish after", asJSON, `{}}`, "unexpected data after the end of the JSON at line 1, column 3"},
		{"single quotes", asJSON, `{'to': 1}`, "invalid JSON at line 1, column 2: strings must be in double quotes"},
		{"typographic quotes", asJSON, `{“to”: 1}`, "invalid JSON at line 1, column 2: typographic quotes; use straight quotes"},
		{"trailing comma", asJSON, `{"to": 1,}`, "invalid JSON at line 1, column 9: trailing comma before a closing bracket"},
		{"trailing comma in a list", asJSON, `{"to": [1,]}`, "invalid JSON at line 1, column 10: trailing comma before a closing bracket"},
		{"no comma", asJSON, `{"to": 1 "text": 2}`, "invalid JSON at line 1, column 10: missing comma, or an unescaped quote in a string; write it as \\\""},
		{"quote in a text", asJSON, `{"text": "a "b" c"}`, "invalid JSON at line 1, column 14: missing quote, or an unescaped quote in a string; write it as \\\""},
		{"bare word", asJSON, `{"text": hello}`, "invalid JSON at line 1, column 10: missing quote, or an unescaped quote in a string; write it as \\\""},
		{"number with +", asJSON, `{"to": +12025550123}`, "invalid JSON at line 1, column 8: a value that starts with +, such as a phone number, must be in double quotes"},
		{"form as JSON", asJSON, "to=%2B12025550123&text=a", "invalid JSON at line 1, column 2: the text looks like a form; send it as application/x-www-form-urlencoded"},
		{"line break in a text", asJSON, "{\"text\": \"a\nb\"}", "invalid JSON at line 1, column 12: unescaped line break in a string; write it as \\n"},
		{"tab in a text", asJSON, "{\"text\": \"a\tb\"}", "invalid JSON at line 1, column 12: unescaped tab in a string; write it as \\t"},
		{"wrong escape", asJSON, `{"text": "\x"}`, "invalid JSON at line 1, column 11"},
		{"columns are characters", asJSON, `{"text": "äöü" 1}`, "invalid JSON at line 1, column 16"},
		{"not UTF-8", asJSON, "{\"text\": \"\xff\"}", "invalid UTF-8 at line 1, column 11"},
		{"half a surrogate", asJSON, `{"text": "\ud800"}`, "invalid JSON at line 1, column 11"},
		{"too deep", asJSON, `{"a":` + deep + `}`, "nested more than 32 levels deep at line 1, column 37"},
		{"too many values", asJSON, "[" + strings.Repeat("0,", 9_999) + "0]", "more than 10000 values"},
		{"as many values as are read", asJSON, "[" + strings.Repeat("0,", 9_998) + "0]", "expected one object, got a list of 9999; send one object per request"},
		{"long name", asJSON, `{"` + strings.Repeat("a", 257) + `":1}`, "a field name is longer than 256 bytes at line 1, column 261"},
		{"broken escape", asForm, "text=a&to=%zz", "invalid percent-encoding in the field that starts at byte 8"},
		{"broken escape in a name", asForm, "%=a", "invalid percent-encoding in the field that starts at byte 1"},
		{"form not UTF-8", asForm, "text=%ff", "form field 1 is not valid UTF-8; send UTF-8, or name its charset in the Content-Type"},
		{"form not in its charset", asForm + "; charset=gbk", "a=b&text=%ff", "form field 2 is not valid gbk; send UTF-8, or name its charset in the Content-Type"},
		{"too many fields", asForm, strings.Repeat("a=1&", 10_001), "more than 10000 fields"},
		{"long field name", asForm, strings.Repeat("a", 257) + "=1", "a field name is longer than 256 bytes"},
		{"no boundary", "multipart/form-data", "--X--", "invalid multipart form: the Content-Type has no boundary"},
		{"other boundary", multipart, "--Y\r\n\r\n--Y--", "invalid multipart form: it is empty or truncated, or its boundary differs from the Content-Type"},
		{"no parts", multipart, "--X--\r\n", "invalid multipart form: it is empty or truncated, or its boundary differs from the Content-Type"},
		{"multipart breaks off", multipart, "--X\r\nContent-Disposition: form-data; name=\"to\"\r\n\r\n+1", "invalid multipart form: it is truncated inside a field"},
		{"part without a name", multipart, "--X\r\n\r\na\r\n--X--\r\n", "invalid multipart form: a part has no name"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := payload.Decode(tt.contentType, []byte(tt.body), payload.Options{})
			var body *payload.BodyError
			if !errors.As(err, &body) || body.Detail != tt.want {
				t.Errorf("Decode: %v\nwant %q", err, tt.want)
			}
		})
	}
}

// TestDecode_limits tests the largest names and lists that are read.
func TestDecode_limits(t *testing.T) {
	t.Parallel()
	name := strings.Repeat("a", 256)
	for _, tt := range []struct {
		name, contentType, body, problem string
		want                             bool
	}{
		{"long name", asJSON, `{"` + name + `":1}`, "/" + name, true}, // it is only unknown
		{"long field name", asForm, name + "=1", "/" + name, true},
		{"a hundred buttons", asForm, "buttons=" + strings.Repeat("a%0A", 99) + "a", "/buttons", false},
		{"one more", asForm, "buttons=" + strings.Repeat("a%0A", 100) + "a", "/buttons", true},
	} {
		found := slices.ContainsFunc(problems(t, tt.contentType, tt.body), func(line string) bool { return strings.HasPrefix(line, tt.problem+": ") })
		if found != tt.want {
			t.Errorf("%s: an error at %s: %t, want %t", tt.name, tt.problem, found, tt.want)
		}
	}
}

func TestDecode_contentType(t *testing.T) {
	t.Parallel()
	const json = `{"to": "+12025550123", "text": "hi"}`
	const form = "to=%2B12025550123&text=hi"
	for _, tt := range []struct{ contentType, body string }{
		{"application/json", json},
		{"Application/JSON; charset=UTF-8", json},
		{"application/json;charset=us-ascii", json},
		{"application/vnd.example+json", json},
		{"text/json", json},
		{"", json},
		{"", "\ufeff\n " + json},
		{asForm, form},
		{asForm + "; charset=utf-8", form},
		{asForm, json}, // curl -d without -H
		{"multipart/form-data; boundary=X", json},
		{"application/json; utf-8", json},
		{"application/json; charset", json},
		{"application/json; charset=", json},
		{"application/json;charset=UTF-8;", json},
		{"application/json; charset=utf-8; charset=utf-8", json},
		{"application/json, application/json", json},
		{"application/json; charset=utf-8, Application/JSON; charset=utf-8", json},
		{"application/json; charset=iso-8859-1", json},
		{"application/json; charset=utf8mb4", json},
		{asForm + ", " + asForm, form},
		{asForm + "; utf-8", form},
		{"multipart/form-data, multipart/form-data; boundary=X", "--X\r\nContent-Disposition: form-data; name=\"to\"\r\n\r\n+12025550123\r\n--X\r\nContent-Disposition: form-data; name=\"text\"\r\n\r\nhi\r\n--X--"},
		{asJSON, "[" + json + "]"},
	} {
		p := decode(t, tt.contentType, tt.body)
		if len(p.Errors) > 0 || len(p.To) != 1 || p.To[0].E164 != "+12025550123" || p.Text.Value != "hi" {
			t.Errorf("Decode(%q, %q) = %v, %q, %v", tt.contentType, tt.body, p.To, p.Text.Value, p.Errors)
		}
	}
	for _, tt := range []struct{ contentType, body, want string }{
		{"text/plain", json, "text/plain; this body looks like JSON: send Content-Type: application/json"},
		{"text/plain; charset=utf-8", "hi", "text/plain; send one of " + payload.Accepted},
		{"application/xml", "<a/>", "application/xml; send one of " + payload.Accepted},
		{"", form, "none was sent; send Content-Type: application/json (also accepted: " + payload.Accepted + ")"},
		{"application/json; charset=shift_jis", "{\"text\": \"\x83\x5c\"}", "the charset of JSON must be utf-8"},
		{"application/json, text/plain", json, "expected one content type, got two; send one of " + payload.Accepted},
		{"json; =", json, "expected the form type/subtype; send one of " + payload.Accepted},
		{strings.Repeat("a", 98) + "/b", json, strings.Repeat("a", 98) + "/b; this body looks like JSON: send Content-Type: application/json"},
		{strings.Repeat("a", 98) + "/b, " + strings.Repeat("a", 98) + "/b", json, strings.Repeat("a", 98) + "/b; this body looks like JSON: send Content-Type: application/json"},
		{strings.Repeat("a", 99) + "/b", json, "expected the form type/subtype; send one of " + payload.Accepted},
		{strings.Repeat("a", 101), json, "expected the form type/subtype; send one of " + payload.Accepted},
	} {
		_, err := payload.Decode(tt.contentType, []byte(tt.body), payload.Options{})
		if e, ok := errors.AsType[*payload.ContentTypeError](err); !ok || e.Detail != tt.want {
			t.Errorf("Decode(%q): %v, want %q", tt.contentType, err, tt.want)
		}
	}
}

func TestDecode_fields(t *testing.T) {
	t.Parallel()
	p := decode(t, asJSON, `{"to": ["+12025550123", "+12025550124"], "agent": " shop ", "text": " a b ",
		"idempotency_key": 1042, "dry_run": "yes", "traffic": "MARKETING", "ttl": "1h30m", "otp": 0}`)
	if len(p.Errors) > 0 {
		t.Fatalf("errors: %v", p.Errors)
	}
	want := []payload.Recipient{{E164: "+12025550123", Pointer: "/to/0"}, {E164: "+12025550124", Pointer: "/to/1"}}
	if diff := cmp.Diff(want, p.To); diff != "" {
		t.Errorf("To (-want +got):\n%s", diff)
	}
	got := []string{p.Agent, p.AgentPointer, p.Text.Value, p.IdempotencyKey, fmt.Sprint(p.DryRun), p.Traffic.Value, p.TTL.Value.String(), p.TTL.Pointer()}
	if diff := cmp.Diff([]string{"shop", "/agent", " a b ", "1042", "true", "promotion", "1h30m0s", "/ttl"}, got); diff != "" {
		t.Errorf("fields (-want +got):\n%s", diff)
	}
}

func TestDecode_messageID(t *testing.T) {
	t.Parallel()
	const random, version5 = "9F2504E0-4F89-41D3-9A0C-0305E82C3301", "74738ff5-5367-5958-9aee-98fffdcd1876"
	const notOwn = "/message_id: must not be a version 5 UUID, which could be the ID of another caller's message; use idempotency_key, or a random UUID"
	for _, tt := range []struct {
		sent      string
		ownKeys   bool
		want, err string
	}{
		{random, false, strings.ToLower(random), ""},
		{random, true, strings.ToLower(random), ""},
		{version5, false, version5, ""},
		{version5, true, "", notOwn},
	} {
		p, err := payload.Decode(asJSON, []byte(`{"to": "+12025550123", "message_id": "`+tt.sent+`"}`), payload.Options{OwnKeys: tt.ownKeys})
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, e := range p.Errors {
			got += e.Pointer + ": " + e.Detail
		}
		if p.MessageID != tt.want || got != tt.err {
			t.Errorf("%s, own keys %t: ID %q, errors %q", tt.sent, tt.ownKeys, p.MessageID, got)
		}
	}
}

func TestDecodeNumbers(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, body, want string }{
		{"all fields", `{"to": ["2025550123", "+442079460018"], "agent": " shop ", "country": "US"}`, "[{+12025550123 /to/0} {+442079460018 /to/1}] shop <nil>"},
		{"fields of messages", `{"text": "", "to": "abc"}`, "[]  [/text: is a field of messages; expected only to, agent and country /to: not a phone number: it contains letters]"},
		{"most numbers", `{"to": [` + strings.Repeat(`"",`, 10_000) + `"+12025550123", "+12025550124"]}`, "[{+12025550123 /to/10000} {+12025550124 /to/10001}]  <nil>"},
		{"too many numbers", `{"to": "+12025550123,+12025550124,+12025550125,+12025550126,+12025550127"}`, "[]  [/to: too many recipients: expected at most 4, got 5]"},
		{"not JSON", `{`, "[]  payload: unreadable body: unexpected end of the JSON at line 1, column 2"},
	} {
		to, agent, err := payload.DecodeNumbers(asJSON, []byte(tt.body), payload.Options{MaxNumbers: 4})
		got := fmt.Sprint(to, " ", agent, " ", err)
		if errs, ok := err.(payload.Errors); ok {
			var lines []string
			for _, e := range errs {
				lines = append(lines, e.Pointer+": "+e.Detail)
			}
			got = fmt.Sprint(to, " ", agent, " ", lines)
		}
		if got != tt.want {
			t.Errorf("%s:\n%s\nwant\n%s", tt.name, got, tt.want)
		}
	}
}

// The limit on cards does not count empty ones.
func TestDecode_manyCards(t *testing.T) {
	t.Parallel()
	for count, want := range map[int][]string{100: nil, 101: {"/cards: 101 cards are more than any message allows"}} {
		body := `{"to": "+12025550123", "cards": [` + strings.Repeat(`{"title": "a"}, null, `, count) + `{}]}`
		if diff := cmp.Diff(want, problems(t, asJSON, body)); diff != "" {
			t.Errorf("errors of %d cards (-want +got):\n%s", count, diff)
		}
	}
}

// Errors are logged, so they must not quote the payload.
func TestErrors_quoteNothing(t *testing.T) {
	t.Parallel()
	const secret = "s3cr3t"
	for _, body := range []string{
		`{"to": "` + secret + `", "` + secret + `": 1, "ttl": "` + secret + `", "buttons": "` + secret + `|` + secret + `"}`,
		`{"text": "` + secret + ``, secret, `{"` + secret + `"`, `{"text": ` + secret + `}`,
	} {
		for _, contentType := range []string{asJSON, asForm, "multipart/form-data; boundary=x", "text/" + "plain"} {
			p, err := payload.Decode(contentType, []byte(body), payload.Options{})
			if err == nil {
				err = p.Errors
			}
			if strings.Contains(err.Error(), secret) {
				t.Errorf("%s of %q: %v", contentType, body, err)
			}
		}
	}
	for _, f := range decode(t, asJSON, `{"to": "s3cr3t", "ttl": "s3cr3t", "buttons": "s3cr3t|s3cr3t", "text": ["s3cr3t"], "traffic": "s3cr3t", "cards": "[s3cr3t", "raw": "{s3cr3t"}`).Errors {
		if strings.Contains(f.Detail, secret) {
			t.Errorf("%s: %s", f.Pointer, f.Detail)
		}
	}
}

// CheckSyntax returns the same errors as Decode.
func TestCheckSyntax(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", " ", "{", `{"a"`, `{"a": 1,}`, "{\n a: 1}", `{"a": 1 "b": 2}`, `{"a": [1, 2}`, `{"a": {{b}}}`, `{"a": [{{b}}]}`, `{"a": ]}`, `{"a": }`, `{[1]}`, "{\"a\": \"\n\"}", "{\"a\": \"\t\"}",
		`{'a': 1}`, `{“a”: 1}`, `{"a": tru}`, `{"a": 01}`, "{\"a\": \"\xff\"}", `{} {}`, `[1] x`, `{"a": 1, "a": 2}`, `{"a": "\q"}`, `{"a": nul`, `{}`,
	} {
		_, want := payload.Decode("application/json", []byte(text), payload.Options{})
		if got := payload.CheckSyntax([]byte(text)); fmt.Sprint(got) != fmt.Sprint(want) && text != `[1] x` {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
	for text, want := range map[string]string{
		" 1 \n": "<nil>",
		strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000): "<nil>",
		strings.Repeat("[", 10_001) + strings.Repeat("]", 10_001): "payload: unreadable body: nested too deeply at line 1, column 10001",
	} {
		if err := payload.CheckSyntax([]byte(text)); fmt.Sprint(err) != want {
			t.Errorf("%.9q: %v, want %s", text, err, want)
		}
	}
}
