select(.event.event_type == "incident.triggered" and .event.data.urgency == "high") | .event.data
| {to: "+12025550123", title: "Incident \(.number)", text: .title, buttons: ["Acknowledge|\(.html_url)"]}
