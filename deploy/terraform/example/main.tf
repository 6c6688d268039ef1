# A public URL with API keys, a queue, events, and rcshook.yaml with one source and a target.
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

  project_id     = var.project_id
  region         = "europe-west1"
  rcs_region     = "europe"
  config_secret  = "rcshook-config"
  source_secrets = ["rcshook-shop"]
  settings       = { RCSHOOK_COUNTRY = "DE", RCSHOOK_TRAFFIC = "transaction" }
  min_instances  = 1

  events = {}
  topics = ["projects/${var.project_id}/topics/rcs-events"]

  queue = {
    rate      = 20
    producers = ["serviceAccount:shop@${var.project_id}.iam.gserviceaccount.com"]
  }
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
