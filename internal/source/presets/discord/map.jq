select(.type == 2 and .data.name == "notify")
| (.member.user.username // .user.username | present // "Discord") as $name
| first(.data.options[]? | select(.name == "text") | .value | strings | present) as $text
| {to: "+12025550123", text: "\($name): \($text | truncate(500))"}
