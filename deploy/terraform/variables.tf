variable "project_id" {
  description = "The Google Cloud project."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project_id))
    error_message = "project_id must be a project ID, not a number or a name: 6 to 30 lower-case letters, digits and hyphens."
  }
}

variable "region" {
  description = "The region of the function, such as europe-west1. Choose one near rcs_region."
  type        = string
  default     = "us-central1"

  validation {
    condition     = can(regex("^[a-z]+-[a-z]+[0-9]+$", var.region))
    error_message = "region must be a Cloud Run region, such as us-central1."
  }
}

variable "name" {
  description = "The name of the function, and the prefix of other names, except those of secrets. Two functions in a project need different secrets: set the variables that end with _secret."
  type        = string
  default     = "rcshook"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,20}[a-z0-9]$", var.name))
    error_message = "name must have 4 to 22 lower-case letters, digits and hyphens, because the service account NAME-queue can have 30 characters."
  }
}

variable "access" {
  description = "The access check. \"keys\": a public URL, where rcshook checks API keys and the signatures of webhooks. \"iam\": Cloud Run accepts only var.invokers, and rcshook checks no keys."
  type        = string
  default     = "keys"

  validation {
    condition     = contains(["keys", "iam"], var.access)
    error_message = "access must be keys or iam."
  }
}

variable "invokers" {
  description = "The allowed callers with access = \"iam\", such as serviceAccount:shop@PROJECT.iam.gserviceaccount.com."
  type        = set(string)
  default     = []

  validation {
    condition     = length(setintersection(var.invokers, ["allUsers", "allAuthenticatedUsers"])) == 0
    error_message = "With access = \"iam\" rcshook checks no keys, so invokers cannot include all users; use access = \"keys\"."
  }
  validation {
    condition     = alltrue([for m in var.invokers : can(regex("^(user|serviceAccount|group|domain|principal|principalSet):", m))])
    error_message = "invokers must be IAM members, such as serviceAccount:shop@PROJECT.iam.gserviceaccount.com."
  }
  validation {
    condition     = var.access == "iam" || length(var.invokers) == 0
    error_message = "With access = \"keys\" the URL is public, and invokers has no effect; remove it."
  }
}

variable "agent_id_secret" {
  description = "The secret that contains the ID of the agent default. Not used if rcshook.yaml describes that agent. Empty: the file in config_secret does."
  type        = string
  default     = "rcshook-agent-id"

  validation {
    condition     = !local.default_in_file || contains(["", "rcshook-agent-id"], var.agent_id_secret)
    error_message = "rcshook.yaml describes the agent default; remove agent_id_secret, or that agent from the file."
  }
  validation {
    condition     = local.default_in_file || var.agent_id_secret != "" || var.config_secret != ""
    error_message = "No file describes the agent default; set agent_id_secret, or add the agent to rcshook.yaml."
  }
}

variable "credentials_secret" {
  description = "The secret that contains the service-account key of the RCS for Business console."
  type        = string
  default     = "rcshook-credentials"
}

variable "api_keys_secret" {
  description = "The secret that contains the API keys of callers, one per line. Not used with access = \"iam\"."
  type        = string
  default     = "rcshook-api-keys"
}

variable "config_file" {
  description = "The path of rcshook.yaml, such as ./rcshook.yaml. The module uploads it, and reads which secrets, topics and buckets it names. Empty: rcshook.yaml in the folder of go.mod, if it exists."
  type        = string
  default     = ""

  validation {
    condition     = var.config_file == "" || try(fileexists(var.config_file), false)
    error_message = "config_file must be the path of a file that exists, such as ./rcshook.yaml."
  }
  validation {
    condition     = var.config_file == "" || var.config_secret == ""
    error_message = "config_file and config_secret exclude each other: the function reads one rcshook.yaml."
  }
}

variable "config_secret" {
  description = "The secret that contains rcshook.yaml. Empty: no such secret."
  type        = string
  default     = ""
}

variable "source_secrets" {
  description = "The secrets of this project that rcshook.yaml in config_secret names, as rcshook check -secrets lists them, or by name only."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for s in var.source_secrets : can(regex("^(projects/${var.project_id}/secrets/)?[A-Za-z0-9_-]+(/versions/[a-z0-9]+)?$", s))])
    error_message = "source_secrets must be secrets of this project, NAME or projects/${var.project_id}/secrets/NAME."
  }
}

variable "callers" {
  description = "The callers of rcshook.yaml that get a secret for their key: NAME-caller-CALLER, where NAME is the name of the function. The output caller_secrets has the full names."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for c in var.callers : can(regex("^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$", c))])
    error_message = "callers must be names under callers in rcshook.yaml: at most 64 letters, digits, - and _."
  }
  validation {
    condition     = var.access == "keys" || length(var.callers) == 0
    error_message = "With access = \"iam\" rcshook checks no keys, and callers has no effect; remove it."
  }
}

