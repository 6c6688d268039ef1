package config_test

import (
	"errors"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rcshook/rcshook/internal/config"
)

const wholeFile = `# Every field of the file.
agents:
  default:
    id: projects/p/secrets/rcs-agent-id
    credentials: projects/p/secrets/rcs-key
    region: us
    traffic: transaction
    ttl: 4h
    countries: [US, CA]
    messages_per_second: 12.5
  norway: {id: fjord_agent, countries: NO}
sources:
  shop:
    preset: shopify
    secret: [projects/p/secrets/shop-hook, 0123]
    map: |
      select(.phone)
        | {to: .phone}
    agent: norway
    traffic: transaction
    country: "no"
    profile: strict
    timeout: 3
    queue: false
    fallback: {url: https://sms.example.com/in, secret: whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw}
  own:
    scheme: {type: signature, header: X-Sig, encoding: hex, tolerance: 5m}
    secret: s3cret
    event_id: .id
    cases: cases/own
    queue: projects/p/locations/us-central1/queues/own
callers:
  zapier:
    key: [projects/p/secrets/zapier-key, 0123]
    agents: norway
    countries: "no"
    traffic: [transaction, OTP]
    messages_per_second: 0.5
    capabilities: true
  billing: {emails: billing@p.iam.gserviceaccount.com, dry_run: true}
  monitor: {key: projects/p/secrets/monitor-key, read: true}
`

// Editors and PowerShell write byte order marks and UTF-16.
func TestParseFile_encodings(t *testing.T) {
	t.Parallel()
	const text = "# Größe\nagents:\n  shop: {id: shop_agent}\n"
	for name, data := range map[string]string{
		"byte order mark":    "\ufeff" + text,
		"UTF-16":             toUTF16("\ufeff" + text),
		"UTF-16 without BOM": toUTF16(text),
	} {
		f, err := config.ParseFile("f", []byte(data))
		if err != nil || f.Agents["shop"].ID != "shop_agent" {
			t.Errorf("%s: %v, %v", name, f, err)
		}
	}
	for data, want := range map[string]string{
		"agents:\n  größe: {id: Gr\xfc\xdfe}\n": "config: f:2:17: not text in UTF-8; save the file as UTF-8",
		"\xff\xfea": "config: f: damaged text in UTF-16; save the file as UTF-8",
	} {
		if _, err := config.ParseFile("f", []byte(data)); err == nil || err.Error() != want {
			t.Errorf("ParseFile(%q): %v, want %s", data, err, want)
		}
	}
}

func toUTF16(text string) string {
	var b strings.Builder
	for _, unit := range utf16.Encode([]rune(text)) {
		b.Write([]byte{byte(unit), byte(unit >> 8)})
	}
	return b.String()
}

