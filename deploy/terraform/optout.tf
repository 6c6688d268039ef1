# The private bucket that keeps who opted out. Terraform does not delete it while it
# contains records. It is destroyed before the secrets, so that its key stays as long.

resource "google_storage_bucket" "opt_outs" {
  count                       = local.opt_out ? 1 : 0
  project                     = var.project_id
  name                        = "${var.project_id}-${var.name}-optouts"
  location                    = var.region
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = false

  versioning {
    enabled = false
  }

  # A mistake could make the function forget who opted out. For 7 days, it can be undone.
  soft_delete_policy {
    retention_duration_seconds = 7 * 86400
  }
  depends_on = [google_project_service.api, google_secret_manager_secret.created]
}

locals {
  # The names of the buckets in which the function keeps opt-outs.
  opt_out_buckets = merge(
    { for bucket in local.buckets : bucket => trimprefix(bucket, "gs://") },
    local.opt_out ? { own = google_storage_bucket.opt_outs[0].name } : {},
  )
}

resource "google_storage_bucket_iam_member" "opt_outs" {
  for_each   = local.opt_out_buckets
  bucket     = each.value
  role       = "roles/storage.objectUser"
  member     = "serviceAccount:${google_service_account.run.email}"
  depends_on = [google_project_service.api]
}
