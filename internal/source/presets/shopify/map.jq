first((.phone, .customer.phone, .shipping_address.phone) | e164 | values) as $to
| {
    to: $to,
    text: "Hi \(.customer.first_name | present // "there"), your order\(.name | surround(" "; ""))\(money(.total_price; .currency) | surround(" ("; ")")) is on its way.",
    buttons: [.order_status_url | present | "Track|\(.)"],
    traffic: "transaction"
  }
