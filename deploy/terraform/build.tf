# The build: the source of this repository, uploaded, and an account that can read
# it, write the image and write its log.

data "archive_file" "source" {
  type        = "zip"
  source_dir  = "${path.module}/../.."
  output_path = "${path.root}/.terraform/${var.name}-source.zip"
  excludes = [ # what .gcloudignore names
    ".git/**", ".gitignore", ".gcloudignore", ".ci/**", ".github/**",
    "cmd/**", "deploy/**", "testdata/**", "rbm/rbmtest/**", "**/*_test.go", "*_test.go",
    "internal/bench/**", "internal/bulk/**", "internal/client/**", "internal/doctor/**", "internal/phone/**",
    "internal/queue/queuetest/**",
    "go.work", "go.work.sum", "*.zip", ".terraform/**",
  ]
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
