package source_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/source"
)

// outcome is a part of our response.
const outcome = `{"ok": true, "status": 200, "code": "accepted", "message_id": "m-1", "send_time": 1.50}`

func TestRespond(t *testing.T) {
	t.Parallel()
	const statuses = "the respond program: expected a status from 200 to 299 or from 400 to 599, and not 410"
	for _, test := range []struct {
		name, program, body string
		want                source.Response
		err                 string
	}{
		{name: "JSON", program: `{body: {id: .message_id, at: .send_time}}`, want: source.Response{ContentType: "application/json", Body: []byte(`{"at":1.50,"id":"m-1"}`)}},
		{name: "JSON string", program: `{body: "<ok>"}`, want: source.Response{ContentType: "application/json", Body: []byte(`"<ok>"`)}},
		{name: "JSON null", program: `{body: null}`, want: source.Response{ContentType: "application/json", Body: []byte("null")}},
		{name: "charset", program: `{body: [], content_type: "application/json; charset=utf-8"}`, want: source.Response{ContentType: "application/json; charset=utf-8", Body: []byte("[]")}},
		{name: "text", program: `{content_type: "text/xml", body: "<Response/>"}`, want: source.Response{ContentType: "text/xml", Body: []byte("<Response/>")}},
		{name: "empty text", program: `{content_type: "text/plain", body: ""}`, want: source.Response{ContentType: "text/plain", Body: []byte{}}},
		{name: "status only", program: `{status: 204}`, want: source.Response{Status: 204, ContentType: "application/json"}},
		{name: "largest status", program: `{status: 599}`, want: source.Response{Status: 599, ContentType: "application/json"}},
		{name: "longest text", program: `{content_type: "text/plain", body: ("a" * 65536)}`, want: source.Response{ContentType: "text/plain", Body: bytes.Repeat([]byte("a"), 65536)}},
		{name: "status of the outcome", program: `{status, body: .code}`, want: source.Response{Status: 200, ContentType: "application/json", Body: []byte(`"accepted"`)}},
		{name: "event", program: `{body: $event.n}`, body: `{"n": 9007199254740993}`, want: source.Response{ContentType: "application/json", Body: []byte("9007199254740993")}},
		{name: "invalid event", program: `{body: [$event]}`, body: `{"n": `, want: source.Response{ContentType: "application/json", Body: []byte("[null]")}},
		{name: "first result", program: `{status: 202}, {status: 500}`, want: source.Response{Status: 202, ContentType: "application/json"}},
		{name: "header", program: `{body: $headers["x-a"]}`, want: source.Response{ContentType: "application/json", Body: []byte(`"1"`)}},
		{name: "credentials", program: `{body: $headers.authorization}`, want: source.Response{ContentType: "application/json", Body: []byte("null")}},

		{name: "410", program: `{status: 410}`, err: statuses},
		{name: "redirect", program: `{status: 302}`, err: statuses},
		{name: "100", program: `{status: 100}`, err: statuses},
		{name: "600", program: `{status: 600}`, err: statuses},
		{name: "status as text", program: `{status: "ok"}`, err: statuses},
		{name: "fraction", program: `{status: 200.5}`, err: statuses},
		{name: "null status", program: `{status: null, body: 1}`, err: statuses},
		{name: "204 with a body", program: `{status: 204, body: {}}`, err: "the respond program: expected no body with the status 204"},
		{name: "HTML", program: `{content_type: "text/html", body: "<p>"}`, err: "the respond program: expected one of the content types application/json, application/xml, text/xml, text/plain"},
		{name: "header injection", program: `{content_type: "text/plain\r\nX: y", body: ""}`, err: "the respond program: expected one of the content types application/json, application/xml, text/xml, text/plain"},
		{name: "content type with a JSON body", program: `{content_type: "text/plain", body: {}}`, err: "the respond program: expected a string as the body, because its content type is not JSON"},
		{name: "other member", program: `{headers: {}}`, err: "the respond program: expected no other members than status, body and content_type"},
		{name: "content type only", program: `{content_type: "text/plain"}`, err: "the respond program: expected a status or a body"},
		{name: "no object", program: `.code`, err: "the respond program: expected an object with status, body or content_type"},
		{name: "long", program: `{body: ("a" * 65535)}`, err: "the respond program: expected a body of at most 64 KiB"},
		{name: "long text", program: `{content_type: "text/plain", body: ("a" * 65537)}`, err: "the respond program: expected a body of at most 64 KiB"},
		{name: "failure", program: `$event.phone | error`, body: `{"phone": "+12025550123"}`, err: "the respond calls error"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := open(t, config.Source{Preset: "bearer", Secrets: []config.Secret{"s"}, Respond: config.Program{Text: test.program}}, nil)
			r := &source.Request{Header: http.Header{"Authorization": {"Bearer s"}, "X-A": {"1"}}, Body: []byte(test.body)}
			ctx, cancel := context.WithCancel(t.Context())
			cancel() // the send may have used all the time of the request
			got, err := s.Respond(ctx, r, []byte(outcome), now)
			if test.err != "" {
				if invalid, ok := errors.AsType[*source.MappingError](err); !ok || invalid.Detail != test.err {
					t.Errorf("error %v, want %s", err, test.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(&test.want, got); diff != "" {
				t.Errorf("response (-want +got):\n%s", diff)
			}
		})
	}
}

// TestRespond_none tests that a source without a program, or whose program returns nothing,
// keeps our response.
func TestRespond_none(t *testing.T) {
	t.Parallel()
	for _, program := range []string{"", "empty", "null", "select(.ok | not) | {status: 500}"} {
		s := open(t, config.Source{Preset: "bearer", Secrets: []config.Secret{"s"}, Respond: config.Program{Text: program}}, nil)
		if got, err := s.Respond(t.Context(), &source.Request{}, []byte(outcome), now); got != nil || err != nil {
			t.Errorf("%q: %v, %v; want none", program, got, err)
		}
	}
}

// TestOpen_keyed tests that programs of users cannot compute a MAC with the secret.
func TestOpen_keyed(t *testing.T) {
	t.Parallel()
	for _, text := range []string{`"a" | hmac_sha256_hex($secret)`, `"a" | hmac_sha256_hex("k")`, `$secret`} {
		for _, field := range []string{"map", "event_id", "respond"} {
			c := config.Source{Preset: "zoom", Secrets: []config.Secret{"s"}, Name: "it"}
			switch program := (config.Program{Text: text}); field {
			case "map":
				c.Map = program
			case "event_id":
				c.EventID = program
			case "respond":
				c.Respond = program
			}
			if _, err := source.Open(map[string]config.Source{"it": c}, source.Options{}); err == nil || !strings.Contains(err.Error(), "not defined") {
				t.Errorf("%s: %s: %v, want not defined", field, text, err)
			}
		}
	}
}

func TestChallenge(t *testing.T) {
	t.Parallel()
	meta := config.Source{
		Preset: "bearer", Secrets: []config.Secret{"s"}, VerifyToken: "t0ken",
		Challenge: config.Challenge{Query: "hub.challenge", Token: "hub.verify_token", At: config.Positions{}},
	}
	check := config.Source{Preset: "bearer", Secrets: []config.Secret{"s"}, Challenge: config.Challenge{Query: "check", At: config.Positions{}}}
	const text = "query parameter check: expected from 1 to 256 letters, digits, spaces, and any of -._~+/=:"
	for _, test := range []struct {
		name   string
		config config.Source
		query  string
		want   string
		err    string
	}{
		{name: "token", config: meta, query: "hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=t0ken", want: "1158201444"},
		{name: "other token", config: meta, query: "hub.challenge=1158201444&hub.verify_token=s", err: "query parameter hub.verify_token: expected the verify token of this source"},
		{name: "empty token", config: meta, query: "hub.challenge=1158201444&hub.verify_token=", err: "query parameter hub.verify_token: expected the verify token of this source"},
		{name: "no token", config: meta, query: "hub.challenge=1158201444", err: "query parameter hub.verify_token: expected the verify token of this source"},
		{name: "token twice", config: meta, query: "hub.challenge=1&hub.verify_token=t0ken&hub.verify_token=x", err: "query parameter hub.verify_token: expected the verify token of this source"},
		{name: "without a token", config: check, query: "check=a%20b+c-._~%2B/=:", want: "a b c-._~+/=:"},
		{name: "longest", config: check, query: "check=" + strings.Repeat("a", 256), want: strings.Repeat("a", 256)},
		{name: "too long", config: check, query: "check=" + strings.Repeat("a", 257), err: text},
		{name: "empty", config: check, query: "check=", err: text},
		{name: "missing", config: check, query: "", err: text},
		{name: "HTML", config: check, query: "check=<script>", err: text},
		{name: "quote", config: check, query: "check=%22", err: text},
		{name: "line end", config: check, query: "check=a%0A", err: text},
		{name: "letter that is not ASCII", config: check, query: "check=%C3%A9", err: text},
		{name: "semicolon", config: check, query: "check=a;b", err: text},
		{name: "no challenge", config: config.Source{Preset: "bearer", Secrets: []config.Secret{"s"}}, query: "check=a", err: "this source has no challenge"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := open(t, test.config, nil).Challenge(t.Context(), test.query)
			if got != test.want || test.err == "" != (err == nil) || err != nil && err.Error() != test.err {
				t.Errorf("got %q, %v; want %q, %s", got, err, test.want, test.err)
			}
		})
	}
}

func TestOpen_challenge(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`challenge: {token: t}, verify_token: x`:   "f.yaml:1:43 sources.it.challenge.query is required: the query parameter that the response has to repeat",
		`challenge: {query: q, token: t}`:          "f.yaml:1:11 sources.it.verify_token is required: a secret that you choose, and set at the sender as its verify token",
		`challenge: {query: q}, verify_token: "x"`: "f.yaml:1:66 sources.it.verify_token is not used: the challenge of this sender has no token",
		`verify_token: "x"`:                        "f.yaml:1:43 sources.it.verify_token is not used: the challenge of this sender has no token",
		`challenge: {query: q, token: t, x: y}`:    "f.yaml:1:75 sources.it.challenge.x is an unknown key; the keys are query, token",
		`respond: "{body: .code"`:                  "f.yaml:1:53 sources.it.respond invalid jq: the { here is never closed",
		`respond: "{body: $even}"`:                 "f.yaml:1:60 sources.it.respond invalid jq: variable not defined: $even; did you mean $event?",
		`map: "{to: $event.phone}"`:                "variable not defined: $event",
	} {
		parsed, err := config.ParseFile("f.yaml", []byte(`sources: {it: {preset: bearer, secret: s, `+text+`}}`))
		_, openErr := source.Open(parsed.Sources, source.Options{})
		if err = config.Join(err, openErr); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v\nwant %s", text, err, want)
		}
	}
}
