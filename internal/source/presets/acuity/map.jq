# UNVERIFIED: newer actions start with appointment. as in appointment.scheduled.
select(.action == "scheduled")
| {
    to: "+12025550123",
    text: "There is a new appointment\(.id | surround(" ("; ")")).",
    buttons: [.id | present | "Open it|https://secure.acuityscheduling.com/appointments.php?action=detail&id=\(@uri)"]
  }
