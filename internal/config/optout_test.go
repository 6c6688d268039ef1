package config_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rcshook/rcshook/internal/config"
)

func TestConfig_brands(t *testing.T) {
	t.Parallel()
	text := func(s string) *string { return &s }
	promotion := []string{"PROMOTION"}
	bucket := config.Store{Location: "gs://bucket/rcs-opt-outs"}
	tests := []struct {
		name, file string
		environ    []string
		want       map[string]*config.Brand
	}{
		{"nothing", `{}`, nil, map[string]*config.Brand{
			"default": {Name: "default", Agents: []string{"default"}, OptOut: &config.OptOut{Block: promotion}},
		}},
		{"environment", `{}`, []string{"RCSHOOK_OPT_OUT_STORE=gs://bucket/", "RCSHOOK_OPT_OUT_KEY=projects/p/secrets/k"}, map[string]*config.Brand{
			"default": {Name: "default", Agents: []string{"default"}, OptOut: &config.OptOut{Store: bucket, Key: "projects/p/secrets/k", Block: promotion}},
		}},
		{
			"texts in the file, store in the environment", `opt_out: {reply: "", help: Call us., keywords: {stop: ENOUGH}, block: [promotion, transaction]}`,
			[]string{"RCSHOOK_OPT_OUT_STORE=gs://bucket", "RCSHOOK_OPT_OUT_KEY=projects/p/secrets/k"},
			map[string]*config.Brand{
				"default": {Name: "default", Agents: []string{"default"}, OptOut: &config.OptOut{
					Reply: text(""), Help: text("Call us."), Keywords: config.Keywords{Stop: []string{"ENOUGH"}},
					Store: bucket, Key: "projects/p/secrets/k", Block: []string{"PROMOTION", "TRANSACTION"},
				}},
			},
		},
		{
			"two brands", `
agents: {care: {id: a}, news: {id: b}}
brands:
  harborline: {agents: [care, news], opt_out: {store: gs://harbor/x/y, key: projects/p/secrets/h}}
opt_out: {store: {url: https://crm.example.com/opted-out, bearer: projects/p/secrets/crm}}
`, []string{}, map[string]*config.Brand{
				"harborline": {Name: "harborline", Agents: []string{"care", "news"}, OptOut: &config.OptOut{
					Store: config.Store{Location: "gs://harbor/x/y"}, Key: "projects/p/secrets/h", Block: promotion,
				}},
				"default": {Name: "default", Agents: []string{"default"}, OptOut: &config.OptOut{
					Store: config.Store{Lookup: &config.Target{URL: "https://crm.example.com/opted-out", Bearer: "projects/p/secrets/crm"}}, Block: promotion,
				}},
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cfg, err := config.FromEnviron(minimal(tt.environ...))
			if err != nil {
				t.Fatal(err)
			}
			f, err := config.ParseFile("f.yaml", []byte(tt.file))
			if err != nil {
				t.Fatal(err)
			}
			if cfg, err = cfg.With("f.yaml", f); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, cfg.Brands, cmpopts.IgnoreTypes(config.Positions{}, config.Program{}), plainSecrets); diff != "" {
				t.Errorf("brands (-want +got):\n%s", diff)
			}
			for name, b := range tt.want {
				for _, agent := range b.Agents {
					if got := cfg.BrandOf(agent).Name; got != name {
						t.Errorf("BrandOf(%s) = %s, want %s", agent, got, name)
					}
				}
			}
		})
	}
}

