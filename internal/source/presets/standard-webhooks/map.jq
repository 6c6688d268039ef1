select(.type == "booking.confirmed") | .data
| (.guest.phone | e164) as $to
| select($to)
| (.starts_at | date("%A, %d %B, %H:%M"; "America/New_York")) as $start
| {
    to: $to,
    text: "Hello \(.guest.name | present // "there"), \(.reference | surround("booking "; "") | present // "your booking") is confirmed\($start | surround(" for "; ""))."
  }
