select(.action == "triggered")
| {to: "+12025550123", text: "\(.data.triggered_rule): \(.data.event.title | truncate(150))", buttons: ["Open|\(.data.event.web_url)"]}
