select(.event == "invitee.created") | .payload
| (.text_reminder_number | e164) as $to
| select($to)
| {
    to: $to,
    title: .scheduled_event.name,
    text: "You are booked for \(.timezone as $tz | .scheduled_event.start_time | date("%A, %d %B, %H:%M"; $tz)).",
    buttons: ["Reschedule|\(.reschedule_url)", "Cancel|\(.cancel_url)"]
  }
