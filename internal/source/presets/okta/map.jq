.data.messageProfile
| select(.deliveryChannel | strings | ascii_downcase == "sms") # not a voice call
| (.phoneNumber | e164) as $to
| select($to)
| {to: $to, text: "\(.otpCode | present) is your code.", otp: true}
