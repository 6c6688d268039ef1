# Metrics from the log of the function, and alerts, if monitoring is set.

locals {
  monitored = var.monitoring != null
  lines     = "resource.type=\"cloud_run_revision\" AND resource.labels.service_name=\"${var.name}\""

  # By name: the counted log lines and their labels. With a value, it is a distribution.
  metrics = {
    accepted = {
      description = "Messages that RCS for Business accepted."
      filter      = "labels.code=\"accepted\""
      labels      = { agent = "EXTRACT(labels.agent)", source = "EXTRACT(labels.source)" }
      value       = null
      unit        = "1"
    }
    refused = {
      description = "Requests that failed, by code."
      filter      = "labels.code:* AND severity>=WARNING AND NOT labels.target:*"
      labels      = { code = "EXTRACT(labels.code)", agent = "EXTRACT(labels.agent)", source = "EXTRACT(labels.source)" }
      value       = null
      unit        = "1"
    }
    errors = {
      description = "Failures that only an operator can fix: settings, secrets, credentials, bugs."
      filter      = "severity>=ERROR AND NOT labels.code=\"target_rejected\""
      labels      = { code = "EXTRACT(labels.code)" }
      value       = null
      unit        = "1"
    }
    latency = {
      description = "The duration of requests that send."
      filter      = "labels.code:* AND jsonPayload.method=\"POST\" AND NOT labels.target:*"
      labels      = { code = "EXTRACT(labels.code)" }
      value       = "EXTRACT(jsonPayload.total_ms)"
      unit        = "ms"
    }
    secret_age = {
      description = "The age of a secret that cannot be refreshed."
      filter      = "jsonPayload.age_s>=0"
      labels      = { secret = "EXTRACT(jsonPayload.secret)" }
      value       = "EXTRACT(jsonPayload.age_s)"
      unit        = "s"
    }
    rejected_events = {
      description = "Events that the function does not deliver to a target again."
      filter      = "labels.code=\"target_rejected\""
      labels      = { target = "EXTRACT(labels.target)" }
      value       = null
      unit        = "1"
    }
    undelivered_events = {
      description = "The age of an event whose target is unavailable."
      filter      = "labels.code=\"target_unavailable\""
      labels      = { target = "EXTRACT(labels.target)" }
      value       = "EXTRACT(jsonPayload.event_age_s)"
      unit        = "s"
    }
    opt_out_unavailable = {
      description = "Messages that were not sent, and opt-outs that were not stored, because the store of the opt-outs is unavailable."
      filter      = "labels.code=\"opt_out_unavailable\""
      labels      = { agent = "EXTRACT(labels.agent)" }
      value       = null
      unit        = "1"
    }
    bad_signature = {
      description = "Requests to the webhook of the agent with a wrong signature."
      filter      = "labels.code=\"bad_signature\" AND jsonPayload.path=\"/events\""
      labels      = {}
      value       = null
      unit        = "1"
    }
  }

  # The alerts by name.
  alerts = {
    errors = {
      title     = "needs an operator"
      metric    = "errors"
      group     = ""
      period    = "300s"
      aligner   = "ALIGN_DELTA"
      reducer   = "REDUCE_SUM"
      threshold = 0
      advice    = "The log line has code and cause. Run rcshook doctor, and read about the code in docs/responses.md."
    }
    refused = {
      title     = "rejects many messages"
      metric    = "refused"
      group     = ""
      period    = "300s"
      aligner   = "ALIGN_DELTA"
      reducer   = "REDUCE_SUM"
      threshold = try(var.monitoring.refused_per_5_minutes, 0)
      advice    = "Group the metric by code. docs/responses.md describes each code."
    }
    latency = {
      title     = "is slow"
      metric    = "latency"
      group     = ""
      period    = "300s"
      aligner   = "ALIGN_PERCENTILE_95"
      reducer   = "REDUCE_MAX"
      threshold = try(var.monitoring.latency_ms, 0)
      advice    = "Compare upstream_ms with total_ms in the log. The first is the time of RCS for Business."
    }
    secret_age = {
      title     = "cannot refresh a secret"
      metric    = "secret_age"
      group     = ""
      period    = "300s"
      aligner   = "ALIGN_PERCENTILE_99"
      reducer   = "REDUCE_MAX"
      threshold = try(var.monitoring.secret_age_s, 0)
      advice    = "The last value stays in use, or for a limited time if the secret was deleted or access was denied. The log line has the cause."
    }
    rejected_events = {
      title     = "gave up events for a target"
      metric    = "rejected_events"
      group     = "metric.label.target"
      period    = "300s"
      aligner   = "ALIGN_DELTA"
      reducer   = "REDUCE_SUM"
      threshold = 0
      advice    = "The target rejected an event for good, its map failed, or it was unavailable for 7 days. The log line has the target and the cause. The function does not deliver the event again."
    }
    undelivered_events = {
      title     = "cannot deliver events to a target"
      metric    = "undelivered_events"
      group     = "metric.label.target"
      period    = "300s"
      aligner   = "ALIGN_PERCENTILE_99"
      reducer   = "REDUCE_MAX"
      threshold = try(var.monitoring.event_age_s, 0)
      advice    = "The target does not respond, or responds with an error. The log line has the target and the cause. Events are given up after 7 days."
    }
    opt_out_unavailable = {
      title     = "cannot use the store of the opt-outs"
      metric    = "opt_out_unavailable"
      group     = ""
      period    = "300s"
      aligner   = "ALIGN_DELTA"
      reducer   = "REDUCE_SUM"
      threshold = 0
      advice    = "Promotions are not sent, and RCS for Business repeats opt-outs for 7 days. The log line has the cause, such as a bucket without rcshook optouts init, a new key without rcshook optouts rekey, or a missing role. Run rcshook doctor."
    }
    bad_signature = {
      title     = "rejects the events of RCS for Business"
      metric    = "bad_signature"
      group     = ""
      period    = "3600s"
      aligner   = "ALIGN_DELTA"
      reducer   = "REDUCE_SUM"
      threshold = try(var.monitoring.bad_signatures_per_hour, 0)
      advice    = "The client token of the webhook differs from that of the function, or a stranger sends requests. Run rcshook doctor, and rcshook webhook set. RCS for Business repeats an event for 7 days."
    }
  }
}

