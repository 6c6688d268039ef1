select(.event_type == "payment_failed") | .content
| (.customer.phone | e164) as $to
| select($to)
| {
    to: $to,
    text: "Hi \(.customer.first_name | present // "there"), we could not collect \(money_minor(.invoice.amount_due; .invoice.currency_code) // "your payment")\(.invoice.id | surround(" for invoice "; "")).",
    buttons: ["Update your card|https://example.com/account"]
  }
