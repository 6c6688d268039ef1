package config_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rcshook/rcshook/internal/config"
)

// minimal returns the required settings and more.
func minimal(more ...string) []string {
	return append([]string{"PATH=/bin", "RCSHOOK_AGENT_ID=brand_agent", "RCSHOOK_API_KEYS=k"}, more...)
}

func TestFromEnviron(t *testing.T) {
	t.Parallel()
	agent := func(a config.Agent) map[string]config.Agent {
		return map[string]config.Agent{config.DefaultAgent: a}
	}
	tests := []struct {
		name    string
		environ []string
		want    config.Config
	}{
		{
			"minimal", minimal(),
			config.Config{Agents: agent(config.Agent{ID: "brand_agent"}), APIKeys: "k", Timeout: 20 * time.Second},
		},
		{
			"all",
			[]string{
				"RCSHOOK_AGENT_ID=projects/p-1/secrets/id",
				"RCSHOOK_CREDENTIALS= projects/123/secrets/key/versions/4\n",
				"RCSHOOK_API_KEYS=projects/example.com:p/secrets/keys",
				"RCSHOOK_ALLOW_UNAUTHENTICATED=false",
				"RCSHOOK_REGION=Europe", "RCSHOOK_COUNTRY=de", "RCSHOOK_TRAFFIC=otp", "RCSHOOK_TTL=10m", "RCSHOOK_TIMEOUT=30",
				"RCSHOOK_MESSAGES_PER_SECOND=0.5", "RCSHOOK_ALLOW_PREMIUM_NUMBERS=true",
				"RCSHOOK_RBM_ENDPOINT=http://localhost:8081/", "RCSHOOK_SECRETMANAGER_ENDPOINT=https://proxy.example.com/sm",
			},
			config.Config{
				Agents: agent(config.Agent{
					ID: "projects/p-1/secrets/id", Credentials: "projects/123/secrets/key/versions/4",
					Region: "europe", Traffic: "AUTHENTICATION", TTL: 10 * time.Minute, MessagesPerSecond: 0.5,
				}),
				APIKeys: "projects/example.com:p/secrets/keys", Region: "europe", Traffic: "AUTHENTICATION", TTL: 10 * time.Minute,
				Country: "DE", Timeout: 30 * time.Second, AllowPremiumNumbers: true,
				RBMEndpoint: "http://localhost:8081", SecretManagerEndpoint: "https://proxy.example.com/sm",
			},
		},
		{
			"Google ID tokens and a file",
			[]string{
				"RCSHOOK_CONFIG=rcshook.yaml", "RCSHOOK_OIDC_AUDIENCE=https://a.example.com, https://b.example.com",
				"RCSHOOK_OIDC_EMAILS=robot@p.iam.gserviceaccount.com", "RCSHOOK_OIDC_ENDPOINT=http://localhost:8081/",
			},
			config.Config{
				Agents: map[string]config.Agent{}, File: "rcshook.yaml", Timeout: 20 * time.Second, OIDCEndpoint: "http://localhost:8081",
				Audience: []string{"https://a.example.com", "https://b.example.com"}, Emails: []string{"robot@p.iam.gserviceaccount.com"},
			},
		},
		{
			"a queue",
			minimal("RCSHOOK_QUEUE=projects/p-1/locations/us-central1/queues/Messages-1", "RCSHOOK_QUEUE_ACCOUNT=Tasks@p-1.iam.gserviceaccount.com",
				"RCSHOOK_URL=https://rcshook-1.us-central1.run.app/", "RCSHOOK_TASKS_ENDPOINT=http://localhost:8081"),
			config.Config{
				Agents: agent(config.Agent{ID: "brand_agent"}), APIKeys: "k", Timeout: 20 * time.Second,
				Queue: "projects/p-1/locations/us-central1/queues/Messages-1", QueueAccount: "tasks@p-1.iam.gserviceaccount.com",
				URL: "https://rcshook-1.us-central1.run.app", TasksEndpoint: "http://localhost:8081",
			},
		},
		{
			"tasks without a queue", minimal("RCSHOOK_QUEUE_ACCOUNT=t@p.iam.gserviceaccount.com", "RCSHOOK_URL=http://localhost:8080"),
			config.Config{
				Agents: agent(config.Agent{ID: "brand_agent"}), APIKeys: "k", Timeout: 20 * time.Second,
				QueueAccount: "t@p.iam.gserviceaccount.com", URL: "http://localhost:8080",
			},
		},
		{
			"no authentication",
			[]string{"RCSHOOK_AGENT_ID=a", "RCSHOOK_ALLOW_UNAUTHENTICATED=TRUE"},
			config.Config{Agents: agent(config.Agent{ID: "a"}), AllowUnauthenticated: true, Timeout: 20 * time.Second},
		},
		{
			"empty variables", minimal("RCSHOOK_REGION=", "RCSHOOK_TTL= ", "RCSHOOK_NONSENSE=", "RCSHOOK_ALLOW_UNAUTHENTICATED="),
			config.Config{Agents: agent(config.Agent{ID: "brand_agent"}), APIKeys: "k", Timeout: 20 * time.Second},
		},
		{
			"literal credentials", minimal("RCSHOOK_CREDENTIALS=\ufeff{\"type\": \"x\"}\n"),
			config.Config{Agents: agent(config.Agent{ID: "brand_agent", Credentials: `{"type": "x"}`}), APIKeys: "k", Timeout: 20 * time.Second},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := config.FromEnviron(tt.environ)
			if err != nil {
				t.Fatalf("FromEnviron: %v", err)
			}
			if diff := cmp.Diff(plain(tt.want), plain(got)); diff != "" {
				t.Errorf("FromEnviron (-want +got):\n%s", diff)
			}
		})
	}
}

