.submission.questions
| (first(.[]? | select(.type == "PhoneNumber")) | .value | e164) as $to # of several, the first
| select($to)
| (first(.[]? | select(.name == "Name") | .value | present) // "") as $name
| {to: $to, text: "Thank you\($name | surround(", "; "")). We will call you within a day.", chips: ["Call me now|=CALL_NOW"]}
