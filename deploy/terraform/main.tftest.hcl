# Runs without an account: terraform init && terraform test

mock_provider "google" {
  mock_resource "google_service_account" {
    defaults = {
      email = "account@rcshook-test.iam.gserviceaccount.com"
    }
  }
}

mock_provider "archive" {}

variables {
  project_id = "rcshook-test"
}

run "the_function" {
  command = apply

  assert {
    condition     = google_cloud_run_v2_service.function.build_config[0].function_target == "Send"
    error_message = "expected the entry point Send"
  }
  assert {
    condition     = endswith(google_cloud_run_v2_service.function.build_config[0].base_image, "/google-24/runtimes/go126") && google_cloud_run_v2_service.function.template[0].containers[0].base_image_uri == google_cloud_run_v2_service.function.build_config[0].base_image
    error_message = "expected the current Go runtime for the build and the service"
  }
  assert {
    condition     = google_cloud_run_v2_service.function.template[0].max_instance_request_concurrency == 250
    error_message = "expected 250 requests at once per instance"
  }
  assert {
    condition     = google_cloud_run_v2_service.function.template[0].containers[0].resources[0].startup_cpu_boost
    error_message = "expected the startup CPU boost"
  }
  assert {
    condition     = google_cloud_run_v2_service.function.template[0].containers[0].resources[0].limits == tomap({ cpu = "1", memory = "256Mi" })
    error_message = "expected one vCPU: with less, an instance gets one request at a time"
  }
  assert {
    condition     = google_cloud_run_v2_service.function.template[0].timeout == "60s"
    error_message = "expected a timeout above that of rcshook"
  }
  assert {
    condition     = google_cloud_run_v2_service.function.template[0].service_account == google_service_account.run.email
    error_message = "expected its own service account, not the default one"
  }
}

run "the_request_log_has_no_numbers" {
  command = apply

  assert {
    condition     = google_logging_project_exclusion.queries.filter == "resource.type=\"cloud_run_revision\" AND resource.labels.service_name=\"rcshook\" AND log_id(\"run.googleapis.com/requests\") AND httpRequest.requestUrl=~\"(?i)/((capabilities|messages|hooks)[^?]*[?]|hooks(/|%2f)+[^/?]+(/|%2f)+[^/?])\""
    error_message = "expected requests with numbers in the URL to stay out of the log"
  }
}

run "least_privilege" {
  command = apply

  assert {
    condition     = join(" ", keys(google_secret_manager_secret_iam_member.run)) == "rcshook-agent-id rcshook-api-keys rcshook-credentials"
    error_message = "expected access to its own secrets only"
  }
  assert {
    condition     = alltrue([for m in google_secret_manager_secret_iam_member.run : m.role == "roles/secretmanager.secretAccessor" && m.member == "serviceAccount:${google_service_account.run.email}"])
    error_message = "expected the service account to have read access only"
  }
  assert {
    condition     = google_project_iam_member.build_log.role == "roles/logging.logWriter"
    error_message = "expected the build to have only the role to write its log"
  }
  assert {
    condition     = google_storage_bucket_iam_member.build.role == "roles/storage.objectViewer" && google_artifact_registry_repository_iam_member.build.role == "roles/artifactregistry.writer"
    error_message = "expected the build to read its source and write its image"
  }
  assert {
    condition     = google_storage_bucket.source.public_access_prevention == "enforced" && google_storage_bucket.source.uniform_bucket_level_access
    error_message = "expected a private source bucket"
  }
}