func TestParseFile(t *testing.T) {
	t.Parallel()
	got, err := config.ParseFile("rcshook.yaml", []byte(wholeFile))
	if err != nil {
		t.Fatal(err)
	}
	want := config.File{
		Agents: map[string]config.Agent{
			"default": {
				ID: "projects/p/secrets/rcs-agent-id", Credentials: "projects/p/secrets/rcs-key",
				Region: "us", Traffic: "TRANSACTION", TTL: 4 * time.Hour, Countries: []string{"US", "CA"}, MessagesPerSecond: 12.5,
			},
			"norway": {ID: "fjord_agent", Countries: []string{"NO"}},
		},
		Sources: map[string]config.Source{
			"shop": {
				Name: "shop", Preset: "shopify", Secrets: []config.Secret{"projects/p/secrets/shop-hook", "0123"},
				Map: config.Program{Text: "select(.phone)\n  | {to: .phone}\n"}, Agent: "norway", Traffic: "TRANSACTION", Country: "NO", Profile: "strict", Timeout: 3 * time.Second, Queue: config.NoQueue,
				Fallback: &config.Target{URL: "https://sms.example.com/in", Secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"},
			},
			"own": {
				Name: "own", Secrets: []config.Secret{"s3cret"}, EventID: config.Program{Text: ".id"}, Cases: "cases/own", Queue: "projects/p/locations/us-central1/queues/own",
				Scheme: config.Scheme{Type: "signature", Header: []string{"X-Sig"}, Encoding: "hex", Tolerance: 5 * time.Minute},
			},
		},
		Callers: map[string]config.Caller{
			"zapier": {
				Name: "zapier", Keys: []config.Secret{"projects/p/secrets/zapier-key", "0123"}, Agents: []string{"norway"}, Countries: []string{"NO"},
				Traffic: []string{"TRANSACTION", "AUTHENTICATION"}, Rate: "0.5", MessagesPerSecond: 0.5, Capabilities: true,
			},
			"billing": {Name: "billing", Emails: []string{"billing@p.iam.gserviceaccount.com"}, DryRun: true},
			"monitor": {Name: "monitor", Keys: []config.Secret{"projects/p/secrets/monitor-key"}, Read: true},
		},
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreTypes(config.Positions{}), cmpopts.EquateEmpty(), plainSecrets,
		cmp.Comparer(func(a, b config.Program) bool { return a.Text == b.Text })); diff != "" {
		t.Errorf("ParseFile (-want +got):\n%s", diff)
	}
}

// plainSecrets shows the differences of secrets.
var plainSecrets = cmp.Transformer("plain", func(s config.Secret) string { return string(s) })

func TestParseFile_problems(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		text string
		want []string
	}{
		{"empty", "", nil},
		{"only a comment", "# later\n", nil},
		{"invalid YAML", "sources: [", []string{"f.yaml:2:1: invalid YAML: did not find expected node content while parsing a flow node from line 2"}},
		{"key without a colon", "events:\n  team\n    url: x\n", []string{"f.yaml:3:8: invalid YAML: expected one key in this line; end the key above with a colon, or quote the value that contains \": \""}},
		{"value with a colon", "a: b: hunter2", []string{"f.yaml:1:5: invalid YAML: expected one key in this line; end the key above with a colon, or quote the value that contains \": \""}},
		{"list", "- a", []string{"f.yaml:1:1: must be a mapping: indented lines of key: value, without a dash"}},
		{"text", "sources: none", []string{"f.yaml:1:1 sources must be a mapping: indented lines of key: value"}},
		{"two documents", "sources:\n---\nsources:\n", []string{"f.yaml:3:1: second document; a file must contain only one"}},
		{
			"everything at once",
			"sorces: {}\nagents:\n  default: {id: a, regoin: us, ttl: soon}\n  other:\nsources:\n  shop:\n    preset: stripe\n    secrt: x\n    preset: github\n    timeout: 0\n    profile: hard\n    traffic: sale\n",
			[]string{
				"f.yaml:1:1 sorces is an unknown key; did you mean sources?",
				"f.yaml:3:20 agents.default.regoin is an unknown key; did you mean region?",
				"f.yaml:8:5 sources.shop.secrt is an unknown key; did you mean secret?",
				"f.yaml:9:5 sources.shop.preset is a duplicate key",
				"f.yaml:10:5 sources.shop.timeout must be greater than zero; leave it empty for the default",
				"f.yaml:3:32 agents.default.ttl must be a duration; write 10m, 90s, or a whole number of seconds",
				"f.yaml agents.other.id is missing; set it to the agent ID from the RCS for Business console, or to the secret that contains it, projects/PROJECT/secrets/SECRET",
				"f.yaml:11:5 sources.shop.profile must be soft, strict or all",
				"f.yaml:12:5 sources.shop.traffic must be otp, transaction, promotion, service or acknowledgement",
			},
		},
		{
			"unlike any key", "sources: {s: {preset: p, unimaginable: 1}}",
			[]string{"f.yaml:1:26 sources.s.unimaginable is an unknown key; the keys are preset, secret, scheme, url, audience, emails, topic, map, event_id, agent, traffic, respond, challenge, verify_token, country, countries, recipients, profile, timeout, fallback, queue, cases"},
		},
		{
			"short name of a queue", "sources: {s: {preset: p, queue: messages}}",
			[]string{"f.yaml:1:26 sources.s.queue must be the full name of a queue, projects/PROJECT/locations/LOCATION/queues/QUEUE, or none to send directly"},
		},
		{
			"anchors", "sources:\n  a: &x {preset: p}\n  b: *x\n",
			[]string{
				"f.yaml:2:3 sources.a must not use an anchor, alias or tag; write the value out",
				"f.yaml:3:3 sources.b must not use an anchor, alias or tag; write the value out",
			},
		},
		{
			"merge keys and complex keys", "<<: {}\n? [a]\n: b\nagents: {a: {id: !!str x}}\n",
			[]string{
				"f.yaml:1:1 << must have plain text as its keys",
				"f.yaml:2:3: must have plain text as its keys",
				"f.yaml:4:14 agents.a.id must not use an anchor, alias or tag; write the value out",
				"f.yaml:4:14 agents.a.id is missing; set it to the agent ID from the RCS for Business console, or to the secret that contains it, projects/PROJECT/secrets/SECRET",
			},
		},
		{"unclosed quote", "a: 'x\n", []string{"f.yaml:1:4: invalid YAML: expected a quote at the end of the value that starts here"}},
		{"an alias that could be a secret", "a: *hunter2", []string{"f.yaml:1:4: invalid YAML: unknown anchor"}},
		{"control character", "a: \x00", []string{"f.yaml: invalid YAML: control characters are not allowed (value: 0)"}},
		{
			"wrong types", "sources: {s: {preset: [a], secret: [projects/p/secret/x, \"\"], country: UK, countries: [], url: ftp://x, scheme: hmac}}",
			[]string{
				"f.yaml:1:15 sources.s.preset must be a single value",
				"f.yaml:1:37 sources.s.secret[0] must be the name of a secret, projects/PROJECT/secrets/SECRET, optionally with /versions/NUMBER; PROJECT is the project's ID or number",
				"f.yaml:1:105 sources.s.scheme must be a mapping: indented lines of key: value",
				"f.yaml:1:28 sources.s.secret is empty (value 2)",
				"f.yaml:1:91 sources.s.url must be a URL such as https://example.com/path",
				"f.yaml:1:63 sources.s.country must be an ISO 3166 country code; write GB",
				"f.yaml:1:76 sources.s.countries is empty; list the countries that messages may be sent to, or remove it to allow all",
			},
		},
		{
			"recipients", "sources: {s: {preset: bearer, secret: x, country: DE, recipients: [+12025550123, 0170 1234567, 12025550123x, '']}, e: {preset: bearer, secret: x, recipients: []}}",
			[]string{
				"f.yaml:1:147 sources.e.recipients is empty; list the phone numbers that messages may be sent to, or remove it to allow all",
				"f.yaml:1:55 sources.s.recipients contains a value that is not a phone number in international format, such as +12025550123 (value 3)",
				"f.yaml:1:55 sources.s.recipients contains a value that is not a phone number in international format, such as +12025550123 (value 4)",
			},
		},
		{
			"name with a slash", "sources: {a/b: {preset: p}}",
			[]string{"f.yaml:1:11 sources.a/b is not a valid name for the path /hooks/NAME; use at most 64 letters, digits, - and _"},
		},
		{
			"rate limit", "agents: {a: {id: a, messages_per_second: 0}, b: {id: b, messages_per_seconds: 5}, c: {id: c, messages_per_second: fast}}",
			[]string{
				"f.yaml:1:57 agents.b.messages_per_seconds is an unknown key; did you mean messages_per_second?",
				"f.yaml:1:21 agents.a.messages_per_second must be greater than zero; leave it empty for no limit",
				"f.yaml:1:94 agents.c.messages_per_second must be a number of messages per second; write 5, or 0.5 for one every two seconds",
			},
		},
		{
			"fallback", "sources: {s: {preset: p, fallback: {url: http://sms.example.com}}}",
			[]string{
				"f.yaml:1:37 sources.s.fallback.url must start with https:// unless it is on this machine (localhost)",
			},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := config.ParseFile("f.yaml", []byte(test.text))
			var got []string
			if e, ok := errors.AsType[*config.Error](err); ok {
				for _, f := range e.Problems {
					got = append(got, f.String())
				}
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("ParseFile(%q) problems (-want +got):\n%s", test.text, diff)
			}
		})
	}
}

