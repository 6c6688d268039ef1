# Alarms of CloudWatch.
select(.data | type == "object" and .NewStateValue == "ALARM") | .data
| {
    to: "+12025550123",
    text: "Alarm\(.AlarmName | surround(": "; ""))\(.NewStateReason | present | tostring | truncate(200) | surround(". "; ""))"
  }