run "secrets_are_created_empty" {
  command = apply

  assert {
    condition     = join(" ", keys(google_secret_manager_secret.created)) == "rcshook-agent-id rcshook-api-keys rcshook-credentials"
    error_message = "expected three secrets"
  }
  assert {
    condition     = [for e in google_cloud_run_v2_service.function.template[0].containers[0].env : e.value if e.name == "RCSHOOK_CREDENTIALS"] == ["projects/rcshook-test/secrets/rcshook-credentials"]
    error_message = "expected the name of the secret, not its value"
  }
  assert {
    condition     = alltrue([for e in google_cloud_run_v2_service.function.template[0].containers[0].env : length(e.value_source) == 0])
    error_message = "expected no secret in the environment"
  }
  assert {
    condition     = local.environment.GOMEMLIMIT == "204MiB"
    error_message = "expected GOMEMLIMIT to match the memory"
  }
  assert {
    condition     = length(output.fill_secrets) == 3 && output.fill_secrets[0] == "gcloud secrets versions add rcshook-agent-id --project=rcshook-test --data-file=FILE"
    error_message = "expected one command per secret"
  }
}

run "existing_secrets_and_versions" {
  command = apply
  variables {
    existing_secrets = ["rcshook-credentials", "projects/rcshook-test/secrets/shop"]
    source_secrets   = ["projects/rcshook-test/secrets/shop", "projects/rcshook-test/secrets/login/versions/2"]
    secret_versions  = { rcshook-credentials = "3" }
  }

  assert {
    condition     = join(" ", keys(google_secret_manager_secret.created)) == "login rcshook-agent-id rcshook-api-keys"
    error_message = "expected no new secret in place of an existing one"
  }
  assert {
    condition     = join(" ", keys(google_secret_manager_secret_iam_member.run)) == "login rcshook-agent-id rcshook-api-keys rcshook-credentials shop"
    error_message = "expected access to the existing secrets"
  }
  assert {
    condition     = local.environment.RCSHOOK_CREDENTIALS == "projects/rcshook-test/secrets/rcshook-credentials/versions/3" && local.environment.RCSHOOK_AGENT_ID == "projects/rcshook-test/secrets/rcshook-agent-id"
    error_message = "expected a fixed version for this secret only"
  }
}

run "refuses_secrets_of_other_projects" {
  command = plan
  variables {
    existing_secrets = ["projects/other-project/secrets/shop"]
    source_secrets   = ["projects/other-project/secrets/shop"]
  }
  expect_failures = [var.existing_secrets, var.source_secrets]
}

run "callers" {
  command = apply
  variables {
    callers = ["zapier", "Make_2"]
  }

  assert {
    condition     = join(" ", keys(google_secret_manager_secret.created)) == "rcshook-agent-id rcshook-api-keys rcshook-caller-Make_2 rcshook-caller-zapier rcshook-credentials"
    error_message = "expected a secret for each caller"
  }
  assert {
    condition     = contains(keys(google_secret_manager_secret_iam_member.run), "rcshook-caller-zapier") && contains(keys(google_secret_manager_secret_iam_member.run), "rcshook-caller-Make_2")
    error_message = "expected access to the keys of callers"
  }
  assert {
    condition     = output.caller_secrets == { zapier = "projects/rcshook-test/secrets/rcshook-caller-zapier", Make_2 = "projects/rcshook-test/secrets/rcshook-caller-Make_2" } && length(output.fill_secrets) == 5
    error_message = "expected the names for rcshook.yaml, and a command for each secret"
  }
}

run "callers_with_iam" {
  command = plan
  variables {
    access  = "iam"
    callers = ["zapier"]
  }
  expect_failures = [var.callers]
}

run "public_with_keys" {
  command = apply

  assert {
    condition     = join(" ", keys(google_cloud_run_v2_service_iam_member.invoker)) == "allUsers"
    error_message = "expected a public URL"
  }
  assert {
    condition     = contains(keys(local.environment), "RCSHOOK_API_KEYS") && !contains(keys(local.environment), "RCSHOOK_ALLOW_UNAUTHENTICATED")
    error_message = "expected rcshook to check keys"
  }
  assert {
    condition     = length(google_cloud_tasks_queue.messages) == 0 && length(google_service_account.queue) == 0 && output.queue == null
    error_message = "expected no queue by default"
  }
}

