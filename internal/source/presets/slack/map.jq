select(.type == "event_callback" and .event.type == "app_mention")
| {to: "+12025550123", text: "Slack: \(.event.text | present | gsub("<[^>]*> ?"; "") | present | truncate(200))"}