variable "existing_secrets" {
  description = "The secrets of this project that exist already, by full name or by name only. All others are created without a version."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for s in var.existing_secrets : can(regex("^(projects/${var.project_id}/secrets/)?[A-Za-z0-9_-]+(/versions/[a-z0-9]+)?$", s))])
    error_message = "existing_secrets must be secrets of this project, NAME or projects/${var.project_id}/secrets/NAME."
  }
}

variable "secret_versions" {
  description = "Fixed versions by secret, such as {rcshook-credentials = \"3\"}. The latest version of the others is read again every few minutes."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for v in values(var.secret_versions) : can(regex("^[1-9][0-9]*$", v))])
    error_message = "secret_versions must be version numbers, such as \"3\"."
  }
}

variable "rcs_region" {
  description = "The host of RCS for Business: us, europe or asia, which must be the region of the agent. Empty: the global host."
  type        = string
  default     = ""

  validation {
    condition     = contains(["", "us", "europe", "asia"], var.rcs_region)
    error_message = "rcs_region must be us, europe, asia or empty."
  }
}

variable "settings" {
  description = "Other settings of rcshook, such as {RCSHOOK_COUNTRY = \"US\"}. Do not put secrets here: they would be in the state."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for name in keys(var.settings) : contains(["RCSHOOK_COUNTRY", "RCSHOOK_TRAFFIC", "RCSHOOK_TTL", "RCSHOOK_TIMEOUT", "RCSHOOK_MESSAGES_PER_SECOND", "RCSHOOK_ALLOW_PREMIUM_NUMBERS"], name)])
    error_message = "settings can contain only RCSHOOK_COUNTRY, RCSHOOK_TRAFFIC, RCSHOOK_TTL, RCSHOOK_TIMEOUT, RCSHOOK_MESSAGES_PER_SECOND and RCSHOOK_ALLOW_PREMIUM_NUMBERS; use the other variables of this module."
  }
}

variable "release" {
  description = "The version that GET / reports, such as v1.2.0. Use the ref of the module source. Empty: source- and the start of the checksum of the uploaded source."
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^[A-Za-z0-9._-]*$", var.release))
    error_message = "release must have letters, digits, dots and hyphens, such as v1.2.0."
  }
}

variable "runtime" {
  description = "The Go runtime."
  type        = string
  default     = "go126"

  validation {
    condition     = can(regex("^go1(2[6-9]|[3-9][0-9])$", var.runtime))
    error_message = "runtime must be go126 or newer."
  }
}

variable "concurrency" {
  description = "The number of requests that one instance handles at once."
  type        = number
  default     = 250

  validation {
    condition     = var.concurrency >= 1 && var.concurrency <= 1000 && floor(var.concurrency) == var.concurrency
    error_message = "concurrency must be a whole number from 1 to 1000."
  }
}

variable "cpu" {
  description = "The number of vCPUs of an instance."
  type        = number
  default     = 1

  validation {
    condition     = contains([1, 2, 4], var.cpu)
    error_message = "cpu must be 1, 2 or 4: with less, Cloud Run sends an instance one request at a time."
  }
}

variable "memory" {
  description = "The memory of an instance."
  type        = string
  default     = "256Mi"

  validation {
    condition     = can(regex("^([1-9][0-9]*)(Mi|Gi)$", var.memory)) && !contains(["64Mi", "128Mi"], var.memory)
    error_message = "memory must be at least 256Mi, such as 256Mi or 1Gi."
  }
}

variable "min_instances" {
  description = "The minimum number of instances. With 1, the first message after an idle time does not wait for a start."
  type        = number
  default     = 0

  validation {
    condition     = var.min_instances >= 0 && var.min_instances <= var.max_instances
    error_message = "min_instances must be from 0 to max_instances."
  }
}

variable "max_instances" {
  description = "The maximum number of instances, which limits the cost."
  type        = number
  default     = 10

  validation {
    condition     = var.max_instances >= 1 && var.max_instances <= 1000
    error_message = "max_instances must be from 1 to 1000."
  }
}

variable "timeout" {
  description = "The number of seconds after which Cloud Run ends a request. rcshook ends it earlier, after RCSHOOK_TIMEOUT, 20s by default."
  type        = number
  default     = 60

  validation {
    condition     = var.timeout >= 30 && var.timeout <= 3600
    error_message = "timeout must be from 30 to 3600 seconds."
  }
}