run "private_with_iam" {
  command = apply
  variables {
    access = "iam"
  }

  assert {
    condition     = length(google_cloud_run_v2_service_iam_member.invoker) == 0
    error_message = "expected no invokers by default"
  }
  assert {
    condition     = local.environment.RCSHOOK_ALLOW_UNAUTHENTICATED == "true" && !contains(keys(local.environment), "RCSHOOK_API_KEYS")
    error_message = "expected rcshook not to check callers"
  }
  assert {
    condition     = !contains(keys(google_secret_manager_secret_iam_member.run), "rcshook-api-keys")
    error_message = "expected no access to an unused secret"
  }
}

run "private_with_invokers_and_queue" {
  command = apply
  variables {
    access   = "iam"
    invokers = ["serviceAccount:shop@rcshook-test.iam.gserviceaccount.com"]
    queue    = {}
  }

  assert {
    condition     = join(" ", keys(google_cloud_run_v2_service_iam_member.invoker)) == "serviceAccount:rcshook-queue@rcshook-test.iam.gserviceaccount.com serviceAccount:shop@rcshook-test.iam.gserviceaccount.com"
    error_message = "expected the listed invokers and the queue"
  }
  assert {
    condition     = alltrue([for m in google_cloud_run_v2_service_iam_member.invoker : m.role == "roles/run.invoker"])
    error_message = "expected the role run.invoker only"
  }
  assert {
    condition     = !contains(keys(local.environment), "RCSHOOK_OIDC_AUDIENCE")
    error_message = "expected Cloud Run to check the tokens of the queue"
  }
  assert {
    condition     = google_cloud_run_v2_service.function.custom_audiences == tolist(["https://rcshook.rcshook-test"])
    error_message = "expected the audience of the tasks"
  }
}

# The example, as it stands.
run "example" {
  command = apply
  module {
    source = "./example"
  }
  variables {
    project_id = "my-project"
  }

  assert {
    condition     = [for c in output.fill_secrets : split(" ", c)[4]] == ["rcs-agent-id", "rcs-key", "rcshook-api-keys", "rcshook-caller-zapier", "sms-provider"]
    error_message = "expected commands for the secrets that are filled by hand"
  }
  assert {
    condition     = output.queue != null && keys(output.caller_secrets) == ["zapier"]
    error_message = "expected the outputs of the module"
  }
}

run "queue_with_keys" {
  command = apply
  variables {
    queue = { rate = 20, producers = ["serviceAccount:shop@rcshook-test.iam.gserviceaccount.com"] }
  }

  assert {
    condition     = google_cloud_tasks_queue.messages[0].rate_limits[0].max_dispatches_per_second == 20
    error_message = "expected the configured rate"
  }
  assert {
    condition     = local.environment.RCSHOOK_OIDC_AUDIENCE == output.queue.audience && local.environment.RCSHOOK_OIDC_EMAILS == "rcshook-queue@rcshook-test.iam.gserviceaccount.com"
    error_message = "expected rcshook to accept the tokens of the queue"
  }
  assert {
    condition     = [for m in google_cloud_tasks_queue_iam_member.producer : m.role] == ["roles/cloudtasks.enqueuer"]
    error_message = "expected the producer to be allowed to add tasks"
  }
  assert {
    condition     = length(google_cloud_tasks_queue_iam_member.deleter) == 0
    error_message = "expected no role for a queue that the function does not use"
  }
}

