select(.type == "com.example.order.shipped")
| (.data.phone | e164) as $to
| select($to)
| {to: $to, text: "Order\(.data.order | surround(" "; "")) has shipped\(.time | date("%d %b") | surround(" ("; ")"))."}
