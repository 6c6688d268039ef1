select(.event == "envelope-completed")
| {
    to: "+12025550123",
    text: "All have signed: \(.data.envelopeSummary.emailSubject | present // "an envelope" | truncate(150))"
  }
