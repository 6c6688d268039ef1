# rcshook as a function on Cloud Run, with its own service account that can read the
# secrets of the function, add tasks to its queues, delete tasks of messages, read and
# write opt-outs in its buckets, publish to topics, and nothing else.
# Terraform never handles keys: it creates empty secrets, and gcloud fills them (output
# "fill_secrets").

locals {
  queued   = var.queue != null
  through  = try(var.queue.through, false)
  events   = var.events != null
  opt_out  = try(var.events.opt_out, false)
  enqueues = local.through || local.events # the function adds tasks itself

  # The secrets by environment variable. With a queue and keys, rcshook also accepts
  # the tokens of the queue.
  named_secrets = merge(
    local.default_in_file || var.agent_id_secret == "" ? {} : {
      RCSHOOK_AGENT_ID    = var.agent_id_secret
      RCSHOOK_CREDENTIALS = var.credentials_secret
    },
    var.access == "keys" ? { RCSHOOK_API_KEYS = var.api_keys_secret } : {},
    var.config_secret == "" ? {} : { RCSHOOK_CONFIG = var.config_secret },
    local.events ? { RCSHOOK_WEBHOOK_TOKEN = var.events.token_secret } : {},
    local.opt_out ? { RCSHOOK_OPT_OUT_KEY = var.events.opt_out_key_secret } : {},
    try(var.events.url_secret, "") == "" ? {} : { RCSHOOK_EVENTS_URL = var.events.url_secret },
    local.signed ? { RCSHOOK_EVENTS_SECRET = var.events.signing_secret } : {},
  )
  signed         = local.events && try(var.events.signing_secret, "") != "" && try("${var.events.url}${var.events.url_secret}", "") != ""
  caller_secrets = { for c in var.callers : c => "${var.name}-caller-${c}" }
  secrets        = setunion(values(local.named_secrets), local.source_secrets, values(local.caller_secrets), local.own_secrets)

  # The audience of the tokens in producers' tasks, and the URL of the function, which
  # is the audience of its own tasks.
  audience = "https://${var.name}.${var.project_id}"
  url      = local.enqueues ? "https://${var.name}-${data.google_project.this[0].number}.${var.region}.run.app" : ""

  queue_account = "${var.name}-queue@${var.project_id}.iam.gserviceaccount.com"

  # The version that GET / reports. The uploaded source contains no tags.
  release = var.release == "" ? "source-${substr(data.archive_file.source.output_sha256, 0, 12)}" : var.release

  # Near four fifths of the memory, Go collects garbage more often.
  memory_limit = "${floor(tonumber(regex("^[0-9]+", var.memory)) * (endswith(var.memory, "Gi") ? 1024 : 1) * 0.8)}MiB"

  environment = merge(
    { GOOGLE_CLOUD_PROJECT = var.project_id }, # the project of the traces of log lines
    { GOMEMLIMIT = local.memory_limit },
    var.settings,
    { for setting, secret in local.named_secrets : setting => join("", [
      "projects/${var.project_id}/secrets/${secret}",
      contains(keys(var.secret_versions), secret) ? "/versions/${var.secret_versions[secret]}" : "",
    ]) },
    local.config_file == "" ? {} : { RCSHOOK_CONFIG = "rcshook.yaml" },
    var.rcs_region == "" ? {} : { RCSHOOK_REGION = var.rcs_region },
    var.access == "iam" ? { RCSHOOK_ALLOW_UNAUTHENTICATED = "true" } : {},
    var.access == "keys" && local.queued ? {
      RCSHOOK_OIDC_AUDIENCE = local.audience
      RCSHOOK_OIDC_EMAILS   = local.queue_account
    } : {},
    local.through ? { RCSHOOK_QUEUE = "projects/${var.project_id}/locations/${var.region}/queues/${var.name}" } : {},
    local.events ? { RCSHOOK_EVENTS_QUEUE = "projects/${var.project_id}/locations/${var.region}/queues/${var.name}-events" } : {},
    local.enqueues ? { RCSHOOK_QUEUE_ACCOUNT = local.queue_account, RCSHOOK_URL = local.url } : {},
    local.opt_out ? { RCSHOOK_OPT_OUT_STORE = "gs://${google_storage_bucket.opt_outs[0].name}/rcs-opt-outs" } : {},
    try(var.events.url, "") == "" ? {} : { RCSHOOK_EVENTS_URL = var.events.url },
  )

  image      = "${var.region}-docker.pkg.dev/${var.project_id}/${var.name}/${var.name}"
  base_image = "${var.region}-docker.pkg.dev/serverless-runtimes/google-24/runtimes/${var.runtime}"
}

resource "google_project_service" "api" {
  for_each = toset(concat(
    ["run.googleapis.com", "cloudbuild.googleapis.com", "artifactregistry.googleapis.com", "secretmanager.googleapis.com"],
    local.queued || local.events ? ["cloudtasks.googleapis.com"] : [],
    length(local.topics) > 0 ? ["pubsub.googleapis.com"] : [],
    local.opt_out || length(local.buckets) > 0 ? ["storage.googleapis.com"] : [],
  ))
  project            = var.project_id
  service            = each.value
  disable_on_destroy = false
}

resource "google_cloud_run_v2_service" "function" {
  project             = var.project_id
  name                = var.name
  location            = var.region
  ingress             = "INGRESS_TRAFFIC_ALL"
  deletion_protection = false
  custom_audiences    = local.queued || local.events ? compact([local.queued ? local.audience : "", local.url]) : null

  build_config {
    function_target          = "Send"
    source_location          = "gs://${google_storage_bucket.source.name}/${google_storage_bucket_object.source.name}"
    base_image               = local.base_image
    image_uri                = local.image
    enable_automatic_updates = true
    service_account          = google_service_account.build.id
    environment_variables    = { GOOGLE_GOLDFLAGS = "-s -w -X github.com/rcshook/rcshook/internal/server.release=${local.release}" }
  }

  template {
    service_account                  = google_service_account.run.email
    max_instance_request_concurrency = var.concurrency
    timeout                          = "${var.timeout}s"

    scaling {
      min_instance_count = var.min_instances
      max_instance_count = var.max_instances
    }

    containers {
      image          = local.image
      base_image_uri = local.base_image

      resources {
        limits            = { cpu = tostring(var.cpu), memory = var.memory }
        cpu_idle          = true
        startup_cpu_boost = true
      }

      dynamic "env" {
        for_each = local.environment
        content {
          name  = env.key
          value = env.value
        }
      }
    }
  }

  lifecycle {
    precondition {
      condition     = local.config_file == "" || local.config != null
      error_message = "${local.config_file} is empty or has errors; rcshook check reports them."
    }
  }

  depends_on = [
    google_project_service.api,
    google_secret_manager_secret_iam_member.run,
    google_storage_bucket_iam_member.opt_outs,
    google_artifact_registry_repository_iam_member.build,
    google_storage_bucket_iam_member.build,
    google_project_iam_member.build_log,
  ]
}

# The allowed callers. With keys, the URL is public and rcshook checks the caller.
resource "google_cloud_run_v2_service_iam_member" "invoker" {
  for_each = var.access == "keys" ? toset(["allUsers"]) : setunion(
    var.invokers,
    local.queued ? ["serviceAccount:${local.queue_account}"] : [],
  )
  project    = var.project_id
  location   = var.region
  name       = google_cloud_run_v2_service.function.name
  role       = "roles/run.invoker"
  member     = each.value
  depends_on = [google_service_account.queue]
}
