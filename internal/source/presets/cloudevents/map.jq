select(.type == "com.example.order.shipped")
| {to: .data.phone, text: "Order \(.data.order) has shipped (\(.time | date("%d %b")))."}
