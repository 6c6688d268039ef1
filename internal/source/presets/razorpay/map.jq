select(.event == "payment.captured") | .payload.payment.entity
| (.contact | e164) as $to
| select($to)
| {to: $to, text: "Thank you! We received \(money_minor(.amount; .currency) // "your payment").", traffic: "transaction"}