run "through_the_queue" {
  command = apply
  variables {
    access = "iam"
    queue  = { through = true, producers = ["serviceAccount:shop@rcshook-test.iam.gserviceaccount.com"] }
  }

  assert {
    condition     = local.environment.RCSHOOK_QUEUE == "projects/rcshook-test/locations/us-central1/queues/rcshook" && local.environment.RCSHOOK_QUEUE_ACCOUNT == "rcshook-queue@rcshook-test.iam.gserviceaccount.com"
    error_message = "expected the settings of the queue and its service account"
  }
  assert {
    condition     = startswith(local.environment.RCSHOOK_URL, "https://rcshook-") && endswith(local.environment.RCSHOOK_URL, ".us-central1.run.app") && contains(google_cloud_run_v2_service.function.custom_audiences, local.environment.RCSHOOK_URL)
    error_message = "expected the URL of the function as an audience"
  }
  assert {
    condition     = toset([for m in google_cloud_tasks_queue_iam_member.producer : m.member]) == toset(["serviceAccount:shop@rcshook-test.iam.gserviceaccount.com", "serviceAccount:${google_service_account.run.email}"])
    error_message = "expected the function to be allowed to add tasks"
  }
  assert {
    condition     = [for m in google_cloud_tasks_queue_iam_member.deleter : "${m.role} on ${m.name} for ${m.member}"] == ["roles/cloudtasks.taskDeleter on rcshook for serviceAccount:${google_service_account.run.email}"]
    error_message = "expected the function to be allowed to delete the tasks of messages"
  }
  assert {
    condition     = alltrue([for m in google_service_account_iam_member.producer : m.role == "roles/iam.serviceAccountUser"])
    error_message = "expected tokens of the queue's service account"
  }
}

run "events" {
  command = apply
  variables {
    events = { url = "https://crm.example.com/in" }
    topics = ["projects/lake/topics/rcs-events"]
  }

  assert {
    condition     = join(" ", keys(google_secret_manager_secret.created)) == "rcshook-agent-id rcshook-api-keys rcshook-credentials rcshook-events-secret rcshook-opt-out-key rcshook-webhook-token" && contains(keys(google_secret_manager_secret_iam_member.run), "rcshook-webhook-token")
    error_message = "expected secrets for the client token and the key of the signatures"
  }
  assert {
    condition     = local.environment.RCSHOOK_WEBHOOK_TOKEN == "projects/rcshook-test/secrets/rcshook-webhook-token" && local.environment.RCSHOOK_EVENTS_URL == "https://crm.example.com/in" && local.environment.RCSHOOK_EVENTS_SECRET == "projects/rcshook-test/secrets/rcshook-events-secret"
    error_message = "expected the settings of the webhook and of the target"
  }
  assert {
    condition     = local.environment.RCSHOOK_EVENTS_QUEUE == "projects/rcshook-test/locations/us-central1/queues/rcshook-events" && local.environment.RCSHOOK_QUEUE_ACCOUNT == "rcshook-queue@rcshook-test.iam.gserviceaccount.com" && !contains(keys(local.environment), "RCSHOOK_QUEUE")
    error_message = "expected the settings of the queue of events only"
  }
  assert {
    condition     = google_cloud_run_v2_service.function.custom_audiences == tolist([local.environment.RCSHOOK_URL])
    error_message = "expected the URL of the function as the audience"
  }
  assert {
    condition     = google_cloud_tasks_queue.events[0].name == "rcshook-events" && google_cloud_tasks_queue.events[0].retry_config[0].max_attempts == -1 && tonumber(trimsuffix(google_cloud_tasks_queue.events[0].retry_config[0].max_retry_duration, "s")) >= 7 * 86400 + 2 * tonumber(trimsuffix(google_cloud_tasks_queue.events[0].retry_config[0].max_backoff, "s"))
    error_message = "expected a queue that keeps events until the function gives them up"
  }
  assert {
    condition     = google_cloud_tasks_queue_iam_member.events[0].role == "roles/cloudtasks.enqueuer" && [for m in google_service_account_iam_member.producer : m.role] == ["roles/iam.serviceAccountUser"] && length(google_cloud_tasks_queue.messages) == 0
    error_message = "expected the function to be allowed to add tasks"
  }
  assert {
    condition     = [for m in google_pubsub_topic_iam_member.publisher : "${m.role} on ${m.topic} in ${m.project} for ${m.member}"] == ["roles/pubsub.publisher on rcs-events in lake for serviceAccount:${google_service_account.run.email}"]
    error_message = "expected the function to be allowed to publish to the topic only"
  }
  assert {
    condition     = contains(keys(google_project_service.api), "pubsub.googleapis.com") && contains(keys(google_project_service.api), "cloudtasks.googleapis.com")
    error_message = "expected the APIs to be enabled"
  }
  assert {
    condition     = output.connect_webhook == "gcloud run services describe rcshook --project=rcshook-test --region=us-central1 --format=json | rcshook webhook set -env -"
    error_message = "expected the next step"
  }
  assert {
    condition     = [for c in output.fill_secrets : split(" ", c)[4]] == ["rcshook-agent-id", "rcshook-api-keys", "rcshook-credentials", "rcshook-events-secret"]
    error_message = "expected no commands for the secrets that other commands fill"
  }
}

