select(.eventType == "FORM_RESPONSE") | .data.fields
| (first(.[]? | select(.type == "INPUT_PHONE_NUMBER")) | .value | e164) as $to # of several, the first
| select($to)
| (first(.[]? | select(.label == "Name") | .value | present) // "") as $name
| {to: $to, text: "Thank you\($name | surround(", "; "")). We will call you within a day.", chips: ["Call me now|=CALL_NOW"]}
