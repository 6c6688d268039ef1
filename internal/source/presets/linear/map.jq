select(.type == "Issue" and .action == "create" and .data.priority == 1) # 1 is urgent
| {
    to: "+12025550123",
    text: "\(.data.identifier | surround(""; ": "))\(.data.title | present // "a new issue" | truncate(150))",
    buttons: [.url | present | "Open|\(.)"]
  }
