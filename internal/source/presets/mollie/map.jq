select(.type == "payment-link.paid")
| {to: "+12025550123", text: "Payment link\(.entityId | surround(" "; "")) is paid."}
