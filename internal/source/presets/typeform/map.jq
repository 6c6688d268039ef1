select(.event_type == "form_response") | .form_response.answers
| (first(.[]? | select(.type == "phone_number")) | .phone_number | e164) as $to # of several, the first
| select($to)
| (first(.[]? | select(.field.ref == "name") | .text | present) // "") as $name
| {to: $to, text: "Thank you\($name | surround(", "; "")). We will call you within a day.", chips: ["Call me now|=CALL_NOW"]}
