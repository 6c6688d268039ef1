select(.subscriptionType == "contact.propertyChange" and .propertyName == "phone")
| (.propertyValue | e164) as $to
| select($to)
| {to: $to, text: "You will get our news on this number from now on.", chips: ["Stop|=STOP"]}
