package source_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/payload"
	"github.com/rcshook/rcshook/internal/source"
)

// mapped returns the payloads that a mapping makes of a body, separated by spaces.
func mapped(t *testing.T, mapping, body string, header ...string) (string, error) {
	t.Helper()
	s := open(t, config.Source{Preset: "bearer", Secrets: []config.Secret{"s"}, Country: "US", Map: config.Program{Text: mapping}}, nil)
	r := &source.Request{Method: http.MethodPost, Query: "a=1&a=2&b=%C3%A4", Header: http.Header{"Content-Type": {"application/json"}}, Body: []byte(body)}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	received, err := s.Map(t.Context(), r, now)
	if err != nil {
		return "", err
	}
	var all []string
	for _, m := range received.Messages {
		all = append(all, string(m.Body))
	}
	return strings.Join(all, " "), nil
}

func TestMap(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, mapping, body, want string
	}{
		{"identity", ".", `{"to":"x"}`, `{"to":"x"}`},
		{"large number", "{id, s: \"\\(.id)\"}", `{"id":9007199254740993}`, `{"id":9007199254740993,"s":"9007199254740993"}`},
		{"very large number", "{id, s: \"\\(.id)\"}", `{"id":123456789012345678901234567890}`, `{"id":123456789012345678901234567890,"s":"123456789012345678901234567890"}`},
		{"large number in arithmetic", ".id + 1", `{"id":9007199254740993}`, `9007199254740994`},
		{"price", "{p, s: \"\\(.p)\"}", `{"p":19.90}`, `{"p":19.90,"s":"19.90"}`},
		{"price in arithmetic", ".p * 2", `{"p":19.90}`, `39.8`},
		{"number in a string", ".text | fromjson | .id", `{"text":"{\"id\":9007199254740993}"}`, `9007199254740993`},
		{"compared", "select(.id == 9007199254740993)", `{"id":9007199254740992}`, ""},
		{"headers", "$headers[\"x-kind\"]", `{}`, `"k"`},
		{"no credentials", "$headers | has(\"authorization\"), has(\"cookie\")", `{}`, `false false`},
		{"query", "$query", `{}`, `{"a":"1","b":"ä"}`},
		{"now", "now | todate", `{}`, `"2026-12-01T09:00:00Z"`},
		{"null", "null", `{}`, ""},
		{"list", "[., null, .]", `1`, "1 1"},
		{"as many messages as allowed", "range(100) | 0", `1`, strings.Repeat("0 ", 99) + "0"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := mapped(t, test.mapping, test.body, "X-Kind", "k", "Authorization", "Bearer s", "Cookie", "c")
			if err != nil || got != test.want {
				t.Errorf("%s of %s = %s, %v, want %s", test.mapping, test.body, got, err, test.want)
			}
		})
	}
}

// The error of a mapping explains the problem and quotes nothing of the event.
func TestMap_errors(t *testing.T) {
	t.Parallel()
	const private = "+12025550123"
	for _, test := range []struct{ name, mapping, want string }{
		{"type", ".p + 1", "the map fails: cannot add: string"},
		{"forever", "def f: f; f", "the map takes longer than 500ms"},
		{"many messages", "range(101)", "the webhook results in more than 100 messages"},
		{"long string", `"x" * 2000000000 | length`, "the map makes a string of more than 1 MiB"},
		{"far too large", `{t: reduce range(40) as $i ([]; [., .])}`, "the map returns a payload of more than 256 KiB"},
		{"large", "{t: (.p * 30000)}", "the map returns a payload of more than 256 KiB"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := mapped(t, test.mapping, `{"p":"`+private+`","n":1000000000}`)
			mapping, ok := errors.AsType[*source.MappingError](err)
			if !ok {
				t.Fatalf("%s = %q, %v, want a MappingError", test.mapping, got, err)
			}
			if mapping.Detail != test.want {
				t.Errorf("%s: %q, want %q", test.mapping, mapping.Detail, test.want)
			}
			if strings.Contains(err.Error(), private) {
				t.Errorf("the error quotes the event: %v", err)
			}
		})
	}
}

