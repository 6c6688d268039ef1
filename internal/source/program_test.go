package source_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/payload"
	"github.com/rcshook/rcshook/internal/source"
)

// mapped returns what a mapping makes of a body.
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

// What people write in mappings, and what becomes of it.
func TestMap(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, mapping, body, want string
	}{
		{"identity", ".", `{"to":"x"}`, `{"to":"x"}`},
		{"large number", "{id, s: \"\\(.id)\"}", `{"id":9007199254740993}`, `{"id":9007199254740993,"s":"9007199254740993"}`},
		{"very large number", "{id, s: \"\\(.id)\"}", `{"id":123456789012345678901234567890}`, `{"id":123456789012345678901234567890,"s":"123456789012345678901234567890"}`},
		{"large number, reckoned with", ".id + 1", `{"id":9007199254740993}`, `9007199254740994`},
		{"price", "{p, s: \"\\(.p)\"}", `{"p":19.90}`, `{"p":19.90,"s":"19.90"}`},
		{"price, reckoned with", ".p * 2", `{"p":19.90}`, `39.8`},
		{"number within text", ".text | fromjson | .id", `{"text":"{\"id\":9007199254740993}"}`, `9007199254740993`},
		{"compared", "select(.id == 9007199254740993)", `{"id":9007199254740992}`, ""},
		{"headers", "$headers[\"x-kind\"]", `{}`, `"k"`},
		{"no credentials", "$headers | has(\"authorization\"), has(\"cookie\")", `{}`, `false false`},
		{"query", "$query", `{}`, `{"a":"1","b":"ä"}`},
		{"clock", "now | todate", `{}`, `"2026-12-01T09:00:00Z"`},
		{"null", "null", `{}`, ""},
		{"list", "[., null, .]", `1`, "1 1"},
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

// A mapping that fails says why, and quotes nothing of the event.
func TestMap_fails(t *testing.T) {
	t.Parallel()
	const secret = "+12025550123"
	for _, test := range []struct{ name, mapping, want string }{
		{"type", ".p + 1", "the map fails: cannot add: string"},
		{"forever", "def f: f; f", "the map takes longer than 500ms"},
		{"many messages", "range(200)", "the webhook becomes more than 100 messages"},
		{"long text", `"x" * 2000000000 | length`, "the map makes a string of more than 1 MiB"},
		{"large beyond memory", `{t: reduce range(40) as $i ([]; [., .])}`, "the map yields a payload of more than 256 KiB"},
		{"large", "{t: (.p * 30000)}", "the map yields a payload of more than 256 KiB"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := mapped(t, test.mapping, `{"p":"`+secret+`","n":1000000000}`)
			mapping := (*source.MappingError)(nil)
			if !errors.As(err, &mapping) {
				t.Fatalf("%s = %q, %v, want a MappingError", test.mapping, got, err)
			}
			if mapping.Detail != test.want {
				t.Errorf("%s: %q, want %q", test.mapping, mapping.Detail, test.want)
			}
			if strings.Contains(err.Error(), secret) {
				t.Errorf("the error quotes the event: %v", err)
			}
		})
	}
}