run "opt_out" {
  command = apply
  variables {
    region  = "europe-west1"
    events  = {}
    buckets = ["gs://harborline-rcs"]
  }

  assert {
    condition     = google_storage_bucket.opt_outs[0].name == "rcshook-test-rcshook-optouts" && google_storage_bucket.opt_outs[0].location == var.region
    error_message = "expected a bucket in the region of the function"
  }
  assert {
    condition     = google_storage_bucket.opt_outs[0].public_access_prevention == "enforced" && google_storage_bucket.opt_outs[0].uniform_bucket_level_access && !google_storage_bucket.opt_outs[0].force_destroy
    error_message = "expected a private bucket that is not deleted with its records"
  }
  assert {
    condition     = !google_storage_bucket.opt_outs[0].versioning[0].enabled && length(google_storage_bucket.opt_outs[0].retention_policy) == 0 && google_storage_bucket.opt_outs[0].soft_delete_policy[0].retention_duration_seconds == 604800
    error_message = "expected records that can be overwritten, and restored for 7 days"
  }
  assert {
    condition     = sort([for m in google_storage_bucket_iam_member.opt_outs : "${m.role} on ${m.bucket} for ${m.member}"]) == sort([for b in ["harborline-rcs", "rcshook-test-rcshook-optouts"] : "roles/storage.objectUser on ${b} for serviceAccount:${google_service_account.run.email}"])
    error_message = "expected the function to be allowed to use the objects of both buckets only"
  }
  assert {
    condition     = local.environment.RCSHOOK_OPT_OUT_STORE == "gs://rcshook-test-rcshook-optouts/rcs-opt-outs" && local.environment.RCSHOOK_OPT_OUT_KEY == "projects/rcshook-test/secrets/rcshook-opt-out-key"
    error_message = "expected the settings of the store"
  }
  assert {
    condition     = contains(keys(google_secret_manager_secret.created), "rcshook-opt-out-key") && contains(keys(google_secret_manager_secret_iam_member.run), "rcshook-opt-out-key") && contains(keys(google_project_service.api), "storage.googleapis.com")
    error_message = "expected the secret of the key, access to it, and the API"
  }
  assert {
    condition     = output.prepare_opt_outs == "gcloud run services describe rcshook --project=rcshook-test --region=europe-west1 --format=json | rcshook optouts init -env -"
    error_message = "expected the next step"
  }
}

run "no_opt_out" {
  command = apply
  variables {
    events = { opt_out = false }
  }

  assert {
    condition     = length(google_storage_bucket.opt_outs) + length(google_storage_bucket_iam_member.opt_outs) == 0 && !contains(keys(google_secret_manager_secret.created), "rcshook-opt-out-key") && !contains(keys(google_project_service.api), "storage.googleapis.com")
    error_message = "expected no bucket and no key"
  }
  assert {
    condition     = !contains(keys(local.environment), "RCSHOOK_OPT_OUT_STORE") && !contains(keys(local.environment), "RCSHOOK_OPT_OUT_KEY") && output.prepare_opt_outs == null && output.connect_webhook != null
    error_message = "expected no settings of a store"
  }
}

