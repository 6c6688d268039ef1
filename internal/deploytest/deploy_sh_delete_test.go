package deploytest

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rcshook/rcshook/internal/deploytest/gcloudtest"
)

// deployAll deploys with all options that create something, and returns the created project.
func deployAll(t *testing.T) (*cloud, gcloudtest.Project) {
	t.Helper()
	c := newCloud(t)
	c.file("project.json", `{"Secrets": {"database": ["of another program"], "shop-hook": ["x"]}, "Labels": {}, "Accounts": ["database"], "Buckets": ["gs://database"], "Exclusions": ["name=database,filter=x"]}`)
	c.addGo()
	c.file("rcshook.yaml", "sources: {shop: {preset: shopify, secret: projects/my-project/secrets/shop-hook, map: '{to: .phone, text: \"a\"}'}}\n")
	c.deploy(agentID+"\n"+c.file("key.json", serviceKey)+"\n", "--queue", "--events", "--events-url", "https://crm.example.com/", "--caller", "zapier")
	c.forget()
	return c, c.state()
}

// TestScriptDelete checks that --delete deletes what the script created and nothing else,
// after a question, and secrets and opt-outs only if the options say so.
func TestScriptDelete(t *testing.T) {
	t.Parallel()
	c, before := deployAll(t)
	const reminder = "gcloud run services describe rcshook --project=my-project --region=us-central1 --format=json | go run ./cmd/rcshook webhook remove -env -\n"
	for _, stdin := range []string{"", "y\n", "no\n"} {
		out, err := c.try(stdin, "--delete")
		if err == nil || !strings.Contains(out, "nothing was changed") || !strings.Contains(out, reminder) || !strings.Contains(out, "gcloud run services delete rcshook --project=my-project --region=us-central1 --quiet\n") {
			t.Errorf("%q: %v\n%s", stdin, err, out)
		}
	}
	if diff := cmp.Diff(before, c.state()); diff != "" {
		t.Fatalf("without yes, the project changed (-before +after):\n%s", diff)
	}

	out := c.deploy("yes\n", "--delete")
	after := c.state()
	want := gcloudtest.Project{
		Accounts: []string{"database"}, Secrets: before.Secrets, Labels: before.Labels,
		Access:     slices.DeleteFunc(slices.Clone(before.Access), func(s string) bool { return strings.HasPrefix(s, "roles/run.builder ") }),
		Queues:     []string{},
		Buckets:    before.Buckets,
		Exclusions: []string{"name=database,filter=x"},
	}
	if diff := cmp.Diff(want, after); diff != "" {
		t.Errorf("project (-want +got):\n%s", diff)
	}
	for _, kept := range []string{"rcshook-credentials", "rcshook-caller-zapier", "(--with-secrets deletes them too)", "gs://my-project-rcshook-optouts and the secret rcshook-opt-out-key (--with-opt-outs deletes both)"} {
		if !strings.Contains(out, kept) {
			t.Errorf("the output does not say that this stays: %s\n%s", kept, out)
		}
	}

	c.deploy("", "--delete", "--with-secrets", "--yes")
	if got := slices.Sorted(maps.Keys(c.state().Secrets)); !slices.Equal(got, []string{"database", "rcshook-opt-out-key", "shop-hook"}) {
		t.Errorf("the secrets are %q", got)
	}
	c.deploy("", "--delete", "--with-opt-outs", "--yes")
	if got := c.state(); len(got.Secrets) != 2 || !slices.Equal(got.Buckets, []string{"gs://database"}) {
		t.Errorf("the secrets are %q, and the buckets %q", got.Secrets, got.Buckets)
	}
	if out := c.deploy("", "--delete"); !strings.Contains(out, "Nothing to delete.") {
		t.Errorf("there is something to delete:\n%s", out)
	}
}

// TestScriptDelete_fails checks that --delete continues after a failure when it runs again.
func TestScriptDelete_fails(t *testing.T) {
	t.Parallel()
	_, project := deployAll(t)
	deployed, err := json.Marshal(project)
	if err != nil {
		t.Fatal(err)
	}
	for _, command := range []string{
		"run services delete", "tasks queues delete rcshook-events", "logging sinks update", "projects remove-iam-policy-binding",
		"iam service-accounts delete rcshook-queue", "secrets delete rcshook-api-keys", "storage rm", "secrets delete rcshook-opt-out-key",
	} {
		t.Run(command, func(t *testing.T) {
			t.Parallel()
			c := newCloud(t)
			c.file("project.json", string(deployed))
			environ := c.env
			c.env = append(slices.Clone(environ), "FAIL="+command+": PERMISSION_DENIED: it may not exist")
			args := []string{"--delete", "--with-secrets", "--with-opt-outs", "--yes"}
			if out, err := c.try("", args...); err == nil || !strings.Contains(out, "PERMISSION_DENIED: it may not exist") {
				t.Errorf("%v, want the error of gcloud:\n%s", err, out)
			}
			if calls := c.calls(); !strings.HasPrefix(calls[len(calls)-1], command) {
				t.Errorf("the script continued with gcloud %s", calls[len(calls)-1])
			}
			c.env = environ
			c.deploy("", args...)
			if got := c.state(); len(got.Accounts) != 1 || len(got.Secrets) != 2 || len(got.Buckets) != 1 || len(got.Queues)+len(got.Service) > 0 {
				t.Errorf("this is left: %+v", got)
			}
		})
	}
}