func TestConfig_brandProblems(t *testing.T) {
	t.Parallel()
	store := []string{"RCSHOOK_OPT_OUT_STORE=gs://bucket/x", "RCSHOOK_OPT_OUT_KEY=projects/p/secrets/k"}
	tests := []struct {
		name, file string
		environ    []string
		want       []string
	}{
		{"no key", `opt_out: {store: gs://bucket/x}`, nil, []string{
			"opt_out.key is missing; set it to the secret with the key of the store, projects/PROJECT/secrets/SECRET; rcshook optouts init makes one",
		}},
		{"short key", `opt_out: {store: gs://bucket/x, key: ferry-1234}`, nil, []string{
			"opt_out.key must have at least 32 bytes, got 10; set it to the secret with the key of the store, projects/PROJECT/secrets/SECRET; rcshook optouts init makes one",
		}},
		{"no key in the environment", ``, store[:1], []string{
			"RCSHOOK_OPT_OUT_KEY is missing; set it to the secret with the key of the store, projects/PROJECT/secrets/SECRET; rcshook optouts init makes one",
		}},
		{"no store", `opt_out: {key: projects/p/secrets/k}`, nil, []string{
			"opt_out.key is for a store in a bucket; set store to gs://BUCKET/rcs-opt-outs, or remove it",
		}},
		{"no store in the environment", ``, store[1:], []string{"RCSHOOK_OPT_OUT_KEY is set without RCSHOOK_OPT_OUT_STORE; set both, or remove it"}},
		{"empty store", `opt_out: {store: ""}`, nil, []string{"opt_out.store is empty; set it to gs://BUCKET/rcs-opt-outs, or remove it"}},
		{"not a bucket", `opt_out: {store: s3://b/x, key: projects/p/secrets/k}`, nil, []string{
			"opt_out.store must be a Cloud Storage bucket, with or without a prefix, such as gs://BUCKET/rcs-opt-outs",
		}},
		{"dots", `opt_out: {store: "gs://bucket/x y", key: projects/p/secrets/k}`, nil, []string{
			"opt_out.store must be a Cloud Storage bucket, with or without a prefix, such as gs://BUCKET/rcs-opt-outs",
		}},
		{"fields of a lookup", `opt_out: {store: {url: https://a.example.com, map: ., only: reply, after: 2m}, key: projects/p/secrets/k}`, nil, []string{
			"opt_out.store.map is not for a store, which gets the phone and the brand as JSON; remove it",
			"opt_out.store.only is not for a store, which gets the phone and the brand as JSON; remove it",
			"opt_out.store.after is for fallbacks; remove it",
			"opt_out.key is for a store in a bucket; set store to gs://BUCKET/rcs-opt-outs, or remove it",
		}},
		{"block", `opt_out: {block: [promotion, acknowledgement, ads]}`, nil, []string{
			"opt_out.block contains acknowledgement, the type of the confirmation of an opt-out; remove it",
			"opt_out.block must be otp, transaction, promotion, service or acknowledgement",
		}},
		{"unknown block", `opt_out: {block: [promotions]}`, nil, []string{
			"opt_out.block must be otp, transaction, promotion, service or acknowledgement",
		}},
		{"reply is false", `opt_out: {reply: false, help: "no"}`, nil, []string{
			`opt_out.reply must be a text, got true or false; write "" for no text`,
		}},
		{"empty block", `opt_out: {block: []}`, nil, []string{
			"opt_out.block is empty; list the traffic types that people who opted out do not get, or remove it to block promotion",
		}},
		{"brands without agents", `brands: {a: {}, default: {agents: [default]}}`, nil, []string{
			"brands.a.agents is missing; list the agents of the brand",
			"brands.default is the name of the brand of all other agents; set opt_out at the top of the file for it",
		}},
		{"an agent of two brands", `brands: {a: {agents: [default]}, b: {agents: [default]}}`, nil, []string{
			"brands.b.agents contains an agent of brand a (value 1); an agent has one brand",
		}},
		{"unknown agent", `brands: {a: {agents: [defualt]}}`, nil, []string{"brands.a.agents contains an agent that is not configured (value 1); did you mean default?"}},
		{"two stores", `opt_out: {store: gs://crm/y, key: projects/p/secrets/k}`, store, []string{"opt_out.store is also described by RCSHOOK_OPT_OUT_STORE; remove one of the two"}},
		{
			"two keys of a store", `{opt_out: {store: gs://crm, key: projects/p/secrets/k}, brands: {a: {agents: [default], opt_out: {store: gs://crm/rcs-opt-outs/, key: projects/p/secrets/k2}}}}`, nil,
			[]string{"opt_out.key is not the key of brand a, whose opt-outs are in the same store; use one key, or another prefix"},
		},
		{"a key of two stores", `{opt_out: {store: gs://crm/a, key: projects/p/secrets/k}, brands: {a: {agents: [default], opt_out: {store: gs://crm/b, key: projects/p/secrets/k}}}}`, nil, nil},
		{
			"targets of several brands", `{agents: {care: {id: a}}, brands: {a: {agents: [care]}}, events: {crm: {url: "https://a.example.com"}, lake: {topic: projects/p/topics/t1, agents: [care]}}}`,
			[]string{"RCSHOOK_EVENTS_URL=https://b.example.com"},
			[]string{
				"RCSHOOK_EVENTS_URL gets the events of all brands; remove it, and write a target with agents into the file",
				"events.crm.agents is missing; the file has several brands, so list the agents whose events the target gets",
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cfg, environErr := config.FromEnviron(minimal(tt.environ...))
			f, fileErr := config.ParseFile("f.yaml", []byte(tt.file))
			var withErr error
			if environErr == nil {
				_, withErr = cfg.With("f.yaml", f)
			}
			var got []string
			if e, ok := errors.AsType[*config.Error](config.Join(environErr, fileErr, withErr)); ok {
				for _, p := range e.Problems {
					got = append(got, strings.TrimSpace(p.Path+" "+p.Detail))
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}

// A store that is asked has to learn of opt-outs from a target.
func TestEventWarnings_lookup(t *testing.T) {
	t.Parallel()
	const want = "the store of brand default is asked who opted out, but no target gets the unsubscribed and subscribed events of default; add a target that updates the store"
	lookup := config.Store{Lookup: &config.Target{}}
	for _, test := range []struct {
		name   string
		token  config.Secret
		events map[string]*config.Target
		store  config.Store
		warned bool
	}{
		{"no target", "token", nil, lookup, true},
		{"other types only", "token", map[string]*config.Target{"crm": {Only: []string{"reply", "unsubscribed", "failed"}}}, lookup, true},
		{"target", "token", map[string]*config.Target{"crm": {}}, lookup, false},
		{"no webhook", "", nil, lookup, false},
		{"bucket", "token", nil, config.Store{Location: "gs://b/x"}, false},
	} {
		c := &config.Config{
			WebhookToken: test.token, Events: test.events, Agents: map[string]config.Agent{"default": {}},
			Brands: map[string]*config.Brand{"default": {Name: "default", Agents: []string{"default"}, OptOut: &config.OptOut{Store: test.store}}},
		}
		if got := c.EventWarnings(nil); slices.Contains(got, want) != test.warned {
			t.Errorf("%s: warnings %q, want this one: %t", test.name, got, test.warned)
		}
	}
}
