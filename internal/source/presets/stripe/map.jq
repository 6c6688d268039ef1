select(.type == "checkout.session.completed") | .data.object
| (.customer_details.phone | e164) as $to
| select($to)
| {
    to: $to,
    text: "Thank you\(.customer_details.name | surround(", "; ""))! We received \(money_minor(.amount_total; .currency) // "your payment")\(.metadata.order | surround(" for order "; "")).",
    buttons: [.metadata.order | present | "Receipt|https://example.com/orders/\(.)"],
    traffic: "transaction"
  }
