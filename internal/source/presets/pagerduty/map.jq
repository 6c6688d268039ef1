select(.event.event_type == "incident.triggered" and .event.data.urgency == "high") | .event.data
| {
    to: "+12025550123",
    title: "Incident\(.number | surround(" "; ""))",
    text: .title,
    buttons: [.html_url | present | "Acknowledge|\(.)"]
  }
