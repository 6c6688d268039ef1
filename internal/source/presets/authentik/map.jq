(.To | e164) as $to
| select($to)
| {to: $to, text: first((.Message, (.Body | surround(""; " is your code."))) | present), otp: true}
