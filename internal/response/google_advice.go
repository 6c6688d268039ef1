package response

import (
	"errors"
	"net/http"
	"strings"

	"github.com/rcshook/rcshook/internal/google"
	"github.com/rcshook/rcshook/internal/optout"
	"github.com/rcshook/rcshook/internal/queue"
)

// The next steps after errors of Google Cloud. Commands contain the known names, and
// placeholders in capitals for the others.

// SecretAdvice returns the next step after e.
func SecretAdvice(e *google.SecretError) string {
	if e.Content == google.DefaultCredentials {
		return credentialsAdvice(e.Reason)
	}
	project, secret := "PROJECT", "SECRET"
	if parts := strings.Split(e.Resource, "/"); len(parts) >= 4 {
		project, secret = parts[1], parts[3]
	}
	at := secret + " --project=" + project
	version := e.Version
	if version == "" {
		version = "VERSION"
	}
	switch e.Reason {
	case "not_found":
		return "Create the secret: gcloud secrets create " + at + " --data-file=FILE (if it exists but has no version: gcloud secrets versions add " + at + " --data-file=FILE)"
	case "permission_denied":
		return "Grant the service account of the function access: gcloud secrets add-iam-policy-binding " + at + " --member=serviceAccount:SERVICE_ACCOUNT --role=roles/secretmanager.secretAccessor (a missing secret gives the same error)"
	case "api_disabled":
		return "Enable the API: gcloud services enable secretmanager.googleapis.com --project=" + project
	case "scope":
		return "The credentials of the function lack the scope cloud-platform: run it as a service account with that scope, or on a laptop run gcloud auth application-default login"
	case "unauthenticated":
		return "Secret Manager rejects the credentials of the function: check the service account that it runs as, or on a laptop run gcloud auth application-default login"
	case "version_disabled":
		return "Enable the version: gcloud secrets versions enable " + version + " --secret=" + at + " (or add a new one: gcloud secrets versions add " + at + " --data-file=FILE)"
	case "version_destroyed":
		return "Add a new version: gcloud secrets versions add " + at + " --data-file=FILE"
	case "bad_name":
		return "Fix the name of the secret in the configuration: projects/PROJECT/secrets/SECRET, optionally with /versions/NUMBER"
	case "rate_limited":
		return "Retry later; if it persists, request a higher quota of Secret Manager in the Cloud console, IAM & Admin, Quotas"
	}
	if e.Kind == google.Unavailable {
		return "Retry later: Secret Manager is unavailable. If it persists, check status.cloud.google.com and the network of the function."
	}
	return contentAdvice(e) + storeAdvice(e, at)
}

// StoreAdvice returns the next steps after an error of the store of opt-outs in a bucket,
// gs://BUCKET/PREFIX.
func StoreAdvice(err error, location string) []string {
	bucket, _, _ := strings.Cut(strings.TrimPrefix(location, "gs://"), "/")
	grant := "Grant the service account of the function access: gcloud storage buckets add-iam-policy-binding gs://" + bucket + " --member=serviceAccount:SERVICE_ACCOUNT --role=roles/storage.objectUser"
	rejected, _ := errors.AsType[*google.APIError](err)
	switch {
	case errors.Is(err, optout.ErrNoKey):
		return []string{"Prepare the bucket, with the same -env: rcshook optouts init"}
	case errors.Is(err, optout.ErrBrand):
		return []string{"If the brand is new, with the same -env: rcshook optouts init", "If it has a new name, use the former one: the opt-outs are stored under it"}
	case errors.Is(err, optout.ErrKey), errors.Is(err, optout.ErrRekeying):
		return []string{"Rename the objects, with the same -env: rcshook optouts rekey"}
	case rejected == nil:
		return nil
	case rejected.HasReason(google.ReasonDisabled), rejected.HasReason("accessNotConfigured"):
		return []string{"Enable the API: gcloud services enable storage.googleapis.com --project=PROJECT"}
	case rejected.Code == http.StatusNotFound && rejected.Status != "":
		return []string{
			"Create the bucket, or correct store: gcloud storage buckets create gs://" + bucket + " --project=PROJECT --location=LOCATION --uniform-bucket-level-access --public-access-prevention --soft-delete-duration=7d",
			grant,
		}
	case rejected.Code == http.StatusForbidden && rejected.Status != "":
		return []string{grant}
	}
	return nil
}

