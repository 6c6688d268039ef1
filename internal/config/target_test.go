package config_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rcshook/rcshook/internal/config"
)

const targetsFile = `agents:
  default:
    id: shop_agent
    webhook_token: [projects/p/secrets/token, projects/p/secrets/old-token]
    fallback: {url: "https://sms.example.com/in", basic: projects/p/secrets/sms, form: true, map: '{To: .phone}', ok: '"retry"'}
events:
  crm: {url: "https://crm.example.com/in", secret: projects/p/secrets/crm, only: reply, timeout: 5s}
  slack:
    url: projects/p/secrets/slack-url
    headers: {X-Team: projects/p/secrets/team, X-Kind: rcs}
    agents: [default]
  lake: {topic: projects/p/topics/rcs-events, map: '.'}
  bot: {send: '{text: "Hi"}', only: [button, reply]}
`

func TestParseFile_targets(t *testing.T) {
	t.Parallel()
	got, err := config.ParseFile("f.yaml", []byte(targetsFile))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]*config.Target{
		"crm":   {Name: "crm", URL: "https://crm.example.com/in", Secret: "projects/p/secrets/crm", Only: []string{"reply"}, Timeout: 5e9},
		"slack": {Name: "slack", URL: "projects/p/secrets/slack-url", Headers: map[string]config.Secret{"X-Team": "projects/p/secrets/team", "X-Kind": "rcs"}, Agents: []string{"default"}},
		"lake":  {Name: "lake", Topic: "projects/p/topics/rcs-events", Map: config.Program{Text: "."}},
		"bot":   {Name: "bot", Send: config.Program{Text: `{text: "Hi"}`}, Only: []string{"button", "reply"}},
	}
	programs := cmp.Comparer(func(a, b config.Program) bool { return a.Text == b.Text })
	if diff := cmp.Diff(want, got.Events, cmpopts.IgnoreTypes(config.Positions{}), plainSecrets, programs); diff != "" {
		t.Errorf("targets (-want +got):\n%s", diff)
	}
	fallback := &config.Target{
		URL: "https://sms.example.com/in", Basic: "projects/p/secrets/sms", Form: true,
		Map: config.Program{Text: "{To: .phone}"}, OK: config.Program{Text: `"retry"`},
	}
	if diff := cmp.Diff(fallback, got.Agents["default"].Fallback, cmpopts.IgnoreTypes(config.Positions{}), plainSecrets, programs); diff != "" {
		t.Errorf("fallback (-want +got):\n%s", diff)
	}
	secrets := []string{"projects/p/secrets/crm", "projects/p/secrets/old-token", "projects/p/secrets/slack-url", "projects/p/secrets/sms", "projects/p/secrets/team", "projects/p/secrets/token"}
	if diff := cmp.Diff(secrets, got.Secrets()); diff != "" {
		t.Errorf("Secrets (-want +got):\n%s", diff)
	}
}

// TestFile_Secrets checks that a deployment creates the secrets of a source.
func TestFile_Secrets(t *testing.T) {
	t.Parallel()
	const text = `sources: {meta: {preset: hmac, secret: projects/p/secrets/app, challenge: {query: q, token: t}, verify_token: projects/p/secrets/verify/versions/2}}`
	got, err := config.ParseFile("f.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"projects/p/secrets/app", "projects/p/secrets/verify"}, got.Secrets()); diff != "" {
		t.Errorf("Secrets (-want +got):\n%s", diff)
	}
}

