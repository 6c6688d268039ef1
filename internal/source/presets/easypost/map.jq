# A tracker has no phone number of the customer, so the shop gets the problems.
select(.description == "tracker.updated") | .result
| select(.status | IN("return_to_sender", "failure", "error"))
| {
    to: "+12025550123",
    text: "Parcel\(.tracking_code | surround(" "; "")): \(.status | gsub("_"; " ")).",
    buttons: [.public_url | present | "Track|\(.)"]
  }
