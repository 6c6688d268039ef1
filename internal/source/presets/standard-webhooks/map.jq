select(.type == "booking.confirmed") | .data
| {
    to: .guest.phone | e164,
    text: "Hello \(.guest.name), booking \(.reference) is confirmed for \(.starts_at | date("%A, %d %B, %H:%M"; "America/New_York"))."
  }
