select(.meta.entity == "person" and .meta.action == "create") | .data
| (first(.phones[]? | select(.primary == true)) | .value | e164) as $to # UNVERIFIED: phones
| select($to)
| {to: $to, text: "Hello \(.name | present // "there"), you can reach us here at any time."}