func TestParseFile_targetProblems(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, target string
		want         []string
	}{
		{"no place", `{only: [reply]}`, []string{"events.t.url is missing; set it to the address that gets the requests, or set topic or send"}},
		{"empty", ``, []string{"events.t.url is missing; set it to the address that gets the requests, or set topic or send"}},
		{"two places", `{url: "https://a.example", topic: projects/p-1/topics/t1}`, []string{"events.t.topic excludes url; make two targets"}},
		{"plain HTTP", `{url: "http://a.example"}`, []string{"events.t.url must start with https:// unless it is on this machine (localhost)"}},
		{"loopback", `{url: "http://127.0.0.1:8000/in"}`, nil},
		{"not a topic", `{topic: events}`, []string{"events.t.topic must be the full name of a topic, projects/PROJECT/topics/TOPIC"}},
		{
			"fields of a URL", `{topic: projects/p-1/topics/t1, secret: whsec_MfKQ, form: true, timeout: 3s}`,
			[]string{
				"events.t.secret is for targets with a url; remove it",
				"events.t.form is for targets with a url; remove it",
				"events.t.timeout is for targets with a url; remove it",
			},
		},
		{"map of a message", `{send: '{text: "Hi"}', map: .}`, []string{"events.t.map is for targets with a url; remove it"}},
		{"two credentials", `{url: "https://a.example", basic: "u:p", bearer: x}`, []string{"events.t.bearer excludes basic; remove one of the two"}},
		{"basic without a colon", `{url: "https://a.example", basic: user}`, []string{"events.t.basic must be USER:PASSWORD"}},
		{
			"headers", `{url: "https://a.example", bearer: x, headers: {host: a, webhook-id: b, content-type: c, authorization: d, "a b": e, X-Empty: ""}}`,
			[]string{
				"events.t.headers contains X-Empty without a value",
				"events.t.headers contains a name that is not a header",
				"events.t.headers must not contain Authorization beside basic or bearer; remove one of the two",
				"events.t.headers must not contain Content-Type, which the function sets",
				"events.t.headers must not contain Host, which the function sets",
				"events.t.headers must not contain Webhook-Id, which the function sets",
			},
		},
		{
			"lines in credentials", `{url: "https://a.example", bearer: "x\ny", headers: {X-A: "x\ty", x-b: 1, X-B: 2}}`,
			[]string{
				"events.t.bearer contains a line break or a control character",
				"events.t.headers contains X-A with a line break or a control character in its value",
				"events.t.headers contains X-B twice",
			},
		},
		{"unknown type", `{url: "https://a.example", only: [reply, replies, x]}`, []string{"events.t.only contains an unknown event type (value 2); did you mean reply?", "events.t.only contains an unknown event type (value 3); the types are " + strings.Join(config.EventTypes, ", ")}},
		{"unknown agent", `{url: "https://b.example", agents: [default, defualt]}`, []string{"events.t.agents contains an agent that is not configured (value 2); did you mean default?"}},
		{"no agents", `{url: "https://a.example", agents: []}`, []string{"events.t.agents is empty; list the agents, or remove it to get the events of all"}},
		{
			"empty credentials", `{url: "https://a.example", secret: "", basic: "", bearer: }`,
			[]string{
				"events.t.secret is empty; set it, or remove it",
				"events.t.basic is empty; set it, or remove it",
				"events.t.bearer is empty; set it, or remove it",
			},
		},
		{"no types", `{url: "https://a.example", only: []}`, []string{"events.t.only is empty; list the event types, or remove it"}},
		{
			"a message for a receipt", `{send: '{text: "Hi"}', only: [delivered]}`,
			[]string{"events.t.only contains delivered; a target that sends gets only reply, button, location, file, because a message for each receipt would be a loop"},
		},
		{"timeout", `{url: "https://a.example", timeout: 2m}`, []string{"events.t.timeout must be at most 1m0s"}},
		{"timeout in seconds", `{url: "https://a.example", timeout: 61}`, []string{"events.t.timeout must be at most 1m0s"}},
		{"longest timeout in seconds", `{url: "https://a.example", timeout: 60}`, nil},
		{"timeout with a fraction", `{url: "https://a.example", timeout: 1.5}`, []string{"events.t.timeout must be a duration; write 10m, 90s, or a whole number of seconds"}},
		{"after", `{url: "https://a.example", after: 2m}`, []string{"events.t.after is for fallbacks; remove it"}},
		{"after auto", `{topic: projects/p-1/topics/t1, after: auto}`, []string{"events.t.after is for fallbacks; remove it"}},
		{"no time", `{url: "https://a.example", timeout: 0}`, []string{"events.t.timeout must be greater than zero; leave it empty for the default"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := config.ParseFile("f.yaml", []byte("events: {t: "+test.target+"}"))
			var got []string
			if e, ok := errors.AsType[*config.Error](err); ok {
				for _, p := range e.Problems {
					_, text, _ := strings.Cut(p.String(), " ")
					got = append(got, text)
				}
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseFile_fallbackProblems(t *testing.T) {
	t.Parallel()
	_, err := config.ParseFile("f.yaml", []byte(`agents: {default: {id: a, fallback: {send: '{text: "Hi"}', only: [reply]}}, other: {id: b, fallback: {url: "https://a.example", form: true}}}`))
	want := "config: 3 problems: f.yaml:1:38 agents.default.fallback.send is not for a fallback, because RCS cannot deliver the message; set url; " +
		"f.yaml:1:60 agents.default.fallback.only is for the targets below events; remove it; " +
		"f.yaml:1:129 agents.other.fallback.form needs a map that returns a flat object, such as {To: .phone, Body: .text}"
	if err == nil || err.Error() != want {
		t.Errorf("ParseFile: %v\nwant %s", err, want)
	}
}

func TestParseFile_after(t *testing.T) {
	t.Parallel()
	const (
		wrong = "must be auto or a duration; write auto, 2m, 90s, 48h instead of 2d, or a whole number of seconds"
		short = "must be at least 1s; remove it to use the fallback only for messages that RCS cannot deliver"
		long  = "must be at most 14 days, 23 hours and 55 minutes, 5 minutes less than RCS keeps a message; write 359h55m"
	)
	for _, test := range []struct {
		value string
		want  config.After
		err   string
	}{
		{"", config.After{}, ""},
		{"auto", config.After{Auto: true}, ""},
		{"2m", config.After{Duration: 2 * time.Minute}, ""},
		{"90", config.After{Duration: 90 * time.Second}, ""},
		{"1.5s", config.After{Duration: 1500 * time.Millisecond}, ""},
		{"1s", config.After{Duration: time.Second}, ""},
		{"359h55m", config.After{Duration: config.MaxAfter}, ""},
		{"359h55m1s", config.After{}, long},
		{"999ms", config.After{}, short},
		{"0", config.After{}, short},
		{"-2m", config.After{}, short},
		{"Auto", config.After{}, wrong},
		{"''", config.After{}, wrong},
		{"2 minutes", config.After{}, wrong},
		{"15d", config.After{}, wrong},
		{"[2m, 5m]", config.After{}, "must be a single value"},
		{"{otp: 2m}", config.After{}, "must be a single value"},
	} {
		for path, text := range map[string]string{
			"agents.a":  "agents: {a: {id: a, fallback: {url: \"https://a.example\", after: " + test.value + "}}}",
			"sources.s": "sources: {s: {preset: p, secret: x, fallback: {url: \"https://a.example\", after: " + test.value + "}}}",
		} {
			file, err := config.ParseFile("f.yaml", []byte(text))
			if got := file.Fallbacks()[0].After; got != test.want {
				t.Errorf("%s of %q: got %+v, want %+v", path, test.value, got, test.want)
			}
			want := ""
			if test.err != "" {
				want = path + ".fallback.after " + test.err
			}
			got := ""
			if err != nil {
				_, got, _ = strings.Cut(strings.TrimPrefix(err.Error(), "config: "), " ")
			}
			if got != want {
				t.Errorf("%s of %q: %s\nwant %s", path, test.value, got, want)
			}
			if got, want := file.NeedsQueue(), test.want != (config.After{}); got != want {
				t.Errorf("%s of %q: NeedsQueue = %t", path, test.value, got)
			}
		}
	}
}

func TestWith_targets(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		environ []string
		file    string
		want    string
	}{
		{"both", []string{"RCSHOOK_EVENTS_URL=https://a.example"}, `events: {t: {url: "https://b.example"}}`, ""},
		{
			"same name",
			[]string{"RCSHOOK_EVENTS_URL=https://a.example"},
			`events: {events: {url: "https://b.example"}}`,
			"config: f.yaml:1:10 events.events is also described by RCSHOOK_EVENTS_URL; rename it",
		},
		{
			"fallbacks in time", nil,
			`{agents: {other: {id: b, fallback: {url: "https://b.example", after: 2m}}}, sources: {s: {preset: p, secret: x, fallback: {url: "https://b.example", after: auto}}}}`,
			"config: 2 problems: f.yaml:1:63 agents.other.fallback.after needs RCSHOOK_QUEUE, which is not set: the queue that keeps messages until then; " +
				"f.yaml:1:150 sources.s.fallback.after needs RCSHOOK_QUEUE, which is not set: the queue that keeps messages until then",
		},
		{
			"fallbacks in time, with a queue",
			[]string{"RCSHOOK_QUEUE=projects/p/locations/l/queues/q", "RCSHOOK_QUEUE_ACCOUNT=q@p.iam.gserviceaccount.com", "RCSHOOK_URL=https://f.example"},
			`agents: {other: {id: b, fallback: {url: "https://b.example", after: 2m}}}`, "",
		},
		{
			"token behind IAM",
			[]string{"RCSHOOK_ALLOW_UNAUTHENTICATED=true"},
			`agents: {other: {id: b, webhook_token: x}}`,
			"config: f.yaml agents.other.webhook_token is set while RCSHOOK_ALLOW_UNAUTHENTICATED is true; RBM cannot pass Cloud Run IAM, so authenticate callers with RCSHOOK_API_KEYS instead",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			environ := append([]string{"RCSHOOK_AGENT_ID=a"}, test.environ...)
			if !slices.Contains(environ, "RCSHOOK_ALLOW_UNAUTHENTICATED=true") {
				environ = append(environ, "RCSHOOK_API_KEYS=k")
			}
			cfg, err := config.FromEnviron(environ)
			if err != nil {
				t.Fatal(err)
			}
			file, err := config.ParseFile("f.yaml", []byte(test.file))
			if err != nil {
				t.Fatal(err)
			}
			_, err = cfg.With("f.yaml", file)
			got := ""
			if err != nil {
				got = err.Error()
			}
			if got != test.want {
				t.Errorf("With: %s\nwant %s", got, test.want)
			}
		})
	}
}

func TestTarget_Wants(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		target config.Target
		want   string // of the types below
	}{
		{config.Target{URL: "u"}, "delivered reply failed"},
		{config.Target{URL: "u", Only: []string{"typing", "reply"}}, "reply typing"},
		{config.Target{Send: config.Program{Text: "."}}, "reply"},
		{config.Target{URL: "u", Agents: []string{"other"}}, ""},
	} {
		var got []string
		for _, eventType := range []string{"delivered", "reply", "typing", "failed"} {
			if test.target.Wants(eventType, "default") {
				got = append(got, eventType)
			}
		}
		if strings.Join(got, " ") != test.want {
			t.Errorf("%+v wants %v, want %s", test.target, got, test.want)
		}
	}
}

func TestFromEnviron_events(t *testing.T) {
	t.Parallel()
	const queue = "RCSHOOK_QUEUE=projects/p/locations/l/queues/q"
	for _, test := range []struct {
		environ []string
		want    string
	}{
		{[]string{"RCSHOOK_EVENTS_SECRET=whsec_MfKQ"}, "config: RCSHOOK_EVENTS_SECRET is set without RCSHOOK_EVENTS_URL; set both, or remove it"},
		{[]string{"RCSHOOK_EVENTS_URL=http://a.example"}, "config: RCSHOOK_EVENTS_URL must start with https:// unless it is on this machine (localhost)"},
		{
			[]string{"RCSHOOK_EVENTS_QUEUE=events", "RCSHOOK_QUEUE_ACCOUNT=q@p.iam.gserviceaccount.com", "RCSHOOK_URL=https://f.example"},
			"config: RCSHOOK_EVENTS_QUEUE must be the full name of a queue, projects/PROJECT/locations/LOCATION/queues/QUEUE",
		},
		{
			[]string{queue, "RCSHOOK_EVENTS_QUEUE=projects/p/locations/l/queues/q", "RCSHOOK_QUEUE_ACCOUNT=q@p.iam.gserviceaccount.com", "RCSHOOK_URL=https://f.example"},
			"config: RCSHOOK_EVENTS_QUEUE must not be the queue of the messages, which would wait while a target fails; create another queue",
		},
		{
			[]string{"RCSHOOK_EVENTS_QUEUE=projects/p/locations/l/queues/q"},
			"config: 2 problems: RCSHOOK_QUEUE_ACCOUNT is missing; set it to the service account of the queue's tasks; ID tokens of other accounts are rejected; " +
				"RCSHOOK_URL is missing; set it to the public address of this function, such as https://rcshook-123456789012.us-central1.run.app; the queue sends its tasks there",
		},
	} {
		_, err := config.FromEnviron(append([]string{"RCSHOOK_AGENT_ID=a", "RCSHOOK_API_KEYS=k"}, test.environ...))
		if err == nil || err.Error() != test.want {
			t.Errorf("FromEnviron(%v): %v\nwant %s", test.environ, err, test.want)
		}
	}
	_, err := config.FromEnviron([]string{"RCSHOOK_AGENT_ID=a", "RCSHOOK_ALLOW_UNAUTHENTICATED=true", "RCSHOOK_WEBHOOK_TOKEN=t"})
	want := "config: RCSHOOK_WEBHOOK_TOKEN is set while RCSHOOK_ALLOW_UNAUTHENTICATED is true; RBM cannot pass Cloud Run IAM, so authenticate callers with RCSHOOK_API_KEYS instead"
	if err == nil || err.Error() != want {
		t.Errorf("FromEnviron: %v\nwant %s", err, want)
	}
}
