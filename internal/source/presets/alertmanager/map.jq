select(.status == "firing" and .commonLabels.severity == "page")
| {
    to: "+12025550123",
    title: (.commonLabels.alertname | present // "Alert" | truncate(100)),
    text: (.commonAnnotations.summary | present // "Alerts are firing." | truncate(300))
  }
