terraform {
  required_version = ">= 1.9" # validation that looks at other variables

  required_providers {
    google = {
      source  = "hashicorp/google"
      version = ">= 6.50"
    }
    archive = {
      source  = "hashicorp/archive"
      version = ">= 2.5" # patterns in excludes
    }
  }
}