// TestScriptDelete_otherRegion checks that a function with the same name in another region
// keeps its accounts and secrets.
func TestScriptDelete_otherRegion(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	c.file("project.json", `{"Secrets": {"rcshook-api-keys": ["x"]}, "Labels": {"rcshook-api-keys": "rcshook=rcshook"}, "Accounts": ["rcshook-run"], "Service": "rcshook", "Regions": ["us-central1", "europe-west1"]}`)
	out := c.deploy("", "--delete", "--with-secrets", "--yes")
	if got := c.state(); len(got.Secrets) != 1 || len(got.Accounts) != 1 || got.Service != "" || !strings.Contains(out, "europe-west1") {
		t.Errorf("the project is %+v:\n%s", got, out)
	}
}

// TestScriptDelete_dryRun checks that the dry run needs no gcloud, and lists everything.
func TestScriptDelete_dryRun(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	c.remove("gcloud")
	out := c.deploy("", "--delete", "--with-secrets", "--with-opt-outs", "--dry-run", "--project", "my-project")
	for _, want := range []string{
		"gcloud run services delete rcshook ", "gcloud tasks queues delete rcshook ", "gcloud tasks queues delete rcshook-events ",
		"gcloud iam service-accounts delete rcshook-run@", "gcloud logging sinks update _Default ", "gcloud storage rm --recursive gs://my-project-rcshook-optouts ",
		"gcloud secrets delete rcshook-opt-out-key ", "gcloud secrets delete rcshook-api-keys ", "Dry run: nothing was changed.",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("the dry run does not print %q:\n%s", want, out)
		}
	}
}

// TestScriptRotateKey checks that a new key is added in front of the old one, which is
// removed only on request, and that a repeated command changes nothing.
func TestScriptRotateKey(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	c.deploy(agentID+"\n"+c.file("key.json", serviceKey)+"\n", "--caller", "zapier")
	for _, test := range []struct {
		secret string
		args   []string
	}{
		{"rcshook-api-keys", nil},
		{"rcshook-caller-zapier", []string{"--caller", "zapier"}},
	} {
		versions := func() []string { return c.state().Secrets[test.secret] }
		old := versions()[0]
		out := c.deploy("", append(test.args, "--rotate-key")...)
		added := versions()
		if len(added) != 2 || !regexp.MustCompile(`^[A-Za-z0-9_-]{43}\n`+regexp.QuoteMeta(old)+`$`).MatchString(added[1]) {
			t.Fatalf("%s: expected a second version with a new key before the old one, got %d versions", test.secret, len(added))
		}
		key, _, _ := strings.Cut(added[1], "\n")
		if strings.Contains(out+strings.Join(c.calls(), "\n"), key) || strings.Contains(out, old) {
			t.Error("a key was printed, or was on a command line")
		}
		if want := "gcloud secrets versions access latest --secret=" + test.secret + " --project=my-project | head -n 1\n"; !strings.Contains(out, want) {
			t.Errorf("the output does not contain %q:\n%s", want, out)
		}
		if out := c.deploy("", append(test.args, "--rotate-key")...); len(versions()) != 2 || !strings.Contains(out, "contains 2 keys already") {
			t.Errorf("a second run changed %s:\n%s", test.secret, out)
		}
		if out, err := c.try("no\n", append(test.args, "--rotate-key", "finish")...); err == nil || len(versions()) != 2 {
			t.Errorf("%s was changed without yes:\n%s", test.secret, out)
		}
		c.deploy("yes\n", append([]string{"--rotate-key", "finish"}, test.args...)...)
		if got := versions(); len(got) != 3 || got[2] != key {
			t.Errorf("%s has %d versions, want the new key only in the third", test.secret, len(got))
		}
		if out := c.deploy("", append(test.args, "--rotate-key", "finish")...); len(versions()) != 3 || !strings.Contains(out, "contains one key") {
			t.Errorf("a second run of finish changed %s:\n%s", test.secret, out)
		}
	}

	c.remove("gcloud")
	for _, args := range [][]string{{"--rotate-key"}, {"--rotate-key", "finish"}} {
		out := c.deploy("", append(args, "--dry-run", "--project=my-project")...)
		if !strings.Contains(out, "+ gcloud secrets versions add rcshook-api-keys --project=my-project --data-file=-\n") || !strings.Contains(out, "Dry run: nothing was changed.") || strings.Contains(out, " 0 keys") {
			t.Errorf("%q:\n%s", args, out)
		}
	}
}

// TestScriptRotateKey_fails checks that the script reports no key that it could not store.
func TestScriptRotateKey_fails(t *testing.T) {
	t.Parallel()
	for content, args := range map[string][]string{`["old"]`: {"--rotate-key"}, `["new\nold"]`: {"--rotate-key", "finish", "--yes"}} {
		c := newCloud(t)
		c.file("project.json", `{"Secrets": {"rcshook-api-keys": `+content+`}}`)
		c.env = append(c.env, "FAIL=secrets versions add: PERMISSION_DENIED")
		if out, err := c.try("", args...); err == nil || !strings.Contains(out, "PERMISSION_DENIED") || strings.Contains(out, "Within five minutes") {
			t.Errorf("%q: %v\n%s", args, err, out)
		}
	}
}

// TestScriptRotateKey_missing checks that a rotation needs a first key.
func TestScriptRotateKey_missing(t *testing.T) {
	t.Parallel()
	for content, want := range map[string]string{`{"Secrets": {"rcshook-api-keys": []}}`: "contains no key; deploy first", `{"Secrets": {"rcshook-api-keys": [" \n"]}}`: "contains no key"} {
		c := newCloud(t)
		c.file("project.json", content)
		for _, args := range [][]string{{"--rotate-key"}, {"--rotate-key", "finish", "--yes"}} {
			if out, err := c.try("", args...); err == nil || !strings.Contains(out, want) || len(c.state().Secrets["rcshook-api-keys"]) > 1 {
				t.Errorf("%q with %s: %v\n%s", args, content, err, out)
			}
		}
	}
}
