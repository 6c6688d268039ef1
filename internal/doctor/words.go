package doctor

import (
	"strings"

	"github.com/rcshook/rcshook/internal/google"
)

// reasons are the words for a [google.SecretError], by its reason. WHO is who reads.
// Where the reason does not say all, the error's own words are added.
var reasons = map[string]struct {
	words string
	more  bool
}{
	"not_found":         {"there is no such secret, or it has no version", false},
	"permission_denied": {"WHO may not read it, or there is no such secret: Secret Manager says the same of both", false},
	"api_disabled":      {"the API of Secret Manager is not enabled in the project", false},
	"scope":             {"the credentials of WHO lack the scope cloud-platform", false},
	"unauthenticated":   {"Secret Manager does not accept the credentials of WHO", false},
	"no_adc":            {"there are no credentials here (Application Default Credentials)", false},
	"bad_adc":           {"the credentials file cannot be used", false},
	"adc_unavailable":   {"the server that gives the access token does not answer", true},
	"version_disabled":  {"its version VERSION is disabled", false},
	"version_destroyed": {"its version VERSION is destroyed", false},
	"bad_name":          {"Secret Manager does not take its name", false},
	"empty":             {"it is empty", false},
	"not_agent_id":      {"it holds no agent ID", true},
	"not_json":          {"it holds no key, which is a JSON file", true},
	"unavailable":       {"Secret Manager is in trouble", true},
	"rate_limited":      {"the quota of Secret Manager is used up", false},
	"timeout":           {"Secret Manager does not answer in time", false},
	"unreachable":       {"Secret Manager cannot be reached", true},
	"checksum":          {"what came does not fit its checksum", false},
	"wrong_key_type":    {"", true},
	"missing_field":     {"it is not the whole key", true},
	"bad_private_key":   {"the key is damaged", true},
	"bad_token_uri":     {"", true},
	"invalid_grant":     {"the token endpoint does not accept the key of WHO (invalid_grant)", false},
}

// explain is what a [google.SecretError] means. Reader is whose credentials it is
// about; empty means those that secrets are read with.
func (e *examination) explain(refused *google.SecretError, reader string) string {
	if reader == "" {
		reader = e.reader()
	}
	reason, known := reasons[refused.Reason]
	if !known {
		reason.words = "the token endpoint does not accept the credentials of WHO (" + refused.Reason + ")"
	}
	version := refused.Version
	if version == "" {
		version = "named in the setting"
	}
	text := strings.NewReplacer("WHO", reader, "VERSION", version).Replace(reason.words)
	if reason.more && refused.Err != nil {
		text = strings.TrimPrefix(text+": "+refused.Err.Error(), ": ")
	}
	return text
}
