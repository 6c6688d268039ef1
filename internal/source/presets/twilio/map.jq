select(.Body // "" | ascii_upcase | test("^ *HELP *$"))
| (.From | e164) as $to
| select($to)
| {to: $to, text: "How can we help?", chips: ["Opening hours|=HOURS", "Call us|tel:+12025550199"]}