// A placeholder that was not replaced is one error, and its text is the fix.
func TestParseFile_placeholders(t *testing.T) {
	t.Parallel()
	const text = `agents:
  default: {id: projects/PROJECT/secrets/id, credentials: projects/p-1/secrets/your-secret}
sources:
  shop:
    preset: shopify
    secret: [projects/p-1/secrets/s, YOUR_SECRET, whsec_...]
    emails: caller@<project>.iam.gserviceaccount.com
    fallback: {url: https://YOUR-DOMAIN/in, secret: SECRET}
    queue: projects/*/locations/l/queues/q
  bill:
    preset: stripe
    secret:
      - projects/${PROJECT_ID}/secrets/s
      - projects/{project-id}/secrets/s
      - projects/$PROJECT/secrets/s
      - projects/p-1/secrets/your-thing
opt_out: {store: gs://BUCKET/opt-outs, key: projects/p-1/secrets/k}
events: {lake: {topic: projects/p-1/topics/TOPIC}}
`
	_, err := config.ParseFile("f.yaml", []byte(text))
	want := []string{
		"f.yaml:2:13 agents.default.id contains a placeholder; replace PROJECT by the ID of your Google Cloud project",
		"f.yaml:2:46 agents.default.credentials contains a placeholder; replace your-secret by the name of your secret",
		"f.yaml:6:38 sources.shop.secret[1] contains a placeholder; replace YOUR_SECRET by the name of your secret",
		"f.yaml:6:51 sources.shop.secret[2] contains a placeholder; replace it by your own value",
		"f.yaml:7:5 sources.shop.emails contains a placeholder; replace <project> by the ID of your Google Cloud project",
		"f.yaml:8:16 sources.shop.fallback.url contains a placeholder; replace YOUR-DOMAIN by your domain",
		"f.yaml:8:45 sources.shop.fallback.secret contains a placeholder; replace SECRET by the name of your secret",
		"f.yaml:9:5 sources.shop.queue contains a placeholder; replace it by your own value",
		"f.yaml:13:9 sources.bill.secret[0] contains a placeholder; replace ${PROJECT_ID} by the ID of your Google Cloud project",
		"f.yaml:14:9 sources.bill.secret[1] contains a placeholder; replace {project-id} by the ID of your Google Cloud project",
		"f.yaml:15:9 sources.bill.secret[2] contains a placeholder; replace $PROJECT by the ID of your Google Cloud project",
		"f.yaml:16:9 sources.bill.secret[3] contains a placeholder; replace it by your own value",
		"f.yaml:17:11 opt_out.store contains a placeholder; replace BUCKET by the name of your bucket",
		"f.yaml:18:17 events.lake.topic contains a placeholder; replace TOPIC by the name of your topic",
	}
	var got []string
	if e, ok := errors.AsType[*config.Error](err); ok {
		for _, p := range e.Problems {
			got = append(got, p.String())
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("ParseFile problems (-want +got):\n%s", diff)
	}
}

// A wrong indentation is one error, at its line and with its cause.
func TestParseFile_indentation(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, text, want string }{
		{
			"one space short", `sources:
  shop:
    preset: shopify
    secret: projects/p/secrets/shop
   country: US
    map: |
      select(.phone)
        | {to: .phone}
`,
			"f.yaml:5:4: invalid YAML: expected 2 or 4 spaces at the start of the line, got 3",
		},
		{
			"lines that end in a carriage return alone", "agents:\r  shop:\r    id: `a`\r",
			"f.yaml:3:9: invalid YAML: expected a value; quote it if it starts with %, @ or a backtick",
		},
		{
			"program less indented than its first line", `sources:
  shop:
    preset: shopify
    secret: projects/p/secrets/shop
    map: |
     select(.phone)
   | {to: .phone}
    country: US
`,
			"f.yaml:7:4: invalid YAML: expected at least 5 spaces at the start of the line, as in line 6, got 3",
		},
		{
			"program without a bar", `sources:
  shop:
    preset: shopify
    secret: projects/p/secrets/shop
    map:
      select(.phone)
      | {to: .phone, text: "Order \(.name)"}
    country: US
`,
			"f.yaml:5:5: invalid YAML: expected map: | and the program in the lines below, indented further",
		},
		{
			"source at the level of sources", `sources:
shop:
  preset: shopify
  secret: projects/p/secrets/shop
  map: |
    {to: .phone, text: "x"}
`,
			"f.yaml:2:1 shop is not a key here; write it and the lines after it below sources:, indented further",
		},
		{
			"sources without the key sources", `shop:
  preset: shopify
  secret: projects/p/secrets/shop
  map: |
    {to: .phone, text: "x"}
bill:
  preset: stripe
  secret: x
  map: .
`,
			"f.yaml:1:1 shop is not a key here; write it and the lines after it below sources:, indented further",
		},
		{
			"fields without a name", `sources:
  preset: shopify
  secret: projects/p/secrets/shop
  map: |
    {to: .phone, text: "x"}
  country: US
`,
			"f.yaml:2:3 sources.preset is not a name; write the name of the source in a line above it, and indent it further than the name",
		},
		{
			"fields at the level of the name", `sources:
  shop:
  preset: shopify
  secret: projects/p/secrets/shop
  map: |
    {to: .phone, text: "x"}
  country: US
`,
			"f.yaml:3:3 sources.preset is a key of shop; indent it and the lines after it further than shop",
		},
		{
			"program with braces in one line", `sources:
  shop:
    preset: shopify
    secret: projects/p/secrets/shop
    map: {to: .phone, text: "Order \(.name)"}
`,
			"f.yaml:5:5: invalid YAML: expected map: | and the program in the lines below, indented further",
		},
		{
			"program not indented", `sources:
  shop:
    preset: shopify
    secret: projects/p/secrets/shop
    map: |
    {to: .phone, text: "x"}
    country: US
`,
			"f.yaml:6:5: invalid YAML: expected more than 4 spaces at the start of the text below |, got 4",
		},
		{
			"tab", "sources:\n  shop:\n\tpreset: shopify\n",
			"f.yaml:3:1: invalid YAML: expected spaces at the start of the line, got a tab",
		},
		{
			"one level too deep", `agents:
  default:
    id: a
    fallback:
    url: https://x.example
    secret: x
sources:
  shop:
    preset: shopify
    secret: x
      map: .
`,
			"f.yaml:11:7: invalid YAML: expected 4 spaces at the start of the line, as in line 10, got 6",
		},
		{
			"no space after a colon", `sources:
  shop:
    preset: shopify
    secret: x
    map: .
    country:US
`,
			"f.yaml:6:5: invalid YAML: expected a space after the colon",
		},
		{
			"list of sources", `sources:
  - shop:
      preset: shopify
      secret: x
      map: .
`,
			"f.yaml:1:1 sources must be a mapping: indented lines of key: value, without a dash",
		},
		{
			"second line of a program", `sources:
  shop:
    preset: shopify
    secret: x
    map: |
      select(.phone)
     | {to: .phone}
    country: US
`,
			"f.yaml:7:6: invalid YAML: expected at least 6 spaces at the start of the line, as in line 6, got 5",
		},
		{
			"sources below agents", `agents:
  default: {id: a}
  sources:
    shop: {preset: shopify, secret: x, map: .}
`,
			"f.yaml:3:3 agents.sources is a key of the file; do not indent it",
		},
		{
			"fields of the source below its fallback", `sources:
  shop:
    preset: shopify
    secret: x
    fallback:
      url: https://x.example
      secret: whsec_YQ==
      country: US
      map: .
`,
			"f.yaml:8:7 sources.shop.fallback.country is a key of an outer level; indent it and the lines after it less",
		},
		{
			"program that is YAML", `sources:
  shop:
    preset: shopify
    secret: x
    map: {to: .phone}
`,
			"f.yaml:5:5 sources.shop.map is a YAML value and not a program; write map: | and the program in the lines below, indented further",
		},
		{
			"fallback not indented", `agents:
  default:
    id: a
    fallback:
    url: https://x.example
    secret: x
`,
			"f.yaml:5:5 agents.default.url is not a key here; write it and the lines after it below fallback:, indented further",
		},
		{
			"first field one space short", "agents:\n  default:\n   id: a\n    ttl: 4h\n",
			"f.yaml:3:4: invalid YAML: expected 4 spaces at the start of the line, as in line 4, got 3",
		},
		{
			"first field too deep", "agents:\n  default:\n      id: a\n    ttl: 4h\n",
			"f.yaml:3:7: invalid YAML: expected 4 spaces at the start of the line, as in line 4, got 6",
		},
		{
			"first field at the level of the name", "agents:\n  default:\n  id: a\n    ttl: 4h\n",
			"f.yaml:3:3: invalid YAML: expected 4 spaces at the start of the line, as in line 4, got 2",
		},
		{
			"field between others at the level of the name", "agents:\n  default:\n    id: a\n  ttl: 4h\n    region: us\n",
			"f.yaml:4:3: invalid YAML: expected 4 spaces at the start of the line, as in line 3, got 2",
		},
		{
			"program at the level of the name", "sources:\n  s:\n    preset: shopify\n  map: |\n      .data\n    secret: x\n",
			"f.yaml:4:3: invalid YAML: expected 4 spaces at the start of the line, as in line 3, got 2",
		},
		{
			"first line of the file", " agents:\n  default: {id: a}\nsources:\n",
			"f.yaml:1:2: invalid YAML: expected 0 spaces at the start of the line, as in line 3, got 1",
		},
		{
			"key in a list", "events:\n  t:\n    url: https://x.example\n    only:\n      - reply\n      map: .\n",
			"f.yaml:6:7: invalid YAML: expected 4 spaces at the start of the line, as in line 4, got 6",
		},
		{
			"tab below a bar", "sources:\n  s:\n    map: |\n\t.data\n",
			"f.yaml:4:1: invalid YAML: expected spaces at the start of the line, got a tab",
		},
		{
			"program without a bar, on lines of its own", "sources:\n  s:\n    map: .data\n      | {to: .phone, text: \"a: b\"}\n",
			"f.yaml:3:5: invalid YAML: expected map: | and the program in the lines below, indented further",
		},
		{
			"comment in a program without a bar", "sources:\n  s:\n    map: .data # of the order\n      | {to: .phone}\n",
			"f.yaml:3:5: invalid YAML: expected map: | and the program in the lines below, indented further",
		},
		{
			"target without a bar", "events:\n  t:\n    send:\n      select(.text)\n      | {text: \"a: b\"}\n",
			"f.yaml:3:5: invalid YAML: expected send: | and the program in the lines below, indented further",
		},
		{
			"bar without a space", "sources:\n  s:\n    map:|\n      .data\n      | {to: .phone}\n    secret: x\n",
			"f.yaml:3:5: invalid YAML: expected a space after the colon",
		},
		{
			"quote that does not end", "agents:\n  a:\n    region: \"us\n    id: a\nsources:\n  s:\n    map: .\n",
			"f.yaml:3:13: invalid YAML: expected a quote at the end of the value that starts here",
		},
		{
			"list that does not end", "agents:\n  a:\n    countries: [US, CA\n    id: a\n",
			"f.yaml:3:16: invalid YAML: expected a comma or ] in the list that starts here",
		},
		{
			"mapping that does not end", "agents:\n  a: {id: a, ttl: 4h\n  b: {id: b}\n",
			"f.yaml:2:6: invalid YAML: expected a comma or } in the mapping that starts here",
		},
		{"character that starts no value", "agents:\n  a: {id: @a}\n", "f.yaml:2:11: invalid YAML: expected a value; quote it if it starts with %, @ or a backtick"},
		{"Markdown", "```yaml\nagents:\n```\n", "f.yaml:1:1: invalid YAML: expected YAML, got a line of Markdown; remove it"},
		{"key without a colon", "agents: {}\nsources\nevents: {}\n", "f.yaml:2:1: invalid YAML: expected a colon and a space after the key"},
		{
			"first key without a colon", "agents\n# a comment\nsources:\n",
			"f.yaml:3:1: invalid YAML: expected one key in this line; end the key above with a colon, or quote the value that contains \": \"",
		},
		{
			"non-breaking space", "agents:\n\u00a0 shop:\n    id: a\n",
			"f.yaml:2:1 \u00a0 shop contains a non-breaking space; replace it by a space",
		},
		{
			"file without the key of its section", "preset: shopify\nsecret: x\nmap: |\n  {to: .phone}\nagent: shop\n",
			"f.yaml:1:1 preset is not a key here; write it and the lines after it below sources: and a name, indented further",
		},
		{
			"nothing indented", "sources:\nshop:\npreset: shopify\nsecret: x\nmap: .\nevents:\n  t: {url: https://x.example}\n",
			"f.yaml:2:1 shop is not a key here; write it and the lines after it below sources:, indented further",
		},
		{
			"fields not indented", "callers:\n  zapier:\nkey: projects/p/secrets/k\ncountries: [US]\n",
			"f.yaml:3:1 key is not a key here; write it and the lines after it below callers: and a name, indented further",
		},
		{
			"section that is indented", "agents:\n  default: {id: a}\n  sources:\n  shop:\n    preset: shopify\n    secret: x\n    map: .\n",
			"f.yaml:3:3 agents.sources is a key of the file; do not indent it",
		},
		{
			"missing section", "events:\n  crm: {url: https://x.example}\n  zapier: {key: projects/p/secrets/k, countries: [US]}\n  make: {key: projects/p/secrets/m}\n",
			"f.yaml:3:3 events.zapier has keys of an entry of callers; write callers: in a line above it",
		},
		{
			"later field at the level of the name", "sources:\n  shop:\n    preset: shopify\n    secret: x\n  map: .\n  country: US\n",
			"f.yaml:5:3 sources.map is a key of shop; indent it and the lines after it further than shop",
		},
		{
			"fallback at the level of the name", "sources:\n  shop: {preset: shopify, secret: x, map: .}\n  fallback:\n    url: https://x.example\n    secret: whsec_YQ==\n",
			"f.yaml:3:3 sources.fallback is a key of shop; indent it and the lines after it further than shop",
		},
		{
			"fallback without its fields", "sources:\n  shop:\n    preset: twilio\n    secret: x\n    fallback:\n    url: https://x.example\n",
			"f.yaml:5:5 sources.shop.fallback is empty; indent the lines below it further, or remove it",
		},
		{
			"fields with dashes", "agents:\n  shop:\n    - id: a\n    - region: us\n",
			"f.yaml:2:3 agents.shop must be a mapping: indented lines of key: value, without a dash",
		},
		{
			"a second name", "agents:\n  shop:\n    harborline: {id: a, region: us}\n",
			"f.yaml:3:5 agents.shop.harborline is an unknown key; the keys are id, credentials, region, traffic, ttl, messages_per_second, countries, fallback, webhook_token",
		},
	} {
		_, err := config.ParseFile("f.yaml", []byte(test.text))
		if err == nil || err.Error() != "config: "+test.want {
			t.Errorf("%s: ParseFile = %v\nwant %s", test.name, err, test.want)
		}
	}
}

