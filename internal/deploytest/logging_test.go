package deploytest

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestLogExclusion checks which requests the script and the module keep out of the request
// log of Cloud Run: those whose URL can contain a number or a token.
func TestLogExclusion(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	c.file("project.json", `{"Secrets": {}, "Exclusions": ["name=another-rcshook-queries,filter=x", "name=rcshook-queries-2,filter=x"]}`)
	c.deploy("", "--agent-id-file", c.file("id", agentID), "--key-file", c.file("key.json", serviceKey))
	added := c.state().Exclusions[2:]
	if len(added) != 1 {
		t.Fatalf("the script added %q", added)
	}
	name, filter, _ := strings.Cut(added[0], ",filter=")
	if name != "name=rcshook-queries" || strings.Contains(filter, ",") { // gcloud splits at commas
		t.Errorf("the exclusion is %q with %q", name, filter)
	}
	inModule := regexp.MustCompile(`filter += "(resource.*)"\n`).FindStringSubmatch(read(t, "deploy/terraform/logging.tf"))
	if inModule == nil || strings.NewReplacer(`\"`, `"`, "${var.name}", "rcshook").Replace(inModule[1]) != filter {
		t.Errorf("the module has another filter than the script: %q, %q", inModule, filter)
	}
	for _, want := range []string{`resource.labels.service_name="rcshook"`, `log_id("run.googleapis.com/requests")`} {
		if !slices.Contains(strings.Split(filter, " AND "), want) {
			t.Errorf("the filter %s does not contain %s", filter, want)
		}
	}
	_, pattern, _ := strings.Cut(filter, `httpRequest.requestUrl=~`)
	url := regexp.MustCompile(strings.Trim(pattern, `"`))
	const origin = "https://rcshook-123456789012.us-central1.run.app"
	for path, want := range map[string]bool{
		"/capabilities?to=%2B12025550123":                                              true,
		"/capabilities?agent=care&to=%2B12025550123":                                   true,
		"/capabilities/?to=+12025550123":                                               true,
		"//capabilities?%74o=%2B12025550123":                                           true,
		"/messages/5a0c2f4e-6a3d-4d0e-9a50-0d7c1f7be001?to=%2B12025550123":             true,
		"/messages/5a0c2f4e-6a3d-4d0e-9a50-0d7c1f7be001/?agent=care&to=%2B12025550123": true,
		"/hooks/shop?token=abc":                                                        true,
		"/hooks/form/OFA7JHSBVGJSHZLCCXIRWJRRHX":                                       true,
		"//hooks//form//OFA7JHSBVGJSHZLCCXIRWJRRHX/":                                   true,
		"/hooks/form/OFA7JHSBVGJSHZLCCXIRWJRRHX?a=b":                                   true,
		"/hooks/form%2FOFA7JHSBVGJSHZLCCXIRWJRRHX":                                     true,
		"/hooks%2fform/%2fOFA7JHSBVGJSHZLCCXIRWJRRHX":                                  true,
		"/Hooks/form/OFA7JHSBVGJSHZLCCXIRWJRRHX":                                       true,
		"/hooks/shop/":                                                                 false,
		"/capabilities":                                                                false,
		"/messages/5a0c2f4e-6a3d-4d0e-9a50-0d7c1f7be001":                               false,
		"/hooks/shop":               false,
		"/":                         false,
		"/?profile=soft":            false,
		"/events/sample?type=reply": false,
	} {
		if got := url.MatchString(origin + path); got != want {
			t.Errorf("%s is excluded: %t, want %t", path, got, want)
		}
	}
}

// TestLogExclusion_ofEarlierVersion checks that the script replaces the filter of an earlier
// version, and changes nothing else.
func TestLogExclusion_ofEarlierVersion(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	c.file("project.json", `{"Secrets": {}, "Exclusions": ["name=another-rcshook-queries,filter=x", "name=rcshook-queries,filter=earlier"]}`)
	for range 2 {
		c.deploy("", "--agent-id-file", c.file("id", agentID), "--key-file", c.file("key.json", serviceKey))
		got := c.state().Exclusions
		if len(got) != 2 || got[0] != "name=another-rcshook-queries,filter=x" || !strings.Contains(got[1], "name=rcshook-queries,filter=resource") || !strings.Contains(got[1], "hooks(/") {
			t.Fatalf("the exclusions are %q", got)
		}
	}
}
