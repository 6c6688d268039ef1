variable "project_id" {
  description = "The Google Cloud project."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project_id))
    error_message = "The project's ID, not its number or name: 6 to 30 lower case letters, digits and hyphens."
  }
}

variable "region" {
  description = "Where the function runs, as europe-west1. Take one near rcs_region."
  type        = string
  default     = "us-central1"

  validation {
    condition     = can(regex("^[a-z]+-[a-z]+[0-9]+$", var.region))
    error_message = "A region of Cloud Run, as us-central1."
  }
}

variable "name" {
  description = "The name of the function, and the beginning of all other names."
  type        = string
  default     = "rcshook"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,20}[a-z0-9]$", var.name))
    error_message = "4 to 22 lower case letters, digits and hyphens: NAME-queue must fit the 30 letters of a service account."
  }
}

variable "access" {
  description = "Who may call: \"keys\" is a public address where rcshook checks API keys and the signatures of webhooks; \"iam\" lets only var.invokers through to it, and rcshook checks no key of its own."
  type        = string
  default     = "keys"

  validation {
    condition     = contains(["keys", "iam"], var.access)
    error_message = "Either keys or iam."
  }
}

variable "invokers" {
  description = "With access = \"iam\": who may call, as serviceAccount:shop@PROJECT.iam.gserviceaccount.com."
  type        = set(string)
  default     = []

  validation {
    condition     = length(setintersection(var.invokers, ["allUsers", "allAuthenticatedUsers"])) == 0
    error_message = "Everybody is access = \"keys\": with access = \"iam\" rcshook checks no key."
  }
  validation {
    condition     = alltrue([for m in var.invokers : can(regex("^(user|serviceAccount|group|domain|principal|principalSet):", m))])
    error_message = "Members as IAM writes them, such as serviceAccount:shop@PROJECT.iam.gserviceaccount.com."
  }
  validation {
    condition     = var.access == "iam" || length(var.invokers) == 0
    error_message = "With access = \"keys\" the address is public, so invokers has no effect: leave it out."
  }
}

variable "agent_id_secret" {
  description = "The secret that holds the agent ID."
  type        = string
  default     = "rcshook-agent-id"
}

variable "credentials_secret" {
  description = "The secret that holds the service-account key of the RCS for Business console."
  type        = string
  default     = "rcshook-credentials"
}

variable "api_keys_secret" {
  description = "The secret that holds the keys of callers, one per line. Not used with access = \"iam\"."
  type        = string
  default     = "rcshook-api-keys"
}

variable "config_secret" {
  description = "The secret that holds rcshook.yaml; empty: there is no such file."
  type        = string
  default     = ""
}

variable "source_secrets" {
  description = "The secrets that rcshook.yaml names: those of senders, and of more agents."
  type        = set(string)
  default     = []
}

variable "existing_secrets" {
  description = "Those of all these secrets that exist already. The others are created, empty."
  type        = set(string)
  default     = []
}

variable "secret_versions" {
  description = "Versions to stay at, by secret, as {rcshook-credentials = \"3\"}. Of the others the latest is read again every few minutes."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for v in values(var.secret_versions) : can(regex("^[1-9][0-9]*$", v))])
    error_message = "The number of a version, as \"3\"."
  }
}

variable "rcs_region" {
  description = "The host of RCS for Business: us, europe, asia, or empty for the global one. It must be the region of the agent."
  type        = string
  default     = ""

  validation {
    condition     = contains(["", "us", "europe", "asia"], var.rcs_region)
    error_message = "Either us, europe, asia or empty."
  }
}

variable "settings" {
  description = "More settings of rcshook, as {RCSHOOK_COUNTRY = \"US\"}. No secrets: they would stand in the state."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for name in keys(var.settings) : contains(["RCSHOOK_COUNTRY", "RCSHOOK_TRAFFIC", "RCSHOOK_TTL", "RCSHOOK_TIMEOUT", "RCSHOOK_MESSAGES_PER_SECOND"], name)])
    error_message = "Only RCSHOOK_COUNTRY, RCSHOOK_TRAFFIC, RCSHOOK_TTL, RCSHOOK_TIMEOUT and RCSHOOK_MESSAGES_PER_SECOND: the others have variables of this module."
  }
}