// Errors in a program are located in every style of YAML text.
func TestProgram_At(t *testing.T) {
	t.Parallel()
	const broken = "HERE"
	for _, test := range []struct {
		name, text   string
		line, column int
	}{
		{"block", "sources:\n  s:\n    map: |\n      .a\n        | HERE\n", 5, 11},
		{"block after an empty line", "sources:\n  s:\n    map: |\n\n      .ä | HERE\n", 5, 12},
		{"block in chomping form", "sources:\n  s:\n    map: |-\n      HERE\n", 4, 7},
		{"plain", "sources: {s: {map: .a | HERE}}", 1, 25},
		{"quoted", `sources: {s: {map: "HERE"}}`, 1, 21},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			f, _ := config.ParseFile("f.yaml", []byte(test.text))
			p := f.Sources["s"].Map
			at := p.At(strings.Index(p.Text, broken))
			if at.Line != test.line || at.Column != test.column || at.File != "f.yaml" || at.Path != "sources.s.map" {
				t.Errorf("At = %+v, want line %d, column %d", at, test.line, test.column)
			}
		})
	}
}

// No file makes the parser panic, and every error lists problems.
func FuzzParseFile(f *testing.F) {
	f.Add(wholeFile)
	for _, seed := range []string{"", "a: [", "a: {b: |\n x\n", "- &a *a", "\t", "? a\n: b", "<<: {}", "sources: {s: {secret: [\"\\q\"]}}", "a: !!binary x", "\r`", "\u2028`", "agents: {a: {fallback: {after: auto}}}"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		parsed, err := config.ParseFile("f.yaml", []byte(text))
		for _, s := range parsed.Sources {
			s.Map.At(len(s.Map.Text))
		}
		if e, ok := errors.AsType[*config.Error](err); err != nil && (!ok || len(e.Problems) == 0) {
			t.Errorf("ParseFile(%q) = %v, want an *Error with problems", text, err)
		}
	})
}