run "no_opt_out_without_events" {
  command = apply

  assert {
    condition     = length(google_storage_bucket.opt_outs) + length(google_storage_bucket_iam_member.opt_outs) == 0 && output.prepare_opt_outs == null
    error_message = "expected a bucket with events only"
  }
}

run "events_and_messages" {
  command = apply
  variables {
    events = { url_secret = "crm-address", signing_secret = "" }
    queue  = { through = true }
  }

  assert {
    condition     = local.environment.RCSHOOK_EVENTS_URL == "projects/rcshook-test/secrets/crm-address" && contains(keys(google_secret_manager_secret_iam_member.run), "crm-address") && !contains(keys(local.environment), "RCSHOOK_EVENTS_SECRET")
    error_message = "expected the secret with the address, and no signature"
  }
  assert {
    condition     = local.environment.RCSHOOK_QUEUE == "projects/rcshook-test/locations/us-central1/queues/rcshook" && length(google_service_account_iam_member.producer) == 1
    error_message = "expected a queue of the messages beside that of the events"
  }
}

# What is refused before anything is made.

run "refuses_events_with_iam" {
  command = plan
  variables {
    access = "iam"
    events = {}
  }
  expect_failures = [var.events]
}

run "refuses_unclear_targets" {
  command = plan
  variables {
    events  = { url = "https://crm.example.com/in", url_secret = "crm-address" }
    topics  = ["rcs-events"]
    buckets = ["gs://harborline-rcs/opt-outs"]
  }
  expect_failures = [var.events, var.topics, var.buckets]
}

run "refuses_targets_without_tls" {
  command = plan
  variables {
    events = { url = "http://crm.example.com/in" }
  }
  expect_failures = [var.events]
}

run "refuses_everybody_with_iam" {
  command = plan
  variables {
    access   = "iam"
    invokers = ["allUsers"]
  }
  expect_failures = [var.invokers]
}

run "refuses_invokers_with_keys" {
  command = plan
  variables {
    invokers = ["user:ann@example.com"]
  }
  expect_failures = [var.invokers]
}

run "refuses_numbers_out_of_range" {
  command = plan
  variables {
    concurrency     = 1001
    cpu             = 0.5
    memory          = "lots"
    min_instances   = 11
    timeout         = 10
    secret_versions = { rcshook-credentials = "latest" }
  }
  expect_failures = [var.concurrency, var.cpu, var.memory, var.min_instances, var.timeout, var.secret_versions]
}

run "refuses_unknown_words" {
  command = plan
  variables {
    project_id = "12345"
    region     = "Frankfurt"
    name       = "x"
    access     = "open"
    rcs_region = "eu"
    runtime    = "go125"
    settings   = { RCSHOOK_API_KEYS = "key" }
    queue      = { rate = 0 }
  }
  expect_failures = [var.project_id, var.region, var.name, var.access, var.rcs_region, var.runtime, var.settings, var.queue]
}

run "a_version_to_show" {
  command = apply
  variables {
    release = "v1.2.0"
  }

  assert {
    condition     = google_cloud_run_v2_service.function.build_config[0].environment_variables.GOOGLE_GOLDFLAGS == "-s -w -X github.com/rcshook/rcshook/internal/server.release=v1.2.0"
    error_message = "expected the version in the build flags"
  }
  assert {
    condition     = local.environment.GOOGLE_CLOUD_PROJECT == "rcshook-test"
    error_message = "expected the project for traces"
  }
}

run "no_monitoring" {
  command = apply

  assert {
    condition     = length(google_logging_metric.line) + length(google_monitoring_alert_policy.line) + length(google_project_service.monitoring) == 0
    error_message = "expected no metrics and alerts by default"
  }
  assert {
    condition     = startswith(local.release, "source-")
    error_message = "expected a checksum as the version without a release"
  }
}