variable "release" {
  description = "The version that GET / shows, as v1.2.0: that of ref, where source has one. Empty: source- and the first digits of the checksum of what was uploaded."
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^[A-Za-z0-9._-]*$", var.release))
    error_message = "Letters, digits, dots and hyphens, as v1.2.0."
  }
}

variable "runtime" {
  description = "The Go runtime."
  type        = string
  default     = "go126"

  validation {
    condition     = can(regex("^go1(2[6-9]|[3-9][0-9])$", var.runtime))
    error_message = "go126 or newer."
  }
}

variable "concurrency" {
  description = "Requests that one instance takes at once."
  type        = number
  default     = 250

  validation {
    condition     = var.concurrency >= 1 && var.concurrency <= 1000 && floor(var.concurrency) == var.concurrency
    error_message = "A number from 1 to 1000."
  }
}

variable "cpu" {
  description = "vCPUs of an instance."
  type        = number
  default     = 1

  validation {
    condition     = contains([1, 2, 4], var.cpu)
    error_message = "1, 2 or 4: with less than one, Cloud Run gives an instance one request at a time."
  }
}

variable "memory" {
  description = "Memory of an instance."
  type        = string
  default     = "256Mi"

  validation {
    condition     = can(regex("^([1-9][0-9]*)(Mi|Gi)$", var.memory)) && !contains(["64Mi", "128Mi"], var.memory)
    error_message = "As 256Mi or 1Gi."
  }
}

variable "min_instances" {
  description = "Instances that always wait; 1 spares the first message after a quiet time the start."
  type        = number
  default     = 0

  validation {
    condition     = var.min_instances >= 0 && var.min_instances <= var.max_instances
    error_message = "From 0 to max_instances."
  }
}

variable "max_instances" {
  description = "The most instances there can be, which bounds the bill."
  type        = number
  default     = 10

  validation {
    condition     = var.max_instances >= 1 && var.max_instances <= 1000
    error_message = "From 1 to 1000."
  }
}

variable "timeout" {
  description = "Seconds after which Cloud Run ends a request. rcshook ends its own earlier, after RCSHOOK_TIMEOUT, 20s by default."
  type        = number
  default     = 60

  validation {
    condition     = var.timeout >= 30 && var.timeout <= 3600
    error_message = "From 30 to 3600 seconds."
  }
}

variable "queue" {
  description = "A queue of Cloud Tasks: it sends again what failed, at most at this rate. Producers enqueue by themselves; with through = true the function lets all its messages wait there. null: none."
  type = object({
    rate         = optional(number, 50)       # messages per second
    max_attempts = optional(number, 20)       # then the task is dropped
    producers    = optional(set(string), [])  # who may enqueue, as serviceAccount:...
    max_age      = optional(string, "86400s") # then it is dropped, too
    through      = optional(bool, false)      # docs/queue.md
  })
  default = null

  validation {
    condition     = var.queue == null || try(var.queue.rate > 0 && var.queue.rate <= 500 && var.queue.max_attempts > 0, false)
    error_message = "A rate of up to 500 per second, and at least one attempt."
  }
  validation {
    condition     = var.queue == null || try(can(regex("^[1-9][0-9]*s$", var.queue.max_age)), false)
    error_message = "max_age is in seconds, as 86400s."
  }
}

variable "monitoring" {
  description = "Metrics from the log, and alerts. notification_channels are IDs as projects/PROJECT/notificationChannels/NUMBER; without any, an alert only shows in the console. null: none of it."
  type = object({
    notification_channels = optional(list(string), [])
    refused_per_5_minutes = optional(number, 50)
    latency_ms            = optional(number, 5000) # of the slowest 5 %
    secret_age_s          = optional(number, 900)  # it is read every 300 s
  })
  default = null

  validation {
    condition     = var.monitoring == null || try(min(var.monitoring.refused_per_5_minutes, var.monitoring.latency_ms, var.monitoring.secret_age_s) > 0, false)
    error_message = "The limits are numbers above 0."
  }
  validation {
    condition     = var.monitoring == null || try(alltrue([for c in var.monitoring.notification_channels : can(regex("^projects/[^/]+/notificationChannels/[^/]+$", c))]), false)
    error_message = "A notification channel is as projects/PROJECT/notificationChannels/NUMBER."
  }
}
