select(.event == "meeting.registration_created") | .payload.object
| (.registrant.phone | e164) as $to
| select($to)
| (.timezone | present // "UTC") as $tz
| {
    to: $to,
    title: .topic,
    text: "You are registered\(.start_time | date("%A, %d %B, %H:%M"; $tz) | surround(" for "; "")).",
    buttons: [.registrant.join_url | present | "Join|\(.)"]
  }
