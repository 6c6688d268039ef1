package deploytest

import (
	"errors"
	"os/exec"
	"strings"
	"testing"
)

// TestScriptRetry checks that the script retries until a new account is visible everywhere.
func TestScriptRetry(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	c.env = append(c.env, "FAIL_BINDINGS=2")
	c.deploy(agentID + "\n" + c.file("key.json", serviceKey) + "\n")
	if got := len(c.state().Access); got != 4 {
		t.Errorf("got %d bindings, want 4", got)
	}
}

// TestScriptInvalid checks that the script reports mistakes before it changes anything.
func TestScriptInvalid(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		stdin string
		args  []string
		code  int
		want  string
	}{
		{"no input", "", nil, 1, "use --agent-id-file"},
		{"no key", agentID + "\n", nil, 1, "use --key-file"},
		{"empty agent ID", " \n", nil, 1, "agent ID is empty"},
		{"no such key", agentID + "\n/nowhere/key.json\n", nil, 1, "cannot read /nowhere/key.json"},
		{"agent ID of two words", "shop agent\n", nil, 1, "agent ID must be one word"},
		{"path in the home folder", agentID + "\n~/no-such-key.json\n", nil, 1, "/no-such-key.json\ndeploy.sh: missing key"},
		{"swapped", "", []string{"--key-file", "deploy/deploy.sh"}, 1, "not a service-account key"},
		{"unknown option", "", []string{"--projekt=x"}, 2, "unknown option --projekt"},
		{"unknown option at the end", "", []string{"--dry-run", "--foo"}, 2, "unknown option --foo"},
		{"no value", "", []string{"--region"}, 2, "--region needs a value"},
		{"region with another setting", "", []string{"--region", "us-central1,RCSHOOK_API_KEYS=x"}, 2, "--region must be a region"},
		{"number of a project", "", []string{"--project", "12345678"}, 2, "--project must be a project ID"},
		{"public with iam", "", []string{"--access", "iam", "--invoker", "allUsers"}, 2, "use --access keys"},
		{"invoker with keys", "", []string{"--invoker", "user:a@example.com"}, 2, "needs --access iam"},
		{"events with iam", "", []string{"--events", "--access", "iam"}, 2, "--events needs --access keys: RCS for Business cannot pass Cloud Run IAM"},
		{"target without events", "", []string{"--events-url", "https://crm.example.com/"}, 2, "--events-url needs --events"},
		{"no opt-out without events", "", []string{"--no-opt-out"}, 2, "--no-opt-out needs --events"},
		{"target without TLS", "", []string{"--events", "--events-url", "http://crm.example.com/"}, 2, "--events-url must be an https:// address"},
		{"target with another setting", "", []string{"--events", "--events-url", "https://crm.example.com/,RCSHOOK_API_KEYS=x"}, 2, "without a comma"},
		{"target with a password", "", []string{"--events", "--events-url", "https://user:password@crm.example.com/"}, 2, "--events-url must be an https:// address"},
		{"secret as a setting", "", []string{"--set", "RCSHOOK_API_KEYS=abc"}, 2, "--set must be"},
		{"region of RCS", "", []string{"--rcs-region", "eu"}, 2, "us, europe or asia"},
		{"caller with iam", "", []string{"--access", "iam", "--caller", "zapier"}, 2, "--caller needs --access keys"},
		{"name of a caller", "", []string{"--caller", "my zapier"}, 2, "--caller must be a name"},
		{"deletion of secrets without --delete", "", []string{"--with-secrets"}, 2, "--with-secrets and --with-opt-outs need --delete"},
		{"argument of --rotate-key", "", []string{"--rotate-key", "end"}, 2, "unknown option end"},
		{"concurrency", "", []string{"--concurrency", "many"}, 2, "must be numbers"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := newCloud(t)
			out, err := c.try(test.stdin, test.args...)
			var exit *exec.ExitError
			if !errors.As(err, &exit) || exit.ExitCode() != test.code || !strings.Contains(out, test.want) {
				t.Errorf("got %v, want exit code %d and %q:\n%s", err, test.code, test.want, out)
			}
			if got := c.state(); len(got.Accounts)+len(got.Secrets)+len(got.Access) > 0 {
				t.Errorf("the project was changed: %+v", got)
			}
		})
	}
}

