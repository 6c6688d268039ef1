# The build: the uploaded source of this repository, and a service account that can read
# it, write the image and write its log.

locals {
  root = "${path.module}/../.."

  # Only the files that the function is built from are uploaded.
  upload_patterns = [
    # Generated from go list -deps .
    "*.go",
    "go.mod",
    "go.sum",
    "rcshook.yaml",
    "internal/agent/*.go",
    "internal/charset/*.go",
    "internal/code/*.go",
    "internal/compose/*.go",
    "internal/config/*.go",
    "internal/events/*.go",
    "internal/google/*.go",
    "internal/google/platform/*.go",
    "internal/mapping/*.go",
    "internal/mapping/limit/*.go",
    "internal/optout/*.go",
    "internal/payload/*.go",
    "internal/phonenumber/*.go",
    "internal/phonenumber/premium.txt",
    "internal/prepare/*.go",
    "internal/queue/*.go",
    "internal/response/*.go",
    "internal/send/*.go",
    "internal/server/*.go",
    "internal/server/openapi-3.0.json",
    "internal/server/openapi.json",
    "internal/source/*.go",
    "internal/source/presets/**",
    "internal/standardwebhook/*.go",
    "internal/target/*.go",
    "internal/trace/*.go",
    "internal/typo/*.go",
    "rbm/*.go",
    # End of the generated list
  ]
  # The path of each file by its name in the upload.
  uploaded = merge(
    {
      for file in flatten([for pattern in local.upload_patterns : tolist(fileset(local.root, pattern))]) : file => "${local.root}/${file}"
      if !endswith(file, "_test.go") && file != "rcshook.yaml"
    },
    local.config_file == "" ? {} : { "rcshook.yaml" = local.config_file },
  )
}

data "archive_file" "source" {
  type        = "zip"
  output_path = "${path.root}/.terraform/${var.name}-source.zip"

  dynamic "source" {
    for_each = local.uploaded
    content {
      filename = source.key
      content  = file(source.value)
    }
  }
}

resource "google_storage_bucket" "source" {
  project                     = var.project_id
  name                        = "${var.project_id}-${var.name}-source"
  location                    = var.region
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = true
}

resource "google_storage_bucket_object" "source" {
  name   = "source-${data.archive_file.source.output_sha256}.zip"
  bucket = google_storage_bucket.source.name
  source = data.archive_file.source.output_path
}

resource "google_artifact_registry_repository" "image" {
  project       = var.project_id
  location      = var.region
  repository_id = var.name
  format        = "DOCKER"
  depends_on    = [google_project_service.api]
}

resource "google_service_account" "build" {
  project      = var.project_id
  account_id   = "${var.name}-build"
  display_name = "Builds ${var.name}"
  depends_on   = [google_project_service.api]
}

resource "google_storage_bucket_iam_member" "build" {
  bucket = google_storage_bucket.source.name
  role   = "roles/storage.objectViewer"
  member = "serviceAccount:${google_service_account.build.email}"
}

resource "google_artifact_registry_repository_iam_member" "build" {
  project    = var.project_id
  location   = var.region
  repository = google_artifact_registry_repository.image.repository_id
  role       = "roles/artifactregistry.writer"
  member     = "serviceAccount:${google_service_account.build.email}"
}

resource "google_project_iam_member" "build_log" {
  project = var.project_id
  role    = "roles/logging.logWriter"
  member  = "serviceAccount:${google_service_account.build.email}"
}
