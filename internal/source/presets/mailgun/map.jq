.["event-data"] | select(.event == "failed" and .severity == "permanent")
| {to: "+12025550123", text: "An email\(.message.headers.subject | surround(" (\""; "\")")) bounced\(.["delivery-status"].message | surround(": "; ""))."}
