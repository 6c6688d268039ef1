select(.status == "completed")
| .billing.country as $country
| (.billing.phone | e164($country)) as $to
| select($to)
| {
    to: $to,
    text: "Order \(.number) is complete: \(.line_items | map(.name) | join(", ") | truncate(80)), \(money(.total; .currency))."
  }
