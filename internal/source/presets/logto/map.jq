# Logto keeps numbers as digits with a country code, and without a plus.
(.to | surround("+"; "") | sub("^\\+\\+"; "+") | e164) as $to
| select($to)
| {to: $to, text: "\(.payload.code | present) is your code.", otp: true}
