package response

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/rcshook/rcshook/internal/google"
	"github.com/rcshook/rcshook/internal/optout"
	"github.com/rcshook/rcshook/internal/queue"
)

func TestSecretAdvice(t *testing.T) {
	t.Parallel()
	const (
		id      = "projects/p-1/secrets/agent-id/versions/latest"
		key     = "projects/p-1/secrets/key/versions/latest"
		add     = "gcloud secrets versions add key --project=p-1 --data-file=KEY.json"
		account = "--service-account=SERVICE_ACCOUNT"
	)
	for _, tt := range []struct {
		err  google.SecretError
		want string // a part of the advice
	}{
		{google.SecretError{Kind: google.NotFound, Reason: "not_found", Resource: id}, "gcloud secrets create agent-id --project=p-1 --data-file=FILE"},
		{google.SecretError{Kind: google.NotFound, Reason: "not_found", Resource: "projects/p-1/secrets/agent-id"}, "gcloud secrets create agent-id --project=p-1 --data-file=FILE"},
		{google.SecretError{Kind: google.Denied, Reason: "permission_denied", Resource: key}, "gcloud secrets add-iam-policy-binding key --project=p-1 --member=serviceAccount:SERVICE_ACCOUNT --role=roles/secretmanager.secretAccessor"},
		{google.SecretError{Kind: google.Denied, Reason: "api_disabled", Resource: key}, "gcloud services enable secretmanager.googleapis.com --project=p-1"},
		{google.SecretError{Kind: google.Denied, Reason: "unauthenticated", Resource: key}, "gcloud auth application-default login"},
		{google.SecretError{Kind: google.Denied, Reason: "scope", Resource: key}, "cloud-platform"},
		{google.SecretError{Kind: google.Invalid, Reason: "version_disabled", Resource: key, Version: "1"}, "gcloud secrets versions enable 1 --secret=key --project=p-1"},
		{google.SecretError{Kind: google.Invalid, Reason: "version_disabled", Resource: id}, "enable VERSION --secret=agent-id"},
		{google.SecretError{Kind: google.Invalid, Reason: "version_destroyed", Resource: key}, "gcloud secrets versions add key --project=p-1"},
		{google.SecretError{Kind: google.Invalid, Reason: "bad_name", Resource: key}, "projects/PROJECT/secrets/SECRET"},
		{google.SecretError{Kind: google.Unavailable, Reason: "rate_limited", Resource: key}, "quota"},
		{google.SecretError{Kind: google.Unavailable, Reason: "unavailable", Resource: key}, "later"},
		{google.SecretError{Kind: google.Unavailable, Reason: "checksum", Resource: key}, "later"},

		{google.SecretError{Kind: google.Invalid, Reason: "empty", Resource: id, Content: google.AgentID}, "printf %s AGENT_ID | gcloud secrets versions add agent-id --project=p-1 --data-file=-"},
		{google.SecretError{Kind: google.Invalid, Reason: "not_agent_id", Resource: id, Content: google.AgentID}, "swapped"},
		{google.SecretError{Kind: google.Invalid, Reason: "empty", Resource: key, Content: google.Key}, add},
		{google.SecretError{Kind: google.Invalid, Reason: "not_json", Resource: key, Content: google.Key}, "swapped"},
		{google.SecretError{Kind: google.Invalid, Reason: "missing_field", Resource: key, Content: google.Key}, add},
		{google.SecretError{Kind: google.Invalid, Reason: "wrong_key_type", Resource: key, Content: google.Key}, "Application Default Credentials"},
		{google.SecretError{Kind: google.Invalid, Reason: "bad_token_uri", Resource: key, Content: google.Key}, "https://oauth2.googleapis.com/token"},
		{google.SecretError{Kind: google.Invalid, Reason: "invalid_grant", Resource: key, Content: google.Key}, "Make a new key"},
		{google.SecretError{Kind: google.Invalid, Reason: "internal_failure", Resource: key, Content: google.Key}, add},
		{google.SecretError{Kind: google.Invalid, Reason: "invalid_grant", Content: google.Key}, "in Secret Manager"},
		{google.SecretError{Kind: google.Invalid, Reason: "empty", Resource: id}, "--data-file=FILE"},

		{google.SecretError{Kind: google.Denied, Reason: "no_adc", Resource: id, Content: google.DefaultCredentials}, account},
		{google.SecretError{Kind: google.Invalid, Reason: "no_adc", Content: google.DefaultCredentials}, account},
		{google.SecretError{Kind: google.Denied, Reason: "bad_adc", Resource: id, Content: google.DefaultCredentials}, "GOOGLE_APPLICATION_CREDENTIALS"},
		{google.SecretError{Kind: google.Denied, Reason: "invalid_grant", Resource: id, Content: google.DefaultCredentials}, "service account"},
		{google.SecretError{Kind: google.Unavailable, Reason: "adc_unavailable", Resource: id, Content: google.DefaultCredentials}, "later"},
	} {
		if got := SecretAdvice(&tt.err); !strings.Contains(got, tt.want) {
			t.Errorf("SecretAdvice(%v) = %q, want %q in it", &tt.err, got, tt.want)
		}
	}
}

