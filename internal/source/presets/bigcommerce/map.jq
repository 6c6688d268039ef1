select(.scope == "store/order/statusUpdated")
| {to: "+12025550123", text: "Order\(.data.id | surround(" "; "")) has a new status."}
