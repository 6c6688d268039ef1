# Older versions have no .sms.phone. There, .user.phone is the number to verify, unless the user
# changes it, or has the number of another factor.
(.sms.phone // (.user | select((.new_phone // "") == "" and all(.factors[]?; .factor_type != "phone")).phone)
  | surround("+"; "") | sub("^\\+\\+"; "+") | e164) as $to
| select($to)
| {to: $to, text: "\(.sms.otp | present) is your code.", otp: true}