// Canceling the request ends the mapping.
func TestMap_canceled(t *testing.T) {
	t.Parallel()
	s := open(t, config.Source{Preset: "bearer", Secrets: []config.Secret{"s"}, Map: config.Program{Text: "def f: f; f"}}, nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.Map(ctx, &source.Request{Header: http.Header{}, Body: []byte("{}")}, now)
	if !errors.Is(err, context.Canceled) || !errors.Is(err, source.ErrBusy) {
		t.Errorf("Map = %v, want ErrBusy and context.Canceled", err)
	}
}

// Waiting for other programs counts toward the timeout of the request, but not toward the
// time limit of its own program.
func TestMap_waits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := open(t, config.Source{Preset: "bearer", Secrets: []config.Secret{"s"}, Map: config.Program{Text: "{to: .p}"}}, nil)
		request := &source.Request{Header: http.Header{}, Body: []byte(`{"p":"x"}`)}
		empty := source.Fill(s)

		const long, short = 10 * time.Second, 2 * time.Second
		errs := map[time.Duration][]error{}
		var mu sync.Mutex
		var all sync.WaitGroup
		for range 100 {
			for _, timeout := range []time.Duration{long, short} {
				all.Go(func() {
					ctx, cancel := context.WithTimeout(t.Context(), timeout)
					defer cancel()
					_, err := s.Map(ctx, request, now)
					mu.Lock()
					defer mu.Unlock()
					errs[timeout] = append(errs[timeout], err)
				})
			}
		}
		time.Sleep((long + short) / 2)
		mu.Lock()
		for _, err := range errs[short] {
			if !errors.Is(err, source.ErrBusy) || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Map until the timeout of the request: %v, want ErrBusy", err)
			}
		}
		mu.Unlock()
		empty()
		all.Wait()
		if len(errs[short]) != 100 || errors.Join(errs[long]...) != nil {
			t.Errorf("Map after waiting longer than the limit of programs: %v", errors.Join(errs[long]...))
		}
	})
}

// A source without a program passes payloads on as they are, and does not wait for the programs
// of others.
func TestMap_payload(t *testing.T) {
	t.Parallel()
	c := config.Source{Preset: "bearer", Secrets: []config.Secret{"s"}}
	r := &source.Request{Header: header("Content-Type", "application/x-www-form-urlencoded", "Idempotency-Key", "k"), Body: []byte("text=a+b&id=7")}
	for id, key := range map[string]string{"": "hook\nit\nk", ".id": "hook\nit\n7"} {
		c.EventID.Text = id
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		if id == "" {
			cancel() // no program has to wait
		}
		received, err := open(t, c, nil).Map(ctx, r, now)
		want := &source.Received{Messages: []source.Message{{ContentType: "application/x-www-form-urlencoded", Body: r.Body, Key: key}}}
		if diff := cmp.Diff(want, received); err != nil || diff != "" {
			t.Errorf("event_id %q: %v (-want +got):\n%s", id, err, diff)
		}
	}
}

