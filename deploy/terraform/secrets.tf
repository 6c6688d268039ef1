locals {
  # Secrets by name, without the path of the project.
  source_secrets   = toset([for s in var.source_secrets : split("/", trimprefix(s, local.own_prefix))[0]])
  existing_secrets = toset([for s in var.existing_secrets : split("/", trimprefix(s, local.own_prefix))[0]])

  # The secrets that "rcshook webhook set" and "rcshook optouts init" fill.
  rcshook_fills = [for s in concat(
    [try(var.events.token_secret, ""), try(var.events.opt_out_key_secret, ""), try(local.config.opt_out.key, "")],
    [for agent in local.config_agents : try(agent.webhook_token, "")],
    [for brand in try(values(local.config.brands), []) : try(brand.opt_out.key, "")],
  ) : split("/", trimprefix(s, local.own_prefix))[0]]
}

# The service account of the function. It has no role on the project.
resource "google_service_account" "run" {
  project      = var.project_id
  account_id   = "${var.name}-run"
  display_name = "Runs ${var.name}"
  depends_on   = [google_project_service.api]
}

# Secrets without a version: Terraform would store a version in its state.
resource "google_secret_manager_secret" "created" {
  for_each  = setsubtract(local.secrets, local.existing_secrets)
  project   = var.project_id
  secret_id = each.value

  replication {
    auto {}
  }
  depends_on = [google_project_service.api]
}

resource "google_secret_manager_secret_iam_member" "run" {
  for_each   = local.secrets
  project    = var.project_id
  secret_id  = each.value
  role       = "roles/secretmanager.secretAccessor"
  member     = "serviceAccount:${google_service_account.run.email}"
  depends_on = [google_secret_manager_secret.created]
}