// A queue needs the address and the account for its tasks.
func TestWith_queue(t *testing.T) {
	t.Parallel()
	const text = "sources: {s: {preset: p, secret: x, queue: projects/p/locations/l/queues/q}, t: {preset: p, secret: x, queue: none}}"
	file, err := config.ParseFile("f.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	c := config.Config{Agents: map[string]config.Agent{"default": {ID: "a"}}, APIKeys: "k"}
	_, err = c.With("f.yaml", file)
	const want = "config: f.yaml:1:37 sources.s.queue needs RCSHOOK_URL and RCSHOOK_QUEUE_ACCOUNT, which are not set: the address and the service account of the queue's tasks"
	if err == nil || err.Error() != want {
		t.Errorf("With = %v, want %s", err, want)
	}
	c.URL, c.QueueAccount = "https://f.example.com", "a@p.iam.gserviceaccount.com"
	if _, err := c.With("f.yaml", file); err != nil {
		t.Errorf("With both settings = %v", err)
	}
}

func TestParseFile_callers(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ entries, want string }{
		{"a: {}", "f:1:11 callers.a.key is missing; set it to a secret, projects/PROJECT/secrets/SECRET, or set emails to the service accounts of the caller"},
		{"a:", "f callers.a.key is missing; set it to a secret, projects/PROJECT/secrets/SECRET, or set emails to the service accounts of the caller"},
		{"default: {key: k}", "f:1:11 callers.default is the name of the caller with the keys in RCSHOOK_API_KEYS; use another"},
		{"a b: {key: k}", "f:1:11 callers.a b is not a valid name; use at most 64 letters, digits, - and _"},
		{"a: {key: [k, l, m]}", "f:1:15 callers.a.key has too many values: expected at most 2, the old key and the new one, got 3"},
		{"a: {key: [k, '']}", "f:1:15 callers.a.key is empty (value 2)"},
		{"a: {key: [k, k]}", "f:1:15 callers.a.key is also one of caller a; give each caller its own"},
		{"a: {key: k}, b: {key: [l, k]}", "f:1:28 callers.b.key is also one of caller a; give each caller its own"},
		{
			"a: {key: projects/p/secrets/k}, b: {key: projects/p/secrets/k/versions/latest}",
			"f:1:47 callers.b.key is also one of caller a; give each caller its own",
		},
		{"a: {emails: x@y.z}, b: {emails: x@y.z}", "f:1:35 callers.b.emails is also one of caller a; give each caller its own"},
		{"a: {emails: [x]}", "f:1:15 callers.a.emails is not the email of a service account, NAME@PROJECT.iam.gserviceaccount.com (value 1)"},
		{"a: {key: k, agents: [defualt]}", "f:1:23 callers.a.agents is not the name of an agent in this file or the environment (value 1); did you mean default?"},
		{"a: {key: k, agents: []}", "f:1:23 callers.a.agents is empty; list what the caller may use, or remove it to allow all"},
		{"a: {key: k, traffic: []}", "f:1:23 callers.a.traffic is empty; list what the caller may use, or remove it to allow all"},
		{"a: {key: k, traffic: sale}", "f:1:23 callers.a.traffic must be otp, transaction, promotion, service or acknowledgement"},
		{"a: {key: k, traffic: ['']}", "f:1:23 callers.a.traffic must be otp, transaction, promotion, service or acknowledgement"},
		{"a: {key: k, countries: UK}", "f:1:23 callers.a.countries must be an ISO 3166 country code; write GB"},
		{"a: {key: k, messages_per_second: fast}", "f:1:23 callers.a.messages_per_second must be a number of messages per second; write 5, or 0.5 for one every two seconds"},
		{"a: {key: k, read: true, dry_run: true}", "f:1:23 callers.a.read is true while dry_run is true; set read for a caller that may only ask, or dry_run for one that may only rehearse"},
		{"a: {key: k, read: true, countries: [US]}", "f:1:35 callers.a.countries has no effect while read is true; remove one of the two"},
		{"a: {key: k, read: true, traffic: otp}", "f:1:35 callers.a.traffic has no effect while read is true; remove one of the two"},
		{"a: {key: k, read: true, messages_per_second: 5}", "f:1:35 callers.a.messages_per_second has no effect while read is true; remove one of the two"},
		{"a: {key: k, read: true, capabilities: true, countries: US, messages_per_second: 5, traffic: otp}", "f:1:94 callers.a.traffic has no effect while read is true; remove one of the two"},
		{"a: {key: k, dry_run: true, messages_per_second: 5}", "f:1:38 callers.a.messages_per_second has no effect while dry_run is true; remove one of the two"},
		{"a: {key: k, dry_run: true, capabilities: true, messages_per_second: -5, countries: US, traffic: otp}", "f:1:58 callers.a.messages_per_second must be greater than zero; leave it empty for no limit"},
		{"a: {key: k, raed: true}", "f:1:23 callers.a.raed is an unknown key; did you mean read?"},
		{"a: {key: k, dry_run: maybe}", "f:1:23 callers.a.dry_run must be true or false"},
		{"a: {key: projects/p/secret/k}", "f:1:15 callers.a.key must be the name of a secret, projects/PROJECT/secrets/SECRET, optionally with /versions/NUMBER; PROJECT is the project's ID or number"},
		{
			"a: {key: k, agents: [x], traffic: []}, b: {key: k}",
			"3 problems: f:1:23 callers.a.agents is not the name of an agent in this file or the environment (value 1); " +
				"f:1:36 callers.a.traffic is empty; list what the caller may use, or remove it to allow all; " +
				"f:1:54 callers.b.key is also one of caller a; give each caller its own",
		},
	} {
		_, err := config.ParseFile("f", []byte("callers: {"+test.entries+"}"))
		if err == nil || err.Error() != "config: "+test.want {
			t.Errorf("%s: %v, want %s", test.entries, err, test.want)
		}
	}
}

