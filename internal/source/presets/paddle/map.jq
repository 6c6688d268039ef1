# custom_data is that of your checkout, which needs the number. Set it on your server: a buyer can
# change what a browser sends. UNVERIFIED: details.totals.
select(.event_type == "transaction.completed") | .data
| (.custom_data.phone | e164) as $to
| select($to)
| {
    to: $to,
    text: "Thank you! We received \(money_minor(.details.totals.total; .currency_code) // "your payment")\(.invoice_number | surround(" for invoice "; "")).",
    traffic: "transaction"
  }