// contentAdvice returns what to store in place of invalid content.
func contentAdvice(e *google.SecretError) string {
	if e.Reason == "not_text" {
		return "Save the value as text in UTF-8 and store it"
	}
	switch e.Content {
	case google.AgentID:
		text := "Store the agent's ID from the RCS for Business console, one word"
		if e.Reason == "not_agent_id" {
			text += ", and check that it is not swapped with the credentials"
		}
		return text
	case google.Key:
		switch e.Reason {
		case "wrong_key_type":
			return "Store the key of a service account: other credentials can make the function call any URL, so they are accepted from the environment only (Application Default Credentials)"
		case "bad_token_uri":
			return "Store the key file as it was downloaded: its token_uri must be https://oauth2.googleapis.com/token"
		case "invalid_grant", "invalid_client", "unauthorized_client", "token_refused":
			return "Google rejects this key: it was deleted, or its service account was disabled. Make a new key in the RCS for Business console and store it"
		case "not_json":
			return "Store the service account key, the complete JSON file from the RCS for Business console, and check that it is not swapped with the agent ID"
		}
		return "Store the service account key, the complete JSON file from the RCS for Business console"
	default:
		return "Store a value"
	}
}

// storeAdvice returns how to store the content of a secret.
func storeAdvice(e *google.SecretError, at string) string {
	if e.Resource == "" {
		return ", in its setting or, better, in Secret Manager"
	}
	add := "gcloud secrets versions add " + at
	switch e.Content {
	case google.AgentID:
		return ": printf %s AGENT_ID | " + add + " --data-file=-"
	case google.Key:
		return ": " + add + " --data-file=KEY.json"
	default:
		return ": " + add + " --data-file=FILE"
	}
}

// credentialsAdvice returns the next step after an error of Application Default
// Credentials.
func credentialsAdvice(reason string) string {
	switch reason {
	case "no_adc":
		return "Give the function credentials: on Cloud Run deploy it with --service-account=SERVICE_ACCOUNT; on a laptop run gcloud auth application-default login, or set GOOGLE_APPLICATION_CREDENTIALS to a key file"
	case "bad_adc":
		return "Fix or remove the credentials file that GOOGLE_APPLICATION_CREDENTIALS names, or on a laptop run gcloud auth application-default login"
	case "adc_unavailable":
		return "Retry later: the server that issues the function's access token is unavailable"
	default:
		return "Google rejects the credentials of the function: check the service account that it runs as, or the file that GOOGLE_APPLICATION_CREDENTIALS names; on a laptop run gcloud auth application-default login"
	}
}

// QueueAdvice returns the next step after e.
func QueueAdvice(e *queue.Error) string {
	parts := append(strings.Split(e.Queue, "/"), "", "", "", "", "", "")
	project, location, id := parts[1], parts[3], parts[5]
	at := id + " --location=" + location + " --project=" + project
	switch e.Reason {
	case "not_found":
		return "Create the queue: gcloud tasks queues create " + at + " (a new queue takes up to a minute)"
	case "permission_denied":
		verb, role := "create", "enqueuer"
		if e.Deleting {
			verb, role = "delete", "taskDeleter"
		}
		return "Allow the service account of the function to " + verb + " tasks: gcloud tasks queues add-iam-policy-binding " + at +
			" --member=serviceAccount:SERVICE_ACCOUNT --role=roles/cloudtasks." + role + " (a missing queue may give the same error)"
	case "act_as":
		return "Allow the service account of the function to act as RCSHOOK_QUEUE_ACCOUNT: gcloud iam service-accounts add-iam-policy-binding " + e.Account +
			" --project=" + project + " --member=serviceAccount:SERVICE_ACCOUNT --role=roles/iam.serviceAccountUser"
	case "api_disabled":
		return "Enable the API: gcloud services enable cloudtasks.googleapis.com --project=" + project
	case "scope", "unauthenticated":
		return "Cloud Tasks rejects the credentials of the function: check the service account that it runs as, or on a laptop run gcloud auth application-default login"
	case "not_ready":
		return "Check the state of the queue: gcloud tasks queues describe " + at
	case "invalid":
		return "Check RCSHOOK_QUEUE_ACCOUNT and RCSHOOK_URL: Cloud Tasks rejects a task with them. If both are right, report a bug of rcshook."
	case "rate_limited":
		return "Retry later; if it persists, request a higher quota of Cloud Tasks in the Cloud console, IAM & Admin, Quotas"
	case "unavailable", "timeout", "unreachable":
		return "Retry later: Cloud Tasks is unavailable. If it persists, check status.cloud.google.com and the network of the function."
	default:
		return credentialsAdvice(e.Reason)
	}
}
