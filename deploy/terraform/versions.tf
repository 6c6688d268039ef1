terraform {
  required_version = ">= 1.9" # validation can refer to other variables

  required_providers {
    google = {
      source  = "hashicorp/google"
      version = ">= 6.50"
    }
    archive = {
      source  = "hashicorp/archive"
      version = ">= 2.5"
    }
  }
}