run "monitoring" {
  command = apply
  variables {
    name = "shop-rcs"
    monitoring = {
      notification_channels = ["projects/rcshook-test/notificationChannels/1"]
      latency_ms            = 2000
    }
  }

  assert {
    condition     = join(" ", sort([for m in google_logging_metric.line : m.name])) == "shop-rcs/accepted shop-rcs/bad_signature shop-rcs/errors shop-rcs/latency shop-rcs/opt_out_unavailable shop-rcs/refused shop-rcs/rejected_events shop-rcs/secret_age shop-rcs/undelivered_events"
    error_message = "expected nine metrics"
  }
  assert {
    condition     = alltrue([for m in google_logging_metric.line : startswith(m.filter, "resource.type=\"cloud_run_revision\" AND resource.labels.service_name=\"shop-rcs\" AND ")])
    error_message = "expected log lines of this function only"
  }
  assert {
    condition     = google_logging_metric.line["refused"].label_extractors["code"] == "EXTRACT(labels.code)" && google_logging_metric.line["refused"].metric_descriptor[0].value_type == "INT64"
    error_message = "expected failures to be counted by code"
  }
  assert {
    condition     = google_logging_metric.line["latency"].value_extractor == "EXTRACT(jsonPayload.total_ms)" && google_logging_metric.line["latency"].metric_descriptor[0].value_type == "DISTRIBUTION" && length(google_logging_metric.line["latency"].bucket_options) == 1
    error_message = "expected latency to be a distribution"
  }
  assert {
    condition     = alltrue([for m in google_logging_metric.line : sort(keys(m.label_extractors)) == sort([for l in m.metric_descriptor[0].labels : l.key])])
    error_message = "expected the labels and the extractors to match"
  }
  assert {
    condition     = alltrue([for a in google_monitoring_alert_policy.line : a.notification_channels == tolist(["projects/rcshook-test/notificationChannels/1"]) && a.conditions[0].condition_threshold[0].threshold_value >= 0])
    error_message = "expected the channel in every alert"
  }
  assert {
    condition     = google_monitoring_alert_policy.line["latency"].conditions[0].condition_threshold[0].threshold_value == 2000 && google_monitoring_alert_policy.line["refused"].conditions[0].condition_threshold[0].threshold_value == 50
    error_message = "expected the limits of the variable, or its defaults"
  }
  assert {
    condition     = google_monitoring_alert_policy.line["secret_age"].conditions[0].condition_threshold[0].filter == "resource.type = \"cloud_run_revision\" AND metric.type = \"logging.googleapis.com/user/shop-rcs/secret_age\""
    error_message = "expected each alert to watch its metric"
  }
  assert {
    condition     = google_logging_metric.line["undelivered_events"].value_extractor == "EXTRACT(jsonPayload.event_age_s)" && google_monitoring_alert_policy.line["undelivered_events"].conditions[0].condition_threshold[0].threshold_value == 3600
    error_message = "expected the age of undelivered events"
  }
  assert {
    condition     = alltrue([for a in ["rejected_events", "undelivered_events"] : google_monitoring_alert_policy.line[a].conditions[0].condition_threshold[0].aggregations[0].group_by_fields == tolist(["metric.label.target"])])
    error_message = "expected an alert for each target"
  }
  assert {
    condition     = strcontains(google_logging_metric.line["opt_out_unavailable"].filter, "labels.code=\"opt_out_unavailable\"") && google_monitoring_alert_policy.line["opt_out_unavailable"].conditions[0].condition_threshold[0].threshold_value == 0
    error_message = "expected an alert when opt-outs cannot be read"
  }
}

run "refuses_channels_that_are_none" {
  command = plan
  variables {
    monitoring = { notification_channels = ["me@example.com"], latency_ms = 0 }
  }
  expect_failures = [var.monitoring]
}

