# Older versions have no .sms.phone. There, .user.phone is the number to verify, unless the user
# changes it, or has a phone as a second factor: then it is unclear, and nothing is sent.
(.sms.phone // (.user | select((.new_phone // "") == "" and all(.factors[]?; .factor_type != "phone")).phone)
  | surround("+"; "") | sub("^\\+\\+"; "+") | e164) as $to
| select($to)
| {to: $to, text: "\(.sms.otp | present) is your code.", otp: true}