// TestScriptFailures checks that the script exits at the first failure of gcloud, with the
// error of gcloud.
func TestScriptFailures(t *testing.T) {
	t.Parallel()
	const denied = "PERMISSION_DENIED: Permission denied on resource (or it may not exist)."
	for _, test := range []struct {
		command, stderr string
		args            []string
	}{
		{"config get-value project", "There was a problem refreshing your current auth tokens", nil},
		{"config get-value run/region", "Property file cannot be read", nil},
		{"secrets versions list", denied, nil},
		{"iam service-accounts describe", denied, nil},
		{"projects add-iam-policy-binding", denied, nil},
		{"secrets describe", denied, nil},
		{"secrets versions add", denied, nil},
		{"tasks queues describe", denied, []string{"--queue"}},
		{"tasks queues describe", denied, []string{"--events"}},
		{"tasks queues create rcshook-events", denied, []string{"--events"}},
		{"storage buckets list", denied, []string{"--events"}},
		{"storage buckets create", "HTTPError 409: The requested bucket name is not available.", []string{"--events"}}, // of another project
		{"projects describe", denied, []string{"--queue"}},
		{"run services get-iam-policy", denied, []string{"--access", "iam"}},
		{"run services remove-iam-policy-binding", denied, []string{"--access", "iam"}},
		{"logging sinks describe", denied, nil},
		{"logging sinks update", denied, nil},
		{"run services describe", denied, nil},
	} {
		t.Run(test.command, func(t *testing.T) {
			t.Parallel()
			c := newCloud(t)
			input := agentID + "\n" + c.file("key.json", serviceKey) + "\n"
			c.file("project.json", `{"Public": ["allUsers"], "Secrets": {}}`)
			c.env = append(c.env, "FAIL="+test.command+": "+test.stderr)
			out, err := c.try(input, test.args...)
			var exit *exec.ExitError
			if !errors.As(err, &exit) || exit.ExitCode() != 1 || !strings.Contains(out, test.stderr) {
				t.Errorf("got %v, want exit code 1 and %q:\n%s", err, test.stderr, out)
			}
			if calls := c.calls(); !strings.HasPrefix(calls[len(calls)-1], test.command) {
				t.Errorf("the script continued with gcloud %s", calls[len(calls)-1])
			}
		})
	}
}

// TestScriptMissing checks that the script continues if gcloud reports, with any of its
// errors, that a resource does not exist yet.
func TestScriptMissing(t *testing.T) {
	t.Parallel()
	for name, missing := range map[string][]string{
		"new project": {
			"secrets versions list: PERMISSION_DENIED: Secret Manager API has not been used in project 123456789012 before or it is disabled.",
			"iam service-accounts describe: NOT_FOUND: Unknown service account. This command is authenticated as n@example.com",
			"secrets describe: NOT_FOUND: Secret [projects/123456789012/secrets/rcshook-agent-id] not found.",
			"tasks queues describe: NOT_FOUND: Queue does not exist.",
			"run services get-iam-policy: Cannot find service [rcshook]",
		},
		"project in use": {
			"secrets versions list: NOT_FOUND: Secret [projects/123456789012/secrets/rcshook-agent-id] not found.",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCloud(t)
			c.env = append(c.env, "FAIL="+strings.Join(missing, "\n"))
			out := c.deploy(agentID+"\n"+c.file("key.json", serviceKey)+"\n", "--queue", "--access", "iam")
			if strings.Contains(out, "ERROR") {
				t.Errorf("the script prints an error:\n%s", out)
			}
		})
	}
}
