select(.type == "user.created") | .data
| (.phone_numbers[0].phone_number | e164) as $to
| select($to)
| {to: $to, text: "Welcome\(.first_name | surround(", "; ""))!", buttons: ["Get started|https://example.com/start"]}
