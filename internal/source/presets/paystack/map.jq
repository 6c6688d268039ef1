select(.event == "charge.success") | .data
| (.customer.phone | e164) as $to
| select($to)
| {
    to: $to,
    text: "Thank you\(.customer.first_name | surround(", "; ""))! We received \(money_minor(.amount; .currency) // "your payment")\(.reference | surround(", reference "; "")).",
    traffic: "transaction"
  }
