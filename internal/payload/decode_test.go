package payload_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rcshook/rcshook/internal/payload"
)

const (
	asJSON = "application/json"
	asForm = "application/x-www-form-urlencoded"
)

// decode reads a body that can be read.
func decode(t *testing.T, contentType, body string) *payload.Payload {
	t.Helper()
	p, err := payload.Decode(contentType, []byte(body), payload.Options{})
	if err != nil {
		t.Fatalf("Decode(%q, %q): %v", contentType, body, err)
	}
	return p
}

// faults returns the faults in a payload, one a line.
func faults(t *testing.T, contentType, body string) []string {
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
		{"empty", asJSON, "", "nothing in it"},
		{"blank", asJSON, " \r\n\t", "nothing in it"},
		{"empty form", asForm, "", "nothing in it"},
		{"byte order mark only", asJSON, "\ufeff", "nothing in it"},
		{"null", asJSON, "null", "null; send an object with fields such as to and text"},
		{"text", asJSON, `"to"`, "text; send an object with fields such as to and text"},
		{"number", asJSON, "5", "a number; send an object with fields such as to and text"},
		{"list of none", asJSON, "[]", "a list of 0; send one object per request"},
		{"list of two", asJSON, "[{},{}]", "a list of 2; send one object per request"},
		{"list in a list", asJSON, "[[{}]]", "a list; send an object with fields such as to and text"},
		{"breaks off", asJSON, "{\"to\":\n\"+1", "the JSON breaks off at line 2, column 4"},
		{"two values", asJSON, `{} {}`, "more follows after the end of the JSON at line 1, column 4"},
		{"rubbish after", asJSON, `{}}`, "more follows after the end of the JSON at line 1, column 3"},
		{"single quotes", asJSON, `{'to': 1}`, "broken JSON at line 1, column 2: names and texts stand in double quotes"},
		{"typographic quotes", asJSON, `{“to”: 1}`, "broken JSON at line 1, column 2: typographic quotes; JSON needs straight ones"},
		{"trailing comma", asJSON, `{"to": 1,}`, "broken JSON at line 1, column 9: a comma before the closing bracket"},
		{"trailing comma in a list", asJSON, `{"to": [1,]}`, "broken JSON at line 1, column 10: a comma before the closing bracket"},
		{"no comma", asJSON, `{"to": 1 "text": 2}`, "broken JSON at line 1, column 10: a comma is missing, or a quote inside a text is not written \\\""},
		{"quote in a text", asJSON, `{"text": "a "b" c"}`, "broken JSON at line 1, column 14: a quote is missing, or a quote inside a text is not written \\\""},
		{"bare word", asJSON, `{"text": hello}`, "broken JSON at line 1, column 10: a quote is missing, or a quote inside a text is not written \\\""},
		{"line break in a text", asJSON, "{\"text\": \"a\nb\"}", "broken JSON at line 1, column 12: a line break inside a text is written \\n"},
		{"tab in a text", asJSON, "{\"text\": \"a\tb\"}", "broken JSON at line 1, column 12: a tab inside a text is written \\t"},
		{"wrong escape", asJSON, `{"text": "\x"}`, "broken JSON at line 1, column 11"},
		{"columns are characters", asJSON, `{"text": "äöü" 1}`, "broken JSON at line 1, column 16"},
		{"not UTF-8", asJSON, "{\"text\": \"\xff\"}", "not UTF-8 at line 1, column 11"},
		{"half a surrogate", asJSON, `{"text": "\ud800"}`, "broken JSON at line 1, column 11"},
		{"too deep", asJSON, `{"a":` + deep + `}`, "nested more than 32 deep at line 1, column 37"},
		{"too many values", asJSON, "[" + strings.Repeat("0,", 10_000) + "0]", "more than 10000 values"},
		{"long name", asJSON, `{"` + strings.Repeat("a", 257) + `":1}`, "the name of a field is longer than 256 bytes at line 1, column 261"},
		{"broken escape", asForm, "text=a&to=%zz", "a broken %-escape in the field that begins at byte 8"},
		{"broken escape in a name", asForm, "%=a", "a broken %-escape in the field that begins at byte 1"},
		{"form not UTF-8", asForm, "text=%ff", "field 1 of the form is not UTF-8"},
		{"too many fields", asForm, strings.Repeat("a=1&", 10_001), "more than 10000 fields"},
		{"long field name", asForm, strings.Repeat("a", 257) + "=1", "the name of a field is longer than 256 bytes"},
		{"no boundary", "multipart/form-data", "--X--", "broken multipart form: its Content-Type has no boundary"},
		{"other boundary", multipart, "--Y\r\n\r\n--Y--", "broken multipart form: it breaks off or is empty, or its boundary is not the one of the Content-Type"},
		{"multipart breaks off", multipart, "--X\r\nContent-Disposition: form-data; name=\"to\"\r\n\r\n+1", "broken multipart form: it breaks off in a field"},
		{"part without a name", multipart, "--X\r\n\r\na\r\n--X--\r\n", "broken multipart form: a part without a name"},
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
		{asJSON, "[" + json + "]"},
	} {
		p := decode(t, tt.contentType, tt.body)
		if len(p.Errors) > 0 || len(p.To) != 1 || p.To[0].E164 != "+12025550123" || p.Text.Value != "hi" {
			t.Errorf("Decode(%q, %q) = %v, %q, %v", tt.contentType, tt.body, p.To, p.Text.Value, p.Errors)
		}
	}
	for _, tt := range []struct{ contentType, body, want string }{
		{"text/plain", json, "text/plain; this body looks like JSON: send Content-Type: application/json"},
		{"text/plain; charset=utf-8", "hi", "text/plain; accepted are " + payload.Accepted},
		{"application/xml", "<a/>", "application/xml; accepted are " + payload.Accepted},
		{"", form, "none was sent; send Content-Type: application/json (also accepted: " + payload.Accepted + ")"},
		{"application/json; charset=iso-8859-1", json, "the charset must be utf-8"},
		{"json; =", json, "it is not in the form type/subtype; accepted are " + payload.Accepted},
		{strings.Repeat("a", 101), json, "it is not in the form type/subtype; accepted are " + payload.Accepted},
	} {
		_, err := payload.Decode(tt.contentType, []byte(tt.body), payload.Options{})
		if !errors.Is(err, payload.ErrContentType) || !strings.HasSuffix(err.Error(), ": "+tt.want) {
			t.Errorf("Decode(%q): %v, want %q", tt.contentType, err, tt.want)
		}
	}
}

