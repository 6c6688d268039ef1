select(.type == "customer.created") | .data.object.customer
| (.phone_number | e164) as $to
| select($to)
| {to: $to, text: "Welcome\(.given_name | surround(", "; "")). Your first coffee is on us.", buttons: ["Find us|geo:0,0?q=12 Main Street, Springfield"]}