func TestQueueAdvice(t *testing.T) {
	t.Parallel()
	for reason, want := range map[string]string{
		"not_found":         "gcloud tasks queues create messages --location=europe-west1 --project=p-1",
		"permission_denied": "--role=roles/cloudtasks.enqueuer",
		"act_as":            "gcloud iam service-accounts add-iam-policy-binding tasks@p-1 --project=p-1",
		"api_disabled":      "gcloud services enable cloudtasks.googleapis.com --project=p-1",
		"scope":             "check the service account",
		"unauthenticated":   "check the service account",
		"invalid":           "RCSHOOK_QUEUE_ACCOUNT",
		"not_ready":         "gcloud tasks queues describe messages",
		"rate_limited":      "higher quota",
		"unavailable":       "Retry later",
		"unreachable":       "Retry later",
		"timeout":           "Retry later",
		"invalid_grant":     "rejects the credentials",
		"adc_unavailable":   "unavailable",
	} {
		e := &queue.Error{Reason: reason, Queue: "projects/p-1/locations/europe-west1/queues/messages", Account: "tasks@p-1"}
		if got := QueueAdvice(e); !strings.Contains(got, want) {
			t.Errorf("QueueAdvice(%s) = %q, want %q in it", reason, got, want)
		}
	}
}

func TestStoreAdvice(t *testing.T) {
	t.Parallel()
	const create, grant = "gcloud storage buckets create gs://b-1 --project=PROJECT", "gcloud storage buckets add-iam-policy-binding gs://b-1 --member"
	for _, test := range []struct {
		err  error
		want []string // a part of each step
	}{
		{optout.ErrNoKey, []string{"rcshook optouts init"}},
		{optout.ErrBrand, []string{"rcshook optouts init", "use the former one"}},
		{optout.ErrKey, []string{"rcshook optouts rekey"}},
		{optout.ErrRekeying, []string{"rcshook optouts rekey"}},
		{errors.New("no response"), nil},
		{&google.APIError{Code: 404, Status: "NOT_FOUND"}, []string{create, grant}},
		{&google.APIError{Code: 404}, nil}, // the page of a proxy
		{&google.APIError{Code: 403, Status: "PERMISSION_DENIED"}, []string{grant}},
		{&google.APIError{Code: 403}, nil},
		{&google.APIError{Code: 429, Status: "RESOURCE_EXHAUSTED"}, nil},
	} {
		got := StoreAdvice(test.err, "gs://b-1/opt-outs")
		if !slices.EqualFunc(got, test.want, strings.Contains) {
			t.Errorf("StoreAdvice(%v) = %q, want %q in it", test.err, got, test.want)
		}
	}
}