func TestDecode_fields(t *testing.T) {
	t.Parallel()
	p := decode(t, asJSON, `{"to": ["+12025550123", "+12025550124"], "agent": " shop ", "text": " a b ",
		"idempotency_key": 1042, "dry_run": "yes", "traffic": "MARKETING", "ttl": "1h30m", "otp": 0}`)
	if len(p.Errors) > 0 {
		t.Fatalf("faults: %v", p.Errors)
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

// What is not read may be large.
func TestDecode_manyCards(t *testing.T) {
	t.Parallel()
	for count, want := range map[int][]string{100: nil, 101: {"/cards: 101 cards are far more than any message has"}} {
		body := `{"to": "+12025550123", "cards": [` + strings.Repeat(`{"title": "a"}, null, `, count) + `{}]}`
		if diff := cmp.Diff(want, faults(t, asJSON, body)); diff != "" {
			t.Errorf("faults of %d cards (-want +got):\n%s", count, diff)
		}
	}
}

// Errors are for logs too, so they repeat nothing of what was sent.
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

// TestSyntax sees that JSON is explained as Decode explains it.
func TestSyntax(t *testing.T) {
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
	if err := payload.CheckSyntax([]byte(" 1 \n")); err != nil {
		t.Errorf("a number: %v", err)
	}
}
