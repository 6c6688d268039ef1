select(.type == "deployment.error") | .payload
| select(.target == "production")
| {
    to: "+12025550123",
    text: "A deployment\(.deployment.name | surround(" of "; "")) failed.",
    buttons: [.links.deployment | present | "Open|\(.)"]
  }
