select(.eventType == "Shop.OrderReady") | .data
| (.phone | e164) as $to
| select($to)
| {to: $to, text: "Your order\(.order | surround(" "; "")) is ready."}
