# Cloud Run has a request log of its own, with the URL of each request. These URLs can
# contain phone numbers and tokens: GET /capabilities?to=, DELETE /messages/ID?to=, and
# webhooks with a token in the query or in the path. The log lines of rcshook still record the requests.
resource "google_logging_project_exclusion" "queries" {
  project     = var.project_id
  name        = "${var.name}-queries"
  description = "Requests to ${var.name} with phone numbers or tokens in the URL"
  filter      = "resource.type=\"cloud_run_revision\" AND resource.labels.service_name=\"${var.name}\" AND log_id(\"run.googleapis.com/requests\") AND httpRequest.requestUrl=~\"(?i)/((capabilities|messages|hooks)[^?]*[?]|hooks(/|%2f)+[^/?]+(/|%2f)+[^/?])\""
}
