# A contact can be that of another person. Numbers have no plus sign, or one.
.message | select(.contact.user_id and .contact.user_id == .from.id) | .contact
| (.phone_number | strings | "+" + ltrimstr("+") | e164) as $to
| select($to)
| {to: $to, text: "Hello \(.first_name | present // "there"), you will get our news on this number from now on.", chips: ["Stop|=STOP"]}