run "a_file_with_the_agent" {
  command = apply
  variables {
    config_file = "testdata/agent.yaml"
    events      = { opt_out = false }
  }

  assert {
    condition     = !contains(keys(local.environment), "RCSHOOK_AGENT_ID") && !contains(keys(local.environment), "RCSHOOK_CREDENTIALS") && local.environment.RCSHOOK_CONFIG == "rcshook.yaml"
    error_message = "expected the agent of the file only"
  }
  assert {
    condition     = join(" ", keys(google_secret_manager_secret.created)) == "harborline-key rcshook-api-keys rcshook-webhook-token shop-agent shop-hook shop-key"
    error_message = "expected the secrets of the file, and none for an agent of the environment"
  }
  assert {
    condition     = keys(google_secret_manager_secret_iam_member.run) == keys(google_secret_manager_secret.created) && contains(output.fill_secrets, "gcloud secrets versions add shop-hook --project=rcshook-test --data-file=FILE") && length(output.fill_secrets) == 4
    error_message = "expected access to the secrets of the file, and the next step"
  }
  assert {
    condition     = keys(google_pubsub_topic_iam_member.publisher) == ["projects/lake/topics/rcs-events"] && [for m in google_storage_bucket_iam_member.opt_outs : m.bucket] == ["harborline-rcs"]
    error_message = "expected access to the topic and the bucket of the file"
  }
  assert {
    condition     = endswith(output.connect_webhook, " --format=json | sed 's|\"rcshook.yaml\"|\"testdata/agent.yaml\"|' | rcshook webhook set -env -")
    error_message = "expected the path of the file on this computer"
  }
  assert {
    condition     = local.uploaded["rcshook.yaml"] == "testdata/agent.yaml"
    error_message = "expected the file in the upload"
  }
}

run "targets_need_a_webhook" {
  command = plan
  variables {
    config_file = "testdata/agent.yaml"
  }
  expect_failures = [check.targets_without_webhook]
}

run "secrets_of_other_projects" {
  command = plan
  variables {
    config_file = "testdata/late.yaml"
    queue       = { through = true }
  }
  expect_failures = [check.secrets_of_other_projects]
}

run "the_agent_in_a_secret" {
  command = apply
  variables {
    agent_id_secret = ""
    config_secret   = "rcshook-config"
  }

  assert {
    condition     = !contains(keys(local.environment), "RCSHOOK_AGENT_ID") && join(" ", keys(google_secret_manager_secret.created)) == "rcshook-api-keys rcshook-config"
    error_message = "expected no agent in the environment"
  }
}

run "refuses_two_default_agents" {
  command = plan
  variables {
    agent_id_secret = "other-agent"
    config_file     = "testdata/agent.yaml"
  }
  expect_failures = [var.agent_id_secret, check.targets_without_webhook]
}

run "refuses_no_default_agent" {
  command = plan
  variables {
    agent_id_secret = ""
  }
  expect_failures = [var.agent_id_secret]
}

run "refuses_two_files" {
  command = plan
  variables {
    config_secret = "rcshook-config"
    config_file   = "testdata/agent.yaml"
  }
  expect_failures = [var.config_file]
}

run "refuses_no_file" {
  command = plan
  variables {
    config_file = "testdata/missing.yaml"
  }
  expect_failures = [var.config_file]
}

run "refuses_a_late_fallback_without_a_queue" {
  command = plan
  variables {
    config_file = "testdata/late.yaml"
    queue       = {}
  }
  expect_failures = [var.queue, check.secrets_of_other_projects]
}

run "refuses_a_late_fallback_with_a_short_queue" {
  command = plan
  variables {
    config_file = "testdata/late.yaml"
    queue       = { through = true, max_age = "43200s" }
  }
  expect_failures = [var.queue, check.secrets_of_other_projects]
}

run "refuses_two_stores" {
  command = plan
  variables {
    config_file = "testdata/late.yaml"
    queue       = { through = true }
    events      = {}
  }
  expect_failures = [var.events, check.secrets_of_other_projects]
}

run "refuses_an_invalid_file" {
  command = plan
  variables {
    config_file = "testdata/invalid.yaml"
  }
  expect_failures = [google_cloud_run_v2_service.function]
}
