# Trigger 1 is that the driver is near.
select(.triggerId == 1) | .data.task as $task
| [$task.recipients[]? | (.phone | e164) as $to | select($to)
  | {
      to: $to,
      text: "Hi \(.name | present // "there"), your delivery arrives soon.",
      buttons: [$task.trackingURL | present | "Track|\(.)"]
    }]
