.data.essentials
| select(.monitorCondition == "Fired" and (.severity | IN("Sev0", "Sev1")))
| {
    to: "+12025550123",
    title: ("Alert\(.alertRule | surround(": "; ""))" | truncate(100)),
    text: (.description | present // "An alert has fired." | truncate(300))
  }
