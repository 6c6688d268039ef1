package agent

import "strings"

// The next step, for people. Commands hold what is known and name in capitals what
// is not.

// adviseAccess says what to do when a secret version cannot be read; version is
// its number where that is known.
func adviseAccess(resource, reason, version string) string {
	project, secret := splitResource(resource)
	at := secret + " --project=" + project
	if version == "" {
		version = "VERSION"
	}
	switch reason {
	case "not_found":
		return "Create the secret: gcloud secrets create " + at + " --data-file=FILE (or, if there is one without a version: gcloud secrets versions add " + at + " --data-file=FILE)"
	case "permission_denied":
		return "Let the service account of the function read it: gcloud secrets add-iam-policy-binding " + at + " --member=serviceAccount:SERVICE_ACCOUNT --role=roles/secretmanager.secretAccessor (a secret that does not exist is denied in the same words)"
	case "api_disabled":
		return "Enable the API: gcloud services enable secretmanager.googleapis.com --project=" + project
	case "scope":
		return "The credentials of the function lack the scope cloud-platform: run it as a service account with that scope, or on a laptop: gcloud auth application-default login"
	case "unauthenticated":
		return "Secret Manager does not accept the credentials of the function: check the service account that it runs as, or on a laptop: gcloud auth application-default login"
	case "version_disabled":
		return "Enable the version: gcloud secrets versions enable " + version + " --secret=" + at + " (or add a new one: gcloud secrets versions add " + at + " --data-file=FILE)"
	case "version_destroyed":
		return "Add a new version: gcloud secrets versions add " + at + " --data-file=FILE"
	case "bad_name":
		return "Correct the name of the secret in the configuration: projects/PROJECT/secrets/SECRET, optionally with /versions/NUMBER"
	case "rate_limited":
		return "Send again later; if it lasts, ask for a higher quota of Secret Manager in the Cloud console, IAM & Admin, Quotas"
	default: // unavailable, timeout, unreachable, checksum
		return "Send again later: Secret Manager does not answer as it should. If it lasts, see status.cloud.google.com and the network of the function."
	}
}

// adviseContent says what to do when a secret does not hold what it should.
func adviseContent(resource string, holds content, reason string) string {
	return whatToStore(holds, reason) + where(resource, holds)
}

func whatToStore(holds content, reason string) string {
	swapped := ""
	switch holds {
	case anAgentID:
		if reason == "not_agent_id" {
			swapped = ", and check that it is not swapped with the credentials"
		}
		return "Store the agent's ID from the RCS for Business console, one word" + swapped
	case aKey:
		switch reason {
		case "not_json":
			swapped = ", and check that it is not swapped with the agent ID"
		case "wrong_key_type":
			return "Store the key of a service account: other kinds of credentials can make the function call any URL, so they are taken from the environment only (Application Default Credentials)"
		case "bad_token_uri":
			return `Store the key file as it was downloaded: its token_uri must be https://oauth2.googleapis.com/token`
		case "invalid_grant", "invalid_client", "unauthorized_client", "token_refused":
			return "Google does not accept this key: it was deleted, or its service account was disabled. Make a new key in the RCS for Business console and store it"
		}
		return "Store the service account key, the JSON file from the RCS for Business console, whole and unchanged" + swapped
	default:
		return "Store a value"
	}
}

func where(resource string, holds content) string {
	if resource == "" {
		return ", in Secret Manager rather than in the configuration"
	}
	project, secret := splitResource(resource)
	add := "gcloud secrets versions add " + secret + " --project=" + project
	switch holds {
	case anAgentID:
		return ": printf %s AGENT_ID | " + add + " --data-file=-"
	case aKey:
		return ": " + add + " --data-file=KEY.json"
	default:
		return ": " + add + " --data-file=FILE"
	}
}

// adviseDefault says what to do about Application Default Credentials.
func adviseDefault(reason string) string {
	switch reason {
	case "no_adc":
		return "Give the function credentials: on Cloud Run deploy it with --service-account=SERVICE_ACCOUNT; on a laptop run gcloud auth application-default login, or set GOOGLE_APPLICATION_CREDENTIALS to a key file"
	case "bad_adc":
		return "Correct or remove the credentials file that GOOGLE_APPLICATION_CREDENTIALS names, or on a laptop run gcloud auth application-default login"
	case "adc_unavailable":
		return "Send again later: the server that gives the function its own access token does not answer"
	default:
		return "Google does not accept the credentials of the function: check the service account that it runs as, or the file that GOOGLE_APPLICATION_CREDENTIALS names; on a laptop run gcloud auth application-default login"
	}
}

// splitResource returns the project and the ID of a secret.
func splitResource(resource string) (project, secret string) {
	parts := strings.Split(resource, "/")
	if len(parts) < 4 {
		return "PROJECT", "SECRET"
	}
	return parts[1], parts[3]
}
