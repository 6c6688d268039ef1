select(.object_kind == "pipeline" and .object_attributes.status == "failed")
| {
    to: "+12025550123",
    text: "\(.project.path_with_namespace): pipeline \(.object_attributes.id) on \(.object_attributes.ref) failed.",
    buttons: ["Open it|\(.object_attributes.url)"]
  }
