select(.type == "user.created") | .data
| .phone_numbers[0].phone_number as $phone
| select($phone)
| {to: $phone, text: "Welcome, \(.first_name)!", buttons: ["Get started|https://example.com/start"]}
