(.sms.phone // "" | ltrimstr("+") | surround("+"; "") | e164) as $to
| select($to)
| {to: $to, text: "\(.sms.otp | present) is your code.", otp: true}
