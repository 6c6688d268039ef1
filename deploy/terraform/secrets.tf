# The service account of the function. It has no role on the project.
resource "google_service_account" "run" {
  project      = var.project_id
  account_id   = "${var.name}-run"
  display_name = "Runs ${var.name}"
  depends_on   = [google_project_service.api]
}

# Secrets without a version: Terraform would store a version in its state.
resource "google_secret_manager_secret" "created" {
  for_each  = setsubtract(local.secrets, var.existing_secrets)
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
