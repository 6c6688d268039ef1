# custom_data is that of your checkout, which needs the number. Set it on your server: a buyer can
# change what a browser sends.
select(.meta.event_name == "order_created")
| (.meta.custom_data.phone | e164) as $to
| select($to)
| .data.attributes
| {
    to: $to,
    text: "Thank you\(.user_name | surround(", "; ""))! We received \(money_minor(.total; .currency) // "your payment")\(.order_number | surround(" for order "; "")).",
    traffic: "transaction"
  }
