select(.triggerType == "form_submission") | .payload.data
| (.["Phone Number"] | e164) as $to
| select($to)
| {to: $to, text: "Thank you\(.["First Name"] | surround(", "; "")). We will call you within a day.", chips: ["Call me now|=CALL_NOW"]}
