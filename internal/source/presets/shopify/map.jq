first((.phone, .customer.phone, .shipping_address.phone) | e164("US") | values) as $to
| {
    to: $to,
    text: "Hi \(.customer.first_name), your order \(.name) (\(money(.total_price; .currency))) is on its way.",
    buttons: ["Track|\(.order_status_url)"],
    traffic: "transaction"
  }
