select(.type == "text")
| {to: "+12025550123", text: "WhatsApp\(.contact.profile.name | surround(" from "; "")): \(.text.body | present | truncate(500))"}
