# Optional Cloud Tasks queues, for messages and for events. Producers of messages need no
# API key, because the tasks carry a token of the queue's service account. Set
# idempotency_key in every payload: a task may run twice. With through = true the function
# is a producer too, for all its messages. Events are delivered to their targets through a
# queue of their own.

locals {
  # These keys do not depend on created resources, as for_each requires.
  producers = !local.queued ? {} : merge(
    { for member in var.queue.producers : member => member },
    local.through ? { function = "serviceAccount:${google_service_account.run.email}" } : {},
  )
}

data "google_project" "this" {
  count      = local.enqueues ? 1 : 0
  project_id = var.project_id
}

resource "google_service_account" "queue" {
  count        = local.queued || local.events ? 1 : 0
  project      = var.project_id
  account_id   = "${var.name}-queue"
  display_name = "Calls ${var.name} from its queue"
  depends_on   = [google_project_service.api]
}

resource "google_cloud_tasks_queue" "messages" {
  count    = local.queued ? 1 : 0
  project  = var.project_id
  name     = var.name
  location = var.region

  rate_limits {
    max_dispatches_per_second = var.queue.rate
    max_concurrent_dispatches = var.concurrency
  }

  retry_config {
    max_attempts       = var.queue.max_attempts
    max_retry_duration = var.queue.max_age
    min_backoff        = "2s"
    max_backoff        = "300s"
    max_doublings      = 7
  }
  depends_on = [google_project_service.api]
}

# The function gives up an event after 7 days, and reports it. The queue keeps it longer.
resource "google_cloud_tasks_queue" "events" {
  count    = local.events ? 1 : 0
  project  = var.project_id
  name     = "${var.name}-events"
  location = var.region

  rate_limits {
    max_dispatches_per_second = var.events.rate
    max_concurrent_dispatches = var.concurrency
  }

  retry_config {
    max_attempts       = -1 # unlimited
    max_retry_duration = "691200s"
    min_backoff        = "5s"
    max_backoff        = "3600s"
    max_doublings      = 16
  }
  depends_on = [google_project_service.api]
}

resource "google_cloud_tasks_queue_iam_member" "events" {
  count    = local.events ? 1 : 0
  project  = var.project_id
  location = var.region
  name     = google_cloud_tasks_queue.events[0].name
  role     = "roles/cloudtasks.enqueuer"
  member   = "serviceAccount:${google_service_account.run.email}"
}

# The topics that targets of events name.
resource "google_pubsub_topic_iam_member" "publisher" {
  for_each   = local.topics
  project    = split("/", each.value)[1]
  topic      = split("/", each.value)[3]
  role       = "roles/pubsub.publisher"
  member     = "serviceAccount:${google_service_account.run.email}"
  depends_on = [google_project_service.api]
}

resource "google_cloud_tasks_queue_iam_member" "producer" {
  for_each = local.producers
  project  = var.project_id
  location = var.region
  name     = google_cloud_tasks_queue.messages[0].name
  role     = "roles/cloudtasks.enqueuer"
  member   = each.value
}

# A message that is delivered or revoked leaves tasks behind, which the function deletes.
resource "google_cloud_tasks_queue_iam_member" "deleter" {
  count    = local.through ? 1 : 0
  project  = var.project_id
  location = var.region
  name     = google_cloud_tasks_queue.messages[0].name
  role     = "roles/cloudtasks.taskDeleter"
  member   = "serviceAccount:${google_service_account.run.email}"
}

# To create a task with a token of the queue's service account, a producer must be
# allowed to act as that account. The account can only call the function.
resource "google_service_account_iam_member" "producer" {
  for_each           = merge(local.producers, local.enqueues ? { function = "serviceAccount:${google_service_account.run.email}" } : {})
  service_account_id = google_service_account.queue[0].name
  role               = "roles/iam.serviceAccountUser"
  member             = each.value
}
