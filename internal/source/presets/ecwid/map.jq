select(.eventType == "order.created")
| {to: "+12025550123", text: "New order\(.data.orderId | surround(" "; "")) in the shop."}
