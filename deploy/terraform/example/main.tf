# A public URL with API keys, events to Pub/Sub, and a fallback in time through the queue.
# Replace my-project in rcshook.yaml with the ID of your project.
# Copy this file, or use the module from its repository:
#
#   source = "github.com/rcshook/rcshook//deploy/terraform"

terraform {
  required_providers {
    google = {
      source = "hashicorp/google"
    }
    archive = {
      source = "hashicorp/archive"
    }
  }
}

provider "google" {}

variable "project_id" {
  type = string
}

module "rcshook" {
  source = "../"

  project_id    = var.project_id
  region        = "europe-west1"
  rcs_region    = "europe"
  config_file   = "${path.root}/rcshook.yaml"
  callers       = ["zapier"]
  settings      = { RCSHOOK_COUNTRY = "DE", RCSHOOK_TRAFFIC = "transaction" }
  min_instances = 1
  events        = {}
  queue         = { through = true, rate = 20 }

  depends_on = [google_pubsub_topic.events]
}

# The topic that rcshook.yaml names. It must exist before the module.
resource "google_project_service" "pubsub" {
  project            = var.project_id
  service            = "pubsub.googleapis.com"
  disable_on_destroy = false
}

resource "google_pubsub_topic" "events" {
  project    = var.project_id
  name       = "rcs-events"
  depends_on = [google_project_service.pubsub]
}

output "url" {
  value = module.rcshook.url
}

output "fill_secrets" {
  value = module.rcshook.fill_secrets
}

output "prepare_opt_outs" {
  value = module.rcshook.prepare_opt_outs
}

output "connect_webhook" {
  value = module.rcshook.connect_webhook
}

output "curl" {
  value = module.rcshook.curl
}

output "queue" {
  value = module.rcshook.queue
}

output "caller_secrets" {
  value = module.rcshook.caller_secrets
}
