select(.object_kind == "pipeline" and .object_attributes.status == "failed")
| {
    to: "+12025550123",
    text: "\(.project.path_with_namespace | surround(""; ": "))pipeline\(.object_attributes.id | surround(" "; ""))\(.object_attributes.ref | surround(" on "; "")) failed.",
    buttons: [.object_attributes.url | present | "Open it|\(.)"]
  }
