.data | select(.type == "incident") | .attributes
| select(.started_at and (.acknowledged_at or .resolved_at | not))
| {
    to: "+12025550123",
    title: ("Incident\(.name | surround(": "; ""))" | truncate(100)),
    text: (.cause | present // "An incident has started." | truncate(300))
  }
