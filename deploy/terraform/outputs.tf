output "url" {
  description = "The URL of the function."
  value       = google_cloud_run_v2_service.function.uri
}

output "service_account" {
  description = "The service account of the function."
  value       = google_service_account.run.email
}

output "fill_secrets" {
  description = "Commands to run once, which add the first version to each created secret, except those that prepare_opt_outs and connect_webhook fill. Replace FILE with a file that contains the value."
  value = [for secret in sort(keys(google_secret_manager_secret.created)) :
    "gcloud secrets versions add ${secret} --project=${var.project_id} --data-file=FILE"
    if !contains(local.rcshook_fills, secret)
  ]
}

output "caller_secrets" {
  description = "The key of each caller in rcshook.yaml."
  value       = { for caller, secret in local.caller_secrets : caller => "projects/${var.project_id}/secrets/${secret}" }
}

output "curl" {
  description = "A request that checks everything and sends nothing. KEYS is a file with the API keys of callers."
  value = join(" ", [
    "curl ${google_cloud_run_v2_service.function.uri}/",
    var.access == "iam" ? "-H \"Authorization: Bearer $(gcloud auth print-identity-token)\"" : "-H \"Authorization: Bearer $(head -n 1 KEYS)\"",
    "-H 'Content-Type: application/json'",
    "-d '{\"to\": \"+12025550123\", \"text\": \"Hello\", \"dry_run\": true}'",
  ])
}

locals {
  # The settings of the function, for rcshook on this computer. The uploaded file is named
  # rcshook.yaml, and here it has another path.
  describe = join("", [
    "gcloud run services describe ${var.name} --project=${var.project_id} --region=${var.region} --format=json",
    contains(["", "rcshook.yaml", "./rcshook.yaml"], local.config_file) ? "" : " | sed 's|\"rcshook.yaml\"|\"${local.config_file}\"|'",
  ])
}

output "prepare_opt_outs" {
  description = "With events: the next step, which creates the key of the opt-outs and prepares their bucket. Until then, the function refuses promotions."
  value       = local.opt_out ? "${local.describe} | rcshook optouts init -env -" : null
}

output "connect_webhook" {
  description = "With events: the step after that, which connects the webhook of the agent to the function."
  value       = local.events ? "${local.describe} | rcshook webhook set -env -" : null
}

output "queue" {
  description = "The queue, and the service account and audience that the token of a task needs."
  value = local.queued ? {
    name            = google_cloud_tasks_queue.messages[0].id
    service_account = google_service_account.queue[0].email
    audience        = local.audience
  } : null
}
