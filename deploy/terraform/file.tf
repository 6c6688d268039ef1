# rcshook.yaml, if it is uploaded: the secrets, topics and buckets that it names.

locals {
  config_file = (
    var.config_file != "" ? var.config_file :
    var.config_secret == "" && fileexists("${local.root}/rcshook.yaml") ? "${local.root}/rcshook.yaml" : ""
  )
  config = try(yamldecode(file(local.config_file)), null) # null without a file

  # The default agent is described by the file or by the environment.
  default_in_file = can(local.config.agents.default)

  config_agents  = try(values(local.config.agents), [])
  config_sources = try(values(local.config.sources), [])

  # The module cannot see through a file in Secret Manager.
  late_fallback = anytrue([for entry in concat(local.config_agents, local.config_sources) : can(entry.fallback.after)])

  # A name counts only if it is a whole value: not in a comment, and not in a program.
  config_values  = jsonencode(local.config)
  config_secrets = toset([for m in regexall("\"(projects/[^/\"]+/secrets/[A-Za-z0-9_-]+)[/\"]", local.config_values) : m[0]])
  own_prefix     = "projects/${var.project_id}/secrets/"
  own_secrets    = toset([for s in local.config_secrets : trimprefix(s, local.own_prefix) if startswith(s, local.own_prefix)])
  other_secrets  = sort([for s in local.config_secrets : s if !startswith(s, local.own_prefix)])

  topics  = setunion(var.topics, [for m in regexall("\"(projects/[^/\"]+/topics/[^/\"]+)\"", local.config_values) : m[0]])
  buckets = setunion(var.buckets, [for m in regexall("\"(gs://[a-z0-9][a-z0-9._-]+)[/\"]", local.config_values) : m[0]])
}

check "secrets_of_other_projects" {
  assert {
    condition     = length(local.other_secrets) == 0
    error_message = "rcshook.yaml names secrets of other projects: ${join(", ", local.other_secrets)}. Let the function read each of them: gcloud secrets add-iam-policy-binding SECRET --project=PROJECT --member=serviceAccount:${var.name}-run@${var.project_id}.iam.gserviceaccount.com --role=roles/secretmanager.secretAccessor"
  }
}

check "targets_without_webhook" {
  assert {
    condition     = try(length(local.config.events), 0) == 0 || local.events || anytrue([for agent in local.config_agents : can(agent.webhook_token)])
    error_message = "The targets of events in rcshook.yaml get nothing, because no agent has a client token. Set events = {}, or webhook_token of an agent."
  }
}