func TestMap_bodies(t *testing.T) {
	t.Parallel()
	const multi = "--b\r\nContent-Disposition: form-data; name=\"to\"\r\n\r\n+1\r\n--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"x\"\r\n\r\nzzz\r\n--b--\r\n"
	for _, test := range []struct{ name, contentType, body, want string }{
		{"form", "application/x-www-form-urlencoded", "a=1&b=x+y&b=z", `{"a":"1","b":["x y","z"]}`},
		{"multipart", "multipart/form-data; boundary=b", multi, `{"to":"+1"}`},
		{
			"multipart with many fields, some without a name", "multipart/form-data; boundary=b",
			strings.Repeat("--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n", 1001) + multi, `{"":["x"` + strings.Repeat(`,"x"`, 1000) + `],"to":"+1"}`,
		},
		{"form with a semicolon", "application/x-www-form-urlencoded", "a=1;2&b=x", `{"a":"1;2","b":"x"}`},
		{"form in Latin-1", "application/x-www-form-urlencoded; charset=iso-8859-1", "a=Gr%FC%DFe", `{"a":"Grüße"}`},
		{"form called Latin-1", "application/x-www-form-urlencoded; charset=iso-8859-1", "a=Gr%C3%BC%C3%9Fe", `{"a":"Grüße"}`},
		{"JSON called a form", "application/x-www-form-urlencoded", `{"a":"&to=%2B1"}`, `{"a":"&to=%2B1"}`},
		{"two content types", "application/x-www-form-urlencoded, application/x-www-form-urlencoded", "a=1", `{"a":"1"}`},
		{"JSON with another content type", "text/plain", ` {"a":1}`, `{"a":1}`},
		{"JSON with a suffix", "application/vnd.x+json; charset=utf-8", `{"a":1}`, `{"a":1}`},
		{"JSON with a byte order mark", "application/json", "\xef\xbb\xbf[1]", `1`},
		{"lone surrogate", "application/json", `["\ud83d"]`, "\"\ufffd\""},
		{"text", "text/plain", "hello", `"hello"`},
		{"empty", "", "", ""},
		{"invalid content type", ";;", "hello", `"hello"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := mapped(t, ".", test.body, "Content-Type", test.contentType)
			if err != nil || got != test.want {
				t.Errorf("%s: %s, %v, want %s", test.body, got, err, test.want)
			}
		})
	}
	for _, test := range []struct{ contentType, body, want string }{
		{"application/json", `{"a":1`, "unexpected end of the JSON at line 1, column 7"},
		{"application/json", "{\n \"a\":x}", "invalid JSON at line 2, column 6: missing quote, or an unescaped quote in a string; write it as \\\""},
		{"text/plain", `{"a":1,}`, "invalid JSON at line 1, column 7: trailing comma before a closing bracket"},
		{"application/json", `1 2`, "unexpected data after the end of the JSON at line 1, column 3"},
		{"application/json", `"\ud800" 2`, "invalid JSON at line 1, column 2"},
		{"application/json", "\"\xff\"", "invalid UTF-8 at line 1, column 2"},
		{"application/json", strings.Repeat("[", 10_001) + strings.Repeat("]", 10_001), "nested too deeply at line 1, column 10001"},
		{"application/x-www-form-urlencoded", "a=%zz", "invalid percent-encoding in the field that starts at byte 1"},
		{"multipart/form-data; boundary=b", "--c", "invalid multipart form: it is empty or truncated, or its boundary differs from the Content-Type"},
		{"application/x-www-form-urlencoded", "a=Gr%FC%DFe", "form field 1 is not valid UTF-8; send UTF-8, or name its charset in the Content-Type"},
		{"text/plain", "\xff", "expected JSON, a form, or text in UTF-8"},
	} {
		_, err := mapped(t, ".", test.body, "Content-Type", test.contentType)
		if body, ok := errors.AsType[*payload.BodyError](err); !ok || body.Detail != test.want {
			t.Errorf("%s %q: %v, want %q", test.contentType, test.body, err, test.want)
		}
	}
}

// Open reports every problem with its position in the file.
func TestOpen_problems(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, entry string
		want        []string
	}{
		{"no secret", "{preset: bearer}", []string{"f:1:11 sources.s.secret is required: a secret, or the name of one in Secret Manager, projects/PROJECT/secrets/SECRET"}},
		{"syntax error", "{preset: bearer, secret: x, map: \"{to: .a | }\"}", []string{"f:1:58 sources.s.map invalid jq: unexpected token \"}\""}},
		{"incomplete", "{preset: bearer, secret: x, map: '.a | '}", []string{"f:1:52 sources.s.map invalid jq: the program ends too early: an expression, or an \"end\", is missing"}},
		{"empty", "{preset: bearer, secret: x, map: ''}", []string{"f:1:48 sources.s.map invalid jq: the program is empty"}},
		{"function", "{preset: bearer, secret: x, map: '.foo | foo(1)'}", []string{"f:1:55 sources.s.map invalid jq: function not defined: foo/1"}},
		{"misspelled agent", "{preset: bearer, secret: x, agent: defalt}", []string{"f:1:42 sources.s.agent is not the name of an agent in this file or the environment; did you mean default?"}},
		{"misspelled function", "{preset: bearer, secret: x, map: '.phone | e146'}", []string{"f:1:57 sources.s.map invalid jq: function not defined: e146/0; did you mean e164?"}},
		{"misspelled function of jq", "{preset: bearer, secret: x, map: '.phone | asci_downcase'}", []string{"f:1:57 sources.s.map invalid jq: function not defined: asci_downcase/0; did you mean ascii_downcase?"}},
		{"arguments of a function", "{preset: bearer, secret: x, map: 'money(1)'}", []string{"f:1:48 sources.s.map invalid jq: function not defined: money/1; expected money/2"}},
		{"misspelled variable", "{preset: bearer, secret: x, map: '$header'}", []string{"f:1:48 sources.s.map invalid jq: variable not defined: $header; did you mean $headers?"}},
		{"variable", "{preset: bearer, secret: x, map: '$foobar + $foo'}", []string{"f:1:58 sources.s.map invalid jq: variable not defined: $foo"}},
		{"environment", "{preset: bearer, secret: x, map: '$ENV.HOME + env.PATH'}", []string{
			"f:1:48 sources.s.map must not use $ENV: mappings have no access to the environment, which may hold secrets",
			"f:1:60 sources.s.map must not use env: mappings have no access to the environment, which may hold secrets",
		}},
		{"input", "{preset: bearer, secret: x, map: 'input, inputs'}", []string{
			"f:1:48 sources.s.map must not use input: the only event is already the input; write .",
			"f:1:55 sources.s.map must not use inputs: the only event is already the input; write .",
		}},
		{"import", "{preset: bearer, secret: x, map: 'import \"a\" as a; .'}", []string{"f:1:56 sources.s.map must not import: mappings have no modules"}},
		{"nested", "{preset: bearer, secret: x, map: 'def f: [.[] | env]; f'}", []string{"f:1:62 sources.s.map must not use env: mappings have no access to the environment, which may hold secrets"}},
		{"no map", "{preset: stripe, secret: x}", []string{"f:1:11 sources.s.map is required: a jq program that turns the events of this sender into payloads, such as {to: .phone, text: \"Thank you\"}"}},
		{"URL", "{preset: twilio, secret: x, map: .}", []string{"f:1:11 sources.s.url is required: this sender signs the public address of the source"}},
		{"URL of HubSpot", "{preset: hubspot, secret: x, map: .}", []string{"f:1:11 sources.s.url is required: this sender signs the public address of the source"}},
		{"secret for ID tokens", "{preset: pubsub, secret: x}", []string{
			"f:1:31 sources.s.secret is not used by this sender: Google signs with its own keys",
			"f:1:11 sources.s.audience is required: the audience of the tokens, which is the address of this source by default",
			"f:1:11 sources.s.emails is required: the email of the service account that calls; an audience does not identify the caller",
		}},
		{"audience of a bearer", "{preset: bearer, secret: x, audience: y}", []string{"f:1:42 sources.s.audience and emails are only for senders with Google's ID tokens, such as the presets google-oidc and pubsub"}},
		{"emails of a bearer", "{preset: bearer, secret: x, audience: y, emails: z}", []string{"f:1:42 sources.s.audience and emails are only for senders with Google's ID tokens, such as the presets google-oidc and pubsub"}},
		{"SNS", "{preset: sns, secret: x}", []string{
			"f:1:28 sources.s.secret is not used by this sender: Amazon signs with its own keys",
			"f:1:11 sources.s.topic is required: the ARN of the topic, because Amazon SNS signs for any AWS account",
		}},
		{"topic of SNS", "{preset: sns, topic: [arn:aws:sns:us-east-1:123456789012:a, arn:aws:sqs:us-east-1:123456789012:a, 'arn:aws:sns:us-east-1.example.com/:123456789012:a']}", []string{
			"f:1:28 sources.s.topic must be the ARN of a topic of Amazon SNS, such as arn:aws:sns:us-east-1:123456789012:alerts (value 2)",
			"f:1:28 sources.s.topic must be the ARN of a topic of Amazon SNS, such as arn:aws:sns:us-east-1:123456789012:alerts (value 3)",
		}},
		{"topic of a bearer", "{preset: bearer, secret: x, topic: 'arn:aws:sns:us-east-1:123456789012:a'}", []string{"f:1:42 sources.s.topic is only for messages of Amazon SNS: preset sns"}},
		{"secret of Standard Webhooks", "{preset: svix, secret: whsec_%%}", []string{"f:1:29 sources.s.secret must be base64, optionally after whsec_ or v1,whsec_"}},
		{"public key", "{preset: sendgrid, map: ., secret: abc}", []string{"f:1:41 sources.s.secret must be a P-256 public key, as base64 or PEM"}},
		{"short token in the path", "{preset: url-token, secret: 0123456789abcdefghi}", []string{
			"f:1:34 sources.s.secret must be at least 20 random letters, digits, and - . _ or ~, because it is a part of the path",
		}},
		{"token in the path that needs an escape", "{preset: url-token, secret: 0123456789/abcdefghij}", []string{
			"f:1:34 sources.s.secret must be at least 20 random letters, digits, and - . _ or ~, because it is a part of the path",
		}},
		{"header of a token in the path", "{preset: url-token, secret: 0123456789abcdefghij, scheme: {header: X-Token}}", []string{
			"f:1:73 sources.s.scheme.header has no meaning for the type path",
		}},
		{"user and password", "{preset: basic, secret: abc}", []string{"f:1:30 sources.s.secret must be a user name and a password, separated by a colon"}},
		{"agent", "{preset: bearer, secret: x, agent: unknown}", []string{"f:1:42 sources.s.agent is not the name of an agent in this file or the environment"}},
		{"scheme", "{secret: x, scheme: {type: signature, algorithm: md5, encoding: base32, key: b64, content: \"{timestamp}\", timestamp_unit: h}}", []string{
			"f:1:26 sources.s.scheme.header is required: the name of the header with the signature",
			"f:1:68 sources.s.scheme.encoding must be hex or base64",
			"f:1:120 sources.s.scheme.timestamp_unit must be s, ms or rfc3339",
			"f:1:96 sources.s.scheme.content must contain either {body} or fields of the body, such as {.id}: otherwise the body is not verified",
			"f:1:96 sources.s.scheme.content must contain {timestamp} if, and only if, timestamp_header or timestamp_prefix is set",
			"f:1:52 sources.s.scheme.algorithm must be sha256, sha1, sha512, ecdsa-p256 or ed25519",
			"f:1:86 sources.s.scheme.key must be text, base64 or hex",
		}},
		{"unknown type of scheme", "{secret: x, scheme: {type: hmac}}", []string{"f:1:35 sources.s.scheme.type must be one of token, basic, signature, standard-webhooks, twilio, path, google-oidc, sns"}},
		{"misspelled preset, and more", "{preset: shopifi, scheme: {encoding: base32}, map: '{', event_id: 'env', agent: unknown}", []string{
			"f:1:15 sources.s.preset is not a preset; did you mean shopify?",
			"f:1:11 sources.s.secret is required: a secret, or the name of one in Secret Manager, projects/PROJECT/secrets/SECRET",
			"f:1:41 sources.s.scheme.encoding must be hex or base64",
			"f:1:66 sources.s.map invalid jq: the { here is never closed",
			"f:1:81 sources.s.event_id must not use env: mappings have no access to the environment, which may hold secrets",
			"f:1:87 sources.s.agent is not the name of an agent in this file or the environment",
		}},
		{"misspelled preset without map", "{preset: strip, secret: x}", []string{
			"f:1:15 sources.s.preset is not a preset; did you mean stripe?",
			"f:1:11 sources.s.map is required: a jq program that turns the events of this sender into payloads, such as {to: .phone, text: \"Thank you\"}",
		}},
		{"unknown preset, and more", "{preset: carrierpigeon, scheme: {key: b64}, map: '{', agent: unknown}", []string{
			"f:1:15 sources.s.preset is not a preset; rcshook init lists them; for any other sender, use preset hmac and a scheme",
			"f:1:11 sources.s.secret is required: a secret, or the name of one in Secret Manager, projects/PROJECT/secrets/SECRET",
			"f:1:47 sources.s.scheme.key must be text, base64 or hex",
			"f:1:64 sources.s.map invalid jq: the { here is never closed",
			"f:1:68 sources.s.agent is not the name of an agent in this file or the environment",
		}},
		{"event_id without map", "{preset: stripe, secret: x, event_id: '{'}", []string{
			"f:1:53 sources.s.event_id invalid jq: the { here is never closed",
			"f:1:11 sources.s.map is required: a jq program that turns the events of this sender into payloads, such as {to: .phone, text: \"Thank you\"}",
		}},
		{"URL and public key", "{scheme: {type: signature, header: X-S, algorithm: ed25519, content: '{url}{body}'}, secret: abc, map: .}", []string{
			"f:1:11 sources.s.url is required: this sender signs the public address of the source",
			"f:1:99 sources.s.secret must be an Ed25519 public key: 32 bytes as base64 or hex, optionally after whpk_, or PEM",
		}},
		{"signature of fields", "{preset: ecwid, secret: x, map: .}", []string{
			"f:1:11 sources.s.recipients is required: the phone numbers that messages may go to; the signature of this sender does not cover the event, which anyone could change",
		}},
		{"body and fields", "{secret: x, map: ., scheme: {type: signature, header: .sig, content: '{.id}{body}', items: events}, recipients: '+12025550123'}", []string{
			"f:1:11 sources.s.event_id is required: a jq program that returns the ID of an event from the signed fields, so that a captured request sends nothing again",
			"f:1:74 sources.s.scheme.content must contain either {body} or fields of the body, such as {.id}: otherwise the body is not verified",
			"f:1:98 sources.s.scheme.items must be the path of objects in the body, such as .events, whose fields are in content",
		}},
		{"items of another type of scheme", "{secret: x, scheme: {type: token, items: .a}}", []string{"f:1:48 sources.s.scheme.items has no meaning for the type token"}},
		{"key in hex", "{preset: hmac, scheme: {key: hex}, secret: abc}", []string{"f:1:49 sources.s.secret must be a key in hex, two digits for each byte; copy it as the sender shows it"}},
		{"key of Standard Webhooks", "{preset: svix, scheme: {key: hex}, secret: abc}", []string{"f:1:38 sources.s.scheme.key must be base64 or text"}},
		{"public key as text", "{preset: svix, scheme: {key: text}, secret: MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=}", []string{
			"f:1:50 sources.s.secret is a public key, not a secret: set the algorithm of the sender, or with Standard Webhooks write whpk_ before the key",
		}},
		{"field of another type of scheme", "{secret: x, scheme: {type: token, encoding: hex}}", []string{"f:1:48 sources.s.scheme.encoding has no meaning for the type token"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			file, err := config.ParseFile("f", []byte("sources: {s: "+test.entry+"}"))
			if err != nil {
				t.Fatal(err)
			}
			_, err = source.Open(file.Sources, source.Options{Secrets: literal, Agents: []string{"default"}})
			var got []string
			if e, ok := errors.AsType[*config.Error](err); ok {
				for _, f := range e.Problems {
					got = append(got, f.String())
				}
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}

// Two secrets are valid at the same time.
func TestReceive_rotation(t *testing.T) {
	t.Parallel()
	both := open(t, config.Source{Preset: "hmac", Secrets: []config.Secret{"new", "old"}}, nil)
	for secret, want := range map[string]error{"new": nil, "old": nil, "older": source.ErrSignature} {
		r := &source.Request{Header: http.Header{"Content-Type": {"application/json"}}, Body: []byte(`{}`)}
		if err := both.Sign(r, []byte(secret), now); err != nil {
			t.Fatal(err)
		}
		if _, err := both.Receive(t.Context(), r, now); !errors.Is(err, want) || want == nil && err != nil {
			t.Errorf("signed with %q: %v, want %v", secret, err, want)
		}
	}
}

// A token in the path finds the source; anything else is an unknown source, also the name of
// a source with another proof.
func TestFindByToken(t *testing.T) {
	t.Parallel()
	const token, old = "0123456789abcdefghi-", "._~ABCDEFGHIJKLMNOPQ"
	unavailable := errors.New("unavailable")
	d, err := source.Open(map[string]config.Source{
		"form":  {Name: "form", Preset: "url-token", Secrets: []config.Secret{token, old}},
		"short": {Name: "short", Preset: "url-token", Secrets: []config.Secret{"projects/p/secrets/short"}},
		"lost":  {Name: "lost", Preset: "url-token", Secrets: []config.Secret{token, "projects/p/secrets/lost"}},
		"zap":   {Name: "zap", Preset: "bearer", Secrets: []config.Secret{token}},
	}, source.Options{Secrets: func(_ context.Context, s config.Secret) ([]byte, error) {
		switch s {
		case "projects/p/secrets/short":
			return []byte("0123456789abcdefghi"), nil
		case "projects/p/secrets/lost":
			return nil, unavailable
		}
		return []byte(s), nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, token, want string
	}{
		{"form", token, ""},
		{"form", old, ""},
		{"form", "", "unknown source"},
		{"form", token + "a", "unknown source"},
		{"form", token[1:], "unknown source"},
		{"form", strings.ToUpper(token), "unknown source"},
		{"zap", token, "unknown source"},
		{"zap", "", "unknown source"},
		{"other", token, "unknown source"},
		{"short", "0123456789abcdefghi", "the secret of source short: must be at least 20 random letters, digits, and - . _ or ~, because it is a part of the path"},
		{"lost", token, "the secret of source lost: unavailable"},
	} {
		s, err := d.FindByToken(t.Context(), test.name, test.token)
		got := ""
		if err != nil {
			got = err.Error()
		}
		if got != test.want || (s != nil) != (err == nil) || s != nil && s.Name != test.name {
			t.Errorf("%s with token %q: %v, %q, want %q", test.name, test.token, s, got, test.want)
		}
	}
	var none *source.Directory
	if _, err := none.FindByToken(t.Context(), "form", token); !errors.Is(err, source.ErrUnknown) {
		t.Errorf("without sources: %v, want ErrUnknown", err)
	}
}

// A signature in another format than that of the source is an error that describes it.
func TestReceive_signatureFormat(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		scheme      config.Scheme
		value, want string
	}{
		{config.Scheme{}, "sha256=?", "a signature in hex"},
		{config.Scheme{Encoding: "base64", Prefix: "v1="}, "sha256=?", `a signature in base64 after "v1="`},
		{config.Scheme{Encoding: "base64", Prefix: "v1="}, "v1=", `a signature in base64 after "v1="`},
	} {
		s := open(t, config.Source{Preset: "hmac", Secrets: []config.Secret{"new"}, Scheme: test.scheme}, nil)
		r := &source.Request{Header: http.Header{"X-Signature": {test.value}}, Body: []byte(`{}`)}
		_, err := s.Receive(t.Context(), r, now)
		if want := "the header X-Signature has no signature in the format of this sender: expected " + test.want; err == nil || err.Error() != want || !errors.Is(err, source.ErrSignature) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// A source without a scheme is a problem with a position.
func TestOpen_noScheme(t *testing.T) {
	t.Parallel()
	at := config.Positions{"": {File: "f", Line: 1, Column: 11, Path: "sources.s"}}
	_, err := source.Open(map[string]config.Source{"s": {Name: "s", Secrets: []config.Secret{"x"}, At: at}}, source.Options{})
	const want = "config: f:1:11 sources.s.preset is missing; name the sender, such as stripe, or use bearer for a token in a header"
	if err == nil || err.Error() != want {
		t.Errorf("Open: %v, want %s", err, want)
	}
}

// Receive reads secrets, which config.DecodeSecret decodes.
func TestReceive_secrets(t *testing.T) {
	t.Parallel()
	unavailable := errors.New("unavailable")
	for _, test := range []struct {
		name   string
		secret string
		err    error
		want   string
	}{
		{"trimmed", "\ufeffs3cret\n", nil, ""},
		{"in UTF-16", "\xff\xfes\x003\x00c\x00r\x00e\x00t\x00\n\x00", nil, ""},
		{"not text", "s3cr\xe9t", nil, "the secret of source it: not text in UTF-8"},
		{"unavailable", "", unavailable, "the secret of source it: unavailable"},
	} {
		o := source.Options{Secrets: func(context.Context, config.Secret) ([]byte, error) {
			secret, err := config.DecodeSecret([]byte(test.secret))
			return secret, errors.Join(err, test.err)
		}}
		d, err := source.Open(map[string]config.Source{"it": {Name: "it", Preset: "bearer", Secrets: []config.Secret{"projects/p/secrets/s"}}}, o)
		if err != nil {
			t.Fatal(err)
		}
		s, err := d.Find("it")
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.Receive(t.Context(), &source.Request{Header: http.Header{"Authorization": {"Bearer s3cret"}}, Body: []byte("{}")}, now)
		if got, ok := errors.AsType[*source.SecretError](err); test.want == "" && err != nil || test.want != "" && (!ok || got.Error() != test.want) {
			t.Errorf("%s: %v, want %q", test.name, err, test.want)
		}
	}
}

func FuzzMap(f *testing.F) {
	for _, seed := range []string{`{"phone":"+12025550123","id":1e400}`, `[1,[2,{"a":null}]]`, `""`, `{"a":"\ud800"}`, `-0.0`, strings.Repeat("[", 5000)} {
		f.Add("application/json", seed)
	}
	f.Add("application/x-www-form-urlencoded", "a=1&a=2")
	f.Add("multipart/form-data; boundary=b", "--b\r\n\r\n--b--")
	mapping := `[.. | {to: (tostring | e164("US")), text: (tostring | truncate(20)), m: (try money(.; "EUR") catch ""), d: (try date("%c"; "Asia/Tokyo") catch "")}]`
	d, err := source.Open(map[string]config.Source{"it": {Name: "it", Preset: "bearer", Secrets: []config.Secret{"s"}, Map: config.Program{Text: mapping}}}, source.Options{Secrets: literal})
	if err != nil {
		f.Fatal(err)
	}
	s, err := d.Find("it")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, contentType, body string) {
		received, err := s.Map(t.Context(), &source.Request{Header: http.Header{"Content-Type": {contentType}}, Body: []byte(body)}, now)
		_, failed := errors.AsType[*source.MappingError](err)
		unreadable, ok := errors.AsType[*payload.BodyError](err)
		_, unsupported := errors.AsType[*payload.ContentTypeError](err)
		if err != nil && !failed && !ok && !unsupported {
			t.Errorf("Map(%q) = %v", body, err)
		}
		if ok && unreadable.Detail == "invalid JSON" {
			t.Errorf("Map(%q) does not report the position of the syntax error", body)
		}
		if err != nil {
			return
		}
		for _, m := range received.Messages {
			if !json.Valid(m.Body) {
				t.Errorf("Map(%q) = %s, which is not JSON", body, m.Body)
			}
		}
	})
}
