select(.action == "triggered")
| {
    to: "+12025550123",
    text: "\(.data.triggered_rule | surround(""; ": "))\(.data.event.title | truncate(150) | present // "a new event")",
    buttons: [.data.event.web_url | present | "Open|\(.)"]
  }
