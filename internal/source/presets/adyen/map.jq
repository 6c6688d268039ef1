select(.eventCode == "CHARGEBACK")
| {
    to: "+12025550123",
    text: "Chargeback\(money_minor(.amount.value; .amount.currency) | surround(" of "; ""))\(.merchantReference | surround(" for order "; ""))."
  }
