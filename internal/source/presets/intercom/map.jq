select(.topic == "contact.created") | .data.item
| select(.phone)
| {to: .phone, text: "Hello \(.name // "there"), write to us here whenever you need help."}
