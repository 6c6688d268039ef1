select(.triggerEvent == "BOOKING_CREATED") | .payload
| first((.smsReminderNumber, .attendees[0]?.phoneNumber?) | e164 | values) as $to
| (.attendees[0]?.timeZone? | present // "UTC") as $tz
| {to: $to, title: .title, text: "You are booked\(.startTime | date("%A, %d %B, %H:%M"; $tz) | surround(" for "; ""))."}