func TestWith_callers(t *testing.T) {
	t.Parallel()
	const missingKeys = "RCSHOOK_API_KEYS is missing; set it to a long random key, or to the secret that contains the keys, projects/PROJECT/secrets/SECRET; " +
		"to allow all callers, as behind Cloud Run IAM, set RCSHOOK_ALLOW_UNAUTHENTICATED=true"
	for _, test := range []struct{ environ, entries, want string }{
		{"RCSHOOK_API_KEYS=x", "a: {key: k}", ""},
		{"", "a: {key: k}", ""},
		{"", "", missingKeys},
		{"RCSHOOK_API_KEYS=x\nk", "a: {key: k}", "f:1:15 callers.a.key is also one in RCSHOOK_API_KEYS, whose caller has no limits; give each caller its own"},
		{
			"RCSHOOK_API_KEYS=projects/p/secrets/k", "a: {key: [x, projects/p/secrets/k]}",
			"f:1:15 callers.a.key is also one in RCSHOOK_API_KEYS, whose caller has no limits; give each caller its own",
		},
		{"RCSHOOK_ALLOW_UNAUTHENTICATED=true", "a: {key: k}", "f:1:11 callers.a has no effect while RCSHOOK_ALLOW_UNAUTHENTICATED is true; remove one of the two"},
		{"RCSHOOK_API_KEYS=x", "a: {emails: a@b.c}", "f:1:15 callers.a.emails needs RCSHOOK_OIDC_AUDIENCE, or RCSHOOK_URL: the audience of the tokens"},
		{"RCSHOOK_API_KEYS=x,RCSHOOK_URL=https://f.example.com", "a: {emails: a@b.c}", ""},
		{"RCSHOOK_OIDC_AUDIENCE=x", "a: {emails: a@b.c}", ""},
		{"RCSHOOK_OIDC_AUDIENCE=x", "a: {key: k}", "RCSHOOK_OIDC_EMAILS is missing; list the service accounts that may call this function; any account can get a token for an audience"},
		{
			"RCSHOOK_OIDC_AUDIENCE=x,RCSHOOK_OIDC_EMAILS=a@b.c d@e.f", "a: {emails: d@e.f}",
			"f:1:15 callers.a.emails is also one in RCSHOOK_OIDC_EMAILS, whose caller has no limits; give each caller its own",
		},
	} {
		c, err := config.FromEnviron(append([]string{"RCSHOOK_AGENT_ID=brand_agent", "RCSHOOK_CONFIG=f"}, strings.Split(test.environ, ",")...))
		if err != nil {
			t.Errorf("%s: %v", test.environ, err)
			continue
		}
		file, err := config.ParseFile("f", []byte("callers: {"+test.entries+"}"))
		if err != nil {
			t.Errorf("%s: %v", test.entries, err)
			continue
		}
		if _, err = c.With("f", file); test.want == "" && err != nil || test.want != "" && (err == nil || err.Error() != "config: "+test.want) {
			t.Errorf("%s with %s: %v, want %s", test.environ, test.entries, err, test.want)
		}
	}
}