// A request that is given up ends the mapping.
func TestMap_givenUp(t *testing.T) {
	t.Parallel()
	s := open(t, config.Source{Preset: "bearer", Secrets: []config.Secret{"s"}, Map: config.Program{Text: "def f: f; f"}}, nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.Map(ctx, &source.Request{Header: http.Header{}, Body: []byte("{}")}, now)
	if !errors.Is(err, context.Canceled) || !errors.Is(err, source.ErrBusy) {
		t.Errorf("Map = %v, want ErrBusy and context.Canceled", err)
	}
}

// Bodies of every kind are what people expect of them.
func TestMap_bodies(t *testing.T) {
	t.Parallel()
	const multi = "--b\r\nContent-Disposition: form-data; name=\"to\"\r\n\r\n+1\r\n--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"x\"\r\n\r\nzzz\r\n--b--\r\n"
	for _, test := range []struct{ name, contentType, body, want string }{
		{"form", "application/x-www-form-urlencoded", "a=1&b=x+y&b=z", `{"a":"1","b":["x y","z"]}`},
		{"multipart", "multipart/form-data; boundary=b", multi, `{"to":"+1"}`},
		{"JSON by its looks", "text/plain", ` {"a":1}`, `{"a":1}`},
		{"JSON of its own type", "application/vnd.x+json; charset=utf-8", `{"a":1}`, `{"a":1}`},
		{"JSON with a mark", "application/json", "\xef\xbb\xbf[1]", `1`},
		{"half a surrogate", "application/json", `["\ud83d"]`, "\"\ufffd\""},
		{"text", "text/plain", "hello", `"hello"`},
		{"nothing", "", "", ""},
		{"content type that is none", ";;", "hello", `"hello"`},
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
		{"application/json", `{"a":1`, "the JSON breaks off at line 1, column 7"},
		{"application/json", "{\n \"a\":x}", "broken JSON at line 2, column 6: a quote is missing, or a quote inside a text is not written \\\""},
		{"text/plain", `{"a":1,}`, "broken JSON at line 1, column 7: a comma before the closing bracket"},
		{"application/json", `1 2`, "more follows after the end of the JSON at line 1, column 3"},
		{"application/json", `"\ud800" 2`, "broken JSON at line 1, column 2"},
		{"application/json", "\"\xff\"", "not UTF-8 at line 1, column 2"},
		{"application/json", strings.Repeat("[", 10_001) + strings.Repeat("]", 10_001), "nested too deep at line 1, column 10001"},
		{"application/x-www-form-urlencoded", "a=%zz", "a broken form: it is not percent-encoded"},
		{"multipart/form-data; boundary=b", "--c", "a broken multipart form"},
		{"text/plain", "\xff", "neither JSON nor a form nor text in UTF-8"},
	} {
		_, err := mapped(t, ".", test.body, "Content-Type", test.contentType)
		if wrong := (*payload.BodyError)(nil); !errors.As(err, &wrong) || wrong.Detail != test.want {
			t.Errorf("%s %q: %v, want %q", test.contentType, test.body, err, test.want)
		}
	}
}

// What is wrong with a source is found at the start, with its place in the file.
func TestOpen_faults(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, entry string
		want        []string
	}{
		{"no secret", "{preset: bearer}", []string{"f:1:11 sources.s.secret is missing, so nobody could be let in: write it here, or the name of a secret, projects/PROJECT/secrets/SECRET"}},
		{"syntax", "{preset: bearer, secret: x, map: \"{to: .a | }\"}", []string{"f:1:58 sources.s.map invalid jq: unexpected token \"}\""}},
		{"unfinished", "{preset: bearer, secret: x, map: '.a | '}", []string{"f:1:53 sources.s.map invalid jq: unexpected EOF"}},
		{"empty", "{preset: bearer, secret: x, map: ''}", []string{"f:1:48 sources.s.map invalid jq: the program is empty"}},
		{"function", "{preset: bearer, secret: x, map: '.foo | foo(1)'}", []string{"f:1:55 sources.s.map invalid jq: function not defined: foo/1"}},
		{"variable", "{preset: bearer, secret: x, map: '$foobar + $foo'}", []string{"f:1:58 sources.s.map invalid jq: variable not defined: $foo"}},
		{"environment", "{preset: bearer, secret: x, map: '$ENV.HOME + env.PATH'}", []string{
			"f:1:48 sources.s.map must not use $ENV: mappings have no access to the environment, which may hold secrets",
			"f:1:60 sources.s.map must not use env: mappings have no access to the environment, which may hold secrets",
		}},
		{"input", "{preset: bearer, secret: x, map: 'input, inputs'}", []string{
			"f:1:48 sources.s.map must not use input: the only event is already the input; write .",
			"f:1:55 sources.s.map must not use inputs: the only event is already the input; write .",
		}},
		{"files", "{preset: bearer, secret: x, map: 'import \"a\" as a; .'}", []string{"f:1:56 sources.s.map must not import: mappings have no modules"}},
		{"hidden", "{preset: bearer, secret: x, map: 'def f: [.[] | env]; f'}", []string{"f:1:62 sources.s.map must not use env: mappings have no access to the environment, which may hold secrets"}},
		{"no map", "{preset: stripe, secret: x}", []string{"f:1:11 sources.s.map is missing: this sender has events of its own, and a jq program must make payloads of them, such as {to: .phone, text: \"Thank you\"}"}},
		{"URL", "{preset: twilio, secret: x, map: .}", []string{"f:1:11 sources.s.url is missing: this sender signs the public address of the source, so the source must know it"}},
		{"URL of HubSpot", "{preset: hubspot, secret: x, map: .}", []string{"f:1:11 sources.s.url is missing: this sender signs the public address of the source, so the source must know it"}},
		{"tokens", "{preset: pubsub, secret: x}", []string{
			"f:1:31 sources.s.secret has no meaning for this sender: Google signs with keys of its own",
			"f:1:11 sources.s.audience is missing: write the audience of the tokens, which is the address of this source unless it was set to something else",
			"f:1:11 sources.s.emails is missing: write the email of the service account that calls; the audience alone proves nothing",
		}},
		{"audience of a bearer", "{preset: bearer, secret: x, audience: y}", []string{"f:1:42 sources.s.audience and emails are for senders with Google's ID tokens, such as the presets google-oidc and pubsub"}},
		{"secret of Standard Webhooks", "{preset: svix, secret: whsec_%%}", []string{"f:1:29 sources.s.secret must be base64, optionally after whsec_"}},
		{"public key", "{preset: sendgrid, map: ., secret: abc}", []string{"f:1:41 sources.s.secret must be a public key for P-256, as base64 or PEM"}},
		{"user and password", "{preset: basic, secret: abc}", []string{"f:1:30 sources.s.secret must be a user and a password with a colon between"}},
		{"agent", "{preset: bearer, secret: x, agent: nobody}", []string{"f:1:42 sources.s.agent is not the name of an agent in this file or the environment"}},
		{"scheme", "{secret: x, scheme: {type: signature, algorithm: md5, encoding: base32, key: hex, content: \"{timestamp}\", timestamp_unit: h}}", []string{
			"f:1:26 sources.s.scheme.header is missing: name the header with the signature",
			"f:1:68 sources.s.scheme.encoding must be hex or base64",
			"f:1:120 sources.s.scheme.timestamp_unit must be s or ms",
			"f:1:96 sources.s.scheme.content must have {body} in it: what is not signed is not checked",
			"f:1:96 sources.s.scheme.content must have {timestamp} in it if there is a timestamp_header or a timestamp_prefix, and only then",
			"f:1:52 sources.s.scheme.algorithm must be sha256, sha1, sha512, ecdsa-p256 or ed25519",
			"f:1:86 sources.s.scheme.key must be text or base64",
		}},
		{"type of scheme", "{secret: x, scheme: {type: hmac}}", []string{"f:1:35 sources.s.scheme.type must be one of token, basic, signature, standard-webhooks, twilio, google-oidc"}},
		{"preset that is misspelt, and all else", "{preset: shopifi, scheme: {encoding: base32}, map: '{', event_id: 'env', agent: nobody}", []string{
			"f:1:15 sources.s.preset is not known: did you mean shopify?",
			"f:1:11 sources.s.secret is missing, so nobody could be let in: write it here, or the name of a secret, projects/PROJECT/secrets/SECRET",
			"f:1:41 sources.s.scheme.encoding must be hex or base64",
			"f:1:67 sources.s.map invalid jq: unexpected EOF",
			"f:1:81 sources.s.event_id must not use env: mappings have no access to the environment, which may hold secrets",
			"f:1:87 sources.s.agent is not the name of an agent in this file or the environment",
		}},
		{"preset that is misspelt, and no map", "{preset: strip, secret: x}", []string{
			"f:1:15 sources.s.preset is not known: did you mean stripe?",
			"f:1:11 sources.s.map is missing: this sender has events of its own, and a jq program must make payloads of them, such as {to: .phone, text: \"Thank you\"}",
		}},
		{"preset that nobody knows, and all else", "{preset: carrierpigeon, scheme: {key: hex}, map: '{', agent: nobody}", []string{
			"f:1:15 sources.s.preset is not known: the presets are " + strings.Join(source.Presets(), ", ") + "; any other sender is one with a scheme of its own, see preset hmac",
			"f:1:11 sources.s.secret is missing, so nobody could be let in: write it here, or the name of a secret, projects/PROJECT/secrets/SECRET",
			"f:1:47 sources.s.scheme.key must be text or base64",
			"f:1:65 sources.s.map invalid jq: unexpected EOF",
			"f:1:68 sources.s.agent is not the name of an agent in this file or the environment",
		}},
		{"no map, and an event_id", "{preset: stripe, secret: x, event_id: '{'}", []string{
			"f:1:54 sources.s.event_id invalid jq: unexpected EOF",
			"f:1:11 sources.s.map is missing: this sender has events of its own, and a jq program must make payloads of them, such as {to: .phone, text: \"Thank you\"}",
		}},
		{"URL and public key", "{scheme: {type: signature, header: X-S, algorithm: ed25519, content: '{url}{body}'}, secret: abc, map: .}", []string{
			"f:1:11 sources.s.url is missing: this sender signs the public address of the source, so the source must know it",
			"f:1:99 sources.s.secret must be an Ed25519 public key: 32 bytes as base64 or hex, optionally after whpk_, or PEM",
		}},
		{"field of another scheme", "{secret: x, scheme: {type: token, encoding: hex}}", []string{"f:1:48 sources.s.scheme.encoding has no meaning for the type token"}},
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
				t.Errorf("faults (-want +got):\n%s", diff)
			}
		})
	}
}

