select(.Body | ascii_upcase | test("^ *HELP *$"))
| {to: .From, text: "How can we help?", chips: ["Opening hours|=HOURS", "Call us|tel:+12025550199"]}
