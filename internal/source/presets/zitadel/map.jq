(.contextInfo.recipientPhoneNumber // .args.lastPhone | e164) as $to
| select($to)
| {to: $to, text: first((.templateData.text, (.args.code | surround(""; " is your code."))) | present), otp: true}