resource "google_project_service" "monitoring" {
  for_each           = local.monitored ? toset(["logging.googleapis.com", "monitoring.googleapis.com"]) : toset([])
  project            = var.project_id
  service            = each.value
  disable_on_destroy = false
}

resource "google_logging_metric" "line" {
  for_each         = local.monitored ? local.metrics : {}
  project          = var.project_id
  name             = "${var.name}/${each.key}"
  description      = each.value.description
  filter           = "${local.lines} AND ${each.value.filter}"
  label_extractors = each.value.labels
  value_extractor  = each.value.value

  metric_descriptor {
    metric_kind = "DELTA"
    value_type  = each.value.value == null ? "INT64" : "DISTRIBUTION"
    unit        = each.value.unit

    dynamic "labels" {
      for_each = each.value.labels
      content {
        key        = labels.key
        value_type = "STRING"
      }
    }
  }

  dynamic "bucket_options" {
    for_each = each.value.value == null ? [] : [each.value.value]
    content {
      exponential_buckets { # 1 to a million
        num_finite_buckets = 40
        growth_factor      = 1.4142135623730951
        scale              = 1
      }
    }
  }
  depends_on = [google_project_service.monitoring]
}

resource "google_monitoring_alert_policy" "line" {
  for_each              = local.monitored ? local.alerts : {}
  project               = var.project_id
  display_name          = "${var.name} ${each.value.title}"
  combiner              = "OR"
  notification_channels = var.monitoring.notification_channels

  conditions {
    display_name = google_logging_metric.line[each.value.metric].description
    condition_threshold {
      filter          = "resource.type = \"cloud_run_revision\" AND metric.type = \"logging.googleapis.com/user/${google_logging_metric.line[each.value.metric].name}\""
      comparison      = "COMPARISON_GT"
      threshold_value = each.value.threshold
      duration        = "0s"
      aggregations {
        alignment_period     = each.value.period
        group_by_fields      = compact([each.value.group])
        per_series_aligner   = each.value.aligner
        cross_series_reducer = each.value.reducer
      }
    }
  }

  documentation {
    content   = each.value.advice
    mime_type = "text/markdown"
  }

  alert_strategy {
    auto_close = "86400s"
  }
}
