select(.type == "balancePlatform.transfer.updated" and .data.status == "failed") | .data
| {
    to: "+12025550123",
    text: "The transfer\(.reference | surround(" "; ""))\(money_minor(.amount.value; .amount.currency) | surround(" of "; "")) failed."
  }
