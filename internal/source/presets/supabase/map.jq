(.sms.phone | surround("+"; "") | sub("^\\+\\+"; "+") | e164) as $to
| select($to)
| {to: $to, text: "\(.sms.otp | present) is your code.", otp: true}
