select(.topic == "contact.created") | .data.item
| (.phone | e164) as $to
| select($to)
| {to: $to, text: "Hello \(.name | present // "there"), write to us here whenever you need help."}
