select(.event == "invitee.created") | .payload
| (.text_reminder_number | e164) as $to
| select($to)
| (.timezone | present // "UTC") as $tz
| {
    to: $to,
    title: .scheduled_event.name,
    text: "You are booked\(.scheduled_event.start_time | date("%A, %d %B, %H:%M"; $tz) | surround(" for "; "")).",
    buttons: [(.reschedule_url | present | "Reschedule|\(.)"), (.cancel_url | present | "Cancel|\(.)")]
  }