// Two secrets are valid at once, and a third is not.
func TestReceive_rotation(t *testing.T) {
	t.Parallel()
	one := func(secrets ...config.Secret) *source.Source {
		return open(t, config.Source{Preset: "hmac", Secrets: secrets}, nil)
	}
	both := one("new", "old")
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

// Secrets are read when they are needed, trimmed, and their faults are not for the
// sender.
func TestReceive_secrets(t *testing.T) {
	t.Parallel()
	away := errors.New("away")
	for _, test := range []struct {
		name   string
		secret string
		err    error
		want   string
	}{
		{"trimmed", "\ufeffs3cret\n", nil, ""},
		{"away", "", away, "the secret of source it: away"},
	} {
		o := source.Options{Secrets: func(context.Context, config.Secret) ([]byte, error) { return []byte(test.secret), test.err }}
		d, err := source.Open(map[string]config.Source{"it": {Name: "it", Preset: "bearer", Secrets: []config.Secret{"projects/p/secrets/s"}}}, o)
		if err != nil {
			t.Fatal(err)
		}
		s, err := d.Find("it")
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.Receive(t.Context(), &source.Request{Header: http.Header{"Authorization": {"Bearer s3cret"}}, Body: []byte("{}")}, now)
		if got := (*source.SecretError)(nil); test.want == "" && err != nil || test.want != "" && (!errors.As(err, &got) || got.Error() != test.want) {
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
		mapping, unreadable := (*source.MappingError)(nil), (*payload.BodyError)(nil)
		if err != nil && !errors.As(err, &mapping) && !errors.As(err, &unreadable) {
			t.Errorf("Map(%q) = %v", body, err)
		}
		if unreadable != nil && unreadable.Detail == "broken JSON" {
			t.Errorf("Map(%q) does not say where the JSON is broken", body)
		}
		if err != nil {
			return
		}
		for _, m := range received.Messages {
			if !json.Valid(m.Body) {
				t.Errorf("Map(%q) yields %s", body, m.Body)
			}
		}
	})
}