// plain converts secrets to strings, so that a diff shows them.
func plain(c config.Config) any {
	type agent struct {
		ID, Credentials string
		Config          config.Agent
	}
	agents := make(map[string]agent)
	for name, a := range c.Agents {
		agents[name] = agent{string(a.ID), string(a.Credentials), a}
	}
	c.Brands = nil // see TestConfig_brands
	return struct {
		Agents  map[string]agent
		APIKeys string
		Config  config.Config
	}{agents, string(c.APIKeys), c}
}

func TestFromEnviron_problems(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		environ []string
		want    string // settings with problems, in order
		hint    string // part of the first detail
	}{
		{"no settings", nil, "RCSHOOK_AGENT_ID RCSHOOK_API_KEYS", "projects/PROJECT/secrets/SECRET"},
		{"no authentication", []string{"RCSHOOK_AGENT_ID=a"}, "RCSHOOK_API_KEYS", "RCSHOOK_ALLOW_UNAUTHENTICATED=true"},
		{"authentication without a key", []string{"RCSHOOK_AGENT_ID=a", "RCSHOOK_ALLOW_UNAUTHENTICATED=false"}, "RCSHOOK_API_KEYS", "RCSHOOK_ALLOW_UNAUTHENTICATED=true"},
		{"keys that are not checked", minimal("RCSHOOK_ALLOW_UNAUTHENTICATED=true"), "RCSHOOK_ALLOW_UNAUTHENTICATED", "set only one of the two"},
		{"neither true nor false", minimal("RCSHOOK_ALLOW_UNAUTHENTICATED=yess"), "RCSHOOK_ALLOW_UNAUTHENTICATED", "true or false"},
		{"only commas", minimal("RCSHOOK_API_KEYS=, ,"), "RCSHOOK_API_KEYS", "does not contain a key"},
		{"misspelled required setting", []string{"RCSHOOK_AGENT_ID=a", "RCSHOOK_API_KEY=k"}, "RCSHOOK_API_KEYS RCSHOOK_API_KEY", "is missing"},
		{"misspelled", minimal("RCSHOOK_CREDENTIAL=k"), "RCSHOOK_CREDENTIAL", "did you mean RCSHOOK_CREDENTIALS?"},
		{"longer name", minimal("RCSHOOK_COUNTRY_CODE=US"), "RCSHOOK_COUNTRY_CODE", "did you mean RCSHOOK_COUNTRY?"},
		{"lower case", minimal("rcshook_region=us"), "rcshook_region", "did you mean RCSHOOK_REGION?"},
		{"unlike any setting", minimal("RCSHOOK_QQQQ_WWWWWWWW=x"), "RCSHOOK_QQQQ_WWWWWWWW", "remove it"},
		{"audience without emails", minimal("RCSHOOK_OIDC_AUDIENCE=x"), "RCSHOOK_OIDC_EMAILS", "any account"},
		{"queue alone", minimal("RCSHOOK_QUEUE=projects/p/locations/l/queues/q"), "RCSHOOK_QUEUE_ACCOUNT RCSHOOK_URL", "other accounts are rejected"},
		{"short name of a queue", minimal("RCSHOOK_QUEUE=messages", "RCSHOOK_QUEUE_ACCOUNT=a@b.c", "RCSHOOK_URL=https://x.example.com"), "RCSHOOK_QUEUE", "projects/PROJECT/locations/LOCATION/queues/QUEUE"},
		{"account without a domain", minimal("RCSHOOK_QUEUE_ACCOUNT=tasks", "RCSHOOK_URL=https://x.example.com"), "RCSHOOK_QUEUE_ACCOUNT", "NAME@PROJECT.iam.gserviceaccount.com"},
		{"account without an address", minimal("RCSHOOK_QUEUE_ACCOUNT=a@b.c"), "RCSHOOK_URL", "the queue sends its tasks there"},
		{"address without TLS", minimal("RCSHOOK_URL=http://x.example.com"), "RCSHOOK_URL", "must be the public address"},
		{"address with a query", minimal("RCSHOOK_URL=https://x.example.com/?a"), "RCSHOOK_URL", "without a query"},
		{"address without a scheme", minimal("RCSHOOK_URL=x.example.com"), "RCSHOOK_URL", "must be the public address"},
		{"emails without audience", minimal("RCSHOOK_OIDC_EMAILS=x"), "RCSHOOK_OIDC_AUDIENCE", "the address of this function"},
		{
			"tokens that are not checked",
			[]string{"RCSHOOK_AGENT_ID=a", "RCSHOOK_OIDC_AUDIENCE=x", "RCSHOOK_OIDC_EMAILS=y", "RCSHOOK_ALLOW_UNAUTHENTICATED=1"},
			"RCSHOOK_ALLOW_UNAUTHENTICATED", "set only one of the two",
		},
		{"credentials without an agent", []string{"RCSHOOK_CONFIG=f", "RCSHOOK_CREDENTIALS={}", "RCSHOOK_API_KEYS=k"}, "RCSHOOK_CREDENTIALS", "set both, or neither"},
		{"space in the agent ID", minimal("RCSHOOK_AGENT_ID=my agent"), "RCSHOOK_AGENT_ID", "one word"},
		{"swapped", minimal(`RCSHOOK_AGENT_ID={"type":"service_account"}`), "RCSHOOK_AGENT_ID", "swapped with RCSHOOK_CREDENTIALS"},
		{"misspelled resource name", minimal("RCSHOOK_AGENT_ID=projects/p/secret/s"), "RCSHOOK_AGENT_ID", "must be the name of a secret"},
		{"placeholder for a project", minimal("RCSHOOK_CREDENTIALS=projects/PROJECT/secrets/s"), "RCSHOOK_CREDENTIALS", "replace PROJECT by the ID of your Google Cloud project"},
		{"placeholder for a secret", minimal("RCSHOOK_CREDENTIALS=projects/p-1/secrets/SECRET/versions/1"), "RCSHOOK_CREDENTIALS", "replace SECRET by the name of your secret"},
		{"placeholder for a version", minimal("RCSHOOK_CREDENTIALS=projects/p-1/secrets/s/versions/NUMBER"), "RCSHOOK_CREDENTIALS", "replace NUMBER by the number of the version"},
		{"placeholder for an agent", minimal("RCSHOOK_AGENT_ID=AGENT_ID"), "RCSHOOK_AGENT_ID", "replace AGENT_ID by the agent's ID"},
		{"placeholder for a key", minimal("RCSHOOK_API_KEYS=KEY"), "RCSHOOK_API_KEYS", "replace KEY by a long random key"},
		{"placeholder in a URL", minimal("RCSHOOK_RBM_ENDPOINT=https://YOUR-HOST.example.net"), "RCSHOOK_RBM_ENDPOINT", "replace YOUR-HOST by the host of your function"},
		{"placeholder in an email", minimal("RCSHOOK_OIDC_AUDIENCE=x", "RCSHOOK_OIDC_EMAILS=caller@PROJECT.iam.gserviceaccount.com"), "RCSHOOK_OIDC_EMAILS", "replace PROJECT by"},
		{
			"placeholders of a queue", minimal("RCSHOOK_QUEUE=projects/p-1/locations/LOCATION/queues/QUEUE", "RCSHOOK_QUEUE_ACCOUNT=NAME@PROJECT.iam.gserviceaccount.com", "RCSHOOK_URL=https://HOST"),
			"RCSHOOK_QUEUE RCSHOOK_QUEUE_ACCOUNT RCSHOOK_URL", "replace LOCATION by the region of your queue",
		},
		{"regional", minimal("RCSHOOK_API_KEYS=projects/p/locations/us-east1/secrets/s"), "RCSHOOK_API_KEYS", "regional"},
		{"access path", minimal("RCSHOOK_CREDENTIALS=projects/p/secrets/s/versions/1:access"), "RCSHOOK_CREDENTIALS", "must be the name of a secret"},
		{"file name", minimal("RCSHOOK_CREDENTIALS=/etc/key.json"), "RCSHOOK_CREDENTIALS", "GOOGLE_APPLICATION_CREDENTIALS"},
		{"invalid JSON", minimal(`RCSHOOK_CREDENTIALS={type: x}`), "RCSHOOK_CREDENTIALS", "invalid JSON"},
		{"region", minimal("RCSHOOK_REGION=mars"), "RCSHOOK_REGION", "us, europe or asia"},
		{"eu", minimal("RCSHOOK_REGION=eu"), "RCSHOOK_REGION", "write europe"},
		{"country", minimal("RCSHOOK_COUNTRY=XX"), "RCSHOOK_COUNTRY", "two letters"},
		{"two countries", minimal("RCSHOOK_COUNTRY=DE AT"), "RCSHOOK_COUNTRY", "two letters"},
		{"uk", minimal("RCSHOOK_COUNTRY=uk"), "RCSHOOK_COUNTRY", "write GB"},
		{"traffic", minimal("RCSHOOK_TRAFFIC=SERVICE_REQUEST"), "RCSHOOK_TRAFFIC", "otp, transaction"},
		{"premium numbers", minimal("RCSHOOK_ALLOW_PREMIUM_NUMBERS=maybe"), "RCSHOOK_ALLOW_PREMIUM_NUMBERS", "must be true or false"},
		{"ttl", minimal("RCSHOOK_TTL=soon"), "RCSHOOK_TTL", "10m, 90s"},
		{"ttl zero", minimal("RCSHOOK_TTL=0"), "RCSHOOK_TTL", "greater than zero"},
		{"ttl negative", minimal("RCSHOOK_TTL=-1s"), "RCSHOOK_TTL", "greater than zero"},
		{"ttl long", minimal("RCSHOOK_TTL=360h1s"), "RCSHOOK_TTL", "15 days"},
		{"ttl very long", minimal("RCSHOOK_TTL=99999999999"), "RCSHOOK_TTL", "10m, 90s"},
		{"timeout", minimal("RCSHOOK_TIMEOUT=61m"), "RCSHOOK_TIMEOUT", "after one hour"},
		{"rate in words", minimal("RCSHOOK_MESSAGES_PER_SECOND=five"), "RCSHOOK_MESSAGES_PER_SECOND", "write 5, or 0.5"},
		{"rate with a comma", minimal("RCSHOOK_MESSAGES_PER_SECOND=0,5"), "RCSHOOK_MESSAGES_PER_SECOND", "write 5, or 0.5"},
		{"NaN", minimal("RCSHOOK_MESSAGES_PER_SECOND=NaN"), "RCSHOOK_MESSAGES_PER_SECOND", "write 5, or 0.5"},
		{"zero rate", minimal("RCSHOOK_MESSAGES_PER_SECOND=0"), "RCSHOOK_MESSAGES_PER_SECOND", "leave it empty"},
		{"negative rate", minimal("RCSHOOK_MESSAGES_PER_SECOND=-1"), "RCSHOOK_MESSAGES_PER_SECOND", "leave it empty"},
		{"slow rate", minimal("RCSHOOK_MESSAGES_PER_SECOND=1e-9"), "RCSHOOK_MESSAGES_PER_SECOND", "one message per hour"},
		{"infinite rate", minimal("RCSHOOK_MESSAGES_PER_SECOND=inf"), "RCSHOOK_MESSAGES_PER_SECOND", "more than 1000"},
		{"misspelled rate", minimal("RCSHOOK_MESSAGE_PER_SECOND=5"), "RCSHOOK_MESSAGE_PER_SECOND", "did you mean RCSHOOK_MESSAGES_PER_SECOND?"},
		{
			"rate without an agent",
			[]string{"RCSHOOK_CONFIG=f", "RCSHOOK_MESSAGES_PER_SECOND=5", "RCSHOOK_API_KEYS=k"},
			"RCSHOOK_MESSAGES_PER_SECOND", "of the agents in the file",
		},
		{"no URL", minimal("RCSHOOK_RBM_ENDPOINT=localhost:8081"), "RCSHOOK_RBM_ENDPOINT", "http://localhost:8081"},
		{"no host", minimal("RCSHOOK_RBM_ENDPOINT=http://:8081"), "RCSHOOK_RBM_ENDPOINT", "must be a URL"},
		{"other scheme", minimal("RCSHOOK_RBM_ENDPOINT=ftp://h"), "RCSHOOK_RBM_ENDPOINT", "must be a URL"},
		{"no TLS", minimal("RCSHOOK_SECRETMANAGER_ENDPOINT=http://10.0.0.1"), "RCSHOOK_SECRETMANAGER_ENDPOINT", "https://"},
		{"looks local", minimal("RCSHOOK_RBM_ENDPOINT=http://localhost.example.com"), "RCSHOOK_RBM_ENDPOINT", "https://"},
		{"user", minimal("RCSHOOK_RBM_ENDPOINT=https://u:p@h"), "RCSHOOK_RBM_ENDPOINT", "without a user"},
		{"query", minimal("RCSHOOK_RBM_ENDPOINT=https://h?x"), "RCSHOOK_RBM_ENDPOINT", "query"},
		{
			"everything at once",
			[]string{
				"RCSHOOK_AGENT_ID=a b", "RCSHOOK_CREDENTIALS=x", "RCSHOOK_REGION=x", "RCSHOOK_COUNTRY=x", "RCSHOOK_TRAFFIC=x", "RCSHOOK_TTL=x",
				"RCSHOOK_TIMEOUT=x", "RCSHOOK_RBM_ENDPOINT=x", "RCSHOOK_SECRETMANAGER_ENDPOINT=x", "RCSHOOK_ALLOW_UNAUTHENTICATED=x",
				"RCSHOOK_ZZZZZZ=x", "RCSHOOK_AAAAAA=x",
			},
			"RCSHOOK_AGENT_ID RCSHOOK_CREDENTIALS RCSHOOK_REGION RCSHOOK_TRAFFIC RCSHOOK_TTL RCSHOOK_COUNTRY RCSHOOK_TIMEOUT" +
				" RCSHOOK_RBM_ENDPOINT RCSHOOK_SECRETMANAGER_ENDPOINT RCSHOOK_ALLOW_UNAUTHENTICATED RCSHOOK_AAAAAA RCSHOOK_ZZZZZZ", "one word",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := config.FromEnviron(tt.environ)
			problems, ok := errors.AsType[*config.Error](err)
			if !ok {
				t.Fatalf("FromEnviron = %v, want a *config.Error", err)
			}
			var names []string
			for _, f := range problems.Problems {
				names = append(names, f.Path)
				if !strings.Contains(err.Error(), f.Path+" "+f.Detail) {
					t.Errorf("error %q leaves out %s", err, f)
				}
			}
			if list := strings.Join(names, " "); list != tt.want {
				t.Errorf("FromEnviron: problems in %s, want %s", list, tt.want)
			}
			if detail := problems.Problems[0].Detail; !strings.Contains(detail, tt.hint) {
				t.Errorf("FromEnviron: detail %q, want it to have %q", detail, tt.hint)
			}
			if diff := cmp.Diff(plain(config.Config{}), plain(got)); diff != "" {
				t.Errorf("FromEnviron with problems (-want +got):\n%s", diff)
			}
		})
	}
}

