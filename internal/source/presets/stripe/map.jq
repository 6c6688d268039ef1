select(.type == "checkout.session.completed") | .data.object
| select(.customer_details.phone)
| {
    to: .customer_details.phone,
    text: "Thank you, \(.customer_details.name)! We received \(money_minor(.amount_total; .currency)) for order \(.metadata.order).",
    buttons: ["Receipt|https://example.com/orders/\(.metadata.order)"],
    traffic: "transaction"
  }
