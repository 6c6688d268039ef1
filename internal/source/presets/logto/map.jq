(.to | e164) as $to
| select($to)
| {to: $to, text: "\(.payload.code | present) is your code.", otp: true}