func TestFromEnviron_hidesValues(t *testing.T) {
	t.Parallel()
	const marker = "hunter2-marker !"
	for _, name := range []string{
		"AGENT_ID", "CREDENTIALS", "ALLOW_UNAUTHENTICATED", "REGION", "COUNTRY", "TRAFFIC",
		"TTL", "TIMEOUT", "RBM_ENDPOINT", "SECRETMANAGER_ENDPOINT", "UNKNOWN",
	} {
		for _, value := range []string{marker, "projects/" + marker, "{" + marker, "http://u:" + marker + "@h"} {
			_, err := config.FromEnviron(minimal("RCSHOOK_" + name + "=" + value))
			if err == nil {
				t.Errorf("RCSHOOK_%s=%s: no error", name, value)
			} else if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("RCSHOOK_%s: error shows the value: %v", name, err)
			}
		}
	}
}

func TestFromEnviron_traffic(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		"otp": "AUTHENTICATION", "AUTHENTICATION": "AUTHENTICATION", "Transaction": "TRANSACTION", "promotion": "PROMOTION",
		"service": "SERVICEREQUEST", "SERVICEREQUEST": "SERVICEREQUEST", "acknowledgement": "ACKNOWLEDGEMENT",
	} {
		got, err := config.FromEnviron(minimal("RCSHOOK_TRAFFIC=" + value))
		if err != nil || got.Traffic != want {
			t.Errorf("RCSHOOK_TRAFFIC=%s: %q, %v, want %q", value, got.Traffic, err, want)
		}
	}
}

func TestFromEnviron_loopback(t *testing.T) {
	t.Parallel()
	for _, endpoint := range []string{
		"http://localhost:8081", "http://127.0.0.1:1", "http://127.9.9.9", "http://[::1]:8081/x", "http://LOCALHOST", "http://sim.localhost:80",
	} {
		got, err := config.FromEnviron(minimal("RCSHOOK_RBM_ENDPOINT=" + endpoint))
		if err != nil || got.RBMEndpoint != endpoint {
			t.Errorf("RCSHOOK_RBM_ENDPOINT=%s: %q, %v, want it as it is", endpoint, got.RBMEndpoint, err)
		}
	}
}
