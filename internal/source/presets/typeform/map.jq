select(.event_type == "form_response") | .form_response
| first(.answers[] | select(.type == "phone_number") | .phone_number) as $phone
| first(.answers[] | select(.field.ref == "name") | .text) as $name
| {to: $phone, text: "Thank you, \($name). We will call you within a day.", chips: ["Call me now|=CALL_NOW"]}
