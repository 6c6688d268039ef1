select(.type == "SMS")
| (.phoneNumber | e164) as $to
| select($to)
| {to: $to, text: first((.textMessage, .message) | present), otp: true}