variable "queue" {
  description = "A Cloud Tasks queue, which sends at a limited rate and retries failures. Producers add tasks themselves. With through = true, the function sends all messages through the queue. null: no queue."
  type = object({
    rate         = optional(number, 50)       # messages per second
    max_attempts = optional(number, 20)       # a task is dropped after max_attempts and max_age, when both are reached
    producers    = optional(set(string), [])  # members that can add tasks, such as serviceAccount:...
    max_age      = optional(string, "86400s") # the maximum age of a task
    through      = optional(bool, false)      # see docs/queue.md
  })
  default = null

  validation {
    condition     = var.queue == null || try(var.queue.rate > 0 && var.queue.rate <= 500 && var.queue.max_attempts > 0, false)
    error_message = "queue.rate must be at most 500 per second, and queue.max_attempts at least 1."
  }
  validation {
    condition     = var.queue == null || try(can(regex("^[1-9][0-9]*s$", var.queue.max_age)), false)
    error_message = "queue.max_age must be in seconds, such as 86400s."
  }
  validation {
    condition     = !local.late_fallback || try(var.queue.through, false)
    error_message = "A fallback in rcshook.yaml has after, which needs a queue that keeps messages until then; set queue = {through = true}."
  }
  validation {
    condition     = !local.late_fallback || try(tonumber(trimsuffix(var.queue.max_age, "s")) > 12 * 3600, true)
    error_message = "A fallback in rcshook.yaml has after, and the function retries a fallback for 12 hours; set queue.max_age above 43200s."
  }
}

variable "events" {
  description = "The webhook for the events of RCS for Business, a queue that delivers them to the targets of rcshook.yaml, and a private bucket that keeps who opted out. See docs/events.md and docs/opt-out.md. null: no events."
  type = object({
    token_secret       = optional(string, "rcshook-webhook-token") # rcshook webhook set fills it
    url                = optional(string, "")                      # of another target
    url_secret         = optional(string, "")                      # the secret that contains the URL, instead of url
    signing_secret     = optional(string, "rcshook-events-secret") # the key that signs the requests to the URL; empty: not signed
    rate               = optional(number, 200)                     # deliveries per second
    opt_out            = optional(bool, true)                      # false: no bucket and no key
    opt_out_key_secret = optional(string, "rcshook-opt-out-key")   # rcshook optouts init fills it
  })
  default = null

  validation {
    condition     = var.events == null || var.access == "keys"
    error_message = "events needs access = \"keys\": RCS for Business cannot pass Cloud Run IAM."
  }
  validation {
    condition     = !can(local.config.opt_out.store) || !try(var.events.opt_out, false)
    error_message = "opt_out of rcshook.yaml has a store; set opt_out = false in events, or remove it from the file."
  }
  validation {
    condition     = var.events == null || try(var.events.rate > 0 && var.events.rate <= 500, false)
    error_message = "events.rate must be at most 500 per second."
  }
  validation {
    condition     = var.events == null || try(can(regex("^(https://[^/@#[:space:]]+(/[^#[:space:]]*)?)?$", var.events.url)) && (var.events.url == "" || var.events.url_secret == ""), false)
    error_message = "events.url must be an https:// address without a user or fragment, and excludes events.url_secret."
  }
}

variable "topics" {
  description = "The Pub/Sub topics that rcshook.yaml in config_secret names, as rcshook check -topics lists them. They must exist."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for t in var.topics : can(regex("^projects/[^/]+/topics/[^/]+$", t))])
    error_message = "topics must be full names, projects/PROJECT/topics/TOPIC."
  }
}

variable "buckets" {
  description = "The buckets in which brands of rcshook.yaml in config_secret keep who opted out, as rcshook check -buckets lists them. They must exist."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for b in var.buckets : can(regex("^gs://[a-z0-9][a-z0-9._-]+$", b))])
    error_message = "buckets must be names without an object, gs://BUCKET."
  }
}

variable "monitoring" {
  description = "Metrics from the log, and alerts. notification_channels are IDs such as projects/PROJECT/notificationChannels/NUMBER. Without them, alerts are visible in the console only. null: no metrics and no alerts."
  type = object({
    notification_channels   = optional(list(string), [])
    refused_per_5_minutes   = optional(number, 50)
    latency_ms              = optional(number, 5000) # of the slowest 5 % of requests
    secret_age_s            = optional(number, 900)  # secrets are read every 300 s
    event_age_s             = optional(number, 3600) # of events whose target is unavailable
    bad_signatures_per_hour = optional(number, 10)   # at /events
  })
  default = null

  validation {
    condition     = var.monitoring == null || try(min(var.monitoring.refused_per_5_minutes, var.monitoring.latency_ms, var.monitoring.secret_age_s, var.monitoring.event_age_s, var.monitoring.bad_signatures_per_hour) > 0, false)
    error_message = "The limits in monitoring must be above 0."
  }
  validation {
    condition     = var.monitoring == null || try(alltrue([for c in var.monitoring.notification_channels : can(regex("^projects/[^/]+/notificationChannels/[^/]+$", c))]), false)
    error_message = "notification_channels must be IDs such as projects/PROJECT/notificationChannels/NUMBER."
  }
}
