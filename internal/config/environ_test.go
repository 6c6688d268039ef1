package config_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rcshook/rcshook/internal/config"
)

// enough are settings that say no more than they must.
func enough(more ...string) []string {
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
			"enough", enough(),
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
				"RCSHOOK_MESSAGES_PER_SECOND=0.5",
				"RCSHOOK_RBM_ENDPOINT=http://localhost:8081/", "RCSHOOK_SECRETMANAGER_ENDPOINT=https://proxy.example.com/sm",
			},
			config.Config{
				Agents: agent(config.Agent{
					ID: "projects/p-1/secrets/id", Credentials: "projects/123/secrets/key/versions/4",
					Region: "europe", Traffic: "AUTHENTICATION", TTL: 10 * time.Minute, MessagesPerSecond: 0.5,
				}),
				APIKeys: "projects/example.com:p/secrets/keys", Region: "europe", Traffic: "AUTHENTICATION", TTL: 10 * time.Minute,
				Country: "DE", Timeout: 30 * time.Second,
				RBMEndpoint: "http://localhost:8081", SecretManagerEndpoint: "https://proxy.example.com/sm",
			},
		},
		{
			"tokens of Google and a file",
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
			enough("RCSHOOK_QUEUE=projects/p-1/locations/us-central1/queues/Messages-1", "RCSHOOK_QUEUE_ACCOUNT=Tasks@p-1.iam.gserviceaccount.com",
				"RCSHOOK_URL=https://rcshook-1.us-central1.run.app/", "RCSHOOK_TASKS_ENDPOINT=http://localhost:8081"),
			config.Config{
				Agents: agent(config.Agent{ID: "brand_agent"}), APIKeys: "k", Timeout: 20 * time.Second,
				Queue: "projects/p-1/locations/us-central1/queues/Messages-1", QueueAccount: "tasks@p-1.iam.gserviceaccount.com",
				URL: "https://rcshook-1.us-central1.run.app", TasksEndpoint: "http://localhost:8081",
			},
		},
		{
			"a queue that runs empty", enough("RCSHOOK_QUEUE_ACCOUNT=t@p.iam.gserviceaccount.com", "RCSHOOK_URL=http://localhost:8080"),
			config.Config{
				Agents: agent(config.Agent{ID: "brand_agent"}), APIKeys: "k", Timeout: 20 * time.Second,
				QueueAccount: "t@p.iam.gserviceaccount.com", URL: "http://localhost:8080",
			},
		},
		{
			"open",
			[]string{"RCSHOOK_AGENT_ID=a", "RCSHOOK_ALLOW_UNAUTHENTICATED=TRUE"},
			config.Config{Agents: agent(config.Agent{ID: "a"}), AllowUnauthenticated: true, Timeout: 20 * time.Second},
		},
		{
			"empty is absent", enough("RCSHOOK_REGION=", "RCSHOOK_TTL= ", "RCSHOOK_NONSENSE=", "RCSHOOK_ALLOW_UNAUTHENTICATED="),
			config.Config{Agents: agent(config.Agent{ID: "brand_agent"}), APIKeys: "k", Timeout: 20 * time.Second},
		},
		{
			"literal key", enough("RCSHOOK_CREDENTIALS=\ufeff{\"type\": \"x\"}\n"),
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

// plain undoes the hiding of secrets, so that a difference shows.
func plain(c config.Config) any {
	type agent struct {
		ID, Credentials string
		Config          config.Agent
	}
	agents := make(map[string]agent)
	for name, a := range c.Agents {
		agents[name] = agent{string(a.ID), string(a.Credentials), a}
	}
	return struct {
		Agents  map[string]agent
		APIKeys string
		Config  config.Config
	}{agents, string(c.APIKeys), c}
}

func TestFromEnviron_faults(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		environ []string
		want    string // the settings at fault, in order
		hint    string // in the detail of the first
	}{
		{"nothing", nil, "RCSHOOK_AGENT_ID RCSHOOK_API_KEYS", "projects/PROJECT/secrets/SECRET"},
		{"no door", []string{"RCSHOOK_AGENT_ID=a"}, "RCSHOOK_API_KEYS", "RCSHOOK_ALLOW_UNAUTHENTICATED=true"},
		{"door shut", []string{"RCSHOOK_AGENT_ID=a", "RCSHOOK_ALLOW_UNAUTHENTICATED=false"}, "RCSHOOK_API_KEYS", "RCSHOOK_ALLOW_UNAUTHENTICATED=true"},
		{"two doors", enough("RCSHOOK_ALLOW_UNAUTHENTICATED=true"), "RCSHOOK_ALLOW_UNAUTHENTICATED", "keep one of the two"},
		{"maybe", enough("RCSHOOK_ALLOW_UNAUTHENTICATED=yess"), "RCSHOOK_ALLOW_UNAUTHENTICATED", "true or false"},
		{"no keys", enough("RCSHOOK_API_KEYS=, ,"), "RCSHOOK_API_KEYS", "holds no key"},
		{"misspelt", []string{"RCSHOOK_AGENT_ID=a", "RCSHOOK_API_KEY=k"}, "RCSHOOK_API_KEYS RCSHOOK_API_KEY", "is missing"},
		{"misspelt beside", enough("RCSHOOK_CREDENTIAL=k"), "RCSHOOK_CREDENTIAL", "did you mean RCSHOOK_CREDENTIALS?"},
		{"too long", enough("RCSHOOK_COUNTRY_CODE=US"), "RCSHOOK_COUNTRY_CODE", "did you mean RCSHOOK_COUNTRY?"},
		{"lower case", enough("rcshook_region=us"), "rcshook_region", "did you mean RCSHOOK_REGION?"},
		{"unlike any", enough("RCSHOOK_QQQQ_WWWWWWWW=x"), "RCSHOOK_QQQQ_WWWWWWWW", "remove it"},
		{"audience of anybody", enough("RCSHOOK_OIDC_AUDIENCE=x"), "RCSHOOK_OIDC_EMAILS", "any account"},
		{"a queue alone", enough("RCSHOOK_QUEUE=projects/p/locations/l/queues/q"), "RCSHOOK_QUEUE_ACCOUNT RCSHOOK_URL", "of no other one"},
		{"a queue by its last name", enough("RCSHOOK_QUEUE=messages", "RCSHOOK_QUEUE_ACCOUNT=a@b.c", "RCSHOOK_URL=https://x.example.com"), "RCSHOOK_QUEUE", "projects/PROJECT/locations/LOCATION/queues/QUEUE"},
		{"a name for an account", enough("RCSHOOK_QUEUE_ACCOUNT=tasks", "RCSHOOK_URL=https://x.example.com"), "RCSHOOK_QUEUE_ACCOUNT", "NAME@PROJECT.iam.gserviceaccount.com"},
		{"an account without an address", enough("RCSHOOK_QUEUE_ACCOUNT=a@b.c"), "RCSHOOK_URL", "to which the queue sends its tasks"},
		{"an address in the clear", enough("RCSHOOK_URL=http://x.example.com"), "RCSHOOK_URL", "must be the public address"},
		{"an address with a query", enough("RCSHOOK_URL=https://x.example.com/?a"), "RCSHOOK_URL", "without a query"},
		{"no address", enough("RCSHOOK_URL=x.example.com"), "RCSHOOK_URL", "must be the public address"},
		{"emails without audience", enough("RCSHOOK_OIDC_EMAILS=x"), "RCSHOOK_OIDC_AUDIENCE", "the address of this function"},
		{
			"tokens and an open door",
			[]string{"RCSHOOK_AGENT_ID=a", "RCSHOOK_OIDC_AUDIENCE=x", "RCSHOOK_OIDC_EMAILS=y", "RCSHOOK_ALLOW_UNAUTHENTICATED=1"},
			"RCSHOOK_ALLOW_UNAUTHENTICATED", "keep one of the two",
		},
		{"half an agent beside the file", []string{"RCSHOOK_CONFIG=f", "RCSHOOK_CREDENTIALS={}", "RCSHOOK_API_KEYS=k"}, "RCSHOOK_CREDENTIALS", "set both, or none"},
		{"blank in ID", enough("RCSHOOK_AGENT_ID=my agent"), "RCSHOOK_AGENT_ID", "one word"},
		{"swapped", enough(`RCSHOOK_AGENT_ID={"type":"service_account"}`), "RCSHOOK_AGENT_ID", "swapped with RCSHOOK_CREDENTIALS"},
		{"no secret", enough("RCSHOOK_AGENT_ID=projects/p/secret/s"), "RCSHOOK_AGENT_ID", "is not the name of a secret"},
		{"placeholder", enough("RCSHOOK_CREDENTIALS=projects/PROJECT/secrets/s"), "RCSHOOK_CREDENTIALS", "is not the name of a secret"},
		{"regional", enough("RCSHOOK_API_KEYS=projects/p/locations/us-east1/secrets/s"), "RCSHOOK_API_KEYS", "regional"},
		{"access path", enough("RCSHOOK_CREDENTIALS=projects/p/secrets/s/versions/1:access"), "RCSHOOK_CREDENTIALS", "is not the name of a secret"},
		{"file name", enough("RCSHOOK_CREDENTIALS=/etc/key.json"), "RCSHOOK_CREDENTIALS", "GOOGLE_APPLICATION_CREDENTIALS"},
		{"broken key", enough(`RCSHOOK_CREDENTIALS={type: x}`), "RCSHOOK_CREDENTIALS", "broken JSON"},
		{"region", enough("RCSHOOK_REGION=mars"), "RCSHOOK_REGION", "us, europe or asia"},
		{"eu", enough("RCSHOOK_REGION=eu"), "RCSHOOK_REGION", "write europe"},
		{"country", enough("RCSHOOK_COUNTRY=XX"), "RCSHOOK_COUNTRY", "two letters"},
		{"two countries", enough("RCSHOOK_COUNTRY=DE AT"), "RCSHOOK_COUNTRY", "two letters"},
		{"uk", enough("RCSHOOK_COUNTRY=uk"), "RCSHOOK_COUNTRY", "write GB"},
		{"traffic", enough("RCSHOOK_TRAFFIC=SERVICE_REQUEST"), "RCSHOOK_TRAFFIC", "otp, transaction"},
		{"ttl", enough("RCSHOOK_TTL=soon"), "RCSHOOK_TTL", "10m, 90s"},
		{"ttl zero", enough("RCSHOOK_TTL=0"), "RCSHOOK_TTL", "more than zero"},
		{"ttl negative", enough("RCSHOOK_TTL=-1s"), "RCSHOOK_TTL", "more than zero"},
		{"ttl long", enough("RCSHOOK_TTL=360h1s"), "RCSHOOK_TTL", "15 days"},
		{"ttl very long", enough("RCSHOOK_TTL=99999999999"), "RCSHOOK_TTL", "10m, 90s"},
		{"timeout", enough("RCSHOOK_TIMEOUT=61m"), "RCSHOOK_TIMEOUT", "after an hour"},
		{"pace in words", enough("RCSHOOK_MESSAGES_PER_SECOND=five"), "RCSHOOK_MESSAGES_PER_SECOND", "write 5, or 0.5"},
		{"pace with a comma", enough("RCSHOOK_MESSAGES_PER_SECOND=0,5"), "RCSHOOK_MESSAGES_PER_SECOND", "write 5, or 0.5"},
		{"pace that is no number", enough("RCSHOOK_MESSAGES_PER_SECOND=NaN"), "RCSHOOK_MESSAGES_PER_SECOND", "write 5, or 0.5"},
		{"pace of nothing", enough("RCSHOOK_MESSAGES_PER_SECOND=0"), "RCSHOOK_MESSAGES_PER_SECOND", "leave it out"},
		{"pace of less", enough("RCSHOOK_MESSAGES_PER_SECOND=-1"), "RCSHOOK_MESSAGES_PER_SECOND", "leave it out"},
		{"slow pace", enough("RCSHOOK_MESSAGES_PER_SECOND=1e-9"), "RCSHOOK_MESSAGES_PER_SECOND", "one message an hour"},
		{"endless pace", enough("RCSHOOK_MESSAGES_PER_SECOND=inf"), "RCSHOOK_MESSAGES_PER_SECOND", "more than 1000"},
		{"misspelt pace", enough("RCSHOOK_MESSAGE_PER_SECOND=5"), "RCSHOOK_MESSAGE_PER_SECOND", "did you mean RCSHOOK_MESSAGES_PER_SECOND?"},
		{
			"pace of no agent",
			[]string{"RCSHOOK_CONFIG=f", "RCSHOOK_MESSAGES_PER_SECOND=5", "RCSHOOK_API_KEYS=k"},
			"RCSHOOK_MESSAGES_PER_SECOND", "at the agents of the file",
		},
		{"no URL", enough("RCSHOOK_RBM_ENDPOINT=localhost:8081"), "RCSHOOK_RBM_ENDPOINT", "http://localhost:8081"},
		{"no host", enough("RCSHOOK_RBM_ENDPOINT=http://:8081"), "RCSHOOK_RBM_ENDPOINT", "must be a URL"},
		{"other scheme", enough("RCSHOOK_RBM_ENDPOINT=ftp://h"), "RCSHOOK_RBM_ENDPOINT", "must be a URL"},
		{"clear text", enough("RCSHOOK_SECRETMANAGER_ENDPOINT=http://10.0.0.1"), "RCSHOOK_SECRETMANAGER_ENDPOINT", "https://"},
		{"looks local", enough("RCSHOOK_RBM_ENDPOINT=http://localhost.example.com"), "RCSHOOK_RBM_ENDPOINT", "https://"},
		{"user", enough("RCSHOOK_RBM_ENDPOINT=https://u:p@h"), "RCSHOOK_RBM_ENDPOINT", "without a user"},
		{"query", enough("RCSHOOK_RBM_ENDPOINT=https://h?x"), "RCSHOOK_RBM_ENDPOINT", "query"},
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
			var problems *config.Error
			if !errors.As(err, &problems) {
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
			_, err := config.FromEnviron(enough("RCSHOOK_" + name + "=" + value))
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
		got, err := config.FromEnviron(enough("RCSHOOK_TRAFFIC=" + value))
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
		got, err := config.FromEnviron(enough("RCSHOOK_RBM_ENDPOINT=" + endpoint))
		if err != nil || got.RBMEndpoint != endpoint {
			t.Errorf("RCSHOOK_RBM_ENDPOINT=%s: %q, %v, want it as it is", endpoint, got.RBMEndpoint, err)
		}
	}
}
